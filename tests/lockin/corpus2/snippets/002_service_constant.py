import boto3

SERVICE = "textract"
REGION = "us-east-1"
textract = boto3.client(SERVICE, REGION)


def start(bucket, name):
    response = textract.start_document_text_detection(
        DocumentLocation={"S3Object": {"Bucket": bucket, "Name": name}})
    return response["JobId"]
