import boto3

t = boto3.client("textract")
kw = dict(Document={"S3Object": {"Bucket": "b", "Name": "n"}}, FeatureTypes=["TABLES", "FORMS"])
blocks = t.analyze_document(**kw).get("Blocks")
