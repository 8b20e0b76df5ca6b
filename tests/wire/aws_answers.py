"""What the strict server answers: one plausible answer for each operation, in AWS's own form."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from aws_server import ACCESS_KEY, REGION, SECRET_KEY, Params, StrictServer, serving

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


def scripted(server: StrictServer) -> None:
    """Fills in the answers of all operations that the driver uses."""
    server.answers |= {
        "DetectLabels": lambda _: LABELS,
        "DetectFaces": lambda _: FACES,
        "DetectText": lambda _: TEXT,
        "DetectModerationLabels": lambda _: MODERATION,
        "DetectDocumentText": lambda _: DOCUMENT,
        "AnalyzeDocument": lambda _: ANALYSIS,
    }


def settings(server: StrictServer, **more: Any) -> dict[str, Any]:
    """`[backends.NAME]` for it."""
    keys = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
    place = {"region": REGION, "endpoint_url": server.url, "staging_bucket": "staging", "poll_seconds": 0.01}
    return {"provider": "aws", **keys, **place, **more}


@contextmanager
def aws(*, strict: bool = True) -> Iterator[StrictServer]:
    """A strict server with all its answers."""
    with serving(strict=strict) as server:
        scripted(server)
        yield server
