"""What an exception of boto3 means: by AWS's error code, from `errors.toml`; never by its words."""

from __future__ import annotations

import ssl
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from cloudai.delivery import of_status
from cloudai.errors import Delivery, ErrorCode, Fault
from cloudai.http import retry_after

_UNSENT = ("NewConnectionError", "ConnectTimeoutError", "NameResolutionError", "ProxyError")
"""Of urllib3, which sends our requests: there was no connection."""
_FOR_CREDENTIALS = frozenset(
    {
        "CredentialRetrievalError",
        "EndpointConnectionError",
        "NoCredentialsError",
        "ParamValidationError",
        "PartialCredentialsError",
        "ProxyConnectionError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    }
)
"""Of botocore, which sends nothing of ours but looks for credentials: they come before the request."""
_OURS = ("botocore", "boto3", "urllib3", "builtins")


def fault_of(error: Exception) -> Fault | None:
    """`None`: not the vendor's."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return fault_of_reply(error.response)
    for kind in type(error).__mro__:
        known = _table("exceptions").get(kind.__name__)
        if known is not None and kind.__module__.partition(".")[0] in _OURS:
            words = (_line(str(error)) or kind.__name__, _table("remedies").get(type(error).__name__, ""))
            return Fault(code=ErrorCode(known), message=": ".join(filter(None, words)), delivery=_delivery(error))
    return None


def fault_of_reply(reply: Mapping[str, Any]) -> Fault:
    """An error answer, as botocore parsed it."""
    error, metadata = reply.get("Error", {}), reply.get("ResponseMetadata", {})
    code = str(error.get("Code", "")).rpartition("#")[2].partition(":")[0]
    status = str(metadata.get("HTTPStatusCode", ""))
    known = _table("codes").get(code) or _table("status").get(status) or _by_family(status)
    return Fault(
        code=ErrorCode(known),
        message=f"{code or status}: {_line(str(error.get('Message', '')))}".removesuffix(": "),
        retry_after=_retry_after(metadata.get("HTTPHeaders", {})),
        request_id=metadata.get("RequestId"),
        delivery=of_status(int(status)) if status.isdecimal() else None,
    )


def code_of_job(reason: str) -> ErrorCode:
    """Of a failed Textract job, by the code in its `StatusMessage`; `unsupported` when nobody knows it."""
    return ErrorCode(_table("jobs").get(reason.partition(":")[0].strip(), "unsupported"))


def lost(error: Exception) -> bool:
    """Whether a request may have been served though nothing came back."""
    from botocore.exceptions import ClientError

    fault = fault_of(error)
    if fault is None or fault.code not in (ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED):
        return False
    return not isinstance(error, ClientError) and fault.delivery is not Delivery.NOT_SENT


def code_of(error: Exception) -> str:
    """AWS's code of an error answer; empty for anything else."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _delivery(error: Exception) -> Delivery | None:
    """`None`: what the code says."""
    name = type(error).__name__
    if name in _UNSENT or name in _FOR_CREDENTIALS:
        return Delivery.NOT_SENT
    inner = [error, *(each for each in error.args if isinstance(each, BaseException)), error.__cause__]
    early = any(isinstance(each, ssl.SSLCertVerificationError) for each in inner)
    return Delivery.NOT_SENT if early else None


def _by_family(status: str) -> str:
    return "invalid_input" if status.startswith("4") else "unavailable" if status.startswith("5") else "internal"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """`x-amz-retry-after` is in milliseconds (Smithy's retry specification), `retry-after` in seconds or a date."""
    own = headers.get("x-amz-retry-after", "")
    return int(own) / 1000 if own.isdecimal() else retry_after(headers)


def _line(text: str) -> str:
    return " ".join(text.split())[:500]


@cache
def _table(name: str) -> Mapping[str, str]:
    text = files("cloudai_aws").joinpath("errors.toml").read_text(encoding="utf-8")
    table: dict[str, str] = tomllib.loads(text)[name]
    return table
