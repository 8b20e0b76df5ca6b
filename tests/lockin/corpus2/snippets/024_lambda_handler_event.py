import boto3
import urllib.parse

print("Loading function")
rekognition = boto3.client("rekognition")


def lambda_handler(event, context):
    bucket = event["Records"][0]["s3"]["bucket"]["name"]
    key = urllib.parse.unquote_plus(event["Records"][0]["s3"]["object"]["key"])
    try:
        response = rekognition.compare_faces(
            SourceImage={"S3Object": {"Bucket": bucket, "Name": key}},
            TargetImage={"S3Object": {"Bucket": bucket, "Name": "reference.jpg"}},
        )
        return response["FaceMatches"][0]["Similarity"] if response["FaceMatches"] else 0
    except Exception as e:
        print(e)
        raise e
