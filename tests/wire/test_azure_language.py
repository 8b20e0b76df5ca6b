"""Language detection by the Language service, which a setting chooses instead of Translator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import azure, settings
from azure_client import ask, config, opened
from test_azure_cost import listed

from cloudai.driver import Call
from cloudai.errors import CloudAIError, ErrorCode, TooLarge
from cloudai.types.translation import DetectLanguageRequest

both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
def test_its_own_codes_are_our_tags_in_the_order_of_the_texts(kind: str) -> None:
    texts = ["zh_chs", "zh_cht", "(Unknown)", "en", "fil"]
    with azure() as server:
        made = config(settings(server, language_detection="language"))
        result = ask(kind, made, "translation", "detect_language", texts)
        assert server.operations == ["detect-language"]
    assert [each.language for each in result.detections] == ["zh-Hans", "zh-Hant", "und", "en", "fil"]
    assert result.detections[0].confidence == 0.9


def test_records_of_a_thousand_characters_are_billed_for_each_text() -> None:
    with opened(language_detection="language") as (client, _):
        result = client.translation.detect_language(["en", "x" * 1_001])
    assert result.usage[0].quantity == 3_000
    assert result.cost is not None
    assert result.cost.amount == 3_000 * listed("language", "S language detection records", "eastus")


def test_its_limits_on_both_sides() -> None:
    with opened(language_detection="language") as (client, server):
        client.translation.detect_language("x" * 5_120)
        with pytest.raises(TooLarge, match="5,120"):
            client.translation.detect_language("x" * 5_121)
        assert len(server.requests) == 1


def test_a_list_goes_in_as_many_requests_as_the_service_wants() -> None:
    """The client groups by Translator's hundred, which is declared; the driver by the service's own thousand."""
    with opened(language_detection="language") as (client, server):
        assert len(client.translation.detect_language(["en"] * 201).detections) == 201
        driver: Any = client.driver("z")
        found = driver.detect_language(DetectLanguageRequest(texts=("en",) * 1_001), Call(timeout=10))
        assert len(found.detections) == 1_001
        sizes = [len(request.json["analysisInput"]["documents"]) for request in server.requests]
        assert sizes == [100, 100, 1, 1_000, 1]


def test_an_error_inside_a_200_is_an_error() -> None:
    wrong = [{"id": "0", "error": {"code": "InvalidArgument", "message": "Document text is empty."}}]
    body = {
        "kind": "LanguageDetectionResults",
        "results": {"documents": [], "errors": wrong, "modelVersion": "2023-12-01"},
    }
    with opened(language_detection="language") as (client, server):
        server.handlers["detect-language"] = lambda _: body
        with pytest.raises(CloudAIError, match="text is empty") as caught:
            client.translation.detect_language("x")
    assert caught.value.code is ErrorCode.INVALID_INPUT
