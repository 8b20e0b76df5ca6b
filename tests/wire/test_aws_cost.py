"""What each call costs is what AWS would bill for that very request, worked out here by hand from its price pages."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import aws
from aws_client import opened
from aws_pages import pdf
from aws_server import StrictServer

from cloudai import Client
from cloudai.testing.samples import picture, tone
from cloudai.types.results import Result


@pytest.fixture(scope="module")
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


@pytest.fixture(scope="module")
def client(server: StrictServer) -> Iterator[Client]:
    with opened(server) as one:
        yield one


CALLS: dict[str, tuple[Callable[[Client], Result], str]] = {
    "one image": (lambda c: c.vision.detect_labels(picture()), "0.001"),
    "faces with all attributes cost the same": (lambda c: c.vision.detect_faces(picture(), attributes=True), "0.001"),
    "landmarks are labels": (lambda c: c.vision.detect_landmarks(picture()), "0.001"),
    "moderation": (lambda c: c.vision.moderate(picture()), "0.001"),
    "an adapter of one's own": (
        lambda c: c.vision.moderate(picture(), options={"aws": {"project_version": ADAPTER}}),
        "0.0012",
    ),
    "text in a scene is an image": (lambda c: c.vision.read_text(picture()), "0.001"),
    "dense text is a page": (lambda c: c.vision.read_text(picture(), dense=True), "0.0015"),
    "a page of text": (lambda c: c.vision.read_document(picture()), "0.0015"),
    "tables instead of text": (lambda c: c.vision.read_document(picture(), features=["tables"]), "0.015"),
    "layout is free with tables": (
        lambda c: c.vision.read_document(picture(), features=["tables", "layout"]),
        "0.015",
    ),
    "three pages of a job": (lambda c: c.vision.read_document(pdf(3)), "0.0045"),
    "tables and forms": (lambda c: c.vision.read_document(picture(), features=["forms", "tables"]), "0.065"),
    "with questions it is a price of its own": (
        lambda c: c.vision.read_document(picture(), features=["forms", "tables"], queries=["Total?"]),
        "0.07",
    ),
    "a second of audio": (lambda c: c.speech.transcribe(tone(), language="en-US"), "0.0001"),
    "redaction is an add-on": (
        lambda c: c.speech.transcribe(tone(), language="en-US", options={"aws": {"redact_pii": ["ALL"]}}),
        "0.00014",
    ),
    "13 characters, neural": (lambda c: c.speech.synthesize("Hello, world."), "0.000208"),
    "13 characters, standard": (
        lambda c: c.speech.synthesize("Hello, world.", options={"aws": {"engine": "standard"}}),
        "0.000052",
    ),
    "speech marks bill them again": (lambda c: c.speech.synthesize("Hello, world.", speech_marks=True), "0.000416"),
    "voices are free": (lambda c: c.speech.voices(), "0"),
    "12 characters": (lambda c: c.translation.translate("Good morning", source="en", target="de"), "0.00018"),
    "five characters, though fifteen bytes": (
        lambda c: c.translation.translate("こんにちは", source="ja", target="en"),
        "0.000075",
    ),
    "an emoji is one": (lambda c: c.translation.translate("😀", source="en", target="de"), "0.000015"),
    "HTML as a document": (
        lambda c: c.translation.translate("<b>Hi</b>", source="en", target="de", format="html"),
        "0.000135",
    ),
    "detection is billed by Comprehend: 300 characters at least": (
        lambda c: c.translation.translate("Good morning", target="de"),
        "0.00048",
    ),
    "each text of a batch has the minimum": (lambda c: c.translation.detect_language(["one", "two"]), "0.0006"),
    "301 characters are four units of 100": (lambda c: c.translation.detect_language("x" * 301), "0.0004"),
    "a document of 14 characters": (
        lambda c: c.translation.translate_document(b"Good morning.\n", source="en", target="es"),
        "0.00021",
    ),
    "languages are free": (lambda c: c.translation.languages(), "0"),
}
OFFICE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
WORD = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    f'<Override PartName="/word/document.xml" ContentType="{OFFICE}"/></Types>'
)
ADAPTER = "arn:aws:rekognition:us-east-1:123456789012:project/p/version/v/1700000000000"


@pytest.mark.parametrize("name", CALLS)
def test_a_call_costs_what_aws_bills(client: Client, name: str) -> None:
    call, expected = CALLS[name]
    cost = call(client).cost
    assert cost is not None
    assert (cost.amount, cost.currency) == (Decimal(expected), "USD")


def test_a_price_that_nobody_knows_is_none(client: Client) -> None:
    """How many characters a Word file has is not known here."""
    content = {"[Content_Types].xml": WORD, "word/document.xml": "<w:document/>"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, text in content.items():
            file.writestr(name, text)
    assert client.translation.translate_document(buffer.getvalue(), source="en", target="es").cost is None


def test_a_region_without_prices_is_none(server: StrictServer) -> None:
    with opened(server, region="eu-north-1") as northern:
        assert northern.translation.translate("Hi", source="en", target="de").cost is None
