"""What a caller encodes, `cloudai serve`'s own reader and Triton's client understand; and the other way round."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Literal

import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cloudai.errors import InvalidInput
from cloudai.serving.client import BINARY, HEADER_LENGTH, InferBody, decode, encode, error_of, infer_path, length_of
from cloudai.types.tensor import DATATYPES, Tensor
from cloudai.wirejson import Malformed

TYPES = tuple(DATATYPES)


def answered(body: InferBody) -> bytes:
    """The request's own tensors as an answer."""
    head = body.content if body.json_bytes is None else body.content[: body.json_bytes]
    request = json.loads(head)
    text = json.dumps({"model_name": "echo", "model_version": "3", "outputs": request["inputs"]}).encode()
    return text + body.content[len(head) :]


def length(body: InferBody, answer: bytes) -> int | None:
    return None if body.json_bytes is None else len(answer) - (len(body.content) - body.json_bytes)


def echoed(tensors: dict[str, Tensor], *, binary: bool) -> dict[str, Tensor]:
    body = encode(tensors, binary=binary)
    answer = answered(body)
    return dict(decode(answer, length(body, answer)).outputs)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    order: Literal["<", ">"] = draw(st.sampled_from(("<", ">")))
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    elements = arrays.from_dtype(dtype, allow_nan=False, allow_infinity=False)
    array = draw(arrays.arrays(dtype, shape, elements=elements)).astype(dtype.newbyteorder(order))
    return Tensor(array.T if draw(st.booleans()) else array)


@given(given=st.dictionaries(st.text(min_size=1, max_size=5), tensors(), min_size=1, max_size=3), binary=st.booleans())
def test_every_datatype_byte_order_and_layout_comes_back_equal(given: dict[str, Tensor], binary: bool) -> None:
    assert echoed(given, binary=binary) == given


@pytest.mark.parametrize("binary", [True, False])
def test_texts_come_back_as_they_were(binary: bool) -> None:
    texts = Tensor(np.array([["", "ä€"], ["\n", "z" * 300]], dtype=object))
    assert echoed({"t": texts}, binary=binary) == {"t": texts}


def test_tritons_own_reader_of_answers_takes_what_we_encode() -> None:
    body = encode({"x": Tensor(np.arange(6, dtype=np.float32).reshape(2, 3))})
    answer = answered(body)
    read = triton.InferenceServerClient.parse_response_body(answer, header_length=length(body, answer))
    assert read.as_numpy("x").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_we_read_what_tritons_own_client_writes() -> None:
    floats, words = triton.InferInput("x", [1, 2], "FP16"), triton.InferInput("w", [2], "BYTES")
    floats.set_data_from_numpy(np.array([[1, -2]], np.float16))
    words.set_data_from_numpy(np.array([b"a", "ö".encode()], dtype=object))
    content, json_bytes = triton.InferenceServerClient.generate_request_body([floats, words])
    body = InferBody(content=content, json_bytes=json_bytes)
    answer = answered(body)
    found = decode(answer, length(body, answer)).outputs
    assert found["x"].array.tolist() == [[1, -2]]
    assert found["w"].array.tolist() == ["a", "ö"]


def test_headers_say_where_the_json_ends() -> None:
    body = encode({"x": Tensor(np.zeros(4, np.int64))})
    assert body.headers() == {"Content-Type": BINARY, HEADER_LENGTH: str(len(body.content) - 32)}
    assert encode({"x": Tensor(np.zeros(4))}, binary=False).headers() == {"Content-Type": "application/json"}


def test_a_nan_goes_as_bytes_and_never_as_json() -> None:
    tensor = Tensor(np.array([np.nan, np.inf], np.float32))
    assert np.isnan(echoed({"x": tensor}, binary=True)["x"].array[0])
    with pytest.raises(InvalidInput, match="binary"):
        encode({"x": tensor}, binary=False)


@pytest.mark.parametrize("array", [np.array([1j]), np.array([None], dtype=object), np.array(["2026"], "datetime64[Y]")])
def test_a_type_without_a_name_in_the_protocol_is_refused(array: Any) -> None:
    with pytest.raises(InvalidInput, match="input x"):
        encode({"x": Tensor(array)})


def test_an_answers_arrays_can_be_written_to() -> None:
    found = echoed({"x": Tensor(np.zeros(3, np.float32))}, binary=True)["x"].array
    found[0] = 1
    assert found.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("content", "json_bytes"),
    [
        (b"", None),
        (b"[]", None),
        (b"<html>", None),
        (b'{"outputs":[{"name":"y","datatype":"BF16","shape":[1],"data":[1]}]}', None),
        (b'{"outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":[1]}]}', None),
        (b'{"outputs":[{"name":"y","datatype":"INT8","shape":[1],"data":[1.5]}]}', None),
        (b'{"outputs":[{"name":"y","datatype":"FP32","shape":[-1],"data":[1]}]}', None),
        (b'{"outputs":[{"name":"y","datatype":"FP32","shape":[1099511627776],"data":[1]}]}', None),
        (b'{"outputs":[{"name":"y","datatype":"FP32","shape":[1]}]}', None),
        (b'{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}', None),
        (b'{"outputs":[]}xx', 14),
        (b'{"outputs":[]}', 15),
        (b'{"outputs":[]}', 0),
    ],
)
def test_an_answer_that_is_none_is_told(content: bytes, json_bytes: int | None) -> None:
    with pytest.raises(Malformed):
        decode(content, json_bytes)


@given(st.binary(max_size=200), st.none() | st.integers(-1, 250))
def test_no_bytes_make_the_reader_fail_otherwise(content: bytes, json_bytes: int | None) -> None:
    with suppress(Malformed):
        decode(content, json_bytes)


def test_paths_are_percent_encoded() -> None:
    assert infer_path("a/b c", "1.0") == "/v2/models/a%2Fb%20c/versions/1.0/infer"
    assert infer_path("m") == "/v2/models/m/infer"


def test_the_protocols_error_object_has_words() -> None:
    assert error_of(b'{"error": "no such model"}') == "no such model"
    assert error_of(b"<html>") is None
    assert length_of("12") == 12
    with pytest.raises(Malformed):
        length_of("-1")
