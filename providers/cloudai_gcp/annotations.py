"""Vision's annotations as labels, objects, places, logos and moderation: the answers of `codec_vision`."""

from __future__ import annotations

from collections.abc import Mapping

from cloudai.types import vision as v
from cloudai.types.geometry import Region
from cloudai.types.media import Media
from cloudai.wirejson import JsonNode
from cloudai_gcp.values import likelihood, polygon, region, upright


def plain(name: str) -> str:
    """The neutral form of a name."""
    return " ".join(name.lower().split())


def _enough(confidence: float | None, least: float | None) -> bool:
    return least is None or confidence is None or confidence >= least


def labels(node: JsonNode, least: float | None) -> tuple[v.Label, ...]:
    found = [
        v.Label(
            name=plain(each.text("description")),
            vendor_name=each.text("description"),
            confidence=each.ratio("score"),
            vendor_id=each.text("mid") or None,
            topicality=each.ratio("topicality"),
        )
        for each in node.items("labelAnnotations")
    ]
    kept = [label for label in found if _enough(label.confidence, least)]
    return tuple(sorted(kept, key=lambda label: -(label.confidence or 0.0)))


def objects(node: JsonNode, least: float | None) -> tuple[v.DetectedObject, ...]:
    found = []
    for each in node.items("localizedObjectAnnotations"):
        outline = polygon(each.at("boundingPoly"), None)
        if outline is None:
            each.fail("no boundingPoly.normalizedVertices")
        found.append(
            v.DetectedObject(
                name=plain(each.text("name")),
                vendor_name=each.text("name"),
                confidence=each.ratio("score"),
                box=outline.box,
                polygon=outline,
                vendor_id=each.text("mid") or None,
            )
        )
    return tuple(each for each in found if _enough(each.confidence, least))


CATEGORIES: Mapping[str, v.ModerationCategory] = {
    "adult": v.ModerationCategory.SEXUAL,
    "spoof": v.ModerationCategory.SPOOF,
    "medical": v.ModerationCategory.MEDICAL,
    "violence": v.ModerationCategory.VIOLENCE,
    "racy": v.ModerationCategory.SUGGESTIVE,
}


def moderation(node: JsonNode, least: float | None) -> tuple[v.ModerationLabel, ...]:
    """All five of SafeSearch, the most likely first."""
    safe = node.at("safeSearchAnnotation")
    found = [
        v.ModerationLabel(category=category, vendor_name=name, score=likelihood(word), level=word)
        for name, category in CATEGORIES.items()
        if (word := safe.text(name))
    ]
    kept = [label for label in found if _enough(label.score, least)]
    return tuple(sorted(kept, key=lambda label: -(label.score or 0.0)))


def landmarks(node: JsonNode, image: Media) -> tuple[v.Place, ...]:
    return tuple(
        v.Place(
            name=plain(each.text("description")),
            vendor_name=each.text("description"),
            confidence=each.ratio("score"),
            locations=tuple(
                v.PlaceLocation(latitude=where.number("latitude"), longitude=where.number("longitude"))
                for where in (location.at("latLng") for location in each.items("locations"))
            ),
            region=_place(each, image),
            vendor_id=each.text("mid") or None,
        )
        for each in node.items("landmarkAnnotations")
    )


def logos(node: JsonNode, image: Media, least: float | None) -> tuple[v.Logo, ...]:
    found = (
        v.Logo(
            name=plain(each.text("description")),
            vendor_name=each.text("description"),
            confidence=each.ratio("score"),
            region=_place(each, image),
            vendor_id=each.text("mid") or None,
        )
        for each in node.items("logoAnnotations")
    )
    return tuple(logo for logo in found if _enough(logo.confidence, least))


def _place(node: JsonNode, image: Media) -> Region | None:
    return region(node.at("boundingPoly"), upright(image))
