import boto3

bucket = boto3.resource("s3").Bucket("rekognition-output")
for summary in bucket.objects.filter(Prefix="textract/"):
    print(summary.key)
