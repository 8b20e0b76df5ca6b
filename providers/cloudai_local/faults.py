"""What an exception that reached the local driver means, told by its class, never by its words."""

from __future__ import annotations

import shutil
import subprocess

from cloudai.errors import Delivery, ErrorCode, Fault

ONNXRUNTIME = "onnxruntime.capi.onnxruntime_pybind11_state"

_ONNXRUNTIME_CODES = {
    "InvalidArgument": ErrorCode.INVALID_INPUT,
    "InvalidGraph": ErrorCode.INVALID_INPUT,
    "InvalidProtobuf": ErrorCode.INVALID_INPUT,
    "NoModel": ErrorCode.NOT_FOUND,
    "NoSuchFile": ErrorCode.NOT_FOUND,
    "NotImplemented": ErrorCode.UNSUPPORTED,
}
"""onnxruntime has one Python class per status code (onnxruntime/python/onnxruntime_pybind_exceptions.cc)."""

_CODES: tuple[tuple[type[Exception], ErrorCode], ...] = (
    (subprocess.TimeoutExpired, ErrorCode.DEADLINE_EXCEEDED),
    (TimeoutError, ErrorCode.DEADLINE_EXCEEDED),
    (subprocess.CalledProcessError, ErrorCode.INTERNAL),
    (FileNotFoundError, ErrorCode.NOT_FOUND),
    (PermissionError, ErrorCode.PERMISSION_DENIED),
    (MemoryError, ErrorCode.TOO_LARGE),
    (OSError, ErrorCode.INTERNAL),  # the disk is full, the file system is read-only
)


def fault_of(error: Exception) -> Fault | None:
    """`None` for a class that is none of an engine's: a defect of our own. Nothing was left done, nothing is billed."""
    if type(error).__module__ == ONNXRUNTIME:
        code = _ONNXRUNTIME_CODES.get(type(error).__name__, ErrorCode.INTERNAL)
        return Fault(code=code, message=_first_line(error), delivery=Delivery.REFUSED)
    for kind, code in _CODES:
        if isinstance(error, kind):
            # What could not be written is taken back: a job or an endpoint is there as a whole, or not at all.
            delivery = Delivery.NOT_SENT if kind is OSError else Delivery.REFUSED
            return Fault(code=code, message=_words(error) or "out of memory", delivery=delivery)
    return None


def _words(error: Exception) -> str:
    """Of a file: which, and what the system says of it. A copied folder's error has a list: the first of it."""
    if isinstance(error, shutil.Error):
        source, target, why = error.args[0][0]
        return f"{target}: {why.partition(': ')[0].partition('] ')[2] or f'is no copy of {source}'}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else f"on this machine: {error.strerror}"
    return _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
