"""From a graph's numbers to labels, objects and embeddings, as `[output]`, `[detect]` and `[embed]` say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.types.geometry import Box
from cloudai.types.vision import DetectedObject, Label
from cloudai_local.onnx.manifest import Activation, BoxFormat, ClassLabel, Detect, DetectLayout, Output

if TYPE_CHECKING:
    import numpy.typing as npt

    from cloudai_local.onnx.preprocess import Placement

    Array: TypeAlias = npt.NDArray[Any]
    Floats: TypeAlias = npt.NDArray[np.float64]
    Integers: TypeAlias = npt.NDArray[np.intp]

MAX_CANDIDATES = 10_000
"""Boxes over the threshold that non-maximum suppression looks at, the best first."""


def normalised_name(name: str) -> str:
    """Lower case, words divided by single spaces: `Motor_Vehicle` -> `motor vehicle`."""
    return " ".join(name.replace("_", " ").split()).lower()


class Names:
    """Class number -> neutral label. Classes without a name are called by their number."""

    def __init__(self, labels: Sequence[ClassLabel]) -> None:
        self._labels = tuple(labels)

    def __len__(self) -> int:
        return len(self._labels)

    def label(self, number: int, confidence: float) -> Label:
        found = self._at(number)
        return Label(
            name=normalised_name(found.name),
            vendor_name=found.name,
            confidence=confidence,
            parents=tuple(normalised_name(parent) for parent in found.parents),
            aliases=found.aliases,
            vendor_id=found.id or str(number),
        )

    def object(self, number: int, confidence: float, box: Box) -> DetectedObject:
        found = self._at(number)
        return DetectedObject(
            name=normalised_name(found.name),
            vendor_name=found.name,
            confidence=confidence,
            box=box,
            parents=tuple(normalised_name(parent) for parent in found.parents),
            vendor_id=found.id or str(number),
        )

    def _at(self, number: int) -> ClassLabel:
        return self._labels[number] if 0 <= number < len(self._labels) else ClassLabel(name=f"class {number}")


# --- probabilities -----------------------------------------------------------------------------------


def probabilities(values: Array, activation: Activation) -> Floats:
    """Over the last axis. Raises `InvalidInput` when numbers that should be probabilities are none."""
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ServiceError("the model answered numbers that are not finite (NaN or infinity)", code=ErrorCode.INTERNAL)
    if activation is Activation.SOFTMAX:
        exponentials = np.exp(numbers - numbers.max(axis=-1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))
    if activation is Activation.SIGMOID:
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * numbers)))
    if numbers.size and (numbers.min() < -0.001 or numbers.max() > 1.001):
        low, high = numbers.min(), numbers.max()
        raise InvalidInput(
            f'the scores are {low:.3g} to {high:.3g}, no probabilities: set activation = "softmax" or "sigmoid"'
        )
    return np.asarray(numbers.clip(0.0, 1.0))


def top_labels(scores: Floats, names: Names, *, top_k: int | None, threshold: float) -> tuple[Label, ...]:
    """The labels of one row of probabilities, the most likely first."""
    order = np.argsort(-scores, kind="stable")[:top_k]
    return tuple(names.label(int(number), float(scores[number])) for number in order if scores[number] >= threshold)


def rows_of_scores(outputs: Mapping[str, Array], name: str, output: Output) -> Floats:
    """`[N, C]` probabilities."""
    values = outputs[name]
    return probabilities(values.reshape(values.shape[0], -1), output.activation)


def embeddings(values: Array, *, normalize: bool) -> Floats:
    """`[N, D]`, each of length 1 when `normalize`; a row of zeros stays one."""
    rows = values.reshape(values.shape[0], -1).astype(np.float64)
    if not normalize:
        return rows
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length == 0, 1.0, length))


# --- boxes -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """Of one image: `[A, 4]` corners in input pixels, `[A]` scores and class numbers (of the labels)."""

    corners: Floats
    scores: Floats
    classes: Integers

    def only(self, chosen: Integers) -> Candidates:
        return Candidates(corners=self.corners[chosen], scores=self.scores[chosen], classes=self.classes[chosen])


def candidates(
    outputs: Mapping[str, Array], spec: Detect, activation: Activation, *, size: tuple[int, int], classes: int
) -> tuple[Candidates, ...]:
    """All boxes of each image. `size` is the input's height and width, `classes` how many labels are known.

    Raises `InvalidInput` when the outputs don't have the shapes that `layout` says.
    """
    if spec.layout is DetectLayout.SEPARATE:
        boxes, scores, numbers = _separate(outputs, spec, activation)
    else:
        values = outputs[spec.output or next(iter(outputs))]
        boxes, scores, numbers = _single(values, spec, activation, classes)
    corners = _corners(boxes.astype(np.float64), spec.format)
    if spec.normalized:
        corners = corners * np.array([size[1], size[0]] * 2)
    return tuple(
        Candidates(corners=corners[row], scores=scores[row], classes=numbers[row]) for row in range(len(corners))
    )


def _separate(outputs: Mapping[str, Array], spec: Detect, activation: Activation) -> tuple[Array, Floats, Integers]:
    assert spec.boxes is not None  # the manifest was refused otherwise
    assert spec.scores is not None
    boxes, scores = outputs[spec.boxes], outputs[spec.scores]
    if boxes.ndim == 2:  # a graph for one image, without the batch dimension
        boxes, scores = boxes[np.newaxis], scores[np.newaxis]
    per_class = spec.classes is None
    if boxes.ndim != 3 or boxes.shape[2] != 4 or scores.shape[:2] != boxes.shape[:2] or scores.ndim != 2 + per_class:
        want = "[N, A, C]" if per_class else "[N, A]"
        raise InvalidInput(
            f"boxes must be [N, A, 4] and scores {want}; the graph gave {list(boxes.shape)} and {list(scores.shape)}"
        )
    if spec.classes is None:
        return boxes, *_best_class(probabilities(scores, activation), spec.background)
    numbers = outputs[spec.classes].reshape(scores.shape).astype(np.intp) - spec.first_class
    likely = probabilities(scores, activation)
    if spec.background is not None:
        likely = np.where(numbers == spec.background, 0.0, likely)
    return boxes, likely, numbers


def _single(values: Array, spec: Detect, activation: Activation, classes: int) -> tuple[Array, Floats, Integers]:
    rows = values.transpose(0, 2, 1) if spec.layout is DetectLayout.CHANNELS_FIRST and values.ndim == 3 else values
    first = 5 if spec.layout is DetectLayout.OBJECTNESS else 4
    if rows.ndim != 3 or not _fits(rows.shape[2], spec.layout, first, classes):
        raise InvalidInput(
            f"the output must be {spec.layout.value} with C = {classes} labels; the graph gave {list(values.shape)}"
        )
    if spec.layout is DetectLayout.FINISHED:
        likely = probabilities(rows[:, :, 4], activation)
        return rows[:, :, :4], likely, rows[:, :, 5].astype(np.intp) - spec.first_class
    scores = probabilities(rows[:, :, first:], activation)
    if spec.layout is DetectLayout.OBJECTNESS:
        scores = scores * probabilities(rows[:, :, 4:5], activation)
    return rows[:, :, :4], *_best_class(scores, spec.background)


def _fits(width: int, layout: DetectLayout, first: int, classes: int) -> bool:
    if layout is DetectLayout.FINISHED:
        return width == 6
    return width == first + classes if classes else width > first


def _best_class(scores: Floats, background: int | None) -> tuple[Floats, Integers]:
    """The most likely class of each box; one whose best class is the background gets no score."""
    numbers = scores.argmax(axis=2)
    likely = scores.max(axis=2)
    if background is None:
        return likely, numbers
    nothing = background % scores.shape[2]
    return np.where(numbers == nothing, 0.0, likely), numbers


def _corners(boxes: Floats, kind: BoxFormat) -> Floats:
    """`[..., 4]` in any format -> left, top, right, bottom."""
    if kind is BoxFormat.XYXY:
        return boxes
    if kind is BoxFormat.YXYX:
        return boxes[..., [1, 0, 3, 2]]
    start, extent = boxes[..., :2], boxes[..., 2:]
    if kind is BoxFormat.CXCYWH:
        start = start - extent / 2
    return np.concatenate([start, start + extent], axis=-1)


def suppress(found: Candidates, spec: Detect, *, threshold: float, most: int) -> Candidates:
    """Those over the threshold, the best first; with `nms`, none that overlaps a better one of its class.

    Greedy non-maximum suppression: A. Neubeck, L. Van Gool, "Efficient Non-Maximum Suppression", ICPR 2006.
    """
    likely = np.flatnonzero(found.scores >= threshold)
    best = found.only(likely[np.argsort(-found.scores[likely], kind="stable")][:MAX_CANDIDATES])
    if not spec.nms:
        return best.only(np.arange(min(most, len(best.scores))))
    kept: list[int] = []
    remaining = np.arange(len(best.scores))
    while remaining.size and len(kept) < most:
        first, rest = int(remaining[0]), remaining[1:]
        kept.append(first)
        overlaps = _overlap(best.corners[first], best.corners[rest]) > spec.iou_threshold
        if not spec.class_agnostic:
            overlaps &= best.classes[rest] == best.classes[first]
        remaining = rest[~overlaps]
    return best.only(np.array(kept, dtype=np.intp))


def _overlap(box: Floats, others: Floats) -> Floats:
    """Intersection over union of one box with `[A, 4]` others; 0 where neither has an area."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    union = _area(box) + _area(others) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _area(boxes: Floats) -> Floats:
    return np.asarray(np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(axis=-1))


def objects(found: Candidates, names: Names, placement: Placement) -> tuple[DetectedObject, ...]:
    """In fractions of the upright image; what lies wholly in the border of a letterbox is dropped."""
    placed = placement.to_fractions(found.corners)
    return tuple(
        names.object(int(number), float(score), Box(x=left, y=top, w=right - left, h=bottom - top))
        for (left, top, right, bottom), score, number in zip(placed.tolist(), found.scores, found.classes, strict=True)
        if right > left and bottom > top
    )
