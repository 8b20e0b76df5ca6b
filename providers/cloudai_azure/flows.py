"""Which codec answers which operation, with the call's options and the backend's settings: for both drivers."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from cloudai.driver import Call
from cloudai.settings import OptionsModel
from cloudai.types import speech as s
from cloudai.types import translation as t
from cloudai.types import vision as v
from cloudai_azure import (
    codec_analyze,
    codec_batch,
    codec_document,
    codec_faces,
    codec_language,
    codec_safety,
    codec_synthesis,
    codec_translation,
    codec_vision,
    codec_vision32,
    document_translation,
    transcribing,
)
from cloudai_azure import settings as o
from cloudai_azure.staging import Staging
from cloudai_azure.wire import Flow

if TYPE_CHECKING:
    from cloudai_azure.settings import AzureSettings

O = TypeVar("O", bound=OptionsModel)  # noqa: E741


class Flows:
    """One method per operation, named as the driver's."""

    def __init__(self, settings: AzureSettings, *, backend: str) -> None:
        self._version = settings.translator_api_version
        self._by_language = settings.language_detection == "language"
        self._backend = backend
        self._voices: dict[str, str] = {}
        self._staging = Staging(settings)
        self._tag = hashlib.sha256(backend.encode()).hexdigest()[:8]

    def _key(self, call: Call) -> str:
        """The same for every attempt of one call here, another one at another backend that shares the container: jobs
        and staged blobs are named by it."""
        return f"{call.idempotency_key or uuid.uuid4().hex}-{self._tag}"

    def detect_labels(self, request: v.DetectLabelsRequest, call: Call) -> Flow[v.DetectLabelsResult]:
        return codec_vision.detect_labels(request, _options(call, o.ImageOptions), raw=call.raw)

    def detect_objects(self, request: v.DetectObjectsRequest, call: Call) -> Flow[v.DetectObjectsResult]:
        return codec_vision.detect_objects(request, _options(call, o.ImageOptions), raw=call.raw)

    def read_text(self, request: v.ReadTextRequest, call: Call) -> Flow[v.ReadTextResult]:
        return codec_vision.read_text(request, _options(call, o.ImageOptions), raw=call.raw)

    def caption(self, request: v.CaptionRequest, call: Call) -> Flow[v.CaptionResult]:
        return codec_vision.caption(request, _options(call, o.ImageOptions), raw=call.raw)

    def detect_faces(self, request: v.DetectFacesRequest, call: Call) -> Flow[v.DetectFacesResult]:
        return codec_faces.detect_faces(request, _options(call, o.FaceOptions), raw=call.raw)

    def moderate(self, request: v.ModerateRequest, call: Call) -> Flow[v.ModerateResult]:
        return codec_safety.moderate(request, _options(call, o.ModerationOptions), raw=call.raw)

    def detect_landmarks(self, request: v.DetectLandmarksRequest, call: Call) -> Flow[v.DetectLandmarksResult]:
        return codec_vision32.detect_landmarks(request, raw=call.raw)

    def detect_logos(self, request: v.DetectLogosRequest, call: Call) -> Flow[v.DetectLogosResult]:
        return codec_vision32.detect_logos(request, raw=call.raw)

    def analyze(self, request: v.AnalyzeRequest, call: Call) -> Flow[Sequence[v.Analysis]]:
        return codec_analyze.analyze(request, raw=call.raw)

    def read_document(self, request: v.ReadDocumentRequest, call: Call) -> Flow[v.ReadDocumentResult]:
        return codec_document.read_document(request, _options(call, o.DocumentOptions), raw=call.raw)

    def transcribe(self, request: s.TranscribeRequest, call: Call) -> Flow[s.TranscribeResult]:
        options, key = _options(call, o.TranscribeOptions), self._key(call)
        return transcribing.transcribe(request, options, self._staging, key=key, raw=call.raw)

    def submit_transcription(self, request: s.TranscribeRequest, call: Call) -> Flow[s.JobRef]:
        options, key = _options(call, o.TranscribeOptions), self._key(call)
        return codec_batch.submit(request, options, self._staging, backend=self._backend, key=key)

    def transcription_status(self, job: s.JobRef, call: Call) -> Flow[s.JobStatus]:
        return codec_batch.status(job, self._staging)

    def transcription_result(self, job: s.JobRef, call: Call) -> Flow[s.TranscribeResult]:
        return codec_batch.result(job, self._staging, raw=call.raw)

    def cancel_transcription(self, job: s.JobRef, call: Call) -> Flow[None]:
        return codec_batch.cancel(job, self._staging)

    def fetch(self, uri: str, max_bytes: int) -> Flow[bytes]:
        return self._staging.read(uri, max_bytes=max_bytes)

    def synthesize(self, request: s.SynthesizeRequest, call: Call) -> Flow[s.SynthesizeResult]:
        return codec_synthesis.synthesize(request, _options(call, o.SynthesizeOptions), self._voices)

    def voices(self, request: s.VoicesRequest, call: Call) -> Flow[s.VoicesResult]:
        return codec_synthesis.voices(request, raw=call.raw)

    def translate(self, request: t.TranslateRequest, call: Call) -> Flow[t.TranslateResult]:
        options = _options(call, o.TranslateOptions)
        return codec_translation.translate(request, options, version=self._version, raw=call.raw)

    def detect_language(self, request: t.DetectLanguageRequest, call: Call) -> Flow[t.DetectLanguageResult]:
        if self._by_language:
            return codec_language.detect_language(request, raw=call.raw)
        return codec_translation.detect_language(request, raw=call.raw)

    def languages(self, request: t.LanguagesRequest, call: Call) -> Flow[t.LanguagesResult]:
        return codec_translation.languages(request, version=self._version, raw=call.raw)

    def translate_document(self, request: t.TranslateDocumentRequest, call: Call) -> Flow[t.TranslateDocumentResult]:
        options, key = _options(call, o.TranslateDocumentOptions), self._key(call)
        return document_translation.translate_document(request, options, self._staging, key=key)


def _options(call: Call, kind: type[O]) -> O:
    return call.options if isinstance(call.options, kind) else kind()
