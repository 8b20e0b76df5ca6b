"""RapidOCR as a reader of one image: lines with their words, in no order yet.

RapidOCR's steps (find, recognise) are used as they are. Its classifier of lines that are upside down is not: it turns
good ones (one of seven in scikit-image's `page`). Nor is its last step, because its word boxes carry the confidence of
single letters and lose spaces. Here a word's place is its share of the line's columns, its confidence the mean of its
letters, and only a line that was read badly is tried the other way up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudai.errors import MissingDependency
from cloudai_local import ocr_layout
from cloudai_local.ocr_layout import Dot, Quad
from cloudai_local.onnx import execution

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rapidocr import RapidOCR

    from cloudai_local.settings import LocalSettings

INSTALL = "pip install 'cloudai[local-ocr]'"
WEIGHTS = {"Det": "*_det_*.onnx", "Rec": "*_rec_*.onnx"}
"""The weights that RapidOCR's wheel carries. They are named to it, so that it never looks for others on the net."""


WEAK = 0.8
"""A line read with less is read once more upside down, and the better reading kept."""


STRIP = 8
"""An image so many times longer than wide is a strip: RapidOCR's own `width_height_ratio`."""
STRIP_SIDE = 5600
"""A strip is read at this many pixels of length at most: four million pixels with what is added to its side."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """RapidOCR's text of a line, its score, and where in the line the letters are (its `WordInfo`)."""

    text: str
    score: float
    info: Any
    flipped: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundWord:
    """`quad` in pixels of the image; `confidence` is 0..1."""

    text: str
    quad: Quad
    confidence: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLine:
    """One line as RapidOCR saw it."""

    text: str
    quad: Quad
    confidence: float
    words: tuple[FoundWord, ...]

    @property
    def is_cjk(self) -> bool:
        """Has Chinese, Japanese or Korean letters: such lines may run from top to bottom."""
        return has_cjk(self.text)


def page_angle(lines: Sequence[FoundLine]) -> float:
    """How far the page is turned, degrees clockwise. A standing line of Chinese is no sign of a page on its side."""
    voters = [line.quad for line in lines if not (line.is_cjk and stands(line.quad, 0.0))]
    return ocr_layout.page_angle(voters)


def stands(quad: Quad, angle: float) -> bool:
    """Whether a line runs down or up on a page that is turned by `angle`."""
    return 45 < abs(ocr_layout.turn_between(ocr_layout.line_angle(quad), angle)) < 135


def has_cjk(text: str) -> bool:
    """Whether any letter is from U+2E80 (CJK radicals) up."""
    return any(letter >= "\u2e80" for letter in text)


class RapidReader:
    """One RapidOCR, built at first use and shared. It keeps state while it reads, so calls take turns."""

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._engine: RapidOCR | None = None

    def read(self, image: npt.NDArray[np.uint8], *, max_side: int) -> tuple[FoundLine, ...]:
        """Lines of an image (height x width x 3, blue-green-red). It is read at `max_side` pixels at most.

        A page on its side or head is turned and read again: line by line, some of its lines would be read badly.
        """
        import numpy as np

        lines = self._read(image, max_side)
        quarters = round(page_angle(lines) / 90) % 4
        if quarters == 0:
            return lines
        again = self._read(np.ascontiguousarray(np.rot90(image, quarters)), max_side)
        height, width = image.shape[:2]
        return tuple(_turned_back(line, quarters, width, height) for line in again)

    def _read(self, image: npt.NDArray[np.uint8], max_side: int) -> tuple[FoundLine, ...]:
        from rapidocr.utils.process_img import map_boxes_to_original, resize_image_within_bounds

        canvas = _canvas(image)
        if canvas.shape != image.shape:
            max_side = max(max_side, STRIP_SIDE)
        with self._lock:
            engine = self._engine = self._engine or _build(self._settings)
            resized, down, right = resize_image_within_bounds(canvas, engine.min_side_len, max_side)
            record: dict[str, Any] = {"preprocess": {"ratio_h": down, "ratio_w": right}}
            found, _, read, crops = engine.run_ocr_steps(resized, record)
            if found.boxes is None or read.txts is None:
                return ()
            readings = _better_way_up(engine, crops, list(_readings(read)))
        upright = [_is_upright(box) for box in found.boxes]
        boxes = map_boxes_to_original(found.boxes.copy(), record, *canvas.shape[:2])
        quads = map(_text_quad, boxes.tolist(), upright, [reading.flipped for reading in readings])
        return tuple(_lines(quads, readings))

    def model(self) -> str:
        """Which weights read: `PP-OCRv6_rec_small`."""
        return _weights()["Rec"].stem

    def close(self) -> None:
        """Let the sessions go; a later read builds them again."""
        with self._lock:
            self._engine = None


def _weights() -> dict[str, Path]:
    import rapidocr

    folder = Path(rapidocr.__file__).parent / "models"
    found = {part: next(iter(sorted(folder.glob(pattern))), None) for part, pattern in WEIGHTS.items()}
    if any(path is None for path in found.values()):
        raise MissingDependency("this rapidocr has no weights in its wheel", install="pip install 'rapidocr>=3.10'")
    return {part: path for part, path in found.items() if path is not None}


def _build(settings: LocalSettings) -> RapidOCR:
    from rapidocr import RapidOCR

    onnxruntime = "EngineConfig.onnxruntime"
    params: dict[str, object] = {f"{part}.model_path": str(path) for part, path in _weights().items()}
    params |= {"Global.log_level": "critical", "Global.use_cls": False, "Global.return_word_box": True}
    params[f"{onnxruntime}.use_cuda"] = _wants_cuda(settings)
    if settings.threads is not None:
        params[f"{onnxruntime}.intra_op_num_threads"] = settings.threads
    return RapidOCR(params=params)


def _wants_cuda(settings: LocalSettings) -> bool:
    """RapidOCR opens CUDA or CPU; other execution providers are not passed to it."""
    import onnxruntime

    names = execution.wanted(settings, onnxruntime.get_available_providers())
    if execution.CUDA not in names:
        return False
    execution.find_cuda_libraries()
    return True


def _canvas(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image at the top left of one that is no narrower than an eighth of its length, in the image's median colour.

    RapidOCR brings the shorter side to 736 pixels: of a strip it would make an image of gigabytes.
    """
    import numpy as np

    height, width = image.shape[:2]
    least = max(32, -(-max(height, width) // STRIP))
    if min(height, width) >= least:
        return image
    canvas = np.empty((max(height, least), max(width, least), 3), dtype=np.uint8)
    canvas[:] = np.median(image.reshape(-1, 3), axis=0)
    canvas[:height, :width] = image
    return canvas


def _turned_back(line: FoundLine, quarters: int, width: int, height: int) -> FoundLine:
    """Where the line is on an image of `width` x `height` that was turned left by `quarters` to read it."""

    def dot(point: Dot) -> Dot:
        x, y = point
        return {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarters]

    def quad(corners: Quad) -> Quad:
        a, b, c, d = corners
        return dot(a), dot(b), dot(c), dot(d)

    words = tuple(replace(word, quad=quad(word.quad)) for word in line.words)
    return replace(line, quad=quad(line.quad), words=words)


def _is_upright(box: npt.NDArray[np.float32]) -> bool:
    """False where RapidOCR stands a tall crop on its side to read it: at 1.5 times as tall as wide."""
    import numpy as np

    width = int(max(np.linalg.norm(box[0] - box[1]), np.linalg.norm(box[2] - box[3])))
    height = int(max(np.linalg.norm(box[0] - box[3]), np.linalg.norm(box[1] - box[2])))
    return height < 1.5 * width


def _text_quad(box: list[list[float]], upright: bool, flipped: bool) -> Quad:
    """The corners from the text's own top left: a tall crop is turned left by a quarter, a flipped one by half."""
    a, b, c, d = ((x, y) for x, y in box)
    quad = (a, b, c, d) if upright else (b, c, d, a)
    return (*quad[2:], *quad[:2]) if flipped else quad


def _readings(read: Any, *, flipped: bool = False) -> Iterator[_Reading]:
    for text, score, info in zip(read.txts, read.scores, read.word_results, strict=True):
        yield _Reading(text=text, score=min(max(float(score), 0.0), 1.0), info=info, flipped=flipped)


def _better_way_up(
    engine: RapidOCR, crops: Sequence[npt.NDArray[np.uint8]], readings: list[_Reading]
) -> list[_Reading]:
    import numpy as np

    weak = [place for place, reading in enumerate(readings) if reading.score < WEAK]
    if not weak:
        return readings
    again = engine.recognize_txt([np.ascontiguousarray(np.rot90(crops[place], 2)) for place in weak])
    for place, reading in zip(weak, _readings(again, flipped=True), strict=True):
        if reading.score > readings[place].score:
            readings[place] = reading
    return readings


def _lines(quads: Iterator[Quad], readings: Sequence[_Reading]) -> Iterator[FoundLine]:
    for quad, reading in zip(quads, readings, strict=True):
        words = tuple(_words(quad, reading.text, reading.info)) if reading.text.strip() else ()
        if not words:
            continue
        said = reading.text.strip() if has_cjk(reading.text) else " ".join(word.text for word in words)
        yield FoundLine(text=said, quad=quad, confidence=reading.score, words=words)


def _words(quad: Quad, text: str, info: Any) -> Iterator[FoundWord]:
    """Words where RapidOCR saw a gap, each Chinese character by itself."""
    confidences = _letter_confidences(text, info.confs)
    columns = max(float(info.line_txt_len), 1.0)
    pitch = _pitch(info.word_cols, columns / max(len(text), 1))
    at = 0
    for letters, cols in zip(info.words, info.word_cols, strict=True):
        for start, end in _units(letters):
            share = ((cols[start] + 0.5 - pitch / 2) / columns, (cols[end - 1] + 0.5 + pitch / 2) / columns)
            yield FoundWord(
                text="".join(letters[start:end]),
                quad=_part_of(quad, max(share[0], 0.0), min(share[1], 1.0)),
                confidence=_mean(confidences[at + start : at + end]),
            )
        at += len(letters)


def _units(letters: list[str]) -> list[tuple[int, int]]:
    if has_cjk("".join(letters)):
        return [(index, index + 1) for index in range(len(letters))]
    return [(0, len(letters))]


def _letter_confidences(text: str, confidences: list[float]) -> list[float]:
    """Of the letters that are no spaces; empty when RapidOCR's list does not match its text."""
    if len(confidences) != len(text):
        return []
    return [confidence for letter, confidence in zip(text, confidences, strict=True) if not letter.isspace()]


def _pitch(word_cols: list[list[int]], otherwise: float) -> float:
    """Columns from one letter to the next, the mean within words."""
    steps = [(cols[-1] - cols[0]) / (len(cols) - 1) for cols in word_cols if len(cols) > 1]
    return sum(steps) / len(steps) if steps else otherwise


def _part_of(quad: Quad, start: float, end: float) -> Quad:
    """The part of a line between two fractions of its length."""
    a, b, c, d = quad
    return _between(a, b, start), _between(a, b, end), _between(d, c, end), _between(d, c, start)


def _between(a: Dot, b: Dot, share: float) -> Dot:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _mean(values: list[float]) -> float | None:
    return min(max(sum(values) / len(values), 0.0), 1.0) if values else None
