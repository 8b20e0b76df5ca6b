"""Textract's jobs: documents of several pages are read from S3, in Textract's own time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cloudai.delivery import submitted, unsent
from cloudai.driver import Call
from cloudai.errors import ErrorCode, ServiceError
from cloudai.types.vision import ReadDocumentRequest, ReadDocumentResult
from cloudai_aws import codec_document as codec
from cloudai_aws.awaiting import awaited
from cloudai_aws.faults import code_of_job
from cloudai_aws.reply import Reply, s3_address, told_all
from cloudai_aws.settings import AwsSettings, DocumentOptions
from cloudai_aws.storage import CLEANUP_SECONDS
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from cloudai_aws.clients import Clients
    from cloudai_aws.storage import Storage


class DocumentReader:
    """`vision.read_document` of one backend, for documents that one request does not take.

    The job's token is the call's idempotency key: Textract answers a second start of the same with the same job.
    """

    def __init__(self, clients: Clients, storage: Storage, settings: AwsSettings) -> None:
        self._clients = clients
        self._storage = storage
        self._poll_seconds = settings.poll_seconds

    def read(self, request: ReadDocumentRequest, options: DocumentOptions, call: Call) -> ReadDocumentResult:
        """Puts the document into S3 where it is not there yet, waits within the call's seconds, and tidies up."""
        for service in ("s3", "textract"):
            self._clients(service)  # made before the clock starts
        ends = time.monotonic() + max(call.timeout - CLEANUP_SECONDS, call.timeout / 2)
        name = self._storage.name(call)
        if request.document.data is None:
            return self._read(request, options, call, s3_address(str(request.document.uri)), name, ends)
        where = self._storage.place(f"{name}.{codec.suffix(request.document)}", codec.SEVERAL_PAGES)
        try:
            with unsent(), within(ends - time.monotonic()):
                self._storage.put(*where, request.document.data)
            return self._read(request, options, call, where, name, ends)
        finally:
            self._storage.remove(*where)

    def _read(
        self,
        request: ReadDocumentRequest,
        options: DocumentOptions,
        call: Call,
        where: tuple[str, str],
        name: str,
        ends: float,
    ) -> ReadDocumentResult:
        job = codec.encode_job(request, options, where, name)
        textract = self._clients("textract")
        with within(ends - time.monotonic()):
            job_id = getattr(textract, job.start)(**job.params)["JobId"]
        with submitted():
            return self._ended(job, job_id, request, call, ends)

    def _ended(
        self, job: codec.DocumentJob, job_id: str, request: ReadDocumentRequest, call: Call, ends: float
    ) -> ReadDocumentResult:
        textract = self._clients("textract")

        def page(token: str | None) -> Reply:
            more = {"NextToken": token} if token else {}
            found = awaited(
                lambda: codec.ended(getattr(textract, job.get)(JobId=job_id, **more)),
                ends=ends,
                poll_seconds=self._poll_seconds,
            )
            return _in_time(found, call)

        replies = [page(None)]
        _check(replies[0])
        while token := replies[-1].get("NextToken"):
            replies.append(page(token))
        result, notices = codec.decode_job(replies, request)
        return told_all(result, replies, call, notices)


def _in_time(found: Reply | None, call: Call) -> Reply:
    if found is not None:
        return found
    raise ServiceError(
        f"Textract has not read the document within {call.timeout:g} s (it can't be stopped, and bills it): "
        "give a longer timeout",
        code=ErrorCode.DEADLINE_EXCEEDED,
        retryable=False,
    )


def _check(reply: Reply) -> None:
    if reply.get("JobStatus") == "FAILED":
        reason = str(reply.get("StatusMessage") or "the job failed")
        raise ServiceError(f"Textract: {reason}", code=code_of_job(reason), retryable=False)
