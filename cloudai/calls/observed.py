"""What is written down of an answer for `cloudai stats`: its first label, how sure it is, its language. No payload.

Moved together over many calls, these show that a vendor changed a model or that the inputs have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cloudai.operations import TYPES

if TYPE_CHECKING:
    from cloudai.types.results import Model, Result

NOTHING: Final = "(none)"
"""The label of an answer that found nothing."""


@dataclass(frozen=True, slots=True)
class Observed:
    """`None`: this operation has no such thing, or the backend did not say."""

    label: str | None = None
    confidence: float | None = None
    language: str | None = None


NOT_ANSWERED: Final = Observed()


def _first(items: Sequence[Any], label: str, confidence: str = "confidence") -> Observed:
    if not items:
        return Observed(label=NOTHING)
    return Observed(label=str(getattr(items[0], label)), confidence=getattr(items[0], confidence))


def _likeliest(result: Any) -> Observed:
    """Vendors list moderation in their own order."""
    return _first(sorted(result.labels, key=lambda label: label.score or 0.0, reverse=True), "category", "score")


def _text(result: Any) -> Observed:
    """The mean confidence of lines says whether pictures got worse or a model changed."""
    sure = [line.confidence for page in result.pages for line in page.lines if line.confidence is not None]
    language = next((page.language for page in result.pages if getattr(page, "language", None)), None)
    return Observed(confidence=sum(sure) / len(sure) if sure else None, language=language)


_OBSERVED: Final[Mapping[str, Callable[[Any], Observed]]] = {
    "vision.detect_labels": lambda result: _first(result.labels, "name"),
    "vision.detect_objects": lambda result: _first(result.objects, "name"),
    "vision.detect_faces": lambda result: Observed(
        label=f"{len(result.faces)} faces", confidence=result.faces[0].confidence if result.faces else None
    ),
    "vision.read_text": _text,
    "vision.moderate": _likeliest,
    "vision.detect_landmarks": lambda result: _first(result.landmarks, "name"),
    "vision.detect_logos": lambda result: _first(result.logos, "name"),
    "vision.caption": lambda result: Observed(
        confidence=result.captions[0].confidence if result.captions else None,
    ),
    "speech.transcribe": lambda result: Observed(confidence=result.language_confidence, language=result.language),
    "translation.translate": lambda result: Observed(
        language=result.translations[0].source if result.translations else None
    ),
    "translation.detect_language": lambda result: Observed(
        confidence=result.detections[0].confidence if result.detections else None,
        language=result.detections[0].language if result.detections else None,
    ),
}


def observed(operation: str, result: Result) -> Observed:
    """Of one answer."""
    look = _OBSERVED.get(operation)
    return NOT_ANSWERED if look is None else look(result)


def size_of(operation: str, request: Model) -> int | None:
    """Bytes of the input: of the file, or of the texts in UTF-8. `None`: passed by address."""
    types = TYPES[operation]
    if types.media is not None:
        size: int | None = getattr(request, types.media).size
        return size
    if types.text is not None:
        given = getattr(request, types.text)
        texts = (given,) if isinstance(given, str) else given
        return sum([len(text.encode("utf-8", "surrogatepass")) for text in texts])
    return None
