"""Document translation, synchronous: one file in, the same kind of file out.

Wire: https://learn.microsoft.com/azure/ai-services/translator/document-translation/reference/translate-document and the
official client azure-ai-translation-document 2.0.0, whose version 2026-03-01 is used. It needs the resource's own
address; there is none that all of Azure shares.
"""

from __future__ import annotations

from decimal import Decimal

from cloudai.errors import InvalidInput
from cloudai.types import translation as t
from cloudai.types.media import Media
from cloudai.types.results import Usage
from cloudai_azure.codec_translation import metered
from cloudai_azure.multipart import Part, form
from cloudai_azure.values import from_translator, ignored, to_translator
from cloudai_azure.wire import Answer, Flow, Wire

API_VERSION = "2026-03-01"
_ENDINGS = {
    "text/plain": "txt",
    "text/html": "html",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "text/markdown": "md",
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.ms-outlook": "msg",
    "application/xliff+xml": "xlf",
}


def translate_document(request: t.TranslateDocumentRequest) -> Flow[t.TranslateDocumentResult]:
    """Nothing is kept as `raw`: the answer is the document itself."""
    answer = yield document_wire(request)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    known = request.document.content_type or "application/octet-stream"
    glossary = (ignored("glossary", "a glossary is a file here, and cloudai names it"),) if request.glossary else ()
    return t.TranslateDocumentResult(
        document=answer.body,
        content_type=known if kind in ("", "application/octet-stream") else kind,
        source=None if request.source is None else from_translator(to_translator(request.source)),
        target=from_translator(to_translator(request.target)),
        usage=_usage(request.document, answer),
        warnings=glossary,
        request_id=answer.request_id,
    )


def document_wire(request: t.TranslateDocumentRequest) -> Wire:
    """`document:translate` with the file as the part `document`."""
    kind = request.document.content_type or ""
    ending = _ENDINGS.get(kind)
    if ending is None:
        raise InvalidInput(f"document translation takes {', '.join(sorted(_ENDINGS.values()))}, not {kind}")
    query = {"api-version": API_VERSION, "targetLanguage": to_translator(request.target)}
    if request.source is not None:
        query["sourceLanguage"] = to_translator(request.source)
    part = Part(name="document", content=request.document.content, content_type=kind, filename=f"document.{ending}")
    body, content_type = form([part])
    return Wire(
        service="document-translation",
        path="/translator/document:translate",
        query=query,
        body=body,
        content_type=content_type,
    )


def _usage(document: Media, answer: Answer) -> tuple[Usage, ...]:
    """What the service says it bills; for plain text what it has; else nothing, so that the cost is unknown."""
    count = metered(answer)
    if count is None and document.content_type == "text/plain":
        count = len(document.content.decode("utf-8", "replace"))
    if count is None:
        return ()
    quantity = Decimal(count)
    return (Usage(meter="translation.translate_document", unit="character", quantity=quantity, variant="standard"),)
