"""Which language a text is in, told on this machine by lingua or py3langid."""

import threading
from collections.abc import Iterator

import pytest

from cloudai.driver import Call
from cloudai.errors import InvalidInput
from cloudai.languages import normalise
from cloudai.types.translation import DetectLanguageRequest, DetectLanguageResult
from cloudai_local import languages
from cloudai_local.settings import LocalOptions, LocalSettings

SENTENCES = {
    "en": "Where is the nearest railway station, and when does the next train leave?",
    "de": "Wo ist der nächste Bahnhof, und wann fährt der nächste Zug ab?",
    "es": "¿Dónde está la estación de tren más cercana y cuándo sale el próximo tren?",
    "fr": "Où se trouve la gare la plus proche et quand part le prochain train ?",
    "he": "היכן נמצאת תחנת הרכבת הקרובה ומתי יוצאת הרכבת הבאה?",
    "id": "Di mana stasiun kereta api terdekat dan kapan kereta berikutnya berangkat?",
    "ja": "一番近い駅はどこですか。次の電車はいつ出発しますか。",
    "ru": "Где находится ближайшая железнодорожная станция и когда отправляется следующий поезд?",
    "zh": "最近的火车站在哪里?下一班火车什么时候开?",
}


@pytest.fixture(params=["lingua", "py3langid"])
def engine(request: pytest.FixtureRequest) -> Iterator[languages.LanguageEngine]:
    (found,) = (each for each in languages.engines(_settings()) if each.name == request.param)
    assert found.missing() is None, "CI installs both engines"
    yield found
    found.close()


def _settings(**more: object) -> LocalSettings:
    return LocalSettings.model_validate({"provider": "local", **more})


def _ask(engine: languages.LanguageEngine, *texts: str, **call: object) -> DetectLanguageResult:
    return engine.detect_language(DetectLanguageRequest(texts=texts), Call(timeout=60, **call))  # type: ignore[arg-type]


def test_sentences_of_nine_languages_are_told_in_one_batch(engine: languages.LanguageEngine) -> None:
    result = _ask(engine, *SENTENCES.values())
    assert [detection.language for detection in result.detections] == list(SENTENCES)


def test_confidences_are_probabilities_and_the_likeliest_is_first(engine: languages.LanguageEngine) -> None:
    for detection in _ask(engine, *SENTENCES.values(), "dobrý den", "bonjour").detections:
        shares = [detection.confidence, *(guess.confidence for guess in detection.alternatives)]
        known = [share for share in shares if share is not None]
        assert len(known) == len(shares)
        assert known == sorted(known, reverse=True)
        assert all(0 <= share <= 1 for share in known)
        assert sum(known) <= 1 + 1e-6


def test_a_doubtful_text_has_alternatives_in_normal_form(engine: languages.LanguageEngine) -> None:
    (detection,) = _ask(engine, "dobrý den").detections
    assert detection.alternatives
    for guess in detection.alternatives:
        assert normalise(guess.language) == guess.language
        assert guess.language != detection.language


@pytest.mark.parametrize("text", ["", "   \n", "123 456", "!?...", "\U0001f600"])
def test_a_text_without_letters_is_undetermined(engine: languages.LanguageEngine, text: str) -> None:
    (detection,) = _ask(engine, text).detections
    assert (detection.language, detection.confidence, detection.alternatives) == ("und", None, ())


def test_lone_surrogates_are_refused(engine: languages.LanguageEngine) -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        _ask(engine, "good morning \ud800")


@pytest.mark.parametrize("text", [SENTENCES["de"] * 20_000, "a" * 1_000_000])
def test_a_megabyte_is_told_from_its_beginning_with_a_notice(engine: languages.LanguageEngine, text: str) -> None:
    result = _ask(engine, text)
    assert [notice.code for notice in result.warnings] == ["truncated"]
    assert result.usage[0].quantity == len(text)
    if text.startswith("Wo"):
        assert result.detections[0].language == "de"


def test_usage_counts_code_points(engine: languages.LanguageEngine) -> None:
    (usage,) = _ask(engine, "naïve", "\U0001f600 hello").usage
    assert (usage.meter, usage.unit, usage.quantity) == ("translation.detect_language", "character", 12)


def test_raw_holds_the_engines_own_codes_only_when_asked(engine: languages.LanguageEngine) -> None:
    assert _ask(engine, SENTENCES["he"]).raw is None
    raw = _ask(engine, SENTENCES["he"], raw=True).raw
    assert isinstance(raw, list)
    assert isinstance(raw[0], list)
    assert raw[0][0] == ["he", pytest.approx(1, abs=0.01)]


def test_many_threads_get_the_same_answers(engine: languages.LanguageEngine) -> None:
    expected = _ask(engine, *SENTENCES.values()).detections
    answers: list[object] = []
    threads = [
        threading.Thread(target=lambda: answers.append(_ask(engine, *SENTENCES.values()).detections)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 8


def test_an_engine_answers_again_after_it_was_closed(engine: languages.LanguageEngine) -> None:
    engine.close()
    assert _ask(engine, SENTENCES["fr"]).detections[0].language == "fr"


def test_lingua_is_preferred() -> None:
    assert [engine.name for engine in languages.engines(_settings())] == ["lingua", "py3langid"]


def test_an_unknown_model_of_lingua_is_refused_with_those_there_are() -> None:
    lingua = languages.Lingua(_settings(serve={"translation.detect_language": "huge"}))
    with pytest.raises(InvalidInput, match="low-accuracy, high-accuracy"):
        _ask(lingua, "hello")
    answer = _ask(lingua, SENTENCES["en"], options=LocalOptions(model="low-accuracy"))
    assert answer.model == "lingua low-accuracy"
