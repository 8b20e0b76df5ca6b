import boto3

s3, rek = boto3.client("s3"), boto3.client("rekognition")
for obj in s3.list_objects_v2(Bucket="pics")["Contents"]:
    text = rek.detect_text(Image={"S3Object": {"Bucket": "pics", "Name": obj["Key"]}})
    print([t["DetectedText"] for t in text["TextDetections"] if t["Type"] == "LINE"])
