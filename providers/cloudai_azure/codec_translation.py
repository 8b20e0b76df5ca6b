"""Translator: texts in version 2026-06-06 or 3.0, detection in 3.0 (the newer one has none), languages.

Wire: https://github.com/Azure/azure-rest-api-specs/tree/main/specification/translation/data-plane/TextTranslation/stable
(2026-06-06 and 3.0), https://learn.microsoft.com/azure/ai-services/translator/text-translation/reference/v3/detect.

2026-06-06 is the default: it is the current version, the official client's, and has tone. What is billed is the source
in code points; the service says it in `x-metered-usage`, else we count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal

from pydantic import JsonValue

from cloudai.types import translation as t
from cloudai.types.results import Notice, Usage
from cloudai.types.speech import ProfanityMode
from cloudai.wirejson import JsonNode, Malformed
from cloudai_azure.settings import TranslateOptions
from cloudai_azure.values import from_translator, ignored, to_translator
from cloudai_azure.wire import Answer, Flow, Wire, needed, needed_items, needed_text

CURRENT, OLDER = "2026-06-06", "3.0"
MOST_CHARACTERS, MOST_TEXTS, MOST_DETECTED = 50_000, 1_000, 100
"""Of one request: https://learn.microsoft.com/azure/ai-services/translator/service-limits."""

_PROFANITY = {
    ProfanityMode.KEEP: ("NoAction", None),
    ProfanityMode.MASK: ("Marked", "Asterisk"),
    ProfanityMode.TAG: ("Marked", "Tag"),
    ProfanityMode.REMOVE: ("Deleted", None),
}


def translate(
    request: t.TranslateRequest, options: TranslateOptions, *, version: str, raw: bool
) -> Flow[t.TranslateResult]:
    """In as many requests as the limits make of the list; items stay whole and in order."""
    translations, raws = list[t.Translation](), list[JsonValue]()
    answers, tokens = list[Answer](), 0
    for texts in groups(request.texts, MOST_TEXTS):
        answer = yield translate_wire(request, texts, options, version=version)
        items = needed_items(answer.json, "value") if version == CURRENT else answer.items
        if len(items) != len(texts):
            raise Malformed(f"{len(items)} translations for {len(texts)} texts")
        translations += [_translation(item, request) for item in items]
        tokens += sum(_tokens(item) for item in items)
        answers.append(answer)
        raws.append(answer.raw(raw))
    return t.TranslateResult(
        translations=tuple(translations),
        target=from_translator(to_translator(request.target)),
        usage=_usage(request, answers, tokens, options),
        warnings=_notices(request, version),
        request_id=answers[0].request_id,
        model=request.model or "general",
        raw=(raws[0] if len(raws) == 1 else raws) if raw else None,
    )


def groups(texts: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """Runs of at most `most` texts and 50,000 characters; a single text is never cut."""
    group, size = list[str](), 0
    for text in texts:
        if group and (len(group) == most or size + len(text) > MOST_CHARACTERS):
            yield group
            group, size = [], 0
        group.append(text)
        size += len(text)
    yield group


def translate_wire(
    request: t.TranslateRequest, texts: Sequence[str], options: TranslateOptions, *, version: str
) -> Wire:
    """Both versions are asked for plain text unless the caller says HTML."""
    return _current(request, texts, options) if version == CURRENT else _older(request, texts, options)


def _current(request: t.TranslateRequest, texts: Sequence[str], options: TranslateOptions) -> Wire:
    target: dict[str, object] = {"language": to_translator(request.target)}
    if request.profanity is not None:
        action, marker = _PROFANITY[request.profanity]
        target |= {"profanityAction": action} | ({"profanityMarker": marker} if marker else {})
    if request.model is not None:
        target["deploymentName"] = request.model
    if request.formality is not None and request.model is not None:
        target["tone"] = request.formality.value
    if options.allow_fallback is not None:
        target["allowFallback"] = options.allow_fallback
    shared: dict[str, object] = {"targets": [target], "textType": request.format.value.capitalize()}
    if request.source is not None:
        shared["language"] = to_translator(request.source)
    body = json.dumps({"inputs": [{"text": text, **shared} for text in texts]}, ensure_ascii=False)
    query = {"api-version": CURRENT}
    return Wire(
        service="translator", path="/translate", query=query, body=body.encode(), content_type="application/json"
    )


def _older(request: t.TranslateRequest, texts: Sequence[str], options: TranslateOptions) -> Wire:
    query = {"api-version": OLDER, "to": to_translator(request.target), "textType": request.format.value.capitalize()}
    if request.source is not None:
        query["from"] = to_translator(request.source)
    if request.profanity is not None:
        action, marker = _PROFANITY[request.profanity]
        query |= {"profanityAction": action} | ({"profanityMarker": marker} if marker else {})
    if request.model is not None:
        query["category"] = request.model
    if options.allow_fallback is not None:
        query["allowFallback"] = str(options.allow_fallback).lower()
    return _listed("/translate", query, texts)


def _listed(path: str, query: dict[str, str], texts: Sequence[str]) -> Wire:
    body = json.dumps([{"text": text} for text in texts], ensure_ascii=False).encode()
    return Wire(service="translator", path=path, query=query, body=body, content_type="application/json")


def _translation(item: JsonNode, request: t.TranslateRequest) -> t.Translation:
    translations = needed_items(item, "translations")
    if len(translations) != 1:
        item.fail(f"{len(translations)} translations for one target")
    text = needed_text(translations[0], "text")
    found = item.at("detectedLanguage")
    if request.source is not None or not found:
        return t.Translation(text=text, source=from_translator(to_translator(request.source or "und")))
    source = from_translator(needed_text(found, "language"))
    return t.Translation(text=text, source=source, detected=True, confidence=found.ratio("score"))


def _tokens(item: JsonNode) -> int:
    """What a language model used, where one translated."""
    names = ("instructionTokens", "sourceTokens", "responseTokens")
    return sum(each.integer(name) for each in item.items("translations") for name in names)


def metered(answer: Answer) -> int | None:
    """The characters that the service says it bills."""
    said = answer.headers.get("x-metered-usage", "")
    return int(said) if said.isascii() and said.isdigit() else None


def _usage(
    request: t.TranslateRequest, answers: Sequence[Answer], tokens: int, options: TranslateOptions
) -> tuple[Usage, ...]:
    """Characters of the source; a language model's tokens, whose price is its deployment's."""
    if tokens:
        quantity = Decimal(tokens)
        return (Usage(meter="translation.translate", unit="token", quantity=quantity, variant="language-model"),)
    said = [metered(answer) for answer in answers]
    counted = sum(len(text) for text in request.texts)
    total = counted if None in said else sum(each or 0 for each in said)
    custom = request.model is not None and request.model != "general"
    features = (
        *(("html",) if request.format is t.TextFormat.HTML else ()),
        *(("profanity_masking",) if request.profanity is not None else ()),
        *(("custom_model",) if custom else ()),
    )
    return (
        Usage(
            meter="translation.translate",
            unit="character",
            quantity=Decimal(total),
            variant="custom" if custom else "standard",
            features=features,
        ),
    )


def _notices(request: t.TranslateRequest, version: str) -> tuple[Notice, ...]:
    notices = list[Notice]()
    if request.glossary is not None:
        notices.append(ignored("glossary", "Translator takes glossaries for documents only; use a custom model"))
    if request.formality is not None and version == OLDER:
        notices.append(ignored("formality", "Translator 3.0 has none; set translator_api_version to 2026-06-06"))
    elif request.formality is not None and request.model is None:
        notices.append(ignored("formality", "only a language model's deployment has tones: name it as the model"))
    return tuple(notices)


# --- detection and languages -------------------------------------------------------------------------


def detect_language(request: t.DetectLanguageRequest, *, raw: bool) -> Flow[t.DetectLanguageResult]:
    """By version 3.0, which alone has it."""
    detections, answers = list[t.LanguageDetection](), list[Answer]()
    for texts in groups(request.texts, MOST_DETECTED):
        answer = yield _listed("/detect", {"api-version": OLDER}, texts)
        if len(answer.items) != len(texts):
            raise Malformed(f"{len(answer.items)} detections for {len(texts)} texts")
        detections += [_detection(item) for item in answer.items]
        answers.append(answer)
    said = [metered(answer) for answer in answers]
    total = sum(len(text) for text in request.texts) if None in said else sum(each or 0 for each in said)
    usage = Usage(meter="translation.detect_language", unit="character", quantity=Decimal(total), variant="translator")
    raws = [answer.raw(raw) for answer in answers]
    return t.DetectLanguageResult(
        detections=tuple(detections),
        usage=(usage,),
        request_id=answers[0].request_id,
        raw=(raws[0] if len(raws) == 1 else raws) if raw else None,
    )


def _detection(item: JsonNode) -> t.LanguageDetection:
    others = tuple(
        t.LanguageGuess(language=from_translator(needed_text(each, "language")), confidence=each.ratio("score"))
        for each in item.items("alternatives")
    )
    return t.LanguageDetection(
        language=from_translator(needed_text(item, "language")), confidence=item.ratio("score"), alternatives=others
    )


def languages(request: t.LanguagesRequest, *, version: str, raw: bool) -> Flow[t.LanguagesResult]:
    """Every language translates into every other one."""
    answer = yield Wire(
        service="translator",
        method="GET",
        path="/languages",
        query={"api-version": version, "scope": "translation"},
        headers={"Accept-Language": to_translator(request.display_language)},
    )
    found = dict[str, t.Language]()
    for code, node in needed(answer.json, "translation").members():
        tag = from_translator(code)
        if tag != "und":
            found.setdefault(tag, t.Language(code=tag, name=needed_text(node, "name")))
    return t.LanguagesResult(languages=tuple(found.values()), request_id=answer.request_id, raw=answer.raw(raw))
