"""S3 for the strict server: put, get, head, delete and list objects in memory, path-style."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit

import aws_model

if TYPE_CHECKING:
    from aws_server import StrictServer, _Exchange

OPERATIONS: Mapping[str, str] = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
OF_THE_SDK = frozenset(
    {
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-decoded-content-length",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-security-token",
        "x-amz-trailer",
        "x-amz-user-agent",
    }
)


def serve(exchange: _Exchange, body: bytes) -> None:
    """One request to an object; anything else is a violation."""
    from aws_server import Received, Violation

    url = urlsplit(exchange.path)
    bucket, _, key = unquote(url.path.lstrip("/")).partition("/")
    listing = exchange.command == "GET" and not key and "list-type=2" in url.query
    if exchange.command not in OPERATIONS or not (key or listing):
        raise Violation("S3 is asked for objects and lists of them only")
    name_of_it = "ListObjectsV2" if listing else OPERATIONS[exchange.command]
    operation = aws_model.service("s3").operation_model(name_of_it)
    members = operation.input_shape.members.values()
    places = {(m.serialization.get("location"), m.serialization.get("name", "").lower()) for m in members}
    for name in exchange.headers:
        amz = name.lower().startswith("x-amz-") and name.lower() not in OF_THE_SDK
        if amz and ("header", name.lower()) not in places:
            raise Violation(f"{operation.name} has no header {name}")
    for name in parse_qs(url.query):
        if ("querystring", name.lower()) not in places and name not in ("x-id", "list-type"):
            raise Violation(f"{operation.name} has no query {name}")
    if "aws-chunked" in exchange.headers.get("Content-Encoding", ""):
        body = _unchunked(body, exchange.headers)
    server: StrictServer = exchange.server
    params = {"Bucket": bucket, "Key": key, **({"Body": body} if exchange.command == "PUT" else {})}
    received = Received(service="s3", operation=operation.name, params=params, headers=dict(exchange.headers))
    with server.lock:
        server.received.append(received)
    if listing:
        return _list(exchange, server, bucket, {name: values[0] for name, values in parse_qs(url.query).items()})
    return _act(exchange, server, (bucket, key), body)


LISTED = 3
"""Objects on one page of a list: few, so that there are more pages."""


def _list(exchange: _Exchange, server: StrictServer, bucket: str, query: Mapping[str, str]) -> None:
    prefix, first = query.get("prefix", ""), query.get("continuation-token", "")
    keys = sorted(key for place, key in server.objects if place == bucket and key.startswith(prefix) and key > first)
    page, more = keys[:LISTED], len(keys) > LISTED
    found = "".join(
        f"<Contents><Key>{quote(key, safe='/')}</Key><Size>{len(server.objects[bucket, key])}</Size>"
        f"<ETag>&quot;0&quot;</ETag></Contents>"
        for key in page
    )
    token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
    inside = f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{found}{token}"
    text = f"<ListBucketResult><Name>{bucket}</Name>{inside}</ListBucketResult>"
    exchange.reply(200, text.encode(), "application/xml")


def _unchunked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """`aws-chunked`, what SDKs send over https: sizes, parts and a checksum after them."""
    from aws_server import Violation

    parts, rest = [], body
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if not length:
            break
        parts.append(rest[:length])
        rest = rest[length + 2 :]
    whole = b"".join(parts)
    name, _, value = rest.decode().strip().partition(":")
    checksum = base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()
    if (name, value.strip()) != ("x-amz-checksum-crc32", checksum) or headers["x-amz-trailer"] != name:
        raise Violation(f"the trailer {rest!r} is not the checksum")
    if int(headers["X-Amz-Decoded-Content-Length"]) != len(whole):
        raise Violation("X-Amz-Decoded-Content-Length is not the length")
    return whole


def _act(exchange: _Exchange, server: StrictServer, place: tuple[str, str], body: bytes) -> None:
    if exchange.command == "PUT":
        server.objects[place] = body
        return exchange.reply(200, b"", "application/xml", {"ETag": '"0"'})
    if "If-Match" in exchange.headers and exchange.headers["If-Match"] != '"0"':
        return exchange.reply(412, b"<Error><Code>PreconditionFailed</Code></Error>", "application/xml")
    if exchange.command == "DELETE":
        server.objects.pop(place, None)
        return exchange.reply(204, b"", "application/xml")
    if place not in server.objects:
        text = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
        return exchange.reply(404, b"" if exchange.command == "HEAD" else text, "application/xml")
    found, wanted = server.objects[place], exchange.headers.get("Range", "")
    if not wanted:
        return exchange.reply(200, found, "application/octet-stream", {"ETag": '"0"'})
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    if int(first) >= len(found):
        text = b"<Error><Code>InvalidRange</Code><Message>not that long</Message></Error>"
        return exchange.reply(416, text, "application/xml")
    part = found[int(first) : int(last) + 1]
    place_in_all = {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(found)}"}
    return exchange.reply(206, part, "application/octet-stream", place_in_all)
