"""Which execution provider of ONNX Runtime a session is opened on, and what to say when it is not the one wanted."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence

from cloudai.errors import MissingDependency, Unsupported
from cloudai.types.results import Notice
from cloudai_local.settings import LocalSettings

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
INSTALL_CUDA = "pip uninstall onnxruntime; pip install 'onnxruntime-gpu[cuda,cudnn]'"

_NUMBERED = {
    CUDA: "cuda",
    "TensorrtExecutionProvider": "tensorrt",
    "NvTensorRTRTXExecutionProvider": "tensorrt-rtx",
    "ROCMExecutionProvider": "rocm",
    "MIGraphXExecutionProvider": "migraphx",
    "DmlExecutionProvider": "dml",
}
"""Execution providers that take a `device_id`. https://onnxruntime.ai/docs/execution-providers/ (read 2026-11-21)"""
ON_NVIDIA = frozenset({CUDA, "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider"})
"""Their tensors live in CUDA memory."""


def wanted(settings: LocalSettings, available: Sequence[str]) -> tuple[str, ...]:
    """The configured providers, or CUDA where this build has it, then CPU.

    Raises `MissingDependency` or `Unsupported` for a configured one that this build of ONNX Runtime lacks.
    """
    if not settings.execution_providers:
        return (CUDA, CPU) if CUDA in available else (CPU,)
    for name in settings.execution_providers:
        if name in available:
            continue
        message = f"execution_providers: {name} is not in the installed onnxruntime, which has {', '.join(available)}"
        if name in ON_NVIDIA:
            raise MissingDependency(message, install=INSTALL_CUDA)
        raise Unsupported(message)
    return settings.execution_providers


def not_loaded(settings: LocalSettings, names: Sequence[str], loaded: Sequence[str], why: str = "") -> Notice | None:
    """What to say of wanted providers that did not load: `Unsupported` when they were configured, else a notice."""
    absent = [name for name in names if name not in loaded]
    if not absent:
        return None
    reason = why or "its libraries could not be loaded: for CUDA see `nvidia-smi`, and the CUDA and cuDNN it needs"
    if settings.execution_providers:
        raise Unsupported(f"execution_providers: {', '.join(absent)} did not load; {reason}")
    return Notice(
        code="fallback", message=f"ran on {device_of(loaded, {})}: {', '.join(absent)} did not load; {reason}"
    )


def device_of(loaded: Sequence[str], options: Mapping[str, Mapping[str, str]]) -> str:
    """`cpu`, `cuda:0`, or the first loaded provider in lower case."""
    first = loaded[0] if loaded else CPU
    if first in _NUMBERED:
        return f"{_NUMBERED[first]}:{options.get(first, {}).get('device_id', '0')}"
    return first.removesuffix("ExecutionProvider").lower()


def find_cuda_libraries() -> None:
    """Let CUDA and cuDNN that pip installed be found. What ONNX Runtime prints about it goes to standard error."""
    import onnxruntime

    with contextlib.redirect_stdout(sys.stderr):
        onnxruntime.preload_dlls()
