"""What the sync and the async driver share: addresses, bodies, replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from cloudai.errors import ErrorCode, Fault
from cloudai.http import WireReply, WireRequest
from cloudai.wirejson import JsonNode, Malformed, dump
from cloudai_gcp.codec_document import BATCH_BYTES, BATCH_PAGES
from cloudai_gcp.codec_translation import TEXTS_V2
from cloudai_gcp.errors import GoogleError, error_of
from cloudai_gcp.wire import Answer, Target, Wire

if TYPE_CHECKING:
    from cloudai.capabilities import Limits
    from cloudai_gcp.auth import Auth
    from cloudai_gcp.settings import GcpSettings

KEYLESS = (
    "vision.read_document",
    "translation.translate_document",
    "custom.train",
    "custom.deploy",
    "custom.predict",
)
"""Operations that take no API key."""


def unavailable(settings: GcpSettings) -> Mapping[str, str]:
    """What can't be served with these settings, and why."""
    found: dict[str, str] = {}
    if not (settings.processor or settings.form_processor or settings.layout_processor):
        found["vision.read_document"] = (
            "Document AI needs a processor of yours: create one in the console and set processor (OCR), "
            "form_processor (tables, forms) or layout_processor in the backend"
        )
    if settings.api_key is not None:
        found |= dict.fromkeys(KEYLESS, "the service takes no API key: use credentials_file or the default credentials")
    return found


def limits_of(settings: GcpSettings, operation: str, declared: Limits) -> Limits:
    """With a key, version 2 of Translation takes fewer texts to translate and more to detect; with a bucket, long
    documents go through it."""
    if settings.api_key is not None:
        by_key = operation in ("translation.translate", "translation.detect_language")
        return replace(declared, max_batch=TEXTS_V2) if by_key else declared
    if settings.staging_bucket is not None and operation == "vision.read_document":
        return replace(declared, max_bytes=BATCH_BYTES, max_pages=BATCH_PAGES)
    return declared


def target_of(settings: GcpSettings, auth: Auth, project: str) -> Target:
    """Where the requests of a backend go."""
    return Target(
        project=project,
        location=settings.location or settings.region,
        by_key=auth.by_key,
        recognizer=settings.recognizer,
        processor=settings.processor,
        form_processor=settings.form_processor,
        layout_processor=settings.layout_processor,
    )


def request_of(wire: Wire, headers: Mapping[str, str], endpoint: str | None) -> WireRequest:
    """The HTTP request of a wire."""
    base = endpoint.rstrip("/") if endpoint else f"https://{wire.service}.googleapis.com"
    query = f"?{urlencode(wire.query)}" if wire.query else ""
    body = b"" if wire.body is None else dump(wire.body)
    kind = {"content-type": "application/json"} if body else {}
    return WireRequest(
        method=wire.method,
        url=f"{base}{quote(wire.path, safe='/:_-.~@')}{query}",
        headers={**headers, **kind},
        body=body,
    )


def answer_of(reply: WireReply, auth: Auth, url: str) -> Answer:
    """A reply's JSON. Raises `GoogleError` for an error, and for a 200 that is not Google's."""
    if not 200 <= reply.status < 300:
        raise error_of(reply, auth.secrets, host=urlsplit(url).netloc)
    try:
        node = JsonNode.parse(reply.body)
    except Malformed as error:
        kind = reply.headers.get("content-type", "no content type").partition(";")[0]
        text = f"{urlsplit(url).netloc}: HTTP {reply.status} with what is no JSON object ({kind})\n"
        text += "is endpoint_url right, or a proxy between?"
        raise GoogleError(Fault(code=ErrorCode.INTERNAL, message=text), status=reply.status) from error
    return Answer(json=node, request_id=reply.headers.get("x-request-id"))
