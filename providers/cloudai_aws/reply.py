"""What the codecs share: the vendor's percentages, boxes and addresses in our meanings. Pure functions.

Sources: the descriptions that ship with botocore 1.44.5 (read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from cloudai.driver import Call
from cloudai.errors import InvalidInput
from cloudai.types.geometry import Box, Point, Polygon, Region
from cloudai.types.media import Media
from cloudai.types.results import Notice, Result, Usage

R = TypeVar("R", bound=Result)
Reply: TypeAlias = Mapping[str, Any]
"""An answer as botocore parsed it by its model; only the codecs look inside."""
Params: TypeAlias = dict[str, Any]
"""Arguments of a botocore client's method."""


def ratio(percent: float | None) -> float | None:
    """0..100 as 0..1; what float32 puts a hair above 100 is 1."""
    return None if percent is None else min(1.0, max(0.0, percent / 100))


def percent(ratio_: float) -> float:
    """The other way, for `MinConfidence`."""
    return round(100 * ratio_, 6)


def box(found: Reply) -> Box:
    """`BoundingBox`: Left, Top, Width and Height are ratios of the image already."""
    return Box(x=found.get("Left", 0.0), y=found.get("Top", 0.0), w=found.get("Width", 0.0), h=found.get("Height", 0.0))


def region(geometry: Reply | None) -> Region | None:
    """`Geometry`: a box and a polygon, of ratios."""
    if not geometry or "BoundingBox" not in geometry:
        return None
    points = tuple(Point(x=point.get("X", 0.0), y=point.get("Y", 0.0)) for point in geometry.get("Polygon", ()))
    return Region(box=box(geometry["BoundingBox"]), polygon=Polygon(points=points) if points else None)


def names(items: Sequence[Reply] | None) -> tuple[str, ...]:
    """The `Name` of each."""
    return tuple(str(item["Name"]) for item in items or () if item.get("Name"))


def plain(name: str) -> str:
    """A label's stable name: lower case, single spaces."""
    return " ".join(name.lower().split())


def s3_address(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; the key as it is, as in AWS's own tools: no percent-encoding."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme.lower() != "s3" or not bucket or not key:
        raise InvalidInput("an object's address is s3://bucket/key")
    return bucket, key


def document(media: Media) -> Params:
    """`Image` of Rekognition and `Document` of Textract: bytes, or an object in S3."""
    if media.data is not None:
        return {"Bytes": media.data}
    bucket, key = s3_address(str(media.uri))
    return {"S3Object": {"Bucket": bucket, "Name": key}}


def images(meter: str) -> tuple[Usage, ...]:
    """Rekognition bills one image for each request."""
    return (Usage(meter=meter, unit="image", quantity=Decimal(1)),)


def requests(meter: str, count: int) -> tuple[Usage, ...]:
    """Of a list that is free."""
    return (Usage(meter=meter, unit="request", quantity=Decimal(count)),)


def ignored(message: str) -> Notice:
    """Something asked for that AWS has no parameter for."""
    return Notice(code="option_ignored", message=message)


def request_id(reply: Reply) -> str | None:
    """Of the answer, for AWS's support."""
    found = reply.get("ResponseMetadata", {}).get("RequestId")
    return None if found is None else str(found)


def raw(reply: Reply) -> Any:
    """The answer as JSON, without transport details and streams."""
    return _json({name: value for name, value in reply.items() if name not in ("ResponseMetadata", "AudioStream")})


def told(result: R, reply: Reply, call: Call, notices: tuple[Notice, ...] = ()) -> R:
    """The result with what the envelope takes from the answer."""
    update: dict[str, object] = {"request_id": request_id(reply), "warnings": (*result.warnings, *notices)}
    if call.raw:
        update["raw"] = raw(reply)
    return result.model_copy(update=update)


def told_all(result: R, replies: Sequence[Reply], call: Call, notices: tuple[Notice, ...] = ()) -> R:
    """Of several requests: the last one's id, all their answers."""
    last = told(result, replies[-1], call, notices)
    return last.model_copy(update={"raw": [raw(reply) for reply in replies]}) if call.raw else last


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
