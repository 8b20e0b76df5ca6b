"""The fake's answers when none is scripted: small, valid, and equal for equal requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from pydantic import JsonValue

from cloudai.types import custom, speech, translation, vision
from cloudai.types.geometry import Box, Point, Polygon, Region
from cloudai.types.results import Model, Result, Usage

_BOX = Box(x=0.25, y=0.25, w=0.5, h=0.5)
_POLYGON = Polygon(points=(Point(x=0.25, y=0.25), Point(x=0.75, y=0.25), Point(x=0.75, y=0.75), Point(x=0.25, y=0.75)))
_REGION = Region(box=_BOX, polygon=_POLYGON)


def default_answer(operation: str, request: Model, *, raw: bool = False) -> Result:
    """A valid result of `operation`; `raw` is there when it was asked for."""
    answer = _ANSWERS[operation](request)
    unit, quantity = _usage(operation, request)
    original: JsonValue = {"fake": operation} if raw else None
    return answer.model_copy(
        update={
            "usage": (Usage(meter=operation, unit=unit, quantity=Decimal(quantity)),),
            "model": "fake-1",
            "request_id": "fake-request",
            "raw": original,
        }
    )


def _usage(operation: str, request: Any) -> tuple[str, int | Decimal]:
    from cloudai_pricing.operations import operations

    unit = operations()[operation].unit
    if hasattr(request, "texts"):
        return unit, sum(map(len, request.texts))
    if hasattr(request, "audio") and request.audio.audio and request.audio.audio.duration:
        return unit, Decimal(str(round(request.audio.audio.duration, 3)))
    return unit, len(request.text) if hasattr(request, "text") else 1


def _page(text: str) -> vision.Page:
    words = tuple(vision.Word(text=word, region=_REGION, confidence=0.9) for word in text.split())
    line = vision.Line(
        text=text, words=words, region=_REGION, confidence=0.9, direction=vision.TextDirection.LEFT_TO_RIGHT
    )
    return vision.Page(number=1, width=100, height=100, blocks=(vision.Block(lines=(line,), region=_REGION),))


def _silence(request: speech.SynthesizeRequest) -> speech.SynthesizeResult:
    import io
    import wave

    rate = request.sample_rate or 16000
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * (rate // 10)))
    return speech.SynthesizeResult(
        audio=buffer.getvalue(),
        sample_rate=rate,
        duration=0.1,
        voice=request.voice or "fake",
        language=request.language,
    )


def _translate(request: translation.TranslateRequest) -> translation.TranslateResult:
    return translation.TranslateResult(
        translations=tuple(
            translation.Translation(
                text=f"[{request.target}] {text}", source=request.source or "en", detected=request.source is None
            )
            for text in request.texts
        ),
        target=request.target,
    )


def _transcribe(request: speech.TranscribeRequest) -> speech.TranscribeResult:
    length = request.audio.audio.duration if request.audio.audio else None
    word = speech.TranscriptWord(text="fake", start=0.0, end=length, confidence=0.9)
    segment = speech.TranscriptSegment(text="fake", start=0.0, end=length, confidence=0.9, words=(word,))
    return speech.TranscribeResult(text="fake", language=request.language or "en", duration=length, segments=(segment,))


def _label(name: str) -> vision.Label:
    return vision.Label(name=name, vendor_name=name.title(), confidence=0.9)


_ANSWERS: Mapping[str, Callable[[Any], Result]] = {
    "vision.detect_labels": lambda _: vision.DetectLabelsResult(labels=(_label("fake"),)),
    "vision.detect_objects": lambda _: vision.DetectObjectsResult(
        objects=(vision.DetectedObject(name="fake", vendor_name="Fake", confidence=0.9, box=_BOX),)
    ),
    "vision.detect_faces": lambda _: vision.DetectFacesResult(faces=(vision.Face(box=_BOX, confidence=0.9),)),
    "vision.read_text": lambda _: vision.ReadTextResult(pages=(_page("fake text"),)),
    "vision.read_document": lambda _: vision.ReadDocumentResult(pages=(_page("fake document"),)),
    "vision.moderate": lambda _: vision.ModerateResult(),
    "vision.detect_landmarks": lambda _: vision.DetectLandmarksResult(),
    "vision.detect_logos": lambda _: vision.DetectLogosResult(),
    "vision.caption": lambda _: vision.CaptionResult(captions=(vision.Caption(text="a fake", confidence=0.9),)),
    "speech.transcribe": _transcribe,
    "speech.synthesize": _silence,
    "speech.voices": lambda _: speech.VoicesResult(voices=(speech.Voice(id="fake", name="Fake", languages=("en",)),)),
    "translation.translate": _translate,
    "translation.detect_language": lambda request: translation.DetectLanguageResult(
        detections=tuple(translation.LanguageDetection(language="en", confidence=0.9) for _ in request.texts)
    ),
    "translation.languages": lambda _: translation.LanguagesResult(
        languages=(translation.Language(code="en", name="English"), translation.Language(code="de", name="German"))
    ),
    "translation.translate_document": lambda request: translation.TranslateDocumentResult(
        document=request.document.content, content_type=request.document.content_type or "", target=request.target
    ),
    "custom.train": lambda request: custom.TrainResult(
        run=custom.RunRef(backend="fake", id=f"fake-{request.name}", name=request.name)
    ),
    "custom.deploy": lambda request: custom.DeployResult(
        endpoint=custom.EndpointRef(backend="fake", id=request.name, name=request.name)
    ),
    "custom.predict": lambda request: custom.PredictResult(outputs=request.tensors, device="cpu"),
    "custom.batch_predict": lambda _: custom.BatchPredictResult(),
}
