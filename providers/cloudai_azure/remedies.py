"""What to do when Azure refuses: whose address it was, and which setting to look at. Never the key itself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloudai.errors import ErrorCode
from cloudai_azure.places import SETTING

if TYPE_CHECKING:
    from cloudai.http import WireRequest
    from cloudai_azure.errors import AzureError
    from cloudai_azure.settings import AzureSettings
    from cloudai_azure.wire import Wire

_NOWHERE = frozenset({"404", "resourcenotfound", "resource not found"})
"""What the gateway before the services answers when nothing is at a path; a service's own 404 has its own words."""


def remedy(error: AzureError, wire: Wire, request: WireRequest, settings: AzureSettings) -> str:
    """One line to put behind the message of a 401, 403 or 404; empty for what no setting can cure."""
    if error.status not in (401, 403, 404):
        return ""
    host = urlsplit(request.url).hostname or ""
    if wire.service == "blob":
        return _storage(error.fault.code, host)
    if wire.url is not None:
        return ""
    by_key = "Authorization" not in request.headers
    if error.fault.code is ErrorCode.UNAUTHENTICATED:
        return _refused_key(host, wire, settings) if by_key else _refused_token(host)
    if error.fault.code is ErrorCode.PERMISSION_DENIED:
        return f"{host}: look at the resource's network rules, tier and approvals" if by_key else _refused_token(host)
    if error.fault.code is ErrorCode.NOT_FOUND and error.reason.lower() in _NOWHERE:
        setting = SETTING[wire.service]
        kind = setting.removesuffix("_endpoint").replace("_", " ")
        return f"nothing of {kind} is at {host}: check {setting} or endpoint_url, and that the region has the service"
    return ""


def _refused_key(host: str, wire: Wire, settings: AzureSettings) -> str:
    region = f" and that region {settings.region!r} is its own" if settings.region else ""
    if wire.service == "translator" and not settings.region:
        region = " and set region unless the resource is a global one"
    return f"{host} refused the key: check that api_key (or AZURE_AI_KEY) is of this resource{region}"


def _refused_token(host: str) -> str:
    return f"{host} refused the identity: give it the role Cognitive Services User on this resource"


def _storage(code: ErrorCode, host: str) -> str:
    if code is ErrorCode.NOT_FOUND:
        return f"{host}: check the container that staging names, or the object's address"
    keys = "staging_account_key or staging_sas_token (a SAS ends)"
    return f"{host}: check {keys}, or give the identity the role Storage Blob Data Contributor"
