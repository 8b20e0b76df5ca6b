"""`cloudai serve` against an independent client (`tritonclient`) and against requests that are wrong in every way."""

from __future__ import annotations

import gzip
import http.client
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from onnx import TensorProto
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

sys.path.insert(0, str(Path(__file__).parent))

import served
from served import Served, tensor

KINDS = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
VALUES: dict[str, list] = {
    "BOOL": [True, False],
    "UINT64": [2**64 - 1, 0],
    "INT64": [-(2**63), 2**63 - 1],
    "INT8": [-128, 127],
    "FP16": [0.5, -65504.0],
    "FP32": [1.5, -2.25],
    "FP64": [1e300, 0.1],
    "BYTES": ["", "größer \U0001f600"],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("models")
    served.scale(folder / "double", 2)
    served.scale(folder / "versions" / "1", 1, manifest="")
    served.scale(folder / "versions" / "10", 10, manifest="")
    (folder / "versions" / "model.toml").write_text(served.TENSORS)
    served.echo(folder / "echo", KINDS)
    for name, kind in KINDS.items():
        served.echo(folder / f"echo-{name}", {name: kind})
    with served.serving(folder) as running:
        yield running


@pytest.fixture
def client(server: Served) -> Iterator[triton.InferenceServerClient]:
    opened = triton.InferenceServerClient(server.url.removeprefix("http://"))
    yield opened
    opened.close()


def given(name: str, array: np.ndarray, datatype: str = "FP32", *, binary: bool) -> triton.InferInput:
    made = triton.InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def test_an_independent_client_finds_health_metadata_and_the_repository(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("double")
    assert client.is_model_ready("versions", "10")
    assert not client.is_model_ready("versions", "2")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data", "model_repository"]
    assert client.get_model_metadata("double") == {
        "name": "double",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
    }
    index = client.get_model_repository_index()
    assert {"name": "versions", "version": "10", "state": "READY", "reason": ""} in index


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("rows", [1, 3])
def test_an_independent_client_infers(
    client: triton.InferenceServerClient, *, sent: bool, wanted: bool, rows: int
) -> None:
    x = np.random.default_rng(0).random((rows, 4), np.float32)
    outputs = [triton.InferRequestedOutput("y", binary_data=wanted)]
    answer = client.infer("double", [given("x", x, binary=sent)], outputs=outputs, request_id="seven")
    np.testing.assert_array_equal(answer.as_numpy("y"), x * 2)
    head = answer.get_response()
    assert (head["id"], head["model_name"], head["model_version"]) == ("seven", "double", "1")
    assert ("data" in head["outputs"][0]) is not wanted


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_an_independent_client_may_pack_its_requests(client: triton.InferenceServerClient, packing: str) -> None:
    x = np.ones((1, 4), np.float32)
    answer = client.infer("double", [given("x", x, binary=True)], request_compression_algorithm=packing)
    np.testing.assert_array_equal(answer.as_numpy("y"), x * 2)


@pytest.mark.parametrize(("version", "factor"), [("1", 1), ("10", 10), ("", 10)])
def test_a_version_is_the_one_asked_for_or_the_latest(
    client: triton.InferenceServerClient, version: str, factor: int
) -> None:
    x = np.ones((1, 4), np.float32)
    answer = client.infer("versions", [given("x", x, binary=True)], model_version=version)
    np.testing.assert_array_equal(answer.as_numpy("y"), x * factor)


ROUND_TRIPS = [(name, binary) for name in sorted(KINDS) for binary in (True, False) if binary or name != "FP16"]
"""tritonclient sends FP16 as bytes only."""


@pytest.mark.parametrize(("datatype", "binary"), ROUND_TRIPS)
def test_every_datatype_comes_back_as_it_went(
    client: triton.InferenceServerClient, datatype: str, *, binary: bool
) -> None:
    dtype = np.object_ if datatype == "BYTES" else triton_to_np_dtype(datatype)
    values = np.array([VALUES.get(datatype, [1, 2])], dtype=dtype)
    asked = [triton.InferRequestedOutput(f"out_{datatype}", binary_data=binary)]
    answer = client.infer(f"echo-{datatype}", [given(f"in_{datatype}", values, datatype, binary=binary)], outputs=asked)
    got = answer.as_numpy(f"out_{datatype}")
    if datatype == "BYTES":
        got = np.array([[part.decode() if isinstance(part, bytes) else part for part in got[0]]], dtype=object)
    np.testing.assert_array_equal(got, values)


# --- what clients get wrong ----------------------------------------------------------------------

ROW = [1.0, 2.0, 3.0, 4.0]
WRONG_JSON: dict[str, tuple[object, str]] = {
    "not json": (b"{", "not JSON"),
    "NaN": (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,NaN]}]}', "NaN and Infinity"),
    "infinity": (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,-Infinity]}]}', "not JSON"),
    "no object": ([1], "no JSON object"),
    "deeply nested": (b"[" * 100_000, "not JSON"),
    "no inputs": ({}, "the model takes x FP32[-1, 4]"),
    "no input at all": ({"inputs": []}, "given were: none"),
    "another name": ({"inputs": [tensor([ROW], name="z")]}, "the model takes the inputs x FP32[-1, 4]; given were: z"),
    "twice": ({"inputs": [tensor([ROW]), tensor([ROW])]}, "given were: x, x"),
    "one too many": ({"inputs": [tensor([ROW]), tensor([ROW], name="z")]}, "given were: x, z"),
    "another datatype": ({"inputs": [tensor([ROW], datatype="FP64")]}, "takes x FP32[-1, 4], given was FP64[1, 4]"),
    "whole numbers for another type": ({"inputs": [tensor([[1, 2, 3, 4]], datatype="INT32")]}, "given was INT32"),
    "no datatype": ({"inputs": [{"name": "x", "shape": [1, 4], "data": ROW}]}, "given was None"),
    "an unknown datatype": ({"inputs": [tensor([ROW], datatype="FLOAT")]}, "given was FLOAT"),
    "too wide": ({"inputs": [tensor([[*ROW, 5.0]])]}, "takes x FP32[-1, 4], given was FP32[1, 5]"),
    "a dimension too few": ({"inputs": [tensor(ROW)]}, "given was FP32[4]"),
    "shape of words": ({"inputs": [tensor([ROW], shape=["1", 4])]}, "no list of lengths"),  # type: ignore[list-item]
    "negative shape": ({"inputs": [tensor([ROW], shape=[-1, 4])]}, "no list of lengths"),
    "boolean shape": ({"inputs": [tensor([ROW], shape=[True, 4])]}, "no list of lengths"),
    "data too short": ({"inputs": [tensor(ROW[:3], shape=[1, 4])]}, "has 4 elements, data has 3"),
    "a huge shape": ({"inputs": [tensor(ROW, shape=[2**39, 4])]}, "elements, data has 4"),
    "data that nests otherwise": ({"inputs": [tensor([[1.0, 2.0], [3.0, 4.0]], shape=[1, 4])]}, "the shape [1, 4]"),
    "text for numbers": ({"inputs": [tensor([["1", "2", "3", "4"]])]}, "data has a text"),
    "null for numbers": ({"inputs": [tensor([[1.0, 2.0, 3.0, None]])]}, "data has a null"),
    "true for numbers": ({"inputs": [tensor([[1.0, 2.0, 3.0, True]])]}, "data has a true or false"),
    "out of FP32's range": ({"inputs": [tensor([[1.0, 2.0, 3.0, 1e39]])]}, "a number that FP32 can't hold"),
    "no elements, and more than numpy can count": ({"inputs": [tensor([], shape=[0, *[2**39] * 5])]}, "any memory"),
    "data is no list": ({"inputs": [{**tensor(ROW, shape=[1, 4]), "data": 1}]}, "data is no list"),
    "no data": ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4]}]}, "neither data nor binary_data_size"),
    "an unknown output": ({"inputs": [tensor([ROW])], "outputs": [{"name": "z"}]}, "no output 'z'"),
    "an output twice": ({"inputs": [tensor([ROW])], "outputs": [{"name": "y"}] * 2}, "or twice"),
    "outputs of words": ({"inputs": [tensor([ROW])], "outputs": ["y"]}, "no list of objects"),
    "parameters of words": ({"inputs": [tensor([ROW])], "parameters": "fast"}, "no object"),
    "an id of numbers": ({"inputs": [tensor([ROW])], "id": 7}, "id is no text"),
    "shared memory": (
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "parameters": {"shared_memory_region": "a"}}]},
        "no shared memory",
    ),
    "a sequence": ({"inputs": [tensor([ROW])], "parameters": {"sequence_id": 3}}, "keep no state"),
}


@pytest.mark.parametrize("name", WRONG_JSON)
def test_a_wrong_request_is_a_400_that_says_what_is_wrong(server: Served, name: str) -> None:
    body, words = WRONG_JSON[name]
    answer = server.ask("/v2/models/double/infer", body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert words in answer.error


@pytest.mark.parametrize(
    ("datatype", "data", "words"),
    [
        ("INT32", [1.5, 2], "number with a fraction"),
        ("INT32", [2**31, 2], "goes from -2147483648"),
        ("UINT8", [-1, 2], "goes from 0 to 255"),
        ("INT64", [2**64, 2], "fraction (or out of range)"),
        ("INT64", [True, False], "true or false"),
        ("BOOL", [0, 1], "data has a number"),
        ("BYTES", [1, 2], "data has a number"),
        ("FP16", [1e6, 2], "can't hold"),
    ],
)
def test_no_number_is_cast_to_another_kind(server: Served, datatype: str, data: list, words: str) -> None:
    answer = server.infer(f"echo-{datatype}", tensor([data], name=f"in_{datatype}", datatype=datatype))
    assert answer.status == 400
    assert words in answer.error


def binary(head: dict, data: bytes, *, length: int | None = None) -> tuple[bytes, dict[str, str]]:
    text = json.dumps(head).encode()
    return text + data, {"Inference_Header_Content_Length": str(len(text) if length is None else length)}


def raw(size: object, *, name: str = "x", datatype: str = "FP32", shape: tuple[int, ...] = (1, 4)) -> dict:
    given = {"name": name, "datatype": datatype, "shape": list(shape), "parameters": {"binary_data_size": size}}
    return {"inputs": [given]}


FOUR = struct.pack("<4f", *ROW)
WRONG_BINARY: dict[str, tuple[tuple[bytes, dict[str, str]], str]] = {
    "truncated": (binary(raw(16), FOUR[:10]), "only 10 bytes are left"),
    "too long": (binary(raw(16), FOUR + b"xx"), "2 bytes after the JSON belong to no input"),
    "a size that the shape does not have": (binary(raw(12), FOUR[:12]), "is 16 bytes, binary_data_size is 12"),
    "a negative size": (binary(raw(-1), FOUR), "is a number of bytes"),
    "a size of words": (binary(raw("16"), FOUR), "is a number of bytes"),
    "a header longer than the body": (binary(raw(16), FOUR, length=9999), "is not between 1 and the body's"),
    "no header": (binary(raw(16), FOUR, length=0), "is not between 1"),
    "a header that cuts the JSON": (binary(raw(16), FOUR, length=5), "not JSON"),
    "a negative header": (binary(raw(16), FOUR, length=-3), "is not between 1"),
}


@pytest.mark.parametrize("name", WRONG_BINARY)
def test_a_wrong_binary_request_is_a_400_that_says_what_is_wrong(server: Served, name: str) -> None:
    (body, headers), words = WRONG_BINARY[name]
    answer = server.ask("/v2/models/double/infer", body, **headers)
    assert answer.status == 400
    assert words in answer.error


def test_requests_with_the_same_json_have_their_own_numbers(server: Served) -> None:
    for row in ([1, 2, 3, 4], [5, 6, 7, 8]):
        body, headers = binary(raw(16), struct.pack("<4f", *row))
        answer = server.ask("/v2/models/double/infer", body, **headers)
        assert answer.json["outputs"][0]["data"] == [2 * value for value in row]
    short, headers = binary(raw(16), FOUR[:10])
    assert server.ask("/v2/models/double/infer", short, **headers).status == 400


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x09\0\0\0abc", "ends behind the tensor's end"),
        (b"\x01\0\0\0a\x01", "end within a length"),
        (b"\x01\0\0\0\xff\0\0\0\0", "no UTF-8"),
        (b"\x01\0\0\0a", "has 2 elements, not 1"),
    ],
)
def test_damaged_texts_are_refused(server: Served, data: bytes, words: str) -> None:
    body, headers = binary(raw(len(data), name="in_BYTES", datatype="BYTES", shape=(1, 2)), data)
    answer = server.ask("/v2/models/echo-BYTES/infer", body, **headers)
    assert answer.status == 400
    assert words in answer.error


def test_a_bool_is_a_byte_of_0_or_1(server: Served) -> None:
    body, headers = binary(raw(2, name="in_BOOL", datatype="BOOL", shape=(1, 2)), b"\x01\x02")
    assert "0 or 1" in server.ask("/v2/models/echo-BOOL/infer", body, **headers).error


def test_numbers_that_lie_askew_in_the_body_are_read_right(server: Served) -> None:
    head = {"inputs": [], "id": ""}
    for pad in range(4):
        head = {**raw(16), "id": "x" * pad}
        body, headers = binary(head, FOUR)
        assert server.ask("/v2/models/double/infer", body, **headers).json["outputs"][0]["data"] == [2, 4, 6, 8]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v2/models/nobody/infer", 404, "no model 'nobody'; there are: double (1)"),
        ("/v2/models/double/versions/9/infer", 404, "no model 'double' version '9'"),
        ("/v2/models/double/infere", 404, "Not Found"),
        ("/v1/models/double:predict", 404, "Not Found"),
        ("/v2/models/../../etc/passwd/infer", 404, ""),
    ],
)
def test_an_unknown_path_or_model_is_a_404(server: Served, path: str, status: int, words: str) -> None:
    answer = server.ask(path, {"inputs": [tensor([ROW])]})
    assert answer.status == status
    assert words in answer.error


def test_another_method_is_a_405(server: Served) -> None:
    answer = server.ask("/v2/models/double/infer")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert server.ask("/v2", {}).status == 405


def test_a_packed_body_is_unpacked_within_the_limit_only(server: Served) -> None:
    bomb = gzip.compress(b" " * 200 * 1024 * 1024)
    answer = server.ask("/v2/models/double/infer", bomb, Content_Encoding="gzip")
    assert answer.status == 413
    assert "unpacks to more than" in answer.error
    sound = gzip.compress(json.dumps({"inputs": [tensor([ROW])]}).encode())
    assert server.ask("/v2/models/double/infer", sound, Content_Encoding="gzip").status == 200
    assert "ends within" in server.ask("/v2/models/double/infer", sound[:-9], Content_Encoding="gzip").error
    assert server.ask("/v2/models/double/infer", b"x", Content_Encoding="gzip").status == 400
    assert server.ask("/v2/models/double/infer", b"x", Content_Encoding="br").status == 415


def test_a_json_of_100_mb_is_a_413_that_names_the_limit(server: Served) -> None:
    body = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[6000000,4],"data":[' + b"1.25," * 20_000_000 + b"1]}]}"
    answer = server.ask("/v2/models/double/infer", body)
    assert answer.status == 413
    assert "the limit is 33,554,432: send tensors as binary data" in answer.error


def test_a_body_over_the_limit_is_a_413_also_without_a_length(server: Served) -> None:
    size = 129 * 1024 * 1024
    answer = server.ask("/v2/models/double/infer", b"x" * size)
    assert (answer.status, f"{size:,} bytes" in answer.error) == (413, True)
    host, port = server.address
    connection = http.client.HTTPConnection(host, port, timeout=60)
    connection.request("POST", "/v2/models/double/infer", (b"x" * 1024 * 1024 for _ in range(129)), encode_chunked=True)
    reply = connection.getresponse()
    assert (reply.status, b"the limit is" in reply.read()) == (413, True)
    connection.close()


def test_an_answer_that_json_cannot_say_is_refused_and_comes_as_bytes(server: Served) -> None:
    infinite = np.full((1, 4), np.inf, np.float32).tobytes()
    body, headers = binary(raw(16), infinite)
    answer = server.ask("/v2/models/double/infer", body, **headers)
    assert (answer.status, "ask for binary_data" in answer.error) == (406, True)
    body, headers = binary({**raw(16), "parameters": {"binary_data_output": True}}, infinite)
    answer = server.ask("/v2/models/double/infer", body, **headers)
    assert (answer.status, answer.body[-16:]) == (200, infinite)


def test_no_rows_are_no_mistake(server: Served) -> None:
    answer = server.infer("double", tensor([], shape=[0, 4]))
    assert (answer.status, answer.json["outputs"][0]) == (
        200,
        {"name": "y", "datatype": "FP32", "shape": [0, 4], "data": []},
    )


def test_the_client_s_exceptions_carry_our_words(client: triton.InferenceServerClient) -> None:
    wide = given("x", np.ones((1, 5), np.float32), binary=True)
    with pytest.raises(InferenceServerException, match="the model takes x FP32"):
        client.infer("double", [wide])


def test_a_model_is_not_loaded_with_parameters(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="no parameters are taken"):
        client.load_model("double", config='{"max_batch_size": 4}')


def test_the_description_has_every_route_and_the_page_shows_it(server: Served) -> None:
    document = server.ask("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert "/v2/models/{model}/versions/{version}/infer" in document["paths"]
    page = server.ask("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert b"openapi.json" in page.body
    assert b"https://" not in page.body
