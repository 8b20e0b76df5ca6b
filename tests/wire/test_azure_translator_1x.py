"""Translator 3.0 held to the official client 1.x, whose requests and readings were recorded: see
`record_translator_1x.py`. (2.x speaks 2026-06-06 only, and both can't be installed at once.)"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import azure, settings
from azure_client import ask, config
from azure_server import Failure

from cloudai.errors import CloudAIError

RECORDED = json.loads((Path(__file__).parent / "fixtures/azure_translation_text_1x.json").read_text(encoding="utf-8"))
CASES: dict[str, Any] = RECORDED["cases"]
OURS: dict[str, dict[str, Any]] = {
    "plain": {"source": "en"},
    "detected": {},
    "html": {"source": "en", "format": "html"},
    "masked": {"source": "en", "profanity": "mask"},
    "tagged": {"source": "en", "profanity": "tag"},
    "removed": {"source": "en", "profanity": "remove"},
    "custom": {"source": "en", "model": "my-category", "options": {"azure": {"allow_fallback": False}}},
    "refused": {"source": "en"},
}
both = pytest.mark.parametrize("kind", ["sync", "async"])


def asked(kind: str, name: str, verb: str, *args: Any, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """Our answer from the recorded bytes, and our request in the recorded form. The server holds both to Azure's
    description as well."""
    case = CASES[name]
    with azure() as server:
        if "error" in case["answer"]:
            server.troubles.append(Failure(status=400, body=case["answer"]))
        server.handlers |= dict.fromkeys(("translate-3", "languages-3"), lambda _: case["answer"])
        more = {"translator_api_version": "3.0", "region": case["request"]["headers"]["ocp-apim-subscription-region"]}
        made = config(settings(server, **more))
        try:
            found = ask(kind, made, "translation", verb, *args, **arguments)
        except CloudAIError as error:
            found = error
        (request,) = server.requests
    mine = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": {name: request.headers.get(name) for name in case["request"]["headers"]},
        "body": json.loads(request.body) if request.body else None,
    }
    mine["headers"]["ocp-apim-subscription-key"] = "recorded-key"  # the server has checked ours
    return found, mine


def test_the_recording_is_of_the_client_that_speaks_version_3() -> None:
    assert RECORDED["client"].startswith("azure-ai-translation-text 1.")
    assert CASES.keys() == {*OURS, "languages"}


@both
@pytest.mark.parametrize("name", OURS)
def test_a_request_and_its_reading_are_the_official_clients(kind: str, name: str) -> None:
    found, mine = asked(kind, name, "translate", RECORDED["texts"], target="de", **OURS[name])
    assert mine == CASES[name]["request"]
    read = CASES[name]["read"]
    if isinstance(found, CloudAIError):
        assert read["code"] in found.message
        assert read["message"] in found.message
        return
    assert [each.text for each in found.translations] == [each["text"] for each in read]
    detected = [each["detected"] for each in read]
    assert [each.confidence for each in found.translations] == [each and each[1] for each in detected]
    assert [each.detected for each in found.translations] == [each is not None for each in detected]


@both
def test_the_languages_are_the_official_clients(kind: str) -> None:
    found, mine = asked(kind, "languages", "languages")
    assert mine == CASES["languages"]["request"]
    assert [each.name for each in found.languages] == list(CASES["languages"]["read"].values())
