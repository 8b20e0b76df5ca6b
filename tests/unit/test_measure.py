"""`cloudai measure`: a real network timed here, its record, and that a plan takes its price from it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from cloudai.cli import main
from cloudai.errors import InvalidInput
from cloudai.measure import measure
from cloudai.measure.measuring import agree, percentile
from cloudai_pricing.plan_records import read_record

QUICK = 0.02


def _network(batch: object = "batch") -> onnx.ModelProto:
    """4 numbers to 2: x W."""
    weights = numpy_helper.from_array(np.arange(8, dtype=np.float32).reshape(4, 2), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return _written(tmp_path / "net", _network())


def _written(folder: Path, network: onnx.ModelProto, manifest: str = 'task = "tensors"\nversion = "1"\n') -> Path:
    folder.mkdir()
    onnx.save(network, str(folder / "model.onnx"))
    (folder / "model.toml").write_text(manifest, encoding="utf-8")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "samples.npz"
    np.savez(path, x=np.random.default_rng(0).random((10, 4), dtype=np.float32))
    return path


def test_record_has_what_the_price_rests_on(model: Path, data: Path) -> None:
    heard: list[str] = []
    record = measure(model, data, batches=(1, 8), seconds=QUICK, said=heard.append)
    assert [point.batch for point in record.points] == [1, 8]
    assert heard == ["batch 1", "batch 8"]
    assert record.best.samples_per_second == max(point.samples_per_second for point in record.points)
    assert record.single.batch == 1
    for point in record.points:
        assert 0 < point.p50_ms <= point.p90_ms <= point.p99_ms
        assert point.runs >= 2 * point.rounds
    assert record.data.samples == 10
    assert record.model.files == 2
    assert len(record.model.sha256) == 64
    assert record.hardware.cores >= 1
    assert {"onnxruntime", "numpy", "python"} <= set(record.versions)
    assert record.peak_memory_mb is None or record.peak_memory_mb > 10
    assert (record.watts_from == "nothing") == (record.best.watts is None)


def test_another_model_or_other_data_have_another_hash(model: Path, data: Path, tmp_path: Path) -> None:
    first = measure(model, data, batches=(1,), seconds=QUICK)
    (model / "model.toml").write_text('task = "tensors"\nversion = "2"\n', encoding="utf-8")
    np.savez(data, x=np.zeros((10, 4), dtype=np.float32))
    second = measure(model, data, batches=(1,), seconds=QUICK)
    assert first.model.sha256 != second.model.sha256
    assert first.data.sha256 != second.data.sha256


def test_a_fixed_batch_is_measured_at_that_size_only(tmp_path: Path, data: Path) -> None:
    model = _written(tmp_path / "fixed", _network(4))
    record = measure(model, data, seconds=QUICK)
    assert [point.batch for point in record.points] == [4]
    with pytest.raises(InvalidInput, match="batches of 4"):
        measure(model, data, batches=(8,), seconds=QUICK)


def test_pictures_are_timed_with_their_decoding(tmp_path: Path) -> None:
    network = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.ones((64, 3), dtype=np.float32), "w")],
    )
    manifest = (
        'task = "classify"\nversion = "1"\nlabels = ["a", "b", "c"]\n[input]\nsize = [8, 8]\ncolor = "L"\n'
        '[output]\nactivation = "softmax"\n'
    )
    made = helper.make_model(network, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model = _written(tmp_path / "pictures", made, manifest)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        Image.new("L", (20, 20), number * 80).save(photos / f"{number}.png")
    record = measure(model, photos, batches=(1, 2), seconds=QUICK)
    assert record.data.samples == 3
    assert "decoding" in record.covers
    assert record.best.samples_per_second > 0


def test_plan_takes_its_price_from_the_record(model: Path, data: Path, tmp_path: Path, capsys) -> None:
    record = tmp_path / "record.json"
    assert main(["measure", str(model), "--data", str(data), "--batch", "1", "--seconds", "0.02",
                 "--output", str(record)]) in (0, 1)  # fmt: skip
    capsys.readouterr()
    made = json.loads(record.read_text(encoding="utf-8"))
    workload = tmp_path / "work.toml"
    workload.write_text(
        '[plan]\n[[plan.self]]\nline = "parts"\nmeasured = "record.json"\naccelerator = "L4"\n'
        '[[line]]\nname = "parts"\noperation = "vision.detect_labels"\nvolume = "1M images"\n', encoding="utf-8",
    )  # fmt: skip
    assert main(["plan", str(workload), "--format", "json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)["lines"]
    own = next(way for way in line["ways"] if way["kind"] == "endpoint")
    assert float(own["latency_s"]) == pytest.approx(made["single"]["p50_ms"] / 1000)
    assert any("assumption" in note and "as fast as" in note for note in own["notes"])
    pace = made["best"]["samples_per_second"] * 3600 * 730 * 0.6
    idle = 1 - 1_000_000 / (pace / 0.6 * own["machines"])
    assert float(own["idle_share"]) == pytest.approx(idle, abs=1e-6)


def test_estimate_takes_throughput_and_watts_of_own_machines_from_the_record(tmp_path: Path, capsys) -> None:
    """3,600 samples an hour: 1M images are 277.8 machine-hours at (200 - 50) W above 50 W idle."""
    made = {
        "schema": "cloudai.measure/1", "date": "2026-11-21", "idle_watts": 50,
        "best": {"batch": 8, "samples_per_second": 1, "watts": 200}, "single": {"p50_ms": 9.5},
        "hardware": {"cpu": "A CPU", "gpu": None}, "model": {"sha256": "0" * 64},
    }  # fmt: skip
    (tmp_path / "record.json").write_text(json.dumps(made), encoding="utf-8")
    workload = tmp_path / "work.toml"
    workload.write_text(
        'months = 1\n[local]\nhardware = "3600 USD"\nlife = "36 months"\nelectricity = "0.20 USD/kWh"\n'
        'measured = "record.json"\n'
        '[[line]]\nname = "parts"\noperation = "vision.detect_labels"\nvolume = "1M images"\n', encoding="utf-8",
    )  # fmt: skip
    assert main(["estimate", str(workload), "--provider", "local", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = 100 + 730 * 0.05 * 0.20 + 1_000_000 / 3600 * 0.15 * 0.20
    assert float(found["options"][0]["total"]["likely"]) == pytest.approx(expected)
    assert any("A CPU" in text for text in found["assumptions"])


def test_toml_and_json_say_the_same(model: Path, data: Path, tmp_path: Path) -> None:
    record = measure(model, data, batches=(1, 2), seconds=QUICK)
    (tmp_path / "r.json").write_text(record.to_json(), encoding="utf-8")
    (tmp_path / "r.toml").write_text(record.to_toml(), encoding="utf-8")
    kept = {key: value for key, value in json.loads(record.to_json()).items() if value is not None}
    assert set(tomllib.loads(record.to_toml())) == set(kept)
    one, other = read_record("r.json", tmp_path), read_record("r.toml", tmp_path)
    assert one is not None
    assert other is not None
    assert (one.per_second, one.batch, one.hardware, one.model) == (
        other.per_second, other.batch, other.hardware, other.model,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"x": np.zeros((3, 5), dtype=np.float32)}, "the model takes x FP32"),
        ({"x": np.zeros((3, 4), dtype=np.float64)}, "the model takes x FP32"),
        ({"a": np.zeros((3, 4), dtype=np.float32), "b": np.zeros((3, 4), dtype=np.float32)}, "samples have a, b"),
        ({"x": np.zeros((0, 4), dtype=np.float32)}, "or none"),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    model: Path, tmp_path: Path, made: dict[str, np.ndarray], says: str
) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **made)
    with pytest.raises(InvalidInput, match=says):
        measure(model, path, seconds=QUICK)


def test_pickled_samples_are_not_opened(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.npy"
    np.save(path, np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInput, match="can't be read as arrays"):
        measure(model, path, seconds=QUICK)


def test_wrong_folders_and_flags_are_exit_code_2(model: Path, data: Path, tmp_path: Path, capsys) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments in ([str(empty), "--data", str(data)], [str(model), "--data", str(empty)],
                      [str(model), "--data", str(data), "--batch", "0"],
                      [str(model), "--data", str(data), "--seconds", "0"],
                      [str(model), "--data", str(data), "--threads", "0"]):  # fmt: skip
        assert main(["measure", *arguments]) == 2
        assert capsys.readouterr().err


def test_rounds_agree_when_the_last_three_lie_close() -> None:
    assert agree([1.0, 5.0, 100.0, 101.0, 102.0])
    assert not agree([100.0, 101.0])
    assert not agree([100.0, 101.0, 105.0])


def test_percentiles_are_by_nearest_rank() -> None:
    times = [float(number) for number in range(1, 101)]
    assert [percentile(times, percent) for percent in (50, 90, 99)] == [50, 90, 99]
    assert percentile([7.0], 99) == 7
