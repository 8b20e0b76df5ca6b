"""Boxes out of graphs made by hand: every layout and format, suppression, and the way back to the image."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from cloudai.calls.media import InputGuard, load
from cloudai.driver import Call
from cloudai.errors import InvalidInput
from cloudai.types.custom import PredictRequest
from cloudai.types.media import Media, MediaKind
from cloudai.types.tensor import Tensor
from cloudai.types.vision import DetectedObject, DetectObjectsRequest
from cloudai_local.driver import LocalDriver
from cloudai_local.folders import read_folder
from cloudai_local.onnx.manifest import Detect
from cloudai_local.onnx.model import OnnxModel
from cloudai_local.onnx.postprocess import Candidates, suppress
from cloudai_local.settings import LocalSettings

CALL = Call(timeout=60)
HEAD = 'task = "detect"\nlabels = ["Alley_Cat", { name = "dog", id = "n02084071", parents = ["Domestic Animal"] }]\n'
INPUT = "[input]\nsize = [100, 200]\n"

CORNERS = np.array([[20, 10, 60, 50], [22, 12, 62, 52], [21, 11, 61, 51], [120, 40, 180, 90]], dtype=np.float32)
"""Left, top, right, bottom in the pixels of a 200 x 100 input: three nearly the same, one far away."""
SCORES = np.array([[0.9, 0.05], [0.6, 0.1], [0.1, 0.8], [0.3, 0.7]], dtype=np.float32)
"""The second box is the first again; the third lies there too but is a dog."""


def image(width: int = 200, height: int = 100) -> Media:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "green").save(file, "PNG")
    return load(file.getvalue(), MediaKind.IMAGE, guard=InputGuard())


def folder(tmp_path: Path, manifest: str, **outputs: np.ndarray) -> Path:
    """A graph that answers the same numbers for every image of its batch."""
    path = tmp_path / "finder"
    path.mkdir()
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "axis"], ["column"]),
        helper.make_node("Unsqueeze", ["column", "axis"], ["batch"]),
        helper.make_node("Mul", ["batch", "nothing"], ["zero"]),
    ]
    weights = [
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
        numpy_helper.from_array(np.array(0, dtype=np.float32), "nothing"),
    ]
    for name, values in outputs.items():
        weights.append(numpy_helper.from_array(values[np.newaxis].astype(np.float32), f"{name}_values"))
        flat = ["zero"] if values.ndim == 2 else ["flat_zero"]
        nodes.append(helper.make_node("Add", [f"{name}_values", *flat], [name]))
    if any(values.ndim == 1 for values in outputs.values()):
        nodes.insert(4, helper.make_node("Squeeze", ["zero", "axis"], ["flat_zero"]))
    graph = helper.make_graph(
        nodes,
        "finder",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, 100, 200])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *values.shape])
            for name, values in outputs.items()
        ],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path / "model.onnx")
    (path / "model.toml").write_text(HEAD + manifest)
    return path


def found(path: Path, media: Media | None = None) -> tuple[DetectedObject, ...]:
    driver = LocalDriver(LocalSettings(provider="local", models=path.parent), backend="here")
    return driver.detect_objects(DetectObjectsRequest(image=media or image()), CALL).objects


def seen(objects: tuple[DetectedObject, ...]) -> list[tuple[str, float, list[float]]]:
    """Name, confidence, and the box in pixels of a 200 x 100 image."""
    return [
        (thing.name, round(thing.confidence or 0, 3), [round(length, 1) for length in thing.box.to_pixels(200, 100)])
        for thing in objects
    ]


BEST = [("alley cat", 0.9, [20, 10, 40, 40]), ("dog", 0.8, [21, 11, 40, 40]), ("dog", 0.7, [120, 40, 60, 50])]
"""What is left when the second cat is suppressed by the first."""

SIZE = CORNERS[:, 2:] - CORNERS[:, :2]
CENTRE = CORNERS[:, :2] + SIZE / 2
PLACES = np.array([200, 100, 200, 100], dtype=np.float32)


@pytest.mark.parametrize(
    ("form", "boxes"),
    [
        ("xyxy", CORNERS),
        ("yxyx", CORNERS[:, [1, 0, 3, 2]]),
        ("xywh", np.hstack([CORNERS[:, :2], SIZE])),
        ("cxcywh", np.hstack([CENTRE, SIZE])),
    ],
)
@pytest.mark.parametrize("normalized", [False, True])
def test_each_box_format_says_the_same(tmp_path: Path, form: str, boxes: np.ndarray, normalized: bool) -> None:
    scale = PLACES[[1, 0, 3, 2]] if form == "yxyx" else PLACES
    manifest = f'[detect]\nboxes = "b"\nscores = "s"\nformat = "{form}"\nnormalized = {str(normalized).lower()}\n'
    path = folder(tmp_path, INPUT + manifest, b=boxes / scale if normalized else boxes, s=SCORES)
    assert seen(found(path)) == BEST


def single(kind: str) -> np.ndarray:
    together = np.hstack([np.hstack([CENTRE, SIZE]), SCORES])
    if kind == "[N, 4+C, A]":
        return together.T
    if kind == "[N, A, 4+C]":
        return together
    return np.column_stack([together[:, :4], SCORES.max(axis=1), SCORES.argmax(axis=1)])


@pytest.mark.parametrize("kind", ["[N, 4+C, A]", "[N, A, 4+C]", "[N, A, 6]"])
def test_each_single_output_layout_says_the_same(tmp_path: Path, kind: str) -> None:
    path = folder(tmp_path, INPUT + f'[detect]\nlayout = "{kind}"\nformat = "cxcywh"\n', out=single(kind))
    assert seen(found(path)) == BEST


def test_objectness_multiplies_the_class_scores(tmp_path: Path) -> None:
    rows = np.hstack([CENTRE, SIZE, np.array([[0.5], [0.5], [0.5], [1.0]]), SCORES])
    path = folder(tmp_path, INPUT + '[detect]\nlayout = "[N, A, 5+C]"\nformat = "cxcywh"\n', out=rows)
    assert [(name, score) for name, score, _ in seen(found(path))] == [("dog", 0.7), ("alley cat", 0.45), ("dog", 0.4)]


def test_classes_in_their_own_output_counted_from_one(tmp_path: Path) -> None:
    manifest = '[detect]\nboxes = "b"\nscores = "s"\nclasses = "c"\nfirst_class = 1\n'
    path = folder(tmp_path, INPUT + manifest, b=CORNERS, s=SCORES.max(axis=1), c=SCORES.argmax(axis=1) + 1)
    assert seen(found(path)) == BEST


def test_the_background_is_nothing(tmp_path: Path) -> None:
    """As DETR answers: softmax over the classes and, last, 'no object'."""
    logits = np.log(np.hstack([SCORES * 0.9, 1 - SCORES.sum(axis=1, keepdims=True) * 0.9]).clip(1e-6))
    logits[3] = [0.0, 0.0, 5.0]
    manifest = '[output]\nactivation = "softmax"\n[detect]\nboxes = "b"\nscores = "s"\nbackground = -1\n'
    path = folder(tmp_path, INPUT + manifest, b=CORNERS, s=logits)
    assert [name for name, _, _ in seen(found(path))] == ["alley cat", "dog"]


def test_class_agnostic_suppression_keeps_one_of_what_lies_there(tmp_path: Path) -> None:
    manifest = '[detect]\nboxes = "b"\nscores = "s"\nclass_agnostic = true\n'
    assert seen(found(folder(tmp_path, INPUT + manifest, b=CORNERS, s=SCORES))) == [BEST[0], BEST[2]]


def test_without_suppression_all_over_the_threshold_are_there(tmp_path: Path) -> None:
    manifest = '[detect]\nboxes = "b"\nscores = "s"\nnms = false\nscore_threshold = 0.65\n'
    things = found(folder(tmp_path, INPUT + manifest, b=CORNERS, s=SCORES))
    assert [thing.confidence for thing in things] == pytest.approx([0.9, 0.8, 0.7])


def test_the_request_overrides_threshold_and_count(tmp_path: Path) -> None:
    path = folder(tmp_path, INPUT + '[detect]\nboxes = "b"\nscores = "s"\n', b=CORNERS, s=SCORES)
    driver = LocalDriver(LocalSettings(provider="local", models=path.parent), backend="here")
    some = driver.detect_objects(DetectObjectsRequest(image=image(), min_confidence=0.75), CALL)
    one = driver.detect_objects(DetectObjectsRequest(image=image(), max_results=1), CALL)
    assert [len(some.objects), len(one.objects)] == [2, 1]


def test_names_are_neutral_and_the_model_s_own_are_kept(tmp_path: Path) -> None:
    cat, dog, _ = found(folder(tmp_path, INPUT + '[detect]\nboxes = "b"\nscores = "s"\n', b=CORNERS, s=SCORES))
    assert (cat.name, cat.vendor_name, cat.vendor_id, cat.parents) == ("alley cat", "Alley_Cat", "0", ())
    assert (dog.name, dog.vendor_id, dog.parents) == ("dog", "n02084071", ("domestic animal",))


# --- back to the image ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        # input 200 x 100; the first box is 20..60, 10..50 in it
        ("stretch", (400, 400), [40 / 400, 40 / 400, 80 / 400, 160 / 400]),
        ("letterbox", (400, 400), [0.0, 10 / 100, 10 / 100, 40 / 100]),  # 100 x 100 in the middle: x from 50
        ("letterbox", (400, 100), [20 / 200, 0.0, 40 / 200, 25 / 50]),  # 200 x 50: y from 25
        ("shortest", (400, 400), [20 / 200, 60 / 200, 40 / 200, 40 / 200]),  # 200 x 200, cropped: y from -50
    ],
)
def test_boxes_come_back_to_the_image(
    tmp_path: Path, resize: str, size: tuple[int, int], expected: list[float]
) -> None:
    manifest = f'[input]\nsize = [100, 200]\nresize = "{resize}"\n[detect]\nboxes = "b"\nscores = "s"\n'
    box = found(folder(tmp_path, manifest, b=CORNERS, s=SCORES), image(*size))[0].box
    assert [box.x, box.y, box.w, box.h] == pytest.approx(expected, abs=1e-6)


def test_what_lies_in_the_border_of_a_letterbox_is_dropped(tmp_path: Path) -> None:
    corners = np.array([[0, 0, 40, 90], [160, 0, 199, 90]], dtype=np.float32)
    manifest = '[input]\nsize = [100, 200]\nresize = "letterbox"\n[detect]\nboxes = "b"\nscores = "s"\n'
    assert found(folder(tmp_path, manifest, b=corners, s=SCORES[:2]), image(400, 400)) == ()


def test_tensors_get_boxes_in_fractions_of_the_input(tmp_path: Path) -> None:
    path = folder(tmp_path, INPUT + '[detect]\nboxes = "b"\nscores = "s"\n', b=CORNERS, s=SCORES)
    driver = LocalDriver(LocalSettings(provider="local", models=path.parent), backend="here")
    pixels = Tensor(np.zeros((2, 3, 100, 200), dtype=np.float32))
    result = driver.predict(PredictRequest(model="finder", tensors={"pixels": pixels}), CALL)
    assert [seen(row.objects) for row in result.predictions] == [BEST, BEST]


# --- suppression ------------------------------------------------------------------------------------

boxes = st.lists(
    st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(0, 12)] * 2, st.integers(0, 2), st.integers(0, 100)),
    max_size=14,
)


def _candidates(rows: list[tuple[int, int, int, int, int, int]]) -> Candidates:
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    corners = np.hstack([table[:, :2], table[:, :2] + table[:, 2:4]])
    return Candidates(corners=corners, scores=table[:, 5] / 100, classes=table[:, 4].astype(np.intp))


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    union = sum(areas) - width * height
    return width * height / union if union else 0.0


@given(boxes, st.booleans())
def test_suppression_keeps_the_best_of_each_heap(
    rows: list[tuple[int, int, int, int, int, int]], agnostic: bool
) -> None:
    """Kept boxes don't overlap; each one that was dropped overlaps a kept one that is at least as good."""
    everything = _candidates(rows)
    spec = Detect(boxes="b", scores="s", iou_threshold=0.4, class_agnostic=agnostic)
    kept = suppress(everything, spec, threshold=0.3, most=100)
    assert list(kept.scores) == sorted(kept.scores, reverse=True)

    def clash(a: Candidates, i: int, b: Candidates, j: int) -> bool:
        return (agnostic or a.classes[i] == b.classes[j]) and _iou(a.corners[i], b.corners[j]) > 0.4

    count = len(kept.scores)
    assert not any(clash(kept, i, kept, j) for i in range(count) for j in range(i))
    standing = {(*kept.corners[i], kept.scores[i], kept.classes[i]) for i in range(count)}
    for index, score in enumerate(everything.scores):
        me = (*everything.corners[index], score, everything.classes[index])
        if score >= 0.3 and me not in standing:
            assert any(kept.scores[i] >= score and clash(kept, i, everything, index) for i in range(count))


@given(boxes, st.integers(1, 3))
def test_no_more_are_kept_than_asked_for(rows: list[tuple[int, int, int, int, int, int]], most: int) -> None:
    spec = Detect(boxes="b", scores="s")
    whole = suppress(_candidates(rows), spec, threshold=0.0, most=100)
    few = suppress(_candidates(rows), spec, threshold=0.0, most=most)
    assert few.scores.tolist() == whole.scores[:most].tolist()


# --- refused at load --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (
            '[detect]\nboxes = "b"\nscores = "nope"\n',
            r"\[detect\] scores = 'nope', but the graph has the outputs b FP32",
        ),
        ('[detect]\nlayout = "[N, A, 4+C]"\n', r"several outputs .*name one in \[detect\] output"),
        ('[detect]\nlayout = "[N, A, 6]"\noutput = "s"\n', r"must be \[N, A, 6\].*the graph gave \[1, 4, 2\]"),
        ('[detect]\nboxes = "s"\nscores = "b"\n', "2 labels; the graph answers 4 classes"),
        ('[detect]\nboxes = "b"\n', r"detect: name the outputs boxes = and scores ="),
        ('[detect]\nlayout = "[N, 4+C, A]"\nboxes = "b"\n', "is a single output"),
        ("", r"needs \[detect\]"),
    ],
)
def test_outputs_that_are_not_what_the_manifest_says(tmp_path: Path, manifest: str, words: str) -> None:
    path = folder(tmp_path, INPUT + manifest, b=CORNERS, s=SCORES)
    with pytest.raises(InvalidInput, match=words):
        OnnxModel(read_folder(path), LocalSettings(provider="local"))


def test_scores_that_are_no_probabilities_name_the_cure(tmp_path: Path) -> None:
    path = folder(tmp_path, INPUT + '[detect]\nboxes = "b"\nscores = "s"\n', b=CORNERS, s=SCORES * 10)
    with pytest.raises(InvalidInput, match='set activation = "softmax" or "sigmoid"'):
        OnnxModel(read_folder(path), LocalSettings(provider="local"))
