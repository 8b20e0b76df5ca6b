import boto3


class Labeler:
    def __init__(self, rekognition_client=None):
        self.client = rekognition_client or boto3.client("rekognition")

    def label(self, data):
        response = self.client.detect_labels(Image={"Bytes": data}, Features=["GENERAL_LABELS"])
        return response
