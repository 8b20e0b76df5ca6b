import boto3


class AwsBase:
    service = None

    def __init__(self):
        self.client = boto3.client(self.service)


class Comprehend(AwsBase):
    service = "comprehend"

    def phrases(self, text):
        found = self.client.detect_key_phrases(Text=text, LanguageCode="en")
        return {p["Text"] for p in found["KeyPhrases"]}
