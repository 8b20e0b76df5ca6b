"""SageMaker's training for the strict server: jobs by name, their states in order, their logs and artefacts.

Beyond botocore's description it holds requests to what the documentation says of them:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html (read 2026-11-21)
"""

from __future__ import annotations

import datetime
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_server import Answer, Params, StrictServer

ROLE = "arn:aws:iam::123456789012:role/sagemaker"
ARN = "arn:aws:sagemaker:us-east-1:123456789012"
EPOCH = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC)
TO_THE_END = (
    ("InProgress", "Starting"),
    ("InProgress", "Downloading"),
    ("InProgress", "Training"),
    ("Completed", "Completed"),
)
ENDED = ("Completed", "Failed", "Stopped")


def archive(files: Mapping[str, bytes]) -> bytes:
    """A `model.tar.gz`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            opened.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def place(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


class TrainingService:
    """One look at a job takes it one state further."""

    def __init__(self, server: StrictServer) -> None:
        self.server = server
        self.states: Sequence[tuple[str, str]] = TO_THE_END
        self.jobs: dict[str, Params] = {}
        self.at: dict[str, int] = {}
        self.stopped: set[str] = set()
        self.model: bytes = archive({"model.onnx": b"graph", "labels/names.txt": b"a\nb\n"})
        self.more: Params = {}
        """Members of each description: billable seconds, a failure's reason."""
        self.lines: dict[str, list[str]] = {}
        """Stream -> lines so far."""
        self.creations = 0

    def answer(self) -> TrainingService:
        self.server.answers |= {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "StopTrainingJob": self.stop,
            "Search": self.search,
            "DescribeLogStreams": self.streams,
            "GetLogEvents": self.events,
        }
        return self

    def create(self, params: Params) -> Answer:
        from aws_server import Failure

        name = params["TrainingJobName"]
        if name in self.jobs:
            return Failure(code="ResourceInUse", message="Training job names must be unique")
        if wrong := self._wrong(params):
            return Failure(code="ValidationException", message=wrong)
        self.creations += 1
        self.jobs[name], self.at[name] = params, 0
        return {"TrainingJobArn": f"{ARN}:training-job/{name}"}

    def _wrong(self, params: Params) -> str | None:
        """What only the documentation says."""
        stopping, spot = params["StoppingCondition"], params.get("EnableManagedSpotTraining", False)
        if ("MaxWaitTimeInSeconds" in stopping) != spot:
            return "MaxWaitTimeInSeconds is for managed spot training, and it for MaxWaitTimeInSeconds"
        if spot and stopping["MaxWaitTimeInSeconds"] < stopping["MaxRuntimeInSeconds"]:
            return "MaxWaitTimeInSeconds has to be MaxRuntimeInSeconds or more"
        addresses = [
            channel["DataSource"]["S3DataSource"]["S3Uri"]
            for channel in params.get("InputDataConfig", [])
            if channel["DataSource"]["S3DataSource"]["S3Uri"].startswith("s3://staging")
        ]
        hyper = params["HyperParameters"]
        if "sagemaker_submit_directory" in hyper:
            addresses.append(json.loads(hyper["sagemaker_submit_directory"]))
        for address in addresses:
            bucket, prefix = place(address)
            if not any(key.startswith(prefix) for there, key in self.server.objects if there == bucket):
                return f"no S3 objects found under {address}"
        return None

    def describe(self, params: Params) -> Answer:
        from aws_server import Failure

        name = params["TrainingJobName"]
        if name not in self.jobs:
            return Failure(code="ValidationException", message="Requested resource not found.")
        status, secondary = self._state(name)
        self.at[name] = min(self.at[name] + 1, len(self.states) - 1)
        job = self.jobs[name]
        kept = ("HyperParameters", "AlgorithmSpecification", "RoleArn", "ResourceConfig", "StoppingCondition")
        artefact = f"{job['OutputDataConfig']['S3OutputPath']}/{name}/output/model.tar.gz"  # there or not yet
        found: Params = {
            **{key: job[key] for key in (*kept, "Environment", "OutputDataConfig") if key in job},
            "TrainingJobName": name,
            "TrainingJobArn": f"{ARN}:training-job/{name}",
            "TrainingJobStatus": status,
            "SecondaryStatus": secondary,
            "CreationTime": EPOCH,
            "ModelArtifacts": {"S3ModelArtifacts": artefact},
            **self.more,
        }
        if status == "Completed":
            self.server.objects[place(artefact)] = self.model
            found["TrainingStartTime"], found["TrainingEndTime"] = EPOCH, EPOCH + datetime.timedelta(seconds=90)
        return found

    def _state(self, name: str) -> tuple[str, str]:
        if name in self.stopped:
            return "Stopped", "Stopped"
        return self.states[self.at[name]]

    def stop(self, params: Params) -> Answer:
        from aws_server import Failure

        name = params["TrainingJobName"]
        if name not in self.jobs:
            return Failure(code="ValidationException", message="Requested resource not found.")
        if self._state(name)[0] in ENDED:
            return Failure(code="ValidationException", message="The request was rejected: the job has ended")
        self.stopped.add(name)
        return {}

    def search(self, params: Params) -> Answer:
        """Newest first, two on a page."""
        assert params["Resource"] == "TrainingJob"
        (wanted,) = params["SearchExpression"]["Filters"]
        assert wanted["Operator"] == "Exists"
        key = wanted["Name"].removeprefix("Tags.")
        ours = [
            {"TrainingJobName": name, "CreationTime": EPOCH, "Tags": job["Tags"]}
            for name, job in reversed(self.jobs.items())
            if any(tag["Key"] == key for tag in job["Tags"])
        ]
        first = int(params.get("NextToken", "0"))
        more: Params = {"NextToken": str(first + 2)} if first + 2 < len(ours) else {}
        return {"Results": [{"TrainingJob": job} for job in ours[first : first + 2]], **more}

    # --- logs ----------------------------------------------------------------------------------------

    def streams(self, params: Params) -> Answer:
        from aws_server import Failure

        assert params["logGroupName"] == "/aws/sagemaker/TrainingJobs"
        if not self.lines:
            return Failure(code="ResourceNotFoundException", message="The specified log group does not exist.")
        names = sorted(name for name in self.lines if name.startswith(params["logStreamNamePrefix"]))
        first = int(params.get("nextToken", "0"))
        more: Params = {"nextToken": str(first + 1)} if first + 1 < len(names) else {}
        return {"logStreams": [{"logStreamName": name} for name in names[first : first + 1]], **more}

    def events(self, params: Params) -> Answer:
        token = params.get("nextToken", "")
        if not token:
            assert params["startFromHead"] is True
        lines = self.lines[params["logStreamName"]]
        first = int(token.removeprefix("f/") or 0)
        events: list[Any] = [{"timestamp": 0, "message": line} for line in lines[first:]]
        return {"events": events, "nextForwardToken": f"f/{len(lines)}", "nextBackwardToken": f"b/{first}"}
