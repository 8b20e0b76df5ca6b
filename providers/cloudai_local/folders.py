"""Model folders: where they are looked for, and the part of `model.toml` that all of them share.

    my-models/
      flowers/model.toml      task = "classify"
      flowers/model.onnx
      whisper-base/model.toml task = "transcribe"

They are found in the backend's `models` folder, then in the user's cache, which `cloudai local models pull`
and `cloudai local models add` fill.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import platformdirs

from cloudai.errors import ErrorCode, InvalidInput
from cloudai_local.settings import LocalSettings


class Task(StrEnum):
    """What a model folder is for."""

    CLASSIFY = "classify"
    DETECT = "detect"
    EMBED = "embed"
    TENSORS = "tensors"
    FACES = "faces"
    TRANSCRIBE = "transcribe"
    SYNTHESIZE = "synthesize"
    TRANSLATE = "translate"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFolder:
    """One folder with a readable `model.toml`. `manifest` is the whole file: each engine types its own part."""

    name: str
    path: Path
    task: Task
    manifest: dict[str, Any]


def cache_folder() -> Path:
    """The user's own models: `CLOUDAI_CACHE`, or the platform's cache folder."""
    base = os.environ.get("CLOUDAI_CACHE")
    return (Path(base) if base else platformdirs.user_cache_path("cloudai")) / "models"


def read_folder(path: Path) -> ModelFolder:
    """Raises `InvalidInput` when `model.toml` is missing, unreadable or names no known task."""
    file = path / "model.toml"
    try:
        manifest = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"{path} has no model.toml: see docs/local-models.md") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{file}: {error}") from error
    task = manifest.get("task")
    if task not in set(Task):
        raise InvalidInput(f"{file}: task = {task!r}; it is one of {', '.join(Task)}")
    return ModelFolder(name=path.name, path=path, task=Task(task), manifest=manifest)


def search_path(settings: LocalSettings) -> tuple[Path, ...]:
    """Folders that may hold model folders, in order."""
    own = (settings.models,) if settings.models is not None else ()
    return (*own, cache_folder())


def model_folders(settings: LocalSettings, *tasks: Task) -> tuple[ModelFolder, ...]:
    """All folders for these tasks (all when none is given); an earlier folder hides a later one of its name.

    A folder whose `model.toml` is wrong is passed over: it says so when it is asked for by name (`find_model`).
    """
    found: dict[str, ModelFolder | None] = {}
    for root in search_path(settings):
        for file in sorted(root.glob("*/model.toml")):
            found.setdefault(file.parent.name, _readable(file.parent))
    return tuple(folder for folder in found.values() if folder and (not tasks or folder.task in tasks))


def _readable(path: Path) -> ModelFolder | None:
    try:
        return read_folder(path)
    except InvalidInput:
        return None


def find_model(settings: LocalSettings, name: str) -> ModelFolder:
    """One folder by name. Raises `InvalidInput`: `not_found` with what there is, or what is wrong with its manifest."""
    for root in search_path(settings):
        if (root / name / "model.toml").is_file() and Path(name).name == name:
            return read_folder(root / name)
    known = ", ".join(folder.name for folder in model_folders(settings)) or "none"
    places = ", ".join(str(root) for root in search_path(settings))
    raise InvalidInput(f"no model {name!r} in {places}; there are: {known}", code=ErrorCode.NOT_FOUND)
