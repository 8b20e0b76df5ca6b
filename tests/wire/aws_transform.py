"""SageMaker's batch transform for the strict server: jobs that read S3 line by line and write `.out` files there.

Beyond botocore's description it holds requests to what the documentation says of them, and does what it says of files:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html (read 2026-11-21)
"""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING

from aws_sagemaker import ARN, EPOCH, place

if TYPE_CHECKING:
    from aws_hosting import HostingService
    from aws_server import Answer, Params

DAY = datetime.timedelta(days=1)


class TransformService:
    """Each look at a job takes it one state further; at the last one its outputs are there. Inputs come doubled."""

    def __init__(self, hosting: HostingService) -> None:
        self.hosting, self.server = hosting, hosting.server
        self.jobs: dict[str, Params] = {}
        self.looks: dict[str, int] = {}
        self.stopped: set[str] = set()
        self.flat = False
        """Outputs lose the folders of their inputs."""

    def answer(self) -> TransformService:
        others = self.server.answers["ListTags"]
        self.server.answers |= {
            "CreateTransformJob": self.create,
            "DescribeTransformJob": self.describe,
            "StopTransformJob": self.stop,
            "ListTransformJobs": self.listed,
            "ListTags": lambda params: (
                self.tags(params) if ":transform-job/" in params["ResourceArn"] else others(params)
            ),
        }
        return self

    def create(self, params: Params) -> Answer:
        from aws_server import Failure

        name = params["TransformJobName"]
        if name in self.jobs:
            return Failure(code="ResourceInUse", message="Transform job names must be unique")
        if params["ModelName"] not in self.hosting.models:
            return Failure(code="ValidationException", message="Could not find model")
        bucket, prefix = place(params["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        if bucket == "staging" and not self._inputs(params):
            return Failure(code="ValidationException", message=f"no S3 objects found under {prefix}")
        self.jobs[name], self.looks[name] = params, 0
        return {"TransformJobArn": f"{ARN}:transform-job/{name}"}

    def describe(self, params: Params) -> Answer:
        from aws_server import Failure

        name = params["TransformJobName"]
        if name not in self.jobs:
            return Failure(code="ValidationException", message="Requested resource not found.")
        job, status = self.jobs[name], self._status(name)
        self.looks[name] += 1
        kept = ("ModelName", "TransformInput", "TransformOutput", "TransformResources", "Environment", "MaxPayloadInMB")
        found: Params = {
            **{key: job[key] for key in kept},
            "TransformJobName": name,
            "TransformJobArn": f"{ARN}:transform-job/{name}",
            "TransformJobStatus": status,
            "CreationTime": EPOCH,
        }
        if self.looks[name] > 1:
            found["TransformStartTime"] = EPOCH
        if status == "Completed":
            failed = self._write(job)
            found["TransformEndTime"] = EPOCH + datetime.timedelta(seconds=90)
            if failed:
                found |= {"TransformJobStatus": "Failed", "FailureReason": "ClientError: See job logs"}
        return found

    def _status(self, name: str) -> str:
        if name in self.stopped:
            return "Stopped"
        return "Completed" if self.looks[name] >= 2 else "InProgress"

    def stop(self, params: Params) -> Answer:
        from aws_server import Failure

        name = params["TransformJobName"]
        if name not in self.jobs:
            return Failure(code="ResourceNotFound", message="no such job")
        if self._status(name) != "InProgress":
            return Failure(code="ValidationException", message="The request was rejected: the job has ended")
        self.stopped.add(name)
        return {}

    def listed(self, params: Params) -> Answer:
        """Newest first, two on a page."""
        assert (params["SortBy"], params["SortOrder"]) == ("CreationTime", "Descending")
        names = list(reversed(self.jobs))
        first = int(params.get("NextToken", "0"))
        more: Params = {"NextToken": str(first + 2)} if first + 2 < len(names) else {}
        shown = [
            {
                "TransformJobName": name,
                "TransformJobArn": f"{ARN}:transform-job/{name}",
                "CreationTime": EPOCH + len(self.jobs) * DAY - number * DAY,
                "TransformJobStatus": "InProgress",
            }
            for number, name in enumerate(names)
        ]
        return {"TransformJobSummaries": shown[first : first + 2], **more}

    def tags(self, params: Params) -> Answer:
        return {"Tags": self.jobs[params["ResourceArn"].rpartition("/")[2]].get("Tags", [])}

    # --- the work ------------------------------------------------------------------------------------

    def _inputs(self, job: Params) -> list[str]:
        bucket, prefix = place(job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        return [key for there, key in self.server.objects if there == bucket and key.startswith(prefix)]

    def _write(self, job: Params) -> bool:
        """The outputs; whether a file has none. A file with a bad line has none."""
        bucket, prefix = place(job["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        target, base = place(job["TransformOutput"]["S3OutputPath"])
        failed = False
        for key in self._inputs(job):
            name = key.rpartition("/")[2] if self.flat else key.removeprefix(prefix).lstrip("/")
            try:
                lines = [_doubled(line) for line in self.server.objects[bucket, key].splitlines()]
            except (ValueError, KeyError):
                failed = True
            else:
                text = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
                self.server.objects[target, f"{base.rstrip('/')}/{name}.out"] = text
        return failed


def _doubled(line: bytes) -> Params:
    request = json.loads(line)
    outputs = [{**each, "name": "y", "data": [2 * value for value in each["data"]]} for each in request["inputs"]]
    named = {"id": request["id"]} if "id" in request else {}
    return {**named, "model_name": "twice", "model_version": "1", "outputs": outputs}
