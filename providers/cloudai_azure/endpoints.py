"""`custom.deploy` and `custom.predict` on Azure ML: managed online endpoints that serve a Triton model repository.

Endpoint, model version and deployment are named by the request and the package's hash, and all are made by PUT: doing
the same again makes nothing twice, and finishes what broke off. What a refusal leaves behind is removed; what can't be
removed is named in the error. Without a container of the user's own Azure ML brings Triton itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cloudai.delivery import marked, unsent
from cloudai.errors import Delivery, ErrorCode, InvalidInput, ServiceError, Unsupported
from cloudai.http import WireRequest, check_cleartext
from cloudai.serving import client as protocol
from cloudai.training.machines import ChosenMachine, machine_for
from cloudai.types import custom as c
from cloudai.types.results import Money, Notice, Usage
from cloudai.types.speech import JobState
from cloudai.wirejson import JsonNode
from cloudai_azure import ml_bodies as bodies
from cloudai_azure.errors import AzureError, error_of
from cloudai_azure.ml_client import MlClient, unknown, unsure
from cloudai_azure.ml_storage import MlStorage
from cloudai_azure.training import shown

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai.serving.packaging import Package

CLEANUP_SECONDS: Final = 60.0
STATES: Mapping[str, JobState] = {
    "Creating": JobState.RUNNING,
    "Updating": JobState.RUNNING,
    "Scaling": JobState.RUNNING,
    "Deleting": JobState.RUNNING,
    "Succeeded": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Canceled": JobState.CANCELLED,
}
"""https://learn.microsoft.com/rest/api/azureml/online-endpoints/get#endpointprovisioningstate and of deployments."""


@dataclass(kw_only=True)
class _Made:
    """What this deployment has made so far: paths of the workspace, and of the datastore."""

    resources: list[str] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)


class MlEndpoints:
    """The endpoints of one backend."""

    def __init__(self, client: MlClient, storage: MlStorage, *, backend: str) -> None:
        self._client = client
        self._storage = storage
        self._backend = backend

    # --- deploying ------------------------------------------------------------------------------------

    def plan_deployment(self, request: c.DeployRequest, call: Call) -> c.DeployPlan:
        """Nothing is sent; the workspace's location is not known yet."""
        return self._planned(request, _package(request))

    def deploy(self, request: c.DeployRequest, call: Call) -> c.DeployResult:
        """Waits for endpoint and model, not for the machines. Traffic moves to a deployment only when it stands: until
        then `set_traffic` or the same `deploy` again moves it.

        Raises `AzureError` (`outcome_unknown`) for a lost answer: deploying the same again goes on from there.
        """
        package = _package(request)
        plan, made = self._planned(request, package), _Made()
        ends = time.monotonic() + call.timeout
        try:
            with unsent():
                location = self._client.workspace(timeout=call.timeout).text("location")
            endpoint = self._endpoint(request, location, made, ends)
            model = self._model(request, plan.version, package, made, ends)
            state = self._deployed(request, plan, location, model, made, ends)
            if state is JobState.SUCCEEDED:
                self._shared(request, plan.version, endpoint, ends)
        except Exception as error:
            if unsure(error) and marked(error) is not Delivery.NOT_SENT:
                name = bodies.endpoint_name(request.name)
                text = f"parts of the endpoint {name} may have been made: deploy the same again, or delete it"
                raise unknown(text, error) from error
            left = self._undone(made)
            if left:
                raise with_left(error, left) from error
            raise
        return c.DeployResult(
            endpoint=self._ref(endpoint), version=plan.version, state=state, plan=plan, warnings=plan.warnings
        )

    def _endpoint(self, request: c.DeployRequest, location: str, made: _Made, ends: float) -> JsonNode:
        path = f"onlineEndpoints/{bodies.endpoint_name(request.name)}"
        with unsent():
            there = self._client.there(path, timeout=ends - time.monotonic())
        if there is not None and there.at("tags").text(bodies.ENDPOINT) != request.name:
            text = f"{path}: there is an endpoint of this name that cloudai did not make: choose another name"
            raise ServiceError(text, code=ErrorCode.CONFLICT)
        if there is not None:
            return there
        body = bodies.endpoint_body(request, location)
        made.resources.append(path)
        self._client.finished(self._client.put(path, body, timeout=ends - time.monotonic()), ends=ends)
        return self._client.get(path, timeout=ends - time.monotonic())

    def _model(self, request: c.DeployRequest, version: str, package: Package | None, made: _Made, ends: float) -> str:
        path = self._model_path(request.name, version)
        if self._client.there(path, timeout=ends - time.monotonic()) is None:
            folder = self._folder(request.name, version)
            for file in package.files if package else ():
                assert package is not None
                made.blobs.append(f"{folder}/{file}")
                content = package.files[file]
                self._storage.put(made.blobs[-1], content, timeout=ends - time.monotonic())
            made.resources.append(path)
            body = bodies.model_body(request, version, self._artifacts(request, version))
            self._client.put(path, body, timeout=ends - time.monotonic())
        return f"{self._client.workspace_id}/{path}"

    def _deployed(
        self, request: c.DeployRequest, plan: c.DeployPlan, location: str, model: str, made: _Made, ends: float
    ) -> JobState:
        path = self._deployment_path(request.name, plan.version)
        there = self._client.there(path, timeout=ends - time.monotonic())
        if there is not None and there.at("properties").text("provisioningState") != "Failed":
            return STATES.get(there.at("properties").text("provisioningState"), JobState.RUNNING)
        environment = None
        if request.image is not None:
            where, body = bodies.image_environment(request.image)
            self._client.put(where, body, timeout=ends - time.monotonic())
            environment = f"{self._client.workspace_id}/{where}"
        body = bodies.deployment_body(request, plan.version, location, plan.instance, model, environment)
        reply = self._client.put(path, body, timeout=ends - time.monotonic())
        state = JsonNode.parse(reply.body).at("properties").text("provisioningState")
        return STATES.get(state, JobState.RUNNING)

    def _shared(self, request: c.DeployRequest, version: str, endpoint: JsonNode, ends: float) -> None:
        wanted = {bodies.deployment_name(each): share for each, share in request.traffic.items()}
        self._moved(endpoint.text("name"), wanted or {bodies.deployment_name(version): 100}, ends)

    def _undone(self, made: _Made) -> list[str]:
        """Removes what was made. What is left."""
        left: list[str] = []
        ends = time.monotonic() + CLEANUP_SECONDS
        for path in reversed(made.resources):
            try:
                self._gone(path, ends)
            except Exception:  # noqa: BLE001  # it is named in the error instead
                left.append(path)
        for path in made.blobs:
            try:
                self._storage.remove(path, timeout=ends - time.monotonic())
            except Exception:  # noqa: BLE001  # it is named in the error instead
                left.append(path)
        return left

    # --- what it would be -----------------------------------------------------------------------------

    def _planned(self, request: c.DeployRequest, package: Package | None) -> c.DeployPlan:
        version = request.version or (package.version if package else "")
        settings, workspace = self._client.settings, self._client.workspace_id
        chosen = self._machine(request.accelerator, request.min_replicas)
        location = settings.region or "the workspace's"
        model = self._model_path(request.name, version)
        folder = self._folder(request.name, version)
        name = bodies.endpoint_name(request.name)
        steps: list[tuple[str, Mapping[str, object]]] = [
            (f"onlineEndpoints/{name}", bodies.endpoint_body(request, location)),
            (model, bodies.model_body(request, version, self._artifacts(request, version))),
        ]
        environment = None
        if request.image is not None:
            where, body = bodies.image_environment(request.image)
            steps.append((where, body))
            environment = f"{workspace}/{where}"
        deployment = bodies.deployment_body(
            request, version, location, chosen.instance, f"{workspace}/{model}", environment
        )
        steps.append((self._deployment_path(request.name, version), deployment))
        return c.DeployPlan(
            backend=self._backend,
            provider="azure",
            name=request.name,
            version=version,
            instance=chosen.instance,
            hourly=chosen.hourly,
            requests=tuple({"call": f"PUT {workspace}/{path}", "body": shown(body)} for path, body in steps),
            uploads=tuple((path, self._storage.address(f"{folder}/{path}")) for path in package.files)
            if package
            else (),
            warnings=(*chosen.notices, *_notices(request)),
        )

    def _machine(self, accelerator: c.Accelerator, replicas: int) -> ChosenMachine:
        region = self._client.settings.region or "eastus"
        chosen = machine_for("azure", region, accelerator, copies=max(1, replicas), operation="custom.deploy")
        return replace(chosen, instance=chosen.instance.partition(" ")[0])

    def _artifacts(self, request: c.DeployRequest, version: str) -> str:
        given = request.model
        return given if given.startswith("azureml://") else self._storage.address(self._folder(request.name, version))

    def _folder(self, name: str, version: str = "") -> str:
        return f"{self._client.settings.ml_prefix}/models/{bodies.endpoint_name(name)}/{version}".rstrip("/")

    def _model_path(self, name: str, version: str) -> str:
        return f"models/cloudai-{bodies.endpoint_name(name)}/versions/{version}"

    def _deployment_path(self, name: str, version: str) -> str:
        return f"onlineEndpoints/{bodies.endpoint_name(name)}/deployments/{bodies.deployment_name(version)}"

    # --- endpoints that stand -------------------------------------------------------------------------

    def endpoint_status(self, endpoint: c.EndpointRef, call: Call) -> c.EndpointStatus:
        """As far as its least ready deployment."""
        node = self._client.get(f"onlineEndpoints/{endpoint.id}", timeout=call.timeout)
        return self._status(node, call)

    def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        """By their tag, newest first."""
        found = [
            self._status(node, call)
            for node in self._client.listed("onlineEndpoints", {"tags": bodies.ENDPOINT}, timeout=call.timeout)
            if node.at("tags").text(bodies.ENDPOINT)
        ]
        return sorted(found, key=lambda each: each.created or "", reverse=True)

    def _status(self, node: JsonNode, call: Call) -> c.EndpointStatus:
        path = f"onlineEndpoints/{node.text('name')}/deployments"
        shares = node.at("properties").at("traffic")
        split = {name: each.value for name, each in shares.members()} if shares else {}
        versions, hourly, states = list[c.EndpointVersion](), list[Money | None](), list[JobState]()
        for deployment in self._client.listed(path, {}, timeout=call.timeout):
            known, replicas = deployment.at("properties"), deployment.at("sku").integer("capacity", 1)
            share, instance = split.get(deployment.text("name"), 0), known.text("instanceType") or None
            states.append(STATES.get(known.text("provisioningState"), JobState.RUNNING))
            hourly.append(self._machine(c.Accelerator(instance=instance), replicas).hourly if instance else None)
            versions.append(
                c.EndpointVersion(
                    version=deployment.at("tags").text("cloudai-version") or deployment.text("name"),
                    traffic=share if isinstance(share, int) else 0,
                    instance=instance,
                    replicas=replicas,
                )
            )
        state = _together(STATES.get(node.at("properties").text("provisioningState"), JobState.RUNNING), states)
        return c.EndpointStatus(
            ref=self._ref(node),
            state=state,
            message="no version is deployed" if not versions else None,
            versions=tuple(versions),
            hourly=_sum(hourly),
            created=node.at("systemData").text("createdAt") or None,
        )

    def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        """Raises `InvalidInput` for versions that are not there, and for percents that are not 100 together."""
        if sum(traffic.values()) != 100:
            raise InvalidInput(f"traffic adds up to {sum(traffic.values())}, not 100")
        ends = time.monotonic() + call.timeout
        path = f"onlineEndpoints/{endpoint.id}/deployments"
        there = {node.text("name") for node in self._client.listed(path, {}, timeout=call.timeout)}
        wanted = {bodies.deployment_name(version): share for version, share in traffic.items()}
        missing = [version for version in traffic if bodies.deployment_name(version) not in there]
        if missing:
            raise InvalidInput(f"no version {missing[0]!r} is deployed")
        self._moved(endpoint.id, wanted, ends)

    def _moved(self, name: str, traffic: Mapping[str, int], ends: float) -> None:
        """The endpoint as it is, with another split."""
        path = f"onlineEndpoints/{name}"
        node = self._client.get(path, timeout=ends - time.monotonic())
        tags = {key: each.word() for key, each in node.at("tags").members()}
        properties = {"authMode": node.at("properties").text("authMode", "Key"), "traffic": dict(traffic)}
        identity = {"type": node.at("identity").text("type", "SystemAssigned")}
        body = {"location": node.text("location"), "tags": tags, "identity": identity, "properties": properties}
        self._client.finished(self._client.put(path, body, timeout=ends - time.monotonic()), ends=ends)

    def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        """The endpoint with its deployments, its models and their files. Asking again goes on after a failure."""
        ends = time.monotonic() + call.timeout
        there = self._client.there(f"onlineEndpoints/{endpoint.id}", timeout=call.timeout)
        if there is not None:
            self._gone(f"onlineEndpoints/{endpoint.id}", ends)
        model = f"models/cloudai-{bodies.endpoint_name(endpoint.name)}"
        if self._client.there(model, timeout=ends - time.monotonic()) is not None:
            for version in list(self._client.listed(f"{model}/versions", {}, timeout=ends - time.monotonic())):
                self._gone(f"{model}/versions/{version.text('name')}", ends)
        folder = self._folder(endpoint.name)
        for name, _ in list(self._storage.listed(f"{folder}/", timeout=ends - time.monotonic())):
            self._storage.remove(name, timeout=ends - time.monotonic())

    def _gone(self, path: str, ends: float) -> None:
        try:
            self._client.finished(self._client.delete(path, timeout=ends - time.monotonic()), ends=ends)
        except AzureError as error:
            if error.status != 404:
                raise

    def _ref(self, node: JsonNode) -> c.EndpointRef:
        return c.EndpointRef(
            backend=self._backend,
            id=node.text("name"),
            name=node.at("tags").text(bodies.ENDPOINT) or node.text("name"),
            url=_base(node.at("properties").text("scoringUri")) or None,
        )

    # --- asking ---------------------------------------------------------------------------------------

    def predict(self, request: c.PredictRequest, call: Call) -> c.PredictResult:
        """With the endpoint's key, asked for each call: it may be renewed. `version` asks that deployment alone."""
        if request.images:
            raise Unsupported("an endpoint takes tensors: read the images by the manifest first")
        ends = time.monotonic() + call.timeout
        made = protocol.encode(request.tensors, outputs=request.outputs)
        path = f"onlineEndpoints/{bodies.endpoint_name(request.model)}"
        node = self._client.get(path, timeout=call.timeout)
        base = _base(node.at("properties").text("scoringUri"))
        check_cleartext(base, backend=self._backend, name="the endpoint's address")
        keys = JsonNode.parse(self._client.post(f"{path}/listKeys", timeout=ends - time.monotonic()).body)
        key = keys.text("primaryKey")
        headers = {**made.headers(), "authorization": f"Bearer {key}"}
        if request.version is not None:
            headers["azureml-model-deployment"] = bodies.deployment_name(request.version)
        named = node.at("tags").text(bodies.ENDPOINT) or request.model
        url = f"{base}{protocol.infer_path(named)}"
        asked = WireRequest(method="POST", url=url, headers=headers, body=made.content)
        reply = self._client.transport.send(asked, timeout=max(ends - time.monotonic(), 0.001))
        if not 200 <= reply.status < 300:
            found = error_of(reply, (*self._client.secrets, key))
            words = protocol.error_of(reply.body)
            raise found if words is None else AzureError(replace(found.fault, message=words[:500]), status=reply.status)
        answer = protocol.decode(reply.body, protocol.length_of(reply.headers.get(protocol.HEADER_LENGTH.lower())))
        deployed = reply.headers.get("azureml-model-deployment")
        return c.PredictResult(
            outputs=answer.outputs,
            usage=(Usage(meter="custom.predict", unit="request", quantity=Decimal(1)),),
            model=request.model,
            version=deployed,
            request_id=reply.headers.get("x-ms-request-id"),
        )


def _base(scoring: str) -> str:
    """`https://NAME.REGION.inference.ml.azure.com` of a scoring address: Triton's paths start there."""
    parts = urlsplit(scoring)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _package(request: c.DeployRequest) -> Package | None:
    """`None`: a model repository that is in a datastore already."""
    from cloudai.serving.packaging import package_model

    if request.serverless or request.min_replicas == 0:
        raise Unsupported("Azure ML's managed online endpoints keep one machine at least: they don't scale to zero")
    if request.traffic and sum(request.traffic.values()) != 100:
        raise InvalidInput(f"traffic adds up to {sum(request.traffic.values())}, not 100")
    bodies.endpoint_name(request.name)
    if request.model.startswith("azureml://"):
        if request.version is None:
            raise InvalidInput("a model in a datastore needs version = ...: its content is not looked at")
        return None
    return package_model(request.model, name=request.name)


def _notices(request: c.DeployRequest) -> list[Notice]:
    if request.max_replicas <= request.min_replicas:
        return []
    text = f"{request.min_replicas} machines are kept: managed endpoints are scaled by rules of Azure Monitor alone"
    return [Notice(code="autoscale", message=text)]


def _together(endpoint: JobState, deployments: Sequence[JobState]) -> JobState:
    if endpoint is not JobState.SUCCEEDED:
        return endpoint
    if not deployments:
        return JobState.QUEUED
    for state in (JobState.FAILED, JobState.CANCELLED, JobState.RUNNING):
        if state in deployments:
            return state
    return JobState.SUCCEEDED


def with_left(error: Exception, left: Sequence[str]) -> Exception:
    """The error, with what could not be removed."""
    told = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
    if not isinstance(error, AzureError):
        error.add_note(f"left behind: {told}")
        return error
    fault = replace(error.fault, message=f"{error.fault.message}; left behind: {told}")
    return AzureError(fault, status=error.status, reason=error.reason)


def _sum(amounts: Sequence[Money | None]) -> Money | None:
    known = [amount for amount in amounts if amount is not None]
    if not known or len(known) < len(amounts):
        return None
    total = known[0].amount
    for amount in known[1:]:
        total += amount.amount
    return Money(amount=total, currency=known[0].currency)
