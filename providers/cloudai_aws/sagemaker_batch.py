"""`custom.batch_predict`: a batch transform job over S3, with the model behind an endpoint or a packaged one."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.delivery import unsent
from cloudai.errors import ErrorCode, InvalidInput
from cloudai.training.package import is_remote
from cloudai.types.custom import BatchPredictRequest, BatchPredictResult
from cloudai.types.results import Notice
from cloudai.types.speech import JobState
from cloudai_aws.faults import code_of, lost
from cloudai_aws.reply import Params, Reply, told
from cloudai_aws.sagemaker_machines import batch_machine
from cloudai_aws.sagemaker_objects import Objects
from cloudai_aws.sagemaker_resources import ABSENT, Resources
from cloudai_aws.settings import AwsSettings, BatchOptions
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai_aws.clients import Clients

LOOK_SECONDS = 5.0
_STATES = {
    "InProgress": JobState.RUNNING,
    "Completed": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Stopping": JobState.RUNNING,
    "Stopped": JobState.CANCELLED,
}


class Batches:
    """Batch transform jobs of one backend. The call's idempotency key is in the name: no attempt makes a second job."""

    def __init__(self, clients: Clients, settings: AwsSettings) -> None:
        self._clients = clients
        self._objects = Objects(clients, settings)
        self._resources = Resources(clients)

    def predict(self, request: BatchPredictRequest, call: Call) -> BatchPredictResult:
        """Returns when SageMaker has taken it; the results are below `output` when it has ended."""
        if not request.output.startswith("s3://"):
            raise InvalidInput(f"output = {request.output!r}: SageMaker writes to s3://bucket/prefix")
        if is_remote(request.inputs) and not request.inputs.startswith("s3://"):
            raise InvalidInput(f"inputs = {request.inputs!r}: SageMaker reads s3:// and local folders")
        for service in ("s3", "sagemaker"):
            self._clients(service)
        name = f"{request.model[:40].rstrip('-')}-{(call.idempotency_key or uuid.uuid4().hex)[:20]}".rstrip("-")
        with within(call.timeout):
            with unsent():
                model = self._model(request.model)
                body, notices = self._body(request, call, name, model)
            reply = self._created(name, body)
        state = _STATES.get(str(reply.get("TransformJobStatus", "InProgress")), JobState.RUNNING)
        return told(BatchPredictResult(job_id=name, state=state, output=request.output), reply, call, notices)

    def _model(self, endpoint: str) -> str:
        """Of the version behind an endpoint that has most of the traffic, else a model of that name."""
        there = self._resources.find("endpoint", endpoint)
        if there is None:
            found = self._resources.find("model", endpoint)
            if found is None:
                raise InvalidInput(f"SageMaker has no endpoint and no model {endpoint!r}", code=ErrorCode.NOT_FOUND)
            return endpoint
        config = self._resources.get("endpoint_config", str(there["EndpointConfigName"]))
        chosen = max(config["ProductionVariants"], key=lambda each: each.get("InitialVariantWeight", 0.0))
        return str(chosen["ModelName"])

    def _body(
        self, request: BatchPredictRequest, call: Call, name: str, model: str
    ) -> tuple[Params, tuple[Notice, ...]]:
        options = call.options if isinstance(call.options, BatchOptions) else BatchOptions()
        shape = self._clients("sagemaker").meta.service_model.shape_for("TransformInstanceType")
        region = str(self._clients.session.region_name)
        chosen = batch_machine(region, request.accelerator, allowed=shape.enum, copies=request.instances)
        place = {"S3DataType": "S3Prefix", "S3Uri": self._staged(request.inputs)}
        notices = chosen.notices
        if request.batch_size != 1:
            message = "batch_size: each line of an input file is one request of the Open Inference Protocol, as it is"
            notices = (*notices, Notice(code="option_ignored", message=message))
        body: Params = {
            "TransformJobName": name,
            "ModelName": model,
            "BatchStrategy": "SingleRecord",
            "MaxPayloadInMB": options.max_payload_mb,
            "TransformInput": {
                "DataSource": {"S3DataSource": place},
                "ContentType": options.content_type,
                "SplitType": options.split,
            },
            "TransformOutput": {
                "S3OutputPath": request.output,
                "AssembleWith": "Line" if options.split == "Line" else "None",
            },
            "TransformResources": {"InstanceType": chosen.instance, "InstanceCount": chosen.instances},
            "Tags": [{"Key": "cloudai-job", "Value": name}],
        }
        return body, notices

    def _staged(self, inputs: str) -> str:
        """Local files are put under a name of their contents."""
        if is_remote(inputs):
            return inputs
        path = Path(inputs)
        if not path.exists():
            raise InvalidInput(f"inputs = {inputs!r} is not there")
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        base = path.parent if path.is_file() else path
        named = {file.relative_to(base).as_posix(): file for file in files}
        whole = hashlib.sha256()
        for name, file in named.items():
            with file.open("rb") as opened:
                whole.update(f"{hashlib.file_digest(opened, 'sha256').hexdigest()} {name}\n".encode())
        address = self._objects.address(f"batches/{whole.hexdigest()[:16]}/")
        self._objects.put_folder(address, named)
        return address

    def _created(self, name: str, body: Params) -> Reply:
        from botocore.exceptions import ClientError

        client = self._clients("sagemaker")
        try:
            reply: Reply = client.create_transform_job(**body)
        except ClientError as error:
            if code_of(error) != "ResourceInUse":
                raise
            there: Reply = client.describe_transform_job(TransformJobName=name)
            return there
        except Exception as error:
            found = self._found(name) if lost(error) else None
            if found is None:
                raise
            return found
        return reply

    def _found(self, name: str) -> Reply | None:
        from botocore.exceptions import ClientError

        try:
            with within(LOOK_SECONDS):
                found: Reply = self._clients("sagemaker").describe_transform_job(TransformJobName=name)
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise
        except Exception as error:
            if lost(error):
                return None
            raise
        return found
