"""One open model folder: tensors or images in, tensors or predictions out. Opened once, used by all threads."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, ServiceError
from cloudai.types.custom import Prediction, PredictResult
from cloudai.types.results import Usage
from cloudai.types.tensor import Tensor
from cloudai_local.faults import ONNXRUNTIME
from cloudai_local.folders import Task
from cloudai_local.onnx import postprocess, signature
from cloudai_local.onnx.manifest import DetectLayout, read_labels, read_manifest
from cloudai_local.onnx.preprocess import Placement, prepare, whole
from cloudai_local.onnx.safety import read_model
from cloudai_local.onnx.session import GraphSession

if TYPE_CHECKING:
    import numpy.typing as npt
    from pydantic import JsonValue

    from cloudai.driver import Call
    from cloudai.types.custom import PredictRequest
    from cloudai.types.media import Media
    from cloudai.types.results import Notice
    from cloudai.types.vision import DetectedObject, Label
    from cloudai_local.folders import ModelFolder
    from cloudai_local.settings import LocalSettings

    Array: TypeAlias = npt.NDArray[Any]

IMAGES_AT_ONCE = 16
"""How many images go through a graph with an open batch length in one run: bounds memory."""

_USAGE = (Usage(meter="custom.predict", unit="request", quantity=Decimal(1)),)


class OnnxModel:
    """Raises `InvalidInput` at construction when the folder's files and its manifest don't fit each other."""

    def __init__(self, folder: ModelFolder, settings: LocalSettings) -> None:
        self.name = folder.name
        self.manifest = read_manifest(folder)
        self.version = self.manifest.version
        self.names = postprocess.Names(read_labels(folder, self.manifest))
        self.session = GraphSession(read_model(folder.path), folder=folder.path, settings=settings)
        self.title = f"{self.name} {self.version}"
        self.warnings: tuple[Notice, ...] = (self.session.notice,) if self.session.notice else ()
        self._blank = PredictResult(
            version=self.version, device=self.device, usage=_USAGE, warnings=self.warnings, model=self.title
        )
        self._tensors_only = self.manifest.task is Task.TENSORS
        try:
            self._fit()
        except CloudAIError as error:
            raise InvalidInput(f"{folder.path}: {error.message}") from error

    @property
    def device(self) -> str:
        """`cpu`, `cuda:0`, ..."""
        return self.session.device

    # --- calls --------------------------------------------------------------------------------------

    def predict(self, request: PredictRequest, call: Call) -> PredictResult:
        """Tensors as they are, or images. Raises `InvalidInput` for any that the graph does not take."""
        if request.version is not None and request.version != self.version:
            raise InvalidInput(
                f"{self.name} is here in version {self.version}, not {request.version}", code=ErrorCode.NOT_FOUND
            )
        if request.images:
            return self._predict_images(request, call)
        names = self.session.choose_outputs(request.outputs)
        feed = self.session.feed(request.tensors)
        if self._tensors_only:
            arrays = dict(zip(names, self.session.run(names, feed), strict=True))
            return self._result(arrays, (), call)
        arrays = self._run(feed)
        return self._result({name: arrays[name] for name in names}, self._read(arrays, None), call)

    def labels(self, image: Media, *, top_k: int | None, threshold: float | None) -> tuple[Label, ...]:
        """What a classifier sees; `None` is the manifest's."""
        spec = self.manifest.output
        outputs, _ = self._run_images((image,))
        scores = postprocess.rows_of_scores(outputs, self._output, spec)[0]
        least = spec.threshold if threshold is None else threshold
        return postprocess.top_labels(scores, self.names, top_k=top_k or spec.top_k, threshold=least)

    def objects(self, image: Media, *, most: int | None, threshold: float | None) -> tuple[DetectedObject, ...]:
        """What a detector sees; `None` is the manifest's."""
        outputs, placements = self._run_images((image,))
        return self._objects(outputs, placements, most=most, threshold=threshold)[0]

    # --- for an endpoint that serves the same folder elsewhere ---------------------------------------

    def before(self, images: Sequence[Media]) -> tuple[Mapping[str, Tensor], Sequence[Placement]]:
        """`cloudai.serving.processing.Processing`: a fixed batch is filled up with zeros."""
        if self.manifest.input is None:
            raise InvalidInput(f"{self.name} takes tensors: its model.toml does not say what to make of an image")
        rows, placements = zip(*(prepare(image, self.manifest.input) for image in images), strict=True)
        missing = (self._batch or len(rows)) - len(rows)
        if missing < 0:
            raise InvalidInput(f"{self.name} takes {self._batch} images at a time, not {len(rows)}")
        batch = np.stack(rows)
        padding = np.zeros((missing, *batch.shape[1:]), dtype=batch.dtype)
        return {self._input: Tensor(np.concatenate([batch, padding]))}, placements

    def after(self, outputs: Mapping[str, Tensor], places: Sequence[Placement] | None) -> tuple[Prediction, ...]:
        """The other half. Raises `InvalidInput` where an output is missing."""
        if self._tensors_only:
            return ()
        absent = [name for name in self.session.output_names if name not in outputs]
        if absent:
            raise InvalidInput(f"the answer lacks the output {', '.join(absent)}, which model.toml reads: ask for all")
        count = None if places is None else len(places)
        return self._read({name: tensor.array[:count] for name, tensor in outputs.items()}, places)

    # --- images -------------------------------------------------------------------------------------

    def _predict_images(self, request: PredictRequest, call: Call) -> PredictResult:
        if self.manifest.input is None:
            raise InvalidInput(f"{self.name} takes tensors: its model.toml does not say what to make of an image")
        if request.tensors:
            raise InvalidInput("give tensors or images, not both")
        names = self.session.choose_outputs(request.outputs) if request.outputs else []
        deadline = time.monotonic() + call.timeout
        predictions: list[Prediction] = []
        kept: dict[str, list[Array]] = {name: [] for name in names}
        for start in range(0, len(request.images), self._at_once):
            if start and time.monotonic() > deadline:
                message = f"{start} of {len(request.images)} images were read in {call.timeout:g} s: send fewer"
                raise ServiceError(message, code=ErrorCode.DEADLINE_EXCEEDED)
            outputs, placements = self._run_images(request.images[start : start + self._at_once])
            predictions += self._read(outputs, placements)
            for name in names:
                kept[name].append(outputs[name])
        joined = {name: np.concatenate(arrays) for name, arrays in kept.items()}
        return self._result(joined, tuple(predictions), call)

    def _run_images(self, images: Sequence[Media]) -> tuple[dict[str, Array], Sequence[Placement]]:
        """At most `_at_once` images in one run; a fixed batch is filled up with zeros, whose rows are cut off."""
        assert self.manifest.input is not None  # the manifest of an image task has one
        rows, placements = zip(*(prepare(image, self.manifest.input) for image in images), strict=True)
        batch = np.stack(rows)
        missing = (self._batch or 0) - len(rows)
        if missing <= 0:
            return self._run({self._input: batch}), placements
        padding = np.zeros((missing, *batch.shape[1:]), dtype=batch.dtype)
        outputs = self._run({self._input: np.concatenate([batch, padding])})
        return {name: array[: len(rows)] for name, array in outputs.items()}, placements

    def _run(self, feed: dict[str, Array]) -> dict[str, Array]:
        names = self.session.output_names
        return dict(zip(names, self.session.run(names, feed), strict=True))

    # --- what the outputs mean ----------------------------------------------------------------------

    def _read(self, outputs: Mapping[str, Array], placements: Sequence[Placement] | None) -> tuple[Prediction, ...]:
        """One prediction per row."""
        spec = self.manifest.output
        if self.manifest.task is Task.DETECT:
            found = self._objects(outputs, placements, most=None, threshold=None)
            return tuple(Prediction(objects=objects) for objects in found)
        if self.manifest.task is Task.EMBED:
            rows = postprocess.embeddings(outputs[self._output], normalize=self.manifest.embed.normalize)
            return tuple(Prediction(embedding=tuple(row)) for row in rows.tolist())
        scores = postprocess.rows_of_scores(outputs, self._output, spec)
        return tuple(
            Prediction(labels=postprocess.top_labels(row, self.names, top_k=spec.top_k, threshold=spec.threshold))
            for row in scores
        )

    def _objects(
        self,
        outputs: Mapping[str, Array],
        placements: Sequence[Placement] | None,
        *,
        most: int | None,
        threshold: float | None,
    ) -> tuple[tuple[DetectedObject, ...], ...]:
        spec, images = self.manifest.detect, self.manifest.input
        assert spec is not None  # the manifest was refused otherwise
        assert images is not None
        rows = postprocess.candidates(
            outputs, spec, self.manifest.output.activation, size=images.size, classes=len(self.names)
        )
        least = spec.score_threshold if threshold is None else threshold
        places = placements or (whole(images.size),) * len(rows)
        return tuple(
            postprocess.objects(
                postprocess.suppress(row, spec, threshold=least, most=most or spec.max_objects), self.names, place
            )
            for row, place in zip(rows, places, strict=True)
        )

    def _result(self, arrays: Mapping[str, Array], predictions: tuple[Prediction, ...], call: Call) -> PredictResult:
        """The envelope was made once, at load: building it anew costs more than a small graph's run."""
        outputs = {name: Tensor(array) for name, array in arrays.items()}
        filled: dict[str, object] = {"outputs": outputs}
        if predictions:
            filled["predictions"] = predictions
        if call.raw:
            filled["raw"] = _json(outputs)
        return self._blank.filled(**filled)

    # --- at load: the graph against the manifest, and a first run ------------------------------------

    def _fit(self) -> None:
        self._input, self._output = "", ""
        self._batch: int | None = None
        if self.manifest.input is None:
            self._fit_tensors()
        else:
            self._fit_images()
        self._at_once = self._batch or IMAGES_AT_ONCE

    def _fit_tensors(self) -> None:
        """The first run is a courtesy here: a graph whose open lengths can't all be 1 is still served."""
        declared = self.manifest.tensors
        signature.narrowed(self.session.outputs, declared.output, "output")
        self.session.narrow(signature.narrowed(self.session.inputs, declared.input, "input"))
        try:
            self._run({port.name: port.zeros() for port in self.session.inputs})
        except Exception as error:
            if type(error).__module__ != ONNXRUNTIME:
                raise

    def _fit_images(self) -> None:
        spec = self.manifest.input
        assert spec is not None
        port = signature.image_input(self.session, spec)
        self.session.narrow((port,))
        self._input, self._batch = port.name, port.shape[0]
        self._find_outputs()
        try:
            outputs = self._run({port.name: port.zeros()})
        except Exception as error:
            if type(error).__module__ != ONNXRUNTIME:
                raise
            first = str(error).partition("\n")[0]
            raise InvalidInput(f"a first run on zeros as {port} failed: {first}") from error
        self._check_classes(outputs)
        with contextlib.suppress(ServiceError):  # not finite: it may divide by what it sees, and zeros are no image
            self._read(outputs, None)

    def _find_outputs(self) -> None:
        detect = self.manifest.detect
        if detect is None:
            self._output = signature.output(self.session, self.manifest.output.name, "[output] name").name
        elif detect.layout is not DetectLayout.SEPARATE:
            self._output = signature.output(self.session, detect.output, "[detect] output").name
        else:
            for key in ("boxes", "scores", "classes"):
                name = getattr(detect, key)
                if name is not None:
                    signature.output(self.session, name, f"[detect] {key}")

    def _check_classes(self, outputs: Mapping[str, Array]) -> None:
        if self.manifest.task is Task.CLASSIFY:
            values = outputs[self._output]
            signature.check_count(len(self.names), int(np.prod(values.shape[1:])))
        detect = self.manifest.detect
        if detect is not None and detect.scores is not None and detect.classes is None:
            signature.check_count(len(self.names), outputs[detect.scores].shape[-1], spare=detect.background == -1)


def _json(outputs: Mapping[str, Tensor]) -> JsonValue:
    """As the Open Inference Protocol writes them."""
    return {
        name: {"datatype": tensor.datatype, "shape": list(tensor.shape), "data": tensor.array.reshape(-1).tolist()}
        for name, tensor in outputs.items()
    }
