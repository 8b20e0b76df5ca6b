"""Usage and cost of each answer are what the price book says Google bills for that request."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_client import opened, with_key
from test_gcp_limits import wav

from cloudai import Client
from cloudai.testing.samples import picture, tone

Ask = Callable[[Client], Any]
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n4 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"
    b"endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
)
CASES: tuple[tuple[str, Ask, str, str, str], ...] = (
    ("labels", lambda c: c.vision.detect_labels(picture()), "LABEL_DETECTION", "1", "0.0015"),
    ("objects", lambda c: c.vision.detect_objects(picture()), "OBJECT_LOCALIZATION", "1", "0.00225"),
    ("faces", lambda c: c.vision.detect_faces(picture()), "FACE_DETECTION", "1", "0.0015"),
    ("text", lambda c: c.vision.read_text(picture()), "TEXT_DETECTION", "1", "0.0015"),
    ("dense text", lambda c: c.vision.read_text(picture(), dense=True), "DOCUMENT_TEXT_DETECTION", "1", "0.0015"),
    ("safe search", lambda c: c.vision.moderate(picture()), "SAFE_SEARCH_DETECTION", "1", "0.0015"),
    ("landmarks", lambda c: c.vision.detect_landmarks(picture()), "LANDMARK_DETECTION", "1", "0.0015"),
    ("logos", lambda c: c.vision.detect_logos(picture()), "LOGO_DETECTION", "1", "0.0015"),
    ("document", lambda c: c.vision.read_document(picture()), "Enterprise Document OCR", "1", "0.0015"),
    ("tables", lambda c: c.vision.read_document(picture(), features=["tables"]), "Form Parser, asked for tables", "1",
     "0.03"),
    ("forms", lambda c: c.vision.read_document(picture(), features=["forms"]), "Form Parser, asked for forms", "1",
     "0.03"),
    (
        "layout",
        lambda c: c.vision.read_document(picture(), features=["layout"]),
        "Layout Parser, asked for layout",
        "2",
        "0.02",
    ),
    ("translation", lambda c: c.translation.translate(["a😀", "bcd"], target="de"), "NMT text", "5", "0.0001"),
    ("html", lambda c: c.translation.translate("<b>a</b>", target="de", format="html"), "NMT text", "8", "0.00016"),
    ("glossary", lambda c: c.translation.translate("abc", target="de", glossary="g"), "NMT text", "3", "0.00006"),
    ("detection", lambda c: c.translation.detect_language(["ab", "cd"]), "NMT language detection", "4", "0.00008"),
    ("pages", lambda c: c.translation.translate_document(PDF, target="de"), "Document translation, NMT", "2", "0.16"),
    ("neural2", lambda c: c.speech.synthesize("hello", voice="en-US-Neural2-A"), "Neural2 voices", "5", "0.00008"),
    ("wavenet", lambda c: c.speech.synthesize("hello", voice="en-US-Wavenet-A"), "WaveNet voices", "5", "0.00002"),
    ("standard", lambda c: c.speech.synthesize("hello", voice="en-US-Standard-A"), "Standard voices", "5", "0.00002"),
    ("chirp", lambda c: c.speech.synthesize("hello", voice="en-US-Chirp3-HD-Kore"), "Chirp 3 HD voices", "5",
     "0.00015"),
    ("marks are free", lambda c: c.speech.synthesize('<speak>a<mark name="x"/>b</speak>', ssml=True,
     voice="en-US-Neural2-A"), "Neural2 voices", "17", "0.000272"),
)  # fmt: skip


@pytest.mark.parametrize(("ask", "sku", "quantity", "cost"), [each[1:] for each in CASES], ids=[c[0] for c in CASES])
def test_a_call_costs_what_google_bills(ask: Ask, sku: str, quantity: str, cost: str, tmp_path: Path) -> None:
    with opened(tmp_path) as (client, _):
        result = ask(client)
    assert [used.quantity for used in result.usage] == [Decimal(quantity)]
    assert [ref.sku for ref in result.price_ref] == [sku]
    assert result.cost is not None
    assert result.cost.amount == Decimal(cost)


def test_speech_is_billed_by_the_seconds_that_google_says(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        server.answers["speech.v2:Recognize"] = lambda *_: {"metadata": {"totalBilledDuration": "30s"}}
        result = client.speech.transcribe(wav(29.2), language="en-US", diarization=True)
    assert (result.usage[0].quantity, result.usage[0].unit, result.usage[0].variant) == (30, "second", "standard")
    assert result.cost is not None
    assert result.cost.amount == Decimal("0.008")
    assert result.price_ref[0].sku == "v2 recognition, standard models"


def test_where_google_does_not_say_each_second_begun_is_billed(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        server.answers["speech.v2:Recognize"] = lambda *_: {}
        assert client.speech.transcribe(wav(29.2), language="en-US").usage[0].quantity == 30


def test_version_1_has_its_own_price() -> None:
    with with_key() as (client, server):
        server.answers["speech.v1:speech.speech.recognize"] = lambda *_: {"totalBilledTime": "15s"}
        result = client.speech.transcribe(tone(), language="en-US")
    assert result.cost is not None
    assert (result.usage[0].variant, result.cost.amount) == ("v1", Decimal("0.006"))


def test_a_voice_that_google_chose_has_no_known_cost_and_says_so(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, _):
        result = client.speech.synthesize("hello", language="en")
    assert result.cost is None
    assert any("cost is not known" in notice.message for notice in result.warnings)


def test_each_feature_of_each_image_is_billed(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, _):
        answers = client.vision.analyze_batch(
            [picture()] * 2, operations=["vision.detect_labels", "vision.detect_objects"]
        )
    costs = [each.cost.amount for a in answers for each in (a.labels, a.objects) if each is not None and each.cost]
    assert sum(costs) == 2 * (Decimal("0.0015") + Decimal("0.00225"))


def test_pages_that_can_not_be_counted_have_no_known_cost(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, _):
        assert client.translation.translate_document("gs://b/report.pdf", target="de").cost is None
