"""A training job in SageMaker's words, and its state in ours. Pure.

CreateTrainingJob and DescribeTrainingJob of botocore's description (sagemaker 2017-07-24). AWS's framework containers
start the runner by `sagemaker_program` and `sagemaker_submit_directory`:
https://github.com/aws/sagemaker-training-toolkit (read 2026-11-21). In any other container it is the entry point, and
the source comes as an input channel.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudai.errors import InvalidInput
from cloudai.training.package import RUNNER, Prepared, digest, is_remote, masked
from cloudai.types.custom import RunStatus
from cloudai.types.speech import JobState
from cloudai_aws.reply import Params, Reply
from cloudai_aws.sagemaker_resources import MARK
from cloudai_aws.settings import TrainOptions

if TYPE_CHECKING:
    from cloudai.training.machines import ChosenMachine

JOB_TAG = "cloudai-job"
"""The submission's hash: what tells our jobs from others, and one job from another of its name."""
NAME_TAG = "cloudai-name"
SOURCE = "cloudai-source"
"""The channel that brings the source into a container of the user's own."""
UNPACK = (
    f"mkdir -p /tmp/cloudai && cd /tmp/cloudai && tar -xzf /opt/ml/input/data/{SOURCE}/*.tar.gz "
    f"&& exec $(command -v python3 || command -v python) {RUNNER}"
)
"""What a container of the user's own runs: it needs sh, tar, gzip and Python."""
ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
_STATES: Mapping[str, JobState] = {
    "Completed": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Stopped": JobState.CANCELLED,
    "Stopping": JobState.RUNNING,
    "Deleting": JobState.CANCELLED,
}
_BEFORE = frozenset(
    {"Starting", "Pending", "LaunchingMLInstances", "PreparingTrainingStack", "DownloadingTrainingImage"}
)
_LIMITS: Mapping[str, str] = {
    "MaxRuntimeExceeded": "it ran until its time limit (max_seconds) and was stopped",
    "MaxWaitTimeExceeded": "no spot capacity within the longest wait (max_wait_seconds)",
}
_CHANNEL = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Addresses of one submission."""

    source: str
    output: str
    """SageMaker adds `/NAME/output/model.tar.gz`."""
    checkpoints: str
    data: Mapping[str, str]
    """Channel -> address."""


def encode(
    prepared: Prepared,
    places: Places,
    machine: ChosenMachine,
    options: TrainOptions,
    *,
    image: str,
    role: str,
    region: str,
) -> Params:
    """The body of CreateTrainingJob."""
    job = prepared.job
    checked(prepared)
    own = job.image is not None
    algorithm: Params = {"TrainingImage": image, "TrainingInputMode": "File", "MetricDefinitions": _metrics(options)}
    if own:
        algorithm |= {"ContainerEntrypoint": ["/bin/sh", "-c"], "ContainerArguments": [UNPACK]}
    channels = {**places.data, **({SOURCE: places.source} if own else {})}
    body: Params = {
        "TrainingJobName": prepared.name,
        "HyperParameters": _hyperparameters(prepared, places, region, script_mode=not own),
        "AlgorithmSpecification": algorithm,
        "RoleArn": role,
        "OutputDataConfig": {"S3OutputPath": places.output},
        "ResourceConfig": {
            "InstanceType": machine.instance,
            "InstanceCount": machine.instances,
            "VolumeSizeInGB": options.volume_gb,
        },
        "StoppingCondition": _stopping(prepared, options),
        "Environment": _environment(prepared, machine),
        "EnableManagedSpotTraining": job.spot,
        "Tags": tags(job.tags, {JOB_TAG: prepared.hashes["job"], NAME_TAG: job.name}),
    }
    if channels:
        body["InputDataConfig"] = [_channel(name, address) for name, address in channels.items()]
    if job.spot or job.checkpoint is not None:
        body["CheckpointConfig"] = {"S3Uri": places.checkpoints}
    return body


def checked(prepared: Prepared) -> None:
    """Raises `InvalidInput` for what SageMaker would refuse, or could not read."""
    job = prepared.job
    for channel, address in job.inputs.items():
        if not _CHANNEL.fullmatch(channel) or channel == SOURCE:
            raise InvalidInput(f"input {channel!r}: SageMaker's channels have 1 to 64 letters, digits, . _ and -")
        if is_remote(address) and not address.startswith("s3://"):
            raise InvalidInput(f"input {channel}: SageMaker reads s3:// and local folders, not {address}")
    for what, place in (("output", job.output), ("checkpoint", job.checkpoint)):
        if place is not None and not place.startswith("s3://"):
            raise InvalidInput(
                f"{what} = {place!r}: SageMaker writes to s3://bucket/prefix; leave it out for one of ours"
            )
    if len(job.inputs) > 19:
        raise InvalidInput(f"{len(job.inputs)} inputs: SageMaker takes 20 channels, the source may be one of them")


def data_path(prepared: Prepared, channel: str) -> str:
    """Where a local input is put: under a name of its content, so that it is put there once."""
    listed = prepared.data[channel]
    return f"training/data/{digest((f.name, str(f.size), f.hash) for f in listed)[:16]}/"


def tags(given: Mapping[str, str], ours: Mapping[str, str]) -> list[Params]:
    """The user's and ours, which go before."""
    return [{"Key": key, "Value": value} for key, value in {**given, **ours}.items()]


def shown(body: Params) -> Params:
    """For people to look at: the environment's secrets are masked."""
    return {**body, "Environment": masked(body["Environment"])}


def _hyperparameters(prepared: Prepared, places: Places, region: str, *, script_mode: bool) -> dict[str, str]:
    """Each as JSON, in which the containers read them."""
    values: dict[str, object] = dict(prepared.job.hyperparameters)
    if script_mode:
        values |= {
            "sagemaker_program": RUNNER,
            "sagemaker_submit_directory": places.source,
            "sagemaker_region": region,
            "sagemaker_job_name": prepared.name,
        }
    return {name: json.dumps(value) for name, value in values.items()}


def _environment(prepared: Prepared, machine: ChosenMachine) -> dict[str, str]:
    job = prepared.job
    ours = {MARK: prepared.hashes["job"], "CLOUDAI_HPARAMS": json.dumps(dict(job.hyperparameters))}
    if len(ours["CLOUDAI_HPARAMS"]) > 512:  # the longest value that SageMaker takes; the runner has them from SM_HPS
        del ours["CLOUDAI_HPARAMS"]
    if job.accelerator.name.lower() != "none":
        each = -(-max(1, job.accelerator.count) * job.nodes // machine.instances)
        ours["CLOUDAI_GPUS"] = str(each)
        if job.framework == "pytorch" and each > 1:
            ours["CLOUDAI_PROCESSES"] = str(each)
    return {**ours, **job.environment}


def _stopping(prepared: Prepared, options: TrainOptions) -> Params:
    most = prepared.job.max_seconds
    if not prepared.job.spot:
        return {"MaxRuntimeInSeconds": most}
    wait = options.max_wait_seconds or 2 * most
    if wait < most:
        raise InvalidInput(f"max_wait_seconds = {wait} is less than max_seconds = {most}")
    return {"MaxRuntimeInSeconds": most, "MaxWaitTimeInSeconds": wait}


def _metrics(options: TrainOptions) -> list[Params]:
    """Our metric lines as CloudWatch metrics; `run.metrics` has them all, from the log."""
    return [
        {
            "Name": name,
            "Regex": rf'\{{"cloudai_metric": \{{"name": "{re.escape(name)}", "value": ([-+0-9.eE]+)',
        }
        for name in options.metrics
    ]


def _channel(name: str, address: str) -> Params:
    place = {"S3DataType": "S3Prefix", "S3Uri": address, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": place}}


# --- the other way ---------------------------------------------------------------------------------------


def decode_status(found: Reply) -> RunStatus:
    """Of DescribeTrainingJob."""
    state, message = _state(found), found.get("FailureReason")
    transitions: Sequence[Reply] = found.get("SecondaryStatusTransitions", ())
    last = _LIMITS.get(found["SecondaryStatus"]) or _limit(transitions)
    if last is not None and state in (JobState.CANCELLED, JobState.FAILED):
        state, message = JobState.FAILED, message or last
    written = found["TrainingJobStatus"] in ("Completed", "Stopped")  # before that it is where one will be
    artefact = found.get("ModelArtifacts", {}).get("S3ModelArtifacts") if written else None
    return RunStatus(
        state=state,
        message=message or _told(transitions, state),
        started=when(found.get("TrainingStartTime")),
        ended=when(found.get("TrainingEndTime")),
        billed_seconds=_seconds(found.get("BillableTimeInSeconds")),
        restarts=sum(1 for each in transitions if each["Status"] == "Interrupted"),
        artefact=artefact or None,
    )


def when(moment: datetime.datetime | None) -> str | None:
    """ISO 8601, UTC."""
    return None if moment is None else moment.astimezone(datetime.UTC).isoformat(timespec="seconds")


def _state(found: Reply) -> JobState:
    status = str(found["TrainingJobStatus"])
    if status == "InProgress":
        return JobState.QUEUED if found["SecondaryStatus"] in _BEFORE else JobState.RUNNING
    return _STATES.get(status, JobState.RUNNING)


def _limit(transitions: Iterable[Reply]) -> str | None:
    return next((_LIMITS[each["Status"]] for each in transitions if each["Status"] in _LIMITS), None)


def _told(transitions: Sequence[Reply], state: JobState) -> str | None:
    """What SageMaker says of the last step, while it goes on."""
    if not transitions or state in ENDED:
        return None
    return str(transitions[-1].get("StatusMessage", "")) or None


def _seconds(found: int | None) -> float | None:
    return None if found is None else float(found)
