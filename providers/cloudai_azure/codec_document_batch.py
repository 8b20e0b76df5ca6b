"""Document translation as a batch: a file in Blob storage in, its translation in Blob storage out.

Wire: https://learn.microsoft.com/azure/ai-services/translator/document-translation/latest/rest-api/
translate-asynchronous (2026-03-01) and the official client azure-ai-translation-document 2.0.0.
"""

from __future__ import annotations

import re
from decimal import Decimal

from cloudai.errors import InvalidInput
from cloudai.types.results import Usage
from cloudai.wirejson import JsonNode, Malformed, dump
from cloudai_azure.errors import AzureError, failure
from cloudai_azure.staging import GRACE
from cloudai_azure.waiting import until
from cloudai_azure.wire import Answer, Flow, Wire, needed, needed_items, needed_text, needed_whole

API_VERSION = "2026-03-01"
_BATCHES = "/translator/document/batches"
_ID = re.compile(r"/document/batches/([A-Za-z0-9-]+)(?:\?|$)")
_RUNNING = frozenset({"NotStarted", "Running", "Cancelling"})
GLOSSARIES = {"csv": "CSV", "tsv": "TSV", "tab": "TSV", "xlf": "XLIFF", "xliff": "XLIFF"}
"""Ending of a glossary's name -> its format."""


def batch(
    source: str, target: str, *, language: str, source_language: str | None, glossary: str | None, every: float
) -> Flow[tuple[Usage, ...]]:
    """Translates the file at one signed address to another one; ended when it is there. A job that is given up is
    cancelled."""
    wire = batch_wire(source, target, language=language, source_language=source_language, glossary=glossary)
    submitted = yield wire
    found = _ID.search(submitted.headers.get("operation-location", ""))
    if found is None:
        raise Malformed("Operation-Location names no batch")
    job = f"{_BATCHES}/{found[1]}"
    ended = False
    try:
        answer = yield from until(lambda: _asked(job), ended=_ended, every=every)
        ended = True
    finally:
        if not ended:
            yield from _cancelled(job)
    status = needed_text(answer.json, "status")
    summary = needed(answer.json, "summary")
    if status != "Succeeded" or needed_whole(summary, "success") != 1:
        raise (yield from _reason(job, answer))
    count = Decimal(needed_whole(summary, "totalCharacterCharged"))
    return (Usage(meter="translation.translate_document", unit="character", quantity=count, variant="standard"),)


def batch_wire(source: str, target: str, *, language: str, source_language: str | None, glossary: str | None) -> Wire:
    """`document/batches` with one file and one language."""
    wanted: dict[str, object] = {"targetUrl": target, "language": language}
    if glossary is not None:
        wanted["glossaries"] = [{"glossaryUrl": glossary, "format": glossary_format(glossary)}]
    given = {"sourceUrl": source, **({"language": source_language} if source_language else {})}
    body = {"inputs": [{"source": given, "targets": [wanted], "storageType": "File"}]}
    return Wire(
        service="document-translation",
        path=_BATCHES,
        query={"api-version": API_VERSION},
        body=dump(body),
        content_type="application/json",
    )


def glossary_format(address: str) -> str:
    """By the ending of its name. Raises `InvalidInput`."""
    ending = address.partition("?")[0].rpartition(".")[2].lower()
    if ending not in GLOSSARIES:
        known = ", ".join(sorted(GLOSSARIES))
        raise InvalidInput(f"Azure's glossary is the address of a file in Blob storage that ends in {known}")
    return GLOSSARIES[ending]


def _job_wire(path: str, *, method: str = "GET", grace: float = 0.0) -> Wire:
    query = {"api-version": API_VERSION}
    return Wire(service="document-translation", method=method, path=path, query=query, grace=grace)


def _asked(job: str) -> Flow[Answer]:
    return (yield _job_wire(job))


def _ended(answer: Answer) -> bool:
    return needed_text(answer.json, "status") not in _RUNNING


def _cancelled(job: str) -> Flow[None]:
    """Never raises: a job whose blobs are gone fails by itself."""
    try:
        yield _job_wire(job, method="DELETE", grace=GRACE)
    except Exception:  # noqa: BLE001  # tidying up is no reason to fail
        return


def _reason(job: str, answer: Answer) -> Flow[AzureError]:
    """What went wrong: the document's own error, else the job's."""
    listed = yield _job_wire(f"{job}/documents")
    errors = [each.at("error") for each in needed_items(listed.json, "value") if each.at("error")]
    error = errors[0] if errors else answer.json.at("error")
    return failure(error or JsonNode({"message": "the batch translated nothing"}), request_id=answer.request_id)
