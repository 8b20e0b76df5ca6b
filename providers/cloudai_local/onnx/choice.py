"""Which model folder serves an operation. Looks at `model.toml` files only; loads nothing heavy."""

from __future__ import annotations

from importlib.util import find_spec

from cloudai.errors import CloudAIError, InvalidInput, MissingDependency
from cloudai_local.folders import ModelFolder, Task, find_model, model_folders, search_path
from cloudai_local.settings import LocalSettings

INSTALL = "pip install 'cloudai[local]'"

SERVER = ("uvicorn", "httptools", "starlette", "orjson", "prometheus_client")
SERVER_INSTALL = "pip install 'cloudai[serve]'"

TASKS = {"vision.detect_labels": Task.CLASSIFY, "vision.detect_objects": Task.DETECT}
"""The task that a model folder must have to serve a managed operation."""

ONNX_TASKS = (Task.CLASSIFY, Task.DETECT, Task.EMBED, Task.TENSORS)
"""Tasks of folders that `custom.predict` takes."""


def serving_folder(settings: LocalSettings, operation: str, wanted: str | None = None) -> ModelFolder:
    """The folder that the call or the settings name for an operation, else the only one of its task.

    Raises `InvalidInput` for a name that is not there or has another task, and when several could serve;
    `MissingDependency` when none can.
    """
    task = TASKS[operation]
    name = wanted or settings.serve.get(operation)
    if name is not None:
        folder = find_model(settings, name)
        if folder.task is not task:
            raise InvalidInput(
                f"{operation} needs a model with task = {task.value!r}; {name} has {folder.task.value!r}"
            )
        return folder
    folders = model_folders(settings, task)
    if not folders:
        places = " or ".join(str(root) for root in search_path(settings))
        raise MissingDependency(
            f"no model folder with task = {task.value!r} in {places}",
            install="cloudai local models add PATH (a folder with model.onnx and model.toml, see docs/local-models.md)",
        )
    first, *others = folders
    if others:
        names = ", ".join(folder.name for folder in folders)
        raise InvalidInput(f'several models could serve {operation}: {names}. Set serve = {{"{operation}" = "NAME"}}')
    return first


def require_runtime() -> None:
    """Raises `MissingDependency` where ONNX Runtime or numpy is not installed. Looks, imports nothing."""
    absent = [package for package in ("onnxruntime", "numpy") if find_spec(package) is None]
    if absent:
        raise MissingDependency(f"{' and '.join(absent)} not installed", install=INSTALL)


def gap(settings: LocalSettings, operation: str) -> str | None:
    """Why this machine cannot serve an operation by a model folder; `None` when it can."""
    try:
        require_runtime()
        if operation in TASKS:
            serving_folder(settings, operation)
    except CloudAIError as error:
        return error.message
    return None


def gap_of_server() -> str | None:
    """Why this machine can't run `cloudai serve`; `None` when it can."""
    return _absent(*SERVER)


def gap_of_batches() -> str | None:
    """Why this machine can't answer lines of the protocol; `None` when it can."""
    return _absent("orjson")


def _absent(*names: str) -> str | None:
    absent = [name for name in (*names, "onnxruntime", "numpy") if find_spec(name) is None]
    return f"{', '.join(absent)} not installed: {SERVER_INSTALL}" if absent else None
