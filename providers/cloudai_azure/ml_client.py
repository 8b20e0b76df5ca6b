"""Azure Machine Learning over its REST interface, as far as cloudai drives it: one workspace, blocking.

Not by azure-ai-ml's `MLClient`, for what it does beside the call (version 1.35, read and run 2026-11-21): it keeps the
cloud's addresses in a table of the whole process, in which a second address of the same name is silently ignored; it
puts the address and commit of the git repository that it is started in into each job, so that the same job is not the
same; and it needs some fifteen OpenTelemetry packages at exact versions. Its models are the descriptions that the tests
hold these requests and answers to, and it reads in a test what is made here.

https://learn.microsoft.com/rest/api/azureml (2024-10-01), .../azure/machine-learning/how-to-manage-rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urlsplit

from cloudai.errors import ConfigError, Delivery, ErrorCode, Fault
from cloudai.http import OutOfTime, Transport, WireReply, WireRequest, check_cleartext
from cloudai.wirejson import JsonNode, Malformed, dump
from cloudai_azure.auth import Auth
from cloudai_azure.errors import AzureError, error_of, failure, fault_of
from cloudai_azure.storage import SCOPE as STORAGE_SCOPE

if TYPE_CHECKING:
    from cloudai_azure.settings import AzureSettings

SCOPE: Final = "https://management.azure.com/.default"
HISTORY_SCOPE: Final = "https://ml.azure.com/.default"
API: Final = "2024-10-01"
ADDRESS: Final = "https://management.azure.com"
PAUSE: Final = 0.5
"""Seconds between two looks at an operation, where Azure names none."""


class MlClient:
    """The workspace of a backend. Safe for many threads."""

    def __init__(self, settings: AzureSettings) -> None:
        self.settings = settings
        self._auth = Auth(settings, scope=SCOPE)
        self._runs = Auth(settings, scope=HISTORY_SCOPE)
        self._storage = Auth(settings, scope=STORAGE_SCOPE)
        self._lock = threading.Lock()
        self._opened: Transport | None = None
        self._workspace: JsonNode | None = None
        self._history: str | None = None

    @property
    def workspace_id(self) -> str:
        """`/subscriptions/S/resourceGroups/G/providers/...`. Raises `ConfigError` where the settings name none."""
        known = self.settings
        if known.ml_subscription is None or known.ml_resource_group is None or known.ml_workspace is None:
            raise ConfigError("Azure ML needs ml_subscription, ml_resource_group and ml_workspace in the backend")
        return (
            f"/subscriptions/{quote(known.ml_subscription)}/resourceGroups/{quote(known.ml_resource_group)}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{quote(known.ml_workspace)}"
        )

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
        if self._opened is not None:
            self._opened.close()
        for auth in (self._auth, self._runs, self._storage):
            auth.close()

    # --- resources of the workspace -------------------------------------------------------------------

    def get(self, path: str, *, timeout: float) -> JsonNode:
        """`jobs/NAME` and the like; empty: the workspace."""
        return JsonNode.parse(self.send("GET", self.url(path), timeout=timeout).body)

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
        return self.send("PUT", self.url(path), timeout=timeout, body=dump(body))

    def post(self, path: str, *, timeout: float) -> WireReply:
        """An action without a body."""
        return self.send("POST", self.url(path), timeout=timeout)

    def listed(self, path: str, query: Mapping[str, str], *, timeout: float) -> Iterator[JsonNode]:
        """All of a collection, over its pages. Raises `Malformed` for a next page that is another host's."""
        url: str | None = self.url(path, **query)
        ends = time.monotonic() + timeout
        while url:
            page = JsonNode.parse(self.send("GET", url, timeout=ends - time.monotonic()).body)
            yield from page.items("value")
            following = page.text("nextLink")
            if following and urlsplit(following)[:2] != urlsplit(url)[:2]:
                raise Malformed("the next page of a list is at another address")
            url = following or None

    def url(self, path: str, **query: str) -> str:
        """The address of a resource of the workspace."""
        base = (self.settings.ml_endpoint or ADDRESS).rstrip("/")
        below = f"/{path}" if path else ""
        return f"{base}{self.workspace_id}{below}?{urlencode({'api-version': API, **query})}"

    def finished(self, reply: WireReply, *, ends: float) -> None:
        """Waits until `ends` (monotonic) for what a reply says is under way. Raises `AzureError` for how it failed.

        https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
        """
        watched = reply.headers.get("azure-asyncoperation")
        pause = PAUSE
        while watched is not None:
            if urlsplit(watched).hostname != urlsplit(self.settings.ml_endpoint or ADDRESS).hostname:
                raise Malformed("an operation is watched at another address")
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

    def send(self, method: str, url: str, *, timeout: float, body: bytes = b"") -> WireReply:
        """With a token for Azure's management. Raises `AzureError` for an answer that is an error."""
        headers = {**self._auth.headers(), **({"content-type": "application/json"} if body else {})}
        return self.exchanged(WireRequest(method=method, url=url, headers=headers, body=body), timeout=timeout)

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

    def storage_token(self) -> Mapping[str, str]:
        """For Blob storage."""
        return self._storage.headers()


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
