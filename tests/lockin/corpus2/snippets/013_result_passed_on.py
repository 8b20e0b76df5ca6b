import boto3

client = boto3.client("rekognition")


def boxes(details):
    return [d["BoundingBox"]["Width"] for d in details]


def emotion(detail):
    return sorted(detail["Emotions"], key=lambda e: -e["Confidence"])[0]["Type"]


answer = client.detect_faces(Image={"Bytes": b""}, Attributes=["ALL"])
faces = answer["FaceDetails"]
print(boxes(faces), list(map(emotion, faces)))
