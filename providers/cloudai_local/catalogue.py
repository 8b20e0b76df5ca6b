"""What can be pulled by name: the shipped `models.toml`, and a catalogue of the user's own in the same form."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cloudai.errors import ErrorCode, InvalidInput
from cloudai_local.folders import Task

OWN = "CLOUDAI_MODEL_CATALOGUE"
"""Environment variable: the path of the user's own catalogue."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def checked_name(name: str) -> str:
    """A model's name is one folder's name. Raises `InvalidInput`."""
    if not _NAME.fullmatch(name) or name.endswith(".part"):
        raise InvalidInput(f"{name!r} is no name for a model: letters, digits, '.', '_' and '-'")
    return name


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or any(_NAME.fullmatch(part) is None for part in parts) or path == "model.toml":
        raise ValueError(f"{path!r} is no path inside a model folder")
    return path


def _with_task(manifest: str) -> str:
    try:
        task = tomllib.loads(manifest).get("task")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is no TOML: {error}") from error
    if task not in set(Task):
        raise ValueError(f"task = {task!r}; it is one of {', '.join(Task)}")
    return manifest


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PinnedFile(_Strict):
    """One file and what it must be."""

    path: Annotated[str, AfterValidator(_inside)]
    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Entry(_Strict):
    """One model that can be pulled. `manifest` becomes its `model.toml`."""

    title: str
    licence: str
    source: str
    repository: str = Field(pattern=r"^[\w.-]+(/[\w.-]+)*$")
    revision: str = Field(default="main", pattern=r"^[\w.-]+$")
    manifest: Annotated[str, AfterValidator(_with_task)]
    as_of: str
    pins: str
    files: tuple[PinnedFile, ...] = Field(min_length=1)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def url(self, hub: str, file: PinnedFile) -> str:
        """`HUB/REPOSITORY/resolve/REVISION/PATH`."""
        return f"{hub.rstrip('/')}/{self.repository}/resolve/{self.revision}/{file.path}"


def catalogue(own: Path | None = None) -> Mapping[str, Entry]:
    """All entries by name; the user's own (`own`, else `CLOUDAI_MODEL_CATALOGUE`) go before shipped ones.

    Raises `InvalidInput` that names the file and the key.
    """
    path = own or (Path(os.environ[OWN]) if os.environ.get(OWN) else None)
    shipped = _read(Path(__file__).parent / "models.toml")
    return shipped | (_read(path) if path is not None else {})


def entry(name: str, own: Path | None = None) -> Entry:
    """Raises `InvalidInput` (code `not_found`) that lists what there is."""
    entries = catalogue(own)
    if name not in entries:
        known = ", ".join(sorted(entries))
        raise InvalidInput(
            f"no model {name!r} in the catalogue; there are: {known}. For others: {OWN}", code=ErrorCode.NOT_FOUND
        )
    return entries[name]


def _read(path: Path) -> dict[str, Entry]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        return {checked_name(name): Entry.model_validate(table) for name, table in tables["models"].items()}
    except FileNotFoundError:
        raise InvalidInput(f"no catalogue {path}", code=ErrorCode.NOT_FOUND) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{path}: {key}: {first['msg']}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
        raise InvalidInput(f"{path} is no catalogue of models: {error!r}") from error
