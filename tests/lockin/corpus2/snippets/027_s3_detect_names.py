import boto3

ddb = boto3.resource("dynamodb").Table("labels")


def detect_labels(image):
    return ddb.get_item(Key={"image": image})["Item"]["Labels"]


print(detect_labels("x")[0]["Name"])
