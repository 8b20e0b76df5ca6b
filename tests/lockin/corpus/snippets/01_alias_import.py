import boto3 as b3
rek = b3.client("rekognition")
print(rek.detect_labels(Image={"Bytes": b""}, MaxLabels=5)["Labels"][0]["Name"])
