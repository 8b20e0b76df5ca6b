"""A batch transform job in SageMaker's words, its state in ours, and which of its outputs belongs to which input. Pure.

CreateTransformJob and DescribeTransformJob of botocore's description (sagemaker 2017-07-24). Each line of an input file
is one request to the model's container, whose answers are put together line by line, in order, in a file of the same
name with `.out` behind it; an input file with a line that the model refuses has none:
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html (read 2026-11-21)
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.training.package import is_remote
from cloudai.types.custom import BatchPredictRequest, BatchStatus
from cloudai.types.results import Money, Notice
from cloudai.types.speech import JobState
from cloudai_aws.reply import Params, Reply
from cloudai_aws.sagemaker_resources import MARK
from cloudai_aws.sagemaker_training import JOB_TAG, NAME_TAG, tags, when
from cloudai_aws.settings import BatchOptions

if TYPE_CHECKING:
    from cloudai.serving.batches import PreparedBatch
    from cloudai.training.machines import ChosenMachine

OUT = ".out"
_STATES: Mapping[str, JobState] = {
    "Completed": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Stopping": JobState.RUNNING,
    "Stopped": JobState.CANCELLED,
}


def encode(
    prepared: PreparedBatch,
    machine: ChosenMachine,
    options: BatchOptions,
    *,
    model: str,
    source: str,
    output: str,
) -> Params:
    """The body of CreateTransformJob."""
    request = prepared.request
    return {
        "TransformJobName": prepared.name,
        "ModelName": model,
        "BatchStrategy": "SingleRecord",
        "MaxPayloadInMB": options.max_payload_mb,
        "Environment": {MARK: prepared.digest},
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": "application/json",
            "SplitType": "Line",
        },
        "TransformOutput": {"S3OutputPath": output, "Accept": "application/json", "AssembleWith": "Line"},
        "TransformResources": {"InstanceType": machine.instance, "InstanceCount": machine.instances},
        "Tags": tags(request.tags, {JOB_TAG: prepared.digest, NAME_TAG: prepared.name}),
    }


def checked(request: BatchPredictRequest) -> None:
    """Raises `InvalidInput` for what SageMaker does not read or write."""
    remote = [place for place in request.places if is_remote(place)]
    for place in remote:
        if not place.startswith("s3://"):
            raise InvalidInput(f"inputs = {place!r}: SageMaker reads s3:// and local folders and files")
    if len(remote) > 1:
        raise InvalidInput(f"{len(remote)} inputs in S3: SageMaker reads one prefix, or one object")
    if is_remote(request.output) and not request.output.startswith("s3://"):
        raise InvalidInput(f"output = {request.output!r}: SageMaker writes to s3://bucket/prefix, or name a folder")


def notices(request: BatchPredictRequest) -> tuple[Notice, ...]:
    """What batch transform has no parameter for."""
    found: list[tuple[str, str]] = []
    if request.batch_size != 1:
        found.append(("option_ignored", "batch_size: batch transform sends one line at a time"))
    if "max_seconds" in request.model_fields_set or request.max_cost is not None:
        text = "max_seconds: batch transform has no time limit; cancel it when it has cost enough"
        found.append(("option_ignored", text))
    if request.max_failed is not None:
        found.append(("option_ignored", "max_failed: a line that the model refuses fails its file, and the job"))
    if is_remote(request.places[0]):
        text = f"inputs {request.places[0]} are known by their address: with other contents it is the same job"
        found.append(("input_not_listed", text))
    return tuple(Notice(code=code, message=message) for code, message in found)


# --- the other way ---------------------------------------------------------------------------------------


def state_of(found: Reply) -> JobState:
    """Of DescribeTransformJob, or of the answer of its creation."""
    status = str(found.get("TransformJobStatus", "InProgress"))
    if status == "InProgress":
        return JobState.RUNNING if found.get("TransformStartTime") else JobState.QUEUED
    return _STATES.get(status, JobState.RUNNING)


def decode_status(found: Reply, hourly: Money | None, *, now: datetime.datetime) -> BatchStatus:
    """Of DescribeTransformJob, which does not count lines. Seconds are billed from its start to its end."""
    started, ended = found.get("TransformStartTime"), found.get("TransformEndTime")
    return BatchStatus(
        state=state_of(found),
        message=found.get("FailureReason"),
        started=when(started),
        ended=when(ended),
        billed_seconds=None if started is None else max(0.0, ((ended or now) - started).total_seconds()),
        output=str(found["TransformOutput"]["S3OutputPath"]) if "TransformOutput" in found else None,
        hourly=hourly,
    )


def pairs(inputs: Iterable[str], outputs: Iterable[str]) -> dict[str, str]:
    """Output -> the input that it is of: both relative to their prefixes. SageMaker keeps the end of the path.

    Raises `ServiceError` for an input whose output is not there, or could be several.
    """
    left = {name.removesuffix(OUT): name for name in outputs if name.endswith(OUT)}
    found: dict[str, str] = {}
    for name in sorted(inputs, key=lambda one: (-one.count("/"), one)):
        able = [one for one in left if one == name or _tail(one, name) or _tail(name, one)]
        chosen = name if name in able else able[0] if len(able) == 1 else None
        if chosen is None:
            words = f"{len(able)} outputs could be of it" if able else "no output is of it: a line of it failed"
            raise ServiceError(f"{name}: {words}", code=ErrorCode.CONFLICT)
        found[left.pop(chosen)] = name
    return found


def _tail(whole: str, end: str) -> bool:
    return whole.endswith(f"/{end}")
