"""Nothing found is an empty result, not an error: every operation, with the vendor's answer when there is nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import Jobs, aws, block, transcribing
from aws_client import opened
from aws_jobs import DocumentJobs
from aws_pages import pdf
from aws_server import StrictServer

from cloudai import Client
from cloudai.testing.samples import picture, tone

PAGE = block("PAGE", "p")
NOTHING: dict[str, tuple[str, dict[str, Any], Callable[[Client], object]]] = {
    "labels": ("DetectLabels", {"Labels": []}, lambda c: c.vision.detect_labels(picture()).labels),
    "labels left out": ("DetectLabels", {}, lambda c: c.vision.detect_labels(picture()).labels),
    "objects": ("DetectLabels", {"Labels": []}, lambda c: c.vision.detect_objects(picture()).objects),
    "objects without places": (
        "DetectLabels",
        {"Labels": [{"Name": "Sky", "Confidence": 99.0, "Instances": []}]},
        lambda c: c.vision.detect_objects(picture()).objects,
    ),
    "landmarks": ("DetectLabels", {"Labels": []}, lambda c: c.vision.detect_landmarks(picture()).landmarks),
    "faces": ("DetectFaces", {"FaceDetails": []}, lambda c: c.vision.detect_faces(picture()).faces),
    "moderation": (
        "DetectModerationLabels",
        {"ModerationLabels": []},
        lambda c: c.vision.moderate(picture()).labels,
    ),
    "text": ("DetectText", {"TextDetections": []}, lambda c: c.vision.read_text(picture()).pages[0].blocks),
    "dense text": (
        "DetectDocumentText",
        {"DocumentMetadata": {"Pages": 1}, "Blocks": [PAGE]},
        lambda c: c.vision.read_text(picture(), dense=True).pages[0].blocks,
    ),
    "tables": (
        "AnalyzeDocument",
        {"DocumentMetadata": {"Pages": 1}, "Blocks": [PAGE]},
        lambda c: c.vision.read_document(picture(), features=["tables"]).tables,
    ),
    "answers": (
        "AnalyzeDocument",
        {"DocumentMetadata": {"Pages": 1}, "Blocks": [PAGE, block("QUERY", "q", Query={"Text": "Total?"})]},
        lambda c: c.vision.read_document(picture(), queries=["Total?"]).answers,
    ),
    "voices": ("DescribeVoices", {"Voices": []}, lambda c: c.speech.voices().voices),
    "languages": (
        "ListLanguages",
        {"Languages": [], "DisplayLanguageCode": "en"},
        lambda c: c.translation.languages().languages,
    ),
}


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_found_is_empty(server: StrictServer, name: str) -> None:
    operation, answer, ask = NOTHING[name]
    server.answers[operation] = lambda _: answer
    with opened(server) as client:
        assert ask(client) == ()


def test_silence_is_a_transcript_without_segments(server: StrictServer) -> None:
    transcript = {"results": {"transcripts": [{"transcript": ""}], "items": []}}
    transcribing(server, Jobs(server, transcript=transcript))
    with opened(server) as client:
        result = client.speech.transcribe(tone(), language="en-US")
    assert (result.text, result.segments) == ("", ())


def test_empty_pages_of_a_job_are_pages(server: StrictServer) -> None:
    DocumentJobs(server, [block("PAGE", f"p{page}", Page=page) for page in (1, 2)], []).answer()
    with opened(server) as client:
        result = client.vision.read_document(pdf(2))
    assert [(page.number, page.blocks) for page in result.pages] == [(1, ()), (2, ())]
    assert result.text.strip() == ""
