"""A model folder becomes a Triton model repository whose `config.pbtxt` Triton's own schema reads."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2

sys.path.insert(0, str(Path(__file__).parent))

from served import TENSORS, scale

from cloudai.errors import InvalidInput
from cloudai.serving.packaging import _quoted, package_model

CLASSIFIER = """task = "classify"
labels = ["rose", "tulip \\"double\\"", "ivy", "oak"]
[input]
size = [1, 4]
color = "L"
"""


def parsed(config: str) -> model_config_pb2.ModelConfig:
    """By NVIDIA's compiled schema: an unknown name or a wrong type is an error."""
    return text_format.Parse(config, model_config_pb2.ModelConfig())


def test_config_says_what_the_graph_and_the_manifest_say(tmp_path: Path) -> None:
    serving = "\n[serving]\nmax_batch = 16\nmax_delay_ms = 2.5\nmax_queue = 40\nparallel = 2\n"
    package = package_model(scale(tmp_path / "twice", 2.0, manifest=TENSORS + serving), name="mine")
    config = parsed(package.config)
    assert (config.name, config.backend, config.max_batch_size) == ("mine", "onnxruntime", 16)
    assert config.default_model_filename == "model.onnx"
    (x,), (y,) = config.input, config.output
    assert (x.name, x.data_type, list(x.dims)) == ("x", model_config_pb2.TYPE_FP32, [4])
    assert (y.data_type, list(y.dims)) == (model_config_pb2.TYPE_FP32, [4])
    assert config.dynamic_batching.max_queue_delay_microseconds == 2500
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 40
    (group,) = config.instance_group
    assert (group.kind, group.count) == (model_config_pb2.ModelInstanceGroup.KIND_AUTO, 2)


def test_a_graph_without_a_batch_is_not_batched(tmp_path: Path) -> None:
    config = parsed(package_model(scale(tmp_path / "fixed", 2.0, rows=3)).config)
    assert config.max_batch_size == 0
    assert list(config.input[0].dims) == [3, 4]
    assert not config.HasField("dynamic_batching")


def test_requests_that_are_never_joined_may_still_have_many_rows(tmp_path: Path) -> None:
    folder = scale(tmp_path / "one", 2.0, manifest=TENSORS + "\n[serving]\nmax_batch = 1\n")
    config = parsed(package_model(folder).config)
    assert config.max_batch_size == 0
    assert list(config.input[0].dims) == [-1, 4]


def test_labels_are_named_at_the_output_that_they_are_of(tmp_path: Path) -> None:
    folder = scale(tmp_path / "flowers", 1.0)
    graph = onnx.load(folder / "model.onnx")
    for value in (*graph.graph.input, *graph.graph.output):
        dims = value.type.tensor_type.shape.dim
        first = dims[0].dim_param
        del dims[:]
        dims.add().dim_param = first
        for length in (1, 1, 4):
            dims.add().dim_value = length
    onnx.save(graph, folder / "model.onnx")
    (folder / "model.toml").write_text(CLASSIFIER)
    package = package_model(folder)
    assert parsed(package.config).output[0].label_filename == "labels.txt"
    with package.open("flowers/labels.txt") as file:
        assert file.read().decode().splitlines() == ["rose", 'tulip "double"', "ivy", "oak"]


def test_the_archive_is_the_repository_and_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = scale(tmp_path / "twice", 2.0)
    (folder / ".secret").write_text("no")
    first, again = package_model(folder), package_model(str(folder))
    assert first.targz() == again.targz()
    assert first.sha256 == again.sha256
    assert first.version == first.sha256[:12]
    with tarfile.open(fileobj=io.BytesIO(first.targz())) as archive:
        assert archive.getnames() == ["twice/1/model.onnx", "twice/config.pbtxt", "twice/model.toml"]
        assert all(entry.mtime == 0 and entry.uid == 0 for entry in archive)
        content = archive.extractfile("twice/1/model.onnx")
        assert content is not None
        assert content.read() == (folder / "model.onnx").read_bytes()


def test_one_changed_weight_is_another_version(tmp_path: Path) -> None:
    assert (
        package_model(scale(tmp_path / "a", 2.0)).version != package_model(scale(tmp_path / "b", 3.0), name="a").version
    )


def test_the_repository_is_one_that_cloudai_serve_takes(tmp_path: Path) -> None:
    package = package_model(scale(tmp_path / "twice", 2.0))
    with tarfile.open(fileobj=io.BytesIO(package.targz())) as archive:
        archive.extractall(tmp_path / "repository", filter="data")
    from cloudai_local.onnx.serving import OnnxFolders

    source = OnnxFolders(tmp_path / "repository", device="cpu", threads=1)
    engine = source.load(next(iter(source.scan())))
    assert engine.name == "twice"
    (y,) = engine.run([port.name for port in engine.outputs], {"x": np.ones((2, 4), np.float32)})
    assert y.tolist() == [[2.0] * 4] * 2
    engine.close()


@pytest.mark.parametrize(("folder", "word"), [("nothing", "no model.toml"), ("broken", "broken")])
def test_what_is_no_model_is_said(tmp_path: Path, folder: str, word: str) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.toml").write_text(TENSORS)
    (tmp_path / "broken" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(InvalidInput, match=word):
        package_model(tmp_path / folder)


def test_a_name_that_is_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no model's name"):
        package_model(scale(tmp_path / "twice", 2.0), name="../etc")


@given(st.text(max_size=40))
def test_any_text_survives_the_text_format(text: str) -> None:
    assert parsed(f"name: {_quoted(text)}").name == text
