"""The hot path: `POST /v2/models/NAME[/versions/VERSION]/infer`, a bare ASGI callable beside the framework's routes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, TooLarge
from cloudai.serving.body import read_body, unpacked
from cloudai.serving.guard import Guard
from cloudai.serving.metrics import Meters
from cloudai.serving.protocol import HEADER_LENGTH, JSON, Header, NotJson, error_body
from cloudai.serving.settings import ServeSettings

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from cloudai.serving.models import Model, Models

log = logging.getLogger("cloudai.serve")

STATUS: Mapping[ErrorCode, int] = {
    ErrorCode.INVALID_INPUT: 400,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.PERMISSION_DENIED: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED: 415,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.DEADLINE_EXCEEDED: 504,
    ErrorCode.CANCELLED: 400,
}
"""What HTTP calls our codes; others are 500."""


def target(path: str) -> tuple[str, str | None] | None:
    """Name and version of an infer path; `None` for any other."""
    if not path.startswith("/v2/models/") or not path.endswith("/infer"):
        return None
    name, *rest = path[11:-6].split("/")
    if not rest:
        return unquote(name), None
    return (unquote(name), unquote(rest[1])) if len(rest) == 2 and rest[0] == "versions" else None


def status_of(error: Exception) -> int:
    """An HTTP status."""
    if isinstance(error, NotJson):
        return int(HTTPStatus.NOT_ACCEPTABLE)
    if isinstance(error, CloudAIError):
        return STATUS.get(error.code, 500)
    return 408 if isinstance(error, TimeoutError) else 500


def failure(error: Exception) -> tuple[int, list[Header], bytes]:
    """The protocol's answer to an error. What is nobody's mistake but ours is logged, and told without details."""
    status = status_of(error)
    if isinstance(error, CloudAIError):
        message = error.message
    elif isinstance(error, TimeoutError):
        message = "the request's body did not come in time"
    else:
        log.error("internal error", exc_info=error)
        message = f"internal error ({type(error).__name__}); the server's log has more"
    body = error_body(message)
    headers = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        after = getattr(error, "retry_after", None) or 0
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(after))))
    return status, headers, body


async def answer(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    """One complete answer."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Inference:
    """Answers infer requests."""

    def __init__(self, models: Models, guard: Guard, meters: Meters, settings: ServeSettings) -> None:
        self._models, self._guard, self._meters, self._settings = models, guard, meters, settings

    async def __call__(self, name: str, version: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        start = time.perf_counter()
        model: Model | None = None
        try:
            headers: dict[bytes, bytes] = dict(scope["headers"])
            self._guard.check_caller(headers)
            if scope["method"] != "POST":
                await answer(send, 405, [(b"allow", b"POST"), (b"content-length", b"0")], b"")
                return
            model = self._models.find(name, version)
            made = await self._inferred(model, headers, receive)
        except Exception as error:  # noqa: BLE001  # the border: every error is an answer of the protocol
            status, lines, body = failure(error)
            found = (model.engine.name, model.engine.version) if model else ("", "")
            self._meters.errors.labels(*found, str(status)).inc()
            await answer(send, status, lines, body)
        else:
            await answer(send, 200, *made)
        if model is not None:
            model.meters.request.observe(time.perf_counter() - start)

    async def _inferred(
        self, model: Model, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[list[Header], bytes]:
        size = _declared(headers)
        if size > self._settings.max_request:
            await self._refuse(size, receive)
        model.batcher.check_room()  # again when it is queued: reading and decoding may take a while
        self._guard.enter(size)
        try:
            split = headers.get(HEADER_LENGTH)
            align = int(split) if split and len(split) < 10 and split.isdigit() else 0
            body = await read_body(
                receive, limit=self._settings.max_request, seconds=self._settings.body_timeout, align=align
            )
            encoding = headers.get(b"content-encoding")
            if encoding is not None:
                body = unpacked(body, encoding.lower(), limit=self._settings.max_request)
            request = model.decoder.decode(body, split)
            arrays = await model.batcher.submit(request.outputs, request.feed, timeout=request.timeout)
            return model.encoder.encode(request, arrays)
        finally:
            self._guard.leave(size)

    async def _refuse(self, size: int, receive: Receive) -> None:
        """Received and dropped first: a client that is still sending would not read the answer."""
        limit = self._settings.max_request
        try:
            await read_body(receive, limit=0, seconds=self._settings.body_timeout)
        except TooLarge:
            raise TooLarge(f"the request has {size:,} bytes; the limit is {limit:,}") from None


def _declared(headers: Mapping[bytes, bytes]) -> int:
    """Bytes of the body as announced; 0 when it comes in chunks."""
    value = headers.get(b"content-length", b"0")
    if not value.isdigit() or len(value) > 18:
        raise InvalidInput("Content-Length is no number")
    return int(value)
