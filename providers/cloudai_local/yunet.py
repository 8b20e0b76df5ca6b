"""YuNet (W. Wu, H. Peng, S. Yu, Machine Intelligence Research 20, 2023) by OpenCV's `FaceDetectorYN`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloudai.errors import InvalidInput
from cloudai.types.geometry import Box, Point
from cloudai.types.vision import Face, Landmark
from cloudai_local.folders import ModelFolder
from cloudai_local.onnx.graph_scan import scan
from cloudai_local.onnx.safety import MAX_MODEL_BYTES, MODEL, contained_file, read_model
from cloudai_local.settings import LocalSettings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cloudai_local.pages import PageImage

LEAST = 0.7
"""Confidence of a face when the caller asks for none; OpenCV's own 0.9 is for counting without a miss."""
OVERLAP = 0.3
MOST = 5000
LONGEST_SIDE = 1280
"""A model of free size sees the picture at this many pixels at most: it knows faces of 10 to 300 pixels."""
STRIDE = 32

LANDMARKS = (
    ("right_eye", "right eye"),
    ("left_eye", "left eye"),
    ("nose_tip", "nose tip"),
    ("mouth_right", "right corner of mouth"),
    ("mouth_left", "left corner of mouth"),
)
"""In the model's order, left and right as the person's: (neutral, as the OpenCV Zoo names it).
https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet (read 2026-11-21)"""

_OUTPUTS = frozenset(f"{head}_{stride}" for head in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32))


class YuNet:
    """One model folder, loaded. OpenCV's detector keeps the size of its input, so calls take turns."""

    def __init__(self, folder: ModelFolder, settings: LocalSettings) -> None:
        import cv2
        import numpy as np

        model = _read(folder)
        self._size = _fixed_size(model, folder, settings)
        self._lock = threading.Lock()
        buffer, none = np.frombuffer(model, dtype=np.uint8), np.zeros(0, dtype=np.uint8)
        first = self._size or (STRIDE, STRIDE)
        try:
            with _quiet_opencv():
                self._detector = cv2.FaceDetectorYN.create("onnx", buffer, none, first, LEAST, OVERLAP, MOST)
        except cv2.error as error:
            raise InvalidInput(f"{folder.path}: OpenCV can't load the model: {error.err or error}") from error

    def faces(self, image: PageImage, *, least: float | None) -> Iterator[Face]:
        """Everything of at least `least` confidence, positions as fractions of the picture."""
        pixels, scale = _fitted(image.pixels, self._size)
        with self._lock:
            self._detector.setInputSize((pixels.shape[1], pixels.shape[0]))
            self._detector.setScoreThreshold(LEAST if least is None else least)
            _, found = self._detector.detect(pixels)
        height, width = image.pixels.shape[:2]
        for row in () if found is None else found.tolist():
            yield _face([value / scale for value in row[:14]], row[14], width, height)


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """OpenCV 5 warns on standard error that it will choose the device itself."""
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _read(folder: ModelFolder) -> bytes:
    """`model.onnx`, or the only other `.onnx` in the folder: the zoo's own file has its version in its name."""
    files = sorted(file.name for file in folder.path.glob("*.onnx"))
    if MODEL in files or len(files) != 1:
        return read_model(folder.path)
    data = contained_file(folder.path, files[0], limit=MAX_MODEL_BYTES, hard_links=True).read_bytes()
    try:
        found = scan(data)
    except InvalidInput as error:
        raise InvalidInput(f"{folder.path / files[0]} is not an ONNX model: {error.message}") from error
    if found.locations:
        raise InvalidInput(f"{folder.path / files[0]} has external data, which YuNet has not")
    return data


def _fixed_size(model: bytes, folder: ModelFolder, settings: LocalSettings) -> tuple[int, int] | None:
    """Width and height that the graph demands, `None` when it takes any. Raises `InvalidInput` for another graph."""
    from cloudai_local.onnx.session import GraphSession

    graph = GraphSession(model, folder=folder.path, settings=settings.model_copy(update={"execution_providers": ()}))
    shapes = [port.shape for port in graph.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or not set(graph.output_names) >= _OUTPUTS:
        raise InvalidInput(
            f"{folder.path} is no YuNet: that maps one image to {', '.join(sorted(_OUTPUTS))}; "
            f"this maps {', '.join(map(str, graph.inputs))} to {', '.join(graph.output_names)}"
        )
    height, width = shapes[0][2:]
    return (width, height) if width and height else None


def _fitted(pixels: npt.NDArray[np.uint8], size: tuple[int, int] | None) -> tuple[npt.NDArray[np.uint8], float]:
    """The picture scaled to fit, at the top left of a black canvas of the model's size; and the scale."""
    import cv2
    import numpy as np

    height, width = pixels.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width)) if size is None else min(size[0] / width, size[1] / height)
    resized = cv2.resize(pixels, (max(1, round(width * scale)), max(1, round(height * scale))))
    across, down = size or (-(-resized.shape[1] // STRIDE) * STRIDE, -(-resized.shape[0] // STRIDE) * STRIDE)
    canvas = np.zeros((down, across, 3), dtype=np.uint8)
    canvas[: resized.shape[0], : resized.shape[1]] = resized
    return canvas, scale


def _face(values: list[float], score: float, width: int, height: int) -> Face:
    """From x, y, w, h and five points in pixels of the picture."""
    x, y, w, h = values[:4]
    points = list(zip(values[4::2], values[5::2], strict=True))
    return Face(
        box=Box.from_pixels(x, y, w, h, width=width, height=height),
        confidence=min(max(score, 0.0), 1.0),
        landmarks=tuple(
            Landmark(type=neutral, vendor_type=vendor, point=Point(x=px / width, y=py / height))
            for (neutral, vendor), (px, py) in zip(LANDMARKS, points, strict=True)
        ),
    )
