"""Documents over the limit of one request go through a bucket as a batch: paid once, nothing left behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_answers import ANSWERS, process, settings
from gcp_client import ask, config
from gcp_server import PROJECT, Broken, Failure, GoogleServer, google
from test_gcp_limits import pdf

from cloudai.config import Config
from cloudai.errors import CloudAIError, ErrorCode
from cloudai_gcp import long_documents

NAME = f"projects/{PROJECT}/locations/us/operations/batch-1"
METADATA = "type.googleapis.com/google.cloud.documentai.v1.BatchProcessMetadata"
LOOK = "vision.v1:vision.projects.locations.operations.get"
"""At one address for all services; the operations of all are one interface (google.longrunning)."""
both = pytest.mark.parametrize("kind", ["sync", "async"])


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_documents, "FIRST_LOOK", 0.01)
    monkeypatch.setattr(long_documents, "LONGEST", 0.05)


@dataclass
class Batch:
    """Google's side: reads what was put, writes one file, says where."""

    pages: int = 16
    looks: int = 1
    """Until it has ended."""
    error: dict[str, Any] = field(default_factory=dict)
    file_error: dict[str, Any] = field(default_factory=dict)
    started: list[Any] = field(default_factory=list)
    cancelled: bool = False

    def start(self, body: Any, server: GoogleServer) -> Any:
        self.started.append(body)
        (document,) = body["inputDocuments"]["gcsDocuments"]["documents"]
        assert server.objects[document["gcsUri"]].startswith(b"%PDF")
        folder = body["documentOutputConfig"]["gcsOutputConfig"]["gcsUri"]
        made = process({}, {"name": "processors/ocr1"})["document"]
        made["pages"] = [{**made["pages"][0], "pageNumber": number + 1} for number in range(self.pages)]
        server.objects[f"{folder}batch-1/0/document-0.json"] = json.dumps(made).encode()
        self.folder = f"{folder}batch-1/0"
        return {"name": NAME}

    def look(self) -> Any:
        if self.looks:
            self.looks -= 1
            return {"name": NAME, "metadata": {"@type": METADATA, "state": "RUNNING"}}
        if self.error:
            return {"name": NAME, "done": True, "error": self.error}
        status = {"outputGcsDestination": self.folder, **({"status": self.file_error} if self.file_error else {})}
        metadata = {"@type": METADATA, "state": "SUCCEEDED", "individualProcessStatuses": [status]}
        answer = {"@type": "type.googleapis.com/google.cloud.documentai.v1.BatchProcessResponse"}
        return {"name": NAME, "done": True, "metadata": metadata, "response": answer}

    def cancel(self) -> Any:
        self.cancelled = True
        return {}


@contextmanager
def account(tmp_path: Path, batch: Batch, **policy: Any) -> Iterator[tuple[Config, GoogleServer]]:
    with google(ANSWERS) as server:
        server.answers |= {
            "documentai.v1:documentai.projects.locations.processors.batchProcess": lambda body, _: batch.start(
                body, server
            ),
            LOOK: lambda *_: batch.look(),
            "documentai.v1:documentai.projects.locations.operations.cancel": lambda *_: batch.cancel(),
        }
        yield config(settings(server, tmp_path, staging_bucket="mine"), **policy), server


@both
def test_sixteen_pages_go_as_a_batch_and_leave_nothing(kind: str, tmp_path: Path) -> None:
    batch = Batch()
    with account(tmp_path, batch) as (made, server):
        result = ask(kind, made, "vision", "read_document", pdf(16), pages="1-16")
        assert server.objects == {}
    assert [page.number for page in result.pages] == list(range(1, 17))
    assert "Invoice 7" in result.text
    assert (result.usage[0].quantity, result.usage[0].variant) == (16, "ocr")
    assert result.cost is not None
    (body,) = batch.started
    assert body["processOptions"] == {"individualPageSelector": {"pages": list(range(1, 17))}}
    assert body["documentOutputConfig"]["gcsOutputConfig"]["shardingConfig"] == {"pagesPerShard": 500}


def test_fifteen_pages_are_still_one_request(tmp_path: Path) -> None:
    batch = Batch()
    with account(tmp_path, batch) as (made, server):
        ask("sync", made, "vision", "read_document", pdf(15))
        assert (len(batch.started), server.arrived) == (0, 1)


@both
def test_more_than_a_batch_takes_is_refused_unsent(kind: str, tmp_path: Path) -> None:
    with account(tmp_path, Batch()) as (made, server):
        with pytest.raises(CloudAIError, match="max_pages") as caught:
            ask(kind, made, "vision", "read_document", pdf(501))
        assert (caught.value.code, server.arrived) == (ErrorCode.TOO_LARGE, 0)
        with pytest.raises(CloudAIError, match="Form Parser takes 100"):
            ask(kind, made, "vision", "read_document", pdf(101), features=["tables"])
        assert server.arrived == 0


@both
@pytest.mark.parametrize(
    "batch",
    [
        Batch(error={"code": 3, "message": "a broken document"}),
        Batch(file_error={"code": 3, "message": "a broken document"}),
    ],
    ids=["batch", "file"],
)
def test_a_batch_that_failed_says_why_and_leaves_nothing(kind: str, batch: Batch, tmp_path: Path) -> None:
    batch.looks = 1
    with account(tmp_path, batch, max_attempts=3) as (made, server):
        with pytest.raises(CloudAIError, match="a broken document") as caught:
            ask(kind, made, "vision", "read_document", pdf(16))
        assert caught.value.code is ErrorCode.INVALID_INPUT
        assert len(server.objects) <= 1, "what Google wrote before it failed is not known to us"
        assert not any(uri.endswith("cloudai") for uri in server.objects)


@both
def test_a_batch_that_outlasts_the_call_is_cancelled_and_not_sent_again(kind: str, tmp_path: Path) -> None:
    batch = Batch(looks=10_000)
    with account(tmp_path, batch, timeout=3.0, max_attempts=3) as (made, server):
        with pytest.raises(CloudAIError, match="longer timeout") as caught:
            ask(kind, made, "vision", "read_document", pdf(16))
        assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
        assert (len(batch.started), batch.cancelled) == (1, True)
        assert not [uri for uri in server.objects if not uri.endswith(".json")]


@both
def test_a_look_that_fails_is_repeated_and_the_batch_is_not(kind: str, tmp_path: Path) -> None:
    batch = Batch(looks=2)
    with account(tmp_path, batch, max_attempts=3) as (made, server):
        answer = server.answers[LOOK]
        failures: list[Any] = [Failure(status=503, code="UNAVAILABLE"), Broken(kind="reset")]
        server.answers[LOOK] = lambda body, path: failures.pop() if failures else answer(body, path)
        result = ask(kind, made, "vision", "read_document", pdf(16))
        assert (len(result.pages), len(batch.started), server.objects) == (16, 1, {})


@both
def test_a_lost_answer_is_no_second_batch(kind: str, tmp_path: Path) -> None:
    batch = Batch()
    with account(tmp_path, batch, max_attempts=3) as (made, server):
        server.faults.append(Broken(kind="reset after headers"))
        with pytest.raises(CloudAIError) as caught:
            ask(kind, made, "vision", "read_document", pdf(16))
        assert (caught.value.code, caught.value.retryable) == (ErrorCode.UNAVAILABLE, False)
        assert server.objects == {}
        assert len(server.received) == 1
