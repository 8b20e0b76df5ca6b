"""What a training script may use: its hyperparameters, where its inputs are and its model goes, and metrics.

    from cloudai.training import hparams, input_dir, log_metric, model_dir

    rate = hparams().get("rate", 0.1)
    log_metric("loss", 0.25, step=1)
    (model_dir() / "model.onnx").write_bytes(...)

The same on SageMaker, Vertex AI, Azure ML and here; outside of a run the functions answer the current folder's
`model`, `checkpoints` and `inputs/CHANNEL`. This file ships with each job beside the user's source, so that it is
there where cloudai is not installed: standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudai.training.export import export_onnx
    from cloudai.training.export_model import Exported, ExportError

    Scalar = str | int | float | bool

METRIC = "cloudai_metric"
ENVIRONMENT = "cloudai_environment"
OUTCOME = "cloudai_outcome"

__all__ = [
    "ExportError",
    "Exported",
    "LoggedMetric",
    "Outcome",
    "Surroundings",
    "checkpoint_dir",
    "environment_of",
    "export_onnx",
    "hparams",
    "input_dir",
    "log_metric",
    "metrics_of",
    "model_dir",
    "outcome_of",
    "rank",
    "world_size",
]


class LoggedMetric(NamedTuple):
    """One value that a run printed; NaN and infinities are kept."""

    name: str
    value: float
    step: int | None
    at: str | None
    """ISO 8601, UTC."""


class Outcome(NamedTuple):
    """The runner's last word."""

    code: int
    """0, the script's own exit code, or one of `runner.EXIT_CODES`."""
    message: str | None
    model: dict[str, str]
    """The model folder's files -> SHA-256."""


class Surroundings(NamedTuple):
    """What the script ran in, as the runner saw it."""

    python: str
    platform: str
    packages: dict[str, str]
    """Distribution -> version."""
    sha256: str
    submission: dict[str, object]
    """What it was made of: `script`, `hashes` of source and requirements, `hyperparameters`; empty: not said."""


# --- in the script ---------------------------------------------------------------------------------------


def hparams() -> dict[str, Scalar]:
    """The job's hyperparameters, with their types."""
    found: dict[str, Scalar] = json.loads(os.environ.get("CLOUDAI_HPARAMS") or "{}")
    return found


def input_dir(channel: str) -> Path:
    """Where the channel's files are. Raises `KeyError` within a run that has no such channel."""
    name = variable_of(channel)
    if name not in os.environ and "CLOUDAI_MODEL_DIR" in os.environ:
        known = sorted(key[len("CLOUDAI_INPUT_") :] for key in os.environ if key.startswith("CLOUDAI_INPUT_"))
        raise KeyError(f"no input channel {channel!r}; the job has: {', '.join(known) or 'none'}")
    return Path(os.environ.get(name) or Path("inputs") / channel)


def variable_of(channel: str) -> str:
    """`CLOUDAI_INPUT_TRAIN_IMAGES` of `train-images`."""
    return "CLOUDAI_INPUT_" + "".join(c if c.isalnum() and c.isascii() else "_" for c in channel).upper()


def model_dir() -> Path:
    """Where the model goes: made if it is not there, and kept when the run has ended."""
    return _folder("CLOUDAI_MODEL_DIR", "model")


def checkpoint_dir() -> Path:
    """Where checkpoints go: what is in it is there again when an interrupted run resumes."""
    return _folder("CLOUDAI_CHECKPOINT_DIR", "checkpoints")


def _folder(variable: str, otherwise: str) -> Path:
    folder = Path(os.environ.get(variable) or otherwise)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def rank() -> int:
    """This process among all of the run's; 0 writes the model."""
    return int(os.environ.get("CLOUDAI_RANK") or 0)


def world_size() -> int:
    """How many processes the run has."""
    return int(os.environ.get("CLOUDAI_WORLD_SIZE") or 1)


def log_metric(name: str, value: float, step: int | None = None) -> None:
    """Prints one line of JSON, which every platform keeps in its log and `run.metrics()` finds there."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = json.dumps({METRIC: {"name": name, "value": float(value), "step": step, "at": at}})
    sys.stdout.write(line + "\n")  # in one piece, also where Python does not buffer
    sys.stdout.flush()


# --- from the log ----------------------------------------------------------------------------------------


def metrics_of(lines: Iterable[str]) -> Iterator[LoggedMetric]:
    """The metrics in log lines. What a platform puts before the JSON (a time, a host) is skipped."""
    for found in _marked(lines, METRIC):
        try:
            step = found.get("step")
            name, value = str(found["name"]), float(found["value"])  # type: ignore[arg-type]
            at = found.get("at")
            yield LoggedMetric(name, value, int(step) if isinstance(step, int) else None, str(at) if at else None)
        except (KeyError, TypeError, ValueError):
            continue


def outcome_of(lines: Iterable[str]) -> Outcome | None:
    """The runner's last word in log lines; `None`: it was killed before it could say one."""
    last = None
    for found in _marked(lines, OUTCOME):
        message, code = found.get("message"), found.get("code")
        if isinstance(code, int):
            last = Outcome(code, str(message) if message else None, _texts(found.get("model")))
    return last


def environment_of(lines: Iterable[str]) -> Surroundings | None:
    """What the run ran in, from log lines; of several starts the last."""
    last = None
    for found in _marked(lines, ENVIRONMENT):
        words = [str(found.get(key) or "") for key in ("python", "platform", "sha256")]
        said = found.get("submission")
        submission = said if isinstance(said, dict) else {}
        last = Surroundings(words[0], words[1], _texts(found.get("packages")), words[2], submission)
    return last


def _marked(lines: Iterable[str], mark: str) -> Iterator[dict[str, object]]:
    start = '{"' + mark + '":'
    for line in lines:
        at = line.find(start)
        if at < 0:
            continue
        try:
            found, _ = json.JSONDecoder().raw_decode(line[at:])
        except ValueError:
            continue
        if isinstance(found.get(mark), dict):
            yield found[mark]


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


def __getattr__(name: str) -> object:
    """The export helpers are imported when they are used."""
    homes = {"export_onnx": "export", "Exported": "export_model", "ExportError": "export_model"}
    if name not in homes:
        raise AttributeError(f"module 'cloudai.training' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"cloudai.training.{homes[name]}"), name)
