"""Transcribe's jobs: audio staged in S3, started once, looked at, fetched, and tidied up after."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from cloudai.delivery import submitted, unsent
from cloudai.driver import Call
from cloudai.errors import ErrorCode, ServiceError
from cloudai.types.results import Notice
from cloudai.types.speech import JobRef, JobState, JobStatus, TranscribeRequest, TranscribeResult
from cloudai_aws import codec_transcribe as codec
from cloudai_aws.awaiting import awaited
from cloudai_aws.faults import code_of
from cloudai_aws.reply import Reply, raw, request_id
from cloudai_aws.settings import AwsSettings, TranscribeOptions
from cloudai_aws.storage import CLEANUP_SECONDS, Storage, quietly_delete_job
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from cloudai_aws.clients import Clients


T = TypeVar("T")
_FROM_S3 = "Transcribe reads audio from S3"


class Transcriber:
    """`speech.transcribe` of one backend. The job's name is the call's idempotency key: no attempt makes a second."""

    def __init__(self, clients: Clients, settings: AwsSettings, *, backend: str) -> None:
        self._clients = clients
        self._settings = settings
        self._backend = backend
        self._storage = Storage(clients, settings, backend=backend)

    def transcribe(self, request: TranscribeRequest, call: Call) -> TranscribeResult:
        """Submits, waits and fetches within the call's seconds; nothing is left behind, however it ends."""
        for service in ("s3", "transcribe"):
            self._clients(service)  # made before the clock starts
        ends = time.monotonic() + max(call.timeout - 2 * CLEANUP_SECONDS, call.timeout / 2)
        job, notices = self._start(request, call, seconds=ends - time.monotonic())
        try:
            with submitted():
                self._await(job, ends, call)
                result = self._waited(lambda: self._fetched(job, call, seconds=ends - time.monotonic()), ends, call)
        finally:
            quietly_delete_job(self._clients, job.id)
            self._unstage(job)
        return result.model_copy(update={"warnings": (*result.warnings, *notices)})

    def submit(self, request: TranscribeRequest, call: Call) -> JobRef:
        return self._start(request, call, seconds=call.timeout)[0]

    def status(self, job: JobRef, call: Call) -> JobStatus:
        with within(call.timeout):
            found = codec.decode_status(self._get(job))
        if found.state is JobState.FAILED:
            self._unstage(job)
        return found

    def result(self, job: JobRef, call: Call) -> TranscribeResult:
        """The transcript; the staged audio is deleted, the job stays and can be asked again."""
        result = self._fetched(job, call, seconds=call.timeout)
        self._unstage(job)
        return result

    def _fetched(self, job: JobRef, call: Call, *, seconds: float) -> TranscribeResult:
        details = dict(job.details)
        with within(seconds):
            reply = self._get(job)
            body = self._transcript(codec.transcript_address(reply), job.id, details)
        duration = float(details["seconds"]) if "seconds" in details else None
        features = tuple(filter(None, details.get("features", "").split(",")))
        result = codec.decode_transcript(body, reply, duration, features)
        update: dict[str, object] = {"request_id": request_id(reply), "model": details.get("language_model")}
        if call.raw:
            update["raw"] = {"job": raw(reply), "transcript": body.decode("utf-8", "replace")}
        return result.model_copy(update=update)

    def cancel(self, job: JobRef, call: Call) -> None:
        """Deletes the job: Transcribe has no other way to stop one."""
        with within(call.timeout):
            self._clients("transcribe").delete_transcription_job(TranscriptionJobName=job.id)
        self._unstage(job)

    # --- the steps -------------------------------------------------------------------------------

    def _start(self, request: TranscribeRequest, call: Call, *, seconds: float) -> tuple[JobRef, tuple[Notice, ...]]:
        options = call.options if isinstance(call.options, TranscribeOptions) else TranscribeOptions()
        name = self._storage.name(call)
        staged = self._place(request, name)
        uri = f"s3://{staged['bucket']}/{staged['key']}" if staged else str(request.audio.uri)
        params, notices = codec.encode_job(request, options, name=name, uri=uri)
        try:
            with within(seconds):
                if staged:
                    with unsent():
                        self._storage.put(staged["bucket"], staged["key"], request.audio.content)
                self._create(params)
        except BaseException:  # also when an answer was lost: what it may have made is taken back
            quietly_delete_job(self._clients, name)
            if staged:
                self._storage.remove(staged["bucket"], staged["key"])
            raise
        return self._ref(request, options, name, staged), notices

    def _place(self, request: TranscribeRequest, name: str) -> dict[str, str]:
        """Where the audio is put; empty for audio that is in S3 already."""
        if request.audio.data is None:
            return {}
        bucket, key = self._storage.place(f"{name}.{codec.media_suffix(request.audio)}", _FROM_S3)
        return {"bucket": bucket, "key": key}

    def _create(self, params: Mapping[str, object]) -> None:
        """A name that is taken is ours: an earlier attempt got through and its answer was lost."""
        from botocore.exceptions import ClientError

        try:
            self._clients("transcribe").start_transcription_job(**params)
        except ClientError as error:
            if code_of(error) != "ConflictException":
                raise

    def _ref(
        self, request: TranscribeRequest, options: TranscribeOptions, name: str, staged: Mapping[str, str]
    ) -> JobRef:
        audio = request.audio.audio
        details = {
            **{f"staged_{part}": value for part, value in staged.items()},
            "features": ",".join(codec.features_of(request, options)),
            "seconds": None if audio is None or audio.duration is None else repr(audio.duration),
            "language_model": options.language_model,
            "output_bucket": options.output_bucket,
        }
        return JobRef(
            operation="speech.transcribe",
            backend=self._backend,
            id=name,
            submitted=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            details=tuple((key, value) for key, value in details.items() if value),
        )

    def _await(self, job: JobRef, ends: float, call: Call) -> None:
        """Looks until the job has ended."""
        found = self._waited(lambda: self._ended(job), ends, call)
        if found.state is JobState.FAILED:
            raise ServiceError(f"Transcribe: {found.message or 'the job failed'}", code=ErrorCode.INVALID_INPUT)

    def _waited(self, look: Callable[[], T | None], ends: float, call: Call) -> T:
        found = awaited(look, ends=ends, poll_seconds=self._settings.poll_seconds)
        if found is None:
            raise ServiceError(
                f"the job has not ended within {call.timeout:g} s and was deleted: give a longer timeout, "
                "or use transcribe_job()",
                code=ErrorCode.DEADLINE_EXCEEDED,
                retryable=False,
            )
        return found

    def _ended(self, job: JobRef) -> JobStatus | None:
        found = codec.decode_status(self._get(job))
        return found if found.state in (JobState.SUCCEEDED, JobState.FAILED) else None

    def _get(self, job: JobRef) -> Reply:
        reply: Reply = self._clients("transcribe").get_transcription_job(TranscriptionJobName=job.id)
        return reply

    def _transcript(self, address: str, name: str, details: Mapping[str, str]) -> bytes:
        """From the user's bucket with our credentials; from AWS's by the address, which carries its own signature."""
        if bucket := details.get("output_bucket"):
            return self._storage.read(bucket, codec.output_key(name))
        status, body = self._clients.wire.get(self._reachable(address))
        if status == 200:
            return body
        code = ErrorCode.PERMISSION_DENIED if status in (401, 403) else ErrorCode.UNAVAILABLE
        raise ServiceError(f"the transcript's address answered {status}", code=code)

    def _reachable(self, address: str) -> str:
        """`https` only; where the backend has an endpoint of its own, AWS's hosts are asked there."""
        url, endpoint = urlsplit(address), self._settings.endpoint_url
        if endpoint is not None and (url.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return endpoint + url.path + (f"?{url.query}" if url.query else "")
        if url.scheme == "https" or (endpoint is not None and address.startswith(f"{endpoint}/")):
            return address
        raise ServiceError("the transcript's address is not https", code=ErrorCode.INTERNAL)

    def _unstage(self, job: JobRef) -> None:
        details = dict(job.details)
        if "staged_key" in details:
            self._storage.remove(details["staged_bucket"], details["staged_key"])
