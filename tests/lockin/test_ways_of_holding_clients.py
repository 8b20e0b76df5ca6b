"""Ways in which people keep clients and hand them on: what is found in each, by line, kind and name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudai.lockin import Scan, scan

Marked = Callable[[str], tuple[set[tuple[int, str]], set[tuple[int, str]]]]

CASES = {
    "FastAPI: Annotated and Depends": """\
from typing import Annotated, Any
import boto3
from fastapi import Depends
def rekognition():
    yield boto3.client("rekognition")
Rekognition = Annotated[Any, Depends(rekognition)]
def labels(client: Rekognition):
    return client.detect_labels(Image={})["Labels"]  #: detect_labels Image Labels
def faces(client: Annotated[Any, Depends(rekognition)]):
    return client.detect_faces(Image={})  #: detect_faces Image
""",
    "FastAPI: the application's state": """\
import boto3
async def lifespan(app):
    app.state.rekognition = boto3.client("rekognition")
    yield
def labels(request):
    return request.app.state.rekognition.detect_labels(Image={})["Labels"]  #: detect_labels Image Labels
""",
    "dataclass with a factory": """\
from dataclasses import dataclass, field
import boto3
@dataclass
class A:
    client: object = field(default_factory=lambda: boto3.client("polly"))
    def say(self):
        return self.client.synthesize_speech(Text="a")["AudioStream"]  #: synthesize_speech Text AudioStream
""",
    "partial of partial": """\
from functools import partial
import boto3
tr = boto3.client("translate")
french = partial(tr.translate_text, TargetLanguageCode="fr")  #: translate_text TargetLanguageCode
print(partial(french, Text="a")()["TranslatedText"])  #: Text TranslatedText
""",
    "partial of the factory": """\
from functools import partial
import boto3
make = partial(boto3.client, "polly", region_name="eu-west-1")
make().describe_voices()["Voices"]  #: describe_voices Voices
""",
    "container of dependencies": """\
import boto3
from dependency_injector import containers, providers
class Container(containers.DeclarativeContainer):
    polly = providers.Singleton(boto3.client, "polly")
Container().polly().describe_voices()  #: describe_voices
""",
    "delegation": """\
import boto3
class Lazy:
    def __init__(self, service):
        self.made = boto3.client(service)
    def __getattr__(self, name):
        return getattr(self.made, name)
Lazy("textract").detect_document_text(Document={})["Blocks"]  #: detect_document_text Document Blocks
""",
    "operation by name": """\
import boto3
def call(service, operation, **parameters):
    return getattr(boto3.client(service), operation)(**parameters)
call("comprehend", "detect_entities", Text="a")["Entities"]  #: detect_entities Text Entities
""",
    "table of methods": """\
import boto3
rek = boto3.client("rekognition")
CHECKS = {"labels": rek.detect_labels, "faces": rek.detect_faces}  #: detect_labels detect_faces
for check in CHECKS.values():
    check(Image={})  #: Image
""",
    "thread": """\
import threading, boto3
rek = boto3.client("rekognition")
threading.Thread(target=rek.detect_text, kwargs={"Image": {}}).start()  #: detect_text Image
""",
    "nonlocal": """\
import boto3
def outer():
    seen = None
    def inner():
        nonlocal seen
        seen = boto3.client("rekognition").detect_text(Image={})  #: detect_text Image
    inner()
    return seen["TextDetections"]  #: TextDetections
""",
    "sum of arguments": """\
import boto3
given = {"Text": "a"}  #: Text
given |= {"Engine": "neural"}  #: Engine
boto3.client("polly").synthesize_speech(**given)  #: synthesize_speech
""",
    "from one turn of a loop to the next": """\
import boto3
client, given = boto3.client("textract"), {"JobId": "j"}  #: JobId
while True:
    page = client.get_document_analysis(**given)  #: get_document_analysis
    given["NextToken"] = page["NextToken"]  #: NextToken NextToken
""",
    "getters and jmespath": """\
from operator import itemgetter
import re, boto3, jmespath
answer = boto3.client("rekognition").detect_labels(Image={})  #: detect_labels Image
names = jmespath.search("Labels[].Name", answer)  #: Labels Name
re.search(r"exit|quit", answer["Labels"][0]["Name"])  #: Labels Name
best = sorted(answer["Labels"], key=itemgetter("Confidence"))  #: Labels Confidence
""",
    "reduce": """\
from functools import reduce
import boto3
answers = [boto3.client("rekognition").detect_text(Image={}) for _ in range(2)]  #: detect_text Image
reduce(lambda left, right: left + right["TextDetections"], answers, [])  #: TextDetections
""",
    "base address": """\
import httpx
with httpx.Client(base_url="https://api.cognitive.microsofttranslator.com") as http:
    http.post("/translate", json=[])  #: post json
""",
    "host from the environment": """\
import os, requests
r = requests.post(os.environ["ENDPOINT"] + "/vision/v3.2/read/analyze", json={})  #: post json
requests.get(r.headers["Operation-Location"]).json()["analyzeResult"]  #: Operation-Location get analyzeResult
requests.post(os.environ["OWN"] + "/vision/labels", json={})
""",
    "file of an answer": """\
import boto3, requests
given = {"TranscriptionJobName": "a"}  #: TranscriptionJobName
job = boto3.client("transcribe").get_transcription_job(**given)  #: get_transcription_job
uri = job["TranscriptionJob"]["Transcript"]["TranscriptFileUri"]  #: TranscriptionJob Transcript TranscriptFileUri
requests.get(uri).json()
""",
    "what a client knows of itself": """\
import boto3
rek = boto3.client("rekognition")
rek.meta.events.register("before-sign", print)
print(rek.meta.service_model.shape_for("Label").enum, rek._endpoint.host.lower())
rek.detect_labels(Image={})  #: detect_labels Image
""",
    "answers as dictionaries": """\
import json, requests
from google.cloud import vision
from google.protobuf.json_format import MessageToDict
answer = vision.ImageAnnotatorClient().face_detection(image=None)  #: face_detection image
MessageToDict(answer._pb)["faceAnnotations"]  #: faceAnnotations
json.loads(vision.AnnotateImageResponse.to_json(answer))["faceAnnotations"]  #: faceAnnotations
reply = requests.get("https://texttospeech.googleapis.com/v1/voices")  #: get
json.loads(reply.text)["voices"]  #: voices
""",
    "placeholder for the host": """\
import requests
url = "YOUR_ENDPOINT" + "/face/v1.0/detect"
requests.post(url, headers={"Ocp-Apim-Subscription-Key": "k"}).json()[0]["faceRectangle"]  #: post headers faceRectangle
""",
    "session with Google's credentials": """\
from google.auth.transport.requests import AuthorizedSession
http = AuthorizedSession(None)
http.post("https://speech.googleapis.com/v1/speech:recognize", json={}).json()["results"]  #: post json results
""",
    "answer by its type": """\
from google.cloud import documentai
def pages(document: documentai.Document):
    return [page.tables for page in document.pages]  #: tables pages
""",
    "answer wrapped by the vendor's class": """\
import azure.cognitiveservices.speech as sdk
result = sdk.SpeechRecognizer(sdk.SpeechConfig("k", "r")).recognize_once()  #: recognize_once
print(sdk.CancellationDetails(result).error_details)  #: error_details
""",
    "parameter that nobody fills": """\
import boto3
def main():
    rek = boto3.client("rekognition")
    return rek
def labels(rek):
    return rek.detect_labels(Image={})  #: detect_labels Image
def other(client):
    return client.detect_labels(Image={})
def page(rek):
    return rek.get("https://example.org").json()["Labels"]
""",
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_client_does_is_found_however_it_is_held(case: str, marked: Marked) -> None:
    found, said = marked(CASES[case])
    assert found == said


def test_a_fixture_of_conftest_fills_the_parameters_of_tests(scanned: Callable[..., Scan]) -> None:
    fixture = 'import boto3, pytest\n@pytest.fixture\ndef polly():\n    yield boto3.client("polly")\n'
    test = 'class TestVoices:\n    def test_some(self, polly):\n        assert polly.describe_voices()["Voices"]\n'
    found = scanned(tests__conftest=fixture, tests__unit__test_voices=f"import boto3\n{test}", test_other=test)
    assert {(find.file, find.name) for find in found.finds if find.kind != "client"} == {
        ("tests/unit/test_voices.py", "describe_voices"),
        ("tests/unit/test_voices.py", "Voices"),
    }


def test_an_sdk_for_everything_counts_only_where_it_makes_the_clients(tmp_path: Path) -> None:
    code = 'import boto3\nfrom botocore.exceptions import ClientError\nboto3.client("polly").describe_voices()\n'
    (tmp_path / "a.py").write_text(code, encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("boto3\nbotocore\naioboto3\nawscli\n", encoding="utf-8")
    assert [find.name for find in scan(tmp_path).finds if find.kind == "dependency"] == ["boto3"]


def test_the_older_translation_client_has_only_its_own_methods(scanned: Callable[..., Scan]) -> None:
    code = """\
import os, boto3
from google.cloud import translate_v2
def make():
    return boto3.client("translate") if os.getenv("AWS") else translate_v2.Client()
make().translate_text(Text="a")
make().translate("a")
"""
    found = scanned(a=code)
    assert {(find.provider, find.name) for find in found.finds if find.kind == "operation"} == {
        ("aws", "translate_text"),
        ("gcp", "translate"),
    }


def test_loading_the_scan_pauses_the_collector_and_gives_it_back(tmp_path: Path) -> None:
    import gc

    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": [], "nbformat": 4}), encoding="utf-8")
    scan(tmp_path)
    assert gc.isenabled()
