"""Language detection by the Language service: the one that Microsoft names instead of Translator 3.0's.

Wire: https://learn.microsoft.com/rest/api/language/text-analysis-runtime/analyze-text (2024-11-01, LanguageDetection).
A document is billed by records of 1,000 characters, each document rounded up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

from pydantic import JsonValue

from cloudai.errors import TooLarge
from cloudai.types import translation as t
from cloudai.types.results import Usage
from cloudai.wirejson import JsonNode
from cloudai_azure.errors import failure
from cloudai_azure.values import from_translator
from cloudai_azure.wire import Answer, Flow, Wire, needed, needed_items, needed_text

API_VERSION = "2024-11-01"
MOST_TEXTS, MOST_CHARACTERS = 1_000, 5_120
"""https://learn.microsoft.com/azure/ai-services/language-service/concepts/data-limits (read 2026-11-21)."""
RECORD = 1_000

_CODES = {"zh_chs": "zh-Hans", "zh_cht": "zh-Hant", "(unknown)": "und"}
"""The service's own words: https://learn.microsoft.com/azure/ai-services/language-service/language-detection/
language-support."""


def detect_language(request: t.DetectLanguageRequest, *, raw: bool) -> Flow[t.DetectLanguageResult]:
    """Texts keep their order. Raises `TooLarge` for one over the service's limit."""
    for text in request.texts:
        if len(text) > MOST_CHARACTERS:
            raise TooLarge(f"the text has {len(text):,} characters; the Language service takes {MOST_CHARACTERS:,}")
    detections, answers = list[t.LanguageDetection](), list[Answer]()
    for start in range(0, len(request.texts), MOST_TEXTS):
        texts = request.texts[start : start + MOST_TEXTS]
        answer = yield detect_wire(texts)
        detections += _detections(answer, len(texts))
        answers.append(answer)
    raws: list[JsonValue] = [answer.raw(raw) for answer in answers]
    return t.DetectLanguageResult(
        detections=tuple(detections),
        usage=(_usage(request.texts),),
        request_id=answers[0].request_id,
        raw=(raws[0] if len(raws) == 1 else raws) if raw else None,
    )


def detect_wire(texts: Sequence[str]) -> Wire:
    """`:analyze-text`; ids are places in the list."""
    documents = [{"id": str(place), "text": text} for place, text in enumerate(texts)]
    body = {"kind": "LanguageDetection", "analysisInput": {"documents": documents}}
    return Wire(
        service="language",
        path="/language/:analyze-text",
        query={"api-version": API_VERSION},
        body=json.dumps(body, ensure_ascii=False).encode(),
        content_type="application/json",
    )


def _detections(answer: Answer, count: int) -> list[t.LanguageDetection]:
    """In the order of the texts: the service gives the good ones first, then the errors."""
    results = needed(answer.json, "results")
    for wrong in results.items("errors"):
        raise failure(needed(wrong, "error"), http=400, request_id=answer.request_id)
    found: Mapping[str, JsonNode] = {needed_text(each, "id"): each for each in needed_items(results, "documents")}
    missing = [str(place) for place in range(count) if str(place) not in found]
    if missing:
        results.fail(f"no answer to document {missing[0]}")
    return [_detection(needed(found[str(place)], "detectedLanguage")) for place in range(count)]


def _detection(node: JsonNode) -> t.LanguageDetection:
    code = needed_text(node, "iso6391Name")
    language = _CODES.get(code.lower()) or from_translator(code)
    return t.LanguageDetection(language=language, confidence=node.ratio("confidenceScore"))


def _usage(texts: Sequence[str]) -> Usage:
    """Whole records, in characters, which is what the price book counts."""
    records = sum(max(1, -(-len(text) // RECORD)) for text in texts)
    quantity = Decimal(records * RECORD)
    return Usage(meter="translation.detect_language", unit="character", quantity=quantity, variant="language")
