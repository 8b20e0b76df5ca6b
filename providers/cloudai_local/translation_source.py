"""The source language of each text: the one that was given, or the one that a local engine tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cloudai.driver import Call
from cloudai.errors import InvalidInput, MissingDependency
from cloudai.languages import UNDETERMINED, display_name, matches, normalise
from cloudai.types.results import Notice, Usage
from cloudai.types.translation import DetectLanguageRequest, Language, TranslateRequest, Translation
from cloudai_local import languages
from cloudai_local.engine import choose
from cloudai_local.settings import LocalSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The language of one text. `keep`: there is nothing to translate."""

    language: str
    detected: bool = False
    confidence: float | None = None
    keep: bool = False


class SourceLanguages:
    """Tells sources; its engines load at the first text that comes without a language."""

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._engines = languages.engines(settings)

    def of(self, request: TranslateRequest, call: Call) -> tuple[Source, ...]:
        """One per text. Texts without letters, and those in the target language already, are kept.

        Raises `InvalidInput` when a language was not given and can't be told, and for text that is not Unicode.
        """
        target = normalise(request.target)
        _require_unicode(request.texts)
        if request.source is None:
            found = self._told(request.texts, call)
        else:
            found = tuple(Source(language=normalise(request.source)) for _ in request.texts)
        pairs = zip(request.texts, found, strict=True)
        return tuple(_checked(number, text, source, target) for number, (text, source) in enumerate(pairs, start=1))

    def close(self) -> None:
        """Close the engines."""
        for engine in self._engines:
            engine.close()

    def _told(self, texts: Sequence[str], call: Call) -> tuple[Source, ...]:
        try:
            engine = choose(
                self._engines, operation=languages.OPERATION, wanted=self._settings.engines.get(languages.OPERATION)
            )
        except MissingDependency as error:
            raise MissingDependency(
                "give source=, or let a local engine tell the language", install=error.install
            ) from None
        plain = Call(timeout=call.timeout)
        told = engine.detect_language(DetectLanguageRequest(texts=tuple(texts)), plain)
        return tuple(
            Source(language=guess.language, detected=True, confidence=guess.confidence) for guess in told.detections
        )


def arranged(request: TranslateRequest, sources: Sequence[Source], texts: Mapping[int, str]) -> tuple[Translation, ...]:
    """The translations in order; a text that is not in `texts` is kept as it was."""
    return tuple(
        Translation(
            text=texts.get(index, request.texts[index]),
            source=source.language,
            detected=source.detected,
            confidence=source.confidence,
        )
        for index, source in enumerate(sources)
    )


def by_language(sources: Iterable[Source]) -> dict[str, list[int]]:
    """Source language -> places of the texts to translate."""
    groups: dict[str, list[int]] = {}
    for index, source in enumerate(sources):
        if not source.keep:
            groups.setdefault(source.language, []).append(index)
    return groups


def characters(request: TranslateRequest) -> tuple[Usage, ...]:
    """Code points of the source texts, markup included, as the managed services count."""
    total = sum(len(text) for text in request.texts)
    return (Usage(meter="translation.translate", unit="character", quantity=Decimal(total)),)


def ignored(request: TranslateRequest, engine: str) -> list[Notice]:
    """A notice for each thing that was asked and no local engine can honour."""
    asked = {"glossary": request.glossary, "formality": request.formality, "profanity": request.profanity}
    return [
        Notice(code="option_ignored", message=f"{engine} has no {name}: {value} was ignored")
        for name, value in asked.items()
        if value is not None
    ]


def listed(pairs: Iterable[tuple[str, str]], display_language: str) -> tuple[Language, ...]:
    """Languages with the targets of each, from pairs of source and target."""
    targets: dict[str, set[str]] = {}
    for source, target in pairs:
        targets.setdefault(source, set()).add(target)
    reached = set().union(*targets.values())
    return tuple(
        Language(
            code=code,
            name=display_name(code, display_language),
            source=code in targets,
            target=code in reached,
            targets=tuple(sorted(targets.get(code, ()))),
        )
        for code in sorted(reached | set(targets))
    )


def _checked(number: int, text: str, source: Source, target: str) -> Source:
    wordless = not any(letter.isalpha() for letter in text)
    if source.detected and source.language == UNDETERMINED and not wordless:
        raise InvalidInput(f"could not tell the language of text {number}: give source=")
    if wordless or matches(target, source.language):
        return Source(language=source.language, detected=source.detected, confidence=source.confidence, keep=True)
    return source


def guess_note(sources: Iterable[Source], language: str) -> str:
    """What to add to a refusal of a language that nobody gave: short texts are easily taken for another language."""
    if any(source.detected and not source.keep and source.language == language for source in sources):
        return f" ({display_name(language, 'en')} is a guess: give the source language if it is another)"
    return ""


def _require_unicode(texts: Sequence[str]) -> None:
    for number, text in enumerate(texts, start=1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"text {number} has a lone surrogate: it is not valid Unicode") from None
