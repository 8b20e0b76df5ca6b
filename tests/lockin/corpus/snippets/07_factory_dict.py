import boto3

clients = {"rekognition": boto3.client("rekognition"), "s3": boto3.client("s3")}
out = clients["rekognition"].detect_faces(Image={"Bytes": b""})
clients["s3"].list_buckets()
