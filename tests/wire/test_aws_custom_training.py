"""`custom.train` on SageMaker, against a strict control plane: what is sent, what is found again, what goes wrong."""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import settings
from aws_sagemaker import ROLE, TrainingService
from aws_server import Broken, Failure, StrictServer, serving

from cloudai.driver import Call
from cloudai.errors import BudgetExceeded, CloudAIError, ConfigError, ErrorCode, InvalidInput, ServiceError, Unsupported
from cloudai.settings import OptionsModel
from cloudai.training import log_metric, metrics_of
from cloudai.types.custom import Accelerator, TrainingJob
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_aws.driver import AwsDriver
from cloudai_aws.settings import AwsSettings, TrainOptions


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A backend, the service behind it, and a job's folder."""

    server: StrictServer
    service: TrainingService
    driver: AwsDriver
    folder: Path

    def job(self, **more: Any) -> TrainingJob:
        values = {"name": "digits", "script": "train.py", "source": str(self.folder / "src"), "framework": "pytorch"}
        return TrainingJob(**{**values, **more})


def driver(server: StrictServer, **more: Any) -> AwsDriver:
    values = settings(server, **{"sagemaker_role_arn": ROLE, **more})
    return AwsDriver(AwsSettings.model_validate(values), backend="aws")


def call(seconds: float = 5.0, options: OptionsModel | None = None) -> Call:
    return Call(timeout=seconds, options=options)


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[StrictServer, AwsDriver]]:
    """One for all tests: botocore takes half a second to read SageMaker's description."""
    with serving() as server:
        made = driver(server)
        yield server, made
        made.close()


@pytest.fixture
def desk(opened: tuple[StrictServer, AwsDriver], tmp_path: Path) -> Iterator[Desk]:
    server, made = opened
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("print('hello')\n")
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for number in range(5):
        (tmp_path / "data" / f"{number}.csv").write_text(f"{number}\n")
    (tmp_path / "data" / "deep" / "rows.csv").write_text("1,2\n")
    server.forget()
    yield Desk(server=server, service=TrainingService(server).answer(), driver=made, folder=tmp_path)
    assert server.violations == []


# --- what is sent ------------------------------------------------------------------------------------


def test_a_job_is_staged_and_submitted_under_its_contents_name(desk: Desk) -> None:
    job = desk.job(
        inputs={"train": str(desk.folder / "data")}, hyperparameters={"rate": 0.1, "name": "a b", "deep": True}
    )
    result = desk.driver.train(job, call())
    sent = desk.server.params("CreateTrainingJob")
    assert result.run is not None
    assert sent["TrainingJobName"] == result.run.id
    assert re.fullmatch(r"digits-[0-9a-f]{10}", result.run.id)
    assert sent["RoleArn"] == ROLE
    hyper = {name: json.loads(value) for name, value in sent["HyperParameters"].items()}
    assert hyper["sagemaker_program"] == "cloudai_runner.py"
    assert (hyper["rate"], hyper["name"], hyper["deep"]) == (0.1, "a b", True)
    bucket, key = hyper["sagemaker_submit_directory"].removeprefix("s3://").split("/", 1)
    with tarfile.open(fileobj=io.BytesIO(desk.server.objects[bucket, key])) as source:
        assert {"train.py", "cloudai_runner.py", "cloudai_job.json"} <= set(source.getnames())
    (channel,) = sent["InputDataConfig"]
    prefix = channel["DataSource"]["S3DataSource"]["S3Uri"].removeprefix("s3://staging/")
    uploaded = {key.removeprefix(prefix) for _, key in desk.server.objects if key.startswith(prefix)}
    assert uploaded == {"0.csv", "1.csv", "2.csv", "3.csv", "4.csv", "deep/rows.csv"}
    assert sent["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}
    assert not result.found


def test_the_same_job_is_found_and_not_sent_again(desk: Desk) -> None:
    first = desk.driver.train(desk.job(), call())
    again = desk.driver.train(desk.job(), call())
    assert (first.found, again.found) == (False, True)
    assert first.run is not None
    assert again.run is not None
    assert first.run.id == again.run.id
    assert desk.service.creations == 1


def test_what_is_in_s3_already_is_not_put_there_again(desk: Desk) -> None:
    job = desk.job(inputs={"train": str(desk.folder / "data")})
    desk.driver.train(job, call())
    before = desk.server.operations().count("PutObject")
    desk.driver.train(job.model_copy(update={"hyperparameters": {"rate": 0.2}}), call())
    assert desk.server.operations().count("PutObject") == before
    assert desk.service.creations == 2


def test_the_plan_is_the_body_that_is_sent_and_sends_nothing(desk: Desk) -> None:
    job = desk.job(
        accelerator=Accelerator(name="L4", count=4),
        inputs={"train": "s3://bucket/data/"},
        environment={"API_TOKEN": "hush", "LEVEL": "3"},
    )
    plan = desk.driver.plan_training(job, call())
    assert desk.server.requests == 0
    (request,) = plan.requests
    assert request["call"] == "CreateTrainingJob"
    assert "hush" not in plan.model_dump_json()
    desk.driver.train(job, call())
    sent = desk.server.params("CreateTrainingJob")
    assert sent["Environment"]["API_TOKEN"] == "hush"
    sent["Environment"]["API_TOKEN"] = "***"
    assert request["body"] == sent
    assert plan.instance == "ml.g6.12xlarge"
    assert plan.hourly is not None
    assert plan.hourly.amount > 1


def test_accelerators_become_an_instance_and_what_the_runner_checks(desk: Desk) -> None:
    desk.driver.train(desk.job(accelerator=Accelerator(name="L4", count=4)), call())
    sent = desk.server.params("CreateTrainingJob")
    assert sent["ResourceConfig"] == {"InstanceType": "ml.g6.12xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50}
    assert sent["Environment"]["CLOUDAI_GPUS"] == sent["Environment"]["CLOUDAI_PROCESSES"] == "4"
    assert "-gpu-" in sent["AlgorithmSpecification"]["TrainingImage"]


def test_without_an_accelerator_the_cheapest_type_that_training_takes(desk: Desk) -> None:
    desk.driver.train(desk.job(nodes=2), call())
    sent = desk.server.params("CreateTrainingJob")
    assert sent["ResourceConfig"]["InstanceCount"] == 2
    assert sent["ResourceConfig"]["InstanceType"] != "ml.c5.large"  # in the price book, and not for training
    assert "CLOUDAI_GPUS" not in sent["Environment"]


def test_spot_has_checkpoints_and_a_longest_wait(desk: Desk) -> None:
    desk.driver.train(desk.job(spot=True, max_seconds=600), call(options=TrainOptions(max_wait_seconds=900)))
    sent = desk.server.params("CreateTrainingJob")
    assert sent["EnableManagedSpotTraining"] is True
    assert sent["StoppingCondition"] == {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900}
    assert sent["CheckpointConfig"]["S3Uri"].endswith(f"/training/checkpoints/{sent['TrainingJobName']}")
    with pytest.raises(InvalidInput, match="max_wait_seconds"):
        desk.driver.train(desk.job(spot=True, max_seconds=601), call(options=TrainOptions(max_wait_seconds=600)))


def test_a_container_of_ones_own_is_started_by_the_runner(desk: Desk) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"
    desk.driver.train(desk.job(image=image, framework=None), call())
    sent = desk.server.params("CreateTrainingJob")
    assert sent["AlgorithmSpecification"]["TrainingImage"] == image
    assert sent["AlgorithmSpecification"]["ContainerEntrypoint"] == ["/bin/sh", "-c"]
    assert "cloudai_runner.py" in sent["AlgorithmSpecification"]["ContainerArguments"][0]
    assert [channel["ChannelName"] for channel in sent["InputDataConfig"]] == ["cloudai-source"]
    assert "sagemaker_program" not in sent["HyperParameters"]


def test_cloudwatch_reads_the_metric_lines_that_a_script_prints(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.driver.train(desk.job(), call(options=TrainOptions(metrics=("val.loss",))))
    (metric,) = desk.server.params("CreateTrainingJob")["AlgorithmSpecification"]["MetricDefinitions"]
    log_metric("val.loss", 2.5e-07, step=3)
    log_metric("valxloss", 1.0)
    lines = capsys.readouterr().out.splitlines()
    assert [re.findall(metric["Regex"], line) for line in lines] == [["2.5e-07"], []]


def test_tags_tell_ours_from_others(desk: Desk) -> None:
    desk.driver.train(desk.job(tags={"team": "vision", "cloudai-job": "forged"}), call())
    marks = {tag["Key"]: tag["Value"] for tag in desk.server.params("CreateTrainingJob")["Tags"]}
    assert marks["team"] == "vision"
    assert len(marks["cloudai-job"]) == 64


# --- what is refused before anything is sent ------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"framework": None}, "framework = one of pytorch, sklearn"),
        ({"framework": "caffe"}, "'caffe'"),
        ({"framework": "sklearn", "accelerator": Accelerator(name="T4", count=1)}, "no GPU"),
        ({"script": "no.py"}, "no.py"),
        ({"source": "nowhere"}, "nowhere"),
        ({"inputs": {"train": "gs://bucket/data"}}, "gs://bucket/data"),
        ({"inputs": {"tr ain": "s3://bucket/data"}}, "tr ain"),
        ({"output": "./here"}, "s3://"),
        ({"checkpoint": "./here", "spot": True}, "s3://"),
        ({"accelerator": Accelerator(name="Abacus", count=1)}, "Abacus"),
    ],
)
def test_a_job_that_can_not_be_is_refused_and_nothing_is_sent(desk: Desk, more: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(words)):
        desk.driver.train(desk.job(**more), call())
    assert desk.server.requests == 0


def test_a_job_that_may_cost_too_much_is_not_sent(desk: Desk) -> None:
    with pytest.raises(BudgetExceeded):
        desk.driver.train(desk.job(max_cost=Money(amount=Decimal("0.01"))), call())
    assert desk.server.requests == 0


def test_without_a_role_the_setting_is_named(desk: Desk) -> None:
    opened = driver(desk.server, sagemaker_role_arn=None)
    with pytest.raises(ConfigError, match="sagemaker_role_arn"):
        opened.train(desk.job(), call())
    opened.close()


def test_without_a_bucket_the_setting_is_named(desk: Desk) -> None:
    values = {name: value for name, value in settings(desk.server).items() if name != "staging_bucket"}
    opened = AwsDriver(AwsSettings.model_validate({**values, "sagemaker_role_arn": ROLE}), backend="aws")
    with pytest.raises(Unsupported, match="staging_bucket"):
        opened.train(desk.job(), call())
    opened.close()


def test_an_image_is_not_known_everywhere(desk: Desk) -> None:
    opened = driver(desk.server, region="mx-central-1")
    with pytest.raises(InvalidInput, match="training_images"):
        opened.plan_training(desk.job(), call())
    opened.close()
    own = driver(desk.server, region="mx-central-1", training_images={"pytorch": "mine:1"})
    plan = own.plan_training(desk.job(), call())
    assert "mine:1" in plan.model_dump_json()
    assert plan.hourly is None
    assert plan.warnings[0].code == "price_unknown"
    own.close()


# --- what became of it ------------------------------------------------------------------------------------


def test_a_life_from_queued_to_the_artefact(desk: Desk, tmp_path: Path) -> None:
    desk.service.more = {"BillableTimeInSeconds": 61, "TrainingTimeInSeconds": 90}
    run = desk.driver.train(desk.job(), call()).run
    assert run is not None
    states = [desk.driver.run_status(run, call()) for _ in range(4)]
    assert [each.state for each in states] == [
        JobState.QUEUED,
        JobState.RUNNING,
        JobState.RUNNING,
        JobState.SUCCEEDED,
    ]
    assert states[0].artefact is None
    assert states[-1].billed_seconds == 61
    assert states[-1].started == "2026-11-21T12:00:00+00:00"
    assert states[-1].ended == "2026-11-21T12:01:30+00:00"
    assert str(states[-1].artefact).endswith(f"/training/runs/{run.id}/output/model.tar.gz")
    desk.driver.fetch_run(run, tmp_path / "out", call())
    assert (tmp_path / "out" / "model.onnx").read_bytes() == b"graph"
    assert (tmp_path / "out" / "labels" / "names.txt").read_bytes() == b"a\nb\n"


def test_a_failure_comes_with_the_platforms_words(desk: Desk) -> None:
    desk.service.states = (("Failed", "Failed"),)
    desk.service.more = {"FailureReason": "AlgorithmError: a loss ended as NaN, exit code: 65"}
    run = desk.driver.train(desk.job(), call()).run
    assert run is not None
    found = desk.driver.run_status(run, call())
    assert (found.state, found.message) == (JobState.FAILED, "AlgorithmError: a loss ended as NaN, exit code: 65")


def test_a_job_that_was_stopped_at_its_limit_has_failed(desk: Desk) -> None:
    desk.service.states = (("Stopped", "MaxRuntimeExceeded"),)
    run = desk.driver.train(desk.job(), call()).run
    assert run is not None
    found = desk.driver.run_status(run, call())
    assert found.state is JobState.FAILED
    assert "max_seconds" in str(found.message)


def test_interruptions_of_spot_are_counted(desk: Desk) -> None:
    from aws_sagemaker import EPOCH

    steps = ["Starting", "Training", "Interrupted", "Starting", "Training", "Interrupted", "Training"]
    desk.service.more = {
        "SecondaryStatusTransitions": [
            {"Status": step, "StartTime": EPOCH, "StatusMessage": f"{step} now"} for step in steps
        ]
    }
    run = desk.driver.train(desk.job(spot=True), call()).run
    assert run is not None
    found = desk.driver.run_status(run, call())
    assert found.restarts == 2
    assert found.message == "Training now"


def test_cancel_stops_it_and_one_that_has_ended_stays(desk: Desk) -> None:
    run = desk.driver.train(desk.job(), call()).run
    assert run is not None
    desk.driver.cancel_run(run, call())
    assert desk.driver.run_status(run, call()).state is JobState.CANCELLED
    desk.driver.cancel_run(run, call())
    assert desk.server.operations().count("StopTrainingJob") == 2


def test_a_run_that_is_not_there_is_not_found(desk: Desk) -> None:
    run = desk.driver.train(desk.job(), call()).run
    assert run is not None
    other = run.model_copy(update={"id": "gone-0123456789"})
    for ask in (desk.driver.run_status, desk.driver.cancel_run):
        with pytest.raises(ServiceError) as caught:
            ask(other, call())
        assert caught.value.code is ErrorCode.NOT_FOUND
    with pytest.raises(ServiceError, match="no model"):
        desk.driver.fetch_run(run, desk.folder / "out", call())


def test_logs_come_page_by_page_of_all_machines(desk: Desk) -> None:
    run = desk.driver.train(desk.job(), call()).run
    assert run is not None
    assert desk.driver.run_logs(run, None, call()).lines == ()
    one, two = f"{run.id}/algo-1-1732201800", f"{run.id}/algo-2-1732201801"
    desk.service.lines = {
        one: ['{"cloudai_metric": {"name": "loss", "value": 0.5, "step": 1}}'],
        "other/algo-1-1": ["no"],
    }
    first = desk.driver.run_logs(run, None, call())
    assert [metric.value for metric in metrics_of(first.lines)] == [0.5]
    assert desk.driver.run_logs(run, first.next, call()).lines == ()
    desk.service.lines[one].append("a\nb")
    desk.service.lines[two] = ["c"]
    assert desk.driver.run_logs(run, first.next, call()).lines == ("[algo-1] a", "[algo-1] b", "[algo-2] c")
    with pytest.raises(InvalidInput, match="cursor"):
        desk.driver.run_logs(run, "[1]", call())


def test_runs_are_found_by_our_tag_newest_first(desk: Desk) -> None:
    for rate in range(3):
        desk.driver.train(desk.job(hyperparameters={"rate": rate}), call())
    desk.service.jobs["stranger"] = {**desk.server.params("CreateTrainingJob"), "Tags": []}
    found = desk.driver.list_runs(call())
    assert [run.id for run in found] == list(reversed([name for name in desk.service.jobs if name != "stranger"]))
    assert {dict(run.details)["title"] for run in found} == {"digits"}


# --- when the wire fails ----------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(12))
def test_an_answer_lost_anywhere_never_makes_a_second_job(desk: Desk, at: int) -> None:
    """Lost once at each request in turn; then submitted again, as a user would."""
    desk.server.next_faults.extend([*[None] * at, Broken(kind="lost")])
    job = desk.job(inputs={"train": str(desk.folder / "data")})
    try:
        desk.driver.train(job, call())
    except Exception as error:
        fault = desk.driver.classify(error)
        assert fault is not None
        assert fault.code in (ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED)
    desk.server.next_faults.clear()
    result = desk.driver.train(job, call())
    assert result.run is not None
    assert desk.service.creations == 1


@pytest.mark.parametrize("at", range(13))
def test_a_process_killed_anywhere_never_makes_a_second_job(desk: Desk, at: int) -> None:
    """As after kill -9: from some request on, nothing is sent and nothing is tidied up; then submitted again."""

    class Killed(BaseException):
        """Not an exception that anything catches."""

    sent = 0
    wire = desk.driver.client.wire  # type: ignore[attr-defined]
    exchange = wire._exchange

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent > at:
            raise Killed
        return exchange(*arguments, **named)

    job = desk.job(inputs={"train": str(desk.folder / "data")})
    wire._exchange = dying
    try:
        with suppress(Killed):
            desk.driver.train(job, call())
    finally:
        wire._exchange = exchange
    result = desk.driver.train(job, call())
    assert result.run is not None
    assert list(desk.service.jobs) == [result.run.id]
    assert desk.service.creations == 1


def test_a_submission_whose_answer_was_lost_is_looked_for_and_is_no_failure(desk: Desk) -> None:
    requests_before_create = 3  # describe, list the source, put it
    desk.server.next_faults.extend([*[None] * requests_before_create, Broken(kind="lost")])
    result = desk.driver.train(desk.job(), call())
    assert desk.server.operations() == [
        "DescribeTrainingJob",
        "ListObjectsV2",
        "PutObject",
        "CreateTrainingJob",
        "DescribeTrainingJob",
    ]
    assert result.run is not None
    assert not result.found


def test_a_job_made_between_the_look_and_the_submission_is_found(desk: Desk) -> None:
    job = desk.job()
    named = desk.driver.plan_training(job, call())
    create = desk.service.create

    def other_first(params: dict[str, Any]) -> Any:
        create(params)
        return create(params)

    desk.server.answers["CreateTrainingJob"] = other_first
    result = desk.driver.train(job, call())
    assert result.found
    assert result.run is not None
    assert result.run.id == named.name


def test_another_job_of_the_same_name_is_a_conflict(desk: Desk) -> None:
    job = desk.job()
    name = desk.driver.plan_training(job, call()).name
    desk.driver.train(job, call())
    desk.service.jobs[name]["Environment"]["CLOUDAI_JOB"] = "another"
    with pytest.raises(ServiceError) as caught:
        desk.driver.train(job, call())
    assert caught.value.code is ErrorCode.CONFLICT


def test_a_quota_is_told_as_one(desk: Desk) -> None:
    desk.server.answers["CreateTrainingJob"] = lambda _: Failure(code="ResourceLimitExceeded", message="0 ml.g6")
    with pytest.raises(Exception, match="0 ml") as caught:
        desk.driver.train(desk.job(), call())
    fault = desk.driver.classify(caught.value)
    assert fault is not None
    assert fault.code is ErrorCode.QUOTA_EXHAUSTED


# --- the artefact is not trusted --------------------------------------------------------------------------


def evil(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.size = kind, link, 4 if kind == tarfile.REGTYPE else 0
        opened.addfile(entry, io.BytesIO(b"evil") if kind == tarfile.REGTYPE else None)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        evil("../outside"),
        evil("/tmp/outside"),
        evil("a/../../outside"),
        evil("..\\outside"),
        evil("link", tarfile.SYMTYPE, "/etc/passwd"),
        evil("hard", tarfile.LNKTYPE, "../../outside"),
        evil("fifo", tarfile.FIFOTYPE),
        evil("device", tarfile.CHRTYPE),
        b"no archive at all",
        evil("model.onnx")[:-30],
        b"",
    ],
    ids=["above", "root", "above-again", "backslash", "symlink", "hardlink", "fifo", "device", "text", "cut", "empty"],
)
def test_an_archive_that_reaches_outside_or_is_broken_is_not_taken(desk: Desk, content: bytes) -> None:
    desk.service.states, desk.service.model = (("Completed", "Completed"),), content
    run = desk.driver.train(desk.job(), call()).run
    assert run is not None
    inside = desk.folder / "deep" / "out"
    with pytest.raises(CloudAIError, match="archive"):
        desk.driver.fetch_run(run, inside, call())
    assert not (desk.folder / "deep" / "outside").exists()
    assert not (desk.folder / "outside").exists()


def test_an_artefact_larger_than_one_range_comes_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from aws_sagemaker import archive

    from cloudai_aws import sagemaker_objects

    monkeypatch.setattr(sagemaker_objects, "RANGE", 1000)
    content = bytes(range(256)) * 40
    desk.service.states, desk.service.model = (("Completed", "Completed"),), archive({"a/model.onnx": content})
    run = desk.driver.train(desk.job(), call()).run
    assert run is not None
    desk.driver.fetch_run(run, desk.folder / "out", call())
    assert (desk.folder / "out" / "a" / "model.onnx").read_bytes() == content
