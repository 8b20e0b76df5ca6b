"""Translation v3, and v2 where an API key is all there is. Pure: requests in, results out.

https://cloud.google.com/translate/docs/reference/rest/v3/projects.locations/translateText
https://cloud.google.com/translate/docs/reference/rest/v2/translate
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from pydantic import JsonValue

from cloudai.errors import InvalidInput, Unsupported
from cloudai.types import translation as t
from cloudai.types.results import Notice, Usage
from cloudai.wirejson import JsonNode
from cloudai_gcp.values import from_google, from_translate, to_translate
from cloudai_gcp.wire import Answer, JsonObject, Plan, Target, Wire, one

SERVICE: Final = "translation"
TEXTS: Final = 1024
CODE_POINTS: Final = 30_000
"""Of one request, both: https://cloud.google.com/translate/quotas (v3), TranslateTextRequest.contents."""
TEXTS_V2: Final = 128
CODE_POINTS_V2: Final = 30_000
"""https://cloud.google.com/translate/docs/reference/rest/v2/translate: at most 128 strings."""

_MIME: Final = {t.TextFormat.PLAIN: "text/plain", t.TextFormat.HTML: "text/html"}
_FORMAT_V2: Final = {t.TextFormat.PLAIN: "text", t.TextFormat.HTML: "html"}


def packed(texts: Sequence[str], *, most: int, code_points: int) -> Iterator[tuple[str, ...]]:
    """Texts in order, in as few groups as the limits allow; one text is never cut."""
    group: list[str] = []
    size = 0
    for text in texts:
        if group and (len(group) == most or size + len(text) > code_points):
            yield tuple(group)
            group, size = [], 0
        group.append(text)
        size += len(text)
    if group:
        yield tuple(group)


# --- translate ---------------------------------------------------------------------------------------


def translate(request: t.TranslateRequest, target: Target, *, raw: bool = False) -> Plan[t.TranslateResult]:
    notices = _ignored(request)
    if target.by_key:
        groups = tuple(packed(request.texts, most=TEXTS_V2, code_points=CODE_POINTS_V2))
        wires = tuple(_v2(request, group) for group in groups)
    else:
        groups = tuple(packed(request.texts, most=TEXTS, code_points=CODE_POINTS))
        wires = tuple(_v3(request, group, target) for group in groups)

    def decode(answers: Sequence[Answer]) -> t.TranslateResult:
        read = _read_v2 if target.by_key else _read_v3
        pairs = zip(answers, groups, strict=True)
        found = [each for answer, group in pairs for each in read(answer.json, len(group), request)]
        return t.TranslateResult(
            translations=tuple(found),
            target=request.target,
            usage=(_usage(request),),
            warnings=notices,
            model=request.model or "nmt",
            raw=raw_of(answers) if raw else None,
        )

    return Plan(wires=wires, decode=decode)


def _v3(request: t.TranslateRequest, texts: Sequence[str], target: Target) -> Wire:
    parent = parent_of(target, regional=bool(request.glossary or request.model))
    body: dict[str, object] = {
        "contents": list(texts),
        "mimeType": _MIME[request.format],
        "targetLanguageCode": to_translate(request.target),
    }
    if request.source is not None:
        body["sourceLanguageCode"] = to_translate(request.source)
    if request.model is not None:
        body["model"] = named(request.model, f"{parent}/models")
    if request.glossary is not None:
        body["glossaryConfig"] = {"glossary": named(request.glossary, f"{parent}/glossaries")}
    return Wire(service=SERVICE, path=f"/v3/{parent}:translateText", body=body)


def parent_of(target: Target, *, regional: bool = False) -> str:
    """Translation has no multi-regions; glossaries and models of one's own are in a region.

    https://cloud.google.com/translate/docs/advanced/endpoints
    """
    location = _REGIONS.get(target.location or "", target.location) or ("us-central1" if regional else "global")
    return f"projects/{target.project}/locations/{location}"


_REGIONS: Final = {"us": "us-central1", "eu": "europe-west1"}


def named(name: str, parent: str) -> str:
    """A resource's full name from its id or its full name."""
    return name if name.startswith("projects/") else f"{parent}/{name}"


def _v2(request: t.TranslateRequest, texts: Sequence[str]) -> Wire:
    if request.glossary is not None or request.model not in (None, "nmt"):
        raise Unsupported("glossaries and models need Translation v3, which takes no API key: use credentials")
    body: dict[str, object] = {
        "q": list(texts),
        "target": to_translate(request.target),
        "format": _FORMAT_V2[request.format],
    }
    if request.source is not None:
        body["source"] = to_translate(request.source)
    return Wire(service=SERVICE, path="/language/translate/v2", body=body)


def _read_v3(node: JsonNode, expected: int, request: t.TranslateRequest) -> list[t.Translation]:
    member = "glossaryTranslations" if request.glossary is not None else "translations"
    found = _as_many(node, member, expected)
    return [_translation(each.text("translatedText"), each.text("detectedLanguageCode"), request) for each in found]


def _read_v2(node: JsonNode, expected: int, request: t.TranslateRequest) -> list[t.Translation]:
    found = _as_many(node.at("data"), "translations", expected)
    return [_translation(each.text("translatedText"), each.text("detectedSourceLanguage"), request) for each in found]


def _translation(text: str, detected: str, request: t.TranslateRequest) -> t.Translation:
    return t.Translation(
        text=text,
        source=request.source or (from_translate(detected) if detected else "und"),
        detected=request.source is None,
        glossary_used=request.glossary is not None,
    )


def _as_many(node: JsonNode, member: str, expected: int) -> list[JsonNode]:
    found = node.items(member)
    if len(found) != expected:
        node.fail(f"{len(found)} {member} for {expected} texts")
    return found


def _usage(request: t.TranslateRequest) -> Usage:
    """Code points of the source, markup included; the target is one."""
    features = (("glossary",) if request.glossary else ()) + (("html",) if request.format is t.TextFormat.HTML else ())
    custom = request.model is not None and not request.model.rpartition("/")[2].startswith("nmt")
    return Usage(
        meter="translation.translate",
        unit="character",
        quantity=Decimal(sum(len(text) for text in request.texts)),
        features=(*features, *(("custom_model",) if custom else ())),
        variant=None if custom else "standard",
    )


def _ignored(request: t.TranslateRequest) -> tuple[Notice, ...]:
    asked = (("formality", request.formality), ("profanity", request.profanity))
    return tuple(
        Notice(code="option_ignored", message=f"Google Translation has no {name}")
        for name, value in asked
        if value is not None
    )


# --- languages ---------------------------------------------------------------------------------------


def detect_language(
    request: t.DetectLanguageRequest, target: Target, *, raw: bool = False
) -> Plan[t.DetectLanguageResult]:
    """v3 takes one text a request, v2 many."""
    if target.by_key:
        groups = tuple(packed(request.texts, most=TEXTS_V2, code_points=CODE_POINTS_V2))
        wires = tuple(
            Wire(service=SERVICE, path="/language/translate/v2/detect", body={"q": list(group)}) for group in groups
        )
    else:
        groups = tuple((text,) for text in request.texts)
        wires = tuple(
            Wire(
                service=SERVICE,
                path=f"/v3/{parent_of(target)}:detectLanguage",
                body={"content": text, "mimeType": "text/plain"},
            )
            for text in request.texts
        )

    def decode(answers: Sequence[Answer]) -> t.DetectLanguageResult:
        found: list[t.LanguageDetection] = []
        for answer, group in zip(answers, groups, strict=True):
            if target.by_key:
                lists = _as_many(answer.json.at("data"), "detections", len(group))
                found += [_detection(JsonNode({"_": each.value}, each.path).items("_"), "language") for each in lists]
            else:
                found.append(_detection(answer.json.items("languages"), "languageCode"))
        size = sum(len(text) for text in request.texts)
        usage = Usage(meter="translation.detect_language", unit="character", quantity=Decimal(size))
        return t.DetectLanguageResult(detections=tuple(found), usage=(usage,), raw=raw_of(answers) if raw else None)

    return Plan(wires=wires, decode=decode)


def _detection(guesses: Sequence[JsonNode], member: str) -> t.LanguageDetection:
    read = [
        t.LanguageGuess(language=from_translate(each.text(member)), confidence=each.ratio("confidence"))
        for each in guesses
    ]
    if not read:
        return t.LanguageDetection(language="und")
    first, *others = sorted(read, key=lambda guess: -(guess.confidence or 0.0))
    return t.LanguageDetection(language=first.language, confidence=first.confidence, alternatives=tuple(others))


def languages(request: t.LanguagesRequest, target: Target, *, raw: bool = False) -> Plan[t.LanguagesResult]:
    shown = to_translate(request.display_language)

    def decode(answer: Answer) -> t.LanguagesResult:
        found = _languages_v2(answer.json) if target.by_key else _languages_v3(answer.json)
        return t.LanguagesResult(languages=tuple(found), raw=answer.json.value if raw else None)

    if target.by_key:
        path = "/language/translate/v2/languages"
        return one(Wire(service=SERVICE, method="GET", path=path, query={"target": shown}), decode)
    path = f"/v3/{parent_of(target)}/supportedLanguages"
    return one(Wire(service=SERVICE, method="GET", path=path, query={"displayLanguageCode": shown}), decode)


def _languages_v3(node: JsonNode) -> list[t.Language]:
    found = {
        code: t.Language(
            code=code,
            name=each.text("displayName") or None,
            source=each.flag("supportSource"),
            target=each.flag("supportTarget"),
        )
        for each in node.items("languages")
        if (code := from_translate(each.text("languageCode"))) != "und"
    }
    return list(found.values())


def _languages_v2(node: JsonNode) -> list[t.Language]:
    found = {
        code: t.Language(code=code, name=each.text("name") or None)
        for each in node.at("data").items("languages")
        if (code := from_translate(each.text("language"))) != "und"
    }
    return list(found.values())


# --- documents ---------------------------------------------------------------------------------------


def translate_document(
    request: t.TranslateDocumentRequest, target: Target, *, raw: bool = False
) -> Plan[t.TranslateDocumentResult]:
    if target.by_key:
        raise Unsupported("translate_document needs Translation v3, which takes no API key: use credentials")
    parent = parent_of(target, regional=request.glossary is not None)
    body: dict[str, object] = {
        "targetLanguageCode": to_translate(request.target),
        "documentInputConfig": _document(request),
    }
    if request.source is not None:
        body["sourceLanguageCode"] = to_translate(request.source)
    if request.glossary is not None:
        body["glossaryConfig"] = {"glossary": named(request.glossary, f"{parent}/glossaries")}

    def decode(answer: Answer) -> t.TranslateDocumentResult:
        member = "glossaryDocumentTranslation" if request.glossary else "documentTranslation"
        found = answer.json.at(member)
        parts = found.items("byteStreamOutputs")
        if not parts:
            found.fail("no byteStreamOutputs")
        detected = found.text("detectedLanguageCode")
        return t.TranslateDocumentResult(
            document=b"".join(bytes_of(part) for part in parts[:1]),
            content_type=found.text("mimeType"),
            source=request.source or (from_google(detected) if detected else None),
            target=request.target,
            usage=_pages_usage(request),
            raw=answer.json.value if raw else None,
        )

    return one(Wire(service=SERVICE, path=f"/v3/{parent}:translateDocument", body=body), decode)


def _document(request: t.TranslateDocumentRequest) -> JsonObject:
    media = request.document
    if media.data is None:
        return {"gcsSource": {"inputUri": media.uri}}
    if media.content_type is None:
        raise InvalidInput("the type of the document is not known")
    return {"mimeType": media.content_type, "content": base64.b64encode(media.data).decode("ascii")}


def _pages_usage(request: t.TranslateDocumentRequest) -> tuple[Usage, ...]:
    """Pages as Google bills them; none where they can't be counted: the cost is then unknown, not zero."""
    if request.document.pages is None:
        return (Usage(meter="translation.translate_document", unit="document", quantity=Decimal(1)),)
    quantity = Decimal(request.document.pages)
    return (Usage(meter="translation.translate_document", unit="page", quantity=quantity, variant="standard"),)


def bytes_of(node: JsonNode) -> bytes:
    """A `bytes` field: base64, standard or URL-safe. Raises `Malformed`."""
    try:
        return base64.b64decode(node.word().replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        node.fail("no base64")


def raw_of(answers: Sequence[Answer]) -> JsonValue:
    """Google's own answer; a list of them where several requests were sent."""
    values: list[JsonValue] = [answer.json.value for answer in answers]
    return values[0] if len(values) == 1 else values
