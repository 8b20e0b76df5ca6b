"""`custom.deploy` and `custom.predict` on Vertex AI: a Triton model repository behind an endpoint.

Endpoint, model and deployed model have ids that are made from the deployment's name and the package's hash. So a
deployment that broke off half way is finished by doing it again, and nothing is made twice. What a refusal leaves
behind is removed; what can't be removed is named in the error.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from cloudai.errors import Delivery, ErrorCode, Fault, InvalidInput, Unsupported
from cloudai.serving import client as protocol
from cloudai.training.machines import ChosenMachine, machine_for
from cloudai.types import custom as c
from cloudai.types.results import Money, Notice, Usage
from cloudai.types.speech import JobState
from cloudai.wirejson import JsonNode
from cloudai_gcp import vertex_bodies as bodies
from cloudai_gcp.errors import GoogleError
from cloudai_gcp.training import base_of_bucket, shown
from cloudai_gcp.vertex_client import VertexClient, unsure
from cloudai_gcp.vertex_storage import VertexStorage, split

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai.serving.packaging import Package

CLEANUP_SECONDS: Final = 60.0
TRITON_BINARY: Final = "application/vnd.vertex-ai-triton.binary+json;json-header-size="
"""How Triton on Vertex AI is told where the JSON ends: `vertex_ai_server.cc` of triton-inference-server/server."""


@dataclass(kw_only=True)
class _Made:
    """What this deployment has made so far: collection and name."""

    resources: list[tuple[str, str]] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)


class VertexEndpoints:
    """The endpoints of one backend."""

    def __init__(self, vertex: VertexClient, *, backend: str) -> None:
        self._vertex = vertex
        self._backend = backend
        self._storage = VertexStorage(vertex)

    # --- deploying ------------------------------------------------------------------------------------

    def plan_deployment(self, request: c.DeployRequest, call: Call) -> c.DeployPlan:
        """Nothing is sent."""
        return self._planned(request, self._package(request))

    def deploy(self, request: c.DeployRequest, call: Call) -> c.DeployResult:
        """Waits for endpoint and model, not for the machines: ask `endpoint_status`.

        Raises `GoogleError` (`outcome_unknown`) for a lost answer: deploying the same again goes on from there.
        """
        package = self._package(request)
        plan, made = self._planned(request, package), _Made()
        ends = time.monotonic() + call.timeout
        try:
            endpoint = self._endpoint(request, made, ends)
            model = self._model(request, plan.version, package, made, ends)
            done = self._deployed(request, plan, endpoint, model, ends)
        except Exception as error:
            if unsure(error):
                raise self._unknown(request, error) from error
            left = self._undone(made)
            if left:
                raise self._with_left(error, left) from error
            raise
        return c.DeployResult(
            endpoint=self._ref(endpoint),
            version=plan.version,
            state=JobState.SUCCEEDED if done else JobState.RUNNING,
            plan=plan,
            warnings=plan.warnings,
        )

    def _package(self, request: c.DeployRequest) -> Package | None:
        """`None`: a model repository that is in Cloud Storage already."""
        from cloudai.serving.packaging import package_model

        _check(request)
        if request.model.startswith("gs://"):
            if request.version is None:
                raise InvalidInput("a model in Cloud Storage needs version = ...: its content is not looked at")
            return None
        return package_model(request.model, name=request.name)

    def _endpoint(self, request: c.DeployRequest, made: _Made, ends: float) -> JsonNode:
        name = f"{self._vertex.parent}/endpoints/{bodies.endpoint_id(request.name)}"
        there = self._there("endpoints", name, ends)
        if there is not None:
            return there
        try:
            operation = self._vertex.create(
                "endpoints",
                bodies.endpoint_body(request),
                timeout=ends - time.monotonic(),
                endpoint_id=bodies.endpoint_id(request.name),
            )
        except GoogleError as error:
            return self._quicker("endpoints", name, error, ends)
        made.resources.append(("endpoints", name))
        self._vertex.finished(operation, ends=ends)
        return self._vertex.get("endpoints", name, timeout=ends - time.monotonic())

    def _quicker(self, collection: str, name: str, error: GoogleError, ends: float) -> JsonNode:
        """What another deployment has made meanwhile."""
        if error.fault.code is not ErrorCode.CONFLICT:
            raise error
        return self._vertex.get(collection, name, timeout=ends - time.monotonic())

    def _model(self, request: c.DeployRequest, version: str, package: Package | None, made: _Made, ends: float) -> str:
        identity = bodies.model_id(request.name, version)
        name = f"{self._vertex.parent}/models/{identity}"
        if self._there("models", name, ends) is not None:
            return name
        artifacts = self._artifacts(request, version)
        for path in package.files if package else ():
            assert package is not None
            uri = f"{artifacts}/{path}"
            made.objects.append(uri)
            self._storage.put(uri, package.files[path], timeout=max(ends - time.monotonic(), 0.001))
        body = bodies.model_body(request, version, self._image(request), artifacts)
        try:
            operation = self._vertex.upload_model(body, model_id=identity, timeout=ends - time.monotonic())
        except GoogleError as error:
            self._quicker("models", name, error, ends)
            return name
        made.resources.append(("models", name))
        self._vertex.finished(operation, ends=ends)
        return name

    def _deployed(
        self, request: c.DeployRequest, plan: c.DeployPlan, endpoint: JsonNode, model: str, ends: float
    ) -> bool:
        """Whether it stands already."""
        version, there = plan.version, _versions_of(endpoint)
        if version in there:
            if request.traffic:
                split_by = _by_id(request.traffic, there)
                self._vertex.set_traffic(endpoint, split_by, timeout=ends - time.monotonic())
            return True
        body = bodies.deployed_body(request, version, model, plan.instance, self._vertex.settings)
        traffic = _by_id(request.traffic or {version: 100}, {**there, version: "0"})
        name = endpoint.text("name")
        try:
            operation = self._vertex.deploy_model(name, body, traffic, timeout=ends - time.monotonic())
        except GoogleError as error:
            if not unsure(error) and version in _versions_of(
                self._vertex.get("endpoints", name, timeout=ends - time.monotonic())
            ):
                return True  # another deployment of the same was quicker
            raise
        if operation.at("error"):
            self._vertex.finished(operation, ends=ends)
        return operation.flag("done")

    def _there(self, collection: str, name: str, ends: float) -> JsonNode | None:
        try:
            return self._vertex.get(collection, name, timeout=ends - time.monotonic())
        except GoogleError as error:
            if error.fault.code is ErrorCode.NOT_FOUND:
                return None
            raise

    def _unknown(self, request: c.DeployRequest, error: Exception) -> GoogleError:
        text = (
            f"{error}; parts of the endpoint {request.name} may have been made. Deploy the same again: it finds them "
            f"by their ids (endpoint {bodies.endpoint_id(request.name)}); or remove them: cloudai endpoints delete"
        )
        return GoogleError(
            Fault(code=ErrorCode.OUTCOME_UNKNOWN, message=text, retryable=False, delivery=Delivery.UNKNOWN)
        )

    def _undone(self, made: _Made) -> list[str]:
        """Removes what was made. The names of what is left."""
        left: list[str] = []
        ends = time.monotonic() + CLEANUP_SECONDS
        for collection, name in reversed(made.resources):
            try:
                self._gone(collection, name, ends)
            except Exception:  # noqa: BLE001  # it is named in the error instead
                left.append(name)
        for uri in made.objects:
            try:
                self._storage.remove(uri, timeout=ends - time.monotonic())
            except Exception:  # noqa: BLE001  # it is named in the error instead
                left.append(uri)
        return left

    @staticmethod
    def _with_left(error: Exception, left: Sequence[str]) -> Exception:
        shown = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        if not isinstance(error, GoogleError):
            error.add_note(f"left behind: {shown}")
            return error
        fault = replace(error.fault, message=f"{error.fault.message}; left behind: {shown}")
        return GoogleError(fault, status=error.status, reason=error.reason)

    # --- what it would be -----------------------------------------------------------------------------

    def _planned(self, request: c.DeployRequest, package: Package | None) -> c.DeployPlan:
        version = request.version or (package.version if package else "")
        chosen = self._machine(request.accelerator, request.min_replicas)
        parent, artifacts = self._vertex.parent, self._artifacts(request, version)
        endpoint = f"{parent}/endpoints/{bodies.endpoint_id(request.name)}"
        model = f"{parent}/models/{bodies.model_id(request.name, version)}"
        image = self._image(request)
        deployed = bodies.deployed_body(request, version, model, chosen.instance, self._vertex.settings)
        steps: tuple[tuple[str, dict[str, object]], ...] = (
            (f"POST /v1/{parent}/endpoints?endpointId={endpoint.rpartition('/')[2]}", bodies.endpoint_body(request)),
            (
                f"POST /v1/{parent}/models:upload",
                {
                    "model": bodies.model_body(request, version, image, artifacts),
                    "modelId": bodies.model_id(request.name, version),
                },
            ),
            (
                f"POST /v1/{endpoint}:deployModel",
                {"deployedModel": deployed, "trafficSplit": dict(request.traffic) or {"0": 100}},
            ),
        )
        return c.DeployPlan(
            backend=self._backend,
            provider="gcp",
            name=request.name,
            version=version,
            instance=chosen.instance,
            hourly=chosen.hourly,
            requests=tuple({"call": call, "body": shown(body)} for call, body in steps),
            uploads=tuple((path, f"{artifacts}/{path}") for path in package.files) if package else (),
            warnings=(*chosen.notices, *self._notices(request, image)),
        )

    def _notices(self, request: c.DeployRequest, image: str) -> tuple[Notice, ...]:
        if request.image or self._vertex.settings.serving_image:
            return ()
        text = f"Vertex AI takes containers of Artifact Registry: copy nvcr.io/nvidia/{bodies.TRITON} to {image} once"
        return (Notice(code="container", message=text),)

    def _machine(self, accelerator: c.Accelerator, replicas: int) -> ChosenMachine:
        return machine_for(
            "gcp", self._vertex.location, accelerator, copies=max(1, replicas), operation="custom.deploy"
        )

    def _image(self, request: c.DeployRequest) -> str:
        vertex = self._vertex
        return bodies.serving_image(request, vertex.settings, vertex.auth.project(), vertex.location)

    def _artifacts(self, request: c.DeployRequest, version: str) -> str:
        if request.model.startswith("gs://"):
            return request.model.rstrip("/")
        return f"{self._folder(request.name)}/{version}"

    def _folder(self, name: str) -> str:
        return f"{base_of_bucket(self._vertex.settings)}/models/{bodies.endpoint_id(name)}"

    # --- endpoints that stand -------------------------------------------------------------------------

    def endpoint_status(self, endpoint: c.EndpointRef, call: Call) -> c.EndpointStatus:
        """An endpoint without a deployed model is as far as its last operation."""
        return self._status(self._vertex.get("endpoints", endpoint.id, timeout=call.timeout), call)

    def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        """By their label, newest first."""
        found = self._vertex.listed("endpoints", f"labels.{bodies.ENDPOINT}:*", timeout=call.timeout)
        return [self._status(node, call) for node in found]

    def _status(self, node: JsonNode, call: Call) -> c.EndpointStatus:
        split_of = (
            {name: each.value for name, each in node.at("trafficSplit").members()} if node.at("trafficSplit") else {}
        )
        versions, hourly = [], []
        for deployed in node.items("deployedModels"):
            resources = deployed.at("dedicatedResources")
            machine, replicas = resources.at("machineSpec").text("machineType"), resources.integer("minReplicaCount", 1)
            share = split_of.get(deployed.text("id"), 0)
            versions.append(
                c.EndpointVersion(
                    version=deployed.text("displayName"),
                    traffic=share if isinstance(share, int) else 0,
                    instance=machine or None,
                    replicas=replicas,
                )
            )
            hourly.append(self._machine(c.Accelerator(instance=machine), replicas).hourly if machine else None)
        state, message = (JobState.SUCCEEDED, None) if versions else self._under_way(node, call)
        return c.EndpointStatus(
            ref=self._ref(node),
            state=state,
            message=message,
            versions=tuple(versions),
            hourly=_sum(hourly),
            created=node.text("createTime") or None,
        )

    def _under_way(self, node: JsonNode, call: Call) -> tuple[JobState, str | None]:
        url = f"{self._vertex.base}/v1/{node.text('name')}/operations"
        operations = self._vertex.asked("GET", url, timeout=call.timeout).items("operations")
        if any(not each.flag("done") for each in operations):
            return JobState.RUNNING, None
        failed = next((each.at("error").text("message") for each in operations if each.at("error")), None)
        return (JobState.FAILED, failed) if failed else (JobState.QUEUED, "no version is deployed")

    def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        """Raises `InvalidInput` for versions that are not there, and for percents that are not 100 together."""
        node = self._vertex.get("endpoints", endpoint.id, timeout=call.timeout)
        self._vertex.set_traffic(node, _by_id(traffic, _versions_of(node)), timeout=call.timeout)

    def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        """Deployed models, the endpoint, its models and their files. Raises after the first that could not be removed:
        asking again goes on."""
        ends = time.monotonic() + call.timeout
        node = self._there("endpoints", endpoint.id, ends)
        if node is not None:
            self._undeploy(node, ends)
            self._gone("endpoints", endpoint.id, ends)
        filtered = f"labels.{bodies.ENDPOINT}={bodies.label(endpoint.name)}"
        for model in self._vertex.listed("models", filtered, timeout=ends - time.monotonic()):
            self._gone("models", model.text("name"), ends)
        bucket, _ = split(self._folder(endpoint.name))
        for stored in list(self._storage.listed(f"{self._folder(endpoint.name)}/", timeout=ends - time.monotonic())):
            self._storage.remove(f"gs://{bucket}/{stored.name}", timeout=ends - time.monotonic())

    def _undeploy(self, node: JsonNode, ends: float) -> None:
        """Each gives its traffic to those that are left."""
        left = [deployed.text("id") for deployed in node.items("deployedModels")]
        while left:
            gone = left.pop(0)
            traffic = {left[0]: 100} if left else {}
            operation = self._vertex.undeploy_model(node.text("name"), gone, traffic, timeout=ends - time.monotonic())
            self._vertex.finished(operation, ends=ends)

    def _gone(self, collection: str, name: str, ends: float) -> None:
        try:
            operation = self._vertex.delete(collection, name, timeout=ends - time.monotonic())
            self._vertex.finished(operation, ends=ends)
        except GoogleError as error:
            if error.fault.code is not ErrorCode.NOT_FOUND:
                raise

    def _ref(self, node: JsonNode) -> c.EndpointRef:
        name = node.text("name")
        return c.EndpointRef(
            backend=self._backend,
            id=name,
            name=node.text("displayName"),
            url=f"{self._vertex.base}/v1/{name}:rawPredict",
            details=(("region", self._vertex.location),),
        )

    # --- asking ---------------------------------------------------------------------------------------

    def predict(self, request: c.PredictRequest, call: Call) -> c.PredictResult:
        """Over our transport: Google's client wraps the body. A shared endpoint takes 1.5 MB."""
        if request.images:
            raise Unsupported("an endpoint takes tensors: read the images by the manifest first")
        if request.version is not None:
            raise Unsupported("Vertex AI chooses the version by the traffic split: leave version out")
        made = protocol.encode(request.tensors, outputs=request.outputs)
        kind = protocol.JSON if made.json_bytes is None else f"{TRITON_BINARY}{made.json_bytes}"
        name = f"{self._vertex.parent}/endpoints/{bodies.endpoint_id(request.model)}"
        url = f"{self._vertex.base}/v1/{name}:rawPredict"
        reply = self._vertex.ask("POST", url, timeout=call.timeout, body=made.content, kind=kind)
        answer = protocol.decode(reply.body, _json_bytes(reply.headers))
        return c.PredictResult(
            outputs=answer.outputs,
            model=request.model,
            usage=(Usage(meter="custom.predict", unit="request", quantity=Decimal(1)),),
            request_id=reply.headers.get("x-request-id"),
        )


def _json_bytes(headers: Mapping[str, str]) -> int | None:
    _, found, length = headers.get("content-type", "").partition("json-header-size=")
    return protocol.length_of(length.strip() if found else headers.get(protocol.HEADER_LENGTH.lower()))


def _check(request: c.DeployRequest) -> None:
    if request.serverless or request.min_replicas == 0:
        raise Unsupported("Vertex AI's endpoints keep one machine at least: scale to zero is in v1beta1 only")
    if request.traffic and sum(request.traffic.values()) != 100:
        raise InvalidInput(f"traffic adds up to {sum(request.traffic.values())}, not 100")


def _versions_of(endpoint: JsonNode) -> dict[str, str]:
    """Version -> id of its deployed model."""
    return {each.text("displayName"): each.text("id") for each in endpoint.items("deployedModels")}


def _by_id(traffic: Mapping[str, int], known: Mapping[str, str]) -> dict[str, int]:
    unknown = [version for version in traffic if version not in known]
    if unknown:
        raise InvalidInput(f"no version {unknown[0]!r} is deployed; there are {', '.join(known) or 'none'}")
    if sum(traffic.values()) != 100:
        raise InvalidInput(f"traffic adds up to {sum(traffic.values())}, not 100")
    return {known[version]: percent for version, percent in traffic.items() if percent}


def _sum(amounts: Sequence[Money | None]) -> Money | None:
    known = [amount for amount in amounts if amount is not None]
    if not known or len(known) < len(amounts):
        return None
    return Money(amount=sum(amount.amount for amount in known), currency=known[0].currency)  # type: ignore[arg-type]  # not empty
