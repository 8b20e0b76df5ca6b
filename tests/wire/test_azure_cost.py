"""What a call used and what it costs equal what the price book says that Azure bills for it."""

from __future__ import annotations

import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import cloudai_pricing

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import Batches, Translations
from azure_client import opened
from azure_storage import ACCOUNT_KEY, storing

from cloudai import Client
from cloudai.testing.samples import picture, tone
from cloudai.types.results import Result

BOOK = Path(cloudai_pricing.__file__).parent / "book"


def listed(service: str, sku: str, region: str) -> Decimal:
    """The first price of a SKU, read from the book's own file."""
    written = tomllib.loads((BOOK / f"azure_{service}.toml").read_text(encoding="utf-8"))
    rows = [row for row in written["price"] if (row["sku"], row["region"]) == (sku, region)]
    latest = max(rows, key=lambda row: row["effective_from"])
    return Decimal(latest["tiers"][0]["price"])


def ask(client: Client, service: str, verb: str, *args: Any, **arguments: Any) -> Result:
    found: Result = getattr(getattr(client, service), verb)(*args, **arguments)
    return found


GROUP_1, GROUP_2 = "S1 Image Analysis Group 1", "S1 Image Analysis Group 2"
CASES: list[tuple[str, str, tuple[Any, ...], dict[str, Any], str, str, str, str]] = [
    ("vision", "detect_labels", (picture(),), {}, "vision", GROUP_1, "eastus", "1"),
    ("vision", "detect_objects", (picture(),), {}, "vision", GROUP_1, "eastus", "1"),
    ("vision", "detect_landmarks", (picture(),), {}, "vision", GROUP_1, "eastus", "1"),
    ("vision", "detect_logos", (picture(),), {}, "vision", GROUP_1, "eastus", "1"),
    ("vision", "read_text", (picture(),), {}, "vision", GROUP_2, "eastus", "1"),
    ("vision", "caption", (picture(),), {}, "vision", GROUP_2, "eastus", "1"),
    ("vision", "caption", (picture(),), {"dense": True}, "vision", GROUP_2, "eastus", "2"),
    ("vision", "detect_faces", (picture(),), {}, "face", "S0 Face transactions", "eastus", "1"),
    ("vision", "moderate", (picture(),), {}, "content_safety", "S0 image moderation", "eastus", "1"),
    ("vision", "read_document", (picture(),), {}, "document_intelligence", "S0 Read", "eastus2", "1"),
    (
        "vision", "read_document", (picture(),), {"features": ["tables"]},
        "document_intelligence", "S0 Layout / prebuilt, asked for tables", "eastus2", "1",
    ),
    (
        "vision", "read_document", (picture(),), {"features": ["forms", "tables", "layout"]},
        "document_intelligence", "S0 Layout / prebuilt, asked for tables", "eastus2", "1",
    ),
    (
        "vision", "read_document", (picture(),), {"queries": ["total"]},
        "document_intelligence", "S0 Layout with query fields", "centralindia", "1",
    ),
    (
        "speech", "transcribe", (tone(),), {"language": "en-US"},
        "speech", "S0 fast transcription", "eastus", "1/3600",
    ),
    (
        "speech", "transcribe", (tone(),), {"language": "en-US", "profanity": "mask", "phrases": ["x"]},
        "speech", "S0 fast transcription", "eastus", "1/3600",
    ),
    ("speech", "synthesize", ("Hello 你好",), {}, "speech", "S0 neural voices", "eastus", "10"),
    ("translation", "translate", ("Grüße 🌍",), {"target": "en"}, "translator", "S1 text translation", "global", "7"),
    (
        "translation", "translate", (["ab", "c"],), {"target": "de", "profanity": "mask", "format": "html"},
        "translator", "S1 text translation", "global", "3",
    ),
    (
        "translation", "translate", ("abc",), {"target": "de", "model": "my-category"},
        "translator", "S1 custom translation", "global", "3",
    ),
    ("translation", "detect_language", ("abc",), {}, "translator", "S1 language detection", "global", "3"),
    (
        "translation", "translate_document", (b"Good morning.\n",), {"target": "de"},
        "translator", "S1 document translation", "global", "14",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{case[1]}-{n}" for n, case in enumerate(CASES)])
def test_a_cost_is_the_books(case: tuple[str, str, tuple[Any, ...], dict[str, Any], str, str, str, str]) -> None:
    service, verb, args, arguments, file, sku, region, units = case
    arguments = {**arguments}
    with opened(region="eastus" if region == "global" else region) as (client, _):
        result = ask(client, service, verb, *args, **arguments)
    numerator, _, denominator = units.partition("/")
    expected = listed(file, sku, region) * Decimal(numerator) / Decimal(denominator or 1)
    assert result.cost is not None
    assert result.cost.amount == pytest.approx(expected, rel=Decimal("1e-9"))
    assert sku in {ref.sku for ref in result.price_ref}


def test_a_jobs_cost_is_that_of_a_batch() -> None:
    """41,200,000 ticks; the book rounds a request up to whole seconds."""
    with opened(batches=Batches()) as (client, _):
        address = "https://acme.blob.core.windows.net/calls/call.wav?sig=x"
        result = client.speech.transcribe_job(address, language="en").result(interval=0.01)
    assert result.usage[0].quantity == Decimal("4.12")
    assert result.cost is not None
    expected = listed("speech", "S0 batch transcription", "eastus") * 5 / 3600
    assert result.cost.amount == pytest.approx(expected, rel=Decimal("1e-9"))


def test_a_batch_of_documents_costs_what_the_job_says_it_charged() -> None:
    with storing() as storage:
        more = {"staging": storage.url, "staging_account_key": ACCOUNT_KEY}
        with opened(translations=Translations(source=b"x"), **more) as (client, _):
            address = "https://acme.blob.core.windows.net/letters/brief.txt?sig=x"
            options = {"azure": {"poll_interval": 0.01}}
            result = client.translation.translate_document(address, target="de", options=options)
    assert result.usage[0].quantity == 21
    assert result.cost is not None
    assert result.cost.amount == listed("translator", "S1 document translation", "global") * 21


def test_what_the_service_says_it_bills_goes_before_our_count() -> None:
    from azure_answers import translate
    from azure_server import Reply

    with opened() as (client, server):
        server.handlers["translate"] = lambda received: Reply(
            body=translate(received).body, headers={"X-Metered-Usage": "12"}
        )
        assert client.translation.translate("abc", target="de").usage[0].quantity == 12
        server.handlers["translate"] = lambda received: translate(received).body
        assert client.translation.translate("abc", target="de").usage[0].quantity == 3


def test_a_language_models_tokens_have_no_price_here() -> None:
    from azure_answers import translate

    def by_model(received: Any) -> Any:
        body = translate(received).body
        for item in body["value"]:
            item["translations"][0] |= {"instructionTokens": 100, "sourceTokens": 3, "responseTokens": 4}
        return body

    with opened() as (client, server):
        server.handlers["translate"] = by_model
        result = client.translation.translate("abc", target="de", model="gpt-5-mini")
    assert (result.usage[0].unit, result.usage[0].quantity) == ("token", 107)
    assert result.cost is None


def test_features_that_the_book_has_no_price_for_make_the_cost_unknown_not_zero() -> None:
    with opened() as (client, _):
        result = client.speech.transcribe(tone(), language="en-US", diarization=True)
    assert "diarization" in result.usage[0].features
    assert result.cost is None


def test_operations_of_one_request_are_billed_apiece() -> None:
    with opened() as (client, server):
        found = client.vision.analyze(picture(), operations=["vision.detect_labels", "vision.caption"])
        assert len(server.requests) == 1
    assert found.labels is not None
    assert found.labels.cost is not None
    assert found.labels.cost.amount == listed("vision", GROUP_1, "eastus")
    assert found.caption is not None
    assert found.caption.cost is not None
    assert found.caption.cost.amount == listed("vision", GROUP_2, "eastus")


@pytest.mark.parametrize(("name", "verb"), [("speech", "voices"), ("translation", "languages")])
def test_lists_are_free(name: str, verb: str) -> None:
    with opened() as (client, _):
        result = ask(client, name, verb)
    assert result.usage == ()
