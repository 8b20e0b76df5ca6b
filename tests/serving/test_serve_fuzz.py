"""Whatever is sent is a sound request or the client's mistake, told as one: never an internal error."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

import served

from cloudai.errors import CloudAIError, InvalidInput
from cloudai.serving.inference import failure, target
from cloudai.serving.protocol import Decoder
from cloudai_local.onnx.serving import OnnxFolders

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["x", "y", "FP32"]) | VALUES
PARAMETERS = VALUES | st.dictionaries(
    st.sampled_from(["binary_data_size", "binary_data", "binary_data_output", "timeout", "sequence_id"]), VALUES
)
INPUTS = st.fixed_dictionaries(
    {"name": NAMES, "datatype": NAMES, "shape": st.just([1, 4]) | VALUES},
    optional={"data": VALUES | st.lists(VALUES, min_size=4, max_size=4), "parameters": PARAMETERS},
)
REQUESTS = VALUES | st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS, max_size=2) | VALUES},
    optional={
        "id": VALUES,
        "parameters": PARAMETERS,
        "outputs": st.lists(st.fixed_dictionaries({"name": NAMES}, optional={"parameters": PARAMETERS}), max_size=2),
    },
)
LENGTHS = st.none() | st.integers(-5, 200).map(lambda length: str(length).encode()) | st.binary(max_size=4)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    folder = served.scale(tmp_path_factory.mktemp("models") / "double", 2)
    engine = OnnxFolders(folder, device="cpu", threads=1).load(("double", "1"))
    return Decoder(engine, max_json=10_000)


@given(request=REQUESTS, behind=st.binary(max_size=20), length=LENGTHS)
@example(request={"inputs": [{"name": ["x"], "datatype": "FP32", "shape": [1, 4]}]}, behind=b"", length=None)
@example(request={"inputs": [], "parameters": {"binary_data_output": "yes"}}, behind=b"", length=None)
@example(
    request={"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [[[]]]}]}, behind=b"", length=None
)
def test_any_json_is_sound_or_refused(decoder: Decoder, request: object, behind: bytes, length: bytes | None) -> None:
    text = json.dumps(request).encode()
    with contextlib.suppress(InvalidInput):
        made = decoder.decode(text + behind, length)
        assert set(made.feed) == {"x"}
        assert made.feed["x"].shape[1:] == (4,)


@given(st.binary(max_size=60), LENGTHS)
def test_any_bytes_are_refused(decoder: Decoder, body: bytes, length: bytes | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        decoder.decode(body, length)
    assert 400 <= failure(caught.value)[0] < 500


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_path_names_a_model_or_nothing(name: str, version: str) -> None:
    assert target(f"/v2/models/{name}") is None or name.endswith("/infer")
    found = target(f"/v2/models/{name.replace('/', '')}/versions/{version.replace('/', '')}/infer")
    assert found is not None


def test_an_error_of_nobody_is_not_told_in_detail(caplog: pytest.LogCaptureFixture) -> None:
    status, _, body = failure(KeyError("secret"))
    assert (status, b"secret" in body) == (500, False)
    assert "internal error" in caplog.text
    assert failure(CloudAIError("told"))[0] == 500
