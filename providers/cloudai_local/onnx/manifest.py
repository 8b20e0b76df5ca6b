"""`model.toml` of a folder with `model.onnx`, typed: what goes into the graph and what its outputs mean.

docs/local-models.md explains each key. An error names the file and the key.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cloudai.errors import InvalidInput
from cloudai_local.folders import Task
from cloudai_local.onnx.safety import MAX_LABELS_BYTES, contained_file

if TYPE_CHECKING:
    from cloudai_local.folders import ModelFolder

Fraction = Annotated[float, Field(ge=0, le=1)]
Pixels = Annotated[int, Field(ge=1, le=16_384)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=())


class Resize(StrEnum):
    """How an image of any size becomes one of `size`."""

    STRETCH = "stretch"
    SHORTEST = "shortest"
    LETTERBOX = "letterbox"


class Layout(StrEnum):
    """Order of the input's dimensions: batch, channels, height, width."""

    NCHW = "NCHW"
    NHWC = "NHWC"


class Color(StrEnum):
    """Which channels, in which order. `L` is grey: ITU-R 601-2 luma, as Pillow makes it."""

    RGB = "RGB"
    BGR = "BGR"
    L = "L"

    @property
    def channels(self) -> int:
        """1 or 3."""
        return len(self.value)


class Interpolation(StrEnum):
    """Pillow's resampling filters, which smooth when they shrink."""

    NEAREST = "nearest"
    BOX = "box"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


class ImageInput(_Part):
    """`[input]`: pre-processing. `pixel * scale`, then `(x - mean) / std` per channel, in the order of `color`."""

    name: str | None = None
    size: tuple[Pixels, Pixels]
    """Height and width."""
    resize: Resize = Resize.STRETCH
    crop: Literal["center"] = "center"
    crop_from: Pixels | None = None
    """With `shortest`: the shorter side before the crop; `None`: as small as still covers `size`."""
    pad: int = Field(default=114, ge=0, le=255)
    """With `letterbox`: the value of the border."""
    interpolation: Interpolation = Interpolation.BILINEAR
    layout: Layout = Layout.NCHW
    color: Color = Color.RGB
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    scale: float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[Annotated[float, Field(gt=0)], ...] = ()

    @property
    def factor(self) -> float:
        """`scale`, or what most models were trained with: 1/255 for floats, 1 for bytes."""
        if self.scale is not None:
            return self.scale
        return 1.0 if self.dtype == "uint8" else 1 / 255

    def shape(self, batch: int) -> tuple[int, ...]:
        """Of the tensor that `batch` images become."""
        if self.layout is Layout.NCHW:
            return (batch, self.color.channels, *self.size)
        return (batch, *self.size, self.color.channels)

    @model_validator(mode="after")
    def _fits(self) -> ImageInput:
        for key, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (0, 1, self.color.channels):
                raise ValueError(f"{key} has {len(values)} values for the {self.color.channels} of color {self.color}")
        if self.dtype == "uint8" and (self.mean or self.std or self.factor != 1):
            raise ValueError("dtype uint8 takes pixels as they are: no scale, mean or std")
        if self.crop_from is not None and self.resize is not Resize.SHORTEST:
            raise ValueError('crop_from goes with resize = "shortest"')
        if self.crop_from is not None and self.crop_from < max(self.size):
            raise ValueError(f"crop_from = {self.crop_from} is smaller than size {list(self.size)}")
        return self


class Activation(StrEnum):
    """What makes the graph's numbers probabilities."""

    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    NONE = "none"


class Output(_Part):
    """`[output]`: of `classify` and `embed`, the activation of `detect` too."""

    name: str | None = None
    activation: Activation = Activation.NONE
    top_k: int | None = Field(default=5, ge=1)
    threshold: Fraction = 0.0


class BoxFormat(StrEnum):
    """What the four numbers of a box are: corners, corner and size, centre and size."""

    XYXY = "xyxy"
    YXYX = "yxyx"
    XYWH = "xywh"
    CXCYWH = "cxcywh"


class DetectLayout(StrEnum):
    """How boxes and scores lie in the outputs: N images, A candidates, C classes."""

    SEPARATE = "separate"
    CHANNELS_FIRST = "[N, 4+C, A]"
    CHANNELS_LAST = "[N, A, 4+C]"
    OBJECTNESS = "[N, A, 5+C]"
    FINISHED = "[N, A, 6]"


class Detect(_Part):
    """`[detect]`: which outputs hold boxes, scores and classes, and non-maximum suppression."""

    layout: DetectLayout = DetectLayout.SEPARATE
    output: str | None = None
    """The one output of every layout but `separate`."""
    boxes: str | None = None
    scores: str | None = None
    classes: str | None = None
    """Class numbers `[N, A]`; without it `scores` is `[N, A, C]`."""
    format: BoxFormat = BoxFormat.XYXY
    normalized: bool = False
    """Boxes are fractions of the input tensor; otherwise its pixels."""
    background: int | None = None
    """A class that means nothing is there: 0, or -1 for the last."""
    first_class: int = 0
    """What the graph's `classes` output calls the first label."""
    nms: bool = True
    class_agnostic: bool = False
    """Boxes of different classes suppress each other."""
    iou_threshold: Fraction = 0.5
    score_threshold: Fraction = 0.25
    max_objects: int = Field(default=100, ge=1, le=10_000)

    @model_validator(mode="after")
    def _outputs(self) -> Detect:
        if self.layout is DetectLayout.SEPARATE:
            if self.boxes is None or self.scores is None:
                raise ValueError("name the outputs boxes = and scores =, or give layout = for a single output")
            if self.output is not None:
                raise ValueError("output = goes with a layout of a single output")
        elif self.boxes or self.scores or self.classes:
            raise ValueError(f"layout {self.layout.value!r} is a single output: no boxes, scores or classes")
        return self


class Embed(_Part):
    """`[embed]`."""

    normalize: bool = True
    """To length 1 (Euclidean)."""


class Port(_Part):
    """One expected tensor. `shape` has -1 for a dimension that varies."""

    name: str
    datatype: Literal[
        "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
        "FP16", "FP32", "FP64", "BYTES",
    ]  # fmt: skip
    shape: tuple[Annotated[int, Field(ge=-1)], ...]


class Tensors(_Part):
    """`[[tensors.input]]` and `[[tensors.output]]`: the signature that the graph must have."""

    input: tuple[Port, ...] = ()
    output: tuple[Port, ...] = ()


class Serving(_Part):
    """`[serving]`: how `cloudai serve` gathers requests for this model. docs/serve.md"""

    max_batch: int | None = Field(default=None, ge=1, le=4096)
    """Most rows of one run; 1: requests are never joined. `None`: 32, where the graph says that rows are rows."""
    max_delay_ms: float = Field(default=0.0, ge=0, le=1000)
    max_queue: int = Field(default=256, ge=1, le=100_000)
    parallel: int = Field(default=1, ge=1, le=256)


class ClassLabel(_Part):
    """One class. `name` is as the model's authors wrote it."""

    name: str = Field(min_length=1)
    id: str | None = None
    parents: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class Manifest(_Part):
    """The whole of `model.toml`."""

    task: Literal[Task.CLASSIFY, Task.DETECT, Task.EMBED, Task.TENSORS]
    version: str = "1"
    description: str = ""
    license: str | None = None
    source: str | None = None
    labels: str | tuple[str | ClassLabel, ...] = ()
    """A text file in the folder with one name per line, or the names."""
    input: ImageInput | None = None
    output: Output = Output()
    detect: Detect | None = None
    embed: Embed = Embed()
    tensors: Tensors = Tensors()
    serving: Serving = Serving()

    @model_validator(mode="after")
    def _sections(self) -> Manifest:
        if self.task is not Task.TENSORS and self.input is None:
            raise ValueError(f"task {self.task.value!r} needs [input] with at least size = [height, width]")
        if self.task is Task.DETECT and self.detect is None:
            raise ValueError("task 'detect' needs [detect]")
        if self.task is Task.TENSORS and self.input is not None:
            raise ValueError("task 'tensors' takes no [input]; its tensors are sent as they are")
        if self.task is not Task.DETECT and self.detect is not None:
            raise ValueError(f"[detect] goes with task 'detect', not {self.task.value!r}")
        return self


def read_manifest(folder: ModelFolder) -> Manifest:
    """Raises `InvalidInput` that names the file and each wrong key."""
    try:
        return Manifest.model_validate(folder.manifest)
    except ValidationError as error:
        problems = "; ".join(_problem(".".join(map(str, item["loc"])), item["msg"]) for item in error.errors())
        raise InvalidInput(f"{folder.path / 'model.toml'}: {problems}") from error


def _problem(key: str, message: str) -> str:
    words = {"Extra inputs are not permitted": "unknown key", "Field required": "is missing"}
    text = words.get(message, message.removeprefix("Value error, "))
    return f"{key}: {text}" if key else text


def read_labels(folder: ModelFolder, manifest: Manifest) -> tuple[ClassLabel, ...]:
    """The classes in the graph's order; empty when `model.toml` names none."""
    labels = manifest.labels
    if not isinstance(labels, str):
        return tuple(ClassLabel(name=label) if isinstance(label, str) else label for label in labels)
    file = contained_file(folder.path, labels, limit=MAX_LABELS_BYTES)
    try:
        lines = file.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not UTF-8 text: {error}") from error
    empty = next((number for number, line in enumerate(lines, 1) if not line.strip()), None)
    if empty is not None:
        raise InvalidInput(f"{file}: line {empty} is empty; line n names class n-1")
    return tuple(ClassLabel(name=line.strip()) for line in lines)
