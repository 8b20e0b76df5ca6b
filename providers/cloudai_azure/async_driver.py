"""The async driver: the same flows, sent over aiohttp."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from cloudai.delivery import unsent
from cloudai.driver import Call
from cloudai.errors import Fault
from cloudai.http import MAX_REPLY_BYTES, AsyncTransport, OutOfTime
from cloudai.types import speech as s
from cloudai.types import translation as t
from cloudai.types import vision as v
from cloudai.types.results import Model
from cloudai_azure.auth import Auths
from cloudai_azure.billed import variants
from cloudai_azure.driver import AzureDriver
from cloudai_azure.errors import fault_of
from cloudai_azure.flows import Flows
from cloudai_azure.ml_driver import AsyncMlOperations, Ml
from cloudai_azure.sending import Passage, answer_of, request_of, too_late, unavailable
from cloudai_azure.settings import AzureSettings
from cloudai_azure.wire import Answer, Flow, Pause, Wire

if TYPE_CHECKING:
    import aiohttp

R = TypeVar("R")


class AsyncAzureDriver(AsyncMlOperations):
    """One `azure` backend for an event loop."""

    asynchronous: Final = True

    def __init__(self, settings: AzureSettings, *, backend: str) -> None:
        self._settings = settings
        self._backend = backend
        self._auths = Auths(settings)
        self._flows = Flows(settings, backend=backend)
        self._transport = AsyncTransport(settings)
        self._ml = Ml(settings, backend=backend)

    @property
    def client(self) -> aiohttp.ClientSession:
        """The HTTP session of the running loop; it adds no credentials by itself."""
        return self._transport.client

    def unavailable(self) -> Mapping[str, str]:
        """What has no address with these settings."""
        return unavailable(self._settings)

    def billed_as(self, operation: str, request: Model) -> frozenset[str]:
        return variants(request)

    def classify(self, error: Exception) -> Fault | None:
        """From Azure's codes, azure-identity's classes and the transport's."""
        return fault_of(error)

    async def close(self) -> None:
        """Closes all connections."""
        self._ml.close()
        await self._transport.close()
        await asyncio.to_thread(self._auths.close)

    @property
    def stages_audio(self) -> bool:
        """Whether there is a container to put recordings in."""
        return self._settings.staging is not None

    @property
    def fetches(self) -> frozenset[str]:
        """Objects of Blob storage, for backends that can't be given their address."""
        return frozenset({"azure-blob"})

    def fetch(self, uri: str, *, max_bytes: int, call: Call) -> bytes:
        """Blocks: the client calls it in a thread."""
        blocking = AzureDriver(self._settings, backend=self._backend)
        try:
            return blocking.fetch(uri, max_bytes=max_bytes, call=call)
        finally:
            blocking.close()

    async def _run(self, flow: Flow[R], call: Call) -> R:
        """Sends what the flow yields, and throws at it what goes wrong, until it returns."""
        ends, passage = time.monotonic() + call.timeout, Passage()
        try:
            step = next(flow)
            while True:
                try:
                    answer = await self._step(step, ends - time.monotonic())
                except BaseException as error:  # noqa: BLE001  # the flow raises it again, or tidies up before
                    passage.failed(step, error)
                    step = flow.throw(error)
                else:
                    passage.answered(step)
                    step = flow.send(answer)
        except StopIteration as done:
            result: R = done.value
            return result
        except BaseException as error:
            passage.ended(error)
            raise

    async def _step(self, step: Wire | Pause, left: float) -> Answer:
        if isinstance(step, Pause):
            if step.seconds >= left:
                raise too_late(step, left)
            await asyncio.sleep(step.seconds)
            return Answer()
        left = max(left, step.grace)
        with unsent():
            if left <= 0:
                raise OutOfTime
            auth = self._auths.of(step)
            credentials: Mapping[str, str] = {}
            if auth is not None:
                ready = auth.ready()
                credentials = await asyncio.to_thread(auth.headers) if ready is None else ready
            request = request_of(step, credentials, self._settings)
        most = MAX_REPLY_BYTES if step.max_bytes is None else step.max_bytes
        reply = await self._transport.send(request, timeout=left, max_bytes=most)
        return answer_of(reply, step, request, self._settings, self._auths.secrets)

    async def detect_labels(self, request: v.DetectLabelsRequest, call: Call) -> v.DetectLabelsResult:
        return await self._run(self._flows.detect_labels(request, call), call)

    async def detect_objects(self, request: v.DetectObjectsRequest, call: Call) -> v.DetectObjectsResult:
        return await self._run(self._flows.detect_objects(request, call), call)

    async def detect_faces(self, request: v.DetectFacesRequest, call: Call) -> v.DetectFacesResult:
        return await self._run(self._flows.detect_faces(request, call), call)

    async def read_text(self, request: v.ReadTextRequest, call: Call) -> v.ReadTextResult:
        return await self._run(self._flows.read_text(request, call), call)

    async def read_document(self, request: v.ReadDocumentRequest, call: Call) -> v.ReadDocumentResult:
        return await self._run(self._flows.read_document(request, call), call)

    async def moderate(self, request: v.ModerateRequest, call: Call) -> v.ModerateResult:
        return await self._run(self._flows.moderate(request, call), call)

    async def detect_landmarks(self, request: v.DetectLandmarksRequest, call: Call) -> v.DetectLandmarksResult:
        return await self._run(self._flows.detect_landmarks(request, call), call)

    async def detect_logos(self, request: v.DetectLogosRequest, call: Call) -> v.DetectLogosResult:
        return await self._run(self._flows.detect_logos(request, call), call)

    async def caption(self, request: v.CaptionRequest, call: Call) -> v.CaptionResult:
        return await self._run(self._flows.caption(request, call), call)

    async def analyze(self, request: v.AnalyzeRequest, call: Call) -> Sequence[v.Analysis]:
        return await self._run(self._flows.analyze(request, call), call)

    async def transcribe(self, request: s.TranscribeRequest, call: Call) -> s.TranscribeResult:
        return await self._run(self._flows.transcribe(request, call), call)

    async def submit_transcription(self, request: s.TranscribeRequest, call: Call) -> s.JobRef:
        return await self._run(self._flows.submit_transcription(request, call), call)

    async def transcription_status(self, job: s.JobRef, call: Call) -> s.JobStatus:
        return await self._run(self._flows.transcription_status(job, call), call)

    async def transcription_result(self, job: s.JobRef, call: Call) -> s.TranscribeResult:
        return await self._run(self._flows.transcription_result(job, call), call)

    async def cancel_transcription(self, job: s.JobRef, call: Call) -> None:
        await self._run(self._flows.cancel_transcription(job, call), call)

    async def synthesize(self, request: s.SynthesizeRequest, call: Call) -> s.SynthesizeResult:
        return await self._run(self._flows.synthesize(request, call), call)

    async def voices(self, request: s.VoicesRequest, call: Call) -> s.VoicesResult:
        return await self._run(self._flows.voices(request, call), call)

    async def translate(self, request: t.TranslateRequest, call: Call) -> t.TranslateResult:
        return await self._run(self._flows.translate(request, call), call)

    async def detect_language(self, request: t.DetectLanguageRequest, call: Call) -> t.DetectLanguageResult:
        return await self._run(self._flows.detect_language(request, call), call)

    async def languages(self, request: t.LanguagesRequest, call: Call) -> t.LanguagesResult:
        return await self._run(self._flows.languages(request, call), call)

    async def translate_document(self, request: t.TranslateDocumentRequest, call: Call) -> t.TranslateDocumentResult:
        return await self._run(self._flows.translate_document(request, call), call)
