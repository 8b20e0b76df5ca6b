"""The characters that the drivers count in a call are those that the price book says are billed."""

from __future__ import annotations

import re
import sys
import unicodedata
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import azure_client
import gcp_client

from cloudai import Client
from cloudai.types.speech import SynthesizeRequest
from cloudai_aws import codec_polly
from cloudai_aws.settings import SynthesizeOptions
from cloudai_pricing.book import Book
from cloudai_pricing.entries import Counts

JAPANESE = "東京の天気は晴れ、気温は28度です。"
KOREAN = "大韓民國 만세"
SSML = (
    '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="ja">'
    '<voice name="ja-JP-NanamiNeural">'
    '<prosody rate="slow">東京の天気</prosody><break time="1s"/>晴れ</voice></speak>'
)
MARKED = '<speak>東京<mark name="here"/>の天気<break time="1s"/></speak>'
HTML = "<p>東京の<b>天気</b></p>"


def counts(provider: str, operation: str) -> Counts:
    """The one rule of all prices per character that a provider has for an operation."""
    (rule,) = {price.counts for price in Book.shipped().prices(operation, provider) if price.unit == "character"}
    assert rule is not None
    return rule


def billed(text: str, rule: Counts, *, markup: bool) -> Decimal:
    """Counted here by the book's rule, character by character."""

    def tag(found: re.Match[str]) -> str:
        return found[0] if rule.markup is not False and found[1] not in rule.uncounted else ""

    kept = re.sub(r"</?(\w+)[^>]*>", tag, text) if markup else text
    chinese = sum(unicodedata.name(sign, "").startswith("CJK UNIFIED IDEOGRAPH") for sign in kept)
    return len(kept) - chinese + chinese * rule.chinese


def synthesized(client: Client, text: str, *, voice: str, ssml: bool) -> Decimal:
    (used,) = client.speech.synthesize(text, voice=voice, ssml=ssml).usage
    return used.quantity


@pytest.mark.parametrize(("text", "ssml"), [(JAPANESE, False), (KOREAN, False), (SSML, True), ("1 < 2 <b>", False)])
def test_azures_voices_count_as_the_book_does(text: str, ssml: bool) -> None:
    rule = counts("azure", "speech.synthesize")
    assert rule == Counts(chinese=Decimal(2), markup=True, uncounted=("speak", "voice"))
    with azure_client.opened() as (client, _):
        assert synthesized(client, text, voice="ja-JP-NanamiNeural", ssml=ssml) == billed(text, rule, markup=ssml)


@pytest.mark.parametrize(("text", "ssml"), [(JAPANESE, False), (KOREAN, False), (MARKED, True)])
def test_googles_voices_count_as_the_book_does(text: str, ssml: bool, tmp_path: Path) -> None:
    rule = counts("gcp", "speech.synthesize")
    assert rule == Counts(chinese=Decimal(1), markup=True, uncounted=("mark",))
    with gcp_client.opened(tmp_path) as (client, _):
        assert synthesized(client, text, voice="ja-JP-Neural2-B", ssml=ssml) == billed(text, rule, markup=ssml)


@pytest.mark.parametrize(("text", "ssml"), [(JAPANESE, False), (KOREAN, False), (MARKED, True)])
def test_pollys_limit_of_billed_characters_counts_as_the_book_does(text: str, ssml: bool) -> None:
    """Polly says itself how many it billed; what the driver counts decides whether one request will do."""
    rule = counts("aws", "speech.synthesize")
    assert rule == Counts(chinese=Decimal(1), markup=False)
    most = codec_polly.SYNC_BILLED - int(billed(text, rule, markup=ssml))
    for more, asks_a_task in ((most, False), (most + 1, True)):
        request = SynthesizeRequest(text="".join((text[:-8], "あ" * more, text[-8:])), ssml=ssml)
        spoken = codec_polly.encode_speech(request, SynthesizeOptions(), "Takumi", "neural")
        assert codec_polly.by_task(spoken, staging=True) is asks_a_task


@pytest.mark.parametrize("text", [JAPANESE, KOREAN, HTML])
@pytest.mark.parametrize("provider", ["azure", "gcp"])
def test_translators_count_as_the_book_does(provider: str, text: str, tmp_path: Path) -> None:
    rule = counts(provider, "translation.translate")
    opened = azure_client.opened() if provider == "azure" else gcp_client.opened(tmp_path)
    markup = text == HTML
    with opened as (client, _):
        found = client.translation.translate(text, target="de", format="html" if markup else "plain")
    assert found.usage[0].quantity == billed(text, rule, markup=markup)
