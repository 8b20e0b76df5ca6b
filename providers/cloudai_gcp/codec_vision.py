"""Vision v1 `images:annotate`: one image or sixteen, one feature or several. Pure: requests in, results out.

https://cloud.google.com/vision/docs/reference/rest/v1/AnnotateImageResponse
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from cloudai.errors import InvalidInput
from cloudai.types import vision as v
from cloudai.types.media import Media
from cloudai.types.results import Notice, Result, Usage
from cloudai.wirejson import JsonNode
from cloudai_gcp.annotations import labels, landmarks, logos, moderation, objects
from cloudai_gcp.codec_faces import faces
from cloudai_gcp.codec_text import pages
from cloudai_gcp.errors import GoogleError, error_of_status
from cloudai_gcp.values import to_vision
from cloudai_gcp.wire import Answer, JsonObject, Plan, Target, Wire

R = TypeVar("R", bound=Result)

SERVICE: Final = "vision"
IMAGES_PER_REQUEST: Final = 16
"""https://cloud.google.com/vision/quotas"""
BYTES_PER_REQUEST: Final = 10 * 1024 * 1024
"""Of JSON: https://cloud.google.com/vision/quotas"""

FEATURES: Mapping[str, str] = {
    "vision.detect_labels": "LABEL_DETECTION",
    "vision.detect_objects": "OBJECT_LOCALIZATION",
    "vision.detect_faces": "FACE_DETECTION",
    "vision.read_text": "TEXT_DETECTION",
    "vision.moderate": "SAFE_SEARCH_DETECTION",
    "vision.detect_landmarks": "LANDMARK_DETECTION",
    "vision.detect_logos": "LOGO_DETECTION",
}
_UNCOUNTED: Final = frozenset({"TEXT_DETECTION", "DOCUMENT_TEXT_DETECTION", "SAFE_SEARCH_DETECTION"})
"""Features to which `maxResults` does not apply."""


def detect_labels(
    request: v.DetectLabelsRequest, target: Target, *, model: str | None = None, raw: bool = False
) -> Plan[v.DetectLabelsResult]:
    notices = _english(request.language)
    asked = [feature("LABEL_DETECTION", request.max_results, model)]

    def decode(node: JsonNode) -> v.DetectLabelsResult:
        return v.DetectLabelsResult(labels=labels(node, request.min_confidence), warnings=notices)

    return _single(request.image, asked, target, decode, raw=raw)


def detect_objects(
    request: v.DetectObjectsRequest, target: Target, *, model: str | None = None, raw: bool = False
) -> Plan[v.DetectObjectsResult]:
    notices = _english(request.language)
    asked = [feature("OBJECT_LOCALIZATION", request.max_results, model)]

    def decode(node: JsonNode) -> v.DetectObjectsResult:
        return v.DetectObjectsResult(objects=objects(node, request.min_confidence), warnings=notices)

    return _single(request.image, asked, target, decode, raw=raw)


def detect_faces(
    request: v.DetectFacesRequest, target: Target, *, model: str | None = None, raw: bool = False
) -> Plan[v.DetectFacesResult]:
    _check_size(request.image)
    asked = [feature("FACE_DETECTION", request.max_results, model)]

    def decode(node: JsonNode) -> v.DetectFacesResult:
        found = faces(node, request.image, request.min_confidence, attributes=request.attributes)
        return v.DetectFacesResult(faces=found)

    return _single(request.image, asked, target, decode, raw=raw)


def read_text(
    request: v.ReadTextRequest, target: Target, *, model: str | None = None, raw: bool = False
) -> Plan[v.ReadTextResult]:
    kind = "DOCUMENT_TEXT_DETECTION" if request.dense else "TEXT_DETECTION"
    hints = [to_vision(tag) for tag in request.languages]

    def decode(node: JsonNode) -> v.ReadTextResult:
        return v.ReadTextResult(pages=pages(node.at("fullTextAnnotation"), request.image, request.min_confidence))

    return _single(request.image, [feature(kind, None, model)], target, decode, raw=raw, hints=hints)


def moderate(
    request: v.ModerateRequest, target: Target, *, model: str | None = None, raw: bool = False
) -> Plan[v.ModerateResult]:
    asked = [feature("SAFE_SEARCH_DETECTION", None, model)]

    def decode(node: JsonNode) -> v.ModerateResult:
        return v.ModerateResult(labels=moderation(node, request.min_confidence))

    return _single(request.image, asked, target, decode, raw=raw)


def detect_landmarks(
    request: v.DetectLandmarksRequest, target: Target, *, model: str | None = None, raw: bool = False
) -> Plan[v.DetectLandmarksResult]:
    asked = [feature("LANDMARK_DETECTION", request.max_results, model)]

    def decode(node: JsonNode) -> v.DetectLandmarksResult:
        return v.DetectLandmarksResult(landmarks=landmarks(node, request.image), warnings=_unplaced(request.image))

    return _single(request.image, asked, target, decode, raw=raw)


def detect_logos(
    request: v.DetectLogosRequest, target: Target, *, model: str | None = None, raw: bool = False
) -> Plan[v.DetectLogosResult]:
    asked = [feature("LOGO_DETECTION", request.max_results, model)]

    def decode(node: JsonNode) -> v.DetectLogosResult:
        found = logos(node, request.image, request.min_confidence)
        return v.DetectLogosResult(logos=found, warnings=_unplaced(request.image))

    return _single(request.image, asked, target, decode, raw=raw)


# --- several operations on several images ------------------------------------------------------------


def analyze(request: v.AnalyzeRequest, target: Target, *, raw: bool = False) -> Plan[tuple[v.Analysis, ...]]:
    """All operations of an image in one of its requests; images are packed by number and by bytes."""
    if "vision.detect_faces" in request.operations:
        for image in request.images:
            _check_size(image)
    asked = [feature(FEATURES[name], request.max_results, None) for name in request.operations]
    groups = _packed([image_request(image, asked) for image in request.images])

    def decode(answers: Sequence[Answer]) -> tuple[v.Analysis, ...]:
        nodes = [node for answer, group in zip(answers, groups, strict=True) for node in responses(answer, len(group))]
        pairs = zip(nodes, request.images, strict=True)
        return tuple(_analysis(node, image, request, raw) for node, image in pairs)

    return Plan(wires=tuple(annotate(group, target) for group in groups), decode=decode)


def _packed(requests: Sequence[JsonObject]) -> list[list[JsonObject]]:
    groups: list[list[JsonObject]] = []
    size = 0
    for request in requests:
        mine = _json_size(request)
        if not groups or len(groups[-1]) == IMAGES_PER_REQUEST or size + mine > BYTES_PER_REQUEST:
            groups.append([])
            size = 100
        groups[-1].append(request)
        size += mine
    return groups


def _json_size(request: JsonObject) -> int:
    """Bytes of one image's part: its base64 and a margin for the rest."""
    image = request["image"]
    assert isinstance(image, Mapping)
    return len(image.get("content", "")) + 2_000


def _analysis(node: JsonNode, image: Media, request: v.AnalyzeRequest, raw: bool) -> v.Analysis:
    """One image's answers. An error of the image stands beside what was found all the same."""
    failed = _failure(node)
    results: dict[str, Result] = {}
    errors: dict[str, v.ItemError] = {}
    for name in request.operations:
        if failed is not None and not node.at(_PRESENT[name]):
            errors[name] = v.ItemError(code=failed.fault.code.value, message=str(failed))
        else:
            found = _DECODERS[name](node, image, request)
            usage = usage_of([FEATURES[name]])
            own = node.value if raw else None
            results[v.ANALYSIS_FIELDS[name]] = found.model_copy(update={"usage": usage, "raw": own})
    return v.Analysis.model_validate({**results, "errors": errors})


_PRESENT: Mapping[str, str] = {
    "vision.detect_labels": "labelAnnotations",
    "vision.detect_objects": "localizedObjectAnnotations",
    "vision.detect_faces": "faceAnnotations",
    "vision.read_text": "fullTextAnnotation",
    "vision.moderate": "safeSearchAnnotation",
    "vision.detect_landmarks": "landmarkAnnotations",
    "vision.detect_logos": "logoAnnotations",
}
"""What an image's answer has when the operation was done, and found something."""

_DECODERS: Mapping[str, Callable[[JsonNode, Media, v.AnalyzeRequest], Result]] = {
    "vision.detect_labels": lambda node, _, r: v.DetectLabelsResult(labels=labels(node, r.min_confidence)),
    "vision.detect_objects": lambda node, _, r: v.DetectObjectsResult(objects=objects(node, r.min_confidence)),
    "vision.detect_faces": lambda node, image, r: v.DetectFacesResult(faces=faces(node, image, r.min_confidence)),
    "vision.read_text": lambda node, image, r: v.ReadTextResult(
        pages=pages(node.at("fullTextAnnotation"), image, r.min_confidence)
    ),
    "vision.moderate": lambda node, _, r: v.ModerateResult(labels=moderation(node, r.min_confidence)),
    "vision.detect_landmarks": lambda node, image, _: v.DetectLandmarksResult(landmarks=landmarks(node, image)),
    "vision.detect_logos": lambda node, image, r: v.DetectLogosResult(logos=logos(node, image, r.min_confidence)),
}


# --- requests ----------------------------------------------------------------------------------------


def feature(kind: str, max_results: int | None, model: str | None) -> JsonObject:
    """One element of `features`."""
    made: dict[str, object] = {"type": kind}
    if max_results is not None and kind not in _UNCOUNTED:
        made["maxResults"] = max_results
    if model is not None:
        made["model"] = model
    return made


def image_request(media: Media, features: Sequence[JsonObject], hints: Sequence[str] = ()) -> JsonObject:
    """One `AnnotateImageRequest`: the bytes, or the address of an object."""
    image: JsonObject
    if media.data is None:
        image = {"source": {"imageUri": media.uri}}
    else:
        image = {"content": base64.b64encode(media.data).decode("ascii")}
    made: dict[str, object] = {"image": image, "features": list(features)}
    if hints:
        made["imageContext"] = {"languageHints": list(hints)}
    return made


def annotate(requests: Sequence[JsonObject], target: Target) -> Wire:
    """The request; `us` and `eu` keep the image there: https://cloud.google.com/vision/docs/ocr#regionalization."""
    body: dict[str, object] = {"requests": list(requests)}
    path = "/v1/images:annotate"
    regional = target.location in ("us", "eu") and bool(target.project)
    if regional:
        body["parent"] = target.parent()
        path = f"/v1/{target.parent()}/images:annotate"
    return Wire(service=f"{target.location}-{SERVICE}" if regional else SERVICE, path=path, body=body)


def _single(
    image: Media,
    features: Sequence[JsonObject],
    target: Target,
    decode: Callable[[JsonNode], R],
    *,
    raw: bool,
    hints: Sequence[str] = (),
) -> Plan[R]:
    kinds = [str(each["type"]) for each in features]

    def whole(answers: Sequence[Answer]) -> R:
        node = responses(answers[0], 1)[0]
        failed = _failure(node)
        if failed is not None:
            raise failed
        update: dict[str, Any] = {"usage": usage_of(kinds), "request_id": answers[0].request_id}
        return decode(node).model_copy(update={**update, "raw": answers[0].json.value if raw else None})

    return Plan(wires=(annotate([image_request(image, features, hints)], target),), decode=whole)


def responses(answer: Answer, expected: int) -> list[JsonNode]:
    """An answer for each image, in order."""
    found = answer.json.items("responses")
    if len(found) != expected:
        answer.json.at("responses").fail(f"{len(found)} answers for {expected} images")
    return found


def usage_of(kinds: Iterable[str]) -> tuple[Usage, ...]:
    """An image of each feature: https://cloud.google.com/vision/pricing."""
    return tuple(_METERS[kind] for kind in kinds)


_VARIANTS: Mapping[str, tuple[str, str | None]] = {
    **{kind: (name, None) for name, kind in FEATURES.items()},
    "TEXT_DETECTION": ("vision.read_text", "text"),
    "DOCUMENT_TEXT_DETECTION": ("vision.read_text", "dense"),
}
_METERS: Mapping[str, Usage] = {
    kind: Usage(meter=meter, unit="image", quantity=Decimal(1), variant=variant)
    for kind, (meter, variant) in _VARIANTS.items()
}


def _failure(node: JsonNode) -> GoogleError | None:
    error = node.at("error")
    return error_of_status(error) if error and error.integer("code") else None


def _english(language: str | None) -> tuple[Notice, ...]:
    if language is None or language.lower().startswith("en"):
        return ()
    return (Notice(code="option_ignored", message="Vision names what it finds in English only"),)


def _check_size(image: Media) -> None:
    """Faces have no place without the picture's size, and Google gives pixels."""
    if image.image is None:
        raise InvalidInput(
            "Google gives the places of faces in pixels, and the size of this picture is not known: pass its bytes"
        )


def _unplaced(image: Media) -> tuple[Notice, ...]:
    if image.image is not None:
        return ()
    text = "places are left out: Google gives pixels, and the size of the picture is not known without its bytes"
    return (Notice(code="partial", message=text),)
