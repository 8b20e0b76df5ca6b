"""A tensor as the Open Inference Protocol v2 names it, over a numpy array that is imported by whoever uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

DATATYPES: Mapping[str, str] = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "float16": "FP16", "float32": "FP32", "float64": "FP64",
}  # fmt: skip
"""numpy name -> protocol name. https://github.com/kserve/open-inference-protocol (tensor data types)"""

_NUMPY = {protocol: numpy for numpy, protocol in DATATYPES.items()}


class Tensor:
    """An n-dimensional array with the protocol's datatype name.

    `Tensor(array)` takes a numpy array (not copied); JSON is `{"datatype", "shape", "data"}`, row-major.
    Strings are `BYTES`.
    """

    __slots__ = ("array",)

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return tuple(self.array.shape)

    @property
    def datatype(self) -> str:
        """`FP32`, `INT64`, `BOOL`, `BYTES`, ..."""
        return DATATYPES.get(self.array.dtype.name, "BYTES")

    def numpy(self) -> NDArray[Any]:
        """The array itself."""
        return self.array

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tensor):
            return NotImplemented
        same_form = self.datatype == other.datatype and self.shape == other.shape
        return same_form and bool((self.array == other.array).all())

    __hash__ = None  # type: ignore[assignment]  # it compares by content that may change

    def __repr__(self) -> str:
        return f"Tensor({self.datatype}, shape={self.shape})"

    def to_json(self) -> dict[str, str | list[int] | list[Any]]:
        """The protocol's JSON object without the name."""
        return {"datatype": self.datatype, "shape": list(self.shape), "data": self.array.reshape(-1).tolist()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tensor:
        """From the protocol's JSON object; raises `ValueError` when data and shape or datatype disagree."""
        import numpy as np

        if set(value) != {"datatype", "shape", "data"}:
            raise ValueError("a tensor has exactly datatype, shape and data")
        datatype = value["datatype"]
        if datatype != "BYTES" and datatype not in _NUMPY:
            raise ValueError(f"unknown tensor datatype {datatype!r}")
        dtype: np.dtype[Any] = np.dtype(object if datatype == "BYTES" else _NUMPY[datatype])
        return cls(np.asarray(value["data"], dtype=dtype).reshape(value["shape"]))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        python = core_schema.no_info_plain_validator_function(cls._validate)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_plain_validator_function(cls.from_json),
            python_schema=python,
            serialization=core_schema.plain_serializer_function_ser_schema(cls.to_json, when_used="json"),
        )

    @classmethod
    def _validate(cls, value: object) -> Tensor:
        if isinstance(value, Tensor):
            return value
        if hasattr(value, "dtype") and hasattr(value, "reshape"):
            return cls(cast("NDArray[Any]", value))  # numpy is not imported here
        if isinstance(value, Mapping):
            return cls.from_json(value)
        raise ValueError("give a numpy array or a Tensor")
