"""Image Analysis 4.0: labels, objects, text and captions, all of them in one request where they are asked together.

Wire: https://github.com/Azure/azure-rest-api-specs/tree/main/specification/ai/data-plane/ImageAnalysis/stable/2023-10-01
Boxes and polygons are pixels of the picture whose size is in `metadata`; each feature of a picture is a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from cloudai.types import vision as v
from cloudai.types.geometry import Region
from cloudai.types.media import Media
from cloudai.types.results import Notice, Usage
from cloudai.wirejson import JsonNode, dump
from cloudai_azure.settings import ImageOptions
from cloudai_azure.values import Frame, corners, frame_of, ignored, plain, rectangle
from cloudai_azure.wire import Answer, Flow, Wire, needed, needed_items, needed_text

API_VERSION = "2023-10-01"
FEATURES: Mapping[str, str] = {
    "vision.detect_labels": "tags",
    "vision.detect_objects": "objects",
    "vision.read_text": "read",
    "vision.caption": "caption",
}
"""Operation -> the feature that answers it."""


def analyze_wire(
    media: Media,
    features: Sequence[str],
    *,
    options: ImageOptions,
    language: str | None = None,
    gender_neutral: bool = False,
) -> Wire:
    """`imageanalysis:analyze` of bytes, or of an address that the service reads itself."""
    query = {"api-version": API_VERSION, "features": ",".join(features)}
    if language is not None:
        query["language"] = language
    if gender_neutral:
        query["gender-neutral-caption"] = "true"
    if options.model_version is not None:
        query["model-version"] = options.model_version
    return image_wire("vision", "/computervision/imageanalysis:analyze", media, query)


def image_wire(service: str, path: str, media: Media, query: Mapping[str, str]) -> Wire:
    """An image as the body, or the JSON with its address."""
    if media.data is None:
        body = dump({"url": media.uri})
        return Wire(service=service, path=path, query=query, body=body, content_type="application/json")
    return Wire(service=service, path=path, query=query, body=media.data, content_type="application/octet-stream")


def used(operation: str, *, count: int = 1) -> tuple[Usage, ...]:
    """One transaction of an operation; images are what it is counted in."""
    return (Usage(meter=operation, unit="image", quantity=Decimal(count)),)


# --- one operation -----------------------------------------------------------------------------------


def detect_labels(request: v.DetectLabelsRequest, options: ImageOptions, *, raw: bool) -> Flow[v.DetectLabelsResult]:
    language = _language(request.language)
    answer = yield analyze_wire(request.image, ["tags"], options=options, language=language)
    found = labels_of(answer, request.max_results, request.min_confidence)
    return found.model_copy(update=envelope(answer, raw))


def detect_objects(request: v.DetectObjectsRequest, options: ImageOptions, *, raw: bool) -> Flow[v.DetectObjectsResult]:
    notices = () if request.language is None else (ignored("language", "names of objects are English"),)
    answer = yield analyze_wire(request.image, ["objects"], options=options)
    found = objects_of(answer, request.max_results, request.min_confidence)
    return found.model_copy(update=envelope(answer, raw, notices))


def read_text(request: v.ReadTextRequest, options: ImageOptions, *, raw: bool) -> Flow[v.ReadTextResult]:
    notices = () if not request.languages else (ignored("languages", "the service finds the languages itself"),)
    answer = yield analyze_wire(request.image, ["read"], options=options)
    found = text_of(answer, request.min_confidence)
    return found.model_copy(update=envelope(answer, raw, notices))


def caption(request: v.CaptionRequest, options: ImageOptions, *, raw: bool) -> Flow[v.CaptionResult]:
    wanted = _language(request.language)
    notices = () if wanted in (None, "en") else (ignored("language", "captions are English"),)
    features = ["caption", "denseCaptions"] if request.dense else ["caption"]
    wire = analyze_wire(request.image, features, options=options, gender_neutral=request.gender_neutral)
    answer = yield wire
    return caption_of(answer, dense=request.dense).model_copy(update=envelope(answer, raw, notices))


def envelope(answer: Answer, raw: bool, notices: tuple[Notice, ...] = ()) -> dict[str, object]:
    """What every result takes from an answer."""
    return {"request_id": answer.request_id, "raw": answer.raw(raw), "warnings": notices}


def _language(tag: str | None) -> str | None:
    """Tags come in ISO 639-1 codes with a few regions and scripts: `pt-BR`, `zh-Hans`."""
    if tag is None:
        return None
    from cloudai.languages import normalise
    from cloudai_azure.values import to_translator

    known = normalise(tag)
    return {"pt-BR": "pt-BR", "pt-PT": "pt", "sr": "sr-Cyrl"}.get(known) or to_translator(known)


# --- what the answers mean ---------------------------------------------------------------------------


def labels_of(answer: Answer, most: int | None, least: float | None) -> v.DetectLabelsResult:
    """Highest confidence first."""
    root = answer.json
    tags = [
        v.Label(name=plain(name), vendor_name=name, confidence=tag.ratio("confidence"))
        for tag in needed_items(needed(root, "tagsResult"), "values")
        if (name := needed_text(tag, "name")) and _enough(tag, least)
    ]
    tags.sort(key=lambda label: -(label.confidence or 0.0))
    return v.DetectLabelsResult(labels=tuple(tags[:most]), usage=used("vision.detect_labels"), model=_model(root))


def objects_of(answer: Answer, most: int | None, least: float | None) -> v.DetectObjectsResult:
    """One object a box: the tag with the highest confidence."""
    root = answer.json
    frame = frame_of(needed(root, "metadata"))
    found = [
        each
        for node in needed_items(needed(root, "objectsResult"), "values")
        if (each := _object(node, frame)) is not None and (least is None or (each.confidence or 0.0) >= least)
    ]
    found.sort(key=lambda each: -(each.confidence or 0.0))
    return v.DetectObjectsResult(objects=tuple(found[:most]), usage=used("vision.detect_objects"), model=_model(root))


def _object(node: JsonNode, frame: Frame) -> v.DetectedObject | None:
    tags = needed_items(node, "tags")
    if not tags:
        return None
    best = max(tags, key=lambda tag: tag.number("confidence"))
    name = needed_text(best, "name")
    box = rectangle(needed(node, "boundingBox"), frame)
    return v.DetectedObject(name=plain(name), vendor_name=name, confidence=best.ratio("confidence"), box=box)


def text_of(answer: Answer, least: float | None) -> v.ReadTextResult:
    """One page. With a least confidence, words under it are left out, and lines of which nothing is left."""
    root = answer.json
    frame = frame_of(needed(root, "metadata"))
    blocks = [_block(node, frame, least) for node in needed_items(needed(root, "readResult"), "blocks")]
    page = v.Page(width=frame.width, height=frame.height, blocks=tuple(block for block in blocks if block.lines))
    return v.ReadTextResult(pages=(page,), usage=used("vision.read_text"), model=_model(root))


def _block(node: JsonNode, frame: Frame, least: float | None) -> v.Block:
    lines = (_line(line, frame, least) for line in needed_items(node, "lines"))
    return v.Block(lines=tuple(line for line in lines if line is not None), kind="text")


def _line(node: JsonNode, frame: Frame, least: float | None) -> v.Line | None:
    every = needed_items(node, "words")
    kept = [word for word in every if _enough(word, least)]
    if every and not kept:
        return None
    words = tuple(_word(word, frame) for word in kept)
    text = needed_text(node, "text") if len(kept) == len(every) else " ".join(word.text for word in words)
    sure = [word.confidence for word in words if word.confidence is not None]
    return v.Line(
        text=text,
        words=words,
        region=corners(needed_items(node, "boundingPolygon"), frame),
        confidence=sum(sure) / len(sure) if sure else None,
    )


def _word(node: JsonNode, frame: Frame) -> v.Word:
    region = corners(needed_items(node, "boundingPolygon"), frame)
    return v.Word(text=needed_text(node, "text"), region=region, confidence=node.ratio("confidence"))


def caption_of(answer: Answer, *, dense: bool) -> v.CaptionResult:
    """The whole picture first. Its own sentence comes among the dense ones once more, and is not repeated."""
    root = answer.json
    whole = needed(root, "captionResult")
    captions = [v.Caption(text=needed_text(whole, "text"), confidence=whole.ratio("confidence"))]
    if dense:
        frame = frame_of(needed(root, "metadata"))
        captions += [
            v.Caption(text=needed_text(node, "text"), confidence=node.ratio("confidence"), region=Region(box=box))
            for node in needed_items(needed(root, "denseCaptionsResult"), "values")
            if (box := rectangle(needed(node, "boundingBox"), frame)) and (box.w < 1 or box.h < 1)
        ]
    usage = used("vision.caption", count=2 if dense else 1)
    return v.CaptionResult(captions=tuple(captions), usage=usage, model=_model(root))


def _enough(node: JsonNode, least: float | None) -> bool:
    return least is None or node.number("confidence") >= least


def _model(root: JsonNode) -> str:
    return needed_text(root, "modelVersion")
