"""Google's own clients for Vertex AI (`google-cloud-aiplatform`), as far as cloudai drives them.

Its generated clients over REST send what the message classes describe: one request a call, retries off, and the
address can be another one. Two things it can't do are done over our transport: it looks for operations below `/ui/`,
which no description has, and its `raw_predict` wraps the body that it should send as it is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cloudai.delivery import submitted
from cloudai.errors import Delivery, InvalidInput, MissingDependency
from cloudai.http import WireReply, WireRequest
from cloudai.serving.client import error_of as container_error
from cloudai.wirejson import JsonNode, dump
from cloudai_gcp.errors import GoogleError, error_of, note_host
from cloudai_gcp.vertex_errors import STARTS_MACHINES, ended, late, of_machines, translated

if TYPE_CHECKING:
    from cloudai_gcp.auth import Auth
    from cloudai_gcp.settings import GcpSettings

INSTALL: Final = "pip install 'cloudai[gcp-train]'"
DEFAULT_LOCATION: Final = "us-central1"
PAUSE: Final = 0.5
"""Seconds between two looks at an operation, at first."""

_SERVICES: Mapping[str, tuple[str, str, str]] = {
    "batchPredictionJobs": ("JobServiceClient", "batch_prediction_job", "BatchPredictionJob"),
    "customJobs": ("JobServiceClient", "custom_job", "CustomJob"),
    "endpoints": ("EndpointServiceClient", "endpoint", "Endpoint"),
    "models": ("ModelServiceClient", "model", "Model"),
}
"""Collection -> its client, and the singular in its methods' names."""


class VertexClient:
    """One project and region. Safe for many threads; the SDK is imported by the first call."""

    def __init__(self, settings: GcpSettings, auth: Auth) -> None:
        self.settings = settings
        self.auth = auth
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    @property
    def location(self) -> str:
        """A region: Vertex AI trains and serves nowhere else. Raises `InvalidInput` for `us`, `eu` or `global`."""
        named = self.settings.vertex_location or self.settings.region or self.settings.location or DEFAULT_LOCATION
        if not any(letter.isdigit() for letter in named):
            raise InvalidInput(
                f"Vertex AI needs a region, not {named!r}: set vertex_location = 'us-central1' or another"
            )
        return named

    @property
    def parent(self) -> str:
        """`projects/P/locations/L`."""
        return f"projects/{self.auth.project()}/locations/{self.location}"

    @property
    def base(self) -> str:
        """The address of the service."""
        named = self.settings.endpoint_url
        return named.rstrip("/") if named else f"https://{self.location}-aiplatform.googleapis.com"

    # --- through Google's clients ---------------------------------------------------------------------

    def create(self, collection: str, body: Mapping[str, object], *, timeout: float, **more: object) -> JsonNode:
        """`create_custom_job` and the like. `body` is held to Google's message class before it is sent."""
        _, one, message = _SERVICES[collection]
        request = {"parent": self.parent, one: self._message(message, body), **more}
        return self._call(collection, f"create_{one}", request, timeout)

    def get(self, collection: str, name: str, *, timeout: float) -> JsonNode:
        """One resource."""
        return self._call(collection, f"get_{_SERVICES[collection][1]}", {"name": name}, timeout)

    def delete(self, collection: str, name: str, *, timeout: float) -> JsonNode:
        """Starts deleting one: an operation."""
        return self._call(collection, f"delete_{_SERVICES[collection][1]}", {"name": name}, timeout)

    def cancel_job(self, collection: str, name: str, *, timeout: float) -> None:
        """Asks a job to end."""
        self._call(collection, f"cancel_{_SERVICES[collection][1]}", {"name": name}, timeout)

    def listed(self, collection: str, filtered: str, *, timeout: float, most: int = 1000) -> list[JsonNode]:
        """Those that a filter is true of, newest first, over all pages."""
        _, one, _ = _SERVICES[collection]
        asked = {"parent": self.parent, "filter": filtered, "page_size": 100}
        found = self._call(collection, f"list_{one}s", asked, timeout).items(collection)
        return sorted(found[:most], key=lambda node: node.text("createTime"), reverse=True)

    def upload_model(self, body: Mapping[str, object], *, model_id: str, timeout: float) -> JsonNode:
        """An operation."""
        request = {"parent": self.parent, "model": self._message("Model", body), "model_id": model_id}
        return self._call("models", "upload_model", request, timeout)

    def deploy_model(
        self, endpoint: str, deployed: Mapping[str, object], traffic: Mapping[str, int], *, timeout: float
    ) -> JsonNode:
        """An operation of many minutes."""
        request = {
            "endpoint": endpoint,
            "deployed_model": self._message("DeployedModel", deployed),
            "traffic_split": dict(traffic),
        }
        return self._call("endpoints", "deploy_model", request, timeout)

    def undeploy_model(self, endpoint: str, deployed: str, traffic: Mapping[str, int], *, timeout: float) -> JsonNode:
        """An operation."""
        request = {"endpoint": endpoint, "deployed_model_id": deployed, "traffic_split": dict(traffic)}
        return self._call("endpoints", "undeploy_model", request, timeout)

    def set_traffic(self, endpoint: JsonNode, traffic: Mapping[str, int], *, timeout: float) -> None:
        """Percent by deployed model."""
        known = {"name": endpoint.text("name"), "displayName": endpoint.text("displayName")}
        body = self._message("Endpoint", {**known, "trafficSplit": dict(traffic)})
        self._call("endpoints", "update_endpoint", {"endpoint": body, "update_mask": "trafficSplit"}, timeout)

    def _message(self, name: str, body: Mapping[str, object]) -> Any:
        """Google's message of a JSON body. Raises `InvalidInput` for what it does not describe."""
        json_format = _json_format()
        kind = getattr(sdk(), name)
        try:
            made = json_format.ParseDict(dict(body), kind.pb(kind()))
        except json_format.ParseError as error:
            raise InvalidInput(f"Vertex AI has no such {name}: {error}") from error
        return kind.wrap(made)

    def _call(self, collection: str, method: str, request: Mapping[str, object], timeout: float) -> JsonNode:
        client = self._client(_SERVICES[collection][0])
        if timeout <= 0:
            raise GoogleError(late(Delivery.NOT_SENT))
        try:
            answer = getattr(client, method)(request=dict(request), timeout=timeout, retry=None)
            if hasattr(answer, "pages"):
                pages = [getattr(page, collection_of(method)) for page in answer.pages]
                return JsonNode({collection: [_json(each) for page in pages for each in page]})
            return JsonNode(_json(getattr(answer, "operation", answer)))
        except Exception as error:
            found = translated(error, self.auth.secrets, host=urlsplit(self.base).netloc)
            raise (of_machines(found) if method in STARTS_MACHINES else found) from error

    def _client(self, kind: str) -> Any:
        with self._lock:
            if kind not in self._clients:
                self._clients[kind] = self._opened(kind)
            return self._clients[kind]

    def _opened(self, kind: str) -> Any:
        made = getattr(sdk(), kind)(
            credentials=_credentials(self.auth),
            transport="rest",
            client_options={"api_endpoint": self.base, "quota_project_id": self.settings.quota_project},
        )
        session = made.transport._session  # its only way to a proxy or an authority of one's own
        session._refresh_status_codes = ()  # a 401 is not sent again: retries are the caller's
        if self.settings.ca_file is not None:
            session.verify = str(self.settings.ca_file)
        if self.settings.proxy is not None:
            session.proxies = {"http": self.settings.proxy, "https": self.settings.proxy}
        return made

    # --- over our own transport -----------------------------------------------------------------------

    def ask(
        self, method: str, url: str, *, timeout: float, body: bytes = b"", kind: str = "application/json"
    ) -> WireReply:
        """One request with this backend's token. Raises `GoogleError` for an answer that is an error."""
        headers = {**self.auth.headers(), **({"content-type": kind} if body else {})}
        request = WireRequest(method=method, url=url, headers=headers, body=body)
        try:
            reply = self.auth.transport().send(request, timeout=max(timeout, 0.001))
        except Exception as error:
            note_host(error, url)
            raise
        if not 200 <= reply.status < 300:
            raise self._refusal(reply, url)
        return reply

    def _refusal(self, reply: WireReply, url: str) -> GoogleError:
        """Google's own, or that of a container behind it, which has a form of its own."""
        found = error_of(reply, self.auth.secrets, host=urlsplit(url).netloc)
        words = container_error(reply.body) if url.endswith(":rawPredict") else None
        if words is None:
            return found
        return GoogleError(replace(found.fault, message=words[:500]), status=reply.status)

    def asked(self, method: str, url: str, *, timeout: float, body: Mapping[str, object] | None = None) -> JsonNode:
        """The same with JSON both ways."""
        return JsonNode.parse(self.ask(method, url, timeout=timeout, body=dump(body) if body else b"").body)

    def awaited(self, operation: JsonNode, *, ends: float) -> JsonNode:
        """Waits for an operation until `ends` (monotonic), and gives it as it ended. Where it can't be looked at, what
        it does is not known."""
        pause = PAUSE
        while not operation.flag("done"):
            left = ends - time.monotonic()
            if left <= 0:
                raise GoogleError(late(Delivery.UNKNOWN))
            time.sleep(min(pause, left))
            pause = min(2 * pause, 10.0)
            name = operation.text("name")
            with submitted():
                operation = self.asked("GET", f"{self.base}/v1/{name}", timeout=max(ends - time.monotonic(), 0.1))
        return operation

    def finished(self, operation: JsonNode, *, ends: float) -> JsonNode:
        """The same; raises `GoogleError` for how it failed. Its response."""
        operation = self.awaited(operation, ends=ends)
        error = operation.at("error")
        if error:
            raise ended(error, self.auth.secrets)
        return operation.at("response")

    def close(self) -> None:
        """Closes the SDK's connections."""
        with self._lock:
            for client in self._clients.values():
                with suppress(Exception):
                    client.transport.close()
            self._clients.clear()


def sdk() -> Any:
    """`google.cloud.aiplatform_v1`: the generated part, without the 1.4 s of the whole. Raises `MissingDependency`."""
    try:
        from google.cloud import aiplatform_v1
    except ImportError as error:
        text = "Vertex AI needs the package google-cloud-aiplatform"
        raise MissingDependency(text, install=INSTALL, provider="gcp") from error
    return aiplatform_v1


def _credentials(auth: Auth) -> Any:
    """For Google's clients: this backend's own headers. So tokens are renewed in one way, over our transport, and
    nothing is asked of Google beside the call (google-auth looks up allowed locations, wherever the call goes)."""
    from google.auth.credentials import Credentials

    class Ours(Credentials):
        def before_request(self, request: Any, method: str, url: str, headers: dict[str, str]) -> None:
            headers.update(auth.headers())

        def refresh(self, request: Any) -> None:
            """Nothing: `headers` does."""

    made: Any = Ours
    return made()


def _json_format() -> Any:
    """protobuf's JSON, which has no type information of its own."""
    from importlib import import_module

    return import_module("google.protobuf.json_format")


def collection_of(method: str) -> str:
    """`list_custom_jobs` -> the member of its answer."""
    return method.removeprefix("list_")


def _json(message: Any) -> dict[str, object]:
    """Google's JSON of a message; its names, numbers as numbers, enums by name."""
    if message is None:
        return {}
    plain = type(message).pb(message) if hasattr(type(message), "pb") else message
    found: dict[str, object] = json.loads(_json_format().MessageToJson(plain, indent=None))
    return found
