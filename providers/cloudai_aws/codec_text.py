"""Translate and Comprehend: requests as parameters, answers as results. Pure functions, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from cloudai.errors import ErrorCode, ServiceError, Unsupported
from cloudai.languages import UNDETERMINED
from cloudai.types import translation as t
from cloudai.types.results import Notice, Usage
from cloudai.types.speech import ProfanityMode
from cloudai_aws.codec_languages import AUTO, display_code, from_aws, to_aws
from cloudai_aws.faults import fault_of_reply
from cloudai_aws.reply import Params, Reply, ignored, requests
from cloudai_aws.settings import TranslateOptions

SERVICE = "translate"
BATCH = 25
"""Texts in one BatchDetectDominantLanguage, each of at most 5,000 bytes:
https://docs.aws.amazon.com/comprehend/latest/dg/guidelines-and-limits.html (read 2026-11-21)."""
BATCH_TEXT_BYTES = 5_000
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


# --- translate -----------------------------------------------------------------------------------


def encode_text(text: str, request: t.TranslateRequest, options: TranslateOptions) -> Params:
    """`TranslateText` takes one plain text and one target."""
    return {"Text": text, **_pair(request.source, request.target, request.glossary), **_settings(request, options)}


def encode_html(text: str, request: t.TranslateRequest, options: TranslateOptions) -> Params:
    """HTML goes as a document: TranslateText would translate the tags."""
    pair = _pair(request.source, request.target, request.glossary)
    return {"Document": {"Content": text.encode(), "ContentType": "text/html"}, **pair, **_settings(request, options)}


def _pair(source: str | None, target: str, glossary: str | None) -> Params:
    params: Params = {
        "SourceLanguageCode": AUTO if source is None else to_aws(source, SERVICE),
        "TargetLanguageCode": to_aws(target, SERVICE),
    }
    if glossary is not None:
        params["TerminologyNames"] = [glossary]
    return params


def _settings(request: t.TranslateRequest, options: TranslateOptions) -> Params:
    settings: Params = {}
    if request.formality is not None:
        settings["Formality"] = request.formality.value.upper()
    if request.profanity is ProfanityMode.MASK:
        settings["Profanity"] = "MASK"
    if options.brevity:
        settings["Brevity"] = "ON"
    return {"Settings": settings} if settings else {}


def check_model(model: str | None) -> None:
    """Raises `Unsupported` for a custom model: parallel data adapts batch jobs only."""
    if model is not None:
        raise Unsupported("Amazon Translate has no custom models for texts: parallel data adapts batch jobs only")


def decode_text(reply: Reply, request: t.TranslateRequest) -> t.Translation:
    """Of `TranslateText` and, for HTML, of `TranslateDocument`."""
    document = reply.get("TranslatedDocument")
    text = document["Content"].decode() if document else reply["TranslatedText"]
    return t.Translation(
        text=text,
        source=from_aws(reply["SourceLanguageCode"], SERVICE),
        detected=request.source is None,
        glossary_used=bool(reply.get("AppliedTerminologies")),
    )


def translate_notices(request: t.TranslateRequest, replies: Sequence[Reply]) -> tuple[Notice, ...]:
    """What was asked and AWS did not apply: formality and profanity work for some targets only."""
    found = list[Notice]()
    if request.profanity in (ProfanityMode.REMOVE, ProfanityMode.TAG):
        found.append(ignored(f"Amazon Translate can mask profane words, not {request.profanity} them"))
    asked = _settings(request, TranslateOptions()).get("Settings", {})
    for name in asked:
        if any(name not in reply.get("AppliedSettings", {}) for reply in replies):
            found.append(ignored(f"Amazon Translate did not apply {name.lower()} for {request.target}"))
    return tuple(found)


def translate_usage(request: t.TranslateRequest, params: Sequence[Params]) -> tuple[Usage, ...]:
    """Characters of the texts. Nothing for a text already in its language; detection is billed by Comprehend:
    https://docs.aws.amazon.com/translate/latest/dg/what-is-languages.html (read 2026-11-21)."""
    same = all(each["SourceLanguageCode"] == each["TargetLanguageCode"] for each in params)
    characters = Decimal(0 if same else sum(len(text) for text in request.texts))
    html = request.format is t.TextFormat.HTML
    meter = "translation.translate_document" if html else "translation.translate"
    used = (Usage(meter=meter, unit="character", quantity=characters),)
    return used if request.source is not None else (*used, *detect_usage(request.texts))


# --- documents -----------------------------------------------------------------------------------


def encode_document(request: t.TranslateDocumentRequest) -> Params:
    content = {"Content": request.document.content, "ContentType": content_type(request)}
    return {"Document": content, **_pair(request.source, request.target, request.glossary)}


def content_type(request: t.TranslateDocumentRequest) -> str:
    """Without parameters such as a charset, which AWS's pattern does not allow."""
    return (request.document.content_type or "text/plain").partition(";")[0].strip()


def decode_document(reply: Reply, request: t.TranslateDocumentRequest) -> t.TranslateDocumentResult:
    return t.TranslateDocumentResult(
        document=reply["TranslatedDocument"]["Content"],
        content_type=content_type(request),
        source=from_aws(reply["SourceLanguageCode"], SERVICE),
        target=from_aws(reply["TargetLanguageCode"], SERVICE),
        usage=_document_usage(request),
    )


def _document_usage(request: t.TranslateDocumentRequest) -> tuple[Usage, ...]:
    """Characters of a text; those inside a Word file are not known here, so nothing is claimed."""
    if content_type(request) == DOCX:
        return ()
    text = request.document.content.decode("utf-8", "replace")
    used = Usage(meter="translation.translate_document", unit="character", quantity=Decimal(len(text)))
    return (used,) if request.source is not None else (used, *detect_usage((text,)))


# --- languages -----------------------------------------------------------------------------------


def encode_languages(request: t.LanguagesRequest) -> tuple[Params, tuple[Notice, ...]]:
    code = display_code(request.display_language)
    if code is not None:
        return {"DisplayLanguageCode": code, "MaxResults": 500}, ()
    notice = ignored(f"Amazon Translate has no language names in {request.display_language}: they are in English")
    return {"DisplayLanguageCode": "en", "MaxResults": 500}, (notice,)


def decode_languages(replies: Sequence[Reply]) -> t.LanguagesResult:
    """All pages. `auto` is no language."""
    found = [each for reply in replies for each in reply.get("Languages", ())]
    languages = tuple(
        t.Language(code=from_aws(each["LanguageCode"], SERVICE), name=each.get("LanguageName"))
        for each in found
        if each["LanguageCode"] != AUTO
    )
    return t.LanguagesResult(languages=languages, usage=requests("translation.languages", len(replies)))


# --- which language ------------------------------------------------------------------------------


def detect_requests(texts: Sequence[str]) -> Iterator[tuple[str, Params, tuple[int, ...]]]:
    """Method, parameters, and which texts they are for: short ones 25 at a time, long ones and single ones alone."""
    short = [index for index, text in enumerate(texts) if len(text.encode()) <= BATCH_TEXT_BYTES]
    if len(short) == 1:
        short = []
    for start in range(0, len(short), BATCH):
        indexes = tuple(short[start : start + BATCH])
        yield "batch_detect_dominant_language", {"TextList": [texts[index] for index in indexes]}, indexes
    for index in sorted(set(range(len(texts))) - set(short)):
        yield "detect_dominant_language", {"Text": texts[index]}, (index,)


def decode_detections(reply: Reply, indexes: Sequence[int]) -> Mapping[int, t.LanguageDetection]:
    """Raises `ServiceError` when one text of a batch failed: the others' answers are of no use without it."""
    if "ResultList" not in reply:
        return {indexes[0]: _detection(reply)}
    for error in reply.get("ErrorList", ()):
        code, message = error.get("ErrorCode", ""), error.get("ErrorMessage", "")
        fault = fault_of_reply({"Error": {"Code": code, "Message": message}})
        where = indexes[error.get("Index", 0)]
        raise ServiceError(f"text {where}: {fault.message}", code=fault.code)
    return {indexes[each["Index"]]: _detection(each) for each in reply["ResultList"]}


def _detection(found: Reply) -> t.LanguageDetection:
    guesses = sorted(found.get("Languages", ()), key=lambda each: -each.get("Score", 0.0))
    named = [
        t.LanguageGuess(language=from_aws(each["LanguageCode"], SERVICE), confidence=min(1.0, each.get("Score", 0.0)))
        for each in guesses
    ]
    if not named:
        return t.LanguageDetection(language=UNDETERMINED)
    return t.LanguageDetection(
        language=named[0].language, confidence=named[0].confidence, alternatives=tuple(named[1:])
    )


def detections_in_order(found: Mapping[int, t.LanguageDetection], texts: Sequence[str]) -> t.DetectLanguageResult:
    """In the order of the texts."""
    missing = [index for index in range(len(texts)) if index not in found]
    if missing:
        raise ServiceError(f"Comprehend did not answer for text {missing[0]}", code=ErrorCode.INTERNAL)
    return t.DetectLanguageResult(
        detections=tuple(found[index] for index in range(len(texts))), usage=detect_usage(texts)
    )


def detect_usage(texts: Sequence[str]) -> tuple[Usage, ...]:
    """One entry for each text: Comprehend's minimum is per text."""
    meter = "translation.detect_language"
    return tuple(Usage(meter=meter, unit="character", quantity=Decimal(len(text))) for text in texts)
