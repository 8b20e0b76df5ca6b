"""Answers that are put into lists and dictionaries, handed through JSON, or asked by a computed name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudai.lockin import Scan

Marked = Callable[[str], tuple[set[tuple[int, str]], set[tuple[int, str]]]]
HEAD = "import boto3\nrek = boto3.client('rekognition')\n"
CASES = {
    "list that grows": """\
def pages():
    found = []
    for name in ("a", "b"):
        found.append(rek.detect_text(Image={}))  #: detect_text Image
    return found
def show(answers):
    for answer in answers:
        print(answer["TextDetections"])  #: TextDetections
show(pages())
""",
    "list of a module": """\
seen = []
def show():
    for page in seen:
        print(page["FaceDetails"])  #: FaceDetails
def ask():
    seen.append(rek.detect_faces(Image={}))  #: detect_faces Image
""",
    "list of an object": """\
class Reader:
    def __init__(self):
        self.pages = []
    def show(self):
        return [page["TextDetections"] for page in self.pages]  #: TextDetections
    def ask(self):
        self.pages.extend([rek.detect_text(Image={})])  #: detect_text Image
""",
    "list of a dataclass": """\
from dataclasses import dataclass, field
@dataclass
class Reader:
    pages: list = field(default_factory=list)
    def show(self):
        return [page["TextDetections"] for page in self.pages]  #: TextDetections
    def ask(self):
        self.pages.append(rek.detect_text(Image={}))  #: detect_text Image
""",
    "lists added up": """\
found = []
token = None
while True:
    page = rek.list_faces(CollectionId="c")  #: list_faces CollectionId
    found += page["Faces"]  #: Faces
    if not token:
        break
print(found[0]["FaceId"], [one["ImageId"] for one in found])  #: FaceId ImageId
""",
    "dictionary by a key that is not known": """\
by_name = {}
for name in input().split():
    by_name[name] = rek.detect_labels(Image={})  #: detect_labels Image
for name, answer in by_name.items():
    print(name, answer["Labels"])  #: Labels
print(by_name[input()]["LabelModelVersion"])  #: LabelModelVersion
""",
    "defaultdict of lists, setdefault": """\
from collections import defaultdict
by_name, more = defaultdict(list), {}
by_name[input()].append(rek.detect_labels(Image={}))  #: detect_labels Image
more.setdefault(input(), []).append(rek.detect_faces(Image={}))  #: detect_faces Image
print([one["Labels"] for each in by_name.values() for one in each])  #: Labels
print([one["FaceDetails"] for each in more.values() for one in each])  #: FaceDetails
""",
    "numbers and pairs": """\
answers = [rek.detect_labels(Image={}) for _ in range(2)]  #: detect_labels Image
for number, (name, answer) in enumerate(zip(["a", "b"], answers)):
    print(number, name, answer["Labels"])  #: Labels
""",
    "services by name": """\
TASKS = {"polly": "describe_voices", "rekognition": "list_collections"}
for service, method in TASKS.items():
    boto3.client(service)
""",
    "through JSON": """\
import json
answer = rek.detect_labels(Image={})  #: detect_labels Image
copy = json.loads(json.dumps(answer["Labels"], default=str))  #: Labels
print(copy[0]["Name"])  #: Name
""",
    "fields by name": """\
from google.cloud import vision
answer = vision.ImageAnnotatorClient().annotate_image({})  #: annotate_image
kind = "text_annotations" if input() else "logo_annotations"
for one in getattr(answer, kind, []):  #: text_annotations logo_annotations
    print(getattr(one, "description", ""), one.score)  #: description score
""",
    "several fields in turn": """\
answer = rek.detect_faces(Image={})["FaceDetails"][0]  #: detect_faces Image FaceDetails
for key in ("Smile", "Beard"):
    print(answer[key]["Value"], answer.get(key))  #: Smile Beard Value
""",
    "default of a field": """\
answer = rek.detect_text(Image={})  #: detect_text Image
faces = rek.detect_faces(Image={})  #: detect_faces Image
print(answer.get("TextDetections", faces["FaceDetails"])[0]["Confidence"])  #: TextDetections FaceDetails Confidence
""",
    "arguments from one of several dictionaries": """\
for given in ({"Image": 1}, {"Image": 2,  #: Image
              "MaxLabels": 3}):  #: MaxLabels
    rek.detect_labels(**given)  #: detect_labels
for given in [
    {"Image": 1},  #: Image
    {"Image": 2},  #: Image
]:
    rek.detect_text(**given)  #: detect_text
""",
    "jobs of a pool": """\
from concurrent.futures import ThreadPoolExecutor, as_completed
def ask(name):
    return rek.detect_labels(Image={"Bytes": name})  #: detect_labels Image
def together(names):
    with ThreadPoolExecutor() as pool:
        jobs = {pool.submit(ask, name): name for name in names}
        print([job.result()["Labels"] for job in as_completed(jobs)])  #: Labels
        more = {}
        for name in names:
            more[pool.submit(ask, name)] = name
        for job, name in more.items():
            print(name, job.result()["LabelModelVersion"])  #: LabelModelVersion
        print([job.result()["OrientationCorrection"] for job in more])  #: OrientationCorrection
def show(answers):
    return answers[0]["Labels"][0]["Name"]  #: Labels Name
ThreadPoolExecutor().submit(show, [ask("a"), ask("b")])
""",
    "filter": """\
answer = rek.detect_labels(Image={})  #: detect_labels Image
sure = filter(lambda each: each["Confidence"] > 90, answer["Labels"])  #: Labels Confidence
best = sorted(sure, key=lambda each: each["Confidence"])  #: Confidence
print(best[0]["Name"])  #: Name
""",
    "named tuple": """\
from collections import namedtuple
Found = namedtuple("Found", "labels version")
answer = rek.detect_labels(Image={})  #: detect_labels Image
found = Found(answer["Labels"], version=answer["LabelModelVersion"])  #: Labels LabelModelVersion
print(found.labels[0]["Name"], found.version)  #: Name
""",
    "fields that are taken out": """\
answer = rek.detect_labels(Image={})  #: detect_labels Image
answer.pop("ResponseMetadata", None)  #: ResponseMetadata
print(answer.pop("Labels")[0]["Name"])  #: Labels Name
""",
    "content of a reply": """\
import json, requests, urllib.request
reply = requests.post("https://vision.googleapis.com/v1/images:annotate", json={})  #: post json
print(json.loads(reply.content)["responses"])  #: responses
with urllib.request.urlopen("https://texttospeech.googleapis.com/v1/voices") as got:  #: urlopen
    print(json.loads(got.read().decode("utf-8"))["voices"])  #: voices
""",
    "numpy's own": """\
import numpy as np
images = []
images.append(np.zeros(3))
table = {}
table[input()] = np.ones(2)
for image in images:
    print(image["Labels"], table[1]["Name"], image.score)
""",
}


@pytest.mark.parametrize("case", CASES)
def test_an_answer_is_followed_through(case: str, marked: Marked) -> None:
    found, said = marked(HEAD + CASES[case])
    assert found == said


def test_a_line_that_reads_answers_of_several_calls_has_the_same_topic_in_each_run(
    scanned: Callable[..., Scan], tmp_path: Path
) -> None:
    asked = "for ask in (rek.recognize_celebrities, rek.detect_protective_equipment):\n    ask(Image={})['Persons']\n"
    scanned(a=HEAD + asked)
    script = f"from cloudai.lockin import scan; print(scan({str(tmp_path)!r}).finds)"
    told = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1
