"""Batch jobs on this machine: real processes, files and kill -9. Line N of the results answers line N of the input."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
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

from cloudai import AsyncClient, Client
from cloudai.calls.batches import BatchRun
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.errors import BudgetExceeded, CloudAIError, ErrorCode, InvalidInput, ServiceError, Unsupported
from cloudai.serving.batch_results import count_results, read_results
from cloudai.types.custom import Accelerator, BatchPredictRequest, BatchStatus, DeployRequest
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_local.batch_folder import BatchFolder
from cloudai_local.batch_lines import Image as ImageLine
from cloudai_local.batch_lines import LineModel
from cloudai_local.run_folder import RunFolder

LINES = 100
"""Of a job that takes a moment."""
CLASSIFY = 'task = "classify"\nlabels = ["dark", "light"]\n[input]\nsize = [1, 2]\ncolor = "L"\n'


def config(root: Path, **more: Any) -> Config:
    origin = Origin(place="test")
    values = {
        "provider": "local", "batches": str(root / "batches"), "endpoints": str(root / "endpoints"),
        "models": str(root / "models"), "hourly_price": "3600", **more,
    }  # fmt: skip
    return Config(
        source=None,
        backends={"here": BackendConfig(name="here", provider="local", values=values, origin=origin)},
        routes=(Route(pattern="*", backends=("here",), origin=origin),),
        policy=Policy(timeout=30.0, deadline=60.0, max_attempts=1),
    )


def line(*values: float, name: str | None = None) -> str:
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [*values, 0, 0, 0][:4]}]}
    return json.dumps(body if name is None else {"id": name, **body})


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in lines))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """At the end no process of a job is left."""
    served.scale(tmp_path / "twice", 2.0)
    yield tmp_path
    for path in (tmp_path / "batches").glob("*/batch.json"):
        stop(path.parent)


def stop(folder: Path) -> None:
    (folder / "cancel").touch()
    until(lambda: not RunFolder(folder).supervised())


def until(true: Any, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it takes too long"
        time.sleep(0.01)


def request(root: Path, model: str = "twice", **more: Any) -> BatchPredictRequest:
    given = {"model": str(root / model), "inputs": str(root / "in"), "output": str(root / "out"), **more}
    return BatchPredictRequest.model_validate(given)


def worker(root: Path, name: str) -> int:
    """The process of a job, by its command line."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"cloudai_local.batch_process" in words and str(root / "batches" / name).encode() in words:
            return int(process.name)
    raise AssertionError("no process")


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


# --- the handle ------------------------------------------------------------------------------------------


def slow_job(root: Path, lines: int = LINES) -> BatchPredictRequest:
    """Some milliseconds a line."""
    served.slow(root / "slow", turns=2)
    write(root / "in" / "a.jsonl", *[line(number) for number in range(lines // 2)])
    write(root / "in" / "b.jsonl", *[line(number) for number in range(lines // 2, lines)])
    return request(root, "slow")


def test_a_job_outlives_its_process_and_is_found_by_another(root: Path) -> None:
    asked = slow_job(root)
    (root / "job.json").write_text(asked.model_dump_json())
    (root / "cloudai.toml").write_text(
        f'[backends.here]\nprovider = "local"\nbatches = "{root}/batches"\n[routes]\n"*" = "here"\n'
    )
    text = (
        "import sys\nfrom cloudai import Client\nfrom cloudai.types.custom import BatchPredictRequest\n"
        "with Client(sys.argv[1]) as client:\n"
        "    job = client.custom.submit_batch(BatchPredictRequest.model_validate_json(open(sys.argv[2]).read()))\n"
        "    print(job.ref.model_dump_json())\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", text, str(root / "cloudai.toml"), str(root / "job.json")]
    saved = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    with Client(config(root)) as client:
        job = client.custom.batch(saved)
        seen: list[BatchStatus] = []
        until(lambda: job.status().total == LINES)
        result = job.result(interval=0.05)
        assert [ref.name for ref in client.custom.batches()] == [job.ref.name]
        job.wait(progress=seen.append)
    assert result.succeeded == LINES
    assert seen[-1].cost is not None
    assert seen[-1].billed_seconds is not None
    assert abs(float(seen[-1].cost.amount) - seen[-1].billed_seconds) < 1e-3  # 3600 USD an hour
    assert [row.outputs["y"].array[0, 0] for row in read_results(root / "out")] == list(range(LINES))


def test_the_same_request_again_finds_the_job_and_another_file_makes_another(root: Path) -> None:
    write(root / "in" / "a.jsonl", line(1))
    with Client(config(root)) as client:
        first = client.custom.submit_batch(request(root))
        first.result(interval=0.05)
        again = client.custom.submit_batch(request(root))
        assert again.ref == first.ref
        assert again.submission is not None
        assert again.submission.found
        write(root / "in" / "a.jsonl", line(2))
        other = client.custom.submit_batch(request(root))
        assert other.ref.name != first.ref.name
        other.result(interval=0.05)
        (root / "out" / "a.jsonl").unlink()
        with pytest.raises(CloudAIError) as caught:
            other.fetch(root / "copy")
        assert caught.value.code is ErrorCode.NOT_FOUND
        assert client.custom.batch_predict(request(root)).succeeded == 1
        assert (root / "out" / "a.jsonl").is_file()
        other.fetch(root / "copy")
        assert (root / "copy" / "a.jsonl").read_bytes() == (root / "out" / "a.jsonl").read_bytes()


def test_a_cancelled_job_stops_and_leaves_no_half_file(root: Path) -> None:
    with Client(config(root)) as client:
        job = client.custom.submit_batch(slow_job(root, 20_000))
        until(lambda: (job.status().succeeded or 0) > 0)
        with pytest.raises(CloudAIError) as caught:
            job.fetch(root / "early")
        assert caught.value.code is ErrorCode.CONFLICT
        job.cancel()
        assert job.status().state is JobState.CANCELLED
        job.cancel()
        with pytest.raises(ServiceError) as ended:
            job.result()
        assert ended.value.code is ErrorCode.CANCELLED
    assert not list((root / "out").rglob("*.part"))
    assert not (root / "batches" / job.ref.name / "model").exists()


def test_a_job_that_is_waited_for_too_shortly_goes_on(root: Path) -> None:
    asked = slow_job(root)
    with Client(config(root)) as client:
        with pytest.raises(CloudAIError, match="it goes on: the same request finds it again") as caught:
            client.custom.batch_predict(asked, deadline=0.2)
        assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
        result = client.custom.batch_predict(asked)
    assert result.found
    assert result.succeeded == LINES


@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again_it_goes_on_where_it_was(root: Path, seed: int) -> None:
    chance = random.Random(seed)
    asked = slow_job(root).model_copy(update={"batch_size": chance.choice([1, 3])})
    with Client(config(root)) as client:
        for _ in range(4):
            job = client.custom.submit_batch(asked)
            if job.status().state.final:
                break
            time.sleep(chance.random() * 0.8)
            try:
                os.kill(worker(root, job.ref.name), signal.SIGKILL)
            except (AssertionError, ProcessLookupError):
                break
            until(lambda job=job: not RunFolder(root / "batches" / job.ref.name).supervised())
            if job.status().state is JobState.SUCCEEDED:
                break
            assert "submit the same request again" in str(job.status().message)
        result = client.custom.batch_predict(asked)
        assert len(client.custom.batches()) == 1
    assert (result.total, result.succeeded, result.failed) == (LINES, LINES, 0)
    assert [row.outputs["y"].array[0, 0] for row in read_results(root / "out")] == list(range(LINES))
    assert count_results(root / "out").total == LINES


CHILD = """
import sys
from cloudai import Client
from cloudai.types.custom import BatchPredictRequest
request = BatchPredictRequest.model_validate_json(sys.argv[2])
with Client(sys.argv[1]) as client:
    print("ready", flush=True)
    client.custom.submit_batch(request)
"""


def killed_while_submitting(root: Path, chance: random.Random) -> None:
    asked = slow_job(root, 20)
    (root / "cloudai.toml").write_text(
        f'[backends.here]\nprovider = "local"\nbatches = "{root}/batches"\n[routes]\n"*" = "here"\n'
    )
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(root / "cloudai.toml"), asked.model_dump_json()]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(chance.random() * 1.5)
            child.kill()
    with Client(config(root)) as client:
        assert client.custom.batch_predict(asked).succeeded == 20
        assert len(client.custom.batches()) == 1
    assert [path.name for path in (root / "batches").iterdir()] == [only_job(root)]
    assert [row.outputs["y"].array[0, 0] for row in read_results(root / "out")] == list(range(20))


def only_job(root: Path) -> str:
    (made,) = (root / "batches").glob("*/batch.json")
    return made.parent.name


@pytest.mark.parametrize("seed", range(2))
def test_a_submission_killed_at_any_moment_makes_one_job(root: Path, seed: int) -> None:
    killed_while_submitting(root, random.Random(seed))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 18))
def test_fifty_submissions_killed_make_one_job_each(root: Path, seed: int) -> None:
    killed_while_submitting(root, random.Random(seed))


def test_a_half_written_line_is_written_anew(root: Path) -> None:
    asked = slow_job(root)
    with Client(config(root)) as client:
        job = client.custom.submit_batch(asked)
        until(lambda: (job.status().succeeded or 0) > 5)
        os.kill(worker(root, job.ref.name), signal.SIGKILL)
        folder = BatchFolder(root / "batches" / job.ref.name)
        until(lambda: not folder.held.supervised())
        (part,) = (root / "out").glob(".*.part")
        with part.open("ab") as file:
            file.write(b'{"model_name": "slow", "outp')
        assert client.custom.batch_predict(asked).succeeded == LINES
    assert [row.outputs["y"].array[0, 0] for row in read_results(root / "out")] == list(range(LINES))


def test_the_time_limit_ends_it(root: Path) -> None:
    with Client(config(root)) as client, pytest.raises(ServiceError, match="longer than its limit of 1 s"):
        client.custom.batch_predict(slow_job(root, 20_000).model_copy(update={"max_seconds": 1}))


def test_an_input_that_changes_between_two_starts_is_told(root: Path) -> None:
    asked = slow_job(root)
    with Client(config(root)) as client:
        job = client.custom.submit_batch(asked)
        os.kill(worker(root, job.ref.name), signal.SIGKILL)
        until(lambda: not RunFolder(root / "batches" / job.ref.name).supervised())
        kept = (root / "in" / "a.jsonl").read_bytes()
        (root / "in" / "a.jsonl").write_bytes(kept)  # the same bytes at another time
        with pytest.raises(ServiceError, match=r"a\.jsonl was changed or taken away"):
            client.custom.batch_predict(asked)


def test_async_clients_have_the_same(root: Path) -> None:
    write(root / "in" / "a.jsonl", line(1), line(2))

    async def ask() -> None:
        async with AsyncClient(config(root)) as client:
            plan = await client.custom.plan_batch(request(root))
            job = await client.custom.submit_batch(request(root))
            assert job.ref.name == plan.name
            assert (await job.wait(interval=0.05)).state is JobState.SUCCEEDED
            assert (await job.result()).succeeded == 2
            assert (await client.custom.batch_predict(request(root))).found
            assert await client.custom.batches() == (job.ref.model_copy(update={"details": ()}),)
            await client.custom.batch(job.ref).fetch(root / "copy")
            await job.cancel()
            assert (await job.status()).state is JobState.SUCCEEDED

    asyncio.run(ask())
    assert count_results(root / "copy").total == 2


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
