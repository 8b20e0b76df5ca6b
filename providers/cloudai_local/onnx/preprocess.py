"""From an image to the tensor a graph takes, as `[input]` of `model.toml` says.

Pillow's filters smooth when they shrink, as torchvision's transforms do on Pillow images; a model trained on images
shrunk without smoothing (OpenCV's default) sees slightly other pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cloudai.calls.pixels import decode
from cloudai.errors import InvalidInput
from cloudai_local.onnx.manifest import Color, ImageInput, Layout, Resize

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL import Image

    from cloudai.types.media import Media


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where the upright image lies in the input: input pixel = image pixel * scale + offset."""

    width: int
    height: int
    scale_x: float
    scale_y: float
    offset_x: float = 0.0
    offset_y: float = 0.0

    def to_fractions(self, corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """`[A, 4]` corners in input pixels -> fractions of the image, cut off at its edges."""
        offset = np.array([self.offset_x, self.offset_y] * 2)
        length = np.array([self.scale_x * self.width, self.scale_y * self.height] * 2)
        return np.asarray(np.clip((corners - offset) / length, 0.0, 1.0))


def whole(size: tuple[int, int]) -> Placement:
    """The placement of a tensor that was given as it is: fractions are those of the tensor."""
    return Placement(width=size[1], height=size[0], scale_x=1.0, scale_y=1.0)


def prepare(media: Media, spec: ImageInput) -> tuple[npt.NDArray[Any], Placement]:
    """One row (without the batch dimension), in the manifest's layout and dtype. Raises `InvalidInput`."""
    if media.data is None:
        raise InvalidInput(f"{media.uri} is an address; a local model needs the image itself")
    image, placement = _fitted(_in_color(decode(media), spec.color), spec)
    pixels = np.asarray(image)
    pixels = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    if spec.color is Color.BGR:
        pixels = pixels[:, :, ::-1]
    values = _normalised(pixels, spec)
    if spec.layout is Layout.NCHW:
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values, dtype=spec.dtype), placement


def _in_color(image: Image.Image, color: Color) -> Image.Image:
    """Eight bits per channel; what shines through a transparent image is white."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).clip(0, 65_535) // 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("L" if color is Color.L else "RGB")


def _normalised(pixels: npt.NDArray[np.uint8], spec: ImageInput) -> npt.NDArray[Any]:
    if spec.dtype == "uint8":
        return pixels
    values = pixels.astype(np.float32) * np.float32(spec.factor)
    if spec.mean:
        values -= np.array(spec.mean, dtype=np.float32)
    if spec.std:
        values /= np.array(spec.std, dtype=np.float32)
    return values


# --- from any size to the input's --------------------------------------------------------------------


def _fitted(image: Image.Image, spec: ImageInput) -> tuple[Image.Image, Placement]:
    if spec.resize is Resize.STRETCH:
        height, width = spec.size
        return _scaled(image, width, height, spec), _placed(image, width, height, 0, 0)
    return _cropped(image, spec) if spec.resize is Resize.SHORTEST else _letterboxed(image, spec)


def _cropped(image: Image.Image, spec: ImageInput) -> tuple[Image.Image, Placement]:
    """torchvision's Resize and CenterCrop, with their rounding (transforms/v2/functional/_geometry.py)."""
    height, width = spec.size
    if spec.crop_from is None:
        factor = max(width / image.width, height / image.height)
        full = (max(width, round(image.width * factor)), max(height, round(image.height * factor)))
    else:
        shorter = min(image.size)
        full = (image.width * spec.crop_from // shorter, image.height * spec.crop_from // shorter)
    left, top = round((full[0] - width) / 2), round((full[1] - height) / 2)
    cropped = _scaled(image, *full, spec).crop((left, top, left + width, top + height))
    return cropped, _placed(image, *full, -left, -top)


def _letterboxed(image: Image.Image, spec: ImageInput) -> tuple[Image.Image, Placement]:
    """The whole image in the middle, the rest filled with `pad`."""
    from PIL import Image

    height, width = spec.size
    factor = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas = Image.new(image.mode, (width, height), (spec.pad,) * len(image.getbands()))
    canvas.paste(_scaled(image, *inner, spec), (left, top))
    return canvas, _placed(image, *inner, left, top)


def _scaled(image: Image.Image, width: int, height: int, spec: ImageInput) -> Image.Image:
    from PIL.Image import Resampling

    return image.resize((width, height), Resampling[spec.interpolation.name])


def _placed(image: Image.Image, width: int, height: int, left: int, top: int) -> Placement:
    return Placement(
        width=image.width,
        height=image.height,
        scale_x=width / image.width,
        scale_y=height / image.height,
        offset_x=left,
        offset_y=top,
    )
