"""Which way a document goes: in one request, or as a batch where it is too large for that or stored already."""

from __future__ import annotations

from cloudai.errors import InvalidInput, TooLarge
from cloudai.types import translation as t
from cloudai_azure import codec_document_batch, codec_document_translation
from cloudai_azure.codec_document_translation import ENDINGS
from cloudai_azure.settings import TranslateDocumentOptions
from cloudai_azure.staging import Staging
from cloudai_azure.values import from_translator, to_translator
from cloudai_azure.wire import Flow

MOST_AT_ONCE, MOST_IN_A_BATCH = 10_485_760, 41_943_040
MOST_GLOSSARY = 1_048_576
"""Of a glossary in one request; all: https://learn.microsoft.com/azure/ai-services/translator/service-limits
(2025-11-18)."""


def translate_document(
    request: t.TranslateDocumentRequest, options: TranslateDocumentOptions, staging: Staging, *, key: str
) -> Flow[t.TranslateDocumentResult]:
    """Raises `TooLarge` for a document beyond one request where there is no staging."""
    document, glossary = request.document, request.glossary
    if glossary is not None:
        codec_document_batch.glossary_format(glossary)  # a wrong one is told before anything is sent
    if document.data is None:
        staging.require("the translation of a stored document")
        return (yield from _batch(request, options, staging, key=key))
    if len(document.data) <= MOST_AT_ONCE:
        terms = None if glossary is None else (yield from staging.read(glossary, max_bytes=MOST_GLOSSARY))
        return (yield from codec_document_translation.translate_document(request, terms))
    if len(document.data) > MOST_IN_A_BATCH:
        raise TooLarge(f"the document has {len(document.data):,} bytes; a batch takes at most {MOST_IN_A_BATCH:,}")
    if not staging.ready:
        raise TooLarge(
            f"the document has {len(document.data):,} bytes; one request takes at most {MOST_AT_ONCE:,} (max_bytes).\n"
            "Set staging in the backend: a batch then translates it by way of Blob storage."
        )
    return (yield from _batch(request, options, staging, key=key))


def _batch(
    request: t.TranslateDocumentRequest, options: TranslateDocumentOptions, staging: Staging, *, key: str
) -> Flow[t.TranslateDocumentResult]:
    """Source and target are deleted, however it ends."""
    document = request.document
    ending = _ending(request)
    source = None if document.data is None else f"cloudai-{key}-source.{ending}"
    target = f"cloudai-{key}-target.{ending}"
    address = document.uri or ""
    try:
        if source is not None:
            put = staging.put(source, document.content, document.content_type or "application/octet-stream")
            address = (yield from put).url
        usage = yield from codec_document_batch.batch(
            address,
            (yield from staging.target(target)).url,
            language=to_translator(request.target),
            source_language=None if request.source is None else to_translator(request.source),
            glossary=request.glossary,
            every=options.poll_interval,
        )
        answer = yield from staging.get(target)
    finally:
        yield from staging.remove(source, target)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    by_name = {ending: kind for kind, ending in ENDINGS.items()}.get(ending, "application/octet-stream")
    return t.TranslateDocumentResult(
        document=answer.body,
        content_type=by_name if kind in ("", "application/octet-stream") else kind,
        source=None if request.source is None else from_translator(to_translator(request.source)),
        target=from_translator(to_translator(request.target)),
        usage=usage,
        request_id=answer.request_id,
    )


def _ending(request: t.TranslateDocumentRequest) -> str:
    """Of the file's name: Azure tells the format by it. Raises `InvalidInput`."""
    document = request.document
    if document.data is not None:
        return codec_document_translation.ending_of(document.content_type or "")
    name = (document.uri or "").partition("?")[0].rpartition("/")[2]
    _, dot, ending = name.lower().rpartition(".")
    if not dot or not ending.isalnum() or len(ending) > 8:
        raise InvalidInput("Azure tells a stored document's format by the ending of its name, which has none")
    return ending
