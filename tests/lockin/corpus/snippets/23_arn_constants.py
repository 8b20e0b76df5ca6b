import boto3

MODEL = "arn:aws:rekognition:us-east-1:111122223333:project/logos/version/logos.2024/1"
rek = boto3.client("rekognition", region_name="us-east-1")
labels = rek.detect_custom_labels(ProjectVersionArn=MODEL, Image={"Bytes": b""})["CustomLabels"]
