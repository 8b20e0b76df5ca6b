"""`custom.batch_predict` on SageMaker against a strict control plane: staged, submitted once, fetched, killed."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from aws_answers import settings
from aws_client import config, opened
from aws_hosting import HostingService
from aws_sagemaker import ROLE
from aws_server import Broken, Failure, StrictServer, serving
from aws_transform import TransformService
from served import scale

from cloudai import AsyncClient, Client
from cloudai.driver import Call
from cloudai.errors import BudgetExceeded, CloudAIError, ErrorCode, InvalidInput, ServiceError
from cloudai.serving.batch_results import read_results
from cloudai.types.custom import Accelerator, BatchPredictRequest, BatchRef
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_aws.driver import AwsDriver
from cloudai_aws.sagemaker_transform import pairs
from cloudai_aws.settings import AwsSettings, BatchOptions

PLACE: dict[str, Any] = {"sagemaker_role_arn": ROLE, "region": "us-west-2"}
MACHINE = Accelerator(instance="ml.g5.12xlarge")
"""7.09 USD an hour in us-west-2, by the price book."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A backend, the services behind it, and a folder with two files of requests."""

    server: StrictServer
    hosting: HostingService
    service: TransformService
    driver: AwsDriver
    folder: Path

    def request(self, **more: Any) -> BatchPredictRequest:
        given = {
            "model": "digits",
            "inputs": str(self.folder / "rows"),
            "output": str(self.folder / "out"),
            "accelerator": MACHINE,
            **more,
        }
        return BatchPredictRequest.model_validate(given)

    def client(self) -> Client:
        return opened(self.server, **PLACE)

    def ended(self, ref: BatchRef) -> None:
        """Looked at until it has ended."""
        for _ in range(5):
            if self.driver.batch_status(ref, call()).state.final:
                return
        raise AssertionError("it does not end")


def call(seconds: float = 5.0, options: BatchOptions | None = None) -> Call:
    return Call(timeout=seconds, options=options)


def line(value: float, **more: Any) -> str:
    inputs = [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [value]}]
    return json.dumps({**more, "inputs": inputs})


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[StrictServer, AwsDriver]]:
    with serving() as server:
        made = AwsDriver(AwsSettings.model_validate(settings(server, **PLACE)), backend="aws")
        yield server, made
        made.close()


@pytest.fixture
def desk(started: tuple[StrictServer, AwsDriver], tmp_path: Path) -> Iterator[Desk]:
    server, made = started
    rows = tmp_path / "rows"
    (rows / "deep").mkdir(parents=True)
    (rows / "a.jsonl").write_text("".join(f"{line(number, id=str(number))}\n" for number in range(5)))
    (rows / "deep" / "b.jsonl").write_text(f"{line(7)}\n")
    scale(tmp_path / "twice", 2.0)
    server.forget()
    hosting = HostingService(server).answer()
    hosting.stand("digits")
    yield Desk(server=server, hosting=hosting, service=TransformService(hosting).answer(), driver=made, folder=tmp_path)
    assert server.violations == []


def sent(desk: Desk) -> dict[str, Any]:
    (job,) = desk.service.jobs.values()
    return job


# --- a whole life ----------------------------------------------------------------------------------------


def test_a_folder_goes_through_s3_and_comes_back_with_its_files_and_order(desk: Desk) -> None:
    with desk.client() as client:
        job = client.custom.submit_batch(desk.request())
        assert job.submission is not None
        assert not job.submission.found
        result = job.result(interval=0.01)
        assert (result.state, result.total, result.succeeded, result.failed) == (JobState.SUCCEEDED, 6, 6, 0)
        assert result.output == str(desk.folder / "out")
        rows = list(read_results(desk.folder / "out"))
        assert [(row.file, row.line, row.id) for row in rows[:2]] == [("a.jsonl", 1, "0"), ("a.jsonl", 2, "1")]
        assert [row.outputs["y"].array.item() for row in rows] == [0, 2, 4, 6, 8, 14]
        assert rows[-1].file == "deep/b.jsonl"
        status = client.custom.batch(job.ref.model_dump_json()).status()
        assert (status.billed_seconds, status.started) == (90.0, "2026-11-21T12:00:00+00:00")
        assert (str(status.hourly), str(status.cost), result.cost) == ("7.09 USD", "0.17725 USD", status.cost)
        assert [(ref.name, ref.id, ref.backend) for ref in client.custom.batches()] == [
            (job.ref.name, job.ref.id, "aws")
        ]
    body = sent(desk)
    assert body["ModelName"] == "digits-a"
    assert body["TransformResources"] == {"InstanceType": "ml.g5.12xlarge", "InstanceCount": 1}
    assert body["TransformInput"]["SplitType"] == body["TransformOutput"]["AssembleWith"] == "Line"
    prefix = f"cloudai/batches/{job.ref.name}/input/"
    assert {key for _, key in desk.server.objects if "/input/" in key} == {f"{prefix}a.jsonl", f"{prefix}deep/b.jsonl"}


def test_waiting_within_the_deadline_gives_the_result(desk: Desk) -> None:
    with desk.client() as client:
        assert client.custom.batch_predict(desk.request()).succeeded == 6
        again = client.custom.batch_predict(desk.request())
        assert again.found
        assert again.succeeded == 6
    assert len(desk.service.jobs) == 1


def test_async_clients_have_the_same(desk: Desk) -> None:
    async def ask() -> None:
        async with AsyncClient(config(desk.server, **PLACE)) as client:
            job = await client.custom.submit_batch(desk.request())
            assert (await job.wait(interval=0.01)).state is JobState.SUCCEEDED
            assert (await job.result()).succeeded == 6
            assert [ref.name for ref in await client.custom.batches()] == [job.ref.name]
            await job.fetch(desk.folder / "copy")
            await job.cancel()

    asyncio.run(ask())
    assert len(list(read_results(desk.folder / "copy"))) == 6


def test_results_stay_in_s3_where_the_request_says_so(desk: Desk) -> None:
    with desk.client() as client:
        result = client.custom.batch_predict(desk.request(output="s3://bucket/results/"))
        assert (result.output, result.total) == ("s3://bucket/results/", None)
        job = client.custom.batch(str(result.batch.model_dump_json() if result.batch else ""))
        job.fetch(desk.folder / "here")
    assert ("bucket", "results/a.jsonl.out") in desk.server.objects
    assert len(list(read_results(desk.folder / "here"))) == 6


def test_a_prefix_in_s3_is_read_where_it_is(desk: Desk) -> None:
    desk.server.objects["bucket", "rows/day/a.jsonl"] = f"{line(1)}\n{line(2)}\n".encode()
    desk.service.flat = True  # the documentation's example drops the folders
    with desk.client() as client:
        result = client.custom.batch_predict(desk.request(inputs="s3://bucket/rows/"))
        assert [row.file for row in read_results(desk.folder / "out")] == ["day/a.jsonl", "day/a.jsonl"]
        assert "input_not_listed" in {notice.code for notice in result.warnings}
    assert "PutObject" not in desk.server.operations()


def test_a_cancelled_job_is_stopped_and_has_no_results(desk: Desk) -> None:
    with desk.client() as client:
        job = client.custom.submit_batch(desk.request())
        job.cancel()
        job.cancel()
        assert job.status().state is JobState.CANCELLED
        with pytest.raises(CloudAIError) as caught:
            job.fetch(desk.folder / "out")
        assert caught.value.code is ErrorCode.CONFLICT
        with pytest.raises(ServiceError) as ended:
            job.result()
        assert ended.value.code is ErrorCode.CANCELLED


def test_a_line_that_the_model_refuses_fails_the_job_in_sagemakers_words(desk: Desk) -> None:
    (desk.folder / "rows" / "a.jsonl").write_text("no json\n")
    with desk.client() as client, pytest.raises(ServiceError, match="failed: ClientError: See job logs"):
        client.custom.batch_predict(desk.request())


# --- the model -------------------------------------------------------------------------------------------


def test_a_model_folder_becomes_a_model_once(desk: Desk) -> None:
    with desk.client() as client:
        request = desk.request(model=str(desk.folder / "twice"))
        plan = client.custom.plan_batch(request)
        assert [each["call"] for each in plan.requests] == ["CreateModel", "CreateTransformJob"]
        assert not desk.service.jobs
        first = client.custom.submit_batch(request)
        assert plan.name == first.ref.name
        assert plan.requests[1]["body"] == sent(desk)
        client.custom.submit_batch(desk.request(model=str(desk.folder / "twice"), instances=2))
    assert len(desk.service.jobs) == 2
    assert desk.server.operations().count("CreateModel") == 1
    (made,) = set(desk.hosting.models) - {"digits-a"}
    address = desk.hosting.models[made]["PrimaryContainer"]["ModelDataUrl"]
    assert tuple(address.removeprefix("s3://").split("/", 1)) in desk.server.objects
    assert {each.ref.name for each in desk.driver.list_endpoints(call())} == set()


def test_another_version_behind_the_endpoint_makes_another_job(desk: Desk) -> None:
    first = desk.driver.batch_predict(desk.request(), call()).batch
    desk.hosting.models["digits-b"] = {"ModelName": "digits-b"}
    other = {"VariantName": "b", "ModelName": "digits-b", "InitialVariantWeight": 9.0, "InitialInstanceCount": 1}
    desk.hosting.configs["digits"]["ProductionVariants"].append(other)
    desk.hosting._settle("digits")
    second = desk.driver.batch_predict(desk.request(), call()).batch
    named = desk.driver.batch_predict(desk.request(version="a"), call()).batch
    assert first is not None
    assert second is not None
    assert named is not None
    models = [desk.service.jobs[ref.id]["ModelName"] for ref in (first, second, named)]
    assert models == ["digits-a", "digits-b", "digits-a"]
    with pytest.raises(InvalidInput, match="no version c, but a, b"):
        desk.driver.batch_predict(desk.request(version="c"), call())


# --- before ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"output": "gs://bucket/results"}, "writes to s3://"),
        ({"inputs": "gs://bucket/rows"}, "reads s3://"),
        ({"inputs": ("s3://bucket/a/", "s3://bucket/b/")}, "one prefix"),
        ({"inputs": "./nowhere"}, "not there"),
        ({"model": "nobody"}, "no endpoint and no model"),
        ({"model": "gs://bucket/model"}, "model.tar.gz"),
        ({"model": "s3://bucket/model.tar.gz"}, "name: "),
    ],
)
def test_a_batch_that_can_not_be_is_refused(desk: Desk, more: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        desk.driver.batch_predict(desk.request(**more), call())
    assert desk.service.jobs == {}


def test_what_has_no_parameter_is_said(desk: Desk) -> None:
    request = desk.request(batch_size=4, max_failed=1, max_seconds=60, image="mine:1")
    plan = desk.driver.plan_batch(request, call(options=BatchOptions(max_payload_mb=50)))
    ignored = " ".join(notice.message for notice in plan.warnings if notice.code == "option_ignored")
    assert all(word in ignored for word in ("batch_size", "max_failed", "max_seconds", "image"))
    assert plan.requests[0]["body"]["MaxPayloadInMB"] == 50  # type: ignore[index,call-overload]


def test_a_cost_limit_is_held_before_anything_is_sent(desk: Desk) -> None:
    with pytest.raises(BudgetExceeded, match=r"max_cost is 0\.000001 USD"):
        desk.driver.batch_predict(desk.request(max_cost=Money(amount=Decimal("0.000001"))), call())
    assert desk.service.jobs == {}
    assert "PutObject" not in desk.server.operations()


def test_a_job_of_the_same_name_that_is_anothers_is_a_conflict(desk: Desk) -> None:
    ref = desk.driver.batch_predict(desk.request(), call()).batch
    assert ref is not None
    desk.service.jobs[ref.id]["Environment"] = {}
    with pytest.raises(ServiceError, match="another one") as caught:
        desk.driver.batch_predict(desk.request(), call())
    assert caught.value.code is ErrorCode.CONFLICT


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        (["a", "d/a"], ["a.out", "d/a.out"], {"a.out": "a", "d/a.out": "d/a"}),
        (["d/a", "e/b"], ["a.out", "b.out"], {"a.out": "d/a", "b.out": "e/b"}),
        (["a"], ["rows/a.out", "other.txt"], {"rows/a.out": "a"}),
        (["a", "b"], ["a.out"], "b: no output is of it"),
        (["d/a", "e/a"], ["a.out"], "e/a: no output is of it"),
        (["a"], ["x/a.out", "y/a.out"], "a: 2 outputs could be of it"),
    ],
)
def test_outputs_are_given_back_to_their_inputs(
    inputs: list[str], outputs: list[str], expected: dict[str, str] | str
) -> None:
    if isinstance(expected, dict):
        assert pairs(inputs, outputs) == expected
    else:
        with pytest.raises(ServiceError, match=expected):
            pairs(inputs, outputs)


# --- doubts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(10))
def test_an_answer_lost_anywhere_never_makes_a_second_job(desk: Desk, at: int) -> None:
    desk.server.next_faults.extend([*[None] * at, Broken(kind="lost")])
    with desk.client() as client:
        with suppress(CloudAIError):
            client.custom.submit_batch(desk.request(model=str(desk.folder / "twice")))
        desk.server.next_faults.clear()
        client.custom.submit_batch(desk.request(model=str(desk.folder / "twice")))
    assert len(desk.service.jobs) == 1
    assert desk.server.operations().count("CreateTransformJob") == 1


def test_a_creation_that_nobody_can_tell_of_is_unknown(desk: Desk) -> None:
    before = 5  # describe endpoint, configuration and job; list the prefix; put one file
    (desk.folder / "rows" / "deep" / "b.jsonl").unlink()
    desk.server.next_faults.extend([*[None] * before, Broken(kind="lost"), Broken(kind="reset")])
    with desk.client() as client:
        with pytest.raises(CloudAIError, match="look for its output, and in the list of batch jobs") as caught:
            client.custom.submit_batch(desk.request())
        assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
        assert client.custom.submit_batch(desk.request()).submission is not None
    assert len(desk.service.jobs) == 1


def test_a_refused_creation_is_told_as_it_is(desk: Desk) -> None:
    failure = Failure(code="ResourceLimitExceeded", message="no ml.g5.12xlarge for transform jobs")
    desk.server.answers["CreateTransformJob"] = lambda _: failure
    with desk.client() as client, pytest.raises(CloudAIError, match=r"no ml\.g5\.12xlarge") as caught:
        client.custom.submit_batch(desk.request())
    assert caught.value.code is not ErrorCode.OUTCOME_UNKNOWN


CHILD = """
import json, sys
from cloudai.driver import Call
from cloudai.registry import Registry
from cloudai.types.custom import BatchPredictRequest
values, request = json.load(sys.stdin)
entry = Registry.installed().get("aws").provider
driver = entry.open(entry.settings.model_validate(values), backend="aws")
driver.batch_predict(BatchPredictRequest.model_validate(request), Call(timeout=30.0))
driver.close()
"""
POINTS = [(number, when) for number in range(1, 13) for when in ("before", "after")]
SOME = random.Random(6).sample(POINTS, 4)


def killed(desk: Desk, at: int, when: str) -> None:
    """A process that submits is killed at a request; then the same is submitted from here."""
    request = desk.request(model=str(desk.folder / "twice"))
    values = settings(desk.server, **PLACE)
    child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", CHILD], stdin=subprocess.PIPE)
    assert child.stdin is not None
    desk.server.killing = (child.pid, at, when)
    child.stdin.write(json.dumps([values, request.model_dump(mode="json")]).encode())
    child.stdin.close()
    assert child.wait(60) in (-9, 0)
    desk.server.killing = None
    ref = desk.driver.batch_predict(request, call(30.0)).batch
    assert ref is not None
    assert list(desk.service.jobs) == [ref.id]
    assert desk.server.operations().count("CreateTransformJob") == 1
    assert len(set(desk.hosting.models) - {"digits-a"}) == 1
    assert [each.id for each in desk.driver.list_batches(call())] == [ref.id]
    desk.ended(ref)
    desk.driver.fetch_batch(ref, desk.folder / "fetched", call())
    assert len(list(read_results(desk.folder / "fetched"))) == 6


@pytest.mark.parametrize(("at", "when"), SOME)
def test_a_process_killed_at_a_request_never_makes_a_second_job(desk: Desk, at: int, when: str) -> None:
    killed(desk, at, when)


@pytest.mark.long
@pytest.mark.parametrize(("at", "when"), [point for point in POINTS if point not in SOME])
def test_killed_at_any_request_it_never_makes_a_second_job(desk: Desk, at: int, when: str) -> None:
    killed(desk, at, when)
