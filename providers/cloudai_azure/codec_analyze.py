"""Several operations on several images: what Image Analysis 4.0 answers goes in one request an image."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from cloudai.types import vision as v
from cloudai.types.media import Media
from cloudai.types.results import Result
from cloudai_azure import codec_faces, codec_safety, codec_vision, codec_vision32
from cloudai_azure.errors import AzureError
from cloudai_azure.settings import FaceOptions, ImageOptions, ModerationOptions
from cloudai_azure.wire import Answer, Flow, Pause, Wire

R = TypeVar("R", bound=Result)
Asked = Generator[Wire | Pause, Answer, Result]


def analyze(request: v.AnalyzeRequest, *, raw: bool) -> Flow[Sequence[v.Analysis]]:
    """One answer per image. A failure of one operation is its own; when all failed, the first is raised."""
    answers, failures = list[v.Analysis](), list[AzureError]()
    for image in request.images:
        analysis, failed = yield from _one(image, request, raw)
        answers.append(analysis)
        failures += failed
    if failures and all(len(each.errors) == len(request.operations) for each in answers):
        raise failures[0]
    return answers


def _one(image: Media, request: v.AnalyzeRequest, raw: bool) -> Flow[tuple[v.Analysis, list[AzureError]]]:
    results, errors, failures = dict[str, Result](), dict[str, v.ItemError](), list[AzureError]()
    together = [name for name in request.operations if name in codec_vision.FEATURES]
    parts: list[tuple[Sequence[str], Flow[dict[str, Result]]]] = []
    if together:
        parts.append((together, _together(image, together, request, raw)))
    parts += [([name], _alone(image, name, request, raw)) for name in request.operations if name not in together]
    for names, part in parts:
        try:
            results |= yield from part
        except AzureError as error:
            failures.append(error)
            failed = v.ItemError(code=error.fault.code.value, message=str(error))
            errors |= dict.fromkeys(names, failed)
    fields = {v.ANALYSIS_FIELDS[name]: result for name, result in results.items()}
    return v.Analysis.model_validate({**fields, "errors": errors}), failures


def _together(image: Media, names: Sequence[str], request: v.AnalyzeRequest, raw: bool) -> Flow[dict[str, Result]]:
    """One request; each operation is a transaction of its own all the same."""
    features = [codec_vision.FEATURES[name] for name in names]
    answer = yield codec_vision.analyze_wire(image, features, options=ImageOptions())
    most, least = request.max_results, request.min_confidence
    decode: dict[str, Callable[[], Result]] = {
        "vision.detect_labels": lambda: codec_vision.labels_of(answer, most, least),
        "vision.detect_objects": lambda: codec_vision.objects_of(answer, most, least),
        "vision.read_text": lambda: codec_vision.text_of(answer, least),
        "vision.caption": lambda: codec_vision.caption_of(answer, dense=False),
    }
    return {name: decode[name]().model_copy(update=codec_vision.envelope(answer, raw)) for name in names}


def _alone(image: Media, name: str, request: v.AnalyzeRequest, raw: bool) -> Flow[dict[str, Result]]:
    """Faces, moderation, landmarks and logos are services of their own."""
    most, least = request.max_results, request.min_confidence
    if name == "vision.detect_faces":
        faces = v.DetectFacesRequest(image=image, max_results=most)
        return {name: (yield from codec_faces.detect_faces(faces, FaceOptions(), raw=raw))}
    if name == "vision.moderate":
        moderation = v.ModerateRequest(image=image, min_confidence=least)
        return {name: (yield from codec_safety.moderate(moderation, ModerationOptions(), raw=raw))}
    if name == "vision.detect_landmarks":
        landmarks = v.DetectLandmarksRequest(image=image, max_results=most)
        return {name: (yield from codec_vision32.detect_landmarks(landmarks, raw=raw))}
    logos = v.DetectLogosRequest(image=image, max_results=most, min_confidence=least)
    return {name: (yield from codec_vision32.detect_logos(logos, raw=raw))}
