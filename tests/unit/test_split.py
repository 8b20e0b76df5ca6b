"""Long texts and lists are cut where nothing changes its meaning, and their answers joined so that offsets hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.calls.split import Parts, parts
from cloudai.capabilities import Limits
from cloudai.errors import InvalidInput, TooLarge
from cloudai.types.results import Notice, Usage
from cloudai.types.translation import (
    DetectLanguageRequest,
    DetectLanguageResult,
    LanguageDetection,
    TextFormat,
    TranslateRequest,
    TranslateResult,
    Translation,
)


def declared(**limits: Any) -> Any:
    """What `Candidate.declared` holds of it."""
    return SimpleNamespace(limits=Limits(**limits, source="https://example.com/limits"))


def translate(*texts: str, target: str = "de", format: TextFormat = TextFormat.PLAIN, **limits: Any) -> Any:  # noqa: A002
    request = TranslateRequest(texts=texts, target=target, format=format)
    return parts("translation.translate", request, declared(**limits), whose="g")


def sent(made: Parts[TranslateRequest]) -> list[tuple[str, ...]]:
    return [request.texts for request in made.requests]


def answered(requests: Sequence[TranslateRequest], change: Any = str, **more: Any) -> list[TranslateResult]:
    """As a backend would that does `change` to each text and bills its characters."""
    return [
        TranslateResult(
            translations=tuple(Translation(text=change(text), source="en") for text in request.texts),
            target=request.target,
            usage=(usage(sum(map(len, request.texts))),),
            **more,
        )
        for request in requests
    ]


def usage(count: int, meter: str = "translation.translate") -> Usage:
    return Usage(meter=meter, unit="character", quantity=Decimal(count))


# --- where it is cut ------------------------------------------------------------------------------------


def test_what_fits_is_sent_as_it_is() -> None:
    request = TranslateRequest(texts=("one. Two.",), target="de")
    made = parts("translation.translate", request, declared(max_characters=9, max_batch=1), whose="g")
    assert made.requests[0] is request
    answer = answered(made.requests)[0]
    assert made.joined([answer]) is answer


def test_one_character_more_makes_two() -> None:
    assert sent(translate("one. Two.", max_characters=9)) == [("one. Two.",)]
    assert sent(translate("one. Two.!", max_characters=9, max_batch=1)) == [("one.",), ("Two.!",)]


def test_other_operations_are_left_alone() -> None:
    from cloudai.types.translation import LanguagesRequest

    request = LanguagesRequest()
    assert parts("translation.languages", request, declared(max_characters=1), whose="g").requests == (request,)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("He came. She left.", ["He came.", "She left."]),
        ("He came! She left?", ["He came!", "She left?"]),
        ("He said: “Today.” She left.", ["He said: “Today.”", "She left."]),
        ("我来了。她走了。", ["我来了。", "她走了。"]),
        ("なに！？そうか。", ["なに！？", "そうか。"]),
        ("هل جئت؟ نعم جئت.", ["هل جئت؟", "نعم جئت."]),
        ("वह आया। वह गयी।", ["वह आया।", "वह गयी।"]),
        ("ሰላም ነው። ደህና ነኝ።", ["ሰላም ነው።", "ደህና ነኝ።"]),
        ("one item\nother item", ["one item", "other item"]),
        ("one. Two\n\nthree four", ["one. Two", "three four"]),
    ],
)
def test_a_text_is_cut_between_sentences(text: str, pieces: list[str]) -> None:
    made = translate(text, max_characters=max(map(len, pieces)), max_batch=1)
    assert [each for (each,) in sent(made)] == pieces


@pytest.mark.parametrize(
    "text",
    [
        "So wrote Mr. Smith to us",
        "It is No. 7 of the row",
        "By J. R. Tolkien and more",
        "He lives in the U.S. Army",
        "It costs 3.50 a piece now",
        "Is it “Why?” he wondered",
        "「すごい！」と彼は言ったのだった",
        "We met at approx. five then",
    ],
)
def test_no_cut_within_a_sentence(text: str) -> None:
    with pytest.raises(TooLarge, match="the sentence at character 0"):
        translate(text, max_characters=len(text) - 1)


def test_the_surest_border_is_taken_before_the_last_one() -> None:
    text = "A line that is\nwrapped. And one\nmore that is"
    assert sent(translate(text, max_characters=35, max_batch=1))[0] == ("A line that is\nwrapped.",)


def test_a_likely_end_is_taken_where_there_is_no_sure_one() -> None:
    assert sent(translate("I saw Prof. Smith came", max_characters=12, max_batch=1))[0] == ("I saw Prof.",)


def test_the_pieces_are_of_about_one_size() -> None:
    made = translate("The quick brown fox jumped. " * 11, max_characters=279, max_batch=1)
    assert [len(text) for (text,) in sent(made)] == [167, 139]


def test_bytes_are_counted_as_utf_8() -> None:
    assert sent(translate("ää. öä! Uu.", max_text_bytes=11, max_batch=1)) == [("ää. öä!",), ("Uu.",)]
    assert sent(translate("ää. öä! Uu.", max_text_bytes=12, max_batch=1)) == [("ää. öä!",), ("Uu.",)]
    assert sent(translate("ää. öä! Uu.", max_text_bytes=15)) == [("ää. öä! Uu.",)]


def test_characters_beyond_the_basic_plane_count_one() -> None:
    assert sent(translate("😀😀! 😀😀!", max_characters=7)) == [("😀😀! 😀😀!",)]
    assert sent(translate("😀😀! 😀😀!", max_characters=6, max_batch=1)) == [("😀😀!",), ("😀😀!",)]


# --- lists ----------------------------------------------------------------------------------------------


def test_a_list_is_grouped_by_number_and_by_size() -> None:
    assert sent(translate("a", "b", "c", max_batch=2)) == [("a", "b"), ("c",)]
    assert sent(translate("aa", "bb", "cc", max_batch=9, max_characters=4)) == [("aa", "bb"), ("cc",)]
    assert sent(translate("ää", "b", "cc", max_batch=9, max_text_bytes=5)) == [("ää", "b"), ("cc",)]


def test_a_list_without_a_declared_number_is_left_to_the_driver() -> None:
    assert sent(translate("aa", "bb", "cc", max_characters=4)) == [("aa", "bb", "cc")]
    assert sent(translate("aa", "one. Two.", max_characters=4)) == [("aa", "one.", "Two.")]


def test_an_answer_stands_at_its_texts_place() -> None:
    made = translate("aa", "one. Two.", "", "b", max_characters=5, max_batch=2)
    assert sent(made) == [("aa",), ("one.",), ("Two.", ""), ("b",)]
    joined = made.joined(answered(made.requests, str.upper))
    assert [each.text for each in joined.translations] == ["AA", "ONE. TWO.", "", "B"]


def test_a_list_that_is_only_grouped_says_nothing_of_it() -> None:
    made = translate("a", "b", max_batch=1)
    assert made.joined(answered(made.requests)).warnings == ()


# --- how it is joined ------------------------------------------------------------------------------------


def test_white_space_between_sentences_stays() -> None:
    made = translate("  one.\n\nTwo!\tThree. ", max_characters=6, max_batch=1)
    assert made.joined(answered(made.requests, str.upper)).text == "  ONE.\n\nTWO!\tTHREE. "


def test_sentences_are_joined_as_the_target_is_written() -> None:
    to_english = translate("你好。再见。", target="en", max_characters=3, max_batch=1)
    assert to_english.joined(answered(to_english.requests, lambda text: f"<{text}>")).text == "<你好。> <再见。>"
    to_chinese = translate("Hi! Bye.", target="zh-Hans", max_characters=4, max_batch=1)
    assert to_chinese.joined(answered(to_chinese.requests, lambda text: f"<{text}>")).text == "<Hi!><Bye.>"


def test_usage_is_summed_by_meter_and_other_meters_stay_apart() -> None:
    made = translate("one. Two!", max_characters=4, max_batch=1)
    answers = [
        each.model_copy(update={"usage": (*each.usage, usage(4, "translation.detect_language"))})
        for each in answered(made.requests)
    ]
    found = made.joined(answers).usage
    assert found == (usage(8), *[usage(4, "translation.detect_language")] * 2)


def test_warnings_are_said_once_and_the_number_of_requests_is_told() -> None:
    made = translate("one. Two.", max_characters=4, max_batch=1)
    ignored = Notice(code="option_ignored", message="no formality")
    joined = made.joined(answered(made.requests, warnings=(ignored,), request_id="r", raw={"x": 1}))
    assert joined.warnings == (
        ignored,
        Notice(code="split", message="the text was too long for one request: g was sent 2 requests"),
    )
    assert (joined.request_id, joined.raw) == ("r, r", [{"x": 1}, {"x": 1}])


def test_the_language_of_a_joined_text_is_that_of_most_of_it() -> None:
    made = translate("Kurz! This is longer.", max_characters=15, max_batch=1)
    told = [("de", 0.5), ("en", 0.9)]
    answers = [
        TranslateResult(translations=(Translation(text="x", source=source, detected=True, confidence=value),))
        for source, value in told
    ]
    (whole,) = made.joined(answers).translations
    assert (whole.source, whole.detected) == ("en", True)
    assert whole.confidence == pytest.approx((0.5 * 5 + 0.9 * 15) / 20)


# --- what is refused -------------------------------------------------------------------------------------


def test_html_is_not_cut() -> None:
    with pytest.raises(TooLarge, match="the HTML has 16 characters; g takes at most 10"):
        translate("<p>one. Two.</p>", format=TextFormat.HTML, max_characters=10)


def test_a_list_of_html_is_grouped() -> None:
    assert len(translate("<p>1</p>", "<p>2</p>", format=TextFormat.HTML, max_batch=1).requests) == 2


def test_a_sentence_over_the_limit_is_named() -> None:
    with pytest.raises(TooLarge, match=r"sentence at character 5 .*at most 8 \(max_characters; https"):
        translate("one! Two and three and four! Five.", max_characters=8)


def test_white_space_alone_is_refused_when_it_is_too_long() -> None:
    with pytest.raises(TooLarge, match="white space"):
        translate(" " * 9, max_characters=8)


def test_half_of_a_surrogate_pair_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInput, match="character 1"):
        translate("a\ud800", max_characters=8)


# --- which language --------------------------------------------------------------------------------------


def detect(*texts: str, **limits: int) -> Parts[DetectLanguageRequest]:
    return parts("translation.detect_language", DetectLanguageRequest(texts=texts), declared(**limits), whose="g")


def test_the_language_is_that_of_the_beginning_and_this_is_said() -> None:
    made = detect("abc defgh ijkl", "xy", max_characters=10, max_batch=1)
    assert [request.texts for request in made.requests] == [("abc defgh",), ("xy",)]
    answers = [
        DetectLanguageResult(
            detections=(LanguageDetection(language=language),), usage=(usage(300, "translation.detect_language"),)
        )
        for language in ("en", "de")
    ]
    joined = made.joined(answers)
    assert [each.language for each in joined.detections] == ["en", "de"]
    assert [each.quantity for each in joined.usage] == [600]
    assert joined.warnings == (
        Notice(code="truncated", message="1 of 2 texts too long for g: the language is that of what they begin with"),
    )


def test_a_beginning_is_cut_by_bytes_between_code_points() -> None:
    made = detect("ÄÖÜ" * 9, max_text_bytes=7)
    assert made.requests[0].texts == ("ÄÖÜ",)


# --- properties ------------------------------------------------------------------------------------------

words = st.sampled_from(
    ["Mr. Smith", "came", "U.S.", "3.14", "no", "你好", "Ende", "😀", "são", "“Why?”", "etc.", "שלום", "\u0301x"]
)
ends = st.sampled_from([". ", "! ", "? ", "。", "。 ", "…\n", ".\r\n\r\n", "\n", "؟ ", "। ", "\u2029", "  \n \n"])
sentences = st.tuples(st.lists(words, min_size=1, max_size=6).map(" ".join), ends).map("".join)
prose = st.lists(sentences, max_size=12).map("".join)
anything = st.one_of(prose, st.text(max_size=200))
bounds = st.fixed_dictionaries(
    {}, optional={"max_characters": st.integers(20, 80), "max_text_bytes": st.integers(40, 160)}
).filter(bool)


@given(texts=st.lists(anything, max_size=5), bound=bounds, batch=st.integers(1, 3))
def test_parts_are_within_the_limits_and_give_the_text_back(
    texts: list[str], bound: dict[str, Any], batch: int
) -> None:
    try:
        made = translate(*texts, target="en", **bound, max_batch=batch)
    except TooLarge:
        return
    for request in made.requests:
        assert len(request.texts) <= batch
        assert sum(map(len, request.texts)) <= bound.get("max_characters", 10**9)
        assert sum(len(text.encode()) for text in request.texts) <= bound.get("max_text_bytes", 10**9)
    joined = [each.text for each in made.joined(answered(made.requests)).translations]
    assert len(joined) == len(texts)
    for before, after in zip(texts, joined, strict=True):
        assert after == before or re.sub(r"\s", "", after) == re.sub(r"\s", "", before)


@given(text=prose, bound=bounds)
def test_a_text_with_spaces_after_its_sentences_comes_back_to_the_byte(text: str, bound: dict[str, Any]) -> None:
    spaced = text.replace("。", ". ")
    try:
        made = translate(spaced, target="en", **bound, max_batch=1)
    except TooLarge:
        return
    assert made.joined(answered(made.requests)).text == spaced


@given(text=anything, bound=bounds)
def test_a_beginning_is_within_the_limits_and_of_the_text(text: str, bound: dict[str, Any]) -> None:
    (request,) = detect(text, **bound).requests
    (first,) = request.texts
    assert first in text
    assert len(first) <= bound.get("max_characters", 10**9)
    assert len(first.encode()) <= bound.get("max_text_bytes", 10**9)
