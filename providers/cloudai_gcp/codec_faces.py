"""Vision's `FaceAnnotation` as faces: pixels to fractions, and left and right as the person's.

Google's left and right are those of the *viewer*: "LEFT_EYE, typically, is the person's right eye"
(`FaceAnnotation.Landmark.Type` in google/cloud/vision/v1/image_annotator.proto).
The proto gives the angles' ranges and axes, not their signs; they are taken in the order of its words (clockwise,
leftward, upwards are positive).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cloudai.types import vision as v
from cloudai.types.media import Media
from cloudai.wirejson import JsonNode
from cloudai_gcp.values import Frame, likelihood, polygon, upright

ATTRIBUTES: Mapping[str, str] = {
    "headwearLikelihood": "headwear",
    "blurredLikelihood": "blurred",
    "underExposedLikelihood": "under_exposed",
    "joyLikelihood": "joy",
    "sorrowLikelihood": "sorrow",
    "angerLikelihood": "anger",
    "surpriseLikelihood": "surprise",
}
"""The four emotions are no longer filled by the service (discovery document of 2026-10-16); read where they are."""

_SWAPPED: Final = {"LEFT": "RIGHT", "RIGHT": "LEFT"}
_NEUTRAL: Mapping[str, str] = {
    "MOUTH_LEFT": "mouth_right",
    "MOUTH_RIGHT": "mouth_left",
    "MIDPOINT_BETWEEN_EYES": "between_eyes",
    "FOREHEAD_GLABELLA": "glabella",
    "CHIN_GNATHION": "chin",
}


def faces(node: JsonNode, image: Media, least: float | None, *, attributes: bool = False) -> tuple[v.Face, ...]:
    """Largest first."""
    frame = upright(image)
    found = [_face(each, frame, attributes=attributes) for each in node.items("faceAnnotations")]
    kept = [face for face in found if least is None or face.confidence is None or face.confidence >= least]
    return tuple(sorted(kept, key=lambda face: -face.box.w * face.box.h))


def _face(node: JsonNode, frame: Frame | None, *, attributes: bool) -> v.Face:
    outline = polygon(node.at("boundingPoly"), frame)
    if outline is None or frame is None:
        node.fail("no boundingPoly.vertices")
    return v.Face(
        box=outline.box,
        polygon=outline,
        confidence=node.ratio("detectionConfidence"),
        landmarks=tuple(_landmark(each, frame) for each in node.items("landmarks")),
        pose=v.Pose(roll=node.number("rollAngle"), yaw=node.number("panAngle"), pitch=node.number("tiltAngle")),
        attributes=_attributes(node) if attributes else (),
    )


def _landmark(node: JsonNode, frame: Frame) -> v.Landmark:
    kind, where = node.text("type"), node.at("position")
    return v.Landmark(
        type=neutral(kind),
        vendor_type=kind,
        point=frame.point(where.number("x"), where.number("y")),
        z=where.number("z"),
    )


def neutral(kind: str) -> str:
    """`LEFT_EYE` (the viewer's) -> `right_eye` (the person's)."""
    if kind in _NEUTRAL:
        return _NEUTRAL[kind]
    return "_".join(_SWAPPED.get(part, part) for part in kind.split("_")).lower()


def _attributes(node: JsonNode) -> tuple[v.Attribute, ...]:
    """Words of likelihood: a number would be ours, not Google's."""
    found = ((name, node.text(member)) for member, name in ATTRIBUTES.items())
    return tuple(v.Attribute(name=name, value=word) for name, word in found if likelihood(word) is not None)
