import boto3

client = boto3.client("rekognition")
method = getattr(client, "detect_moderation_labels")
r = method(Image={"Bytes": b""})
print(r["ModerationLabels"])
