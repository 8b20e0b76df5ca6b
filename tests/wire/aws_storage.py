"""S3 for the strict server: put, get, head and delete of objects in memory, path-style."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import aws_model

if TYPE_CHECKING:
    from aws_server import StrictServer, _Exchange

OPERATIONS: Mapping[str, str] = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
OF_THE_SDK = frozenset(
    {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-user-agent", "x-amz-sdk-checksum-algorithm"}
)


def serve(exchange: _Exchange, body: bytes) -> None:
    """One request to an object; anything else is a violation."""
    from aws_server import Received, Violation

    url = urlsplit(exchange.path)
    bucket, _, key = unquote(url.path.lstrip("/")).partition("/")
    if exchange.command not in OPERATIONS or not key:
        raise Violation("S3 is asked for objects only")
    operation = aws_model.service("s3").operation_model(OPERATIONS[exchange.command])
    members = operation.input_shape.members.values()
    places = {(m.serialization.get("location"), m.serialization.get("name", "").lower()) for m in members}
    for name in exchange.headers:
        amz = name.lower().startswith("x-amz-") and name.lower() not in OF_THE_SDK
        if amz and ("header", name.lower()) not in places:
            raise Violation(f"{operation.name} has no header {name}")
    for name in parse_qs(url.query):
        if ("querystring", name.lower()) not in places and name != "x-id":
            raise Violation(f"{operation.name} has no query {name}")
    server: StrictServer = exchange.server
    params = {"Bucket": bucket, "Key": key, **({"Body": body} if exchange.command == "PUT" else {})}
    received = Received(service="s3", operation=operation.name, params=params, headers=dict(exchange.headers))
    with server.lock:
        server.received.append(received)
    _act(exchange, server, (bucket, key), body)


def _act(exchange: _Exchange, server: StrictServer, place: tuple[str, str], body: bytes) -> None:
    if exchange.command == "PUT":
        server.objects[place] = body
        return exchange.reply(200, b"", "application/xml", {"ETag": '"0"'})
    if exchange.command == "DELETE":
        server.objects.pop(place, None)
        return exchange.reply(204, b"", "application/xml")
    if place not in server.objects:
        text = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
        return exchange.reply(404, b"" if exchange.command == "HEAD" else text, "application/xml")
    found, wanted = server.objects[place], exchange.headers.get("Range", "")
    if not wanted:
        return exchange.reply(200, found, "application/octet-stream")
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    if int(first) >= len(found):
        text = b"<Error><Code>InvalidRange</Code><Message>not that long</Message></Error>"
        return exchange.reply(416, text, "application/xml")
    part = found[int(first) : int(last) + 1]
    place_in_all = {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(found)}"}
    return exchange.reply(206, part, "application/octet-stream", place_in_all)
