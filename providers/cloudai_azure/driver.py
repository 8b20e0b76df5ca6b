"""The sync driver: each operation is a flow made by a codec, its requests sent over httpx."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from cloudai.delivery import unsent
from cloudai.driver import (
    Analyze,
    BatchPredict,
    BatchPrediction,
    Call,
    CaptionImage,
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
    StagesAudio,
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
from cloudai.http import MAX_REPLY_BYTES, OutOfTime, Transport
from cloudai.types import speech as s
from cloudai.types import translation as t
from cloudai.types import vision as v
from cloudai.types.results import Model
from cloudai_azure.auth import Auths
from cloudai_azure.billed import variants
from cloudai_azure.errors import fault_of, raised
from cloudai_azure.flows import Flows
from cloudai_azure.ml_driver import Ml, MlOperations
from cloudai_azure.sending import Passage, answer_of, request_of, too_late, unavailable
from cloudai_azure.settings import AzureSettings
from cloudai_azure.wire import Answer, Flow, Pause, Wire

if TYPE_CHECKING:
    import httpx

R = TypeVar("R")


class AzureDriver(
    MlOperations,
    DetectLabels,
    DetectObjects,
    DetectFaces,
    ReadText,
    ReadDocument,
    Moderate,
    DetectLandmarks,
    DetectLogos,
    CaptionImage,
    Analyze,
    Transcribe,
    TranscribeJobs,
    StagesAudio,
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
    """One `azure` backend. Methods are safe to call from many threads at once."""

    def __init__(self, settings: AzureSettings, *, backend: str) -> None:
        self._settings = settings
        self._auths = Auths(settings)
        self._flows = Flows(settings, backend=backend)
        self._transport = Transport(settings)
        self._ml = Ml(settings, backend=backend)

    @property
    def client(self) -> httpx.Client:
        """The HTTP client; it adds no credentials by itself."""
        return self._transport.client

    def unavailable(self) -> Mapping[str, str]:
        """What has no address with these settings."""
        return unavailable(self._settings)

    def billed_as(self, operation: str, request: Model) -> frozenset[str]:
        return variants(request)

    def classify(self, error: Exception) -> Fault | None:
        """From Azure's codes, azure-identity's classes and the transport's."""
        return fault_of(error)

    def close(self) -> None:
        """Closes all connections."""
        self._ml.close()
        self._transport.close()
        self._auths.close()

    def _run(self, flow: Flow[R], call: Call) -> R:
        """Sends what the flow yields, and throws at it what goes wrong, until it returns."""
        ends, passage = time.monotonic() + call.timeout, Passage()
        try:
            step = next(flow)
            while True:
                try:
                    answer = self._step(step, ends - time.monotonic())
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

    def _step(self, step: Wire | Pause, left: float) -> Answer:
        if isinstance(step, Pause):
            if step.seconds >= left:
                raise too_late(step, left)
            time.sleep(step.seconds)
            return Answer()
        left = max(left, step.grace)
        with unsent():
            if left <= 0:
                raise OutOfTime
            auth = self._auths.of(step)
            request = request_of(step, auth.headers() if auth else {}, self._settings)
        most = MAX_REPLY_BYTES if step.max_bytes is None else step.max_bytes
        reply = self._transport.send(request, timeout=left, max_bytes=most)
        return answer_of(reply, step, request, self._settings, self._auths.secrets)

    @property
    def stages_audio(self) -> bool:
        """Whether there is a container to put recordings in."""
        return self._settings.staging is not None

    @property
    def fetches(self) -> frozenset[str]:
        """Objects of Blob storage, for backends that can't be given their address."""
        return frozenset({"azure-blob"})

    def fetch(self, uri: str, *, max_bytes: int, call: Call) -> bytes:
        """By the signature in the address, by what signs for `staging`, else with a token of Microsoft Entra ID."""
        try:
            return self._run(self._flows.fetch(uri, max_bytes), call)
        except Exception as error:
            raise raised(error) from error

    def detect_labels(self, request: v.DetectLabelsRequest, call: Call) -> v.DetectLabelsResult:
        return self._run(self._flows.detect_labels(request, call), call)

    def detect_objects(self, request: v.DetectObjectsRequest, call: Call) -> v.DetectObjectsResult:
        return self._run(self._flows.detect_objects(request, call), call)

    def detect_faces(self, request: v.DetectFacesRequest, call: Call) -> v.DetectFacesResult:
        return self._run(self._flows.detect_faces(request, call), call)

    def read_text(self, request: v.ReadTextRequest, call: Call) -> v.ReadTextResult:
        return self._run(self._flows.read_text(request, call), call)

    def read_document(self, request: v.ReadDocumentRequest, call: Call) -> v.ReadDocumentResult:
        return self._run(self._flows.read_document(request, call), call)

    def moderate(self, request: v.ModerateRequest, call: Call) -> v.ModerateResult:
        return self._run(self._flows.moderate(request, call), call)

    def detect_landmarks(self, request: v.DetectLandmarksRequest, call: Call) -> v.DetectLandmarksResult:
        return self._run(self._flows.detect_landmarks(request, call), call)

    def detect_logos(self, request: v.DetectLogosRequest, call: Call) -> v.DetectLogosResult:
        return self._run(self._flows.detect_logos(request, call), call)

    def caption(self, request: v.CaptionRequest, call: Call) -> v.CaptionResult:
        return self._run(self._flows.caption(request, call), call)

    def analyze(self, request: v.AnalyzeRequest, call: Call) -> Sequence[v.Analysis]:
        return self._run(self._flows.analyze(request, call), call)

    def transcribe(self, request: s.TranscribeRequest, call: Call) -> s.TranscribeResult:
        return self._run(self._flows.transcribe(request, call), call)

    def submit_transcription(self, request: s.TranscribeRequest, call: Call) -> s.JobRef:
        return self._run(self._flows.submit_transcription(request, call), call)

    def transcription_status(self, job: s.JobRef, call: Call) -> s.JobStatus:
        return self._run(self._flows.transcription_status(job, call), call)

    def transcription_result(self, job: s.JobRef, call: Call) -> s.TranscribeResult:
        return self._run(self._flows.transcription_result(job, call), call)

    def cancel_transcription(self, job: s.JobRef, call: Call) -> None:
        self._run(self._flows.cancel_transcription(job, call), call)

    def synthesize(self, request: s.SynthesizeRequest, call: Call) -> s.SynthesizeResult:
        return self._run(self._flows.synthesize(request, call), call)

    def voices(self, request: s.VoicesRequest, call: Call) -> s.VoicesResult:
        return self._run(self._flows.voices(request, call), call)

    def translate(self, request: t.TranslateRequest, call: Call) -> t.TranslateResult:
        return self._run(self._flows.translate(request, call), call)

    def detect_language(self, request: t.DetectLanguageRequest, call: Call) -> t.DetectLanguageResult:
        return self._run(self._flows.detect_language(request, call), call)

    def languages(self, request: t.LanguagesRequest, call: Call) -> t.LanguagesResult:
        return self._run(self._flows.languages(request, call), call)

    def translate_document(self, request: t.TranslateDocumentRequest, call: Call) -> t.TranslateDocumentResult:
        return self._run(self._flows.translate_document(request, call), call)
