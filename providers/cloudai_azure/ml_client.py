"""An Azure Machine Learning workspace as cloudai drives it, blocking: by azure-ai-ml's generated client (`ml_sdk`).

By REST, over the same transport, stay what that client has not: the run history (azure-ai-ml keeps its client for
itself, with polling of its own) and the files of a run, which are whole addresses with a signature.

https://learn.microsoft.com/rest/api/azureml (2024-10-01).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from cloudai.errors import ConfigError, Delivery, ErrorCode, Fault, MissingDependency
from cloudai.http import OutOfTime, Transport, WireReply, WireRequest, check_cleartext
from cloudai.wirejson import JsonNode, Malformed, dump
from cloudai_azure.auth import Auth
from cloudai_azure.errors import AzureError, error_of, failure, fault_of
from cloudai_azure.storage import SCOPE as STORAGE_SCOPE

if TYPE_CHECKING:
    from cloudai_azure.ml_sdk import Management
    from cloudai_azure.settings import AzureSettings

SCOPE: Final = "https://management.azure.com/.default"
HISTORY_SCOPE: Final = "https://ml.azure.com/.default"
API: Final = "2024-10-01"
ADDRESS: Final = "https://management.azure.com"
INSTALL: Final = "pip install 'cloudai[azure-train]'"
PAUSE: Final = 0.5
"""Seconds between two looks at an operation, where Azure names none."""


class MlClient:
    """The workspace of a backend. Safe for many threads; azure-ai-ml is imported by the first call."""

    def __init__(self, settings: AzureSettings) -> None:
        self.settings = settings
        self._auth = Auth(settings, scope=SCOPE)
        self._runs = Auth(settings, scope=HISTORY_SCOPE)
        self._storage = Auth(settings, scope=STORAGE_SCOPE)
        self._lock = threading.Lock()
        self._opened: Transport | None = None
        self._sdk: Management | None = None
        self._workspace: JsonNode | None = None
        self._history: str | None = None

    @property
    def workspace_id(self) -> str:
        """`/subscriptions/S/resourceGroups/G/providers/...`. Raises `ConfigError` where the settings name none."""
        subscription, group, workspace = map(quote, self._names)
        return (
            f"/subscriptions/{subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
        )

    @property
    def _names(self) -> tuple[str, str, str]:
        known = self.settings
        if known.ml_subscription is None or known.ml_resource_group is None or known.ml_workspace is None:
            raise ConfigError("Azure ML needs ml_subscription, ml_resource_group and ml_workspace in the backend")
        return known.ml_subscription, known.ml_resource_group, known.ml_workspace

    @property
    def _address(self) -> str:
        return (self.settings.ml_endpoint or ADDRESS).rstrip("/")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no message."""
        return (*self._auth.secrets, *self._runs.secrets, *self._storage.secrets)

    @property
    def transport(self) -> Transport:
        """Opened by its first use."""
        with self._lock:
            if self._opened is None:
                self._opened = Transport(self.settings)
            return self._opened

    def close(self) -> None:
        """Closes all connections."""
        if self._sdk is not None:
            self._sdk.close()
        if self._opened is not None:
            self._opened.close()
        for auth in (self._auth, self._runs, self._storage):
            auth.close()

    # --- resources of the workspace -------------------------------------------------------------------

    def get(self, path: str, *, timeout: float) -> JsonNode:
        """`jobs/NAME` and the like; empty: the workspace."""
        return JsonNode.parse(self._asked("get", path, timeout).body)

    def there(self, path: str, *, timeout: float) -> JsonNode | None:
        """`None`: there is none."""
        try:
            return self.get(path, timeout=timeout)
        except AzureError as error:
            if error.status == 404:
                return None
            raise

    def put(self, path: str, body: Mapping[str, object], *, timeout: float) -> WireReply:
        """Makes a resource, or makes it so."""
        return self._asked("create_or_update", path, timeout, body)

    def post(self, path: str, body: Mapping[str, object] | None = None, *, timeout: float) -> WireReply:
        """An action: `jobs/NAME/cancel`, `onlineEndpoints/NAME/listKeys`."""
        resource, _, action = path.rpartition("/")
        return self._asked(action, resource, timeout, body)

    def delete(self, path: str, *, timeout: float) -> WireReply:
        """Starts to remove a resource."""
        return self._asked("delete", path, timeout)

    def listed(self, path: str, query: Mapping[str, str], *, timeout: float) -> Iterator[JsonNode]:
        """All of a collection, over its pages. Raises `Malformed` for a next page that is another host's."""
        return self._management().listed(path, query, ends=time.monotonic() + timeout)

    def url(self, path: str, **query: str) -> str:
        """The address of a resource of the workspace."""
        below = f"/{path}" if path else ""
        return f"{self._address}{self.workspace_id}{below}?{urlencode({'api-version': API, **query})}"

    def send(self, method: str, url: str, *, timeout: float, body: bytes = b"") -> WireReply:
        """With a token for Azure's management. Raises `AzureError` for an answer that is an error."""
        return self._management().send(method, url, ends=time.monotonic() + timeout, body=body)

    def _asked(self, verb: str, path: str, timeout: float, body: Mapping[str, object] | None = None) -> WireReply:
        return self._management().ask(verb, path, ends=time.monotonic() + timeout, body=body)

    def _management(self) -> Management:
        subscription, group, workspace = self._names
        with self._lock:
            if self._sdk is None:
                self._sdk = sdk()(
                    subscription=subscription,
                    group=group,
                    workspace=workspace,
                    address=self._address,
                    version=API,
                    send=self._with_token,
                )
            return self._sdk

    def _with_token(self, request: WireRequest, timeout: float) -> WireReply:
        headers = {**request.headers, **self._auth.headers()}
        return self.exchanged(replace(request, headers=headers), timeout=timeout)

    def finished(self, reply: WireReply, *, ends: float) -> None:
        """Waits until `ends` (monotonic) for what a reply says is under way. Raises `AzureError` for how it failed.

        https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
        """
        watched = reply.headers.get("azure-asyncoperation")
        pause = PAUSE
        while watched is not None:
            look = self.send("GET", watched, timeout=ends - time.monotonic())
            node = JsonNode.parse(look.body)
            state = node.text("status")
            if state in ("Succeeded", "Failed", "Canceled"):
                if state != "Succeeded":
                    found = failure(node.at("error"), http=0, secrets=self.secrets)
                    raise AzureError(_refused(found.fault), reason=found.reason)
                return
            asked = look.headers.get("retry-after", "")
            time.sleep(max(0.0, min(float(asked) if asked.isdigit() else pause, ends - time.monotonic())))
            pause = min(2 * pause, 10.0)

    def workspace(self, *, timeout: float) -> JsonNode:
        """Asked once."""
        if self._workspace is None:
            self._workspace = self.get("", timeout=timeout)
        return self._workspace

    def history(self, *, timeout: float) -> str:
        """The address of the workspace's run history, from its discovery service."""
        if self._history is None:
            ends = time.monotonic() + timeout
            discovery = self.workspace(timeout=timeout).at("properties").text("discoveryUrl")
            check_cleartext(discovery, backend="azure", name="discoveryUrl")
            plain = WireRequest(method="GET", url=discovery)
            reply = self.transport.send(plain, timeout=max(ends - time.monotonic(), 0.001))
            found = JsonNode.parse(reply.body).text("api")
            check_cleartext(found, backend="azure", name="the run history's address")
            self._history = f"{found.rstrip('/')}/history/v1.0{self.workspace_id}"
        return self._history

    # --- requests -------------------------------------------------------------------------------------

    def exchanged(self, request: WireRequest, *, timeout: float) -> WireReply:
        """Any request, as it is."""
        if timeout <= 0:
            raise OutOfTime
        reply = self.transport.send(request, timeout=timeout)
        if not 200 <= reply.status < 300:
            raise error_of(reply, self.secrets)
        return reply

    def run(self, name: str, *, timeout: float) -> JsonNode:
        """A run's times, error and log files, which the job's own resource does not have."""
        ends = time.monotonic() + timeout
        url = f"{self.history(timeout=timeout)}/runs/{quote(name)}/details"
        request = WireRequest(method="GET", url=url, headers=self._runs.headers())
        return JsonNode.parse(self.exchanged(request, timeout=ends - time.monotonic()).body)

    def invoked(self, url: str, body: Mapping[str, object], *, headers: Mapping[str, str], timeout: float) -> WireReply:
        """A POST to an endpoint's own address with a token for Azure ML, which is another one than management's."""
        known = {**headers, **self._runs.headers(), "content-type": "application/json"}
        return self.exchanged(WireRequest(method="POST", url=url, headers=known, body=dump(body)), timeout=timeout)

    def storage_token(self) -> Mapping[str, str]:
        """For Blob storage."""
        return self._storage.headers()


def sdk() -> type[Management]:
    """azure-ai-ml, imported. Raises `MissingDependency`."""
    try:
        from cloudai_azure.ml_sdk import Management
    except ImportError as error:
        text = "Azure ML needs the package azure-ai-ml"
        raise MissingDependency(text, install=INSTALL, provider="azure") from error
    return Management


def unsure(error: Exception) -> bool:
    """Whether what was asked may have been done."""
    if isinstance(error, AzureError) and error.status:
        return error.status in (500, 502, 504)
    fault = fault_of(error)
    if fault is None:
        return isinstance(error, Malformed)
    lost = (ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.INTERNAL)
    return fault.delivery is Delivery.UNKNOWN or (fault.delivery is None and fault.code in lost)


def unknown(text: str, error: Exception) -> AzureError:
    """`outcome_unknown`, with what to do."""
    fault = fault_of(error)
    why = (fault.message if fault else None) or type(error).__name__
    message = f"{why}; {text}"
    code = ErrorCode.OUTCOME_UNKNOWN
    return AzureError(Fault(code=code, message=message, retryable=False, delivery=Delivery.UNKNOWN))


def _refused(fault: Fault) -> Fault:
    return replace(fault, delivery=Delivery.REFUSED)
