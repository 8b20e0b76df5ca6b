"""Translate and Comprehend: what is sent, and what AWS's own forms mean in ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import aws, translated
from aws_client import opened
from aws_server import Params, StrictServer

from cloudai import Client
from cloudai.errors import CloudAIError, ErrorCode, TooLarge, Unsupported
from cloudai.languages import normalise
from cloudai_aws.codec_languages import from_aws, to_aws
from cloudai_aws.codec_text import detect_requests


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


@pytest.fixture
def client(server: StrictServer) -> Iterator[Client]:
    with opened(server) as one:
        yield one


# --- language codes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("zh-Hans", "zh"),
        ("zh-CN", "zh"),
        ("zh", "zh"),
        ("zh-TW", "zh-TW"),
        ("zh-Hant", "zh-TW"),
        ("nb", "no"),
        ("no", "no"),
        ("fil", "tl"),
        ("he", "he"),
        ("iw", "he"),
        ("pt-BR", "pt"),
        ("pt-PT", "pt-PT"),
        ("fr-CA", "fr-CA"),
        ("fr-FR", "fr"),
        ("es-MX", "es-MX"),
        ("es-AR", "es"),
        ("en-GB", "en"),
        ("fa-AF", "fa-AF"),
        ("eu", "eu"),
    ],
)
def test_a_language_goes_out_as_translates_code(tag: str, code: str) -> None:
    assert to_aws(tag, "translate") == code


@pytest.mark.parametrize(
    ("service", "code", "tag"),
    [
        ("translate", "zh", "zh-Hans"),
        ("translate", "zh-TW", "zh-Hant"),
        ("translate", "no", "nb"),
        ("translate", "tl", "fil"),
        ("transcribe", "zh-CN", "zh-Hans-CN"),
        ("transcribe", "en-AB", "en-GB"),
        ("transcribe", "no-NO", "nb-NO"),
        ("polly", "arb", "ar"),
        ("polly", "cmn-CN", "zh-Hans-CN"),
        ("polly", "en-GB-WLS", "en-GB"),
        ("translate", "??", "und"),
    ],
)
def test_a_code_comes_back_as_bcp_47(service: str, code: str, tag: str) -> None:
    assert from_aws(code, service) == tag


@pytest.mark.parametrize("service", ["translate", "transcribe", "polly"])
def test_every_code_of_aws_is_a_language_and_the_way_back_is_one_that_means_the_same(service: str) -> None:
    from cloudai_aws.codec_languages import _table

    table = _table(service)
    for code in table.get("codes") or table["voices"]:
        tag = from_aws(code, service)
        assert normalise(tag) == tag
        assert from_aws(to_aws(tag, service), service) == tag


def test_the_codes_of_transcribe_and_polly_are_those_of_the_descriptions() -> None:
    import aws_model

    from cloudai_aws.codec_languages import _table

    voices = _table("polly")["voices"]
    assert set(_table("transcribe")["codes"]) == set(aws_model.service("transcribe").shape_for("LanguageCode").enum)
    assert set(voices) == set(aws_model.service("polly").shape_for("LanguageCode").enum)
    assert {voice["id"] for voice in voices.values()} <= set(aws_model.service("polly").shape_for("VoiceId").enum)


def test_a_script_that_aws_does_not_have_is_refused_before_sending(server: StrictServer, client: Client) -> None:
    with pytest.raises(Unsupported, match="sr-Latn"):
        client.translation.translate("Good morning", source="en", target="sr-Latn")
    assert server.requests == 0


# --- translate -----------------------------------------------------------------------------------


def test_one_text_is_one_request(server: StrictServer, client: Client) -> None:
    result = client.translation.translate("Good morning", source="en", target="pt-BR")
    assert server.params("TranslateText") == {
        "Text": "Good morning",
        "SourceLanguageCode": "en",
        "TargetLanguageCode": "pt",
    }
    assert (result.text, result.target) == ("[pt] Good morning", "pt-BR")
    assert (result.translations[0].source, result.translations[0].detected) == ("en", False)


def test_a_list_keeps_its_order_one_request_each(server: StrictServer, client: Client) -> None:
    result = client.translation.translate(["one", "two", "three"], source="en", target="de")
    assert [each.text for each in result.translations] == ["[de] one", "[de] two", "[de] three"]
    assert server.operations() == ["TranslateText"] * 3
    assert [used.quantity for used in result.usage] == [Decimal(11)]


def test_without_a_source_it_is_detected_and_the_detection_is_billed(server: StrictServer, client: Client) -> None:
    result = client.translation.translate("Good morning", target="de")
    assert server.params("TranslateText")["SourceLanguageCode"] == "auto"
    assert (result.translations[0].source, result.translations[0].detected) == ("en", True)
    assert [used.meter for used in result.usage] == ["translation.translate", "translation.detect_language"]


def test_options_go_into_settings_and_a_glossary_is_a_terminology(server: StrictServer, client: Client) -> None:
    result = client.translation.translate(
        "Hi",
        source="en",
        target="de",
        formality="formal",
        profanity="mask",
        glossary="brand-names",
        options={"aws": {"brevity": True}},
    )
    assert server.params("TranslateText")["Settings"] == {"Formality": "FORMAL", "Profanity": "MASK", "Brevity": "ON"}
    assert server.params("TranslateText")["TerminologyNames"] == ["brand-names"]
    assert result.translations[0].glossary_used
    assert result.warnings == ()


def test_what_was_not_applied_is_a_warning(server: StrictServer, client: Client) -> None:
    def without(params: Params) -> Params:
        return {name: value for name, value in translated(params).items() if name != "AppliedSettings"}

    server.answers["TranslateText"] = without
    result = client.translation.translate("Hi", source="en", target="zu", formality="formal", profanity="remove")
    assert [notice.code for notice in result.warnings] == ["option_ignored", "option_ignored"]
    assert "formality" in result.warnings[1].message


def test_html_goes_as_a_document(server: StrictServer, client: Client) -> None:
    result = client.translation.translate("<b>Hi</b>", source="en", target="de", format="html")
    assert server.params("TranslateDocument")["Document"] == {"Content": b"<b>Hi</b>", "ContentType": "text/html"}
    assert result.text == "[de] <b>Hi</b>"
    assert [used.meter for used in result.usage] == ["translation.translate_document"]


def test_a_custom_model_is_refused_not_ignored(server: StrictServer, client: Client) -> None:
    with pytest.raises(Unsupported, match="parallel data"):
        client.translation.translate("Hi", source="en", target="de", model="mine")
    assert server.requests == 0


def test_into_its_own_language_costs_nothing(client: Client) -> None:
    result = client.translation.translate("Hi there", source="en-GB", target="en")
    assert [used.quantity for used in result.usage] == [Decimal(0)]


def test_ten_thousand_bytes_are_sent_and_one_more_is_not(server: StrictServer, client: Client) -> None:
    client.translation.translate("é" * 5_000, source="fr", target="en")
    with pytest.raises(TooLarge, match="max_text_bytes"):
        client.translation.translate("é" * 5_000 + "e", source="fr", target="en")
    assert server.requests == 1


def test_a_pair_that_does_not_exist_is_unsupported(server: StrictServer, client: Client) -> None:
    from aws_server import Failure

    server.answers["TranslateText"] = lambda _: Failure(code="UnsupportedLanguagePairException")
    with pytest.raises(CloudAIError) as caught:
        client.translation.translate("Hi", source="en", target="eu")
    assert caught.value.code is ErrorCode.UNSUPPORTED


# --- documents and languages ---------------------------------------------------------------------


def test_a_document_keeps_its_type(server: StrictServer, client: Client) -> None:
    result = client.translation.translate_document(b"Good morning.\n", source="en", target="es", glossary="brands")
    sent = server.params("TranslateDocument")
    assert sent["Document"] == {"Content": b"Good morning.\n", "ContentType": "text/plain"}
    assert sent["TerminologyNames"] == ["brands"]
    assert (result.document, result.content_type) == (b"[es] Good morning.\n", "text/plain")
    assert [(used.meter, used.quantity) for used in result.usage] == [("translation.translate_document", Decimal(14))]


def test_a_document_may_have_a_hundred_kibibytes(client: Client) -> None:
    client.translation.translate_document(b"a" * 102_400, source="en", target="es")
    with pytest.raises(TooLarge, match="max_bytes"):
        client.translation.translate_document(b"a" * 102_401, source="en", target="es")


def test_languages_are_all_pages_without_auto(server: StrictServer, client: Client) -> None:
    result = client.translation.languages()
    assert [each.code for each in result.languages] == ["zh-Hans", "zh-Hant", "nb", "fil", "fa-AF"]
    assert server.operations() == ["ListLanguages", "ListLanguages"]
    assert result.cost is not None
    assert result.cost.amount == 0


def test_names_in_a_language_without_names_are_english_and_a_warning(server: StrictServer, client: Client) -> None:
    assert client.translation.languages(display_language="pt-BR").warnings == ()
    assert server.params("ListLanguages")["DisplayLanguageCode"] == "pt"
    assert [each.code for each in client.translation.languages(display_language="fi").warnings] == ["option_ignored"]


# --- which language ------------------------------------------------------------------------------


def test_the_surest_guess_is_the_language(server: StrictServer, client: Client) -> None:
    result = client.translation.detect_language("This is English.")
    (found,) = result.detections
    assert (found.language, found.confidence) == ("en", 0.9793)
    assert [(guess.language, guess.confidence) for guess in found.alternatives] == [("de", 0.0101)]
    assert server.operations() == ["DetectDominantLanguage"]


def test_a_list_goes_in_batches_of_25_and_long_texts_alone(server: StrictServer, client: Client) -> None:
    texts = [f"text number {number}" for number in range(27)]
    texts[3] = "x" * 5_001
    texts[5] = "\u7e41\u9ad4\u4e2d\u6587"
    result = client.translation.detect_language(texts)
    assert server.operations() == ["BatchDetectDominantLanguage"] * 2 + ["DetectDominantLanguage"]
    assert [len(each.params.get("TextList", [0])) for each in server.received] == [25, 1, 1]
    assert [each.language for each in result.detections] == ["en"] * 5 + ["zh-Hant"] + ["en"] * 21
    assert [used.quantity for used in result.usage] == [Decimal(len(text)) for text in texts]


def test_one_failed_text_of_a_batch_is_an_error_that_names_it(server: StrictServer, client: Client) -> None:
    server.answers["BatchDetectDominantLanguage"] = lambda _: {
        "ResultList": [{"Index": 0, "Languages": []}],
        "ErrorList": [{"Index": 1, "ErrorCode": "InternalServerException", "ErrorMessage": "no"}],
    }
    with pytest.raises(CloudAIError, match="text 1") as caught:
        client.translation.detect_language(["one", "two"])
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_no_guess_at_all_is_und(server: StrictServer, client: Client) -> None:
    server.answers["DetectDominantLanguage"] = lambda _: {"Languages": []}
    assert client.translation.detect_language("?").language == "und"


@given(st.lists(st.text(min_size=1, max_size=8) | st.just("\u00e9" * 2_501), min_size=1, max_size=60))
def test_every_text_is_asked_once_and_no_batch_is_too_large(texts: list[str]) -> None:
    asked = list(detect_requests(texts))
    assert sorted(index for _, _, indexes in asked for index in indexes) == list(range(len(texts)))
    for method, params, indexes in asked:
        if method == "batch_detect_dominant_language":
            assert 1 <= len(params["TextList"]) <= 25
            assert [texts[index] for index in indexes] == params["TextList"]
            assert all(len(text.encode()) <= 5_000 for text in params["TextList"])
        else:
            assert [texts[index] for index in indexes] == [params["Text"]]
