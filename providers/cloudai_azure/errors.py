"""What Azure's errors mean, from their codes: `errors.toml` is the table. Four forms of reply are known.

`{"error": {"code", "message", "innererror": {...}}}` (most services), the same without the outer object (Speech),
`{"error": {"code": 400036, ...}}` (Translator: numbers), `{"statusCode", "message"}` (the gateway before them); text to
speech has none at all, and Blob storage has XML with the code in a header.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from cloudai.delivery import of_status
from cloudai.errors import CloudAIError, Delivery, ErrorCode, Fault, ServiceError
from cloudai.http import WireReply, retry_after, transport_fault
from cloudai.wirejson import JsonNode, Malformed
from cloudai_azure.wire import Answer

_LONGEST = 500
"""Characters of a message that are kept."""


class AzureError(Exception):
    """What an Azure service answered. `str()` is its message, without the credentials that it may have echoed."""

    def __init__(self, fault: Fault, *, status: int = 0, reason: str = "") -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.status = status
        """HTTP status; 0: a job that failed, told in a 200."""
        self.reason = reason
        """Azure's code, the innermost one."""

    def advised(self, words: str) -> AzureError:
        """The same with a line on what to do."""
        if not words:
            return self
        fault = replace(self.fault, message=f"{self.fault.message}\n{words}")
        return AzureError(fault, status=self.status, reason=self.reason)


def error_of(reply: WireReply, secrets: Collection[str]) -> AzureError:
    """What a reply that is no success means."""
    answer = Answer(status=reply.status, headers=reply.headers, body=reply.body)
    wait = _milliseconds(reply.headers) or retry_after(reply.headers)
    try:
        node = _root(JsonNode.parse(reply.body))
    except Malformed:  # Blob storage answers XML; its code is in a header too
        told = reply.headers.get("x-ms-error-code", "")
        reason = told if told.isalnum() else str(reply.status)
        node = JsonNode({"code": reason, "message": f"HTTP {reply.status} without a reason"})
    return failure(node, http=reply.status, secrets=secrets, wait=wait, request_id=answer.request_id)


def failure(
    node: JsonNode,
    *,
    http: int = 0,
    secrets: Collection[str] = (),
    wait: float | None = None,
    request_id: str | None = None,
) -> AzureError:
    """The error that an object with `code`, `message` and inner errors tells: of a reply, or of a job that failed."""
    levels = list(_levels(node))
    codes = [code for code, _ in levels if code]
    known = (_table(code) for code in reversed(codes))
    meaning = next((found for found in known if found is not None), None) or _by_status(http)
    words = next((message for _, message in reversed(levels) if message), "") or f"HTTP {http}"
    reason = codes[-1] if codes else str(http)
    message = f"{_clean(words, secrets)} ({reason})"
    fault = Fault(code=meaning, message=message, retry_after=wait, request_id=request_id, delivery=of_status(http))
    return AzureError(fault, status=http, reason=reason)


def _root(node: JsonNode) -> JsonNode:
    inner = node.at("error")
    return inner if isinstance(inner.value, dict) else node


def _levels(node: JsonNode) -> Iterator[tuple[str, str]]:
    """Code and message of an error and of those inside it, outermost first."""
    for _ in range(8):
        if not isinstance(node.value, dict):
            return
        members = {str(name).lower(): value for name, value in node.value.items()}
        code, message = members.get("code", members.get("statuscode", "")), members.get("message", "")
        yield str(code), message if isinstance(message, str) else ""
        node = JsonNode(members.get("innererror"))


def _table(code: str) -> ErrorCode | None:
    tables = _tables()
    return tables["number"].get(code) or tables["code"].get(code.lower())


def _by_status(status: int) -> ErrorCode:
    known = _tables()["status"].get(str(status))
    if known is not None:
        return known
    return ErrorCode.UNAVAILABLE if status >= 500 else ErrorCode.INVALID_INPUT if status >= 400 else ErrorCode.INTERNAL


@cache
def _tables() -> Mapping[str, Mapping[str, ErrorCode]]:
    written = tomllib.loads((Path(__file__).parent / "errors.toml").read_text(encoding="utf-8"))
    return {
        name: {(key.lower() if name == "code" else key): ErrorCode(value) for key, value in table.items()}
        for name, table in written.items()
    }


def _milliseconds(headers: Mapping[str, str]) -> float | None:
    """`retry-after-ms` and `x-ms-retry-after-ms`, in seconds."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        value = headers.get(name, "")
        if value.isdigit():
            return int(value) / 1000
    return None


def _clean(message: str, secrets: Collection[str]) -> str:
    for secret in secrets:
        if secret:
            message = message.replace(secret, "***")
    first = message.strip().splitlines() or [""]
    return first[0][:_LONGEST]


def fault_of(error: Exception) -> Fault | None:
    """What an exception that reached the driver means; `None`: a defect of our own."""
    if isinstance(error, AzureError):
        return error.fault
    if isinstance(error, Malformed):
        return Fault(code=ErrorCode.INTERNAL, message=f"the answer is not what Azure describes: {error}")
    return _identity_fault(error) or _transport_fault(error)


def _transport_fault(error: Exception) -> Fault | None:
    """With the host that did not answer, which a wrong region or endpoint gets wrong."""
    fault = transport_fault(error)
    name = type(error).__name__
    if fault is None or name not in ("ConnectError", "ClientConnectorError", "ClientConnectorDNSError"):
        return fault
    request = getattr(error, "_request", None)  # httpx's; aiohttp's errors have the host themselves
    host = getattr(error, "host", None) or (request.url.host if request is not None else None)
    if host is None:
        return fault
    return replace(fault, message=f"{fault.message} {host}: check the address, endpoint_url or region")


def _identity_fault(error: Exception) -> Fault | None:
    """azure-core's exceptions, which azure-identity raises, told by their class."""
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    if "azure.core.exceptions.AzureError" not in names:
        return None
    if names & {"azure.core.exceptions.ServiceRequestError", "azure.core.exceptions.ServiceResponseError"}:
        text = "Microsoft Entra ID did not answer"
        return Fault(code=ErrorCode.UNAVAILABLE, message=text, delivery=Delivery.NOT_SENT)
    text = "no token from Microsoft Entra ID: run `az login`, or set api_key, or tenant_id, client_id and client_secret"
    return Fault(code=ErrorCode.UNAUTHENTICATED, message=text, delivery=Delivery.NOT_SENT)


def raised(error: Exception) -> Exception:
    """The error to raise where no backend stands between the driver and the caller, who knows ours alone."""
    fault = None if isinstance(error, CloudAIError) else fault_of(error)
    if fault is None:
        return error
    return ServiceError(
        fault.message or type(error).__name__,
        code=fault.code,
        retryable=fault.retryable,
        retry_after=fault.retry_after,
        request_id=fault.request_id,
        delivery=fault.delivery,
    )
