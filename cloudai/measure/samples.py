"""The user's samples: tensors in `.npz` or `.npy` files, or a folder of pictures; cut into batches of any size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from cloudai.errors import InvalidInput
from cloudai.measure.record import Content

if TYPE_CHECKING:
    import numpy.typing as npt

    from cloudai.serving.engine import Engine, Port

    Array: TypeAlias = npt.NDArray[Any]

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"})
MOST_BYTES = 2 * 1024**3


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Either arrays by input name (first dimension: samples), or paths of pictures."""

    content: Content
    arrays: Mapping[str, Array]
    pictures: tuple[Path, ...] = ()

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(self.pictures) or min((len(array) for array in self.arrays.values()), default=0)

    def feed(self, start: int, batch: int) -> dict[str, Array]:
        """Samples from `start` on, from the first again after the last."""
        import numpy as np

        at = [number % self.count for number in range(start, start + batch)]
        return {name: np.ascontiguousarray(array[at]) for name, array in self.arrays.items()}

    def some_pictures(self, start: int, batch: int) -> list[Path]:
        """Pictures from `start` on, from the first again after the last."""
        return [self.pictures[number % self.count] for number in range(start, start + batch)]


def load(path: Path, engine: Engine) -> Samples:
    """Reads samples for a model. Raises `InvalidInput` that says what the model takes."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    if not files:
        raise InvalidInput(f"{path} has no samples: give an .npz, an .npy or a folder of pictures")
    if sum(file.stat().st_size for file in files) > MOST_BYTES:
        raise InvalidInput(f"{path} is larger than 2 GiB: a few hundred samples are enough")
    pictures = tuple(file for file in files if file.suffix.lower() in PICTURES)
    if pictures:
        return Samples(content=content(path, pictures, len(pictures)), arrays={}, pictures=pictures)
    arrays = _arrays([file for file in files if file.suffix in (".npz", ".npy")], engine.inputs)
    counts = {len(array) for array in arrays.values()}
    if len(counts) != 1 or not counts - {0}:
        raise InvalidInput(f"{path}: the inputs have different numbers of samples, or none: {sorted(counts)}")
    return Samples(content=content(path, files, counts.pop()), arrays=arrays)


def _arrays(files: Sequence[Path], inputs: Sequence[Port]) -> dict[str, Array]:
    """By input name: as an `.npz` names them, by the names of `.npy` files, or the only one there is."""
    found: dict[str, Array] = {}
    for file in files:
        found |= _read(file)
    if len(found) == len(inputs) == 1:
        found = {inputs[0].name: next(iter(found.values()))}
    said = ", ".join(map(str, inputs))
    if set(found) != {port.name for port in inputs}:
        raise InvalidInput(f"the model takes {said}; the samples have {', '.join(sorted(found)) or 'no arrays'}")
    for port in inputs:
        array = found[port.name]
        one = array[:1]
        if array.dtype != port.dtype or not (port.takes(one.shape) or _fixed(port, array)):
            given = f"{array.dtype.name}{list(array.shape)}"
            raise InvalidInput(f"input {port.name}: the model takes {port}, the samples are {given}")
    return found


def _fixed(port: Port, array: Array) -> bool:
    """Whether samples fit a graph with a fixed number of rows."""
    return port.shape is not None and port.takes((port.shape[0] or 1, *array.shape[1:]))


def _read(file: Path) -> dict[str, Array]:
    import numpy as np

    try:
        loaded = np.load(file, allow_pickle=False)
        if file.suffix == ".npz":
            with loaded:
                return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInput(f"{file} can't be read as arrays: {error}") from error
    if not getattr(loaded, "shape", ()):
        raise InvalidInput(f"{file} holds no samples: its first dimension counts them")
    return {file.stem: loaded}


def content(root: Path, files: Iterable[Path], samples: int | None = None) -> Content:
    """Names and contents of files under one hash."""
    whole, count = hashlib.sha256(), 0
    for file in files:
        name = file.name if file == root else file.relative_to(root).as_posix()
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        whole.update(f"{name}\0{digest}\n".encode())
        count += 1
    return Content(name=root.resolve().name, sha256=whole.hexdigest(), files=count, samples=samples)
