"""What failures of Vertex AI mean: the exceptions of Google's clients, machines that are not to be had, and doubt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from cloudai.delivery import marked
from cloudai.errors import Delivery, ErrorCode, Fault
from cloudai.http import WireReply
from cloudai.wirejson import JsonNode
from cloudai_gcp.errors import REMEDY_OF, GoogleError, error_of, error_of_status, fault_of

STARTS_MACHINES: Final = frozenset({"create_custom_job", "create_batch_prediction_job", "deploy_model"})
"""Methods whose RESOURCE_EXHAUSTED is about machines, unless it says that it is about requests."""
_LOST: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.INTERNAL})


def translated(error: Exception, secrets: Collection[str], *, host: str) -> Exception:
    """A `GoogleError` of what Google's clients and requests raise; any other exception as it is."""
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    reply = getattr(error, "response", None)
    if "google.api_core.exceptions.GoogleAPICallError" in names and reply is not None:
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return error_of(WireReply(status=reply.status_code, headers=headers, body=reply.content), secrets, host=host)
    if "requests.exceptions.RequestException" in names:
        return GoogleError(_lost(error, names, host))
    if "google.protobuf.json_format.Error" in names:
        text = f"the answer is not what Google describes: {str(error)[:200]}"
        return GoogleError(Fault(code=ErrorCode.INTERNAL, message=text, delivery=Delivery.UNKNOWN))
    return error


def _lost(error: Exception, names: Collection[str], host: str) -> Fault:
    if "requests.exceptions.ConnectTimeout" in names or "NewConnectionError" in repr(error):
        text = f"{host}: no connection to the server"
        return Fault(code=ErrorCode.UNAVAILABLE, message=text, delivery=Delivery.NOT_SENT)
    if "requests.exceptions.Timeout" in names:
        return late(Delivery.UNKNOWN)
    text = f"{host}: the connection was lost before the answer was complete"
    return Fault(code=ErrorCode.UNAVAILABLE, message=text, delivery=Delivery.UNKNOWN)


def ended(status: JsonNode, secrets: Collection[str]) -> Exception:
    """The error that an operation has ended with: what it was for was not done, whatever its code."""
    error = error_of_status(status, secrets, final=True)
    refused = replace(error.fault, delivery=Delivery.REFUSED)
    return of_machines(GoogleError(refused, reason=error.reason, final=True))


def of_machines(error: Exception) -> Exception:
    """No machines left is a quota that waiting does not cure: https://cloud.google.com/vertex-ai/docs/quotas. Google
    says of requests that are too many, and not of machines, that they are (`ErrorInfo.reason`)."""
    if not isinstance(error, GoogleError) or error.reason != "RESOURCE_EXHAUSTED":
        return error
    said = (error.fault.message or "").replace(REMEDY_OF[ErrorCode.RATE_LIMITED], REMEDY_OF[ErrorCode.QUOTA_EXHAUSTED])
    fault = replace(error.fault, code=ErrorCode.QUOTA_EXHAUSTED, message=said)
    return GoogleError(fault, status=error.status, reason=error.reason, final=error.final)


def late(delivery: Delivery) -> Fault:
    """Of an answer that did not come in time."""
    return Fault(code=ErrorCode.DEADLINE_EXCEEDED, message="Vertex AI: no complete answer in time", delivery=delivery)


def unsure(error: Exception) -> bool:
    """Whether what was asked may have been done: an answer of 5xx is no proof that it was not."""
    fault = fault_of(error)
    status = error.status if isinstance(error, GoogleError) else 0
    return marked(error) is Delivery.UNKNOWN or (
        fault is not None
        and (
            fault.delivery is Delivery.UNKNOWN
            or status in (500, 502, 503, 504)
            or (fault.delivery is None and fault.code in _LOST)
        )
    )


def unknown(error: Exception, text: str) -> GoogleError:
    """`outcome_unknown` for an error that leaves one unsure. An answer stays one: `refused` is kept."""
    fault = fault_of(error)
    said = marked(error) or (fault.delivery if fault is not None else None) or Delivery.UNKNOWN
    return GoogleError(Fault(code=ErrorCode.OUTCOME_UNKNOWN, message=text, retryable=False, delivery=said))
