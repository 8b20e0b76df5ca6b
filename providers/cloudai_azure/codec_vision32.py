"""Computer Vision 3.2, for what 4.0 no longer has: brands, and the model that knows landmarks.

Wire: https://github.com/Azure/azure-rest-api-specs/blob/main/specification/cognitiveservices/data-plane/
ComputerVision/stable/v3.2/ComputerVision.json. No end date is stated for 3.2.
"""

from __future__ import annotations

from cloudai.types import vision as v
from cloudai.types.geometry import Region
from cloudai.types.media import Media
from cloudai.wirejson import JsonNode
from cloudai_azure.codec_vision import envelope, image_wire, used
from cloudai_azure.values import Frame, frame_of, plain, rectangle
from cloudai_azure.wire import Answer, Flow, Wire, needed, needed_items, needed_text


def detect_logos(request: v.DetectLogosRequest, *, raw: bool) -> Flow[v.DetectLogosResult]:
    answer = yield logos_wire(request.image)
    return logos_of(answer, request.max_results, request.min_confidence).model_copy(update=envelope(answer, raw))


def detect_landmarks(request: v.DetectLandmarksRequest, *, raw: bool) -> Flow[v.DetectLandmarksResult]:
    answer = yield landmarks_wire(request.image)
    return landmarks_of(answer, request.max_results).model_copy(update=envelope(answer, raw))


def logos_wire(media: Media) -> Wire:
    return image_wire("vision", "/vision/v3.2/analyze", media, {"visualFeatures": "Brands"})


def landmarks_wire(media: Media) -> Wire:
    return image_wire("vision", "/vision/v3.2/models/landmarks/analyze", media, {})


def logos_of(answer: Answer, most: int | None, least: float | None) -> v.DetectLogosResult:
    """Surest first."""
    root = answer.json
    frame = frame_of(needed(root, "metadata"))
    logos = [_logo(node, frame) for node in needed_items(root, "brands") if node.number("confidence") >= (least or 0)]
    logos.sort(key=lambda logo: -(logo.confidence or 0.0))
    model = root.text("modelVersion") or None
    return v.DetectLogosResult(logos=tuple(logos[:most]), usage=used("vision.detect_logos"), model=model)


def _logo(node: JsonNode, frame: Frame) -> v.Logo:
    name, place = needed_text(node, "name"), node.at("rectangle")
    region = Region(box=rectangle(place, frame)) if place else None
    return v.Logo(name=plain(name), vendor_name=name, confidence=node.ratio("confidence"), region=region)


def landmarks_of(answer: Answer, most: int | None) -> v.DetectLandmarksResult:
    """Names only: this model tells no box and no place on the map."""
    root = answer.json
    places = [
        v.Place(name=plain(name), vendor_name=name, confidence=node.ratio("confidence"))
        for node in needed_items(needed(root, "result"), "landmarks")
        if (name := needed_text(node, "name"))
    ]
    places.sort(key=lambda place: -(place.confidence or 0.0))
    model = root.text("modelVersion") or None
    return v.DetectLandmarksResult(landmarks=tuple(places[:most]), usage=used("vision.detect_landmarks"), model=model)
