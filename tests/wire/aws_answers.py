"""What the strict server answers: one plausible answer for each operation, in AWS's own form."""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from aws_jobs import DocumentJobs, SpeechTasks
from aws_server import ACCESS_KEY, REGION, SECRET_KEY, Failure, Params, StrictServer, serving

Block = dict[str, Any]


def geometry(left: float, top: float, width: float, height: float) -> Params:
    """A box and its four corners."""
    right, bottom = left + width, top + height
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return {
        "BoundingBox": {"Left": left, "Top": top, "Width": width, "Height": height},
        "Polygon": [{"X": x, "Y": y} for x, y in corners],
    }


LABELS: Params = {
    "Labels": [
        {
            "Name": "Car",
            "Confidence": 98.87621307373047,
            "Instances": [
                {
                    "BoundingBox": {"Left": 0.0042, "Top": 0.5051, "Width": 0.1067, "Height": 0.1862},
                    "Confidence": 99.07690429687,
                }
            ],
            "Parents": [{"Name": "Vehicle"}, {"Name": "Transportation"}],
            "Aliases": [{"Name": "Automobile"}],
            "Categories": [{"Name": "Vehicles and Automotive"}],
        },
        {
            "Name": "Eiffel Tower",
            "Confidence": 99.5,
            "Instances": [],
            "Parents": [{"Name": "Tower"}],
            "Aliases": [],
            "Categories": [{"Name": "Popular Landmarks"}],
        },
    ],
    "LabelModelVersion": "3.0",
}
FACES: Params = {
    "FaceDetails": [
        {
            "BoundingBox": {"Left": 0.5901, "Top": 0.16, "Width": 0.1236, "Height": 0.2514},
            "Confidence": 100.00000762939453 - 0.00000762939453,
            "AgeRange": {"Low": 20, "High": 28},
            "Gender": {"Value": "Male", "Confidence": 99.56},
            "Smile": {"Value": True, "Confidence": 88.5},
            "Emotions": [{"Type": "CALM", "Confidence": 5.0}, {"Type": "HAPPY", "Confidence": 90.25}],
            "Landmarks": [
                {"Type": "eyeLeft", "X": 0.6204193830490112, "Y": 0.26721030473709106},
                {"Type": "eyeRight", "X": 0.6776827573776245, "Y": 0.26831310987472534},
                {"Type": "nose", "X": 0.6428444981575012, "Y": 0.3140771687030792},
            ],
            "Pose": {"Roll": -0.10309021919965744, "Yaw": -3.7351467609405518, "Pitch": 0.8637830018997192},
            "Quality": {"Brightness": 65.29893493652344, "Sharpness": 95.51618957519531},
        }
    ]
}
TEXT: Params = {
    "TextDetections": [
        {
            "Id": 0,
            "Type": "LINE",
            "DetectedText": "Hello World",
            "Confidence": 99.1,
            "Geometry": geometry(0.1, 0.3, 0.6, 0.2),
        },
        {
            "Id": 1,
            "ParentId": 0,
            "Type": "WORD",
            "DetectedText": "Hello",
            "Confidence": 99.5,
            "Geometry": geometry(0.1, 0.3, 0.25, 0.2),
        },
        {
            "Id": 2,
            "ParentId": 0,
            "Type": "WORD",
            "DetectedText": "World",
            "Confidence": 98.7,
            "Geometry": geometry(0.4, 0.3, 0.3, 0.2),
        },
    ],
    "TextModelVersion": "3.0",
}
MODERATION: Params = {
    "ModerationLabels": [
        {"Name": "Violence", "ParentName": "", "Confidence": 94.0, "TaxonomyLevel": 1},
        {"Name": "Graphic Violence", "ParentName": "Violence", "Confidence": 94.0, "TaxonomyLevel": 2},
        {"Name": "Blood & Gore", "ParentName": "Graphic Violence", "Confidence": 81.0, "TaxonomyLevel": 3},
    ],
    "ModerationModelVersion": "7.0",
}


def block(kind: str, name: str, text: str = "", place: Params | None = None, **more: Any) -> Block:
    """One of Textract's blocks; `CHILD=[...]` and the like become relationships."""
    relations = [{"Type": key, "Ids": ids} for key, ids in more.items() if key.isupper()]
    found: Block = {"BlockType": kind, "Id": name, "Geometry": place or geometry(0, 0, 1, 1), "Page": 1}
    found |= {"Text": text, "Confidence": 99.0} if text else {}
    found |= {"Relationships": relations} if relations else {}
    return found | {key: value for key, value in more.items() if not key.isupper()}


DOCUMENT: Params = {
    "DocumentMetadata": {"Pages": 1},
    "Blocks": [
        block("PAGE", "p", CHILD=["l1", "l2", "t", "k", "v", "q"]),
        block("LINE", "l1", "Invoice 42", geometry(0.1, 0.1, 0.3, 0.05), CHILD=["w1", "w2"]),
        block("LINE", "l2", "Total 7.50", geometry(0.1, 0.2, 0.3, 0.05), CHILD=["w3", "w4"]),
        block("WORD", "w1", "Invoice", geometry(0.1, 0.1, 0.2, 0.05), TextType="PRINTED"),
        block("WORD", "w2", "42", geometry(0.31, 0.1, 0.09, 0.05), TextType="HANDWRITING"),
        block("WORD", "w3", "Total", geometry(0.1, 0.2, 0.1, 0.05), TextType="PRINTED"),
        block("WORD", "w4", "7.50", geometry(0.25, 0.2, 0.1, 0.05), TextType="PRINTED"),
    ],
}
ANALYSIS: Params = {
    "DocumentMetadata": {"Pages": 1},
    "AnalyzeDocumentModelVersion": "1.0",
    "Blocks": [
        block("PAGE", "p", CHILD=["l1", "l2", "t", "k", "v", "q", "lt", "s"]),
        *DOCUMENT["Blocks"][1:],
        block("LAYOUT_TITLE", "lt", "", geometry(0.1, 0.1, 0.3, 0.05), CHILD=["l1"], Confidence=88.0),
        block("TABLE", "t", "", geometry(0.1, 0.5, 0.5, 0.2), CHILD=["c1", "c2", "c3"], MERGED_CELL=["m"]),
        block(
            "CELL",
            "c1",
            CHILD=["w3"],
            RowIndex=1,
            ColumnIndex=1,
            RowSpan=1,
            ColumnSpan=1,
            EntityTypes=["COLUMN_HEADER"],
        ),
        block("CELL", "c2", RowIndex=1, ColumnIndex=2, RowSpan=1, ColumnSpan=1),
        block("CELL", "c3", CHILD=["w4"], RowIndex=2, ColumnIndex=1, RowSpan=1, ColumnSpan=1),
        block("MERGED_CELL", "m", CHILD=["c1", "c2"], RowIndex=1, ColumnIndex=1, RowSpan=1, ColumnSpan=2),
        block("KEY_VALUE_SET", "k", CHILD=["w3"], VALUE=["v"], EntityTypes=["KEY"], Confidence=91.0),
        block("KEY_VALUE_SET", "v", CHILD=["w4", "x"], EntityTypes=["VALUE"]),
        block("SELECTION_ELEMENT", "x", SelectionStatus="SELECTED"),
        block("QUERY", "q", ANSWER=["r"], Query={"Text": "What is the total?"}),
        block("QUERY_RESULT", "r", "7.50", geometry(0.25, 0.2, 0.1, 0.05)),
        block("SIGNATURE", "s", "", geometry(0.6, 0.8, 0.2, 0.1), Confidence=77.0),
    ],
}


VOICES: list[Params] = [
    {
        "Id": "Kajal",
        "Name": "Kajal",
        "Gender": "Female",
        "LanguageCode": "en-IN",
        "LanguageName": "Indian English",
        "AdditionalLanguageCodes": ["hi-IN"],
        "SupportedEngines": ["neural", "generative"],
    },
    {
        "Id": "Zeina",
        "Name": "Zeina",
        "Gender": "Female",
        "LanguageCode": "arb",
        "LanguageName": "Arabic",
        "SupportedEngines": ["standard"],
    },
    {
        "Id": "Ruth",
        "Name": "Ruth",
        "Gender": "Female",
        "LanguageCode": "en-US",
        "LanguageName": "US English",
        "SupportedEngines": ["long-form"],
    },
]
MARKS = b"""{"time":6,"type":"sentence","start":0,"end":13,"value":"Hello, world."}
{"time":6,"type":"word","start":0,"end":5,"value":"Hello"}
{"time":6,"type":"viseme","value":"k"}
{"time":373,"type":"word","start":7,"end":12,"value":"world"}
"""


def voices(params: Params) -> Params:
    """Two pages."""
    if "NextToken" not in params:
        return {"Voices": VOICES[:2], "NextToken": "page-2"}
    return {"Voices": VOICES[2:]}


def speech(params: Params) -> Params:
    """Half a second of silence at 16 kHz, or the marks."""
    marks = params["OutputFormat"] == "json"
    return {
        "AudioStream": MARKS if marks else bytes(16000),
        "ContentType": "application/x-json-stream" if marks else f"audio/{params['OutputFormat']}",
        "RequestCharacters": len(params["Text"]),
    }


def translated(params: Params) -> Params:
    """`[es] text`, and the settings as they were asked for."""
    source = "en" if params["SourceLanguageCode"] == "auto" else params["SourceLanguageCode"]
    answer: Params = {
        "TranslatedText": f"[{params['TargetLanguageCode']}] {params['Text']}",
        "SourceLanguageCode": source,
        "TargetLanguageCode": params["TargetLanguageCode"],
    }
    if "Settings" in params:
        answer["AppliedSettings"] = params["Settings"]
    if names := params.get("TerminologyNames"):
        answer["AppliedTerminologies"] = [{"Name": names[0], "Terms": [{"SourceText": "a", "TargetText": "b"}]}]
    return answer


def translated_document(params: Params) -> Params:
    source = "en" if params["SourceLanguageCode"] == "auto" else params["SourceLanguageCode"]
    return {
        "TranslatedDocument": {
            "Content": b"[" + params["TargetLanguageCode"].encode() + b"] " + params["Document"]["Content"]
        },
        "SourceLanguageCode": source,
        "TargetLanguageCode": params["TargetLanguageCode"],
    }


def languages(params: Params) -> Params:
    """Two pages; `auto` is among them."""
    if "NextToken" not in params:
        listed = [("Auto", "auto"), ("Chinese (Simplified)", "zh"), ("Chinese (Traditional)", "zh-TW")]
        token: Params = {"NextToken": "more"}
    else:
        listed, token = [("Norwegian", "no"), ("Filipino, Tagalog", "tl"), ("Dari", "fa-AF")], {}
    found = [{"LanguageName": name, "LanguageCode": code} for name, code in listed]
    return {"Languages": found, "DisplayLanguageCode": params["DisplayLanguageCode"], **token}


def guesses(text: str) -> list[Params]:
    code = "zh-TW" if "\u9ad4" in text else "en"
    return [{"LanguageCode": "de", "Score": 0.0101}, {"LanguageCode": code, "Score": 0.9793}]


def detected_batch(params: Params) -> Params:
    found = [{"Index": index, "Languages": guesses(text)} for index, text in enumerate(params["TextList"])]
    return {"ResultList": found, "ErrorList": []}


class Jobs:
    """Transcribe: a job is queued, runs, and is completed at the third look; its transcript is at an open address."""

    def __init__(self, server: StrictServer, transcript: Params | None = None) -> None:
        self.server = server
        self.transcript = transcript or TRANSCRIPT
        self.jobs: dict[str, Params] = {}
        self.looks: dict[str, int] = {}
        self.states = ["QUEUED", "IN_PROGRESS", "COMPLETED"]

    def start(self, params: Params) -> Params | Failure:
        name = params["TranscriptionJobName"]
        if name in self.jobs:
            return Failure(code="ConflictException", message="a job of this name exists")
        bucket, _, key = params["Media"]["MediaFileUri"].removeprefix("s3://").partition("/")
        if (bucket, key) not in self.server.objects:
            return Failure(code="BadRequestException", message="the object can't be read")
        self.jobs[name] = params
        self.looks[name] = 0
        return {"TranscriptionJob": {"TranscriptionJobName": name, "TranscriptionJobStatus": "QUEUED"}}

    def get(self, params: Params) -> Params | Failure:
        name = params["TranscriptionJobName"]
        if name not in self.jobs:
            return Failure(code="NotFoundException", message="no such job")
        state = self.states[min(self.looks[name], len(self.states) - 1)]
        self.looks[name] += 1
        job: Params = {"TranscriptionJobName": name, "TranscriptionJobStatus": state}
        if state == "FAILED":
            job["FailureReason"] = "The media format is wrong."
        if state == "COMPLETED":
            job |= {"Transcript": {"TranscriptFileUri": self.publish(name)}, "LanguageCode": "en-US"}
            if self.jobs[name].get("IdentifyLanguage"):
                job |= {"LanguageCode": "zh-TW", "IdentifiedLanguageScore": 0.97}
        return {"TranscriptionJob": job}

    def publish(self, name: str) -> str:
        """A presigned address, or the user's bucket."""
        body = json.dumps(self.transcript).encode()
        if bucket := self.jobs[name].get("OutputBucketName"):
            key = self.jobs[name]["OutputKey"]
            self.server.objects[bucket, key] = body
            return f"https://s3.{REGION}.amazonaws.com/{bucket}/{key}"
        self.server.public[f"/transcripts/{name}.json"] = body
        return f"https://s3.{REGION}.amazonaws.com/transcripts/{name}.json?X-Amz-Signature=abc"

    def delete(self, params: Params) -> Params:
        self.jobs.pop(params["TranscriptionJobName"], None)
        return {}


def item(start: str, end: str, text: str, confidence: str = "1.0", **more: Any) -> Params:
    """One word of a transcript."""
    reading = {"confidence": confidence, "content": text}
    return {"type": "pronunciation", "start_time": start, "end_time": end, "alternatives": [reading], **more}


def mark(text: str) -> Params:
    """Punctuation: without times."""
    return {"type": "punctuation", "alternatives": [{"confidence": "0.0", "content": text}]}


TRANSCRIPT: Params = {
    "jobName": "job",
    "accountId": "111122223333",
    "status": "COMPLETED",
    "results": {
        "transcripts": [{"transcript": "Hello world."}],
        "items": [item("0.04", "0.41", "Hello", "0.998"), item("0.42", "0.9", "world", "0.89"), mark(".")],
    },
}


def scripted(server: StrictServer) -> None:
    """Fills in the answers of all operations that the driver uses."""
    server.answers |= {
        "DetectLabels": lambda _: LABELS,
        "DetectFaces": lambda _: FACES,
        "DetectText": lambda _: TEXT,
        "DetectModerationLabels": lambda _: MODERATION,
        "DetectDocumentText": lambda _: DOCUMENT,
        "AnalyzeDocument": lambda _: ANALYSIS,
        "TranslateText": translated,
        "TranslateDocument": translated_document,
        "ListLanguages": languages,
        "DetectDominantLanguage": lambda params: {"Languages": guesses(params["Text"])},
        "BatchDetectDominantLanguage": detected_batch,
        "DescribeVoices": voices,
        "SynthesizeSpeech": speech,
    }
    transcribing(server, Jobs(server))
    DocumentJobs(server, pages_of_text(3), ANALYSIS["Blocks"]).answer()
    SpeechTasks(server).answer()


def pages_of_text(count: int) -> list[Block]:
    """`Page 1`, `Page 2` ..., as a job gives them."""
    blocks = []
    for page in range(1, count + 1):
        words = [block("WORD", f"w{page}-{i}", word, Page=page) for i, word in enumerate(f"Page {page}".split())]
        blocks += [
            block("PAGE", f"p{page}", CHILD=[f"l{page}"], Page=page),
            block("LINE", f"l{page}", f"Page {page}", CHILD=[word["Id"] for word in words], Page=page),
            *words,
        ]
    return blocks


def transcribing(server: StrictServer, jobs: Jobs) -> Jobs:
    """Answers Transcribe's operations with these jobs."""
    server.answers |= {
        "StartTranscriptionJob": jobs.start,
        "GetTranscriptionJob": jobs.get,
        "DeleteTranscriptionJob": jobs.delete,
    }
    return jobs


def settings(server: StrictServer, **more: Any) -> dict[str, Any]:
    """`[backends.NAME]` for it."""
    keys = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
    place = {"region": REGION, "endpoint_url": server.url, "staging_bucket": "staging", "poll_seconds": 0.01}
    return {"provider": "aws", **keys, **place, **more}


@contextmanager
def aws(*, strict: bool = True, context: ssl.SSLContext | None = None) -> Iterator[StrictServer]:
    """A strict server with all its answers."""
    with serving(strict=strict, context=context) as server:
        scripted(server)
        yield server
