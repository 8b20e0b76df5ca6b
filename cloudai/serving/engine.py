"""What a provider brings to be served: models with named inputs and outputs, and a folder that they come from."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

Key: TypeAlias = tuple[str, str]
"""Name and version of a model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """One input or output of a model."""

    name: str
    datatype: str
    """The protocol's: `FP32`, `INT64`, `BOOL`, `BYTES`, ..."""
    dtype: np.dtype[Any]
    """numpy's; `object` (of `str`) for `BYTES`."""
    shape: tuple[int | None, ...] | None
    """`None` for a length that varies; `None` as a whole when any shape is taken."""

    def takes(self, shape: Sequence[int]) -> bool:
        """Whether a tensor may have this shape."""
        if self.shape is None:
            return True
        if len(shape) != len(self.shape):
            return False
        for have, want in zip(shape, self.shape, strict=True):  # noqa: SIM110  # a generator costs more than the loop
            if have != want and want is not None:
                return False
        return True

    def wire_shape(self) -> list[int]:
        """As metadata has it: -1 for a length that varies."""
        return [-1] if self.shape is None else [-1 if length is None else length for length in self.shape]

    def __str__(self) -> str:
        return f"{self.name} {self.datatype}{self.wire_shape()}"


MAX_BATCH = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How requests for one model are gathered and limited."""

    max_batch: int = MAX_BATCH
    """Most rows of one run; 1: requests are never joined."""
    max_delay: float = 0.0
    """Seconds that an idle engine waits for more rows; 0: requests are joined only while it is busy."""
    max_queue: int = 256
    """Most requests that wait; the next one is told to come again."""
    parallel: int = 1
    """Runs at the same time."""


class Engine(Protocol):
    """One loaded model. `run` is called from many threads at once."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def platform(self) -> str:
        """What runs it: `onnxruntime_onnx`."""
        ...

    @property
    def device(self) -> str:
        """`cpu`, `cuda:0`, ..."""
        ...

    @property
    def inputs(self) -> Sequence[Port]: ...
    @property
    def outputs(self) -> Sequence[Port]: ...
    @property
    def rows(self) -> bool:
        """The first dimension of all inputs and outputs is a batch of any length."""
        ...

    @property
    def policy(self) -> Policy: ...

    def run(self, names: list[str], feed: dict[str, Array]) -> list[Array]:
        """Outputs of these names. Raises `InvalidInput` for tensors that the graph can't take after all."""
        ...

    def close(self) -> None:
        """Release memory. Called once, when nothing runs."""
        ...


class ModelSource(Protocol):
    """A folder of models."""

    def scan(self) -> Mapping[Key, Hashable]:
        """What is there now, each with a mark that changes when any of its files does. Cheap: looks, does not load."""
        ...

    def load(self, key: Key) -> Engine:
        """Opens one. Raises `CloudAIError` that names the file and what is wrong with it."""
        ...


@runtime_checkable
class ServesModels(Protocol):
    """A provider whose models can be served: the optional part of `cloudai.driver.Provider`."""

    def open_models(self, folder: Path, *, device: str, threads: int | None) -> ModelSource:
        """`device` is `auto`, `cpu` or `cuda`; `threads` those inside one run, `None` the engine's own choice.

        Raises `CloudAIError` when the folder or the device is not there.
        """
        ...
