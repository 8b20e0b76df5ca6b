from .clients import make_client

rek = make_client("rekognition")
COLLECTION = "banned-users"


def count_faces(image_bytes):
    resp = rek.detect_faces(Image={"Bytes": image_bytes}, Attributes=["ALL"])
    faces = resp.get("FaceDetails", [])
    young = 0
    for face in faces:
        age = face["AgeRange"]
        if age["Low"] < 18:
            young += 1
    return len(faces), young


def is_banned(image_bytes):
    found = rek.search_faces_by_image(CollectionId=COLLECTION, Image={"Bytes": image_bytes})
    return bool(found["FaceMatches"])


def all_faces():
    paginator = rek.get_paginator("list_faces")
    for page in paginator.paginate(CollectionId=COLLECTION):
        for face in page["Faces"]:
            yield face["FaceId"]
