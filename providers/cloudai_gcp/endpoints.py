"""`custom.deploy` and `custom.predict` on Vertex AI: a Triton model repository behind an endpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from cloudai.errors import Unsupported
from cloudai.serving import client as protocol
from cloudai.types import custom as c
from cloudai.types.results import Money, Usage
from cloudai.types.speech import JobState
from cloudai.wirejson import JsonNode
from cloudai_gcp import vertex_bodies as bodies
from cloudai_gcp import vertex_machines
from cloudai_gcp.vertex_client import VertexClient
from cloudai_gcp.vertex_deployment import Deployment, by_id, found, gone, operations_of, versions_of
from cloudai_gcp.vertex_plan import models_folder, plan_of, target_of
from cloudai_gcp.vertex_storage import VertexStorage, split

if TYPE_CHECKING:
    from cloudai.driver import Call

TRITON_BINARY: Final = "application/vnd.vertex-ai-triton.binary+json;json-header-size="
"""How Triton on Vertex AI is told where the JSON ends: `vertex_ai_server.cc` of triton-inference-server/server."""
_DEPLOYS: Final = ".DeployModelOperationMetadata"


class VertexEndpoints:
    """The endpoints of one backend."""

    def __init__(self, vertex: VertexClient, *, backend: str) -> None:
        self._vertex = vertex
        self._backend = backend
        self._storage = VertexStorage(vertex)

    def plan_deployment(self, request: c.DeployRequest, call: Call) -> c.DeployPlan:
        """Nothing is sent."""
        return plan_of(self._vertex, request, target_of(self._vertex, request), backend=self._backend)

    def deploy(self, request: c.DeployRequest, call: Call) -> c.DeployResult:
        """Waits for endpoint and model, not for the machines: ask `endpoint_status`.

        Raises `GoogleError` (`outcome_unknown`) for a lost answer: deploying the same again goes on from there.
        """
        target = target_of(self._vertex, request)
        plan = plan_of(self._vertex, request, target, backend=self._backend)
        ends = time.monotonic() + call.timeout
        endpoint, done = Deployment(self._vertex, self._storage, request, target, ends=ends).run()
        return c.DeployResult(
            endpoint=self._ref(endpoint),
            version=plan.version,
            state=JobState.SUCCEEDED if done else JobState.RUNNING,
            plan=plan,
            warnings=plan.warnings,
        )

    # --- endpoints that stand -------------------------------------------------------------------------

    def endpoint_status(self, endpoint: c.EndpointRef, call: Call) -> c.EndpointStatus:
        """While a version is being deployed the endpoint is `running`, even if others of it answer."""
        return self._status(self._vertex.get("endpoints", endpoint.id, timeout=call.timeout), call)

    def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        """By their label, newest first."""
        there = self._vertex.listed("endpoints", f"labels.{bodies.ENDPOINT}:*", timeout=call.timeout)
        return [self._status(node, call) for node in there]

    def _status(self, node: JsonNode, call: Call) -> c.EndpointStatus:
        deployed = node.items("deployedModels")
        state, message = self._under_way(node, call)
        if deployed and state is not JobState.RUNNING:
            state, message = JobState.SUCCEEDED, message and f"the latest deployment failed: {message}"
        elif state is JobState.QUEUED:
            message = "no version is deployed"
        return c.EndpointStatus(
            ref=self._ref(node),
            state=state,
            message=message,
            versions=tuple(_version(each, _split_of(node)) for each in deployed),
            hourly=_sum([self._hourly(each) for each in deployed]),
            created=node.text("createTime") or None,
        )

    def _hourly(self, deployed: JsonNode) -> Money | None:
        """Of the replicas that always stand."""
        resources = deployed.at("dedicatedResources")
        copies = resources.integer("minReplicaCount", 1)
        return vertex_machines.of_spec(resources.at("machineSpec"), self._vertex.location, copies=copies)

    def _under_way(self, node: JsonNode, call: Call) -> tuple[JobState, str | None]:
        """Of the latest deployment: whether it goes on, and how it failed."""
        operations = operations_of(self._vertex, node, timeout=call.timeout)
        if any(not each.flag("done") for each in operations):
            return JobState.RUNNING, None
        deploys = [each for each in operations if each.at("metadata").text("@type").endswith(_DEPLOYS)]
        failed = deploys[0].at("error").text("message") if deploys else ""
        return (JobState.FAILED, failed) if failed else (JobState.QUEUED, None)

    def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        """Raises `InvalidInput` for versions that are not there, and for percents that are not 100 together."""
        node = self._vertex.get("endpoints", endpoint.id, timeout=call.timeout)
        self._vertex.set_traffic(node, by_id(traffic, versions_of(node)), timeout=call.timeout)

    def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        """Deployed models, the endpoint's models, their files, and the endpoint last: as long as something is left it
        is listed. Raises after the first that could not be removed: asking again goes on."""
        ends = time.monotonic() + call.timeout
        node = found(self._vertex, "endpoints", endpoint.id, timeout=call.timeout)
        if node is not None:
            self._undeploy(node, ends)
        filtered = f"labels.{bodies.ENDPOINT}={bodies.label(endpoint.name)}"
        for model in self._vertex.listed("models", filtered, timeout=ends - time.monotonic()):
            gone(self._vertex, "models", model.text("name"), ends=ends)
        folder = models_folder(self._vertex.settings, endpoint.name)
        bucket, _ = split(folder)
        for stored in list(self._storage.listed(f"{folder}/", timeout=ends - time.monotonic())):
            self._storage.remove(f"gs://{bucket}/{stored.name}", timeout=ends - time.monotonic())
        if node is not None:
            gone(self._vertex, "endpoints", endpoint.id, ends=ends)

    def _undeploy(self, node: JsonNode, ends: float) -> None:
        """Each gives its traffic to those that are left."""
        left = [deployed.text("id") for deployed in node.items("deployedModels")]
        while left:
            first = left.pop(0)
            traffic = {left[0]: 100} if left else {}
            operation = self._vertex.undeploy_model(node.text("name"), first, traffic, timeout=ends - time.monotonic())
            self._vertex.finished(operation, ends=ends)

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
        """Over our transport: Google's client wraps the body. A shared endpoint takes 1.5 MB. `model`: the endpoint's
        name, or its whole `projects/P/locations/L/endpoints/ID`."""
        if request.images:
            raise Unsupported("an endpoint takes tensors: read the images by the manifest first")
        if request.version is not None:
            raise Unsupported("Vertex AI chooses the version by the traffic split: leave version out")
        made = protocol.encode(request.tensors, outputs=request.outputs)
        kind = protocol.JSON if made.json_bytes is None else f"{TRITON_BINARY}{made.json_bytes}"
        whole = request.model.startswith("projects/")
        name = request.model if whole else f"{self._vertex.parent}/endpoints/{bodies.endpoint_id(request.model)}"
        url = f"{self._vertex.base}/v1/{quote(name)}:rawPredict"
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


def _split_of(node: JsonNode) -> dict[str, int]:
    """Percent by deployed model."""
    split_by = node.at("trafficSplit")
    return {name: split_by.integer(name) for name, _ in split_by.members()} if split_by else {}


def _version(deployed: JsonNode, split_by: Mapping[str, int]) -> c.EndpointVersion:
    resources = deployed.at("dedicatedResources")
    return c.EndpointVersion(
        version=deployed.text("displayName"),
        traffic=split_by.get(deployed.text("id"), 0),
        instance=resources.at("machineSpec").text("machineType") or None,
        replicas=resources.integer("minReplicaCount", 1),
    )


def _sum(amounts: Sequence[Money | None]) -> Money | None:
    known = [amount for amount in amounts if amount is not None]
    if not known or len(known) < len(amounts):
        return None
    return Money(amount=sum(amount.amount for amount in known), currency=known[0].currency)  # type: ignore[arg-type]  # not empty
