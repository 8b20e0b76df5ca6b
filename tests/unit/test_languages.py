"""One form of a language tag for the whole project, whatever a service or a person writes."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai import languages
from cloudai.errors import ErrorCode, InvalidInput

FORMS = {
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "tl": "fil",
    "sh": "sr-Latn",
    "no": "nb",
    "no-NO": "nb-NO",
    "prs": "fa-AF",
    "eng": "en",
    "eng_Latn": "en",
    "zho_Hans": "zh-Hans",
    "cmn-Hans-CN": "zh-Hans-CN",
    "zh-CN": "zh-Hans-CN",
    "zh-TW": "zh-Hant-TW",
    "zh-HK": "zh-Hant-HK",
    "zh": "zh",
    "pt_br": "pt-BR",
    "EN-us": "en-US",
    "es-419": "es-419",
    "sr-cyrl-rs": "sr-Cyrl-RS",
    "ca-valencia": "ca-valencia",
    " de ": "de",
    "und": "und",
}


@pytest.mark.parametrize(("written", "form"), FORMS.items())
def test_a_tag_has_one_form_however_it_is_written(written: str, form: str) -> None:
    assert languages.normalise(written) == form


@pytest.mark.parametrize("form", sorted(set(FORMS.values())))
def test_the_form_of_a_form_is_itself(form: str) -> None:
    assert languages.normalise(form) == form


@pytest.mark.parametrize("usual", languages._table("same_as").values())
def test_the_table_of_legacy_codes_leads_to_final_forms(usual: str) -> None:
    assert languages.normalise(usual) == usual


@pytest.mark.parametrize("code", languages._table("names"))
def test_every_language_with_a_name_is_in_its_final_form(code: str) -> None:
    assert languages.normalise(code) == code


@pytest.mark.parametrize(
    "written",
    ["", "e", "english language", "en-", "-en", "en--US", "en_US.UTF-8", "en-QQQ", "pt-BRA", "\ud800", "en\0"],
)
def test_what_is_no_tag_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        languages.normalise(written)
    assert caught.value.code is ErrorCode.INVALID_INPUT
    assert not languages.is_valid(written)


@pytest.mark.parametrize(
    ("written", "nearest"), [("english", "'en' (English)"), ("germn", "'de' (German)"), ("xx", "'xh' (Xhosa)")]
)
def test_an_unknown_language_is_refused_with_the_nearest(written: str, nearest: str) -> None:
    with pytest.raises(InvalidInput, match="did you mean") as caught:
        languages.normalise(written)
    assert nearest in str(caught.value)


def test_auto_is_answered_with_how_to_ask_for_detection() -> None:
    with pytest.raises(InvalidInput, match="leave it out"):
        languages.normalise("auto")


def test_a_megabyte_for_a_tag_gives_a_short_message() -> None:
    with pytest.raises(InvalidInput) as caught:
        languages.normalise("en-" * 400_000)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=20))
def test_any_text_is_a_final_form_after_one_step_or_refused(text: str) -> None:
    try:
        form = languages.normalise(text)
    except InvalidInput:
        return
    assert languages.normalise(form) == form


def test_parents_go_one_subtag_at_a_time() -> None:
    assert languages.parent("zh-Hant-TW") == "zh-Hant"
    assert languages.parent("zh-Hant") == "zh"
    assert languages.parent("zh") is None
    assert languages.parent("en-GB-x-foo") == "en-GB"
    assert languages.parent("x-foo") is None


def test_without_its_region_chinese_keeps_its_script() -> None:
    assert languages.without_region("zh-TW") == "zh-Hant"
    assert languages.without_region("en-GB") == "en"
    assert languages.language_of("zh-TW") == "zh"


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [("en", "en-US"), ("en-GB", "en"), ("no", "nb"), ("zh", "zh-Hans"), ("zh-TW", "zh-Hant"), ("ca-valencia", "ca")],
)
def test_what_does_not_contradict_serves(wanted: str, offered: str) -> None:
    assert languages.matches(wanted, offered)


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [("pt-BR", "pt-PT"), ("zh-TW", "zh"), ("sr", "sr-Latn"), ("nn", "nb"), ("ca", "ca-valencia"), ("hr", "sr-Latn")],
)
def test_another_region_script_or_variant_does_not_serve(wanted: str, offered: str) -> None:
    assert not languages.matches(wanted, offered)


def test_the_best_match_is_the_nearest_one() -> None:
    assert languages.best_match("en", ["en-US", "en"]) == "en"
    assert languages.best_match("en-GB", ["en-US", "en"]) == "en"
    assert languages.best_match("pt", ["pt-PT", "pt-BR"]) == "pt-BR"
    assert languages.best_match("es", ["es-MX", "es-AR"]) == "es-MX"
    assert languages.best_match("iw", ["de", "he"]) == "he"
    assert languages.best_match("de", ["en"]) is None


def test_names_are_english_where_no_name_data_is_installed() -> None:
    assert languages.display_name("de") == "German"
    assert languages.display_name("iw") == "Hebrew"
    assert str(languages.display_name("pt-BR")).startswith("Portuguese")


def test_importing_the_module_loads_no_language_data() -> None:
    code = "import sys, cloudai.languages; print('langcodes' in sys.modules, 'tomllib' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]
