"""What the sync and the async driver share: addresses, headers, replies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from cloudai.delivery import mark, marked
from cloudai.errors import UNSURE, ConfigError, Delivery, ErrorCode, Fault
from cloudai.http import WireReply, WireRequest, is_loopback
from cloudai_azure.auth import key_of
from cloudai_azure.errors import AzureError, error_of, fault_of
from cloudai_azure.places import OPERATIONS, SETTING
from cloudai_azure.remedies import remedy
from cloudai_azure.wire import Answer, Pause, Wire

if TYPE_CHECKING:
    from cloudai_azure.settings import AzureSettings

GLOBAL_TRANSLATOR = "https://api.cognitive.microsofttranslator.com"
_OWN_NAMES = (".cognitiveservices.azure.com", ".cognitiveservices.azure.us", ".cognitiveservices.azure.cn",
              ".services.ai.azure.com")  # fmt: skip
"""Addresses of a resource of its own: one for all services, which have a prefix there."""


def address(settings: AzureSettings, service: str, *, version: str = "") -> str:
    """The base of a service's paths, without a slash at its end. Raises `ConfigError` where nothing tells it.

    Prefixes at a resource's own address: https://learn.microsoft.com/azure/ai-services/translator/text-translation/
    reference/v3/reference#virtual-network-support and .../speech-service/speech-services-private-link.
    """
    given = getattr(settings, SETTING[service]) or settings.endpoint_url
    if given is not None:
        base = given.rstrip("/")
        own = (urlsplit(base).hostname or "").endswith(_OWN_NAMES)
        if own and service == "translator":
            return base if "/translator" in base else f"{base}/translator/text/v{version}"
        return f"{base}/tts" if own and service == "tts" and not urlsplit(base).path else base
    if service == "translator":
        return GLOBAL_TRANSLATOR
    if service == "document-translation":
        raise ConfigError("document translation needs the resource's own address: set endpoint_url")
    if settings.region is None:
        raise ConfigError("azure needs endpoint_url (the resource's address) or region")
    host = "tts.speech.microsoft.com" if service == "tts" else "api.cognitive.microsoft.com"
    return f"https://{settings.region}.{host}"


CUSTOM = ("custom.train", "custom.deploy", "custom.predict", "custom.batch_predict")
"""Operations of Azure ML."""


def unavailable(settings: AzureSettings) -> Mapping[str, str]:
    """Operations that have no address with these settings, and what to set.

    Microsoft Entra ID is taken at a resource's own address only, but for Translator and text to speech, which are told
    the resource: https://learn.microsoft.com/azure/ai-services/authentication#authenticate-with-microsoft-entra-id.
    """
    found = dict[str, str]()
    by_key = key_of(settings) is not None
    asked = {**OPERATIONS, "translation.detect_language": settings.language_detection}
    for operation, service in asked.items():
        own = settings.endpoint_url is not None or getattr(settings, SETTING[service]) is not None
        try:
            address(settings, service)
        except ConfigError as error:
            found[operation] = error.message
        else:
            if not (by_key or own or (service in ("translator", "tts") and settings.resource_id)):
                found[operation] = "Microsoft Entra ID needs the resource's own address: set endpoint_url, or api_key"
    if None in (settings.ml_subscription, settings.ml_resource_group, settings.ml_workspace):
        found |= dict.fromkeys(CUSTOM, "set ml_subscription, ml_resource_group and ml_workspace in the backend")
    return found


def request_of(wire: Wire, credentials: Mapping[str, str], settings: AzureSettings) -> WireRequest:
    """The HTTP request of a wire. A whole address goes over https or to this machine."""
    headers = dict(wire.headers)
    if wire.content_type is not None:
        headers["Content-Type"] = wire.content_type
    if wire.url is not None:
        parts = urlsplit(wire.url)
        if parts.scheme != "https" and not is_loopback(parts.hostname):
            fault = Fault(
                code=ErrorCode.INTERNAL, message=f"{parts.hostname}: an address of a stored object that is not https"
            )
            raise AzureError(fault)
        return WireRequest(method=wire.method, url=wire.url, headers=headers | dict(credentials), body=wire.body)
    base = address(settings, wire.service, version=settings.translator_api_version)
    if wire.service == "translator" and wire.query.get("api-version", "") == "3.0":
        base = address(settings, wire.service, version="3.0")
    query = f"?{urlencode(wire.query, quote_via=quote, safe=',')}" if wire.query else ""
    headers |= credentials
    headers |= _placing(wire, settings, by_key="Authorization" not in credentials)
    if wire.service == "tts" and settings.resource_id and "Authorization" in credentials:
        token = credentials["Authorization"].removeprefix("Bearer ")
        headers["Authorization"] = f"Bearer aad#{settings.resource_id}#{token}"
    return WireRequest(method=wire.method, url=f"{base}{wire.path}{query}", headers=headers, body=wire.body)


def _placing(wire: Wire, settings: AzureSettings, *, by_key: bool) -> Mapping[str, str]:
    """Translator's headers of a regional resource; with Entra ID also of which resource it is."""
    if wire.service != "translator":
        return {}
    placing = {"Ocp-Apim-Subscription-Region": settings.region, "Ocp-Apim-ResourceId": settings.resource_id}
    if by_key:
        placing.pop("Ocp-Apim-ResourceId")
    elif settings.resource_id is None:
        return {}
    return {name: value for name, value in placing.items() if value is not None}


def answer_of(
    reply: WireReply, wire: Wire, request: WireRequest, settings: AzureSettings, secrets: Collection[str]
) -> Answer:
    """A reply as the codecs take it. Raises `AzureError` for an error, and for a redirect."""
    if not 200 <= reply.status < 300:
        error = error_of(reply, secrets)
        raise error.advised(remedy(error, wire, request, settings))
    return Answer(status=reply.status, headers=reply.headers, body=reply.body)


class Passage:
    """How far a flow got: from the first request that Azure may bill on, what fails has an unknown outcome."""

    def __init__(self) -> None:
        self._accepted = False

    def answered(self, step: Wire | Pause) -> None:
        """It was taken, or it was a pause."""
        self._accepted |= isinstance(step, Wire) and step.is_billed

    def failed(self, step: Wire | Pause, error: BaseException) -> None:
        """Before anything that is billed, it is as if nothing had been sent."""
        if isinstance(step, Wire) and step.is_billed:
            self._accepted |= _may_be_done(error)
        elif not self._accepted:
            mark(error, Delivery.NOT_SENT)

    def ended(self, error: BaseException) -> None:
        """The flow is given up for this."""
        if self._accepted:
            mark(error, Delivery.UNKNOWN)


def _may_be_done(error: BaseException) -> bool:
    fault = fault_of(error) if isinstance(error, Exception) else None
    delivery = marked(error) or (fault.delivery if fault is not None else None)
    if delivery is None:
        return fault is None or fault.code in UNSURE
    return delivery is Delivery.UNKNOWN


def too_late(pause: Pause, left: float) -> AzureError:
    """The error for a job that can't end within the attempt. Another attempt would submit, and pay for, another job."""
    text = f"the job has not ended, and only {max(0.0, left):.1f} s are left; give the call a longer timeout"
    return AzureError(
        Fault(code=ErrorCode.DEADLINE_EXCEEDED, message=text, retryable=False, retry_after=pause.seconds or None)
    )
