"""What a model folder from a stranger may not do: read files outside itself, run a pickle, crash the process."""

from __future__ import annotations

import contextlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.onnx_ml_pb2 import ModelProto

from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput, TooLarge
from cloudai.types.custom import PredictRequest
from cloudai.types.tensor import Tensor
from cloudai_local.folders import read_folder
from cloudai_local.onnx import graph_scan, safety
from cloudai_local.onnx.model import OnnxModel
from cloudai_local.settings import LocalSettings

SETTINGS = LocalSettings(provider="local")
WEIGHTS = np.arange(12, dtype=np.float32).reshape(4, 3)


def stored_elsewhere(name: str, location: str, length: int = WEIGHTS.nbytes) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=WEIGHTS.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def matmul(weights: TensorProto) -> ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", weights.name], ["y"])], "g", [x], [y], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose weights are beside the graph, and a secret outside it."""
    WEIGHTS.tofile(tmp_path / "secret.bin")
    path = tmp_path / "models" / "linear"
    (path / "data").mkdir(parents=True)
    (path / "model.toml").write_text('task = "tensors"\n')
    WEIGHTS.tofile(path / "data" / "weights.bin")
    return path


def store(folder: Path, location: str) -> None:
    (folder / "model.onnx").write_bytes(matmul(stored_elsewhere("w", location)).SerializeToString())


def opened(folder: Path) -> OnnxModel:
    return OnnxModel(read_folder(folder), SETTINGS)


# --- external data ---------------------------------------------------------------------------------


def test_external_data_inside_the_folder_is_read(folder: Path) -> None:
    store(folder, "data/weights.bin")
    x = Tensor(np.eye(4, dtype=np.float32))
    result = opened(folder).predict(PredictRequest(model="linear", tensors={"x": x}), Call(timeout=5))
    np.testing.assert_array_equal(result.outputs["y"].array, WEIGHTS)


def test_external_data_is_found_from_another_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(folder, "data/weights.bin")
    monkeypatch.chdir(folder.parent.parent)
    assert opened(Path("models/linear")).device == "cpu"


def test_a_link_inside_the_folder_is_followed(folder: Path) -> None:
    (folder / "again.bin").symlink_to("data/weights.bin")
    store(folder, "again.bin")
    assert opened(folder).device == "cpu"


@pytest.mark.parametrize(
    "location",
    [
        "../../secret.bin",
        "data/../../../secret.bin",
        "./../../secret.bin",
        "..",
        ".",
        "",
        "..\\..\\secret.bin",
        "C:secret",
    ],
)
def test_external_data_that_leaves_the_folder_is_refused(folder: Path, location: str) -> None:
    store(folder, location)
    with pytest.raises(InvalidInput, match=r"leaves the model's folder|not a plain file name"):
        opened(folder)


def test_an_absolute_location_is_refused_even_into_the_folder(folder: Path) -> None:
    store(folder, str(folder.resolve() / "data" / "weights.bin"))
    with pytest.raises(InvalidInput, match="leaves the model's folder"):
        opened(folder)


def test_an_address_in_memory_is_refused(folder: Path) -> None:
    """ONNX Runtime's own mark for weights in memory, made to exist as a file."""
    location = "*/_ORT_MEM_ADDR_/*"
    (folder / "*" / "_ORT_MEM_ADDR_").mkdir(parents=True)
    WEIGHTS.tofile(folder / location)
    store(folder, location)
    with pytest.raises(InvalidInput, match="not a plain file name"):
        opened(folder)


@pytest.mark.parametrize("where", ["file", "directory"])
def test_a_symbolic_link_that_leaves_the_folder_is_refused(folder: Path, where: str) -> None:
    outside = folder.parent.parent
    if where == "file":
        (folder / "link.bin").symlink_to(outside / "secret.bin")
        store(folder, "link.bin")
    else:
        (folder / "up").symlink_to(outside, target_is_directory=True)
        store(folder, "up/secret.bin")
    with pytest.raises(InvalidInput, match="a link that leaves"):
        opened(folder)


def test_a_hard_link_is_refused(folder: Path) -> None:
    os.link(folder.parent.parent / "secret.bin", folder / "innocent.bin")
    store(folder, "innocent.bin")
    with pytest.raises(InvalidInput, match="2 hard links"):
        opened(folder)


def test_a_pipe_is_refused_without_waiting_for_it(folder: Path) -> None:
    os.mkfifo(folder / "pipe.bin")
    store(folder, "pipe.bin")
    with pytest.raises(InvalidInput, match="not a regular file"):
        opened(folder)


def test_missing_external_data_names_the_file(folder: Path) -> None:
    store(folder, "data/other.bin")
    with pytest.raises(InvalidInput, match=r"data/other\.bin"):
        opened(folder)


def test_external_data_shorter_than_announced_is_refused(folder: Path) -> None:
    (folder / "short.bin").write_bytes(b"\0" * 8)
    store(folder, "short.bin")
    with pytest.raises(InvalidInput, match="can't load"):
        opened(folder)


# --- every place that a tensor can be in -------------------------------------------------------------


def _sparse(location: str) -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.array([0], dtype=np.int64), "i")
    return onnx.SparseTensorProto(values=stored_elsewhere("v", location), indices=indices, dims=[4])


def _graph(location: str) -> onnx.GraphProto:
    return helper.make_graph([], "inner", [], [], [stored_elsewhere("deep", location)])


def _attribute(**field: object) -> ModelProto:
    model = matmul(numpy_helper.from_array(WEIGHTS, "w"))
    node = model.graph.node[0]
    node.attribute.append(onnx.AttributeProto(name="a", **field))
    return model


def _in_function(node: bool) -> ModelProto:
    model = matmul(numpy_helper.from_array(WEIGHTS, "w"))
    attribute = onnx.AttributeProto(name="value", t=stored_elsewhere("deep", "deep.bin"))
    function = model.functions.add(name="f", domain="d")
    if node:
        function.node.add(op_type="Constant").attribute.append(attribute)
    else:
        function.attribute_proto.append(attribute)
    return model


def _with(fill: Callable[[ModelProto], object]) -> ModelProto:
    model = matmul(numpy_helper.from_array(WEIGHTS, "w"))
    fill(model)
    return model


PLACES = {
    "initializer": lambda: matmul(stored_elsewhere("w", "deep.bin")),
    "sparse values": lambda: _with(lambda m: m.graph.sparse_initializer.append(_sparse("deep.bin"))),
    "attribute t": lambda: _attribute(t=stored_elsewhere("t", "deep.bin")),
    "attribute tensors": lambda: _attribute(tensors=[stored_elsewhere("t", "deep.bin")]),
    "attribute g": lambda: _attribute(g=_graph("deep.bin")),
    "attribute graphs": lambda: _attribute(graphs=[_graph("deep.bin")]),
    "attribute sparse_tensor": lambda: _attribute(sparse_tensor=_sparse("deep.bin")),
    "attribute sparse_tensors": lambda: _attribute(sparse_tensors=[_sparse("deep.bin")]),
    "function node": lambda: _in_function(node=True),
    "function default": lambda: _in_function(node=False),
    "training": lambda: _with(lambda m: m.training_info.add(initialization=_graph("deep.bin"))),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_location_is_found_wherever_a_tensor_can_be(place: str) -> None:
    assert graph_scan.scan(PLACES[place]().SerializeToString()).locations == {b"deep.bin"}


def test_the_walk_knows_every_way_to_a_tensor_that_onnx_has() -> None:
    """Held against the descriptors of the installed onnx: a new field that can hold a tensor fails here."""
    known: dict[str, dict[int, str]] = {}
    pending = [ModelProto.DESCRIPTOR]
    while pending:
        message = pending.pop()
        inner = {field.number: field.message_type for field in message.fields if field.message_type}
        known[message.name] = {number: kind.name for number, kind in inner.items()}
        pending += [kind for kind in inner.values() if kind.name not in known]
    reaching = {"TensorProto"}
    while more := {name for name, inner in known.items() if reaching & set(inner.values())} - reaching:
        reaching |= more
    ways = {
        name: {number: kind for number, kind in known[name].items() if kind in reaching}
        for name in reaching - {"TensorProto"}
    }
    assert {**ways, "TensorProto": {13: "StringStringEntryProto"}} == graph_scan.MESSAGES
    assert TensorProto.DESCRIPTOR.fields_by_name["external_data"].number == 13


def test_the_location_counts_when_the_entry_says_it_twice() -> None:
    entry = b"\x0a\x08location\x12\x08safe.bin\x12\x08evil.bin"
    tensor = b"\x6a" + bytes([len(entry)]) + entry
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    model = b"\x3a" + bytes([len(graph)]) + graph
    assert graph_scan.scan(model).locations == {b"safe.bin", b"evil.bin"}


@given(st.binary(max_size=200))
def test_any_bytes_are_scanned_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        graph_scan.scan(data)  # nothing else may come out of it


@given(st.data())
def test_a_damaged_model_is_scanned_or_refused(data: st.DataObject) -> None:
    whole = bytearray(PLACES["attribute g"]().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = graph_scan.scan(bytes(whole))
        model = ModelProto.FromString(bytes(whole))
    except (InvalidInput, DecodeError):
        return  # one of the two refuses it: it is never loaded
    assert _reference(model.graph) <= found.locations


def _reference(graph: onnx.GraphProto) -> set[bytes]:
    """What the reference parser finds, of the two places that the damaged model has."""
    tensors = list(graph.initializer)
    tensors += [tensor for node in graph.node for attribute in node.attribute for tensor in attribute.g.initializer]
    values = [entry.value for t in tensors for entry in t.external_data if entry.key == "location"]
    return {value.encode() if isinstance(value, str) else value for value in values}


def test_nesting_without_end_is_refused() -> None:
    model = b""
    for _ in range(120):
        model = _field(5, _field(6, model)) if model else _field(5, b"")  # attribute > graph ...
        model = _field(1, model)
    with pytest.raises(InvalidInput, match="nests deeper"):
        graph_scan.scan(_field(7, model))


def _field(number: int, payload: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(payload)) + payload


def _number(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low | 0x80]) + _number(value >> 7) if value > 0x7F else bytes([low])


# --- what is no ONNX model ---------------------------------------------------------------------------


def test_a_pickle_is_never_loaded(folder: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    for name in ("model.pt", "model.pkl"):
        (folder / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InvalidInput, match=r"model\.pkl, a Python pickle, which is never loaded; export it to ONNX"):
        opened(folder)
    (folder / "model.pt").rename(folder / "model.onnx")
    with pytest.raises(InvalidInput, match="is a Python pickle, not an ONNX model"):
        opened(folder)
    assert not (tmp_path / "exploded").exists()


def test_a_torch_checkpoint_named_onnx_is_recognised(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.onnx", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(InvalidInput, match="a zip archive"):
        opened(folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"\x08\x08", "holds no graph"),
        (b"\x3a\x7f", "truncated"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x3a\x00", "can't load"),
    ],
)
def test_what_is_no_model_is_refused_in_words(folder: Path, content: bytes, words: str) -> None:
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(InvalidInput, match=words) as caught:
        opened(folder)
    assert caught.value.code is ErrorCode.INVALID_INPUT


def test_a_truncated_model_is_refused(folder: Path) -> None:
    whole = matmul(numpy_helper.from_array(WEIGHTS, "w")).SerializeToString()
    (folder / "model.onnx").write_bytes(whole[:-20])
    with pytest.raises(InvalidInput, match="not an ONNX model: truncated"):
        opened(folder)


def test_no_model_at_all_says_how_to_export_one(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"has no model\.onnx; export it to ONNX") as caught:
        opened(folder)
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_model_that_is_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "model.onnx").symlink_to(folder.parent.parent / "secret.bin")
    with pytest.raises(InvalidInput, match="a link that leaves"):
        opened(folder)


def test_a_graph_compiled_for_one_device_is_refused(folder: Path) -> None:
    model = matmul(numpy_helper.from_array(WEIGHTS, "w"))
    model.graph.node.add(op_type="EPContext", domain="com.microsoft")
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidInput, match="compiled for one device"):
        opened(folder)


def test_labels_outside_the_folder_are_refused(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(matmul(numpy_helper.from_array(WEIGHTS, "w")).SerializeToString())
    (folder / "model.toml").write_text('task = "tensors"\nlabels = "../../secret.bin"\n')
    with pytest.raises(InvalidInput, match="leaves the model's folder"):
        opened(folder)


def test_a_file_over_its_limit_is_refused_by_its_size_alone(folder: Path) -> None:
    with (folder / "large.bin").open("wb") as file:
        file.truncate(safety.MAX_EXTERNAL_BYTES + 1)  # sparse: takes no room
    store(folder, "large.bin")
    with pytest.raises(TooLarge, match="the limit is 68,719,476,736"):
        opened(folder)
