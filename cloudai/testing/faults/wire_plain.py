"""A provider of no vendor, for tests of policy: a tiny JSON wire, and the driver that speaks it, sync and async.

`POST /v1/OPERATION` with `{"units": "12"}` and `Authorization: Bearer KEY` is answered by `{"id": "...", "units":
"12"}`; errors are `{"error": {"code": "rate_limited", "message": "..."}}` with cloudai's own codes. The result's
content is that of `cloudai.testing.fake`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cloudai.delivery import of_status
from cloudai.errors import ErrorCode, Fault
from cloudai.http import (
    AsyncTransport,
    HttpSettings,
    Transport,
    WireReply,
    WireRequest,
    check_cleartext,
    transport_fault,
)
from cloudai.http import retry_after as asked_to_wait
from cloudai.operations import TYPES
from cloudai.settings import BackendSettings, OptionsModel
from cloudai.testing.answers import default_answer
from cloudai.testing.faults.wire import Asked, Refusal, Reply, Wanted
from cloudai.types.results import Model, Result, Usage

if TYPE_CHECKING:
    from cloudai.capabilities import Capabilities
    from cloudai.driver import Call

_CODES: Final[Mapping[int, ErrorCode]] = {
    400: ErrorCode.INVALID_INPUT,
    401: ErrorCode.UNAUTHENTICATED,
    402: ErrorCode.QUOTA_EXHAUSTED,
    403: ErrorCode.PERMISSION_DENIED,
    404: ErrorCode.NOT_FOUND,
    413: ErrorCode.TOO_LARGE,
    429: ErrorCode.RATE_LIMITED,
    504: ErrorCode.DEADLINE_EXCEEDED,
}
CALL_ID: Final = "x-call-id"
"""The header with the call's idempotency key: the same for every attempt and fallback of one call."""


class PlainWire:
    """The server's side. `PlainWire("aws", region="us-east-1")` is known and billed as `aws`, by the price book."""

    def __init__(self, provider: str = "plain", *, region: str | None = None) -> None:
        self.provider = provider
        self._region = region

    def settings(self, url: str) -> Mapping[str, object]:
        """With a key of nobody."""
        known = {"provider": self.provider, "endpoint_url": url, "api_key": "fault-server-key"}
        return known if self._region is None else {**known, "region": self._region}

    def read(self, asked: Asked) -> Wanted:
        operation = asked.path.removeprefix("/v1/")
        if operation not in TYPES:
            return Wanted(f"{asked.method} {asked.path}")
        from cloudai_pricing.operations import operations

        return Wanted(operation, operation, operations()[operation].unit, Decimal(_units(asked.body)))

    def answer(self, asked: Asked, wanted: Wanted) -> Reply:
        if not wanted.operation:
            return self.refuse(asked, wanted, Refusal(status=404, code=None, message="no such operation"))
        return Reply(body=b'{"id": "plain-1", "units": "%s"}' % str(wanted.quantity).encode())

    def refuse(self, asked: Asked, wanted: Wanted, refusal: Refusal) -> Reply:
        """Its own form of waiting is `retry_after` in the body, in seconds."""
        code = refusal.code or _CODES.get(refusal.status, ErrorCode.UNAVAILABLE).value
        error: dict[str, object] = {"code": code, "message": refusal.message}
        if refusal.wait is not None:
            error["retry_after"] = refusal.wait
        return Reply(status=refusal.status, body=json.dumps({"error": error}).encode())


def _units(body: bytes) -> str:
    try:
        return str(Decimal(str(json.loads(body)["units"])))
    except (ValueError, KeyError, TypeError, ArithmeticError):
        return "1"


# --- the client's side -----------------------------------------------------------------------------


class PlainError(Exception):
    """What the wire answered."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class PlainProvider:
    """Hand it to `Client(providers=...)`. `name`: another one, so that the price book's prices are taken."""

    implements = frozenset(TYPES)
    settings: type[BackendSettings] = HttpSettings
    options: Mapping[str, type[OptionsModel]] = {}

    def __init__(self, *, name: str = "plain") -> None:
        self.name = name

    @property
    def capabilities(self) -> Capabilities:
        """Everything, without limits. Under a vendor's name it wants a key: who wants none can't bill."""
        from cloudai.capabilities import find_capabilities, load_capabilities

        known = replace(load_capabilities(find_capabilities("cloudai.testing")), provider=self.name)
        return known if self.name == "plain" else replace(known, auth="api key")

    def open(self, settings: BackendSettings, *, backend: str) -> PlainDriver:
        """For threads."""
        return PlainDriver(_checked(settings, backend))

    def open_async(self, settings: BackendSettings, *, backend: str) -> AsyncPlainDriver:
        """For an event loop."""
        return AsyncPlainDriver(_checked(settings, backend))


def _checked(settings: BackendSettings, backend: str) -> HttpSettings:
    assert isinstance(settings, HttpSettings)  # it is this provider's model
    check_cleartext(settings.endpoint_url or "", backend=backend)
    return settings


class _Codec:
    """Requests and replies; what both drivers share."""

    def __init__(self, settings: HttpSettings) -> None:
        self._url = (settings.endpoint_url or "").rstrip("/")
        self._key = settings.api_key

    def unavailable(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def classify(self, error: Exception) -> Fault | None:
        """By the wire's code."""
        return error.fault if isinstance(error, PlainError) else transport_fault(error)

    def _encoded(self, operation: str, default: Result, call: Call) -> WireRequest:
        headers = {"content-type": "application/json", CALL_ID: call.idempotency_key}
        if self._key is not None:
            headers["authorization"] = f"Bearer {self._key.get_secret_value()}"
        body = b'{"units": "%s"}' % str(default.usage[0].quantity).encode()
        return WireRequest(method="POST", url=f"{self._url}/v1/{operation}", headers=headers, body=body)

    def _decoded(self, default: Result, reply: WireReply) -> Result:
        if reply.status != 200:
            raise PlainError(_fault(reply, "" if self._key is None else self._key.get_secret_value()))
        try:
            found = json.loads(reply.body)
            used, name = Decimal(found["units"]), str(found["id"])
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            fault = Fault(code=ErrorCode.INTERNAL, message="the answer is not what the plain wire gives")
            raise PlainError(fault) from error
        first: Usage = default.usage[0]
        usage = first if first.quantity == used else first.model_copy(update={"quantity": used})
        return default.model_copy(update={"usage": (usage,), "request_id": name})


def _fault(reply: WireReply, secret: str) -> Fault:
    """What the wire said, without the key that it may have echoed."""
    wait = asked_to_wait(reply.headers)
    try:
        error = json.loads(reply.body)["error"]
        own = error.get("retry_after")
        wait = float(own) if own is not None else wait
        code, text = ErrorCode(error["code"]), _clean(str(error["message"]), secret)
        return Fault(code=code, message=text, retry_after=wait, delivery=of_status(reply.status))
    except (ValueError, KeyError, TypeError, AttributeError):
        code = _CODES.get(reply.status, ErrorCode.UNAVAILABLE if reply.status >= 500 else ErrorCode.INTERNAL)
        text = f"HTTP {reply.status} without a reason"
        return Fault(code=code, message=text, retry_after=wait, delivery=of_status(reply.status))


def _clean(message: str, secret: str) -> str:
    return message.replace(secret, "***") if secret else message


class PlainDriver(_Codec):
    """One method for each operation, made from the table of operations."""

    def __init__(self, settings: HttpSettings) -> None:
        super().__init__(settings)
        self._transport = Transport(settings)

    @property
    def client(self) -> object:
        """The `httpx.Client`."""
        return self._transport.client

    def __getattr__(self, name: str) -> Any:
        return partial(self._ask, _operation(name))

    def _ask(self, operation: str, request: Model, call: Call) -> Result:
        default = default_answer(operation, request, raw=call.raw)
        reply = self._transport.send(self._encoded(operation, default, call), timeout=call.timeout)
        return self._decoded(default, reply)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()


class AsyncPlainDriver(_Codec):
    """The same for an event loop."""

    asynchronous = True

    def __init__(self, settings: HttpSettings) -> None:
        super().__init__(settings)
        self._transport = AsyncTransport(settings)

    @property
    def client(self) -> object:
        """The `aiohttp.ClientSession`."""
        return self._transport.client

    def __getattr__(self, name: str) -> Any:
        return partial(self._ask, _operation(name))

    async def _ask(self, operation: str, request: Model, call: Call) -> Result:
        default = default_answer(operation, request, raw=call.raw)
        reply = await self._transport.send(self._encoded(operation, default, call), timeout=call.timeout)
        return self._decoded(default, reply)

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()


def _operation(verb: str) -> str:
    """Raises `AttributeError` for a verb that is none, so that `hasattr` and `isinstance` of protocols work."""
    from cloudai_pricing.operations import operations

    for known in operations().values():
        if known.verb == verb and known.name in TYPES:
            return known.name
    raise AttributeError(verb)
