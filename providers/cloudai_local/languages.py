"""Which language a text is in: by lingua, or by py3langid where lingua is not installed.

Both look at the first 10,000 characters of a text, on this machine, and know single languages only: a text in two
languages gets the one there is more of. Texts without letters are `und`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from cloudai.driver import Call
from cloudai.errors import InvalidInput
from cloudai.languages import UNDETERMINED, is_valid, normalise
from cloudai.types.results import Notice, Usage
from cloudai.types.translation import DetectLanguageRequest, DetectLanguageResult, LanguageDetection, LanguageGuess
from cloudai_local.engine import Missing
from cloudai_local.settings import LocalOptions, LocalSettings

if TYPE_CHECKING:
    from lingua import LanguageDetector
    from py3langid.langid import LanguageIdentifier

OPERATION = "translation.detect_language"
INSTALL_LINGUA = "pip install 'cloudai[local-lingua]'"
INSTALL_PY3LANGID = "pip install 'cloudai[local-languages]'"
LONGEST = 10_000
"""Characters that are looked at. (lingua took minutes for a megabyte without a space in it.)"""
ALTERNATIVES = 4
LEAST_CONFIDENCE = 0.01
"""An alternative below is left out."""

Ranking = Sequence[tuple[str, float]]
"""The engine's own codes with their probabilities, the likeliest first. Empty: it can't tell."""


class LanguageEngine(Protocol):
    """What this module exposes: an engine with the verb `detect_language`."""

    @property
    def name(self) -> str: ...

    def missing(self) -> Missing | None: ...

    def close(self) -> None: ...

    def detect_language(self, request: DetectLanguageRequest, call: Call) -> DetectLanguageResult: ...


class Lingua:
    """lingua (Apache-2.0): 75 languages.

    `low-accuracy`, the default, counts groups of three letters and takes some 60 MB. `high-accuracy` is better on texts
    under 120 letters and takes up to 1 GB and a first call of ten seconds; ask for it by
    `options={"local": {"model": "high-accuracy"}}` or `serve = {"translation.detect_language" = "high-accuracy"}`.
    """

    name = "lingua"
    models = ("low-accuracy", "high-accuracy")

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._detectors: dict[str, LanguageDetector] = {}

    def missing(self) -> Missing | None:
        """What to install; looks only."""
        return None if find_spec("lingua") else Missing(reason="lingua not installed", install=INSTALL_LINGUA)

    def detect_language(self, request: DetectLanguageRequest, call: Call) -> DetectLanguageResult:
        """Confidences are lingua's shares of all its languages, 0..1."""
        model = self._model(call)
        detector = self._detector(model)
        return _result(request, call, f"lingua {model}", [_by_lingua(detector, text) for text in _samples(request)])

    def close(self) -> None:
        """Free the models. lingua shares them between all its detectors of the process."""
        with self._lock:
            detectors, self._detectors = self._detectors, {}
        for detector in detectors.values():
            unload: Callable[[], None] = detector.unload_language_models
            unload()

    def _model(self, call: Call) -> str:
        named = call.options.model if isinstance(call.options, LocalOptions) else None
        model = named or self._settings.serve.get(OPERATION) or self.models[0]
        if model not in self.models:
            raise InvalidInput(f"lingua has no model {model!r}; there are: {', '.join(self.models)}")
        return model

    def _detector(self, model: str) -> LanguageDetector:
        from lingua import LanguageDetectorBuilder

        with self._lock:
            if model not in self._detectors:
                builder = LanguageDetectorBuilder.from_all_languages()
                if model == "low-accuracy":
                    builder = builder.with_low_accuracy_mode()
                self._detectors[model] = builder.build()
            return self._detectors[model]


class Py3Langid:
    """py3langid (BSD-3-Clause): one small model, all in memory at once."""

    name = "py3langid"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._identifier: LanguageIdentifier | None = None

    def missing(self) -> Missing | None:
        """What to install; looks only."""
        there = find_spec("py3langid") and find_spec("numpy")
        return None if there else Missing(reason="py3langid not installed", install=INSTALL_PY3LANGID)

    def detect_language(self, request: DetectLanguageRequest, call: Call) -> DetectLanguageResult:
        """Confidences are py3langid's normalised probabilities, 0..1."""
        with self._lock:
            if self._identifier is None:
                self._identifier = _py3langid()
            rankings = [_by_py3langid(self._identifier, text) for text in _samples(request)]
        return _result(request, call, "py3langid", rankings)

    def close(self) -> None:
        """Let the model go."""
        with self._lock:
            self._identifier = None


def engines(settings: LocalSettings) -> tuple[LanguageEngine, ...]:
    """The engines for `translation.detect_language`, the preferred first."""
    return Lingua(settings), Py3Langid()


# --- each engine's own form -------------------------------------------------------------------------


def _by_lingua(detector: LanguageDetector, text: str) -> Ranking:
    if not _has_letters(text) or detector.detect_language_of(text) is None:
        return ()
    values = detector.compute_language_confidence_values(text)
    return [(value.language.iso_code_639_1.name.lower(), value.value) for value in values]


def _py3langid() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _by_py3langid(identifier: LanguageIdentifier, text: str) -> Ranking:
    ranking = [(str(label), float(share)) for label, share in identifier.rank(text)] if _has_letters(text) else []
    return ranking if len(ranking) > 1 and ranking[0][1] > ranking[1][1] else ()


def _has_letters(text: str) -> bool:
    return any(letter.isalpha() for letter in text)


# --- the neutral form -------------------------------------------------------------------------------


def _samples(request: DetectLanguageRequest) -> list[str]:
    for text in request.texts:
        if not _is_unicode(text[:LONGEST]):
            raise InvalidInput("the text has a lone surrogate: it is not valid Unicode")
    return [text[:LONGEST] for text in request.texts]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _result(
    request: DetectLanguageRequest, call: Call, model: str, rankings: Sequence[Ranking]
) -> DetectLanguageResult:
    characters = sum(len(text) for text in request.texts)
    return DetectLanguageResult(
        detections=tuple(_detection(ranking) for ranking in rankings),
        usage=(Usage(meter=OPERATION, unit="character", quantity=Decimal(characters)),),
        warnings=_notices(request),
        model=model,
        raw=[[[code, share] for code, share in ranking] for ranking in rankings] if call.raw else None,
    )


def _detection(ranking: Ranking) -> LanguageDetection:
    guesses = [
        LanguageGuess(language=normalise(code), confidence=min(max(round(share, 6), 0.0), 1.0))
        for code, share in ranking[: ALTERNATIVES + 1]
        if is_valid(code)
    ]
    if not guesses:
        return LanguageDetection(language=UNDETERMINED)
    first, *rest = guesses
    likely = (guess for guess in rest if guess.confidence is not None and guess.confidence >= LEAST_CONFIDENCE)
    return LanguageDetection(language=first.language, confidence=first.confidence, alternatives=tuple(likely))


def _notices(request: DetectLanguageRequest) -> tuple[Notice, ...]:
    if all(len(text) <= LONGEST for text in request.texts):
        return ()
    return (Notice(code="truncated", message=f"the language was told from the first {LONGEST:,} characters"),)
