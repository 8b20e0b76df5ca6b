"""The standing parts of batch jobs on Azure ML: endpoint, model, code, environment, cluster, deployment.

All are named by their content and made by PUT: what is there is used, and doing the same again finishes what broke off.
None of them costs anything while no job runs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.http import OutOfTime
from cloudai.serving.batches import is_folder
from cloudai.types import custom as c
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_azure import ml_batch_bodies as bodies
from cloudai_azure.endpoints import STATES
from cloudai_azure.errors import AzureError
from cloudai_azure.ml_bodies import endpoint_name as online_name
from cloudai_azure.ml_bodies import image_environment
from cloudai_azure.ml_client import PAUSE

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai.serving.packaging import Package
    from cloudai.training.machines import ChosenMachine
    from cloudai.wirejson import JsonNode
    from cloudai_azure.ml_client import MlClient
    from cloudai_azure.ml_storage import MlStorage
    from cloudai_azure.settings import BatchOptions

CLEANUP_SECONDS: Final = 60.0
KIND: Final = "kind"
BATCH: Final = "batch"
"""The detail of an `EndpointRef` that says what it is."""
Step = tuple[str, Mapping[str, object]]
"""Path and body of a PUT."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """What is deployed: a path of the workspace; `uri` where it is still to be registered there."""

    path: str
    uri: str | None = None
    package: Package | None = None
    folder: str = ""
    """Where the package's files go in the datastore."""
    named: str | None = None
    """Of an endpoint or a registered model: the path of the version that stands behind the name, or the name itself
    where the workspace was not asked."""


@dataclass(kw_only=True)
class Made:
    """What one submission has made so far: resources of the workspace, and blobs."""

    resources: list[str] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)


class BatchParts:
    """The parts of one backend's batch jobs."""

    def __init__(self, client: MlClient, storage: MlStorage, *, backend: str) -> None:
        self._client = client
        self._storage = storage
        self._backend = backend

    # --- what they are --------------------------------------------------------------------------------

    def model_of(self, request: c.BatchPredictRequest, *, ends: float | None) -> Model:
        """A folder here, a repository in a datastore, what an endpoint serves, or a registered model. `ends`
        (monotonic): until then the workspace is asked; `None`: it is not, and a name is shown as it is."""
        name = bodies.model_name(request)
        if is_folder(request.model):
            package = _package(request.model, name)
            folder = self._folder(name, package.version)
            return Model(
                path=_model_path(name, package.version),
                uri=self._storage.address(folder),
                package=package,
                folder=folder,
            )
        if request.model.startswith("azureml://"):
            return _at(name, request.model)
        if "/" in request.model:
            raise InvalidInput(f"model {request.model[:80]} is no model folder, no azureml:// address and no name")
        if ends is None:
            return Model(path=f"models/{request.model}/versions/{request.version or 'LATEST'}", named=request.model)
        return self._served(request, name, ends) or self._registered(request, name, ends)

    def _served(self, request: c.BatchPredictRequest, name: str, ends: float) -> Model | None:
        """The model behind an online endpoint: of that version, else of the one with most of the traffic."""
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]", request.model):  # no endpoint's name
            return None
        path = f"onlineEndpoints/{online_name(request.model)}"
        endpoint = self._client.there(path, timeout=ends - time.monotonic())
        if endpoint is None:
            return None
        traffic = endpoint.at("properties").at("traffic")
        shares = {key: each.value for key, each in traffic.members()} if traffic else {}
        deployments = list(self._client.listed(f"{path}/deployments", {}, timeout=ends - time.monotonic()))
        if request.version is not None:
            deployments = [each for each in deployments if each.at("tags").text("cloudai-version") == request.version]
        if not deployments:
            raise InvalidInput(f"the endpoint {request.model!r} has no version {request.version or 'deployed'}")
        chosen = max(deployments, key=lambda each: int(str(shares.get(each.text("name"), 0))))
        model = chosen.at("properties").text("model").rpartition("/workspaces/")[2].partition("/")[2]
        return self._as_files(self._client.get(model, timeout=ends - time.monotonic()), model, name)

    def _registered(self, request: c.BatchPredictRequest, name: str, ends: float) -> Model:
        version = request.version
        if version is None:
            container = self._client.there(f"models/{request.model}", timeout=ends - time.monotonic())
            version = container.at("properties").text("latestVersion") if container is not None else ""
        path = f"models/{request.model}/versions/{version}"
        there = self._client.there(path, timeout=ends - time.monotonic()) if version else None
        if there is None:
            text = f"the workspace has no endpoint and no model {request.model!r} of that version"
            raise ServiceError(text, code=ErrorCode.NOT_FOUND)
        return self._as_files(there, path, name)

    def _as_files(self, there: JsonNode, path: str, name: str) -> Model:
        """A model that Azure ML knows as Triton's or MLflow's is registered once more, as files: it has a scoring
        script of its own for those, or none."""
        known = there.at("properties")
        files = known.text("modelType") == "custom_model"
        return replace(Model(path=path) if files else _at(name, known.text("modelUri")), named=path)

    def steps(
        self,
        request: c.BatchPredictRequest,
        options: BatchOptions,
        machine: ChosenMachine,
        model: Model,
        code: str,
        location: str,
    ) -> list[Step]:
        """The PUTs in order, the endpoint's first and the deployment's last, without those of a cluster and a model
        that are the user's."""
        name = bodies.model_name(request)
        environment, described = (
            bodies.environment(gpu=bodies.has_cuda(machine.instance))
            if request.image is None
            else image_environment(request.image)
        )
        own = self._client.settings.ml_compute
        compute = f"computes/{own or bodies.cluster_name(machine.instance, machine.instances)}"
        endpoint = f"batchEndpoints/{bodies.endpoint_name(name, self._client.workspace_id)}"
        parts = bodies.Parts(model=model.path, code=bodies.code_path(), environment=environment, compute=compute)
        deployed, body = bodies.deployment(request, options, parts, machine, self._client.workspace_id, location)
        return [
            (endpoint, bodies.endpoint_body(name, location, request.tags)),
            *([(model.path, bodies.model_body(name, model.uri, request.tags))] if model.uri else []),
            (bodies.code_path(), bodies.code_body(code)),
            (environment, described),
            *([] if own else [(compute, bodies.cluster_body(machine.instance, machine.instances, location))]),
            (f"{endpoint}/deployments/{deployed}", body),
        ]

    def code_folder(self) -> str:
        """Of the scoring script, in the datastore."""
        return f"{self._client.settings.ml_prefix}/batch-code/{bodies.code_path().rpartition('/')[2]}"

    def _folder(self, name: str, version: str = "") -> str:
        return f"{self._client.settings.ml_prefix}/batch-models/{name}/{version}".rstrip("/")

    # --- making them ----------------------------------------------------------------------------------

    def upload(self, model: Model, made: Made, ends: float) -> None:
        """The model's files, and the script's. Those of a model that is registered are there."""
        if model.package is not None and self._client.there(model.path, timeout=ends - time.monotonic()) is None:
            for path, content in model.package.files.items():
                made.blobs.append(f"{model.folder}/{path}")
                self._storage.put(made.blobs[-1], content, timeout=ends - time.monotonic())
        if self._client.there(bodies.code_path(), timeout=ends - time.monotonic()) is None:
            path = f"{self.code_folder()}/{bodies.SCRIPT}"
            self._storage.put(path, bodies.script(), timeout=ends - time.monotonic())

    def make(self, step: Step, made: Made, ends: float) -> None:
        """One part, unless it is there. Raises `ServiceError` (conflict) for one that is somebody else's."""
        path, body = step
        there = self._client.there(path, timeout=ends - time.monotonic())
        if there is not None and path.count("/") == 1 and not there.at("tags").text(bodies.TAG):
            text = f"{path}: there is one of this name that cloudai did not make: name the model differently"
            raise ServiceError(text, code=ErrorCode.CONFLICT)
        if there is not None and self._settled(path, there, ends) is not JobState.FAILED:
            return
        if there is None:
            made.resources.append(path)
        self._client.finished(self._client.put(path, body, timeout=ends - time.monotonic()), ends=ends)

    def _settled(self, path: str, node: JsonNode, ends: float) -> JobState:
        """Waits for one that somebody else, or a submission before this one, is making."""
        while True:
            state = STATES.get(node.at("properties").text("provisioningState"), JobState.SUCCEEDED)
            if state.final:
                return JobState.FAILED if state is JobState.CANCELLED else state
            if ends - time.monotonic() <= PAUSE:
                raise OutOfTime
            time.sleep(PAUSE)
            node = self._client.get(path, timeout=ends - time.monotonic())

    def undo(self, made: Made) -> list[str]:
        """Removes what was made, but for code and environments: those are shared, and versions of them stay. What is
        left."""
        ends, left = time.monotonic() + CLEANUP_SECONDS, list[str]()
        resources = [path for path in reversed(made.resources) if not path.startswith(("codes/", "environments/"))]
        for path, remove in [
            *((path, self._unused) for path in resources),
            *((blob, self._blob) for blob in made.blobs),
        ]:
            try:
                remove(path, ends)
            except Exception:  # noqa: BLE001  # it is named in the error instead
                left.append(path)
        return left

    def _unused(self, path: str, ends: float) -> None:
        """An endpoint goes only where no other submission has put a deployment into it."""
        whole = path.startswith("batchEndpoints/") and path.count("/") == 1
        deployments = f"{path}/deployments"
        if not (whole and any(True for _ in self._client.listed(deployments, {}, timeout=ends - time.monotonic()))):
            self.remove(path, ends)

    def _blob(self, path: str, ends: float) -> None:
        self._storage.remove(path, timeout=ends - time.monotonic())

    def remove(self, path: str, ends: float) -> None:
        """One part. One that is gone is as good."""
        try:
            if path.startswith("computes/"):
                url = self._client.url(path, underlyingResourceAction="Delete")
                reply = self._client.send("DELETE", url, timeout=ends - time.monotonic())
            else:
                reply = self._client.delete(path, timeout=ends - time.monotonic())
            self._client.finished(reply, ends=ends)
        except AzureError as error:
            if error.status != 404:
                raise

    # --- those that stand -----------------------------------------------------------------------------

    def standing(self, call: Call) -> Sequence[c.EndpointStatus]:
        """The batch endpoints, by their tag."""
        return [
            self._status(node)
            for node in self._client.listed("batchEndpoints", {}, timeout=call.timeout)
            if node.at("tags").text(bodies.TAG)
        ]

    def status(self, endpoint: c.EndpointRef, call: Call) -> c.EndpointStatus:
        """Of one."""
        return self._status(self._client.get(f"batchEndpoints/{endpoint.id}", timeout=call.timeout))

    def _status(self, node: JsonNode) -> c.EndpointStatus:
        name = node.text("name")
        details = ((KIND, BATCH), ("model", node.at("tags").text(bodies.TAG)))
        return c.EndpointStatus(
            ref=c.EndpointRef(backend=self._backend, id=name, name=name, details=details),
            state=STATES.get(node.at("properties").text("provisioningState"), JobState.RUNNING),
            message="a batch endpoint: it costs nothing while no job runs",
            hourly=Money(amount=Decimal(0)),
            created=node.at("systemData").text("createdAt") or None,
        )

    def delete(self, endpoint: c.EndpointRef, call: Call) -> None:
        """A batch endpoint with its deployments, its models and their files. Its jobs and their results stay."""
        ends = time.monotonic() + call.timeout
        self.remove(f"batchEndpoints/{endpoint.id}", ends)
        name = dict(endpoint.details).get("model", endpoint.id.rpartition("-")[0])
        model = f"models/cloudai-batch-{name}"
        if self._client.there(model, timeout=ends - time.monotonic()) is not None:
            for version in list(self._client.listed(f"{model}/versions", {}, timeout=ends - time.monotonic())):
                self.remove(f"{model}/versions/{version.text('name')}", ends)
        for blob, _ in list(self._storage.listed(f"{self._folder(name)}/", timeout=ends - time.monotonic())):
            self._storage.remove(blob, timeout=ends - time.monotonic())


def _package(folder: str, name: str) -> Package:
    from cloudai.serving.packaging import package_model

    return package_model(folder, name=name)


def _model_path(name: str, version: str) -> str:
    return f"models/cloudai-batch-{name}/versions/{version}"


def _at(name: str, uri: str) -> Model:
    return Model(path=_model_path(name, bodies.digest(uri)[:12]), uri=uri)
