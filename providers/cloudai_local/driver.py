"""The driver of `local`: finds the engine or model folder that serves an operation, and hands the request on.

An engine's module is imported by the first call that needs it, its engines are built once and shared by all
threads. The engines' modules are `ocr`, `faces`, `recognition`, `synthesis`, `translation` and `languages`; model
folders with a `model.onnx` are served by the package `onnx`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cloudai.driver import (
    Call,
    DetectFaces,
    DetectLanguage,
    Languages,
    ReadDocument,
    ReadText,
    Synthesize,
    Transcribe,
    Translate,
    Voices,
)
from cloudai.errors import CloudAIError, ErrorCode, Fault, InvalidInput
from cloudai_local.engine import Engine, choose
from cloudai_local.faults import fault_of
from cloudai_local.settings import LocalOptions, LocalSettings

if TYPE_CHECKING:
    from pathlib import Path

    from cloudai.types import custom, speech, translation, vision
    from cloudai_local.batches import LocalBatches
    from cloudai_local.endpoints import LocalEndpoints
    from cloudai_local.onnx.catalogue import CustomModels
    from cloudai_local.training import LocalTraining


class _TextEngine(Engine, ReadText, ReadDocument, Protocol): ...


class _FaceEngine(Engine, DetectFaces, Protocol): ...


class _RecognitionEngine(Engine, Transcribe, Protocol): ...


class _SynthesisEngine(Engine, Synthesize, Voices, Protocol): ...


class _TranslationEngine(Engine, Translate, Languages, Protocol): ...


class _LanguageEngine(Engine, DetectLanguage, Protocol): ...


E_co = TypeVar("E_co", bound=Engine, covariant=True)


BY_MODEL_FOLDER = ("vision.detect_labels", "vision.detect_objects", "custom.predict")
"""What a folder with `model.onnx` and `model.toml` can serve."""


class EngineShelf(Generic[E_co]):
    """The engines of one module: built at first use, once, for all threads."""

    def __init__(self, settings: LocalSettings, build: Callable[[LocalSettings], tuple[E_co, ...]]) -> None:
        self._settings = settings
        self._build = build
        self._lock = threading.Lock()
        self._engines: tuple[E_co, ...] | None = None

    def all(self) -> tuple[E_co, ...]:
        """Every engine there is code for, the preferred first."""
        if self._engines is None:
            with self._lock:
                if self._engines is None:
                    self._engines = self._build(self._settings)
        return self._engines

    def pick(self, operation: str, call: Call) -> E_co:
        """The engine that the call names, else the one the backend's settings name, else the first usable one."""
        options = call.options
        named = options.engine if isinstance(options, LocalOptions) else None
        return choose(self.all(), operation=operation, wanted=named or self._settings.engines.get(operation))

    def gap(self, operation: str) -> str | None:
        """Why none can be used, with the install lines; `None` when one can."""
        try:
            choose(self.all(), operation=operation, wanted=self._settings.engines.get(operation))
        except CloudAIError as error:
            return error.message
        return None

    def built(self) -> tuple[E_co, ...]:
        """Those that were built so far."""
        return self._engines or ()

    def close(self) -> None:
        """Let go of what the engines hold."""
        for engine in self.built():
            engine.close()


class LocalDriver:
    """One `local` backend. Methods are safe to call from many threads at once."""

    def __init__(self, settings: LocalSettings, *, backend: str) -> None:
        self.settings = settings
        self.backend = backend
        self._lock = threading.Lock()
        self._models: CustomModels | None = None
        self._text = EngineShelf(settings, _text_engines)
        self._faces = EngineShelf(settings, _face_engines)
        self._recognition = EngineShelf(settings, _recognition_engines)
        self._synthesis = EngineShelf(settings, _synthesis_engines)
        self._translation = EngineShelf(settings, _translation_engines)
        self._languages = EngineShelf(settings, _language_engines)

    # --- the managed operations, by engines ---------------------------------------------------------

    def read_text(self, request: vision.ReadTextRequest, call: Call) -> vision.ReadTextResult:
        return self._text.pick("vision.read_text", call).read_text(request, call)

    def read_document(self, request: vision.ReadDocumentRequest, call: Call) -> vision.ReadDocumentResult:
        return self._text.pick("vision.read_document", call).read_document(request, call)

    def detect_faces(self, request: vision.DetectFacesRequest, call: Call) -> vision.DetectFacesResult:
        return self._faces.pick("vision.detect_faces", call).detect_faces(request, call)

    def transcribe(self, request: speech.TranscribeRequest, call: Call) -> speech.TranscribeResult:
        return self._recognition.pick("speech.transcribe", call).transcribe(request, call)

    def synthesize(self, request: speech.SynthesizeRequest, call: Call) -> speech.SynthesizeResult:
        return self._synthesis.pick("speech.synthesize", call).synthesize(request, call)

    def voices(self, request: speech.VoicesRequest, call: Call) -> speech.VoicesResult:
        return self._synthesis.pick("speech.voices", call).voices(request, call)

    def translate(self, request: translation.TranslateRequest, call: Call) -> translation.TranslateResult:
        return self._translation.pick("translation.translate", call).translate(request, call)

    def languages(self, request: translation.LanguagesRequest, call: Call) -> translation.LanguagesResult:
        return self._translation.pick("translation.languages", call).languages(request, call)

    def detect_language(
        self, request: translation.DetectLanguageRequest, call: Call
    ) -> translation.DetectLanguageResult:
        return self._languages.pick("translation.detect_language", call).detect_language(request, call)

    # --- model folders ------------------------------------------------------------------------------

    def detect_labels(self, request: vision.DetectLabelsRequest, call: Call) -> vision.DetectLabelsResult:
        return (self._models or self._open_models()).detect_labels(request, call)

    def detect_objects(self, request: vision.DetectObjectsRequest, call: Call) -> vision.DetectObjectsResult:
        return (self._models or self._open_models()).detect_objects(request, call)

    def predict(self, request: custom.PredictRequest, call: Call) -> custom.PredictResult:
        """By a model folder of that name; where there is none, by an endpoint."""
        models = self._models or self._open_models()
        if not models.knows(request.model) and self._endpoints.has(request.model):
            return self._endpoints.predict(request, call)
        try:
            return models.predict(request, call)
        except InvalidInput as error:
            if error.code is ErrorCode.NOT_FOUND and not models.knows(request.model):
                error.message += f"; endpoints: {', '.join(self._endpoints.names()) or 'none'}"
            raise

    def _open_models(self) -> CustomModels:
        from cloudai_local.onnx.catalogue import CustomModels

        with self._lock:
            if self._models is None:
                self._models = CustomModels(self.settings)
            return self._models

    # --- training -----------------------------------------------------------------------------------

    def train(self, request: custom.TrainingJob, call: Call) -> custom.TrainResult:
        return self._training.train(request, call)

    def plan_training(self, request: custom.TrainingJob, call: Call) -> custom.TrainingPlan:
        return self._training.plan_training(request, call)

    def run_status(self, run: custom.RunRef, call: Call) -> custom.RunStatus:
        return self._training.run_status(run, call)

    def run_logs(self, run: custom.RunRef, cursor: str | None, call: Call) -> custom.LogPage:
        return self._training.run_logs(run, cursor, call)

    def cancel_run(self, run: custom.RunRef, call: Call) -> None:
        self._training.cancel_run(run, call)

    def fetch_run(self, run: custom.RunRef, folder: Path, call: Call) -> None:
        self._training.fetch_run(run, folder, call)

    def list_runs(self, call: Call) -> Sequence[custom.RunRef]:
        return self._training.list_runs(call)

    @cached_property
    def _training(self) -> LocalTraining:
        from cloudai_local.training import LocalTraining

        return LocalTraining(self.settings, backend=self.backend)

    # --- batch jobs ---------------------------------------------------------------------------------

    def batch_predict(self, request: custom.BatchPredictRequest, call: Call) -> custom.BatchPredictResult:
        return self._batches.submit(request, call)

    def plan_batch(self, request: custom.BatchPredictRequest, call: Call) -> custom.BatchPlan:
        return self._batches.plan(request, call)

    def batch_status(self, batch: custom.BatchRef, call: Call) -> custom.BatchStatus:
        return self._batches.status(batch, call)

    def cancel_batch(self, batch: custom.BatchRef, call: Call) -> None:
        self._batches.cancel(batch, call)

    def fetch_batch(self, batch: custom.BatchRef, folder: Path, call: Call) -> None:
        self._batches.fetch(batch, folder, call)

    def list_batches(self, call: Call) -> Sequence[custom.BatchRef]:
        return self._batches.list(call)

    @cached_property
    def _batches(self) -> LocalBatches:
        from cloudai_local.batches import LocalBatches

        return LocalBatches(self.settings, backend=self.backend)

    # --- endpoints ----------------------------------------------------------------------------------

    def deploy(self, request: custom.DeployRequest, call: Call) -> custom.DeployResult:
        return self._endpoints.deploy(request, call)

    def plan_deployment(self, request: custom.DeployRequest, call: Call) -> custom.DeployPlan:
        return self._endpoints.plan(request, call)

    def endpoint_status(self, endpoint: custom.EndpointRef, call: Call) -> custom.EndpointStatus:
        return self._endpoints.status(endpoint, call)

    def list_endpoints(self, call: Call) -> Sequence[custom.EndpointStatus]:
        return self._endpoints.list(call)

    def set_traffic(self, endpoint: custom.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        self._endpoints.set_traffic(endpoint, traffic, call)

    def delete_endpoint(self, endpoint: custom.EndpointRef, call: Call) -> None:
        self._endpoints.delete(endpoint, call)

    @cached_property
    def _endpoints(self) -> LocalEndpoints:
        from cloudai_local.endpoints import LocalEndpoints

        return LocalEndpoints(self.settings, backend=self.backend)

    # --- the rest of a driver -----------------------------------------------------------------------

    @property
    def client(self) -> dict[str, object]:
        """What is open: engines by name, and ONNX Runtime sessions as `model:NAME`."""
        opened: dict[str, object] = {
            engine.name: engine for shelf in self._shelves().values() for engine in shelf.built()
        }
        if self._models is not None:
            opened |= {f"model:{name}": session for name, session in self._models.sessions().items()}
        return opened

    def unavailable(self) -> Mapping[str, str]:
        """Operation -> what is missing on this machine, with the line that brings it."""
        from cloudai_local.onnx.choice import gap, gap_of_batches, gap_of_server

        gaps = {operation: shelf.gap(operation) for operation, shelf in self._shelves().items()}
        gaps |= {operation: gap(self.settings, operation) for operation in BY_MODEL_FOLDER}
        gaps |= {"custom.deploy": gap_of_server(), "custom.batch_predict": gap_of_batches()}
        return {operation: reason for operation, reason in gaps.items() if reason is not None}

    def classify(self, error: Exception) -> Fault | None:
        """What an exception of ONNX Runtime, the file system or a started program means."""
        return fault_of(error)

    def close(self) -> None:
        """Let go of all sessions and engines."""
        for shelf in set(self._shelves().values()):
            shelf.close()
        with self._lock:
            models, self._models = self._models, None
        if models is not None:
            models.close()
        endpoints = self.__dict__.pop("_endpoints", None)
        if endpoints is not None:
            endpoints.close()

    def _shelves(self) -> Mapping[str, EngineShelf[Engine]]:
        return {
            "vision.read_text": self._text,
            "vision.read_document": self._text,
            "vision.detect_faces": self._faces,
            "speech.transcribe": self._recognition,
            "speech.synthesize": self._synthesis,
            "speech.voices": self._synthesis,
            "translation.translate": self._translation,
            "translation.languages": self._translation,
            "translation.detect_language": self._languages,
        }


# --- each module, imported when it is first needed --------------------------------------------------


def _text_engines(settings: LocalSettings) -> tuple[_TextEngine, ...]:
    from cloudai_local import ocr

    return ocr.engines(settings)


def _face_engines(settings: LocalSettings) -> tuple[_FaceEngine, ...]:
    from cloudai_local import faces

    return faces.engines(settings)


def _recognition_engines(settings: LocalSettings) -> tuple[_RecognitionEngine, ...]:
    from cloudai_local import recognition

    return recognition.engines(settings)


def _synthesis_engines(settings: LocalSettings) -> tuple[_SynthesisEngine, ...]:
    from cloudai_local import synthesis

    return synthesis.engines(settings)


def _translation_engines(settings: LocalSettings) -> tuple[_TranslationEngine, ...]:
    from cloudai_local import translation

    return translation.engines(settings)


def _language_engines(settings: LocalSettings) -> tuple[_LanguageEngine, ...]:
    from cloudai_local import languages

    return languages.engines(settings)
