import boto3

client = boto3.client("rekognition")
paginator = client.get_paginator("list_faces")
for page in paginator.paginate(CollectionId="people", PaginationConfig={"PageSize": 50}):
    for face in page["Faces"]:
        print(face["FaceId"], face.get("ExternalImageId", "?"))
