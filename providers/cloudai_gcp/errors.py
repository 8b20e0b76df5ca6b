"""What Google's errors mean, from their codes: `error.status` (google.rpc.Code) and the reason in `error.details`.

Sources, read 2026-11-21:
https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto (codes and their HTTP statuses),
https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto (RetryInfo, ErrorInfo, ...),
https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto (reasons of the domain
`googleapis.com`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from cloudai.delivery import of_status
from cloudai.errors import Delivery, ErrorCode, Fault
from cloudai.http import WireReply, retry_after, transport_fault
from cloudai.wirejson import JsonNode, Malformed
from cloudai_gcp.values import seconds

STATUS: Mapping[str, ErrorCode] = {
    "CANCELLED": ErrorCode.CANCELLED,
    "UNKNOWN": ErrorCode.INTERNAL,
    "INVALID_ARGUMENT": ErrorCode.INVALID_INPUT,
    "DEADLINE_EXCEEDED": ErrorCode.DEADLINE_EXCEEDED,
    "NOT_FOUND": ErrorCode.NOT_FOUND,
    "ALREADY_EXISTS": ErrorCode.CONFLICT,
    "PERMISSION_DENIED": ErrorCode.PERMISSION_DENIED,
    "UNAUTHENTICATED": ErrorCode.UNAUTHENTICATED,
    "RESOURCE_EXHAUSTED": ErrorCode.RATE_LIMITED,
    "FAILED_PRECONDITION": ErrorCode.INVALID_INPUT,
    "ABORTED": ErrorCode.CONFLICT,
    "OUT_OF_RANGE": ErrorCode.INVALID_INPUT,
    "UNIMPLEMENTED": ErrorCode.UNSUPPORTED,
    "INTERNAL": ErrorCode.INTERNAL,
    "UNAVAILABLE": ErrorCode.UNAVAILABLE,
    "DATA_LOSS": ErrorCode.INTERNAL,
}

NUMBERS: tuple[str, ...] = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""google.rpc.Code by number: the form in which `Status` stands inside an answer."""

HTTP: Mapping[int, ErrorCode] = {
    400: ErrorCode.INVALID_INPUT,
    401: ErrorCode.UNAUTHENTICATED,
    403: ErrorCode.PERMISSION_DENIED,
    404: ErrorCode.NOT_FOUND,
    408: ErrorCode.DEADLINE_EXCEEDED,
    409: ErrorCode.CONFLICT,
    413: ErrorCode.TOO_LARGE,
    429: ErrorCode.RATE_LIMITED,
    499: ErrorCode.CANCELLED,
    501: ErrorCode.UNSUPPORTED,
    502: ErrorCode.UNAVAILABLE,
    503: ErrorCode.UNAVAILABLE,
    504: ErrorCode.DEADLINE_EXCEEDED,
}
"""For replies that are not Google's error form: of a proxy, a load balancer, a gateway."""

REASONS: Mapping[str, ErrorCode] = {
    "API_KEY_INVALID": ErrorCode.UNAUTHENTICATED,
    "API_KEY_SERVICE_BLOCKED": ErrorCode.PERMISSION_DENIED,
    "API_KEY_HTTP_REFERRER_BLOCKED": ErrorCode.PERMISSION_DENIED,
    "API_KEY_IP_ADDRESS_BLOCKED": ErrorCode.PERMISSION_DENIED,
    "API_KEY_ANDROID_APP_BLOCKED": ErrorCode.PERMISSION_DENIED,
    "API_KEY_IOS_APP_BLOCKED": ErrorCode.PERMISSION_DENIED,
    "SERVICE_DISABLED": ErrorCode.PERMISSION_DENIED,
    "BILLING_DISABLED": ErrorCode.QUOTA_EXHAUSTED,
    "CONSUMER_SUSPENDED": ErrorCode.PERMISSION_DENIED,
    "CONSUMER_INVALID": ErrorCode.PERMISSION_DENIED,
    "USER_PROJECT_DENIED": ErrorCode.PERMISSION_DENIED,
    "ACCESS_TOKEN_EXPIRED": ErrorCode.UNAUTHENTICATED,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": ErrorCode.PERMISSION_DENIED,
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": ErrorCode.UNAUTHENTICATED,
    "ACCOUNT_STATE_INVALID": ErrorCode.UNAUTHENTICATED,
    "CREDENTIALS_MISSING": ErrorCode.UNAUTHENTICATED,
    "RATE_LIMIT_EXCEEDED": ErrorCode.RATE_LIMITED,
    "RESOURCE_QUOTA_EXCEEDED": ErrorCode.QUOTA_EXHAUSTED,
    "LOCATION_POLICY_VIOLATED": ErrorCode.PERMISSION_DENIED,
    "SECURITY_POLICY_VIOLATED": ErrorCode.PERMISSION_DENIED,
}
"""`ErrorInfo.reason`: says more than the status (an invalid key is a 400 INVALID_ARGUMENT)."""

LEGACY: Mapping[str, ErrorCode] = {
    "rateLimitExceeded": ErrorCode.RATE_LIMITED,
    "userRateLimitExceeded": ErrorCode.RATE_LIMITED,
    "dailyLimitExceeded": ErrorCode.QUOTA_EXHAUSTED,
    "keyInvalid": ErrorCode.UNAUTHENTICATED,
    "accessNotConfigured": ErrorCode.PERMISSION_DENIED,
}
"""`error.errors[].reason` of Translation v2: https://cloud.google.com/apis/design/errors#http_mapping (legacy form)."""

REMEDIES: Mapping[str, str] = {
    "SERVICE_DISABLED": "enable it for the project: gcloud services enable {service}",
    "BILLING_DISABLED": "enable billing for the project in the console",
    "API_KEY_INVALID": "check api_key of the backend",
    "API_KEY_SERVICE_BLOCKED": "allow {service} in the key's API restrictions",
    "IAM_PERMISSION_DENIED": "grant the identity {permission}",
    "USER_PROJECT_DENIED": "grant the identity serviceusage.services.use on quota_project, or leave quota_project out",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "the credentials need the scope https://www.googleapis.com/auth/cloud-platform",
    "LOCATION_POLICY_VIOLATED": "set a location that the organization's policy allows",
}
"""`ErrorInfo.reason` -> what to do; `{service}` and `{permission}` are its metadata."""
REMEDY_OF: Mapping[ErrorCode, str] = {
    ErrorCode.UNAUTHENTICATED: "run `gcloud auth application-default login`, or check credentials_file or api_key",
    ErrorCode.PERMISSION_DENIED: "check the identity's roles, and that the service is enabled for the project",
    ErrorCode.QUOTA_EXHAUSTED: "ask for more under Quotas in the console, or route to another backend",
    ErrorCode.RATE_LIMITED: "send less at once, or ask for more under Quotas in the console",
}
"""Where the reason says nothing."""

_DAILY = ("PerDay", "/d/")
"""How a quota over a day is named in `quota_limit`, `quota_unit` and `quotaId`: waiting a moment does not cure it."""


class GoogleError(Exception):
    """What a Google service answered. `str()` is its message, without the credentials that it may have echoed."""

    def __init__(self, fault: Fault, *, status: int = 0, reason: str = "", final: bool = False) -> None:
        super().__init__(fault.message)
        self.final = final
        """It is the end of a job: asking again gives the same."""
        self.fault = fault
        self.status = status
        """HTTP status; 0: an error inside a 200."""
        self.reason = reason
        """`ErrorInfo.reason`, or `error.status`."""


def error_of(reply: WireReply, secrets: Collection[str] = (), *, host: str = "Google") -> GoogleError:
    """The error that a reply with a status of 300 or more is. `secrets` are taken out of its message."""
    wait, request_id = retry_after(reply.headers), reply.headers.get("x-request-id")
    try:
        error = JsonNode.parse(reply.body).at("error")
        if not isinstance(error.value, dict):
            raise Malformed("no error object")
        return _described(error, reply.status, wait, request_id, secrets, host)
    except Malformed:
        code = HTTP.get(reply.status, ErrorCode.INTERNAL)
        kind = reply.headers.get("content-type", "no content type").partition(";")[0]
        text = f"{host}: HTTP {reply.status} without Google's error form ({_clean(kind, secrets)})\n"
        text += REMEDY_OF.get(code, "is endpoint_url right, or a proxy between?")
        sent = of_status(reply.status)
        fault = Fault(code=code, message=text, retry_after=wait, request_id=request_id, delivery=sent)
        return GoogleError(fault, status=reply.status)


def error_of_status(status: JsonNode, secrets: Collection[str] = (), *, final: bool = False) -> GoogleError:
    """A `google.rpc.Status` inside an answer: its code is a number."""
    number = status.integer("code")
    name = NUMBERS[number] if 0 <= number < len(NUMBERS) else "UNKNOWN"
    code, reason, wait, request_id = _read(status, STATUS.get(name, ErrorCode.INTERNAL))
    text = _clean(status.text("message") or name, secrets)
    sent = None if code is ErrorCode.DEADLINE_EXCEEDED else Delivery.REFUSED
    fault = Fault(code=code, message=text, retry_after=wait, request_id=request_id, delivery=sent)
    return GoogleError(fault, reason=reason or name, final=final)


def _described(
    error: JsonNode, http: int, wait: float | None, request_id: str | None, secrets: Collection[str], host: str
) -> GoogleError:
    status = error.text("status")
    first = STATUS.get(status) or HTTP.get(http, ErrorCode.INTERNAL)
    for legacy in error.items("errors"):
        first = LEGACY.get(legacy.text("reason"), first)
    code, reason, asked, id_in_details = _read(error, first)
    fault = Fault(
        code=code,
        message=f"{host}: {_clean(error.text('message') or f'HTTP {http}', secrets)} ({reason or status or http})"
        + _remedy(error, code, reason, secrets),
        retry_after=asked if asked is not None else wait,
        request_id=id_in_details or request_id,
        delivery=of_status(http),
    )
    return GoogleError(fault, status=http, reason=reason or status)


def _read(error: JsonNode, code: ErrorCode) -> tuple[ErrorCode, str, float | None, str | None]:
    """Code, reason, seconds to wait and request id, as far as `details` say."""
    reason, wait, request_id = "", None, None
    for detail in error.items("details"):
        kind = detail.text("@type").rpartition("/")[2]
        if kind == "google.rpc.ErrorInfo":
            reason = detail.text("reason")
            code = REASONS.get(reason, code)
            limits = [value.value for _, value in detail.at("metadata").members()] if detail.at("metadata") else []
            if code is ErrorCode.RATE_LIMITED and any(day in str(limit) for limit in limits for day in _DAILY):
                code = ErrorCode.QUOTA_EXHAUSTED
        elif kind == "google.rpc.QuotaFailure" and code is ErrorCode.RATE_LIMITED:
            ids = [each.text("quotaId") for each in detail.items("violations")]
            code = ErrorCode.QUOTA_EXHAUSTED if any(day in name for name in ids for day in _DAILY) else code
        elif kind == "google.rpc.RetryInfo":
            wait = seconds(detail.at("retryDelay"))
        elif kind == "google.rpc.RequestInfo":
            request_id = detail.text("requestId") or None
    return code, reason, wait, request_id


def _remedy(error: JsonNode, code: ErrorCode, reason: str, secrets: Collection[str]) -> str:
    """A second line: what to do. Empty where Google's own words have to do."""
    said = {"service": "the service", "permission": "the permission"}
    for detail in error.items("details"):
        known = dict(detail.at("metadata").members()) if detail.at("metadata") else {}
        said |= {name: _clean(str(known[name].value), secrets) for name in said if name in known}
    text = REMEDIES.get(reason) or REMEDY_OF.get(code)
    return f"\n{text.format(**said)}" if text else ""


def _clean(message: str, secrets: Collection[str]) -> str:
    for secret in secrets:
        if secret:
            message = message.replace(secret, "***")
    first = message.strip().splitlines() or [""]
    return first[0][:500]


def fault_of(error: Exception) -> Fault | None:
    """What an exception that reached the driver means; `None`: a defect of our own."""
    if isinstance(error, GoogleError):
        return error.fault
    if isinstance(error, Malformed):
        return Fault(code=ErrorCode.INTERNAL, message=f"the answer is not what Google describes: {error}")
    return _auth_fault(error) or _placed(transport_fault(error), error)


_ASKED = "asked: "


def note_host(error: Exception, url: str) -> None:
    """Which host did not answer: the libraries' exceptions don't say, or say too much."""
    error.add_note(f"{_ASKED}{urlsplit(url).netloc.rpartition('@')[2]}")


def _placed(fault: Fault | None, error: Exception) -> Fault | None:
    host = next((note for note in getattr(error, "__notes__", ()) if note.startswith(_ASKED)), None)
    if fault is None or host is None:
        return fault
    return replace(fault, message=f"{host.removeprefix(_ASKED)}: {fault.message}")


def _auth_fault(error: Exception) -> Fault | None:
    """google-auth's exceptions, told by their class and its own `retryable` mark."""
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    if "google.auth.exceptions.GoogleAuthError" not in names:
        return None
    if "google.auth.exceptions.TransportError" in names or getattr(error, "retryable", False):
        text = "Google's token service did not answer"
        return Fault(code=ErrorCode.UNAVAILABLE, message=text, delivery=Delivery.NOT_SENT)
    if "google.auth.exceptions.DefaultCredentialsError" in names:
        text = "no Google credentials: run `gcloud auth application-default login`, or set credentials_file or api_key"
        return Fault(code=ErrorCode.UNAUTHENTICATED, message=text, delivery=Delivery.NOT_SENT)
    text = f"Google's token service refused the credentials: {type(error).__name__}; make new ones"
    return Fault(code=ErrorCode.UNAUTHENTICATED, message=text, delivery=Delivery.NOT_SENT)
