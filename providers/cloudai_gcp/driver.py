"""The sync driver: each operation is a plan made by a codec, sent over httpx."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from cloudai.delivery import submitted, unsent
from cloudai.driver import (
    Analyze,
    BatchPredict,
    BatchPrediction,
    Call,
    Deploy,
    DetectFaces,
    DetectLabels,
    DetectLandmarks,
    DetectLanguage,
    DetectLogos,
    DetectObjects,
    Endpoints,
    FetchesObjects,
    Languages,
    Moderate,
    Predict,
    ReadDocument,
    ReadText,
    Synthesize,
    Train,
    TrainingRuns,
    Transcribe,
    TranscribeJobs,
    Translate,
    TranslateDocument,
    Voices,
)
from cloudai.errors import Fault
from cloudai.http import OutOfTime, Transport, WireReply, WireRequest
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
from cloudai_gcp.errors import GoogleError, error_of, fault_of, note_host
from cloudai_gcp.long_documents import LongDocument, is_long
from cloudai_gcp.sending import answer_of, limits_of, request_of, target_of, unavailable
from cloudai_gcp.settings import GcpSettings, TranscribeOptions, VisionOptions
from cloudai_gcp.vertex_driver import Vertex, VertexOperations
from cloudai_gcp.wire import Answer, Plan, Target, Wire

if TYPE_CHECKING:
    import httpx

    from cloudai.capabilities import Limits

R = TypeVar("R")


class GcpDriver(
    VertexOperations,
    DetectLabels,
    DetectObjects,
    DetectFaces,
    ReadText,
    ReadDocument,
    Moderate,
    DetectLandmarks,
    DetectLogos,
    Analyze,
    Transcribe,
    TranscribeJobs,
    Synthesize,
    Voices,
    Translate,
    DetectLanguage,
    Languages,
    TranslateDocument,
    Train,
    TrainingRuns,
    Deploy,
    Endpoints,
    Predict,
    BatchPredict,
    BatchPrediction,
    FetchesObjects,
):
    """One `gcp` backend. Methods are safe to call from many threads at once."""

    def __init__(self, settings: GcpSettings, *, backend: str) -> None:
        self.settings = settings
        self.backend = backend
        self._auth = Auth(settings)
        self._transport = Transport(settings)
        self._vertex = Vertex(settings, self._auth, backend=backend)

    @property
    def client(self) -> httpx.Client:
        """The HTTP client; it adds no credentials by itself."""
        return self._transport.client

    def unavailable(self) -> Mapping[str, str]:
        """What the settings leave out: documents without a processor, what takes no API key."""
        return unavailable(self.settings)

    def limits(self, operation: str, declared: Limits) -> Limits:
        """Those of the service's version that is used with a key."""
        return limits_of(self.settings, operation, declared)

    def billed_as(self, operation: str, request: Model) -> frozenset[str]:
        return variants(request, self.settings, self._auth)

    def classify(self, error: Exception) -> Fault | None:
        """From Google's codes, google-auth's classes and the transport's."""
        return fault_of(error)

    def close(self) -> None:
        """Closes all connections."""
        self._vertex.close()
        self._transport.close()
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
            transport=self._transport,
            endpoint=self.settings.endpoint_url,
        )

    def detect_labels(self, request: v.DetectLabelsRequest, call: Call) -> v.DetectLabelsResult:
        model, target = vision_model(call), self._target()
        return self._run(codec_vision.detect_labels(request, target, model=model, raw=call.raw), call)

    def detect_objects(self, request: v.DetectObjectsRequest, call: Call) -> v.DetectObjectsResult:
        model, target = vision_model(call), self._target()
        return self._run(codec_vision.detect_objects(request, target, model=model, raw=call.raw), call)

    def detect_faces(self, request: v.DetectFacesRequest, call: Call) -> v.DetectFacesResult:
        model, target = vision_model(call), self._target()
        return self._run(codec_vision.detect_faces(request, target, model=model, raw=call.raw), call)

    def read_text(self, request: v.ReadTextRequest, call: Call) -> v.ReadTextResult:
        model, target = vision_model(call), self._target()
        return self._run(codec_vision.read_text(request, target, model=model, raw=call.raw), call)

    def moderate(self, request: v.ModerateRequest, call: Call) -> v.ModerateResult:
        model, target = vision_model(call), self._target()
        return self._run(codec_vision.moderate(request, target, model=model, raw=call.raw), call)

    def detect_landmarks(self, request: v.DetectLandmarksRequest, call: Call) -> v.DetectLandmarksResult:
        model, target = vision_model(call), self._target()
        return self._run(codec_vision.detect_landmarks(request, target, model=model, raw=call.raw), call)

    def detect_logos(self, request: v.DetectLogosRequest, call: Call) -> v.DetectLogosResult:
        model, target = vision_model(call), self._target()
        return self._run(codec_vision.detect_logos(request, target, model=model, raw=call.raw), call)

    def analyze(self, request: v.AnalyzeRequest, call: Call) -> Sequence[v.Analysis]:
        return self._run(codec_vision.analyze(request, self._target(), raw=call.raw), call)

    def read_document(self, request: v.ReadDocumentRequest, call: Call) -> v.ReadDocumentResult:
        target = self._target(with_project=True)
        if is_long(request, self.settings):
            document = LongDocument(request=request, target=target, settings=self.settings, call=call)
            return self._read_long(document, time.monotonic() + 0.9 * call.timeout)
        return self._run(codec_document.read_document(request, target, raw=call.raw), call)

    def transcribe(self, request: s.TranscribeRequest, call: Call) -> s.TranscribeResult:
        target, model = self._target(with_project=True), speech_options(call).model
        return self._run(codec_speech.transcribe(request, target, model=model, raw=call.raw), call)

    @property
    def stages_audio(self) -> bool:
        """With a bucket; a key has no jobs."""
        return self.settings.staging_bucket is not None and not self._auth.by_key

    def submit_transcription(self, request: s.TranscribeRequest, call: Call) -> s.JobRef:
        """What was staged is taken back when the job was not made, and when it is not known whether it was."""
        target, options = self._target(with_project=True), speech_options(call)
        uri = None if target.by_key else staging.place(request.audio, self.settings, call)
        plan = codec_jobs.submit(request, target, options, backend=self.backend, staged=uri)
        if uri is None:
            return self._run(plan, call)
        ends = time.monotonic() + call.timeout
        try:
            with unsent():
                self._put(uri, request.audio, ends)
            return plan.decode([self._send(plan.wires[0], ends)])
        except BaseException:
            self._remove(uri)
            raise

    def transcription_status(self, job: s.JobRef, call: Call) -> s.JobStatus:
        found = self._run(codec_jobs.status(job), call)
        if staging.over(found):
            self._unstage(job)
        return found

    def transcription_result(self, job: s.JobRef, call: Call) -> s.TranscribeResult:
        try:
            found = self._run(codec_jobs.result(job, raw=call.raw), call)
        except GoogleError as error:
            if error.final:
                self._unstage(job)
            raise
        self._unstage(job)
        return found

    def cancel_transcription(self, job: s.JobRef, call: Call) -> None:
        self._run(codec_jobs.cancel(job), call)
        self._unstage(job)

    def synthesize(self, request: s.SynthesizeRequest, call: Call) -> s.SynthesizeResult:
        return self._run(codec_synthesis.synthesize(request, raw=call.raw), call)

    def voices(self, request: s.VoicesRequest, call: Call) -> s.VoicesResult:
        return self._run(codec_synthesis.voices(request, raw=call.raw), call)

    def translate(self, request: t.TranslateRequest, call: Call) -> t.TranslateResult:
        target = self._target(with_project=True)
        return self._run(codec_translation.translate(request, target, raw=call.raw), call)

    def detect_language(self, request: t.DetectLanguageRequest, call: Call) -> t.DetectLanguageResult:
        target = self._target(with_project=True)
        return self._run(codec_translation.detect_language(request, target, raw=call.raw), call)

    def languages(self, request: t.LanguagesRequest, call: Call) -> t.LanguagesResult:
        target = self._target(with_project=True)
        return self._run(codec_translation.languages(request, target, raw=call.raw), call)

    def translate_document(self, request: t.TranslateDocumentRequest, call: Call) -> t.TranslateDocumentResult:
        target = self._target(with_project=True)
        return self._run(codec_translation.translate_document(request, target, raw=call.raw), call)

    def _target(self, *, with_project: bool = False) -> Target:
        """Vision needs no project; a key has none."""
        needed = with_project and not self._auth.by_key
        project = self._auth.project() if needed else self._auth.known_project or ""
        return target_of(self.settings, self._auth, project)

    def _run(self, plan: Plan[R], call: Call) -> R:
        ends = time.monotonic() + call.timeout
        first, *more = plan.wires
        answers = [self._send(first, ends)]
        if not more:
            return plan.decode(answers)
        with submitted():
            answers += [self._send(wire, ends) for wire in more]
            return plan.decode(answers)

    def _read_long(self, document: LongDocument, ends: float) -> v.ReadDocumentResult:
        """Whatever it left in the bucket is deleted; a batch that nobody waits for any more is cancelled."""
        try:
            return self._follow(document, ends)
        except Exception as error:
            raise document.final(error) from error
        finally:
            self._tidy(document)

    def _follow(self, document: LongDocument, ends: float) -> v.ReadDocumentResult:
        steps = document.steps()
        asked = next(steps)
        while True:
            try:
                if isinstance(asked, float | int):
                    time.sleep(max(0.0, min(asked, ends - time.monotonic())))
                    answer = None
                else:
                    answer = self._checked(asked, ends)
            except Exception as error:  # noqa: BLE001  # the steps raise what they can't go on after
                asked = steps.throw(error)
                continue
            try:
                asked = steps.send(answer)
            except StopIteration as end:
                result: v.ReadDocumentResult = end.value
                return result

    def _checked(self, request: WireRequest, ends: float) -> WireReply:
        with unsent():
            request = replace(request, headers={**self._auth.headers(), **request.headers})
        reply = self._exchange(request, ends)
        if not 200 <= reply.status < 300:
            raise error_of(reply, self._auth.secrets, host=urlsplit(request.url).netloc)
        return reply

    def _tidy(self, document: LongDocument) -> None:
        cancelling = document.cancelling()
        if cancelling is not None:
            with suppress(Exception):
                self._checked(cancelling, time.monotonic() + staging.CLEANUP_SECONDS)
        for uri in document.left:
            self._remove(uri)

    def _put(self, uri: str, audio: Media, ends: float) -> None:
        request = staging.upload(uri, audio, self._auth.headers(), self.settings.endpoint_url)
        staging.stored(self._exchange(request, ends), self._auth, request.url)

    def _unstage(self, job: s.JobRef) -> None:
        if (uri := staging.staged(job)) is not None:
            self._remove(uri)

    def _remove(self, uri: str) -> None:
        """Never raises: what is left behind is logged. Tried twice: a connection that was kept may be closed by now."""
        why = ""
        for _ in range(2):
            try:
                request = staging.removal(uri, self._auth.headers(), self.settings.endpoint_url)
                why = staging.left(self._transport.send(request, timeout=staging.CLEANUP_SECONDS))
            except Exception as error:  # noqa: BLE001  # tidying up must not hide what it tidies up after
                why = type(error).__name__
            if not why:
                return
        staging.log_left(uri, why)

    def _send(self, wire: Wire, ends: float) -> Answer:
        with unsent():
            request = request_of(wire, self._auth.headers(), self.settings.endpoint_url)
        return answer_of(self._exchange(request, ends), self._auth, request.url)

    def _exchange(self, request: WireRequest, ends: float) -> WireReply:
        left = ends - time.monotonic()
        if left <= 0:
            with unsent():
                raise OutOfTime
        try:
            return self._transport.send(request, timeout=left)
        except Exception as error:
            note_host(error, request.url)
            raise


def vision_model(call: Call) -> str | None:
    """The model that the call's options name."""
    return call.options.model if isinstance(call.options, VisionOptions) else None


def speech_options(call: Call) -> TranscribeOptions:
    """The call's options of a transcription."""
    return call.options if isinstance(call.options, TranscribeOptions) else TranscribeOptions()
