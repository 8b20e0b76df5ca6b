"""The async driver: the same plans as the sync one, sent over aiohttp. Its docstrings are the sync driver's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from cloudai.delivery import submitted, unsent
from cloudai.driver import Call
from cloudai.errors import Fault
from cloudai.http import AsyncTransport, OutOfTime, WireReply, WireRequest
from cloudai.types import speech as s
from cloudai.types import translation as t
from cloudai.types import vision as v
from cloudai.types.media import Media
from cloudai.types.results import Model
from cloudai_gcp import (
    codec_document,
    codec_jobs,
    codec_speech,
    codec_synthesis,
    codec_translation,
    codec_vision,
    objects,
    staging,
)
from cloudai_gcp.auth import Auth
from cloudai_gcp.billed import variants
from cloudai_gcp.driver import speech_options, vision_model
from cloudai_gcp.errors import GoogleError, error_of, fault_of, note_host
from cloudai_gcp.long_documents import LongDocument, is_long
from cloudai_gcp.sending import answer_of, limits_of, request_of, target_of, unavailable
from cloudai_gcp.settings import GcpSettings
from cloudai_gcp.vertex_driver import AsyncVertexOperations, Vertex
from cloudai_gcp.wire import Answer, Plan, Target, Wire

if TYPE_CHECKING:
    import aiohttp

    from cloudai.capabilities import Limits

R = TypeVar("R")


class AsyncGcpDriver(AsyncVertexOperations):
    """One `gcp` backend on an event loop. Tokens are renewed in a thread."""

    asynchronous = True

    def __init__(self, settings: GcpSettings, *, backend: str) -> None:
        self.settings = settings
        self.backend = backend
        self._auth = Auth(settings)
        self._transport = AsyncTransport(settings)
        self._vertex = Vertex(settings, self._auth, backend=backend)

    @property
    def client(self) -> aiohttp.ClientSession:
        """The HTTP session of the running loop; it adds no credentials by itself."""
        return self._transport.client

    def unavailable(self) -> Mapping[str, str]:
        return unavailable(self.settings)

    def limits(self, operation: str, declared: Limits) -> Limits:
        return limits_of(self.settings, operation, declared)

    def billed_as(self, operation: str, request: Model) -> frozenset[str]:
        return variants(request, self.settings, self._auth)

    def classify(self, error: Exception) -> Fault | None:
        return fault_of(error)

    async def close(self) -> None:
        self._vertex.close()
        await self._transport.close()
        self._auth.close()

    @property
    def fetches(self) -> frozenset[str]:
        """Objects of Cloud Storage, for backends that can't be given their address."""
        return frozenset({"gs"})

    def fetch(self, uri: str, *, max_bytes: int, call: Call) -> bytes:
        """Blocks: the client calls it in a thread."""
        return objects.fetch(
            uri,
            max_bytes=max_bytes,
            timeout=call.timeout,
            auth=self._auth,
            transport=self._auth.transport(),
            endpoint=self.settings.endpoint_url,
        )

    async def detect_labels(self, request: v.DetectLabelsRequest, call: Call) -> v.DetectLabelsResult:
        model, target = vision_model(call), await self._target()
        return await self._run(codec_vision.detect_labels(request, target, model=model, raw=call.raw), call)

    async def detect_objects(self, request: v.DetectObjectsRequest, call: Call) -> v.DetectObjectsResult:
        model, target = vision_model(call), await self._target()
        return await self._run(codec_vision.detect_objects(request, target, model=model, raw=call.raw), call)

    async def detect_faces(self, request: v.DetectFacesRequest, call: Call) -> v.DetectFacesResult:
        model, target = vision_model(call), await self._target()
        return await self._run(codec_vision.detect_faces(request, target, model=model, raw=call.raw), call)

    async def read_text(self, request: v.ReadTextRequest, call: Call) -> v.ReadTextResult:
        model, target = vision_model(call), await self._target()
        return await self._run(codec_vision.read_text(request, target, model=model, raw=call.raw), call)

    async def moderate(self, request: v.ModerateRequest, call: Call) -> v.ModerateResult:
        model, target = vision_model(call), await self._target()
        return await self._run(codec_vision.moderate(request, target, model=model, raw=call.raw), call)

    async def detect_landmarks(self, request: v.DetectLandmarksRequest, call: Call) -> v.DetectLandmarksResult:
        model, target = vision_model(call), await self._target()
        return await self._run(codec_vision.detect_landmarks(request, target, model=model, raw=call.raw), call)

    async def detect_logos(self, request: v.DetectLogosRequest, call: Call) -> v.DetectLogosResult:
        model, target = vision_model(call), await self._target()
        return await self._run(codec_vision.detect_logos(request, target, model=model, raw=call.raw), call)

    async def analyze(self, request: v.AnalyzeRequest, call: Call) -> Sequence[v.Analysis]:
        return await self._run(codec_vision.analyze(request, await self._target(), raw=call.raw), call)

    async def read_document(self, request: v.ReadDocumentRequest, call: Call) -> v.ReadDocumentResult:
        target = await self._target(with_project=True)
        if is_long(request, self.settings):
            document = LongDocument(request=request, target=target, settings=self.settings, call=call)
            return await self._read_long(document, time.monotonic() + 0.9 * call.timeout)
        return await self._run(codec_document.read_document(request, target, raw=call.raw), call)

    async def transcribe(self, request: s.TranscribeRequest, call: Call) -> s.TranscribeResult:
        target, model = await self._target(with_project=True), speech_options(call).model
        return await self._run(codec_speech.transcribe(request, target, model=model, raw=call.raw), call)

    @property
    def stages_audio(self) -> bool:
        """With a bucket; a key has no jobs."""
        return self.settings.staging_bucket is not None and not self._auth.by_key

    async def submit_transcription(self, request: s.TranscribeRequest, call: Call) -> s.JobRef:
        target, options = await self._target(with_project=True), speech_options(call)
        uri = None if target.by_key else staging.place(request.audio, self.settings, call)
        plan = codec_jobs.submit(request, target, options, backend=self.backend, staged=uri)
        if uri is None:
            return await self._run(plan, call)
        ends = time.monotonic() + call.timeout
        try:
            with unsent():
                await self._put(uri, request.audio, ends)
            return plan.decode([await self._send(plan.wires[0], ends)])
        except BaseException:
            await asyncio.shield(self._remove(uri))
            raise

    async def transcription_status(self, job: s.JobRef, call: Call) -> s.JobStatus:
        found = await self._run(codec_jobs.status(job), call)
        if staging.over(found):
            await self._unstage(job)
        return found

    async def transcription_result(self, job: s.JobRef, call: Call) -> s.TranscribeResult:
        try:
            found = await self._run(codec_jobs.result(job, raw=call.raw), call)
        except GoogleError as error:
            if error.final:
                await self._unstage(job)
            raise
        await self._unstage(job)
        return found

    async def cancel_transcription(self, job: s.JobRef, call: Call) -> None:
        await self._run(codec_jobs.cancel(job), call)
        await self._unstage(job)

    async def synthesize(self, request: s.SynthesizeRequest, call: Call) -> s.SynthesizeResult:
        return await self._run(codec_synthesis.synthesize(request, raw=call.raw), call)

    async def voices(self, request: s.VoicesRequest, call: Call) -> s.VoicesResult:
        return await self._run(codec_synthesis.voices(request, raw=call.raw), call)

    async def translate(self, request: t.TranslateRequest, call: Call) -> t.TranslateResult:
        target = await self._target(with_project=True)
        return await self._run(codec_translation.translate(request, target, raw=call.raw), call)

    async def detect_language(self, request: t.DetectLanguageRequest, call: Call) -> t.DetectLanguageResult:
        target = await self._target(with_project=True)
        return await self._run(codec_translation.detect_language(request, target, raw=call.raw), call)

    async def languages(self, request: t.LanguagesRequest, call: Call) -> t.LanguagesResult:
        target = await self._target(with_project=True)
        return await self._run(codec_translation.languages(request, target, raw=call.raw), call)

    async def translate_document(self, request: t.TranslateDocumentRequest, call: Call) -> t.TranslateDocumentResult:
        target = await self._target(with_project=True)
        return await self._run(codec_translation.translate_document(request, target, raw=call.raw), call)

    async def _target(self, *, with_project: bool = False) -> Target:
        project = self._auth.known_project
        if project is None and with_project and not self._auth.by_key:
            project = await asyncio.to_thread(self._auth.project)
        return target_of(self.settings, self._auth, project or "")

    async def _run(self, plan: Plan[R], call: Call) -> R:
        ends = time.monotonic() + call.timeout
        first, *more = plan.wires
        answers = [await self._send(first, ends)]
        if not more:
            return plan.decode(answers)
        with submitted():
            answers += [await self._send(wire, ends) for wire in more]
            return plan.decode(answers)

    async def _read_long(self, document: LongDocument, ends: float) -> v.ReadDocumentResult:
        try:
            return await self._follow(document, ends)
        except Exception as error:
            raise document.final(error) from error
        finally:
            await asyncio.shield(self._tidy(document))

    async def _follow(self, document: LongDocument, ends: float) -> v.ReadDocumentResult:
        steps = document.steps()
        asked = next(steps)
        while True:
            try:
                if isinstance(asked, float | int):
                    await asyncio.sleep(max(0.0, min(asked, ends - time.monotonic())))
                    answer = None
                else:
                    answer = await self._checked(asked, ends)
            except Exception as error:  # noqa: BLE001  # the steps raise what they can't go on after
                asked = steps.throw(error)
                continue
            try:
                asked = steps.send(answer)
            except StopIteration as end:
                result: v.ReadDocumentResult = end.value
                return result

    async def _checked(self, request: WireRequest, ends: float) -> WireReply:
        with unsent():
            request = replace(request, headers={**await self._headers(), **request.headers})
        reply = await self._exchange(request, ends)
        if not 200 <= reply.status < 300:
            raise error_of(reply, self._auth.secrets, host=urlsplit(request.url).netloc)
        return reply

    async def _tidy(self, document: LongDocument) -> None:
        cancelling = document.cancelling()
        if cancelling is not None:
            with suppress(Exception):
                await self._checked(cancelling, time.monotonic() + staging.CLEANUP_SECONDS)
        for uri in document.left:
            await self._remove(uri)

    async def _put(self, uri: str, audio: Media, ends: float) -> None:
        request = staging.upload(uri, audio, await self._headers(), self.settings.endpoint_url)
        staging.stored(await self._exchange(request, ends), self._auth, request.url)

    async def _unstage(self, job: s.JobRef) -> None:
        if (uri := staging.staged(job)) is not None:
            await self._remove(uri)

    async def _remove(self, uri: str) -> None:
        why = ""
        for _ in range(2):
            try:
                request = staging.removal(uri, await self._headers(), self.settings.endpoint_url)
                why = staging.left(await self._transport.send(request, timeout=staging.CLEANUP_SECONDS))
            except Exception as error:  # noqa: BLE001  # as in the sync driver
                why = type(error).__name__
            if not why:
                return
        staging.log_left(uri, why)

    async def _headers(self) -> Mapping[str, str]:
        headers = self._auth.ready()
        return await asyncio.to_thread(self._auth.headers) if headers is None else headers

    async def _send(self, wire: Wire, ends: float) -> Answer:
        with unsent():
            request = request_of(wire, await self._headers(), self.settings.endpoint_url)
        return answer_of(await self._exchange(request, ends), self._auth, request.url)

    async def _exchange(self, request: WireRequest, ends: float) -> WireReply:
        left = ends - time.monotonic()
        if left <= 0:
            with unsent():
                raise OutOfTime
        try:
            return await self._transport.send(request, timeout=left)
        except Exception as error:
            note_host(error, request.url)
            raise
