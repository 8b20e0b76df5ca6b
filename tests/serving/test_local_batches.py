"""Batch jobs on this machine: line N of the results answers line N of the input; what is refused before one starts."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

import served
from local_batches import config, folder_of_jobs, line, request, until, write

from cloudai import Client
from cloudai.calls.batches import BatchRun
from cloudai.errors import BudgetExceeded, CloudAIError, ErrorCode, InvalidInput, ServiceError, Unsupported
from cloudai.serving.batch_results import read_results
from cloudai.types.custom import Accelerator, DeployRequest
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_local.batch_lines import Image as ImageLine
from cloudai_local.batch_lines import LineModel

CLASSIFY = 'task = "classify"\nlabels = ["dark", "light"]\n[input]\nsize = [1, 2]\ncolor = "L"\n'


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with folder_of_jobs(tmp_path) as folder:
        yield folder


# --- results ---------------------------------------------------------------------------------------------


def test_results_have_the_files_and_the_order_of_the_input(root: Path) -> None:
    write(root / "in" / "a.jsonl", *[line(number, name=f"a{number}") for number in range(70)])
    write(root / "in" / "deep" / "b.jsonl", line(7))
    with Client(config(root)) as client:
        result = client.custom.batch_predict(request(root))
    assert (result.state, result.total, result.succeeded, result.failed) == (JobState.SUCCEEDED, 71, 71, 0)
    assert result.output == str(root / "out")
    rows = list(read_results(root / "out"))
    assert [(row.file, row.line) for row in rows] == [("a.jsonl", n) for n in range(1, 71)] + [("deep/b.jsonl", 1)]
    assert [row.id for row in rows[:3]] == ["a0", "a1", "a2"]
    assert [row.outputs["y"].array[0, 0] for row in rows] == [2.0 * number for number in range(70)] + [14.0]
    assert sorted(path.name for path in root.glob("out/**/*")) == ["a.jsonl", "b.jsonl", "deep"]


def test_single_files_keep_their_names(root: Path) -> None:
    one, other = write(root / "x" / "one.jsonl", line(1)), write(root / "y" / "other.ndjson", line(2))
    with Client(config(root)) as client:
        client.custom.batch_predict(request(root, inputs=(str(one), str(other))))
        assert [(row.file, row.outputs["y"].array[0, 0]) for row in read_results(root / "out")] == [
            ("one.jsonl", 2.0),
            ("other.ndjson", 4.0),
        ]
        write(root / "y" / "one.jsonl", line(2))
        with pytest.raises(InvalidInput, match=r"two input files are called one\.jsonl"):
            client.custom.batch_predict(request(root, inputs=(str(one), str(root / "y" / "one.jsonl"))))


def test_a_bad_line_is_told_with_its_file_and_number_and_ends_nothing(root: Path) -> None:
    wrong = '{"id": "w", "inputs": [{"name": "x", "datatype": "INT64", "shape": [1, 4], "data": [1, 2, 3, 4]}]}'
    write(root / "in" / "a.jsonl", line(1), "no json", "", wrong, line(5))
    with Client(config(root)) as client:
        result = client.custom.batch_predict(request(root))
    assert (result.total, result.succeeded, result.failed) == (5, 2, 3)
    assert [(one.file, one.line) for one in result.failures] == [("a.jsonl", 2), ("a.jsonl", 3), ("a.jsonl", 4)]
    rows = list(read_results(root / "out"))
    assert [row.error is None for row in rows] == [True, False, False, False, True]
    assert "not JSON" in str(rows[1].error)
    assert rows[2].error == "the line is empty"
    assert (rows[3].id, "FP32" in str(rows[3].error)) == ("w", True)
    assert rows[4].outputs["y"].array[0, 0] == 10.0


def test_more_failed_lines_than_allowed_end_the_job(root: Path) -> None:
    write(root / "in" / "a.jsonl", line(1), "1", "2", "3", line(2))
    with Client(config(root)) as client:
        with pytest.raises(ServiceError, match=r"more than 2 lines failed; the last: a\.jsonl, line 4"):
            client.custom.batch_predict(request(root, max_failed=2))
        assert client.custom.batch_predict(request(root, max_failed=3)).failed == 3


def test_a_job_whose_lines_all_fail_has_failed(root: Path) -> None:
    write(root / "in" / "a.jsonl", "1", "2")
    with Client(config(root)) as client, pytest.raises(ServiceError, match="all 2 lines failed"):
        client.custom.batch_predict(request(root))
    assert not list((root / "out").rglob("*.part"))


def test_an_answer_that_json_cannot_say_is_an_error_of_its_line(root: Path) -> None:
    write(root / "in" / "a.jsonl", line(3e38, name="big"), line(1))
    with Client(config(root)) as client:
        assert client.custom.batch_predict(request(root)).failed == 1
    big, sound = read_results(root / "out")
    assert (big.id, sound.error) == ("big", None)
    assert "infinity" in str(big.error)


def test_images_become_lines_with_their_names(root: Path) -> None:
    flat = root / "flat"
    served.save(
        flat,
        [onnx.helper.make_node("Flatten", ["x"], ["y"])],
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 1, 1, 2])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 2])],
    )
    (flat / "model.toml").write_text(CLASSIFY)
    pictures = root / "pictures"
    pictures.mkdir()
    for name, values in (("b.png", [255, 0]), ("a.png", [0, 255])):
        Image.fromarray(np.array([values], dtype=np.uint8)).save(pictures / name)
    (pictures / "c.png").write_bytes(b"no picture")
    with Client(config(root)) as client:
        result = client.custom.batch_predict(request(root, "flat", inputs=str(pictures), content="images"))
        assert (result.total, result.failed, result.failures[0].file) == (3, 1, "images.jsonl")
        rows = list(read_results(root / "out", manifest=flat))
        assert [row.id for row in rows] == ["a.png", "b.png", "c.png"]
        assert [row.predictions[0].labels[0].name for row in rows[:2]] == ["light", "dark"]
        with pytest.raises(ServiceError, match=r"all 3 lines failed: .* does not say what to make of an image"):
            client.custom.batch_predict(request(root, inputs=str(pictures), content="images", output=str(root / "o")))


def test_boxes_are_those_of_the_images_themselves(root: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))
    from test_local import DETECT, detector, save

    from cloudai.testing.samples import picture

    save(root / "models" / "things", DETECT.replace("[input]\n", '[input]\nresize = "letterbox"\n'), detector())
    (root / "pictures").mkdir()
    (root / "pictures" / "wide.png").write_bytes(picture())
    with Client(config(root)) as client:
        client.custom.batch_predict(request(root, "models/things", inputs=str(root / "pictures"), content="images"))
        alone = client.custom.predict("things", images=[picture()])
    (row,) = read_results(root / "out", manifest=root / "models" / "things", images=root / "pictures")
    (raw,) = read_results(root / "out", manifest=root / "models" / "things")
    assert row.predictions == alone.predictions
    assert row.predictions[0].objects
    assert raw.predictions != row.predictions


def test_a_deployed_version_and_a_model_of_the_backend_are_run_by_name(root: Path) -> None:
    write(root / "in" / "a.jsonl", line(1))
    served.scale(root / "models" / "thrice", 3.0)
    first = config(root)
    with Client(first) as client:
        ref = client.custom.deploy(DeployRequest(model=str(root / "twice"), name="digits", version="a")).endpoint
        assert ref is not None
        try:
            jobs = [client.custom.submit_batch(request(root).model_copy(update={"model": "digits"}))]
            served.scale(root / "better", 5.0)
            client.custom.deploy(DeployRequest(model=str(root / "better"), name="digits", version="b"))
            by_name = request(root).model_copy(update={"model": "digits", "output": str(root / "out2")})
            jobs.append(client.custom.submit_batch(by_name))
            jobs.append(client.custom.submit_batch(by_name.model_copy(update={"version": "a"})))
            with pytest.raises(InvalidInput, match="has no version z"):
                client.custom.submit_batch(by_name.model_copy(update={"version": "z"}))
            assert len({job.ref.name for job in jobs}) == 3
            for job, expected in zip(jobs, (2.0, 5.0, 2.0), strict=True):
                output = job.result(timeout=60, interval=0.05).output
                assert next(read_results(str(output))).outputs["y"].array[0, 0] == expected
        finally:
            client.custom.endpoint(ref).delete()
        named = request(root, output=str(root / "out3")).model_copy(update={"model": "thrice"})
        assert client.custom.batch_predict(named).succeeded == 1
        assert next(read_results(root / "out3")).outputs["y"].array[0, 0] == 3.0


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    rows=st.lists(st.one_of(st.integers(1, 5), st.none()), max_size=40),
    size=st.integers(1, 50),
    limit=st.sampled_from([None, 8]),
)
def test_lines_run_together_answer_as_alone(
    tmp_path: Path, rows: list[int | None], size: int, limit: int | None
) -> None:
    serving = "" if limit is None else f"[serving]\nmax_batch = {limit}\n"
    folder = served.scale(tmp_path / f"m{limit}", 2.0, manifest=served.TENSORS + serving)
    from cloudai_local.onnx.serving import OnnxFolders

    source = OnnxFolders(folder, device="cpu", threads=1)
    model = LineModel(source.load(next(iter(source.scan()))), None)
    lines = [
        b"{" if count is None else json.dumps({
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [count, 4], "data": [number] * 4 * count}]
        }).encode()
        for number, count in enumerate(rows)
    ]  # fmt: skip
    together = [answer for at in range(0, len(lines), size) for answer in model.answers(lines[at : at + size])]
    assert together == [model.answers([one])[0] for one in lines]
    for number, (count, answer) in enumerate(zip(rows, together, strict=True)):
        found = json.loads(answer)
        assert ("error" in found) == (count is None)
        assert count is None or found["outputs"][0]["data"] == [2.0 * number] * 4 * count


def test_a_line_longer_than_a_request_may_be_is_an_error_and_not_read_whole(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloudai_local import batch_lines
    from cloudai_local.batch_folder import BatchOrder, Input

    monkeypatch.setattr(batch_lines, "MAX_LINE", 1000)
    path = write(root / "in" / "a.jsonl", line(1), "x" * 5_000_000, line(2))
    order = BatchOrder(
        name="n", images=False, files=(Input.of("a.jsonl", path),), output="o", device="cpu", threads=None,
        batch_size=1, max_seconds=9, max_failed=None, submitted="",
    )  # fmt: skip
    found = list(batch_lines.lines_of(order, (path,), skip=0))
    assert [None if one is None or isinstance(one, ImageLine) else json.loads(one)["inputs"][0]["data"][0]
            for one in found] == [1, None, 2]  # fmt: skip
    assert batch_lines.count(order) == 3


# --- before it is submitted ------------------------------------------------------------------------------


def test_a_plan_shows_name_cost_and_files_and_starts_nothing(root: Path) -> None:
    write(root / "in" / "a.jsonl", line(1))
    with Client(config(root)) as client:
        plan = client.custom.plan_batch(request(root, max_seconds=60))
        assert (plan.provider, plan.instance, str(plan.hourly)) == ("local", "this machine", "3600 USD")
        assert str(plan.at_limit) == "60 USD"
        assert plan.requests[0]["body"]["files"] == [str(root / "in" / "a.jsonl")]  # type: ignore[index,call-overload]
        assert client.custom.batches() == ()
        with pytest.raises(BudgetExceeded, match="60 s cost 60 USD"):
            client.custom.submit_batch(request(root, max_seconds=60, max_cost=Money(amount=1)))  # type: ignore[arg-type]
        assert client.custom.batches() == ()


def test_what_local_cannot_do_is_said_before_anything_is_made(root: Path) -> None:
    write(root / "in" / "a.jsonl", line(1))
    (root / "empty").mkdir()
    (root / "broken").mkdir()
    (root / "broken" / "model.toml").write_text('task = "tensors"\n')
    (root / "broken" / "model.onnx").write_bytes(b"no graph")
    refused: list[tuple[dict[str, Any], type[CloudAIError], str]] = [
        ({"inputs": "s3://bucket/in"}, Unsupported, "folders of this machine"),
        ({"output": "gs://bucket/out"}, Unsupported, "folders of this machine"),
        ({"image": "mine:1"}, Unsupported, "not in containers"),
        ({"inputs": str(root / "nowhere")}, InvalidInput, "is not there"),
        ({"inputs": str(root / "empty")}, InvalidInput, "holds no files"),
        ({"inputs": ()}, InvalidInput, "names no folder"),
        ({"inputs": str(root / "twice")}, InvalidInput, "one inference request a line"),
        ({"model": str(root / "broken")}, InvalidInput, "onnx"),
        ({"model": "nobody"}, CloudAIError, "nobody"),
        ({"inputs": (str(root / "in"), "s3://b/x")}, InvalidInput, "not both"),
    ]
    with Client(config(root)) as client:
        for more, kind, words in refused:
            with pytest.raises(kind, match=words):
                client.custom.submit_batch(request(root, **more))
        assert client.custom.batches() == ()
    assert not list((root / "batches").glob("*"))


def test_a_job_whose_output_goes_away_says_so(root: Path) -> None:
    write(root / "in" / "a.jsonl", *[line(1)] * 50_000)
    with Client(config(root)) as client:
        job = client.custom.submit_batch(request(root))
        until(lambda: list((root / "out").glob(".*")))
        shutil.rmtree(root / "out")
        (root / "out").write_text("")
        status = job.wait(interval=0.1, timeout=300)
    assert status.state is JobState.FAILED
    assert "NotADirectoryError" in (status.message or "")


def test_an_accelerator_is_a_gpu_or_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    write(root / "in" / "a.jsonl", line(1))
    asked = request(root, accelerator=Accelerator(name="L4", count=1))
    with Client(config(root)) as client:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        for ask in (client.custom.plan_batch, client.custom.submit_batch):
            with pytest.raises(Unsupported, match="1 x L4 asked for, and this machine has no GPU"):
                ask(asked)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        assert client.custom.plan_batch(asked).requests[0]["body"]["device"] == "cuda"  # type: ignore[index,call-overload]
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            with pytest.raises(CloudAIError, match="CUDA"):
                client.custom.submit_batch(asked)


def test_a_handle_of_nothing_is_told(root: Path) -> None:
    with Client(config(root)) as client:
        with pytest.raises(InvalidInput, match="no batch job's ref"):
            client.custom.batch("{}")
        write(root / "in" / "a.jsonl", line(1))
        ref = client.custom.submit_batch(request(root)).ref
        gone = BatchRun(run=client.custom.batch(ref).run, ref=ref.model_copy(update={"name": "../other"}))
        with pytest.raises(CloudAIError) as caught:
            gone.status()
        assert caught.value.code is ErrorCode.NOT_FOUND
