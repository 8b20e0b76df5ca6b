"""`custom.deploy` and `custom.predict` on Azure ML: managed online endpoints that serve a Triton model repository.

What an endpoint is made of, and in which order, is `ml_deployment`'s. Without a container of the user's own Azure ML
brings Triton itself. Tensors go to the scoring address over cloudai's transport: azure-ai-ml sends files of JSON alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cloudai.errors import InvalidInput, Unsupported
from cloudai.http import WireRequest, check_cleartext
from cloudai.serving import client as protocol
from cloudai.types import custom as c
from cloudai.types.results import Money, Usage
from cloudai.types.speech import JobState
from cloudai.wirejson import JsonNode
from cloudai_azure import ml_bodies as bodies
from cloudai_azure.errors import AzureError, error_of
from cloudai_azure.ml_client import MlClient
from cloudai_azure.ml_deployment import Deployment, by_name, gone, move_traffic
from cloudai_azure.ml_plan import Target, for_hosting, models_folder, models_of, plan_of, target_of
from cloudai_azure.ml_storage import MlStorage

if TYPE_CHECKING:
    from cloudai.driver import Call

TAIL: Final = 20
"""Lines of a container's log that are looked at."""
LONGEST: Final = 300
"""Characters of a line that are shown."""
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


class MlEndpoints:
    """The endpoints of one backend."""

    def __init__(self, client: MlClient, storage: MlStorage, *, backend: str) -> None:
        self._client = client
        self._storage = storage
        self._backend = backend

    # --- deploying ------------------------------------------------------------------------------------

    def plan_deployment(self, request: c.DeployRequest, call: Call) -> c.DeployPlan:
        """Nothing is sent; the workspace's location is not known yet."""
        return plan_of(self._client, self._storage, request, self._target(request), backend=self._backend)

    def deploy(self, request: c.DeployRequest, call: Call) -> c.DeployResult:
        """Waits for endpoint and model, not for the machines. Traffic moves to a deployment only when it stands: until
        then `set_traffic` or the same `deploy` again moves it.

        Raises `AzureError` (`outcome_unknown`) for a lost answer: deploying the same again goes on from there.
        """
        ends = time.monotonic() + call.timeout
        target = self._target(request)
        plan = plan_of(self._client, self._storage, request, target, backend=self._backend)
        endpoint, state = Deployment(self._client, self._storage, request, target, ends=ends).run()
        return c.DeployResult(
            endpoint=self._ref(endpoint),
            version=plan.version,
            state=STATES.get(state, JobState.RUNNING),
            plan=plan,
            warnings=plan.warnings,
        )

    def _target(self, request: c.DeployRequest) -> Target:
        return target_of(self._client, self._storage, request)

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
        wrong, ends = list[str](), time.monotonic() + call.timeout
        for deployment in self._client.listed(path, {}, timeout=call.timeout):
            known, replicas = deployment.at("properties"), deployment.at("sku").integer("capacity", 1)
            share, instance = split.get(deployment.text("name"), 0), known.text("instanceType") or None
            states.append(STATES.get(known.text("provisioningState"), JobState.RUNNING))
            hourly.append(self._hourly(instance, replicas))
            versions.append(
                c.EndpointVersion(
                    version=deployment.at("tags").text("cloudai-version") or deployment.text("name"),
                    traffic=share if isinstance(share, int) else 0,
                    instance=instance,
                    replicas=replicas,
                )
            )
            if states[-1] is JobState.FAILED:
                wrong.append(self._failed(f"{path}/{deployment.text('name')}", versions[-1].version, ends))
        state = _together(STATES.get(node.at("properties").text("provisioningState"), JobState.RUNNING), states)
        return c.EndpointStatus(
            ref=self._ref(node),
            state=state,
            message="; ".join(wrong) or None if versions else "no version is deployed",
            versions=tuple(versions),
            hourly=_sum(hourly),
            created=node.at("systemData").text("createdAt") or None,
        )

    def _failed(self, path: str, version: str, ends: float) -> str:
        """With the last line of its container, where there is one: Azure ML says no more of what failed."""
        try:
            asked = {"containerType": "InferenceServer", "tail": TAIL}
            reply = self._client.post(f"{path}/getLogs", asked, timeout=ends - time.monotonic())
            lines = JsonNode.parse(reply.body).text("content").splitlines()
        except AzureError:
            lines = []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"version {version} failed" + (f": {last[:LONGEST]}" if last else "")

    def _hourly(self, instance: str | None, replicas: int) -> Money | None:
        if instance is None:
            return None
        return for_hosting(self._client.settings, c.Accelerator(instance=instance), copies=replicas).hourly

    def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        """Raises `InvalidInput` for versions that are not there, and for percents that are not 100 together."""
        if sum(traffic.values()) != 100:
            raise InvalidInput(f"traffic adds up to {sum(traffic.values())}, not 100")
        ends = time.monotonic() + call.timeout
        path = f"onlineEndpoints/{endpoint.id}/deployments"
        there = {node.text("name") for node in self._client.listed(path, {}, timeout=call.timeout)}
        missing = [version for version in traffic if bodies.deployment_name(version) not in there]
        if missing:
            raise InvalidInput(f"no version {missing[0]!r} is deployed")
        move_traffic(self._client, f"onlineEndpoints/{endpoint.id}", by_name(traffic), ends=ends)

    def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        """Deployments, models, their files, and the endpoint last: as long as something is left it is listed. Raises
        after the first that could not be removed: asking again goes on."""
        ends = time.monotonic() + call.timeout
        path = f"onlineEndpoints/{endpoint.id}"
        there = self._client.there(path, timeout=call.timeout)
        if there is not None:
            self._without_deployments(path, there, ends)
        model = models_of(endpoint.name)
        if self._client.there(model, timeout=ends - time.monotonic()) is not None:
            for version in list(self._client.listed(f"{model}/versions", {}, timeout=ends - time.monotonic())):
                gone(self._client, f"{model}/versions/{version.text('name')}", ends=ends)
        folder = models_folder(self._client.settings, endpoint.name)
        for name, _ in list(self._storage.listed(f"{folder}/", timeout=ends - time.monotonic())):
            self._storage.remove(name, timeout=ends - time.monotonic())
        if there is not None:
            gone(self._client, path, ends=ends)

    def _without_deployments(self, path: str, endpoint: JsonNode, ends: float) -> None:
        """A deployment that has traffic can't be deleted."""
        shares = endpoint.at("properties").at("traffic")
        if shares and any(each.value for _, each in shares.members()):
            move_traffic(self._client, path, {}, ends=ends)
        for each in list(self._client.listed(f"{path}/deployments", {}, timeout=ends - time.monotonic())):
            gone(self._client, f"{path}/deployments/{each.text('name')}", ends=ends)

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


def _together(endpoint: JobState, deployments: Sequence[JobState]) -> JobState:
    if endpoint is not JobState.SUCCEEDED:
        return endpoint
    if not deployments:
        return JobState.QUEUED
    for state in (JobState.FAILED, JobState.CANCELLED, JobState.RUNNING):
        if state in deployments:
            return state
    return JobState.SUCCEEDED


def _sum(amounts: Sequence[Money | None]) -> Money | None:
    known = [amount for amount in amounts if amount is not None]
    if not known or len(known) < len(amounts):
        return None
    total = known[0].amount
    for amount in known[1:]:
        total += amount.amount
    return Money(amount=total, currency=known[0].currency)
