"""Each operation's request and result type. Names, verbs and meters come from `cloudai_pricing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cloudai.types import custom, speech, translation, vision
from cloudai.types.media import MediaKind
from cloudai.types.results import Model, Result


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationType:
    """The types of one operation, and which of the request's fields the guard looks at."""

    request: type[Model]
    result: type[Result]
    media: str | None = None
    """The field that holds a file."""
    kind: MediaKind | None = None
    text: str | None = None
    """The field that holds a text or several."""


def _image(request: type[Model], result: type[Result]) -> OperationType:
    return OperationType(request=request, result=result, media="image", kind=MediaKind.IMAGE)


def _document(request: type[Model], result: type[Result]) -> OperationType:
    return OperationType(request=request, result=result, media="document", kind=MediaKind.DOCUMENT)


TYPES: Mapping[str, OperationType] = {
    "vision.detect_labels": _image(vision.DetectLabelsRequest, vision.DetectLabelsResult),
    "vision.detect_objects": _image(vision.DetectObjectsRequest, vision.DetectObjectsResult),
    "vision.detect_faces": _image(vision.DetectFacesRequest, vision.DetectFacesResult),
    "vision.read_text": _image(vision.ReadTextRequest, vision.ReadTextResult),
    "vision.read_document": _document(vision.ReadDocumentRequest, vision.ReadDocumentResult),
    "vision.moderate": _image(vision.ModerateRequest, vision.ModerateResult),
    "vision.detect_landmarks": _image(vision.DetectLandmarksRequest, vision.DetectLandmarksResult),
    "vision.detect_logos": _image(vision.DetectLogosRequest, vision.DetectLogosResult),
    "vision.caption": _image(vision.CaptionRequest, vision.CaptionResult),
    "speech.transcribe": OperationType(
        request=speech.TranscribeRequest, result=speech.TranscribeResult, media="audio", kind=MediaKind.AUDIO
    ),
    "speech.synthesize": OperationType(request=speech.SynthesizeRequest, result=speech.SynthesizeResult, text="text"),
    "speech.voices": OperationType(request=speech.VoicesRequest, result=speech.VoicesResult),
    "translation.translate": OperationType(
        request=translation.TranslateRequest, result=translation.TranslateResult, text="texts"
    ),
    "translation.detect_language": OperationType(
        request=translation.DetectLanguageRequest, result=translation.DetectLanguageResult, text="texts"
    ),
    "translation.languages": OperationType(request=translation.LanguagesRequest, result=translation.LanguagesResult),
    "translation.translate_document": _document(
        translation.TranslateDocumentRequest, translation.TranslateDocumentResult
    ),
    "custom.train": OperationType(request=custom.TrainingJob, result=custom.TrainResult),
    "custom.deploy": OperationType(request=custom.DeployRequest, result=custom.DeployResult),
    "custom.predict": OperationType(request=custom.PredictRequest, result=custom.PredictResult),
    "custom.batch_predict": OperationType(request=custom.BatchPredictRequest, result=custom.BatchPredictResult),
}
