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
from cloudai_azure.codec_document_batch import API_VERSION, glossary_format
from cloudai_azure.codec_translation import metered
from cloudai_azure.multipart import Part, form
from cloudai_azure.values import from_translator, to_translator
from cloudai_azure.wire import Answer, Flow, Wire

ENDINGS = {
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
"""Content type -> ending of a file's name."""
_GLOSSARIES = {"CSV": "text/csv", "TSV": "text/tab-separated-values", "XLIFF": "application/xliff+xml"}


def translate_document(request: t.TranslateDocumentRequest, glossary: bytes | None) -> Flow[t.TranslateDocumentResult]:
    """`glossary`: what is in the file that the request names. Nothing is kept as `raw`: the answer is the document."""
    answer = yield document_wire(request, glossary)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    known = request.document.content_type or "application/octet-stream"
    return t.TranslateDocumentResult(
        document=answer.body,
        content_type=known if kind in ("", "application/octet-stream") else kind,
        source=None if request.source is None else from_translator(to_translator(request.source)),
        target=from_translator(to_translator(request.target)),
        usage=_usage(request.document, answer),
        request_id=answer.request_id,
    )


def ending_of(kind: str) -> str:
    """Raises `InvalidInput` for a content type that is not taken."""
    if kind not in ENDINGS:
        raise InvalidInput(f"document translation takes {', '.join(sorted(ENDINGS.values()))}, not {kind}")
    return ENDINGS[kind]


def document_wire(request: t.TranslateDocumentRequest, glossary: bytes | None = None) -> Wire:
    """`document:translate` with the file as the part `document`, the glossary's as `glossary`."""
    kind = request.document.content_type or ""
    name = f"document.{ending_of(kind)}"
    query = {"api-version": API_VERSION, "targetLanguage": to_translator(request.target)}
    if request.source is not None:
        query["sourceLanguage"] = to_translator(request.source)
    parts = [Part(name="document", content=request.document.content, content_type=kind, filename=name)]
    if glossary is not None:
        form_of = glossary_format(request.glossary or "")
        ending, type_of = form_of.lower().replace("xliff", "xlf"), _GLOSSARIES[form_of]
        parts.append(Part(name="glossary", content=glossary, content_type=type_of, filename=f"glossary.{ending}"))
    body, content_type = form(parts)
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
