"""English and Spanish by Apertium, which must be installed here: `apt install apertium apertium-eng-spa`."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput, MissingDependency, ServiceError, Unsupported
from cloudai.types.translation import Formality, LanguagesRequest, TranslateRequest, TranslateResult
from cloudai_local.apertium import Apertium, _mode_of
from cloudai_local.apertium_stream import LostMarkup, Stream, batches
from cloudai_local.settings import LocalOptions, LocalSettings

pytestmark = pytest.mark.program("apertium")

SETTINGS = LocalSettings(provider="local")


@pytest.fixture(scope="module")
def apertium() -> Iterator[Apertium]:
    engine = Apertium(SETTINGS)
    assert engine.missing() is None, "CI installs apertium and apertium-eng-spa"
    yield engine
    engine.close()


def _translate(engine: Apertium, *texts: str, call: Call | None = None, **request: object) -> TranslateResult:
    asked = TranslateRequest.model_validate({"texts": texts, "target": "es", "source": "en", **request})
    return engine.translate(asked, call or Call(timeout=60))


def _texts(result: TranslateResult) -> list[str]:
    return [translation.text for translation in result.translations]


# --- real translations ------------------------------------------------------------------------------


def test_english_becomes_spanish(apertium: Apertium) -> None:
    result = _translate(apertium, "The red car is behind the big house.")
    assert result.text == "El coche rojo es detrás de la casa grande."
    assert (result.target, result.translations[0].source, result.translations[0].detected) == ("es", "en", False)
    assert result.model == "apertium eng-spa"
    assert result.warnings == ()


def test_spanish_becomes_english(apertium: Apertium) -> None:
    assert (
        _translate(apertium, "El perro está en la casa.", source="es", target="en").text == "The dog is in the house."
    )


def test_it_agrees_with_apertium_run_by_hand(apertium: Apertium) -> None:
    text = "My sister works in a small hospital. She reads books every night and her friends write letters."
    ran = subprocess.run(["apertium", "-u", "eng-spa"], input=text, capture_output=True, text=True, check=True)
    assert _translate(apertium, text).text == ran.stdout.strip()


def test_languages_are_detected_for_each_text(apertium: Apertium) -> None:
    result = _translate(
        apertium, "Good morning, how are you today?", "El perro está en la casa de mi hermano.", "42", source=None
    )
    assert [(each.source, each.detected) for each in result.translations] == [("en", True), ("es", True), ("und", True)]
    assert result.translations[0].text.startswith("Buenos días")
    assert result.translations[1].text == "El perro está en la casa de mi hermano."
    assert result.translations[2].text == "42"
    assert all(0 < (each.confidence or 0) <= 1 for each in result.translations[:2])


def test_a_refused_guess_of_the_source_says_that_it_was_a_guess(apertium: Apertium) -> None:
    text = "Die Katze schläft heute auf dem Sofa."
    with pytest.raises(MissingDependency, match=r"no de -> es here \(German is a guess:"):
        _translate(apertium, text, source=None)
    with pytest.raises(MissingDependency, match=r"no de -> es here; there are"):
        _translate(apertium, text, source="de")


def test_regions_find_the_pair_and_the_nearest_variant(apertium: Apertium) -> None:
    assert _translate(apertium, "the house", source="en-GB", target="es-MX").model == "apertium eng-spa"
    assert _translate(apertium, "el color", source="spa", target="en-US").model == "apertium spa-eng_US"
    assert _translate(apertium, "el color", source="es", target="en-GB").model == "apertium spa-eng"


def test_a_text_in_the_target_language_is_kept(apertium: Apertium) -> None:
    assert _translate(apertium, "la casa", source="es-AR", target="es").text == "la casa"


# --- what must come through unharmed ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\n",
        "123",
        "-",
        "[17]",
        "^/$",
        "\\",
        "[",
        "]]",
        "\0",
        "*",
        "# @ ~",
        "{}<>",
        "$5",
        "😀",
        "\u2028",
        ".[]",
    ],
)
def test_texts_without_words_are_kept_to_the_letter(apertium: Apertium, text: str) -> None:
    assert _translate(apertium, text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "-l the house",
        "the house\n",
        "\r\n the house\t",
        "the [red] house",
        "house\0car",
        "one\n\n\ntwo",
        "[17] the house [0]",
        "the house\\",
        "the #house costs $5 ^ 2, me@there",
        "a {house} / a *car* / ~ <b>dog</b>",
    ],
)
def test_what_is_no_word_comes_through_in_its_order(apertium: Apertium, text: str) -> None:
    said = _translate(apertium, text).text
    assert [sign for sign in said if not sign.isalpha() and sign != " "] == [
        sign for sign in text if not sign.isalpha() and sign != " "
    ]


def test_many_texts_in_one_run_are_what_they_are_one_by_one(apertium: Apertium) -> None:
    texts = ["The house", "is red.", "", "I go to the", "school", "a\n\nb", "*", "It rains. It snows.", "[3]", "(the"]
    together = _texts(_translate(apertium, *texts))
    assert together == [_translate(apertium, text).text for text in texts]


def test_html_keeps_its_markup(apertium: Apertium) -> None:
    page = (
        "<h1>The house</h1>\n<p class='the'>A <b>red</b> car &amp; a caf&eacute;, &lt;here&gt;.<br/>"
        "<a href='x?a=1&b=2&quot;' title='the dog'>The dog</a></p><script>if (a<b) {house = '&eacute;'}</script>"
        "<!-- the dog --><ul><li>one<li>two</ul>"
    )
    said = _translate(apertium, page, format="html").text
    for kept in (
        "<h1>La casa</h1>\n<p class='the'>",
        "<b>",
        "</b>",
        " &amp; ",
        "&lt;",
        "&gt;",
        "<br/><a href='x?a=1&b=2&quot;' title='the dog'>El perro</a></p>",
        "<script>if (a<b) {house = '&eacute;'}</script><!-- the dog --><ul><li>",
    ):
        assert kept in said
    assert "café" in said or "cafetería" in said


def test_plain_text_that_looks_like_html_is_text(apertium: Apertium) -> None:
    assert _translate(apertium, "x < y &amp; <b>the house</b>").text.count("<b>") == 1


def test_a_megabyte_is_translated_whole(apertium: Apertium) -> None:
    sentence = "The red car is in front of the house.\n"
    text = sentence * (1_000_000 // len(sentence))
    said = _translate(apertium, text, call=Call(timeout=300)).text
    assert said.count("\n") == text.count("\n")
    assert said.count("coche rojo") == text.count("red car")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_any_texts_come_back_as_many_and_in_order(texts: list[str]) -> None:
    engine = Apertium(SETTINGS)
    try:
        result = _translate(engine, "the house", *texts, "the car")
    except InvalidInput as error:
        assert "surrogate" in str(error)  # noqa: PT017  # the only reason to refuse
        return
    said = _texts(result)
    assert len(said) == len(texts) + 2
    assert (said[0], said[-1]) == ("La casa", "El coche")


# --- what it can't do, in words ---------------------------------------------------------------------


def test_unknown_words_stay_and_are_counted(apertium: Apertium) -> None:
    result = _translate(apertium, "The xyzzyq house and the *plugh*.")
    assert "xyzzyq" in result.text
    assert "*plugh*" in result.text
    (notice,) = result.warnings
    assert notice.code == "partial"
    assert "2 words" in notice.message
    assert "xyzzyq, plugh" in notice.message


def test_options_it_does_not_have_are_reported_not_ignored_silently(apertium: Apertium) -> None:
    result = _translate(apertium, "the house", glossary="legal", formality=Formality.FORMAL)
    assert [notice.code for notice in result.warnings] == ["option_ignored", "option_ignored"]
    assert not result.translations[0].glossary_used


def test_a_pair_that_is_not_there_lists_those_that_are_and_the_install_line(apertium: Apertium) -> None:
    with pytest.raises(MissingDependency) as caught:
        _translate(apertium, "the house", target="fr")
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert "en -> es, es -> en" in str(caught.value)
    assert "apt install apertium-eng-fra" in caught.value.install


def test_an_unknown_language_is_refused_with_the_nearest(apertium: Apertium) -> None:
    with pytest.raises(InvalidInput, match=r"did you mean 'es' \(Spanish\)"):
        _translate(apertium, "the house", target="spansh")


def test_lone_surrogates_are_refused(apertium: Apertium) -> None:
    with pytest.raises(InvalidInput, match="text 2 has a lone surrogate"):
        _translate(apertium, "the house", "the \ud800 car")


def test_a_model_is_refused(apertium: Apertium) -> None:
    with pytest.raises(Unsupported, match="no models"):
        _translate(apertium, "the house", model="big")
    with pytest.raises(Unsupported, match="no models"):
        _translate(apertium, "the house", call=Call(timeout=9, options=LocalOptions(model="big")))


def test_the_deadline_ends_every_program_of_the_pipeline(apertium: Apertium) -> None:
    with pytest.raises(ServiceError, match="not done in time") as caught:
        _translate(apertium, "The red car. " * 50_000, call=Call(timeout=0.3))
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
    for _ in range(200):
        if not _running():
            break
        time.sleep(0.05)
    assert _running() == []


def _running() -> list[Path]:
    """Programs that were started with the scratch folder of this process."""
    mine = f"cloudai-{os.getpid()}-"
    return [file for file in Path("/proc").glob("[0-9]*/environ") if mine in _environment(file)]


def _environment(file: Path) -> str:
    try:
        return file.read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_threads_do_not_disturb_each_other(apertium: Apertium) -> None:
    said: dict[str, str] = {}
    words = ["house", "car", "dog", "school"]
    threads = [
        threading.Thread(target=lambda word=word: said.update({word: _translate(apertium, f"the {word}").text}))
        for word in words
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {"house": "La casa", "car": "El coche", "dog": "El perro", "school": "La escuela"}


def test_without_the_program_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    gap = Apertium(SETTINGS).missing()
    assert gap is not None
    assert "apt install apertium apertium-eng-spa" in gap.install


def test_without_any_pair_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "modes").mkdir()
    program = shutil.which("apertium")
    assert program is not None
    stub = tmp_path / "bin" / "apertium"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\nexec {program} -d "{tmp_path}" "$@"\n')
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(stub.parent), prepend=":")
    gap = Apertium(SETTINGS).missing()
    assert gap is not None
    assert "no language pair" in gap.reason


def test_the_pairs_are_listed_with_their_targets(apertium: Apertium) -> None:
    found = {language.code: language for language in apertium.languages(LanguagesRequest(), Call(timeout=9)).languages}
    assert found["es"].targets == ("en", "en-US")
    assert found["en"].name == "English"
    assert (found["en-US"].source, found["en-US"].target) == (False, True)


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("eng-spa", ("en", "es")),
        ("spa-por_BR", ("es", "pt-BR")),
        ("spa-cat_valencia", ("es", "ca-valencia")),
        ("spa-cat_iec2017", ("es", "ca-x-iec2017")),
        ("eng-hbs_HR", ("en", "hr")),
        ("nno-nob", ("nn", "nb")),
        ("oci_aran-spa", ("oc-aranes", "es")),
    ],
)
def test_apertium_codes_become_bcp_47(name: str, pair: tuple[str, str]) -> None:
    mode = _mode_of(name)
    assert mode is not None
    assert (mode.source, mode.target) == pair


@pytest.mark.parametrize("name", ["eng-morph", "eng-spa-anmor", "spa-tagger", "eng", "-", "x-y"])
def test_modes_that_translate_nothing_are_left_out(name: str) -> None:
    assert _mode_of(name) is None


# --- the stream -------------------------------------------------------------------------------------


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=6))
def test_a_stream_that_nobody_touched_reads_back_as_it_was(texts: list[str]) -> None:
    stream = Stream()
    for text in texts:
        stream.add_plain(text)
    read = stream.read(stream.text())
    assert list(read.texts) == texts
    assert read.unknown == ()


@pytest.mark.parametrize("broken", ["a[1].[][2]", "[0][0]a[1].[][2]", "[0]a[1].[]", "[0]a[2].[][1]", "[0][1][2][9]"])
def test_lost_doubled_or_strayed_markup_is_seen(broken: str) -> None:
    stream = Stream()
    stream.add_plain("\ta\t")
    with pytest.raises(LostMarkup):
        stream.read(broken)


def test_batches_hold_as_much_as_fits_and_at_least_one() -> None:
    assert [list(batch) for batch in batches(["aa", "a", "aaaa", "", "a"], characters=3)] == [[0, 1], [2], [3, 4]]
