"""Each operation's request and result type. Names, verbs and meters come from `cloudai_pricing`.

The types are named here and imported when they are asked for: a client that only translates never builds the models
of vision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cloudai.types.media import MediaKind

if TYPE_CHECKING:
    from cloudai.types.results import Model, Result


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationType:
    """The types of one operation, and which of the request's fields the guard looks at."""

    module: str
    """Of `cloudai.types`."""
    request_name: str
    result_name: str
    media: str | None = None
    """The field that holds a file."""
    kind: MediaKind | None = None
    text: str | None = None
    """The field that holds a text or several."""

    @property
    def request(self) -> type[Model]:
        """What a driver is given."""
        found: type[Model] = self._named(self.request_name)
        return found

    @property
    def result(self) -> type[Result]:
        """What it answers."""
        found: type[Result] = self._named(self.result_name)
        return found

    def _named(self, name: str) -> Any:
        return getattr(import_module(f"cloudai.types.{self.module}"), name)


def _type(
    module: str, stem: str, *, request: str | None = None, text: str | None = None, **media: MediaKind
) -> OperationType:
    """`stem` names the result; `media` is the one field that holds a file, with its kind."""
    field, kind = next(iter(media.items()), (None, None))
    return OperationType(
        module=module,
        request_name=request or f"{stem}Request",
        result_name=f"{stem}Result",
        media=field,
        kind=kind,
        text=text,
    )


def _image(stem: str) -> OperationType:
    return _type("vision", stem, image=MediaKind.IMAGE)


TYPES: Mapping[str, OperationType] = {
    "vision.detect_labels": _image("DetectLabels"),
    "vision.detect_objects": _image("DetectObjects"),
    "vision.detect_faces": _image("DetectFaces"),
    "vision.read_text": _image("ReadText"),
    "vision.read_document": _type("vision", "ReadDocument", document=MediaKind.DOCUMENT),
    "vision.moderate": _image("Moderate"),
    "vision.detect_landmarks": _image("DetectLandmarks"),
    "vision.detect_logos": _image("DetectLogos"),
    "vision.caption": _image("Caption"),
    "speech.transcribe": _type("speech", "Transcribe", audio=MediaKind.AUDIO),
    "speech.synthesize": _type("speech", "Synthesize", text="text"),
    "speech.voices": _type("speech", "Voices"),
    "translation.translate": _type("translation", "Translate", text="texts"),
    "translation.detect_language": _type("translation", "DetectLanguage", text="texts"),
    "translation.languages": _type("translation", "Languages"),
    "translation.translate_document": _type("translation", "TranslateDocument", document=MediaKind.DOCUMENT),
    "custom.train": _type("custom", "Train", request="TrainingJob"),
    "custom.deploy": _type("custom", "Deploy"),
    "custom.predict": _type("custom", "Predict"),
    "custom.batch_predict": _type("custom", "BatchPredict"),
}
