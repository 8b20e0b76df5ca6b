import boto3

c = boto3.client("rekognition")
resp = c.detect_faces(Image={"Bytes": b""}, Attributes=["ALL"])
smile = resp.get("FaceDetails", [{}])[0].get("Smile", {}).get("Value")
