"""One tensor's JSON and bytes: what goes out comes in again, and nothing that is no value of the datatype comes in."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cloudai.errors import InvalidInput
from cloudai.serving import tensors
from cloudai.serving.engine import Port
from cloudai.types.tensor import DATATYPES

DTYPES = [np.dtype(name) for name in DATATYPES]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def port(dtype: np.dtype) -> Port:
    return Port(name="x", datatype=DATATYPES.get(dtype.name, "BYTES"), dtype=dtype, shape=None)


def numbers(dtype: np.dtype) -> st.SearchStrategy:
    finite = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    return hnp.arrays(dtype, SHAPES, elements=hnp.from_dtype(dtype, **finite))


ARRAYS = st.sampled_from(DTYPES).flatmap(numbers)
TEXTS = hnp.arrays(object, SHAPES, elements=st.text(max_size=8))


@given(ARRAYS)
def test_numbers_come_back_from_json(array: np.ndarray) -> None:
    data = orjson.loads(orjson.dumps(tensors.to_json(array), option=orjson.OPT_SERIALIZE_NUMPY))
    back = tensors.from_json(port(array.dtype), array.shape, data)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)


@given(ARRAYS)
def test_nested_lists_are_the_same_as_flat_ones(array: np.ndarray) -> None:
    if array.ndim:
        nested = tensors.from_json(port(array.dtype), array.shape, array.tolist())
        np.testing.assert_array_equal(nested, array)


@given(st.one_of(ARRAYS, TEXTS), st.binary(max_size=9))
def test_bytes_come_back_wherever_they_lie(array: np.ndarray, before: bytes) -> None:
    data = tensors.to_bytes(array)
    back = tensors.from_bytes(port(array.dtype), array.shape, before + data + b"!", len(before), len(data))
    assert (back.dtype, back.shape, back.flags.aligned) == (array.dtype, array.shape, True)
    np.testing.assert_array_equal(back, array)


@given(TEXTS)
def test_texts_come_back_from_json(array: np.ndarray) -> None:
    data = orjson.loads(orjson.dumps(tensors.to_json(array)))
    np.testing.assert_array_equal(tensors.from_json(port(array.dtype), array.shape, data), array)


@given(st.sampled_from([dtype for dtype in DTYPES if dtype.kind in "iu"]), st.integers(-(2**70), 2**70))
def test_a_whole_number_is_taken_exactly_or_refused(dtype: np.dtype, value: int) -> None:
    limits = np.iinfo(dtype)
    if limits.min <= value <= limits.max:
        assert int(tensors.from_json(port(dtype), (1,), [value])[0]) == value
    else:
        with pytest.raises(InvalidInput):
            tensors.from_json(port(dtype), (1,), [value])


WRONG = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(), st.none(), max_size=1),
)


@given(st.sampled_from(DTYPES), WRONG)
def test_what_is_no_number_is_refused(dtype: np.dtype, value: object) -> None:
    with pytest.raises(InvalidInput):
        tensors.from_json(port(dtype), (2,), [1 if dtype.kind != "b" else True, value])


@given(st.sampled_from(DTYPES), SHAPES, st.binary(max_size=64))
def test_bytes_of_another_length_are_refused(dtype: np.dtype, shape: tuple[int, ...], data: bytes) -> None:
    if len(data) != int(np.prod(shape)) * dtype.itemsize:
        with pytest.raises(InvalidInput, match="binary_data_size"):
            tensors.from_bytes(port(dtype), shape, data, 0, len(data))


@given(st.binary(max_size=40), hnp.array_shapes(max_dims=2, max_side=3))
def test_any_bytes_are_texts_or_refused(data: bytes, shape: tuple[int, ...]) -> None:
    try:
        found = tensors.from_bytes(port(np.dtype(object)), shape, data, 0, len(data))
    except InvalidInput:
        return
    assert tensors.to_bytes(found) == data
