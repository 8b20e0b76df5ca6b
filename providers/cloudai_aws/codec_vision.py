"""Rekognition: requests as parameters, answers as results. Pure functions, no I/O.

Positions are those of the upright picture: Rekognition turns a JPEG by its Exif orientation first, and then says
nothing of it (`OrientationCorrection` is always null). A PNG is taken as it is stored. Source:
https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectLabels.html (read 2026-11-21).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files

from cloudai.types import vision as v
from cloudai.types.geometry import Point, Region
from cloudai.types.media import Media
from cloudai.types.results import Notice
from cloudai_aws.reply import Params, Reply, box, document, ignored, images, names, percent, plain, ratio, region
from cloudai_aws.settings import LabelOptions, ModerationOptions

LANDMARKS_CATEGORY = "Popular Landmarks"
"""The category of DetectLabels that holds buildings and places with a name:
https://docs.aws.amazon.com/rekognition/latest/dg/labels.html (read 2026-11-21)."""


# --- labels and objects --------------------------------------------------------------------------


def encode_labels(
    request: v.DetectLabelsRequest | v.DetectObjectsRequest | v.DetectLandmarksRequest, options: LabelOptions
) -> Params:
    """`DetectLabels`. For objects `max_results` counts boxes, so it is not sent: `MaxLabels` counts labels."""
    params: Params = {"Image": document(request.image), "Features": ["GENERAL_LABELS"]}
    if isinstance(request, v.DetectLabelsRequest) and request.max_results is not None:
        params["MaxLabels"] = request.max_results
    least = getattr(request, "min_confidence", None)
    if least is not None:
        params["MinConfidence"] = percent(least)
    filters = {
        "LabelInclusionFilters": options.include,
        "LabelExclusionFilters": options.exclude,
        "LabelCategoryInclusionFilters": options.include_categories,
        "LabelCategoryExclusionFilters": options.exclude_categories,
    }
    given = {name: list(values) for name, values in filters.items() if values}
    if given:
        params["Settings"] = {"GeneralLabels": given}
    return params


def label_notices(language: str | None) -> tuple[Notice, ...]:
    """Rekognition names labels in English."""
    if language is None or language.lower().split("-")[0] == "en":
        return ()
    return (ignored(f"Rekognition names labels in English, not in {language}"),)


def decode_labels(reply: Reply) -> v.DetectLabelsResult:
    labels = [
        v.Label(
            name=plain(found["Name"]),
            vendor_name=found["Name"],
            confidence=ratio(found.get("Confidence")),
            parents=tuple(map(plain, names(found.get("Parents")))),
            aliases=names(found.get("Aliases")),
            categories=names(found.get("Categories")),
        )
        for found in reply.get("Labels", ())
    ]
    return v.DetectLabelsResult(
        labels=tuple(sorted(labels, key=lambda label: -(label.confidence or 0))),
        usage=images("vision.detect_labels"),
        model=reply.get("LabelModelVersion"),
    )


def decode_objects(reply: Reply, request: v.DetectObjectsRequest) -> v.DetectObjectsResult:
    """Labels that can be counted come with an instance for each place."""
    least = request.min_confidence or 0.0
    found = [one for one in _objects(reply) if one.confidence is None or one.confidence >= least]
    found.sort(key=lambda one: -(one.confidence or 0))
    return v.DetectObjectsResult(
        objects=tuple(found[: request.max_results]),
        usage=images("vision.detect_objects"),
        model=reply.get("LabelModelVersion"),
    )


def _objects(reply: Reply) -> Iterator[v.DetectedObject]:
    for label in reply.get("Labels", ()):
        for instance in label.get("Instances", ()):
            yield v.DetectedObject(
                name=plain(label["Name"]),
                vendor_name=label["Name"],
                confidence=ratio(instance.get("Confidence")),
                box=box(instance.get("BoundingBox", {})),
                parents=tuple(map(plain, names(label.get("Parents")))),
            )


def decode_landmarks(reply: Reply, request: v.DetectLandmarksRequest) -> v.DetectLandmarksResult:
    """Labels of the category of landmarks; without a place on the map. Billed as labels."""
    places = [
        v.Place(
            name=plain(label["Name"]),
            vendor_name=label["Name"],
            confidence=ratio(label.get("Confidence")),
            region=next((Region(box=box(each["BoundingBox"])) for each in label.get("Instances", ())), None),
        )
        for label in reply.get("Labels", ())
        if LANDMARKS_CATEGORY in names(label.get("Categories"))
    ]
    places.sort(key=lambda place: -(place.confidence or 0))
    return v.DetectLandmarksResult(
        landmarks=tuple(places[: request.max_results]),
        usage=images("vision.detect_labels"),
        model=reply.get("LabelModelVersion"),
    )


# --- faces ---------------------------------------------------------------------------------------


def encode_faces(request: v.DetectFacesRequest) -> Params:
    return {"Image": document(request.image), "Attributes": ["ALL" if request.attributes else "DEFAULT"]}


def decode_faces(reply: Reply, request: v.DetectFacesRequest) -> v.DetectFacesResult:
    faces = [_face(found) for found in reply.get("FaceDetails", ())]
    least = request.min_confidence or 0.0
    faces = [face for face in faces if face.confidence is None or face.confidence >= least]
    faces.sort(key=lambda face: -face.box.w * face.box.h)
    return v.DetectFacesResult(faces=tuple(faces[: request.max_results]), usage=images("vision.detect_faces"))


def _face(found: Reply) -> v.Face:
    quality = found.get("Quality", {})
    return v.Face(
        box=box(found.get("BoundingBox", {})),
        confidence=ratio(found.get("Confidence")),
        landmarks=tuple(_landmark(each) for each in found.get("Landmarks", ())),
        pose=_pose(found.get("Pose")),
        attributes=tuple(_attributes(found)),
        sharpness=ratio(quality.get("Sharpness")),
        brightness=ratio(quality.get("Brightness")),
    )


def _landmark(found: Reply) -> v.Landmark:
    kind = str(found["Type"])
    return v.Landmark(
        type=_table("faces", "landmarks").get(kind, kind),
        vendor_type=kind,
        point=Point(x=found.get("X", 0.0), y=found.get("Y", 0.0)),
    )


def _pose(found: Reply | None) -> v.Pose | None:
    """Signs are ours already. No page of AWS's says so; what its published answers show is this. Roll -8.8 goes with a
    right-hand eye that is higher and yaw 20.3 with a nose to the right of the eyes' middle (so a positive one is
    clockwise, and to the person's left):
    https://docs.aws.amazon.com/rekognition/latest/dg/celebrities-video-sqs.html (read 2026-11-21). The greater the
    pitch, the nearer is the nose to the eyes: 0.55 of the way to the mouth at 0.9 degrees, 0.45 at 8.6, 0.42 at 17.8;
    a positive one is up."""
    return None if found is None else v.Pose(roll=found.get("Roll"), yaw=found.get("Yaw"), pitch=found.get("Pitch"))


def _attributes(found: Reply) -> Iterator[v.Attribute]:
    if ages := found.get("AgeRange"):
        yield v.Attribute(name="age_low", value=float(ages["Low"]))
        yield v.Attribute(name="age_high", value=float(ages["High"]))
    for member, name in _table("faces", "attributes").items():
        if member in found:
            value = found[member].get("Value")
            value = value.lower() if isinstance(value, str) else bool(value)
            yield v.Attribute(name=name, value=value, confidence=ratio(found[member].get("Confidence")))
    for emotion in sorted(found.get("Emotions", ()), key=lambda each: -each.get("Confidence", 0)):
        name = f"emotion_{str(emotion['Type']).lower()}"
        yield v.Attribute(name=name, value=True, confidence=ratio(emotion.get("Confidence")))
    if gaze := found.get("EyeDirection"):
        for angle in ("Yaw", "Pitch"):
            value = float(gaze.get(angle, 0.0))
            yield v.Attribute(name=f"gaze_{angle.lower()}", value=value, confidence=ratio(gaze.get("Confidence")))


# --- text in a picture ---------------------------------------------------------------------------


def encode_text(request: v.ReadTextRequest) -> Params:
    params: Params = {"Image": document(request.image)}
    if request.min_confidence is not None:
        params["Filters"] = {"WordFilter": {"MinConfidence": percent(request.min_confidence)}}
    return params


def text_notices(languages: Iterable[str]) -> tuple[Notice, ...]:
    """Neither Rekognition nor Textract can be told a language."""
    given = ", ".join(languages)
    return (ignored(f"AWS finds the language of a text itself; {given} was not sent"),) if given else ()


def decode_text(reply: Reply, request: v.ReadTextRequest) -> v.ReadTextResult:
    found = reply.get("TextDetections", ())
    least = request.min_confidence or 0.0
    words: dict[int, list[v.Word]] = {}
    for each in found:
        if each.get("Type") == "WORD":
            words.setdefault(each.get("ParentId", -1), []).append(_word(each))
    lines = tuple(
        v.Line(
            text=each.get("DetectedText", ""),
            words=tuple(words.get(each.get("Id", -1), ())),
            region=region(each.get("Geometry")),
            confidence=ratio(each.get("Confidence")),
        )
        for each in found
        if each.get("Type") == "LINE" and (ratio(each.get("Confidence")) or 0.0) >= least
    )
    width, height = _upright(request.image)
    page = v.Page(width=width, height=height, blocks=(v.Block(lines=lines),) if lines else ())
    return v.ReadTextResult(pages=(page,), usage=images("vision.read_text"), model=reply.get("TextModelVersion"))


def _upright(image: Media) -> tuple[int | None, int | None]:
    """Width and height of what Rekognition looked at. It does not look for Exif in a PNG."""
    info = image.image
    if info is None:
        return None, None
    turned = info.orientation >= 5 and image.content_type == "image/jpeg"
    return (info.height, info.width) if turned else (info.width, info.height)


def _word(found: Reply) -> v.Word:
    return v.Word(
        text=found.get("DetectedText", ""),
        region=region(found.get("Geometry")),
        confidence=ratio(found.get("Confidence")),
    )


# --- moderation ----------------------------------------------------------------------------------


def encode_moderation(request: v.ModerateRequest, options: ModerationOptions) -> Params:
    params: Params = {"Image": document(request.image)}
    if request.min_confidence is not None:
        params["MinConfidence"] = percent(request.min_confidence)
    if options.project_version is not None:
        params["ProjectVersion"] = options.project_version
    return params


def decode_moderation(reply: Reply, options: ModerationOptions) -> v.ModerateResult:
    labels = tuple(
        v.ModerationLabel(
            category=category(str(found["Name"]), found.get("ParentName") or ""),
            vendor_name=found["Name"],
            score=ratio(found.get("Confidence")),
            vendor_parent=found.get("ParentName") or None,
        )
        for found in reply.get("ModerationLabels", ())
    )
    usage = images("vision.moderate")
    if options.project_version is not None:
        usage = tuple(each.model_copy(update={"variant": "custom"}) for each in usage)
    return v.ModerateResult(labels=labels, usage=usage, model=reply.get("ModerationModelVersion"))


def category(name: str, parent: str) -> v.ModerationCategory:
    """The neutral category of a label, by its name, else by its parent's."""
    known = _table("moderation", "category")
    return v.ModerationCategory(known.get(name) or known.get(parent) or "other")


@cache
def _table(file: str, name: str) -> Mapping[str, str]:
    text = files("cloudai_aws").joinpath(f"{file}.toml").read_text(encoding="utf-8")
    table: dict[str, str] = tomllib.loads(text)[name]
    return table
