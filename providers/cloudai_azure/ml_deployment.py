"""One deployment on Azure ML: endpoint, model repository, model version, deployment, traffic, in this order.

Each has a name that follows from the request, and all are made by PUT: doing the same again makes nothing twice, and
finishes what broke off. What a refusal leaves behind is removed, the endpoint last: as long as something is left of a
deployment, `list_endpoints` shows it. What can't be removed is named in the error.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cloudai.delivery import mark
from cloudai.errors import Delivery, ErrorCode, ServiceError
from cloudai.types.custom import DeployRequest
from cloudai.wirejson import JsonNode
from cloudai_azure import ml_bodies as bodies
from cloudai_azure import ml_plan
from cloudai_azure.errors import AzureError
from cloudai_azure.ml_client import MlClient, unknown, unsure
from cloudai_azure.ml_storage import MlStorage

if TYPE_CHECKING:
    from cloudai_azure.ml_plan import Target

CLEANUP_SECONDS: Final = 60.0
_NAMED: Final = 5
"""Names of what is left, in an error."""
_CREATED: Final = 201
"""HTTP: the PUT made it; 200: it was there."""


class Deployment:
    """A deployment under way, until `ends` (monotonic)."""

    def __init__(
        self, client: MlClient, storage: MlStorage, request: DeployRequest, target: Target, *, ends: float
    ) -> None:
        self._client = client
        self._storage = storage
        self._request = request
        self._target = target
        self._ends = ends
        self._made: list[str] = []
        self._blobs: list[str] = []
        self._sent = False
        """Whether anything was asked for that Azure ML makes or changes."""

    def run(self) -> tuple[JsonNode, str]:
        """The endpoint, and the deployment's provisioning state. Traffic moves only to one that stands.

        Raises `AzureError` (`outcome_unknown`) for a lost answer: the same deployment again goes on from there."""
        try:
            location = self._client.workspace(timeout=self._left).text("location")
            endpoint = self._endpoint(location)
            self._model()
            state = self._deployed(location)
            if state == "Succeeded":
                self._shared()
        except Exception as error:
            if not self._sent:
                mark(error, Delivery.NOT_SENT)
            elif unsure(error):
                name = self._target.endpoint.rpartition("/")[2]
                text = f"parts of the endpoint {name} may have been made: deploy the same again, or delete it"
                raise unknown(text, error) from error
            left = self._undone()
            if left:
                raise with_left(error, left) from error
            raise
        return endpoint, state

    @property
    def _left(self) -> float:
        return self._ends - time.monotonic()

    # --- its steps --------------------------------------------------------------------------------------

    def _endpoint(self, location: str) -> JsonNode:
        path = self._target.endpoint
        there = self._client.there(path, timeout=self._left)
        if there is None:
            self._put(path, bodies.endpoint_body(self._request, location), waits=True)
            return self._client.get(path, timeout=self._left)
        if there.at("tags").text(bodies.ENDPOINT) != self._request.name:
            text = f"{path}: there is an endpoint of this name that cloudai did not make: choose another name"
            raise ServiceError(text, code=ErrorCode.CONFLICT)
        return there

    def _model(self) -> None:
        target = self._target
        if self._client.there(target.model, timeout=self._left) is not None:
            return
        for path, where in target.files.items():
            assert target.package is not None
            self._blobs.append(where)
            self._storage.put(where, target.package.files[path], timeout=self._left)
        self._put(target.model, bodies.model_body(self._request, target.version, target.artifacts))

    def _deployed(self, location: str) -> str:
        target = self._target
        there = self._client.there(target.deployment, timeout=self._left)
        if there is not None and there.at("tags").text("cloudai-version") != target.version:
            text = f"{target.deployment} is another version's deployment: name yours differently"
            raise ServiceError(text, code=ErrorCode.CONFLICT)
        if there is None or there.at("properties").text("provisioningState") == "Failed":
            environment = ml_plan.environment_of(self._request)
            if environment is not None:
                self._client.put(*environment, timeout=self._left)
            there = self._put(target.deployment, ml_plan.deployment_body(self._client, self._request, target, location))
        return there.at("properties").text("provisioningState")

    def _shared(self) -> None:
        wanted = self._request.traffic or {self._target.version: 100}
        self._sent = True
        move_traffic(self._client, self._target.endpoint, by_name(wanted), ends=self._ends)

    def _put(self, path: str, body: Mapping[str, object], *, waits: bool = False) -> JsonNode:
        self._sent = True
        reply = self._client.put(path, body, timeout=self._left)
        if reply.status == _CREATED:
            self._made.append(path)
        if waits:
            self._client.finished(reply, ends=self._ends)
        return JsonNode.parse(reply.body)

    # --- when it breaks off -----------------------------------------------------------------------------

    def _undone(self) -> list[str]:
        """Removes what was made, the endpoint last. The names of what is left."""
        ends = time.monotonic() + CLEANUP_SECONDS
        endpoint = self._target.endpoint
        left = self._removed([path for path in reversed(self._made) if path != endpoint], ends)
        for path in self._blobs:
            try:
                self._storage.remove(path, timeout=ends - time.monotonic())
            except Exception:  # noqa: BLE001  # it is named in the error instead
                left.append(path)
        return left + self._removed([path for path in self._made if path == endpoint], ends)

    def _removed(self, paths: Iterable[str], ends: float) -> list[str]:
        left: list[str] = []
        for path in paths:
            try:
                gone(self._client, path, ends=ends)
            except Exception:  # noqa: BLE001  # it is named in the error instead
                left.append(path)
        return left


def by_name(traffic: Mapping[str, int]) -> dict[str, int]:
    """Percent by deployment, of percent by version."""
    return {bodies.deployment_name(version): share for version, share in traffic.items()}


def move_traffic(client: MlClient, endpoint: str, traffic: Mapping[str, int], *, ends: float) -> None:
    """The endpoint as it is, with another split."""
    node = client.get(endpoint, timeout=ends - time.monotonic())
    tags = {key: each.word() for key, each in node.at("tags").members()}
    properties = {"authMode": node.at("properties").text("authMode", "Key"), "traffic": dict(traffic)}
    identity = {"type": node.at("identity").text("type", "SystemAssigned")}
    body = {"location": node.text("location"), "tags": tags, "identity": identity, "properties": properties}
    client.finished(client.put(endpoint, body, timeout=ends - time.monotonic()), ends=ends)


def gone(client: MlClient, path: str, *, ends: float) -> None:
    """Removes a resource; one that is gone already is as good."""
    try:
        client.finished(client.delete(path, timeout=ends - time.monotonic()), ends=ends)
    except AzureError as error:
        if error.status != 404:
            raise


def with_left(error: Exception, left: Sequence[str]) -> Exception:
    """The error, with what could not be removed."""
    told = ", ".join(left[:_NAMED]) + (f" and {len(left) - _NAMED} more" if len(left) > _NAMED else "")
    if not isinstance(error, AzureError):
        error.add_note(f"left behind: {told}")
        return error
    fault = replace(error.fault, message=f"{error.fault.message}; left behind: {told}")
    return AzureError(fault, status=error.status, reason=error.reason)
