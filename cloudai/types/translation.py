"""Requests and results of `translation.*`. Languages are BCP 47, normalised: `pt-BR`, `zh-Hans`, `he`."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from cloudai.types.media import Media
from cloudai.types.results import Model, Result
from cloudai.types.speech import ProfanityMode


class TextFormat(StrEnum):
    """How the text is marked up. Plain is the default everywhere, whatever the vendor's default is."""

    PLAIN = "plain"
    HTML = "html"


class Formality(StrEnum):
    """How the reader is addressed."""

    FORMAL = "formal"
    INFORMAL = "informal"


class TranslateRequest(Model):
    """`source=None` asks the provider to detect it, for each text."""

    texts: tuple[str, ...]
    target: str
    source: str | None = None
    format: TextFormat = TextFormat.PLAIN
    glossary: str | None = None
    """The provider's id of a glossary that exists."""
    formality: Formality | None = None
    profanity: ProfanityMode | None = None
    model: str | None = None
    """The provider's id of a custom model."""


class Translation(Model):
    text: str
    source: str
    """The language that was given or detected."""
    detected: bool = False
    confidence: float | None = Field(default=None, ge=0, le=1)
    """Of the detection, where the provider gives one."""
    glossary_used: bool = False


class TranslateResult(Result):
    OPERATION: ClassVar[str] = "translation.translate"
    translations: tuple[Translation, ...] = ()
    """In the order of the texts."""
    target: str = ""

    @property
    def text(self) -> str:
        """The translation when one text was given. Raises `ValueError` for a list: use `translations`."""
        if len(self.translations) != 1:
            raise ValueError(f"{len(self.translations)} texts were translated: use .translations")
        return self.translations[0].text


class DetectLanguageRequest(Model):
    texts: tuple[str, ...]


class LanguageGuess(Model):
    language: str
    """BCP 47; `und` when the provider can't tell."""
    confidence: float | None = Field(default=None, ge=0, le=1)


class LanguageDetection(Model):
    language: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    alternatives: tuple[LanguageGuess, ...] = ()


class DetectLanguageResult(Result):
    OPERATION: ClassVar[str] = "translation.detect_language"
    detections: tuple[LanguageDetection, ...] = ()
    """In the order of the texts."""

    @property
    def language(self) -> str:
        """The language when one text was given. Raises `ValueError` for a list: use `detections`."""
        if len(self.detections) != 1:
            raise ValueError(f"{len(self.detections)} texts were given: use .detections")
        return self.detections[0].language


class LanguagesRequest(Model):
    display_language: str = "en"
    """Language of the names."""


class Language(Model):
    code: str
    name: str | None = None
    source: bool = True
    target: bool = True
    targets: tuple[str, ...] | None = None
    """Where only some pairs exist: the targets from this source. `None`: all targets."""


class LanguagesResult(Result):
    OPERATION: ClassVar[str] = "translation.languages"
    languages: tuple[Language, ...] = ()


class TranslateDocumentRequest(Model):
    document: Media
    target: str
    source: str | None = None
    glossary: str | None = None


class TranslateDocumentResult(Result):
    OPERATION: ClassVar[str] = "translation.translate_document"
    document: bytes = Field(default=b"", repr=False)
    content_type: str = ""
    source: str | None = None
    target: str = ""
