"""Documents to translate: in one request, or as a batch by way of Blob storage; with a glossary; nothing is left."""

from __future__ import annotations

import asyncio
import io
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.ai.translation.document import DocumentTranslationClient
from azure.ai.translation.document.models import (
    DocumentBatch,
    SourceInput,
    StartTranslationDetails,
    TranslationGlossary,
    TranslationTarget,
)
from azure.core.credentials import AzureKeyCredential

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import Translations, azure, settings
from azure_client import ask, config
from azure_server import KEY, AzureServer, Broken, Failure, Reply
from azure_storage import ACCOUNT, ACCOUNT_KEY, CONTAINER, Storage, storing

from cloudai import AsyncClient
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, TooLarge, Unsupported
from cloudai_azure import storage as ours
from cloudai_azure.codec_document_batch import batch_wire

both = pytest.mark.parametrize("kind", ["sync", "async"])
FAST = {"azure": {"poll_interval": 0.01}}
MOST, LARGE = 10_485_760, b"x" * 10_485_761
STORED = f"https://{ACCOUNT}.blob.core.windows.net/{CONTAINER}"


class Desk:
    """Translator, an account, and a backend's settings for both."""

    def __init__(self, server: AzureServer, storage: Storage, jobs: Translations) -> None:
        self.server, self.storage, self.jobs = server, storage, jobs
        more = {"staging": storage.url, "staging_account_key": ACCOUNT_KEY, "blob_endpoint": storage.account_url}
        self.values = settings(server, **more)

    def translate(self, kind: str, document: Any, *, policy: dict[str, Any] | None = None, **arguments: Any) -> Any:
        made = config(self.values, **{"timeout": 10.0, "deadline": 10.0, **(policy or {})})
        arguments = {"target": "de", "options": FAST, **arguments}
        return ask(kind, made, "translation", "translate_document", document, **arguments)

    def store(self, name: str, content: bytes) -> str:
        """Puts an object there, and gives its signed address on the loopback."""
        self.storage.blobs[f"{CONTAINER}/{name}"] = content
        place = ours.container_of(self.storage.url)
        assert place is not None
        return place.url(name, ours.signature(place, name, "r", datetime.now(UTC) + timedelta(hours=1), ACCOUNT_KEY))


@contextmanager
def desk(*, left: int = 0, **more: Any) -> Iterator[Desk]:
    """At the block's end what the test has stored is there, and nothing else."""
    jobs = Translations(**more)
    with storing() as storage, azure(translations=jobs) as server:
        yield Desk(server, storage, jobs)
        assert len(storage.blobs) == left


# --- as a batch --------------------------------------------------------------------------------------


@both
def test_a_large_document_is_staged_translated_and_gone(kind: str) -> None:
    with desk() as found:
        result = found.translate(kind, LARGE, source="en")
        assert found.server.operations == ["batches", "batch", "batch", "batch"]
        (asked,) = found.jobs.asked.values()
        assert asked["storageType"] == "File"
        assert asked["source"]["language"] == "en"
        assert asked["source"]["sourceUrl"].partition("?")[0].endswith("-source.txt")
        assert found.storage.methods == ["PUT", "GET", "PUT", "GET", "DELETE", "DELETE"]
    assert result.document == b"[de] " + LARGE
    assert result.content_type == "text/plain"
    assert (result.usage[0].quantity, result.usage[0].unit) == (21, "character")
    assert result.cost is not None


def test_one_request_on_the_limit_and_a_batch_beyond_it() -> None:
    with desk() as found:
        found.translate("sync", LARGE[:MOST])
        assert found.server.operations == ["translate-document"]
        assert found.storage.requests == []
        found.translate("sync", LARGE)
        assert found.server.operations[1] == "batches"


def test_forty_megabytes_at_most() -> None:
    with desk() as found:
        found.translate("sync", b"x" * 41_943_040)
        with pytest.raises(TooLarge, match="41,943,040"):
            found.translate("sync", b"x" * 41_943_041)
        assert found.server.operations.count("batches") == 1


@both
def test_a_stored_document_is_read_by_azure_itself(kind: str) -> None:
    address = f"{STORED}/letters/brief.docx?sv=1&sig=x"
    with desk() as found:
        found.server.handlers["batch"] = lambda received: written(found, received)
        result = found.translate(kind, address)
        (asked,) = found.jobs.asked.values()
        assert asked["source"] == {"sourceUrl": address}
        assert found.storage.methods == ["PUT", "GET", "DELETE"]
    assert result.content_type == "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def written(found: Desk, received: Any) -> Any:
    """The translation is there at the first look."""
    from azure_answers import _write

    job = received.path.rpartition("/")[2]
    _write(found.jobs.asked[job]["targets"][0]["targetUrl"], b"translated")
    return found.jobs._job(job, "Succeeded")


def test_a_stored_document_without_staging_is_refused_with_what_to_set() -> None:
    with azure() as server:
        with pytest.raises(Unsupported, match="set staging"):
            ask("sync", config(settings(server)), "translation", "translate_document", f"{STORED}/a.docx", target="de")
        assert server.requests == []


def test_a_stored_document_without_an_ending_is_refused() -> None:
    with desk() as found:
        with pytest.raises(InvalidInput, match="ending"):
            found.translate("sync", f"{STORED}/letter")
        assert found.server.requests == []


# --- however it ends ---------------------------------------------------------------------------------


@both
def test_a_failed_batch_tells_the_documents_error_and_leaves_nothing(kind: str) -> None:
    inner = {"code": "NoTranslatableText", "message": "The document holds no text."}
    error = {"code": "InvalidRequest", "message": "no", "innerError": inner}
    with desk(end="Failed", error=error) as found:
        with pytest.raises(CloudAIError, match="holds no text") as caught:
            found.translate(kind, LARGE)
        assert found.server.operations[-1] == "batch.documents"
    assert caught.value.code is ErrorCode.INVALID_INPUT


@both
def test_a_batch_that_does_not_end_in_time_is_cancelled(kind: str) -> None:
    with desk(end="Running") as found:
        with pytest.raises(CloudAIError) as caught:
            found.translate(kind, LARGE, policy={"timeout": 2.0, "deadline": 2.0})
        assert len(found.jobs.cancelled) == 1
        assert found.storage.methods[-1] == "DELETE"
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED


def test_a_call_that_is_cancelled_cancels_the_batch() -> None:
    async def cancelled() -> None:
        async with AsyncClient(config(found.values, timeout=20.0)) as client:
            asked = client.translation.translate_document(LARGE, target="de", options=FAST)
            call = asyncio.create_task(asked)
            while "batch" not in found.server.operations:
                await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    with desk(end="Running") as found:
        asyncio.run(cancelled())
        assert len(found.jobs.cancelled) == 1


@both
@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Failure(status=400, body={"error": {"code": "InvalidRequest", "message": "no"}}), ErrorCode.INVALID_INPUT),
        (Failure(status=429, body={"error": {"code": "RequestRateTooHigh", "message": "no"}}), ErrorCode.RATE_LIMITED),
        (Failure(status=503, body=b""), ErrorCode.UNAVAILABLE),
        (Broken(kind="reset"), ErrorCode.UNAVAILABLE),
        (Broken(kind="html"), ErrorCode.INTERNAL),
    ],
    ids=["400", "429", "503", "reset", "html"],
)
def test_a_submission_that_fails_leaves_nothing(kind: str, trouble: Any, code: ErrorCode) -> None:
    with desk() as found:
        found.server.troubles.append(trouble)
        with pytest.raises(CloudAIError) as caught:
            found.translate(kind, LARGE)
        assert len(found.server.requests) == 1
    assert caught.value.code is code


# --- glossaries --------------------------------------------------------------------------------------


@both
def test_a_glossary_goes_with_the_request_as_a_file(kind: str) -> None:
    with desk(left=1) as found:
        found.storage.blobs[f"{CONTAINER}/terms.tsv"] = b"cloud\tWolke\n"
        found.translate(kind, b"A cloud.\n", glossary=f"{STORED}/terms.tsv")
        (asked,) = found.server.requests
        assert asked.files["glossary"] == b"cloud\tWolke\n"
        assert b'name="glossary"; filename="glossary.tsv"' in asked.body


def test_a_glossary_of_one_request_has_a_megabyte_at_most() -> None:
    with desk(left=1) as found:
        found.storage.blobs[f"{CONTAINER}/terms.csv"] = b"x" * 1_048_576
        found.translate("sync", b"A cloud.\n", glossary=f"{STORED}/terms.csv")
        found.storage.blobs[f"{CONTAINER}/terms.csv"] = b"x" * 1_048_577
        with pytest.raises(TooLarge, match="1,048,576"):
            found.translate("sync", b"A cloud.\n", glossary=f"{STORED}/terms.csv")
        assert len(found.server.requests) == 1


def test_a_glossary_of_a_batch_is_named_by_its_address() -> None:
    with desk() as found:
        address = f"{STORED}/terms.xlf?sv=1&sig=x"
        found.translate("sync", LARGE, glossary=address)
        (asked,) = found.jobs.asked.values()
        assert asked["targets"][0]["glossaries"] == [{"glossaryUrl": address, "format": "XLIFF"}]


@pytest.mark.parametrize("glossary", ["my-glossary", f"{STORED}/terms.docx", "https://example.com/terms.csv"])
def test_what_is_no_glossary_of_azures_is_refused(glossary: str) -> None:
    with desk() as found:
        with pytest.raises(InvalidInput, match=r"\.blob\.core|ends in"):
            found.translate("sync", b"A cloud.\n", glossary=glossary)
        assert found.server.requests == found.storage.requests == []


# --- the same as the official client -----------------------------------------------------------------


def test_a_batch_is_asked_for_as_the_official_client_does() -> None:
    source, target, glossary = (f"https://a.blob.core.windows.net/c/{name}?sig=x" for name in ("s", "t", "g.csv"))
    jobs = Translations()
    with azure(translations=jobs) as server:
        server.handlers["batch"] = lambda received: jobs._job(received.path.rpartition("/")[2], "Succeeded")
        server.handlers["batches"] = lambda received: here(server, jobs.submit(received))
        with DocumentTranslationClient(endpoint=server.url, credential=AzureKeyCredential(KEY)) as client:
            wanted = TranslationTarget(
                target_url=target,
                language="de",
                glossaries=[TranslationGlossary(glossary_url=glossary, file_format="CSV")],
            )
            given = SourceInput(source_url=source, language="en")
            asked = StartTranslationDetails(inputs=[DocumentBatch(source=given, targets=[wanted], storage_type="File")])
            client.begin_translation(asked, polling_interval=0.01).wait()
        theirs = server.requests[0]
    mine = batch_wire(source, target, language="de", source_language="en", glossary=glossary)
    assert (theirs.method, theirs.path, theirs.query) == (mine.method, mine.path, mine.query)
    import json

    assert json.loads(mine.body) == theirs.json


def here(server: AzureServer, reply: Reply) -> Reply:
    """The official client goes where the reply says; ours stays at its endpoint."""
    where = reply.headers["Operation-Location"].replace("https://acme.cognitiveservices.azure.com", server.url)
    return Reply(body=None, headers={"Operation-Location": where})


def test_a_docx_keeps_its_kind() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<w/>" + "x" * 11_000_000)
    with desk() as found:
        found.translate("sync", buffer.getvalue())
        (asked,) = found.jobs.asked.values()
        assert asked["targets"][0]["targetUrl"].partition("?")[0].endswith(".docx")
