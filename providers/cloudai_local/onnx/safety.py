"""What may be read for a model: regular files inside its folder, of bounded size, and never a pickle.

A model folder may come from anybody. Its graph and its manifest name files; here is decided which of them exist for
us. ONNX Runtime then gets the very bytes that were checked, and looks for external data in this folder alone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from cloudai.errors import ErrorCode, InvalidInput, TooLarge
from cloudai_local.onnx.graph_scan import scan

MODEL = "model.onnx"
MAX_MODEL_BYTES = 2 * 1024**3 - 1
"""Of `model.onnx` itself: a protocol buffer cannot be larger. Larger weights are external data."""
MAX_EXTERNAL_BYTES = 64 * 1024**3
"""Of all external data of one model."""
MAX_LABELS_BYTES = 4 * 1024**2

_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".ckpt")
_FOREIGN = {
    b"PK\x03\x04": "a zip archive (a PyTorch checkpoint?)",
    b"\x80": "a Python pickle",
    b"\x89HDF": "an HDF5 file (Keras?)",
    b"version https://git-lfs": "a Git LFS pointer: run `git lfs pull`",
    b"<": "a web page",
}
"""First bytes of what is often named model.onnx by mistake. None of them can begin an ONNX model."""
_EXPORT = "export it to ONNX, see docs/local-models.md"


def contained_file(folder: Path, name: str, *, limit: int, hard_links: bool = False) -> Path:
    """The resolved path of a file that a manifest or graph names.

    Raises `InvalidInput` for an absolute path, `..`, a link that leaves the folder, a file with several hard links
    (which may be anyone's), anything that is not a regular file; `TooLarge` over `limit` bytes.
    """
    _refuse_name(folder, name)
    root = folder.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise InvalidInput(f"{folder}: {name!r} is a link that leaves the model's folder; put the file itself there")
    try:
        found = path.lstat()
    except OSError as error:
        raise InvalidInput(f"{folder}: {name!r} is not there", code=ErrorCode.NOT_FOUND) from error
    if not stat.S_ISREG(found.st_mode):
        raise InvalidInput(f"{folder}: {name!r} is not a regular file")
    if found.st_nlink > 1 and not hard_links:
        raise InvalidInput(f"{folder}: {name!r} has {found.st_nlink} hard links, so it may lie elsewhere too; copy it")
    if found.st_size > limit:
        raise TooLarge(f"{folder}: {name!r} has {found.st_size:,} bytes; the limit is {limit:,}")
    return path


def _refuse_name(folder: Path, name: str) -> None:
    """By the words alone. `*` is how ONNX Runtime writes addresses in memory; `\\` and `:` are Windows paths."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute():
        raise InvalidInput(f"{folder}: {name!r} leaves the model's folder")
    if any(letter in name for letter in "*\\:\0"):
        raise InvalidInput(f"{folder}: {name!r} is not a plain file name")


def read_model(folder: Path) -> bytes:
    """The content of `model.onnx`, after everything that it refers to was checked.

    Raises `InvalidInput` when it is missing, empty, damaged, something else, or refers to files outside `folder`.
    """
    path = _model_path(folder)
    data = path.read_bytes()
    if not data:
        raise InvalidInput(f"{path} is empty")
    for magic, what in _FOREIGN.items():
        if data.startswith(magic):
            raise InvalidInput(f"{path} is {what}, not an ONNX model; {_EXPORT}")
    try:
        found = scan(data)
    except InvalidInput as error:
        raise InvalidInput(f"{path} is not an ONNX model: {error.message}") from error
    if b"EPContext" in found.operators:
        raise InvalidInput(f"{path} was compiled for one device and refers to its cache; give the ONNX model itself")
    _check_external(folder, found.locations)
    return data


def _model_path(folder: Path) -> Path:
    if not os.path.lexists(folder / MODEL):
        pickles = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in _PICKLES)
        if pickles:
            raise InvalidInput(f"{folder} has {pickles[0]}, a Python pickle, which is never loaded; {_EXPORT}")
        raise InvalidInput(f"{folder} has no {MODEL}; {_EXPORT}", code=ErrorCode.NOT_FOUND)
    return contained_file(folder, MODEL, limit=MAX_MODEL_BYTES, hard_links=True)


def _check_external(folder: Path, locations: frozenset[bytes]) -> None:
    total = 0
    for location in sorted(locations):
        try:
            name = location.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidInput(f"{folder}: external data in {location!r}, which is no UTF-8 name") from None
        total += contained_file(folder, name, limit=MAX_EXTERNAL_BYTES).stat().st_size
    if total > MAX_EXTERNAL_BYTES:
        raise TooLarge(f"{folder} has {total:,} bytes of external data; the limit is {MAX_EXTERNAL_BYTES:,}")
