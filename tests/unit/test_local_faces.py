"""Faces in scikit-image's own pictures, and YuNet's form of answer by a graph made here that takes green for a face."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import skimage.data
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from cloudai.driver import Call
from cloudai.errors import InvalidInput, MissingDependency
from cloudai.types.media import Media, MediaKind
from cloudai.types.vision import DetectFacesRequest, DetectFacesResult, Face
from cloudai_local.engine import choose
from cloudai_local.faces import CascadeEngine, YuNetEngine, engines
from cloudai_local.settings import LocalOptions, LocalSettings

CALL = Call(timeout=60)
FACE = (170, 60, 110, 110)
"""Where the astronaut's face is, in pixels: x, y, width, height."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDAI_CACHE", str(tmp_path / "cache"))


def media(pixels: npt.NDArray[np.uint8] | Image.Image, saved_as: str = "PNG", **save: object) -> Media:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, saved_as, **save)
    return Media(kind=MediaKind.IMAGE, data=file.getvalue())


def look(engine: YuNetEngine | CascadeEngine, image: Media, **wishes: object) -> DetectFacesResult:
    return engine.detect_faces(DetectFacesRequest.model_validate({"image": image, **wishes}), CALL)


def overlap(face: Face, width: int, height: int, truth: tuple[float, float, float, float]) -> float:
    """Intersection over union with a box in pixels."""
    x, y, w, h = face.box.to_pixels(width, height)
    left, top = max(x, truth[0]), max(y, truth[1])
    right, bottom = min(x + w, truth[0] + truth[2]), min(y + h, truth[1] + truth[3])
    shared = max(0.0, right - left) * max(0.0, bottom - top)
    return shared / (w * h + truth[2] * truth[3] - shared)


# --- the cascade -----------------------------------------------------------------------------------


@pytest.fixture
def cascade() -> CascadeEngine:
    found = engines(LocalSettings(provider="local"))[1]
    assert isinstance(found, CascadeEngine)
    return found


def test_the_astronaut_has_one_face(cascade: CascadeEngine) -> None:
    result = look(cascade, media(skimage.data.astronaut(), "JPEG", quality=80))
    (face,) = result.faces
    assert overlap(face, 512, 512, FACE) > 0.6
    assert face.confidence is None
    assert face.landmarks == ()
    assert result.usage[0].quantity == Decimal(1)
    assert result.model == "lbpcascade_frontalface"


@pytest.mark.parametrize("name", ["coffee", "chelsea", "coins", "rocket", "page", "brick", "moon", "gravel", "retina"])
def test_a_picture_without_a_face_has_none(cascade: CascadeEngine, name: str) -> None:
    assert look(cascade, media(getattr(skimage.data, name)())).faces == ()


@pytest.mark.parametrize("factor", [0.5, 3])
def test_the_box_is_a_fraction_whatever_the_size(cascade: CascadeEngine, factor: float) -> None:
    side = int(512 * factor)
    (face,) = look(cascade, media(Image.fromarray(skimage.data.astronaut()).resize((side, side)))).faces
    assert overlap(face, 512, 512, FACE) > 0.5


def test_exif_orientation_is_applied_first(cascade: CascadeEngine) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(skimage.data.astronaut()).rotate(90)
    (face,) = look(cascade, media(stored, "JPEG", exif=exif, quality=95)).faces
    assert overlap(face, 512, 512, FACE) > 0.5


def test_two_faces_are_given_largest_first(cascade: CascadeEngine) -> None:
    portrait = Image.fromarray(skimage.data.astronaut()).crop((120, 0, 340, 220))
    both = Image.new("RGB", (800, 400), "#808080")
    both.paste(portrait.resize((180, 180)), (20, 20))
    both.paste(portrait.resize((380, 380)), (400, 10))
    large, small = look(cascade, media(both)).faces
    assert large.box.w > 1.5 * small.box.w
    assert large.box.x > 0.5 > small.box.x
    assert look(cascade, media(both), max_results=1).faces == (large,)


@pytest.mark.parametrize("wish", [{"attributes": True}, {"min_confidence": 0.5}])
def test_what_the_cascade_cannot_say_is_a_notice(cascade: CascadeEngine, wish: dict[str, object]) -> None:
    result = look(cascade, media(skimage.data.astronaut()), **wish)
    assert [notice.code for notice in result.warnings] == ["option_ignored"]
    assert result.warnings[0].message.startswith(next(iter(wish)))
    assert len(result.faces) == 1


@pytest.mark.parametrize("size", [(1, 1), (23, 23), (24, 24), (2000, 10)])
def test_pictures_too_small_for_a_face_have_none(cascade: CascadeEngine, size: tuple[int, int]) -> None:
    assert look(cascade, media(Image.new("RGB", size))).faces == ()


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8\xff\xe0 half a header"])
def test_a_bad_image_is_invalid_input(cascade: CascadeEngine, data: bytes) -> None:
    with pytest.raises(InvalidInput):
        look(cascade, Media(kind=MediaKind.IMAGE, data=data))


def test_many_threads_find_the_same(cascade: CascadeEngine) -> None:
    image = media(skimage.data.astronaut())
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: look(cascade, image).model_dump_json(), range(8)))) == 1


# --- YuNet's form ----------------------------------------------------------------------------------

OFFSETS = [(-0.5, -0.5), (0.5, -0.5), (0.0, 0.0), (-0.4, 0.6), (0.4, 0.6)]
"""Of the five points from the middle of a face, in strides."""


def yunet(size: int | None) -> onnx.ModelProto:
    """YuNet's twelve heads by hand: a cell of 32 pixels that is all green is a face of 64 x 64 around it."""
    height, width = (size, size) if size else ("h", "w")
    nodes = [
        helper.make_node("Sub", ["images", "green"], ["off"]),
        helper.make_node("Abs", ["off"], ["distance"]),
        helper.make_node("ReduceMean", ["distance"], ["grey"], axes=[1], keepdims=1),
    ]
    outputs = []
    for stride in (8, 16, 32):
        nodes.append(
            helper.make_node(
                "AveragePool", ["grey"], [f"pool{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2
            )
        )
        nodes.append(helper.make_node("Reshape", [f"pool{stride}", "row"], [f"cells{stride}"]))
        nodes.append(helper.make_node("Mul", [f"cells{stride}", "steep"], [f"steep{stride}"]))
        nodes.append(
            helper.make_node("Sub", ["one" if stride == 32 else "nothing", f"steep{stride}"], [f"raw{stride}"])
        )
        nodes.append(helper.make_node("Clip", [f"raw{stride}", "zero", "one"], [f"cls_{stride}"]))
        nodes.append(helper.make_node("Identity", [f"cls_{stride}"], [f"obj_{stride}"]))
        for head, wide in (("bbox", 4), ("kps", 10)):
            nodes.append(helper.make_node("Mul", [f"cells{stride}", "zero"], [f"{head}zero{stride}"]))
            nodes.append(helper.make_node("Add", [f"{head}zero{stride}", head], [f"{head}_{stride}"]))
            outputs.append((f"{head}_{stride}", wide))
        outputs += [(f"cls_{stride}", 1), (f"obj_{stride}", 1)]
    constants = {
        "green": np.array([0, 255, 0], np.float32).reshape(1, 3, 1, 1),
        "row": np.array([1, -1, 1]),
        "steep": np.array(0.01, np.float32),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "nothing": np.array(-9, np.float32),
        "bbox": np.array([0.5, 0.5, np.log(2), np.log(2)], np.float32).reshape(1, 1, 4),
        "kps": np.array(OFFSETS, np.float32).reshape(1, 1, 10) + 0.5,
    }
    graph = helper.make_graph(
        nodes,
        "yunet",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, wide]) for name, wide in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.fixture(params=[None, 640], ids=["free size", "fixed size"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "models" / "green-yunet"
    path.mkdir(parents=True)
    (path / "model.toml").write_text('task = "faces"\n')
    onnx.save(yunet(request.param), path / "model.onnx")
    return path


@pytest.fixture
def engine(folder: Path) -> Iterator[YuNetEngine]:
    found = choose(engines(LocalSettings(provider="local", models=folder.parent)), operation="vision.detect_faces")
    assert isinstance(found, YuNetEngine)
    yield found
    found.close()


def greens(width: int, height: int, *cells: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Black, with the cells (column, row) of 32 pixels in green."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for column, row in cells:
        pixels[row * 32 : (row + 1) * 32, column * 32 : (column + 1) * 32] = (0, 255, 0)
    return pixels


def test_a_face_has_its_box_confidence_and_the_persons_left_and_right(engine: YuNetEngine) -> None:
    (face,) = look(engine, media(greens(640, 640, (4, 2)))).faces
    x, y, w, h = face.box.to_pixels(640, 640)
    assert (x, y, w, h) == pytest.approx((4 * 32 + 16 - 32, 2 * 32 + 16 - 32, 64, 64), abs=0.5)
    assert face.confidence == pytest.approx(1, abs=0.01)
    assert [mark.type for mark in face.landmarks] == ["right_eye", "left_eye", "nose_tip", "mouth_right", "mouth_left"]
    for mark, (across, down) in zip(face.landmarks, OFFSETS, strict=True):
        assert mark.point.x * 640 == pytest.approx(4 * 32 + 16 + across * 32, abs=0.5)
        assert mark.point.y * 640 == pytest.approx(2 * 32 + 16 + down * 32, abs=0.5)
    right_eye, left_eye = face.landmarks[:2]
    assert right_eye.point.x < left_eye.point.x, "a person's right eye is on the left of the picture"


def test_positions_are_fractions_of_a_picture_that_is_not_square(engine: YuNetEngine) -> None:
    (face,) = look(engine, media(greens(640, 320, (12, 2)))).faces
    assert face.box.to_pixels(640, 320) == pytest.approx((12 * 32 - 16, 2 * 32 - 16, 64, 64), abs=0.5)


def test_a_picture_without_green_has_no_face(engine: YuNetEngine) -> None:
    assert look(engine, media(np.full((480, 640, 3), 200, np.uint8))).faces == ()


def test_min_confidence_is_obeyed(engine: YuNetEngine) -> None:
    pale = np.zeros((640, 640, 3), np.uint8)
    pale[64:96, 128:160] = (130, 255, 0)
    assert look(engine, media(pale)).faces == ()
    (face,) = look(engine, media(pale), min_confidence=0.3).faces
    assert 0.3 <= (face.confidence or 0) < 0.7
    assert look(engine, media(pale), min_confidence=0.99).faces == ()


def test_loading_and_looking_print_nothing(engine: YuNetEngine, capfd: pytest.CaptureFixture[str]) -> None:
    look(engine, media(greens(640, 640, (4, 2))))
    assert capfd.readouterr() == ("", "")


def test_attributes_are_a_notice(engine: YuNetEngine) -> None:
    result = look(engine, media(greens(640, 640, (4, 2))), attributes=True)
    assert [notice.code for notice in result.warnings] == ["option_ignored"]


def test_threads_with_different_sizes_do_not_disturb_each_other(engine: YuNetEngine) -> None:
    images = [media(greens(640, 640, (4, 2))), media(greens(320, 480, (3, 9))), media(greens(960, 320, (20, 5)))]
    alone = [look(engine, image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda image: look(engine, image), images * 5)) == alone * 5


def test_another_graph_is_refused_with_its_form(engine: YuNetEngine, folder: Path) -> None:
    model = yunet(None)
    del model.graph.output[0]
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(InvalidInput, match=r"is no YuNet: that maps one image to bbox_16, .*this maps images FP32"):
        look(engine, media(greens(640, 640, (4, 2))))


def test_the_model_may_keep_the_zoos_file_name(engine: YuNetEngine, folder: Path) -> None:
    (folder / "model.onnx").rename(folder / "face_detection_yunet_2023mar.onnx")
    assert len(look(engine, media(greens(640, 640, (4, 2)))).faces) == 1


@pytest.mark.parametrize("name", ["model.onnx", "face_detection_yunet_2023mar.onnx"])
@pytest.mark.parametrize("content", [b"", b"no model at all"])
def test_a_damaged_model_is_invalid_input(engine: YuNetEngine, folder: Path, name: str, content: bytes) -> None:
    (folder / "model.onnx").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(InvalidInput):
        look(engine, media(greens(640, 640, (4, 2))))


def test_a_folder_without_a_model_is_invalid_input(engine: YuNetEngine, folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(InvalidInput, match=r"no model\.onnx"):
        look(engine, media(greens(640, 640, (4, 2))))


def test_a_model_of_another_task_is_refused(engine: YuNetEngine, folder: Path) -> None:
    (folder.parent / "flowers").mkdir()
    (folder.parent / "flowers" / "model.toml").write_text('task = "classify"\n')
    call = Call(timeout=9, options=LocalOptions(model="flowers"))
    with pytest.raises(InvalidInput, match="flowers has classify"):
        engine.detect_faces(DetectFacesRequest(image=media(greens(64, 64))), call)


def test_without_a_model_the_cascade_is_taken_and_yunet_says_how_to_get_it() -> None:
    found = engines(LocalSettings(provider="local"))
    assert isinstance(choose(found, operation="vision.detect_faces"), CascadeEngine)
    with pytest.raises(MissingDependency, match="cloudai local models pull yunet"):
        choose(found, operation="vision.detect_faces", wanted="yunet")
