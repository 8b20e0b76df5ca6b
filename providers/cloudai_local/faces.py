"""Faces, here: YuNet from the user's folder (boxes, five landmarks, confidence), else the cascade of scikit-image.

    yunet/model.toml    task = "faces"
    yunet/*.onnx        YuNet of the OpenCV Zoo (MIT), of fixed (2023mar) or free (2026may) input size

Nobody is recognised, and nothing is said about age, sex or mood.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cloudai.driver import Call
from cloudai.errors import InvalidInput
from cloudai.types.geometry import Box
from cloudai.types.results import Notice, Usage
from cloudai.types.vision import DetectFacesRequest, DetectFacesResult, Face
from cloudai_local.engine import Missing
from cloudai_local.folders import ModelFolder, Task, find_model, model_folders
from cloudai_local.pages import PageImage, first_page
from cloudai_local.settings import LocalOptions, LocalSettings
from cloudai_local.yunet import YuNet

if TYPE_CHECKING:
    from skimage.feature import Cascade

OPERATION = "vision.detect_faces"
INSTALL = "pip install 'cloudai[local-faces]'"

CASCADE_SIDE = 1200
"""Larger pictures are brought to this many pixels on their longer side."""
SMALLEST = 0.08
"""Of the picture's shorter side, at least the 24 pixels that the cascade was trained on."""
NEIGHBOURS = 12
"""Windows that must agree. With this and steps of 1.1 it finds 44 of every second face of scikit-image's `lfw_subset`
(50 in all), nothing in the 50 that are none, and nothing in 15 pictures without a face (measured 2026-11-21)."""


class YuNetEngine:
    """`vision.detect_faces` by a model folder with `task = "faces"`."""

    name = "yunet"

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._models: dict[str, YuNet] = {}

    def missing(self) -> Missing | None:
        """OpenCV, or the model folder; looks only."""
        absent = [module for module in ("cv2", "onnxruntime") if find_spec(module) is None]
        if absent:
            return Missing(reason=f"{', '.join(absent)} not installed", install=INSTALL)
        if not model_folders(self._settings, Task.FACES):
            return Missing(reason='no model folder with task = "faces"', install="cloudai local models pull yunet")
        return None

    def detect_faces(self, request: DetectFacesRequest, call: Call) -> DetectFacesResult:
        """Faces of at least `min_confidence` (0.7 when not given)."""
        folder = self._choice(call)
        with self._lock:
            if folder.name not in self._models:
                self._models[folder.name] = YuNet(folder, self._settings)
            model = self._models[folder.name]
        image, frames = first_page(request.image)
        faces = model.faces(image, least=request.min_confidence)
        return _result(request, faces, model=folder.name, notices=_notices(request, frames))

    def close(self) -> None:
        """Let the models go."""
        with self._lock:
            self._models.clear()

    def _choice(self, call: Call) -> ModelFolder:
        named = call.options.model if isinstance(call.options, LocalOptions) else None
        name = named or self._settings.serve.get(OPERATION)
        folder = find_model(self._settings, name) if name else model_folders(self._settings, Task.FACES)[0]
        if folder.task is not Task.FACES:
            raise InvalidInput(f"{OPERATION} needs a model with task = 'faces'; {folder.name} has {folder.task}")
        return folder


class CascadeEngine:
    """`vision.detect_faces` by the trained cascade in scikit-image's wheel: upright frontal faces, boxes only."""

    name = "cascade"

    def __init__(self, settings: LocalSettings) -> None:
        self._lock = threading.Lock()
        self._cascade: Cascade | None = None

    def missing(self) -> Missing | None:
        """What to install; looks only."""
        absent = [module for module in ("skimage", "cv2") if find_spec(module) is None]
        return Missing(reason=f"{', '.join(absent)} not installed", install=INSTALL) if absent else None

    def detect_faces(self, request: DetectFacesRequest, call: Call) -> DetectFacesResult:
        """Boxes without confidence: the cascade has none, and none is made up."""
        image, frames = first_page(request.image)
        notices = list(_notices(request, frames))
        if request.min_confidence is not None:
            said = (
                "min_confidence: the cascade has no confidence; `cloudai local models pull yunet` brings one that has"
            )
            notices.append(Notice(code="option_ignored", message=said))
        return _result(request, self._found(image), model="lbpcascade_frontalface", notices=notices)

    def close(self) -> None:
        """Let the cascade go."""
        self._cascade = None

    def _found(self, image: PageImage) -> Iterator[Face]:
        import cv2

        height, width = image.pixels.shape[:2]
        scale = min(1.0, CASCADE_SIDE / max(height, width))
        small = cv2.resize(image.pixels, (max(1, round(width * scale)), max(1, round(height * scale))))
        side = min(small.shape[:2])
        least = max(24, round(side * SMALLEST))
        if side < least:
            return
        with self._lock:
            cascade = self._cascade = self._cascade or _trained()
            found = cascade.detect_multi_scale(
                img=cv2.cvtColor(small, cv2.COLOR_BGR2GRAY),
                scale_factor=1.1,
                step_ratio=1,
                min_size=(least, least),
                max_size=(side, side),
                min_neighbor_number=NEIGHBOURS,
            )
        for face in found:
            x, y, w, h = (float(face[key]) for key in ("c", "r", "width", "height"))
            yield Face(box=Box.from_pixels(x, y, w, h, width=small.shape[1], height=small.shape[0]))


def engines(settings: LocalSettings) -> tuple[YuNetEngine | CascadeEngine, ...]:
    """The engines for `vision.detect_faces`, the preferred first."""
    return (YuNetEngine(settings), CascadeEngine(settings))


def _trained() -> Cascade:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    in_the_wheel: Callable[[], str] = lbp_frontal_face_cascade_filename
    return Cascade(in_the_wheel())


def _result(
    request: DetectFacesRequest, faces: Iterable[Face], *, model: str, notices: Iterable[Notice]
) -> DetectFacesResult:
    largest_first = sorted(faces, key=lambda face: face.box.w * face.box.h, reverse=True)
    return DetectFacesResult(
        faces=tuple(largest_first[: request.max_results]),
        usage=(Usage(meter=OPERATION, unit="image", quantity=Decimal(1)),),
        warnings=tuple(notices),
        model=model,
    )


def _notices(request: DetectFacesRequest, frames: int) -> Iterator[Notice]:
    if request.attributes:
        said = "attributes: local engines say where faces are, nothing about them; route it to aws or azure"
        yield Notice(code="option_ignored", message=said)
    if frames > 1:
        yield Notice(code="truncated", message=f"only the first of {frames} frames was looked at")
