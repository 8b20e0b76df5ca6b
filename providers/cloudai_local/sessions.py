"""ONNX Runtime sessions for the speech engines: which execution providers, how many threads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

    from cloudai_local.settings import LocalSettings


def execution_providers(settings: LocalSettings) -> list[tuple[str, dict[str, str]]]:
    """Those of the settings, else CUDA where it is there, then CPU. Raises `InvalidInput` for one that is not there."""
    import onnxruntime

    there = onnxruntime.get_available_providers()
    wanted = settings.execution_providers or tuple(
        name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in there
    )
    absent = [name for name in wanted if name not in there]
    if absent:
        raise InvalidInput(
            f"execution_providers: {', '.join(absent)} not in this onnxruntime; it has {', '.join(there)}"
        )
    return [(name, dict(settings.provider_options.get(name, {}))) for name in wanted]


def session_options(settings: LocalSettings) -> SessionOptions:
    """Quiet, with the settings' threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if settings.threads is not None:
        options.intra_op_num_threads = settings.threads
    return options


def open_session(model: bytes, folder: Path, settings: LocalSettings) -> InferenceSession:
    """A session for a model that was read and checked; its external data is looked for in `folder` alone."""
    import onnxruntime

    options = session_options(settings)
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder.resolve()))
    try:
        return onnxruntime.InferenceSession(model, options, providers=execution_providers(settings))
    except Exception as error:
        raise InvalidInput(f"{folder}: ONNX Runtime can't load the model: {str(error).splitlines()[0]}") from error
