"""The model folders of one backend, opened at first use: what the driver hands its requests to."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudai.errors import CloudAIError, InvalidInput
from cloudai.types.results import Notice, Usage
from cloudai.types.vision import DetectLabelsResult, DetectObjectsResult
from cloudai_local.folders import find_model
from cloudai_local.onnx.choice import ONNX_TASKS, TASKS, require_runtime, serving_folder
from cloudai_local.settings import LocalOptions, LocalSettings

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai.types.custom import PredictRequest, PredictResult
    from cloudai.types.vision import DetectLabelsRequest, DetectObjectsRequest
    from cloudai_local.folders import ModelFolder
    from cloudai_local.onnx.model import OnnxModel


class CustomModels:
    """Each model is opened once, by the first call for it, and then shared by all threads."""

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._open: dict[str, OnnxModel] = {}
        self._serving: dict[str, str] = {}

    def knows(self, name: str) -> bool:
        """Whether there is a folder of this name; quick for one that is open."""
        if name in self._open:
            return True
        try:
            find_model(self._settings, name)
        except CloudAIError:
            return False
        return True

    def predict(self, request: PredictRequest, call: Call) -> PredictResult:
        """`custom.predict`. Raises `InvalidInput` for an unknown model and for inputs that it does not take."""
        if call.options is not None and _named("custom.predict", call) not in (None, request.model):
            raise InvalidInput(f"custom.predict: options name another model than the call, {request.model!r}")
        return (self._open.get(request.model) or self._by_name(request.model)).predict(request, call)

    def detect_labels(self, request: DetectLabelsRequest, call: Call) -> DetectLabelsResult:
        """`vision.detect_labels` by a folder with `task = "classify"`."""
        model = self._serving_model("vision.detect_labels", call)
        return DetectLabelsResult(
            labels=model.labels(request.image, top_k=request.max_results, threshold=request.min_confidence),
            usage=_usage("vision.detect_labels"),
            warnings=_notices(model, request.language),
            model=f"{model.title} ({model.device})",
        )

    def detect_objects(self, request: DetectObjectsRequest, call: Call) -> DetectObjectsResult:
        """`vision.detect_objects` by a folder with `task = "detect"`."""
        model = self._serving_model("vision.detect_objects", call)
        return DetectObjectsResult(
            objects=model.objects(request.image, most=request.max_results, threshold=request.min_confidence),
            usage=_usage("vision.detect_objects"),
            warnings=_notices(model, request.language),
            model=f"{model.title} ({model.device})",
        )

    def sessions(self) -> dict[str, object]:
        """Model name -> its `onnxruntime.InferenceSession`, of those that are open."""
        return {name: model.session.raw for name, model in self._open.items()}

    def close(self) -> None:
        """Let go of all sessions. A run in progress ends first."""
        with self._lock:
            self._open = {}

    def _serving_model(self, operation: str, call: Call) -> OnnxModel:
        named = _named(operation, call)
        model = self._open.get(named or self._serving.get(operation, ""))
        if model is None or model.manifest.task is not TASKS[operation]:
            model = self._opened(serving_folder(self._settings, operation, named))
        if named is None:
            self._serving[operation] = model.name
        return model

    def _by_name(self, name: str) -> OnnxModel:
        folder = find_model(self._settings, name)
        if folder.task not in ONNX_TASKS:
            raise InvalidInput(f"{name} is a model to {folder.task.value}: call that operation instead")
        return self._opened(folder)

    def _opened(self, folder: ModelFolder) -> OnnxModel:
        """One thread loads, the others wait for it."""
        require_runtime()
        from cloudai_local.onnx.model import OnnxModel

        with self._lock:
            if folder.name not in self._open:
                self._open = {**self._open, folder.name: OnnxModel(folder, self._settings)}
            return self._open[folder.name]


def _named(operation: str, call: Call) -> str | None:
    """The model folder that the call's options name. An engine's name would be ignored: it is refused."""
    options = call.options
    if not isinstance(options, LocalOptions):
        return None
    if options.engine is not None:
        raise InvalidInput(f"{operation} is served by a model folder, not by the engine {options.engine!r}")
    return options.model


def _usage(operation: str) -> tuple[Usage, ...]:
    return (Usage(meter=operation, unit="image", quantity=Decimal(1)),)


def _notices(model: OnnxModel, language: str | None) -> tuple[Notice, ...]:
    if language is None:
        return model.warnings
    message = f"language: the names of {model.name} are those in its model.toml, not translated to {language!r}"
    return (*model.warnings, Notice(code="option_ignored", message=message))
