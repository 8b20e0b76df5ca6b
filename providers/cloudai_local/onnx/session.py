"""One ONNX Runtime session, shared by all threads: its inputs and outputs, checked feeds, and runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, Unsupported
from cloudai.types.tensor import DATATYPES, Tensor
from cloudai_local.faults import ONNXRUNTIME, fault_of
from cloudai_local.onnx import execution
from cloudai_local.settings import LocalSettings

if TYPE_CHECKING:
    import numpy.typing as npt

    from cloudai.types.results import Notice

    Array: TypeAlias = npt.NDArray[Any]

_DTYPES = {
    "bool": "bool", "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
    "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "float16": "float16", "float": "float32", "double": "float64", "string": "object",
}  # fmt: skip
"""What ONNX Runtime writes in `tensor(...)` -> numpy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """One input or output of the graph. `shape` has `None` for a length that varies; `()` also when none is given."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    @property
    def datatype(self) -> str:
        """As in a `Tensor`: `FP32`, ..., `BYTES`."""
        return DATATYPES.get(self.dtype.name, "BYTES")

    def __str__(self) -> str:
        return f"{self.name} {form(self.datatype, self.shape)}"

    def takes(self, array: Array) -> bool:
        """Whether an array has this type and shape, without a cast."""
        if array.dtype is not self.dtype and array.dtype != self.dtype and not self._takes_text(array):
            return False
        shape = array.shape
        if len(shape) != len(self.shape):
            return not self.shape
        for have, want in zip(shape, self.shape, strict=True):  # noqa: SIM110  # a generator costs more than the loop
            if have != want and want is not None:
                return False
        return True

    def _takes_text(self, array: Array) -> bool:
        return self.dtype.kind == "O" and array.dtype.kind == "U"

    def zeros(self, shape: Sequence[int] | None = None) -> Array:
        """Something to warm up with: lengths that vary are 1."""
        lengths = tuple(1 if length is None else length for length in self.shape) if shape is None else tuple(shape)
        return np.full(lengths, "", dtype=object) if self.dtype.kind == "O" else np.zeros(lengths, dtype=self.dtype)


def form(datatype: str, shape: Sequence[int | None]) -> str:
    """`FP32[-1, 3, 224, 224]`."""
    return f"{datatype}[{', '.join('-1' if length is None else str(length) for length in shape)}]"


class GraphSession:
    """An open graph. `run` may be called from many threads at once: ONNX Runtime's `Run` is thread-safe."""

    def __init__(self, model: bytes, *, folder: Path, settings: LocalSettings) -> None:
        """`model` is the checked content of `model.onnx`; external data is looked for in `folder` and nowhere else."""
        self.raw, self.notice = _open(model, folder, settings)
        loaded = self.raw.get_providers()
        self.device = execution.device_of(loaded, self.raw.get_provider_options())
        self.inputs = tuple(_port(node) for node in self.raw.get_inputs())
        self.outputs = tuple(_port(node) for node in self.raw.get_outputs())
        self.output_names = [port.name for port in self.outputs]
        bindable = loaded[0] in execution.ON_NVIDIA and all(port.dtype.kind != "O" for port in self.inputs)
        self.run: Callable[[list[str], dict[str, Array]], list[Array]] = self._run_on_gpu if bindable else self.raw.run
        """Output names and a feed of arrays -> arrays in host memory."""

    def narrow(self, inputs: Sequence[Port]) -> None:
        """Take the manifest's lengths where the graph leaves them open. Called once, while loading."""
        self.inputs = tuple(inputs)

    def feed(self, tensors: Mapping[str, Tensor]) -> dict[str, Array]:
        """Arrays by input name. Raises `InvalidInput` with both forms where a name, type or shape differs."""
        feed = {}
        for port in self.inputs:
            tensor = tensors.get(port.name)
            if tensor is None:
                raise self._names(tensors)
            array = tensor.array
            if not port.takes(array):
                given = form(tensor.datatype, tensor.shape)
                raise InvalidInput(
                    f"input {port.name}: the model takes {form(port.datatype, port.shape)}, given was {given}"
                )
            feed[port.name] = array
        if len(tensors) != len(feed):
            raise self._names(tensors)
        return feed

    def choose_outputs(self, names: Sequence[str]) -> list[str]:
        """All, or those asked for. Raises `InvalidInput` for one that the graph has not."""
        if not names:
            return self.output_names
        for name in names:
            if name not in self.output_names:
                raise InvalidInput(f"no output {name!r}; the model has {', '.join(map(str, self.outputs))}")
        return list(names)

    def _names(self, tensors: Mapping[str, Tensor]) -> InvalidInput:
        given = ", ".join(sorted(tensors)) or "none"
        return InvalidInput(f"the model takes the inputs {', '.join(map(str, self.inputs))}; given were: {given}")

    def _run_on_gpu(self, names: list[str], feed: dict[str, Array]) -> list[Array]:
        return run_bound(self.raw, names, feed, memory="cuda", number=int(self.device.rpartition(":")[2]))


def run_bound(session: Any, names: list[str], feed: dict[str, Array], *, memory: str, number: int) -> list[Array]:
    """A run whose inputs are copied to a device once, and whose outputs stay there until all are computed.

    https://onnxruntime.ai/docs/performance/tune-performance/iobinding.html (read 2026-11-21)
    """
    import onnxruntime

    binding = session.io_binding()
    for name, array in feed.items():
        there = onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(array, order="C"), memory, number)
        binding.bind_ortvalue_input(name, there)
    for name in names:
        binding.bind_output(name, memory, number)
    session.run_with_iobinding(binding)
    copied: list[Array] = binding.copy_outputs_to_cpu()
    return copied


def _open(model: bytes, folder: Path, settings: LocalSettings) -> tuple[Any, Notice | None]:
    import onnxruntime

    names = execution.wanted(settings, onnxruntime.get_available_providers())
    if names[0] in execution.ON_NVIDIA:
        execution.find_cuda_libraries()
    why = ""
    try:
        session = _create(model, folder, settings, names)
    except Exception as error:
        if settings.execution_providers or names == (execution.CPU,):
            raise _refused(folder, error) from error
        why = str(error).strip().partition("\n")[0]
        session = _open_on_cpu(model, folder, settings)
    return session, execution.not_loaded(settings, names, session.get_providers(), why)


def _open_on_cpu(model: bytes, folder: Path, settings: LocalSettings) -> Any:
    try:
        return _create(model, folder, settings, (execution.CPU,))
    except Exception as error:
        raise _refused(folder, error) from error


def _create(model: bytes, folder: Path, settings: LocalSettings, names: Sequence[str]) -> Any:
    """Nothing is taken from the model but its graph: no session options, no other format, no silent fallback."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder.resolve()))
    if settings.threads is not None:
        options.intra_op_num_threads = settings.threads
    providers = [(name, dict(settings.provider_options.get(name, {}))) for name in names]
    return onnxruntime.InferenceSession(
        model, options, providers=providers, enable_fallback=0, read_config_from_model=0
    )


def _refused(folder: Path, error: Exception) -> Exception:
    """ONNX Runtime's refusal of a model, in our words; anything else is passed on."""
    if type(error).__module__ != ONNXRUNTIME and not isinstance(error, RuntimeError | ValueError):
        return error
    fault = fault_of(error)
    first = str(error).strip().partition("\n")[0]
    kind: type[CloudAIError] = Unsupported if fault and fault.code is ErrorCode.UNSUPPORTED else InvalidInput
    return kind(f"{folder}: onnxruntime can't load model.onnx: {first}")


def _port(node: Any) -> Port:
    """Raises `Unsupported` for what is no plain tensor (a sequence, a map, bfloat16)."""
    words = node.type.removeprefix("tensor(").removesuffix(")")
    if words not in _DTYPES:
        raise Unsupported(f"{node.name} is a {node.type}; only tensors of {', '.join(_DTYPES)} are served")
    shape = tuple(length if isinstance(length, int) else None for length in node.shape)
    return Port(name=node.name, dtype=np.dtype(_DTYPES[words]), shape=shape)
