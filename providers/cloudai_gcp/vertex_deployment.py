"""One deployment on Vertex AI: endpoint, model repository, model, deployed model, in this order.

Each has a name that follows from the request, and is looked for before it is made. So a deployment that broke off half
way is finished by doing it again, and nothing is made twice. What a refusal leaves behind is removed, the endpoint
last: as long as something is left of a deployment, `list_endpoints` shows it. What can't be removed is named.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cloudai.delivery import mark, marked
from cloudai.errors import Delivery, ErrorCode, InvalidInput
from cloudai.types.custom import DeployRequest
from cloudai.wirejson import JsonNode
from cloudai_gcp import vertex_bodies as bodies
from cloudai_gcp.errors import GoogleError
from cloudai_gcp.vertex_client import PAUSE, VertexClient
from cloudai_gcp.vertex_errors import unknown, unsure
from cloudai_gcp.vertex_plan import Target
from cloudai_gcp.vertex_storage import VertexStorage

if TYPE_CHECKING:
    from pathlib import Path

CLEANUP_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 30.0
"""For what another deployment is making to show."""
_NAMED: Final = 5
"""Names of what is left, in an error."""


class Deployment:
    """A deployment under way, until `ends` (monotonic)."""

    def __init__(
        self, vertex: VertexClient, storage: VertexStorage, request: DeployRequest, target: Target, *, ends: float
    ) -> None:
        self._vertex = vertex
        self._storage = storage
        self._request = request
        self._target = target
        self._ends = ends
        self._made: list[tuple[str, str]] = []
        self._objects: list[str] = []
        self._sent = False
        """Whether anything was asked for that Vertex AI makes or changes."""

    def run(self) -> tuple[JsonNode, bool]:
        """The endpoint, and whether the version stands behind it already.

        Raises `GoogleError` (`outcome_unknown`) for a lost answer: the same deployment again goes on from there."""
        try:
            endpoint = self._endpoint()
            self._model()
            return endpoint, self._deployed(endpoint)
        except Exception as error:
            if not self._sent:
                mark(error, Delivery.NOT_SENT)
            elif unsure(error) and not self._refused(error):
                raise self._unknown(error) from error
            left = self._undone()
            if left:
                raise _with_left(error, left) from error
            raise

    @property
    def _left(self) -> float:
        return self._ends - time.monotonic()

    # --- its steps --------------------------------------------------------------------------------------

    def _endpoint(self) -> JsonNode:
        name, identity = self._target.endpoint, self._target.endpoint_id
        there = found(self._vertex, "endpoints", name, timeout=self._left)
        if there is not None:
            return there
        body = bodies.endpoint_body(self._request)
        self._sent = True
        try:
            operation = self._vertex.create("endpoints", body, timeout=self._left, endpoint_id=identity)
        except GoogleError as error:
            return self._quicker("endpoints", name, error)
        self._made.append(("endpoints", name))
        self._vertex.finished(operation, ends=self._ends)
        return self._vertex.get("endpoints", name, timeout=self._left)

    def _model(self) -> None:
        target = self._target
        if found(self._vertex, "models", target.model, timeout=self._left) is not None:
            return
        for path, uri in target.files.items():
            self._objects.append(uri)
            self._storage.put(uri, self._content(path), timeout=max(self._left, 0.001))
        body = bodies.model_body(self._request, target.version, target.image, target.artifacts)
        self._sent = True
        try:
            operation = self._vertex.upload_model(body, model_id=target.model_id, timeout=self._left)
        except GoogleError as error:
            self._quicker("models", target.model, error)
            self._objects.clear()  # they are the other deployment's too
            return
        self._made.append(("models", target.model))
        self._vertex.finished(operation, ends=self._ends)

    def _content(self, path: str) -> bytes | Path:
        assert self._target.package is not None
        return self._target.package.files[path]

    def _deployed(self, endpoint: JsonNode) -> bool:
        if ("endpoints", self._target.endpoint) not in self._made:
            endpoint = self._settled(endpoint)
        version, there = self._target.version, versions_of(endpoint)
        if version in there:
            if self._request.traffic:
                self._sent = True
                self._vertex.set_traffic(endpoint, by_id(self._request.traffic, there), timeout=self._left)
            return True
        instance = self._target.chosen.instance
        body = bodies.deployed_body(self._request, version, self._target.model, instance, self._vertex.settings)
        traffic = by_id(self._request.traffic or {version: 100}, {**there, version: "0"})
        self._sent = True
        try:
            operation = self._vertex.deploy_model(self._target.endpoint, body, traffic, timeout=self._left)
        except GoogleError as error:
            if not unsure(error) and self._stands():
                return True  # another deployment of the same was quicker
            raise
        if operation.at("error"):
            self._vertex.finished(operation, ends=self._ends)
        return operation.flag("done")

    def _settled(self, endpoint: JsonNode) -> JsonNode:
        """The endpoint when nothing is under way on it: what a deployment that was lost has asked for shows then."""
        for operation in operations_of(self._vertex, endpoint, timeout=self._left):
            self._vertex.awaited(operation, ends=self._ends)
        return self._vertex.get("endpoints", self._target.endpoint, timeout=self._left)

    def _stands(self) -> bool:
        endpoint = self._vertex.get("endpoints", self._target.endpoint, timeout=self._left)
        return self._target.version in versions_of(endpoint)

    def _quicker(self, collection: str, name: str, error: GoogleError) -> JsonNode:
        """What another deployment is making, as soon as it shows."""
        if error.fault.code is not ErrorCode.CONFLICT or error.reason == "ABORTED":
            raise error
        ends = min(self._ends, time.monotonic() + LOOK_SECONDS)
        while time.monotonic() < ends:
            there = found(self._vertex, collection, name, timeout=self._left)
            if there is not None:
                return there
            time.sleep(PAUSE)
        raise error

    # --- when it breaks off -----------------------------------------------------------------------------

    def _refused(self, error: Exception) -> bool:
        """Whether it is an answer of 503, and nothing of what was asked for shows: then it was not done."""
        if marked(error) is Delivery.UNKNOWN or not isinstance(error, GoogleError) or error.status != 503:
            return False
        try:
            return self._nothing_shows()
        except Exception:  # noqa: BLE001  # it could not be looked for: nobody knows
            return False

    def _nothing_shows(self) -> bool:
        """Whether there is no more than this deployment was told that it made, and nothing is under way."""
        target = self._target
        endpoint = found(self._vertex, "endpoints", target.endpoint, timeout=CLEANUP_SECONDS)
        if endpoint is None:
            return True
        known = ("models", target.model) in self._made
        if not known and found(self._vertex, "models", target.model, timeout=CLEANUP_SECONDS) is not None:
            return False
        asked = operations_of(self._vertex, endpoint, timeout=CLEANUP_SECONDS)
        return target.version not in versions_of(endpoint) and all(each.flag("done") for each in asked)

    def _unknown(self, error: Exception) -> GoogleError:
        text = (
            f"{error}; parts of the endpoint {self._request.name} may have been made. Deploy the same again: it finds "
            f"them by their ids (endpoint {self._target.endpoint_id}); or remove them: cloudai endpoints delete"
        )
        return unknown(error, text)

    def _undone(self) -> list[str]:
        """Removes what was made, the endpoint last. The names of what is left."""
        ends = time.monotonic() + CLEANUP_SECONDS
        left = self._removed("models", ends)
        for uri in self._objects:
            try:
                self._storage.remove(uri, timeout=ends - time.monotonic())
            except Exception:  # noqa: BLE001  # it is named in the error instead
                left.append(uri)
        return left + self._removed("endpoints", ends)

    def _removed(self, collection: str, ends: float) -> list[str]:
        left: list[str] = []
        for name in [name for kind, name in self._made if kind == collection]:
            try:
                gone(self._vertex, collection, name, ends=ends)
            except Exception:  # noqa: BLE001  # it is named in the error instead
                left.append(name)
        return left


def found(vertex: VertexClient, collection: str, name: str, *, timeout: float) -> JsonNode | None:
    """A resource; `None`: it is not there."""
    try:
        return vertex.get(collection, name, timeout=timeout)
    except GoogleError as error:
        if error.fault.code is ErrorCode.NOT_FOUND:
            return None
        raise


def gone(vertex: VertexClient, collection: str, name: str, *, ends: float) -> None:
    """Removes a resource; one that is gone already is as good."""
    try:
        operation = vertex.delete(collection, name, timeout=ends - time.monotonic())
        vertex.finished(operation, ends=ends)
    except GoogleError as error:
        if error.fault.code is not ErrorCode.NOT_FOUND:
            raise


def operations_of(vertex: VertexClient, resource: JsonNode, *, timeout: float) -> list[JsonNode]:
    """What was asked of a resource and is under way, or has ended lately; newest first."""
    url = f"{vertex.base}/v1/{resource.text('name')}/operations"
    operations = list(vertex.asked("GET", url, timeout=timeout).items("operations"))
    return sorted(operations, key=lambda each: each.at("metadata").at("genericMetadata").text("createTime"))[::-1]


def versions_of(endpoint: JsonNode) -> dict[str, str]:
    """Version -> id of its deployed model."""
    return {each.text("displayName"): each.text("id") for each in endpoint.items("deployedModels")}


def by_id(traffic: Mapping[str, int], known: Mapping[str, str]) -> dict[str, int]:
    """Percent by deployed model. Raises `InvalidInput` for versions that are not there, and for other sums than 100."""
    unknown = [version for version in traffic if version not in known]
    if unknown:
        raise InvalidInput(f"no version {unknown[0]!r} is deployed; there are {', '.join(known) or 'none'}")
    if sum(traffic.values()) != 100:
        raise InvalidInput(f"traffic adds up to {sum(traffic.values())}, not 100")
    return {known[version]: percent for version, percent in traffic.items() if percent}


def _with_left(error: Exception, left: Sequence[str]) -> Exception:
    shown = ", ".join(left[:_NAMED]) + (f" and {len(left) - _NAMED} more" if len(left) > _NAMED else "")
    if not isinstance(error, GoogleError):
        error.add_note(f"left behind: {shown}")
        return error
    fault = replace(error.fault, message=f"{error.fault.message}; left behind: {shown}")
    return GoogleError(fault, status=error.status, reason=error.reason)
