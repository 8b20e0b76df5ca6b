"""Polly: one request for a text of ordinary length, a task through S3 for a long one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from cloudai.delivery import submitted, unsent
from cloudai.driver import Call
from cloudai.errors import CloudAIError, ErrorCode, ServiceError
from cloudai.types.speech import SynthesizeRequest, SynthesizeResult
from cloudai_aws import codec_polly as codec
from cloudai_aws.awaiting import awaited
from cloudai_aws.codec_languages import engine_of
from cloudai_aws.faults import lost
from cloudai_aws.reply import Params, Reply, told
from cloudai_aws.settings import AwsSettings, SynthesizeOptions
from cloudai_aws.storage import CLEANUP_SECONDS
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from cloudai_aws.clients import Clients
    from cloudai_aws.storage import Storage

T = TypeVar("T")
_LONG = f"Polly speaks more than {codec.SYNC_BILLED:,} characters by way of S3 only"


class Speaker:
    """`speech.synthesize` of one backend."""

    def __init__(self, clients: Clients, storage: Storage, settings: AwsSettings) -> None:
        self._clients = clients
        self._storage = storage
        self._poll_seconds = settings.poll_seconds
        self._engines: Mapping[str, str] = {}

    def synthesize(self, request: SynthesizeRequest, options: SynthesizeOptions, call: Call) -> SynthesizeResult:
        """The audio, and in a second request or task the speech marks."""
        polly = self._clients("polly")
        if self._storage.staging:
            self._clients("s3")  # made before the clock starts
        with within(call.timeout):
            with unsent():
                voice, engine = self._voice(request, options)
            spoken = codec.encode_speech(request, options, voice, engine)
            if codec.by_task(spoken, staging=self._storage.staging):
                return self._by_task(spoken, request, call)
            reply = polly.synthesize_speech(**spoken.params)
            with submitted():
                codec.check_stream(reply)
                audio, billed = reply["AudioStream"].read(), codec.billed_characters(reply, spoken)
                marks = None
                if request.speech_marks:
                    second = polly.synthesize_speech(**codec.marks_params(spoken))
                    marks = second["AudioStream"].read()
                    billed += codec.billed_characters(second, spoken)
        return told(codec.decode_speech(audio, spoken, billed, marks), reply, call)

    def _voice(self, request: SynthesizeRequest, options: SynthesizeOptions) -> tuple[str, str]:
        """A voice and its engine. Of a voice that is nobody's default the engines are asked for, once."""
        if request.voice is None:
            voice, engine, _ = codec.default_voice(request)
            return voice, options.engine or engine
        known = options.engine or engine_of(request.voice) or self._engines.get(request.voice)
        if known is None:
            self._engines = codec.engines_by_voice(self._voices())
            known = codec.check_voice(self._engines.get(request.voice), request.voice)
        return request.voice, known

    def _voices(self) -> list[Reply]:
        ask = self._clients("polly").describe_voices
        replies: list[Reply] = [ask()]
        while token := replies[-1].get("NextToken"):
            replies.append(ask(NextToken=token))
        return replies

    # --- long texts ------------------------------------------------------------------------------

    def _by_task(self, spoken: codec.Spoken, request: SynthesizeRequest, call: Call) -> SynthesizeResult:
        """Within the call's seconds; what Polly wrote is deleted, however it ends."""
        room = CLEANUP_SECONDS * (2 if request.speech_marks else 1)
        ends = time.monotonic() + max(call.timeout - room, call.timeout / 2)
        audio, reply = self._written(spoken.params, ends, call)
        billed, marks = codec.billed_of_task(reply, spoken), None
        if request.speech_marks:
            with submitted():
                marks, second = self._written(codec.marks_params(spoken), ends, call)
                billed += codec.billed_of_task(second, spoken)
        return told(codec.decode_speech(audio, spoken, billed, marks), reply, call)

    def _written(self, params: Params, ends: float, call: Call) -> tuple[bytes, Reply]:
        """One task's object, and how the task ended."""
        polly = self._clients("polly")
        bucket, prefix = self._storage.place(self._storage.name(call), _LONG)
        task = self._begun({**params, "OutputS3BucketName": bucket, "OutputS3KeyPrefix": prefix}, ends)
        with submitted():
            key = codec.task_key(task, bucket)
            task_id = task["SynthesisTask"]["TaskId"]
            try:
                look = lambda: codec.ended(polly.get_speech_synthesis_task(TaskId=task_id))  # noqa: E731
                found = self._waited(look, ends, call, key)
                codec.check_task(found)
                return self._waited(lambda: self._storage.read(bucket, key), ends, call, key), found
            finally:
                self._storage.remove(bucket, key)

    def _waited(self, look: Callable[[], T | None], ends: float, call: Call, key: str) -> T:
        found = awaited(look, ends=ends, poll_seconds=self._poll_seconds)
        if found is None:
            raise ServiceError(
                f"Polly has not spoken the text within {call.timeout:g} s (it can't be stopped, and will write {key}): "
                "give a longer timeout",
                code=ErrorCode.DEADLINE_EXCEEDED,
                retryable=False,
            )
        return found

    def _begun(self, params: Params, ends: float) -> Reply:
        """A task has no token: one whose answer was lost may run, and is not begun again."""
        try:
            with within(ends - time.monotonic()):
                reply: Reply = self._clients("polly").start_speech_synthesis_task(**params)
                return reply
        except Exception as error:
            if not lost(error):
                raise
            raise CloudAIError(
                "Polly's answer was lost; it may be writing into the staging bucket: look before you ask again",
                code=ErrorCode.OUTCOME_UNKNOWN,
                retryable=False,
            ) from error
