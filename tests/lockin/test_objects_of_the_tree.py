"""Objects of the scanned tree that hold clients and answers: late attributes, singletons, clients by their name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloudai.lockin import Scan

Marked = Callable[[str], tuple[set[tuple[int, str]], set[tuple[int, str]]]]
CASES = {
    "attribute that is known after the method was read": """\
import boto3
class Seen:
    def __init__(self, data):
        self.geometry = data.get("Geometry")  #: Geometry
    def shape(self):
        return self.geometry.get("Polygon")  #: Polygon
class Reader:
    def __init__(self, client):
        self.client = client
    def read(self):
        answer = self.client.detect_text(Image={})  #: detect_text Image
        return [Seen(each) for each in answer["TextDetections"]]  #: TextDetections
def main():
    return [each.shape() for each in Reader(boto3.client("rekognition")).read()]
""",
    "singleton": """\
import boto3
class Settings:
    _session = None
    @property
    def session(self):
        if self._session is None:
            self._session = boto3.Session(region_name="eu-west-1")
        return self._session
    @property
    def client(self):
        return self.session.client("polly")
class Only:
    _only = None
    def __new__(cls):
        if cls._only is None:
            cls._only = super().__new__(cls)
            cls._only._settings = Settings()
        return cls._only
    @property
    def settings(self):
        return self._settings
settings = Only().settings
def voices():
    return settings.client.describe_voices()["Voices"]  #: describe_voices Voices
""",
    "client that somebody else hands over, by its name": """\
from botocore.exceptions import ClientError
class Report:
    def __init__(self, bucket, rekognition_client, comprehend):
        self.rekognition_client, self._comprehend = rekognition_client, comprehend
    def get(self):
        return self.rekognition_client.detect_labels(Image={})["Labels"]  #: detect_labels Image Labels
    def mood(self):
        return self._comprehend.detect_sentiment(Text="a")["Sentiment"]  #: detect_sentiment Text Sentiment
""",
    "names that say no service, methods that no service has": """\
import boto3
class Report:
    def __init__(self, client, polly, textract_settings):
        self.client, self.polly, self.textract_settings = client, polly, textract_settings
    def get(self):
        self.polly.speak("a")["Voices"]
        self.textract_settings.detect_document_text()["Blocks"]
        return self.client.detect_labels(Image={})["Labels"]
""",
    "no module of boto3": """\
def labels(rekognition_client):
    return rekognition_client.detect_labels(Image={})["Labels"]
""",
}


@pytest.mark.parametrize("case", CASES)
def test_objects_give_what_they_hold(case: str, marked: Marked) -> None:
    found, said = marked(CASES[case])
    assert found == said


def test_an_exception_around_a_handed_on_operation_is_the_vendors(scanned: Callable[..., Scan]) -> None:
    code = """\
import boto3
from botocore.exceptions import ClientError
def start(job):
    try:
        return job(Video={})
    except ClientError:
        return None
start(boto3.client("rekognition").start_label_detection)
"""
    caught = [find for find in scanned(a=code).finds if find.kind == "exception"]
    assert [(find.name, find.line) for find in caught] == [("ClientError", 6)]


def test_resources_of_vertex_ai_are_ids(scanned: Callable[..., Scan]) -> None:
    name = "projects/1/locations/europe-west4/tensorboards/2"
    found = scanned(a=f'from google.cloud import aiplatform\naiplatform.init()\nBOARD = "{name}"\n')
    assert [find.name for find in found.finds if find.kind == "resource_id"] == [name]
