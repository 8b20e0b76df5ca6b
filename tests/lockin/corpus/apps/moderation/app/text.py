"""Words in pictures, then their language."""

import boto3


class TextReader:
    def __init__(self):
        self._rekognition = boto3.client("rekognition")
        self._comprehend = boto3.client(service_name="comprehend")

    def words(self, data):
        answer = self._rekognition.detect_text(Image={"Bytes": data})
        return [
            d["DetectedText"]
            for d in answer["TextDetections"]
            if d["Type"] == "WORD" and d["Confidence"] > 80
        ]

    def language(self, data):
        text = " ".join(self.words(data))
        langs = self._comprehend.detect_dominant_language(Text=text)["Languages"]
        best = max(langs, key=lambda l: l["Score"])
        return best["LanguageCode"]
