"""What SageMaker has under a name: looked at, created once, listed by our tag, deleted. Bodies are others' business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudai.delivery import unsent
from cloudai.errors import ErrorCode, ServiceError
from cloudai_aws import sagemaker_hosting as codec
from cloudai_aws.faults import code_of, lost
from cloudai_aws.reply import Params, Reply
from cloudai_aws.sagemaker_objects import Objects
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from cloudai_aws.clients import Clients
    from cloudai_aws.settings import AwsSettings

LOOK_SECONDS = 5.0
"""For looking whether a creation got through whose answer was lost."""
ABSENT = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException")
"""What a Describe answers for a name that nobody has: in practice the first."""
_NAMES = {
    "endpoint": "EndpointName",
    "endpoint_config": "EndpointConfigName",
    "model": "ModelName",
    "training_job": "TrainingJobName",
    "transform_job": "TransformJobName",
}
MARK = "CLOUDAI_JOB"
"""The variable of a job's environment with the submission's hash: what tells it from another of its name."""


class Resources:
    """Of one backend. `kind` is `endpoint`, `endpoint_config`, `model`, `training_job` or `transform_job`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def find(self, kind: str, name: str) -> Reply | None:
        """As it is described; `None`: it is not there."""
        from botocore.exceptions import ClientError

        try:
            found: Reply = getattr(self._clients("sagemaker"), f"describe_{kind}")(**{_NAMES[kind]: name})
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise
        return found

    def get(self, kind: str, name: str) -> Reply:
        """The same. Raises `ServiceError` (not_found)."""
        found = self.find(kind, name)
        if found is None:
            raise ServiceError(f"SageMaker has no {kind.replace('_', ' ')} {name}", code=ErrorCode.NOT_FOUND)
        return found

    def job(self, kind: str, name: str, digest: str) -> Reply | None:
        """The job of this name. Raises `ServiceError` (conflict) where it is another's."""
        there = self.find(kind, name)
        if there is not None and there.get("Environment", {}).get(MARK) != digest:
            raise ServiceError(
                f"{name}: SageMaker has a {kind.replace('_', ' ')} of this name that is another one: "
                "name yours differently",
                code=ErrorCode.CONFLICT,
            )
        return there

    def submit(self, kind: str, body: Params, digest: str, *, timeout: float) -> tuple[Reply, bool]:
        """Creates a job once: the answer, or its description where the answer was lost or somebody else came before;
        then also whether it was there before. Raises where nobody can tell."""
        from botocore.exceptions import ClientError

        name = str(body[_NAMES[kind]])
        try:
            with within(timeout):
                return self.create(kind, body), False
        except ClientError as error:
            there = self._doubted(kind, name, digest) if code_of(error) == "ResourceInUse" else None
            if there is None:
                raise
            return there, True
        except Exception as error:
            there = self._doubted(kind, name, digest) if lost(error) else None
            if there is None:
                raise
            return there, False

    def _doubted(self, kind: str, name: str, digest: str) -> Reply | None:
        """After an answer that did not say: is it there? `None` when that can't be told either."""
        try:
            with within(LOOK_SECONDS):
                return self.job(kind, name, digest)
        except Exception as error:
            if lost(error):
                return None
            raise

    def create(self, kind: str, body: Params) -> Reply:
        created: Reply = getattr(self._clients("sagemaker"), f"create_{kind}")(**body)
        return created

    def put(self, kind: str, name: str, body: Params) -> bool:
        """Creates a model or configuration unless it is there; whether it was made now. Neither costs anything.

        Raises what lost the answer of a creation where it is not there either, or that can't be seen.
        """
        with unsent():
            if self.find(kind, name) is not None:
                return False
        from botocore.exceptions import ClientError

        try:
            self.create(kind, body)
        except ClientError:
            if self.find(kind, name) is None:
                raise
            return False  # somebody else came before with the same
        except Exception as error:
            if not (lost(error) and self._seen(kind, name)):
                raise
        return True

    def _seen(self, kind: str, name: str) -> bool:
        try:
            with within(LOOK_SECONDS):
                return self.find(kind, name) is not None
        except Exception:  # noqa: BLE001  # the creation's own failure is told
            return False

    def delete(self, kind: str, name: str) -> None:
        """One that is gone is no error."""
        from botocore.exceptions import ClientError

        try:
            getattr(self._clients("sagemaker"), f"delete_{kind}")(**{_NAMES[kind]: name})
        except ClientError as error:
            if code_of(error) not in ABSENT or self.find(kind, name) is not None:
                raise

    def ours(self, kind: str, name: str) -> list[str]:
        """Models or configurations whose tag names the endpoint: names alone would be too easily another's."""
        client, word = self._clients("sagemaker"), "Model" if kind == "model" else "EndpointConfig"
        ask = client.list_models if kind == "model" else client.list_endpoint_configs
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            reply = ask(NameContains=name[: codec.KEPT].rstrip("-"), **token)
            for each in reply[f"{word}s"]:
                marks = client.list_tags(ResourceArn=each[f"{word}Arn"])["Tags"]
                if {"Key": codec.ENDPOINT_TAG, "Value": name} in marks:
                    found.append(str(each[f"{word}Name"]))
            if not reply.get("NextToken"):
                return found
            token = {"NextToken": str(reply["NextToken"])}

    def tagged(self, resource: str) -> list[Any]:
        """Results of SageMaker's search for our tag: `Endpoint` or `Model`. It knows a new one after a moment."""
        asked: Params = {
            "Resource": resource,
            "SearchExpression": {"Filters": [{"Name": f"Tags.{codec.ENDPOINT_TAG}", "Operator": "Exists"}]},
            "MaxResults": 100,
        }
        found: list[Any] = []
        while True:
            reply = self._clients("sagemaker").search(**asked)
            found += reply.get("Results", ())
            if not reply.get("NextToken"):
                return found
            asked["NextToken"] = reply["NextToken"]


class Part:
    """What training, hosting and batch jobs of one backend have alike."""

    def __init__(self, clients: Clients, settings: AwsSettings, *, backend: str) -> None:
        self._clients = clients
        self._settings = settings
        self._backend = backend
        self._objects = Objects(clients, settings)
        self._resources = Resources(clients)

    @property
    def _region(self) -> str:
        return str(self._clients.session.region_name)

    def _warm(self, *services: str) -> None:
        """Makes botocore's clients, which takes a while, before the clock starts."""
        for service in services:
            self._clients(service)
