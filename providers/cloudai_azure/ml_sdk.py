"""azure-ai-ml as cloudai drives it: its generated client of Azure's management, over cloudai's own transport.

One method call is one request: no retries, no redirects, no second try after a 401, no polling in a thread, and the
whole of it within one time limit. `MLClient`, the package's front door, can't be held to that (docs/decisions/0012):
it watches endpoints from a thread without an end and prints dots to standard output, puts the git repository that a
process is started in into each job, keeps the cloud's address in the environment of the whole process, and takes no
time limit for a call. The tests hold what is sent here to the bodies that `MLClient` sends.

Importing this module imports azure-ai-ml: 1.5 s of CPU and 80 MB.
"""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, Self, TypeAlias
from urllib.parse import urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest, HttpResponse

from cloudai.http import OutOfTime, WireReply, WireRequest
from cloudai.wirejson import JsonNode, Malformed, dump

with warnings.catch_warnings():  # it uses what marshmallow will not have any more
    warnings.simplefilter("ignore")
    _GENERATED: Final = import_module("azure.ai.ml._restclient.arm_ml_service")
"""Where azure-ai-ml has it: it is none of the package's documented names, so the extra holds the version."""
GROUPS: Mapping[str, str] = {
    "": "workspaces",
    "batchEndpoints": "batch_endpoints",
    "batchEndpoints/deployments": "batch_deployments",
    "codes/versions": "code_versions",
    "computes": "compute",
    "datastores": "datastores",
    "environments/versions": "environment_versions",
    "jobs": "jobs",
    "models": "model_containers",
    "models/versions": "model_versions",
    "onlineEndpoints": "online_endpoints",
    "onlineEndpoints/deployments": "online_deployments",
}
"""Collection of the workspace -> the client's group of methods."""
Send: TypeAlias = Callable[[WireRequest, float], WireReply]
"""Sends one request within some seconds, and raises for an answer that is an error."""


class Management:
    """One workspace. Safe for many threads. Raises the transport's exceptions, `AzureError` and `Malformed`."""

    def __init__(
        self,
        *,
        subscription: str,
        group: str,
        workspace: str,
        address: str,
        version: str,
        send: Send,
    ) -> None:
        self._where = (group, workspace)
        self._client: Any = _GENERATED.MachineLearningServicesMgmtClient(
            credential=object(),  # `send` adds the token
            subscription_id=subscription,
            base_url=address,
            api_version=version,
            policies=[],
            transport=_Through(send, address),
        )

    def ask(self, verb: str, path: str, *, ends: float, body: Mapping[str, object] | None = None) -> WireReply:
        """`get`, `create_or_update` or `delete` of `jobs/NAME` and the like, or an action, `cancel`. Until `ends`
        (monotonic). A long operation is begun, not waited for."""
        group, names = self._group(path)
        names += [] if body is None else [dump(body)]  # by place: it is not called the same everywhere
        more: dict[str, Any] = {"cls": _reply, "until": ends}
        begin = getattr(group, f"begin_{snake(verb)}", None)
        method = begin or getattr(group, snake(verb))
        with _read():
            if begin is not None:
                found = method(*self._where, *names, **more, polling=False).result()
            else:
                found = method(*self._where, *names, **more)
        assert isinstance(found, WireReply)
        return found

    def listed(self, path: str, query: Mapping[str, str], *, ends: float) -> Iterator[JsonNode]:
        """All of a collection, over its pages."""
        group, names = self._group(path)
        asked = {snake(name): value for name, value in query.items()}
        with _read():
            for each in group.list(*self._where, *names, **asked, until=ends):
                yield JsonNode(each.as_dict())

    def send(self, method: str, url: str, *, ends: float, body: bytes = b"") -> WireReply:
        """Any request to Azure's management: what an answer says is to be looked at."""
        headers = {"content-type": "application/json"} if body else {}
        with _read():
            reply = self._client.send_request(HttpRequest(method, url, headers=headers, content=body), until=ends)
        assert isinstance(reply, _Reply)
        return reply.wire

    def close(self) -> None:
        """The connections are the transport's, which is closed by itself."""
        self._client.close()

    def _group(self, path: str) -> tuple[Any, list[str | bytes]]:
        parts = path.split("/") if path else []
        return getattr(self._client, GROUPS["/".join(parts[::2])]), [*parts[1::2]]


class _Through(HttpTransport[HttpRequest, HttpResponse]):
    """azure-core's way to bring a transport: https://learn.microsoft.com/python/api/azure-core/azure.core.pipeline.transport"""

    def __init__(self, send: Send, address: str) -> None:
        self._send = send
        self._origin = urlsplit(address)[:2]

    def send(self, request: HttpRequest, **options: Any) -> HttpResponse:
        """Never with a token to another host: addresses of next pages and operations are the server's words."""
        if urlsplit(request.url)[:2] != self._origin:
            raise Malformed("an answer leads to another address than Azure's management")
        left = options["until"] - time.monotonic()
        if left <= 0:
            raise OutOfTime
        content = request.content or b""
        body = content.encode() if isinstance(content, str) else bytes(content)
        asked = WireRequest(method=request.method, url=request.url, headers=dict(request.headers), body=body)
        return _Reply(request, self._send(asked, left))

    def open(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing: the transport behind it has an owner."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing."""


class _Reply(HttpResponse):
    """A reply that is read to its end, as azure-core wants it."""

    def __init__(self, request: HttpRequest, wire: WireReply) -> None:
        self._request = request
        self.wire = wire
        self._encoding: str | None = "utf-8"

    @property
    def request(self) -> HttpRequest:
        return self._request

    @property
    def status_code(self) -> int:
        return self.wire.status

    @property
    def headers(self) -> MutableMapping[str, str]:
        from azure.core.utils import CaseInsensitiveDict

        return CaseInsensitiveDict(self.wire.headers)

    @property
    def reason(self) -> str:
        return ""

    @property
    def content_type(self) -> str | None:
        return self.wire.headers.get("content-type")

    @property
    def is_closed(self) -> bool:
        return True

    @property
    def is_stream_consumed(self) -> bool:
        return True

    @property
    def encoding(self) -> str | None:
        return self._encoding

    @encoding.setter
    def encoding(self, value: str | None) -> None:
        self._encoding = value

    @property
    def url(self) -> str:
        return self._request.url

    @property
    def content(self) -> bytes:
        return self.wire.body

    def text(self, encoding: str | None = None) -> str:
        return self.wire.body.decode(encoding or self._encoding or "utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.wire.body)

    def raise_for_status(self) -> None:
        if not 200 <= self.wire.status < 300:
            raise HttpResponseError(response=self)

    def read(self) -> bytes:
        return self.wire.body

    def iter_raw(self, **_: Any) -> Iterator[bytes]:
        yield self.wire.body

    def iter_bytes(self, **_: Any) -> Iterator[bytes]:
        yield self.wire.body

    def close(self) -> None:
        """It is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def _read() -> Iterator[None]:
    """What azure-ai-ml does not expect of a success: a status that the description has not, no JSON, another form."""
    try:
        yield
    except (HttpResponseError, ValueError, AttributeError, TypeError) as error:
        if isinstance(error, HttpResponseError) and not isinstance(error.response, _Reply):
            raise  # a credential's, which is known by its class
        raise Malformed(f"azure-ai-ml can't read the answer: {type(error).__name__}") from error


def _reply(answer: Any, _: object, __: object) -> WireReply:
    """The whole reply, whatever azure-ai-ml made of it."""
    found: WireReply = answer.http_response.wire
    return found


def snake(name: str) -> str:
    """`listKeys` -> `list_keys`."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()
