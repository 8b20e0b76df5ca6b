import boto3

MODEL = "arn:aws:rekognition:us-east-1:123456789012:project/parts/version/parts.2025-01-01T00.00.00/1735689600000"
client = boto3.client("rekognition")
client.start_project_version(ProjectVersionArn=MODEL, MinInferenceUnits=1)
labels = client.detect_custom_labels(ProjectVersionArn=MODEL, Image={"Bytes": b""}, MinConfidence=50)["CustomLabels"]
