"""Text from one language to another: by a CTranslate2 model from the user's folder, or by Apertium where installed.

Unless an engine is named, each call goes to the first that has its pair. The request's `model` names a model folder,
and so does `options={"local": {"model": ...}}`. Without a source language the text goes through
`cloudai_local.languages` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cloudai.driver import Call
from cloudai.errors import MissingDependency, Unsupported
from cloudai.types.translation import Language, LanguagesRequest, LanguagesResult, TranslateRequest, TranslateResult
from cloudai_local.apertium import Apertium
from cloudai_local.ctranslate import CTranslate2
from cloudai_local.engine import Missing
from cloudai_local.settings import LocalSettings
from cloudai_local.translation_source import listed


class TranslationEngine(Protocol):
    """What this module exposes: an engine with the verbs `translate` and `languages`."""

    @property
    def name(self) -> str: ...

    def missing(self) -> Missing | None: ...

    def close(self) -> None: ...

    def translate(self, request: TranslateRequest, call: Call) -> TranslateResult: ...

    def languages(self, request: LanguagesRequest, call: Call) -> LanguagesResult: ...


class ByPair:
    """Whichever engine has the pair: model folders first, then Apertium. Its languages are those of both."""

    name = "by-pair"

    def __init__(self, engines: Sequence[TranslationEngine]) -> None:
        self._engines = engines

    def missing(self) -> Missing | None:
        """What each of them lacks, when none can be used."""
        gaps = [engine.missing() for engine in self._engines]
        lacking = [gap for gap in gaps if gap is not None]
        if len(lacking) < len(gaps):
            return None
        return Missing(reason="it needs one of the following", install=lacking[0].install)

    def translate(self, request: TranslateRequest, call: Call) -> TranslateResult:
        """Raises `MissingDependency` when no engine has the pair, with what each of them has."""
        refused: list[Unsupported] = []
        for engine in self._usable():
            try:
                return engine.translate(request, call)
            except Unsupported as error:
                refused.append(error)
        if len(refused) == 1:
            raise refused[0]
        reasons = "; ".join(error.message.splitlines()[0] for error in refused)
        lines = [error.install for error in refused if isinstance(error, MissingDependency)]
        if not lines:
            raise Unsupported(reasons)
        raise MissingDependency(reasons, install=" or ".join(lines))

    def languages(self, request: LanguagesRequest, call: Call) -> LanguagesResult:
        """The pairs of all engines that can be used."""
        found = [engine.languages(request, call) for engine in self._usable()]
        pairs = [pair for result in found for language in result.languages for pair in _pairs(language)]
        model = ", ".join(result.model for result in found if result.model)
        return LanguagesResult(languages=listed(pairs, request.display_language), model=model)

    def close(self) -> None:
        """The engines are closed by themselves."""

    def _usable(self) -> list[TranslationEngine]:
        return [engine for engine in self._engines if engine.missing() is None]


def engines(settings: LocalSettings) -> tuple[TranslationEngine, ...]:
    """The engines for `translation.translate` and `translation.languages`, the preferred first."""
    single: tuple[TranslationEngine, ...] = (CTranslate2(settings), Apertium(settings))
    return ByPair(single), *single


def _pairs(language: Language) -> list[tuple[str, str]]:
    return [(language.code, target) for target in language.targets or ()]
