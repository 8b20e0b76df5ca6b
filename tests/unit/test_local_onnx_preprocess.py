"""Each key of `[input]` does what docs/local-models.md says, down to the pixel."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cloudai.calls.media import InputGuard, load
from cloudai.errors import InvalidInput
from cloudai.types.media import Media, MediaKind
from cloudai_local.onnx.manifest import ImageInput
from cloudai_local.onnx.preprocess import prepare


def media(image: Image.Image, kind: str = "PNG", **options: object) -> Media:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return load(file.getvalue(), MediaKind.IMAGE, guard=InputGuard())


def spec(**keys: object) -> ImageInput:
    return ImageInput.model_validate({"size": [2, 3], **keys})


def colors(*rows: list[tuple[int, ...]]) -> Image.Image:
    return Image.fromarray(np.array(rows, dtype=np.uint8))


RED, BLUE = (255, 0, 51), (0, 102, 255)
FLAG = colors([RED, RED, BLUE], [BLUE, RED, RED])


def test_channels_first_and_last_are_one_tensor_turned() -> None:
    first, _ = prepare(media(FLAG), spec(layout="NCHW"))
    last, _ = prepare(media(FLAG), spec(layout="NHWC"))
    assert (first.shape, last.shape) == ((3, 2, 3), (2, 3, 3))
    np.testing.assert_array_equal(first, last.transpose(2, 0, 1))
    np.testing.assert_allclose(first[:, 0, 0], [1.0, 0.0, 0.2])


def test_bgr_is_rgb_backwards() -> None:
    rgb, _ = prepare(media(FLAG), spec())
    bgr, _ = prepare(media(FLAG), spec(color="BGR"))
    np.testing.assert_array_equal(bgr, rgb[::-1])


def test_mean_and_std_come_after_scale_in_the_order_of_color() -> None:
    values, _ = prepare(media(FLAG), spec(color="BGR", scale=1 / 255, mean=[0.1, 0.2, 0.3], std=[0.5, 0.25, 2]))
    np.testing.assert_allclose(values[:, 0, 0], [(0.2 - 0.1) / 0.5, -0.2 / 0.25, (1 - 0.3) / 2], rtol=1e-6)


def test_one_mean_is_taken_for_all_channels() -> None:
    values, _ = prepare(media(FLAG), spec(scale=1.0, mean=[127.5], std=[127.5]))
    assert (values.min(), values.max()) == (-1.0, 1.0)


@pytest.mark.parametrize(("dtype", "largest"), [("float32", 1.0), ("float16", 1.0), ("uint8", 255)])
def test_bytes_stay_bytes_and_floats_become_fractions(dtype: str, largest: float) -> None:
    values, _ = prepare(media(FLAG), spec(dtype=dtype))
    assert values.dtype == dtype
    assert values.max() == largest


def test_grey_is_one_channel() -> None:
    values, _ = prepare(media(FLAG), spec(color="L"))
    assert values.shape == (1, 2, 3)
    assert values[0, 0, 0] == pytest.approx((255 * 0.299 + 51 * 0.114) / 255, abs=1 / 255)


def test_sixteen_bits_of_grey_become_eight() -> None:
    deep = Image.fromarray(np.array([[0, 257, 65535], [32896, 0, 0]], dtype=np.uint16))
    values, _ = prepare(media(deep), spec(color="L", dtype="uint8"))
    assert values[0].tolist() == [[0, 1, 255], [128, 0, 0]]


def test_what_shines_through_is_white() -> None:
    clear = Image.new("RGBA", (3, 2), (10, 20, 30, 0))
    values, _ = prepare(media(clear), spec(dtype="uint8"))
    assert values.min() == 255


def test_a_photo_taken_sideways_is_turned_upright() -> None:
    turned = colors([RED, BLUE], [RED, RED], [BLUE, RED])  # FLAG, stored lying
    exif = Image.Exif()
    exif[0x0112] = 8
    upright = np.rot90(np.asarray(turned))
    values, placement = prepare(media(turned, exif=exif), spec(dtype="uint8", layout="NHWC"))
    np.testing.assert_array_equal(values, upright)
    assert (placement.width, placement.height) == (3, 2)


def test_stretch_ignores_the_proportions() -> None:
    half = colors([RED, RED, RED, BLUE, BLUE, BLUE])
    values, _ = prepare(media(half), spec(size=[4, 2], interpolation="box", layout="NHWC", dtype="uint8"))
    assert values[:, 0].tolist() == [list(RED)] * 4
    assert values[:, 1].tolist() == [list(BLUE)] * 4


def test_shortest_cuts_the_middle_out() -> None:
    wide = colors([RED, BLUE, BLUE, RED], [RED, BLUE, BLUE, RED])
    values, _ = prepare(media(wide), spec(size=[2, 2], resize="shortest", layout="NHWC", dtype="uint8"))
    assert values.reshape(-1, 3).tolist() == [list(BLUE)] * 4


def test_crop_from_takes_a_smaller_part_of_the_image() -> None:
    """Resize to 4, crop 2: the middle half of each side."""
    frame = Image.new("RGB", (8, 8), RED)
    frame.paste(Image.new("RGB", (4, 4), BLUE), (2, 2))
    keys = {"size": [2, 2], "resize": "shortest", "crop_from": 4, "interpolation": "box"}
    values, placement = prepare(media(frame), spec(**keys, layout="NHWC", dtype="uint8"))
    assert values.reshape(-1, 3).tolist() == [list(BLUE)] * 4
    assert (placement.scale_x, placement.offset_x) == (0.5, -1)


def test_letterbox_keeps_the_whole_image_between_borders() -> None:
    values, _ = prepare(
        media(Image.new("RGB", (40, 20), RED)), spec(size=[8, 8], resize="letterbox", layout="NHWC", dtype="uint8")
    )
    assert values[4, 4].tolist() == list(RED)
    assert [values[row, 0].tolist() for row in (1, 2, 5, 6)] == [[114] * 3, list(RED), list(RED), [114] * 3]


@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    size=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    resize=st.sampled_from(["stretch", "shortest", "letterbox"]),
    color=st.sampled_from(["RGB", "L"]),
)
def test_the_tensor_has_the_declared_shape_and_the_centre_stays_the_centre(
    width: int, height: int, size: tuple[int, int], resize: str, color: str
) -> None:
    wanted = spec(size=list(size), resize=resize, color=color)
    values, placement = prepare(media(Image.new("RGB", (width, height))), wanted)
    assert values.shape == wanted.shape(1)[1:]
    middle = np.array([[size[1] / 2, size[0] / 2] * 2])
    slack_x, slack_y = 1 / (placement.scale_x * width), 1 / (placement.scale_y * height)  # one input pixel
    x, y = placement.to_fractions(middle)[0, :2]
    assert x == pytest.approx(0.5, abs=slack_x)
    assert y == pytest.approx(0.5, abs=slack_y)


def test_a_truncated_file_is_refused_in_words() -> None:
    whole = media(Image.effect_noise((64, 64), 90).convert("RGB"), "JPEG")
    cut = Media(kind=MediaKind.IMAGE, data=whole.content[:-400], content_type="image/jpeg", image=whole.image)
    with pytest.raises(InvalidInput, match="truncated or corrupt"):
        prepare(cut, spec())


def test_an_address_is_refused() -> None:
    with pytest.raises(InvalidInput, match="s3://bucket/key is an address"):
        prepare(Media(kind=MediaKind.IMAGE, uri="s3://bucket/key"), spec())


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"mean": [0.5, 0.5]}, "mean has 2 values for the 3 of color RGB"),
        ({"std": [0.0]}, "greater than 0"),
        ({"dtype": "uint8", "mean": [0.5]}, "dtype uint8 takes pixels as they are"),
        ({"crop_from": 256}, 'crop_from goes with resize = "shortest"'),
        ({"crop_from": 2, "resize": "shortest"}, "smaller than size"),
        ({"size": [0, 3]}, "greater than or equal to 1"),
        ({"size": [100_000, 3]}, "less than or equal to 16384"),
    ],
)
def test_input_keys_that_contradict_each_other_are_refused(keys: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        spec(**keys)
