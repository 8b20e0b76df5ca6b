"""A batch job on this machine as real processes and files: it outlives its submission, is killed and goes on, stops."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import served
from local_batches import config, folder_of_jobs, line, request, until, worker, write

from cloudai import AsyncClient, Client
from cloudai.errors import CloudAIError, ErrorCode, ServiceError
from cloudai.serving.batch_results import count_results, read_results
from cloudai.types.custom import BatchPredictRequest, BatchStatus
from cloudai.types.speech import JobState
from cloudai_local.batch_folder import BatchFolder
from cloudai_local.run_folder import RunFolder

LINES = 100
"""Of a job that takes a moment."""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with folder_of_jobs(tmp_path) as folder:
        yield folder


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
