import boto3

rek = boto3.client("rekognition")
params = {
    "Image": {"Bytes": b""},
    "MinConfidence": 70,
}
params["MaxLabels"] = 3
resp = rek.detect_labels(**params)
print(resp["Labels"])
