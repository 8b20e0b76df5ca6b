"""Each of Google's forms as cloudai's, with Google's own bytes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import gcp_answers
from gcp_answers import DOCUMENT, FACES, LABELS, LANDMARKS, OBJECTS, SAFE, full_text, word

from cloudai.testing.samples import picture
from cloudai.types import speech as s
from cloudai.types import translation as t
from cloudai.types import vision as v
from cloudai.types.geometry import Box
from cloudai.types.media import AudioInfo, ImageInfo, Media, MediaKind
from cloudai.wirejson import JsonNode, Malformed
from cloudai_gcp import codec_document, codec_speech, codec_synthesis, codec_translation, codec_vision
from cloudai_gcp.codec_faces import neutral
from cloudai_gcp.errors import GoogleError
from cloudai_gcp.values import (
    exact_seconds,
    from_google,
    from_translate,
    likelihood,
    seconds,
    to_speech,
    to_translate,
    to_vision,
    to_voice,
)
from cloudai_gcp.wire import Answer, Plan, Target

TARGET = Target(project="p", processor="ocr", form_processor="form", layout_processor="layout")


def image(width: int = 480, height: int = 160, orientation: int = 1) -> Media:
    info = ImageInfo(width=width, height=height, orientation=orientation)
    return Media(kind=MediaKind.IMAGE, data=picture(), content_type="image/png", image=info)


def audio(seconds: float | None = 1.0, channels: int = 1) -> Media:
    info = AudioInfo(duration=seconds, sample_rate=16000, channels=channels, bits=16, encoding="pcm_s16le")
    return Media(kind=MediaKind.AUDIO, data=b"RIFF", content_type="audio/wav", audio=info)


def read(plan: Plan[Any], *answers: Any) -> Any:
    return plan.decode([Answer(json=JsonNode(answer)) for answer in answers])


def vision(**annotations: Any) -> dict[str, Any]:
    return {"responses": [annotations]}


# --- single values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"), [("1.500s", 1.5), ("0s", 0.0), ("0.000000001s", 1e-9), ("3600s", 3600.0), ("-1.5s", -1.5)]
)
def test_a_duration_is_a_string_of_seconds(text: str, value: float) -> None:
    assert seconds(JsonNode(text)) == value


def test_a_duration_is_exact_where_it_is_billed_and_none_where_it_is_left_out() -> None:
    assert str(exact_seconds(JsonNode("0.100s"))) == "0.100"
    assert seconds(JsonNode(None)) is None


@pytest.mark.parametrize("text", ["1.5", "1500ms", "", "1,5s", "s", "1.0123456789s", 5])
def test_what_is_no_duration_is_malformed(text: object) -> None:
    with pytest.raises(Malformed):
        seconds(JsonNode(text))


def test_a_likelihood_is_its_step_in_fifths_and_unknown_is_none() -> None:
    words = ("UNKNOWN", "VERY_UNLIKELY", "UNLIKELY", "POSSIBLE", "LIKELY", "VERY_LIKELY")
    assert [likelihood(each) for each in words] == [None, 0.2, 0.4, 0.6, 0.8, 1.0]
    with pytest.raises(Malformed):
        likelihood("MAYBE")


@pytest.mark.parametrize(
    ("ours", "translate", "speech", "voice", "hint"),
    [
        ("he", "he", "iw-IL", "he-IL", "iw"),
        ("zh-Hans", "zh-CN", "cmn-Hans-CN", "cmn-CN", "zh-Hans"),
        ("zh-CN", "zh-CN", "cmn-Hans-CN", "cmn-CN", "zh-Hans-CN"),
        ("zh-TW", "zh-TW", "cmn-Hant-TW", "cmn-TW", "zh-Hant-TW"),
        ("yue-HK", "yue-HK", "yue-Hant-HK", "yue-HK", "yue-HK"),
        ("nb", "no", "no-NO", "nb-NO", "no"),
        ("fil", "tl", "fil-PH", "fil-PH", "tl"),
        ("pt-BR", "pt", "pt-BR", "pt-BR", "pt-BR"),
        ("pt-PT", "pt-PT", "pt-PT", "pt-PT", "pt-PT"),
        ("sr-Latn", "sr-Latn", "sr-RS", "sr-RS", "sr-Latn"),
        ("pa", "pa", "pa-Guru-IN", "pa-IN", "pa"),
        ("en", "en", "en-US", "en-US", "en"),
        ("EN_gb", "en-GB", "en-GB", "en-GB", "en-GB"),
    ],
)
def test_languages_are_asked_for_in_each_services_codes(
    ours: str, translate: str, speech: str, voice: str, hint: str
) -> None:
    assert (to_translate(ours), to_speech(ours), to_voice(ours), to_vision(ours)) == (translate, speech, voice, hint)


@pytest.mark.parametrize(
    ("googles", "ours"),
    [("iw", "he"), ("zh-CN", "zh-Hans"), ("zh-TW", "zh-Hant"), ("no", "nb"), ("tl", "fil"), ("sr-Latn", "sr-Latn"),
     ("pt-PT", "pt-PT"), ("jw", "jv"), ("und", "und"), ("no such", "und"), ("mni-Mtei", "mni-Mtei")],
)  # fmt: skip
def test_translations_codes_come_back_as_bcp_47(googles: str, ours: str) -> None:
    assert from_translate(googles) == ours


@pytest.mark.parametrize(
    ("googles", "ours"),
    [("cmn-Hans-CN", "zh-Hans-CN"), ("en-us", "en-US"), ("iw-IL", "he-IL"), ("cmn-tw", "zh-Hant-TW")],
)
def test_speechs_codes_come_back_with_their_region(googles: str, ours: str) -> None:
    assert from_google(googles) == ours


# --- pictures ----------------------------------------------------------------------------------------


def test_vertices_that_are_zero_are_left_out_by_google_and_back_here() -> None:
    result = read(
        codec_vision.detect_objects(v.DetectObjectsRequest(image=image()), TARGET),
        vision(localizedObjectAnnotations=OBJECTS),
    )
    assert result.objects[0].box == Box(x=0, y=0, w=0.5, h=0.25)
    assert [(p.x, p.y) for p in result.objects[0].polygon.points] == [(0, 0), (0.5, 0), (0.5, 0.25), (0, 0.25)]


def test_pixels_become_fractions_of_the_picture() -> None:
    plan = codec_vision.detect_landmarks(v.DetectLandmarksRequest(image=image()), TARGET)
    place = read(plan, vision(landmarkAnnotations=LANDMARKS)).landmarks[0]
    assert place.region.box == Box(x=0.1, y=0.1, w=0.4, h=0.4)
    assert (place.name, place.vendor_name) == ("saint basil's cathedral", "Saint Basil's Cathedral")
    assert (place.locations[0].latitude, place.vendor_id) == (55.752912, "/m/014lft")


def test_pixels_of_a_turned_photo_are_those_of_the_upright_one() -> None:
    plan = codec_vision.detect_landmarks(v.DetectLandmarksRequest(image=image(160, 480, orientation=6)), TARGET)
    assert read(plan, vision(landmarkAnnotations=LANDMARKS)).landmarks[0].region.box == Box(x=0.1, y=0.1, w=0.4, h=0.4)


def test_text_of_a_photo_that_was_not_turned_is_turned_here() -> None:
    """The page's size says that Google counted on the stored picture: EXIF 6 puts its left edge on top."""
    plan = codec_vision.read_text(v.ReadTextRequest(image=image(480, 160, orientation=6)), TARGET)
    page = read(plan, vision(fullTextAnnotation=full_text(480, 160))).pages[0]
    assert (page.width, page.height) == (160, 480)
    hello = page.lines[0].words[0].region
    assert hello.box.x == pytest.approx(0.9)
    assert hello.box.y == 0
    assert (hello.box.w, hello.box.h) == (pytest.approx(0.1), pytest.approx(0.125))


def test_labels_keep_googles_name_beside_the_neutral_one_the_surest_first() -> None:
    plan = codec_vision.detect_labels(v.DetectLabelsRequest(image=image(), min_confidence=0.9), TARGET)
    assert read(plan, vision(labelAnnotations=LABELS)).labels == (
        v.Label(
            name="motor vehicle", vendor_name="Motor  Vehicle", confidence=0.951, vendor_id="/m/0btp2", topicality=0.9
        ),
    )


def test_left_and_right_of_a_face_are_the_persons() -> None:
    assert neutral("LEFT_EYE") == "right_eye"
    assert neutral("MOUTH_LEFT") == "mouth_right"
    assert neutral("LEFT_OF_RIGHT_EYEBROW") == "right_of_left_eyebrow"
    assert neutral("RIGHT_EYE_LEFT_CORNER") == "left_eye_right_corner"
    assert neutral("NOSE_TIP") == "nose_tip"


def test_a_face_has_places_in_fractions_angles_in_degrees_and_words_for_attributes() -> None:
    plan = codec_vision.detect_faces(v.DetectFacesRequest(image=image(), attributes=True), TARGET)
    face = read(plan, vision(faceAnnotations=FACES)).faces[0]
    assert face.box == Box(x=0, y=0, w=0.1, h=0.2)
    assert (face.landmarks[0].type, face.landmarks[0].vendor_type) == ("right_eye", "LEFT_EYE")
    assert (face.landmarks[0].point.x, face.landmarks[0].point.y) == (0.025, 0.1)
    assert (face.pose.roll, face.pose.yaw, face.pose.pitch) == (-1.25, 12.5, -3)
    assert {each.name: each.value for each in face.attributes} == {
        "headwear": "VERY_LIKELY",
        "blurred": "VERY_UNLIKELY",
    }


def test_moderation_has_a_level_for_each_category_and_no_number_for_the_unknown() -> None:
    result = read(codec_vision.moderate(v.ModerateRequest(image=image()), TARGET), vision(safeSearchAnnotation=SAFE))
    assert [(each.category.value, each.level, each.score) for each in result.labels] == [
        ("violence", "LIKELY", 0.8),
        ("spoof", "POSSIBLE", 0.6),
        ("medical", "UNLIKELY", 0.4),
        ("sexual", "VERY_UNLIKELY", 0.2),
        ("suggestive", "UNKNOWN", None),
    ]


def test_breaks_make_lines() -> None:
    plan = codec_vision.read_text(v.ReadTextRequest(image=image()), TARGET)
    page = read(plan, vision(fullTextAnnotation=full_text())).pages[0]
    assert [line.text for line in page.lines] == ["Hello World", "for-", "ever"]
    assert page.languages == ("en", "he")
    assert page.lines[0].language == "en"
    assert page.lines[2].language == "he"
    world, line = page.lines[0].words[1].region.box, page.lines[0].region.box
    assert (world.x, world.y, world.w, world.h) == pytest.approx((0.15, 0, 0.125, 0.1))
    assert (line.x, line.y, line.w, line.h) == pytest.approx((0, 0, 0.275, 0.1))
    assert page.blocks[0].kind == "text"


def test_a_break_before_a_word_and_a_word_without_a_break_are_read() -> None:
    prefixed = word("b")
    prefixed["symbols"][0]["property"] = {"detectedBreak": {"type": "LINE_BREAK", "isPrefix": True}}
    words = [word("a"), prefixed, word("中", language="zh"), word("文", language="zh")]
    text = {"pages": [{"width": 100, "height": 50, "blocks": [{"paragraphs": [{"words": words}]}]}]}
    plan = codec_vision.read_text(v.ReadTextRequest(image=image()), TARGET)
    assert read(plan, vision(fullTextAnnotation=text)).text == "a\nb中文"


def test_a_picture_of_nothing_is_an_empty_answer() -> None:
    request = {"image": image()}
    assert read(codec_vision.read_text(v.ReadTextRequest(**request), TARGET), {"responses": [{}]}).text == ""
    assert read(codec_vision.detect_labels(v.DetectLabelsRequest(**request), TARGET), {"responses": [{}]}).labels == ()
    assert read(codec_vision.detect_faces(v.DetectFacesRequest(**request), TARGET), {"responses": [{}]}).faces == ()
    assert read(codec_vision.moderate(v.ModerateRequest(**request), TARGET), {"responses": [{}]}).labels == ()


def test_found_things_beside_an_error_are_kept_and_the_rest_is_the_error() -> None:
    request = v.AnalyzeRequest(images=(image(),), operations=("vision.detect_labels", "vision.moderate"))
    answer = vision(labelAnnotations=LABELS, error={"code": 14, "message": "try again"})
    (analysis,) = read(codec_vision.analyze(request, TARGET), answer)
    assert len(analysis.labels.labels) == 2
    assert analysis.errors["vision.moderate"].code == "unavailable"


def test_an_answer_with_fewer_pictures_than_were_sent_is_malformed() -> None:
    with pytest.raises(Malformed, match="0 answers for 1"):
        read(codec_vision.moderate(v.ModerateRequest(image=image()), TARGET), {})


def test_an_image_error_is_raised_with_its_number_as_a_code() -> None:
    with pytest.raises(GoogleError) as caught:
        read(
            codec_vision.moderate(v.ModerateRequest(image=image()), TARGET),
            vision(error={"code": 8, "message": "slow"}),
        )
    assert caught.value.fault.code == "rate_limited"


# --- speech ------------------------------------------------------------------------------------------


def heard(body: Any, **request: Any) -> s.TranscribeResult:
    asked = s.TranscribeRequest(**{"audio": audio(), "language": "en-US", **request})
    return read(codec_speech.transcribe(asked, TARGET), body)


def test_offsets_become_seconds_and_a_first_word_at_zero_is_at_zero() -> None:
    words = [{"endOffset": "0.400s", "word": "a"}, {"startOffset": "0.400s", "endOffset": "1.500s", "word": "b"}]
    result = heard({"results": [{"alternatives": [{"transcript": " a b", "words": words}], "resultEndOffset": "2s"}]})
    assert [(w.start, w.end) for w in result.segments[0].words] == [(0.0, 0.4), (0.4, 1.5)]
    assert (result.segments[0].start, result.segments[0].end, result.text) == (0.0, 1.5, "a b")


def test_a_confidence_of_zero_is_not_set() -> None:
    result = heard({"results": [{"alternatives": [{"transcript": "a", "confidence": 0, "words": [{"word": "a"}]}]}]})
    assert result.segments[0].confidence is None
    assert result.segments[0].words[0].confidence is None
    assert result.segments[0].words[0].start is None


def test_speakers_are_named_in_the_order_they_speak_and_divide_segments() -> None:
    words = [{"word": w, "speakerLabel": label} for w, label in (("a", "5"), ("b", "5"), ("c", "2"), ("d", "5"))]
    result = heard({"results": [{"alternatives": [{"transcript": "a b c d", "words": words}]}]}, diarization=True)
    assert [(each.speaker, each.text) for each in result.segments] == [
        ("speaker 1", "a b"),
        ("speaker 2", "c"),
        ("speaker 1", "d"),
    ]
    assert result.text == "a b c d"


def test_v1_repeats_all_words_with_speakers_once_and_so_do_we() -> None:
    request = s.TranscribeRequest(audio=audio(), language="en-US", diarization=True)
    key = Target(by_key=True)
    result = read(
        codec_speech.transcribe(request, key), gcp_answers.recognize_v1({"config": {"diarizationConfig": 1}}, {})
    )
    assert result.text == "hello there"
    assert [(each.speaker, each.text) for each in result.segments] == [("speaker 1", "hello"), ("speaker 2", "there")]


def test_channels_are_counted_from_zero() -> None:
    one = {"alternatives": [{"transcript": "x"}], "channelTag": 2}
    assert heard({"results": [one]}, channels=True).segments[0].channel == 1


def test_silence_is_an_empty_answer() -> None:
    result = heard({"metadata": {"totalBilledDuration": "1s"}})
    assert (result.text, result.segments, result.usage[0].quantity) == ("", (), 1)


# --- synthesis ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "gain"), [(1.0, 0.0), (2.0, 6.02), (0.5, -6.02), (0.0, -96.0), (4.0, 12.04), (1e-9, -96.0)]
)
def test_volume_is_a_gain_in_decibels(factor: float, gain: float) -> None:
    assert codec_synthesis.decibels(factor) == gain


@pytest.mark.parametrize(
    ("voice", "family"),
    [
        ("en-US-Neural2-A", "neural2"),
        ("en-US-Wavenet-D", "wavenet"),
        ("cmn-CN-Standard-A", "standard"),
        ("en-US-Studio-O", "studio"),
        ("de-DE-Chirp3-HD-Charon", "chirp3-hd"),
        ("en-US-Chirp-HD-F", "chirp-hd"),
        ("en-US-Polyglot-1", "polyglot"),
        ("Charon", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_voice_is_billed_as_its_family(voice: str | None, family: str) -> None:
    assert codec_synthesis.family_of(voice) == family


def spoken(format: s.AudioFormat, content: bytes) -> s.SynthesizeResult:  # noqa: A002
    import base64

    request = s.SynthesizeRequest(text="hi", language="en", format=format)
    return read(codec_synthesis.synthesize(request), {"audioContent": base64.b64encode(content).decode()})


def test_a_wav_is_as_it_came_and_its_header_is_read() -> None:
    result = spoken(s.AudioFormat.WAV, gcp_answers.spoken())
    assert (result.sample_rate, result.duration, result.audio[:4]) == (24_000, 0.25, b"RIFF")


def test_mulaw_comes_without_the_header_that_google_puts_before_it() -> None:
    result = spoken(s.AudioFormat.MULAW, gcp_answers.spoken())
    assert result.audio == gcp_answers.spoken()[44:]
    assert result.sample_rate == 24_000


# --- translation -------------------------------------------------------------------------------------


def test_lists_are_packed_in_order_within_both_limits() -> None:
    texts = tuple("x" * 10_000 for _ in range(4)) + tuple("y" for _ in range(1_500))
    groups = list(codec_translation.packed(texts, most=1_024, code_points=30_000))
    assert [text for group in groups for text in group] == list(texts)
    assert [len(group) for group in groups] == [3, 1_024, 477]


def test_characters_are_code_points() -> None:
    request = t.TranslateRequest(texts=("a😀", "漢"), target="en", source="ja")
    result = read(codec_translation.translate(request, TARGET), {"translations": [{"translatedText": "x"}] * 2})
    assert result.usage[0].quantity == 3


def test_fewer_translations_than_texts_are_malformed() -> None:
    request = t.TranslateRequest(texts=("a", "b"), target="en")
    with pytest.raises(Malformed, match="1 translations for 2 texts"):
        read(codec_translation.translate(request, TARGET), {"translations": [{"translatedText": "x"}]})


# --- documents ---------------------------------------------------------------------------------------


def document(features: tuple[v.DocumentFeature, ...] = ()) -> v.ReadDocumentResult:
    media = Media(kind=MediaKind.DOCUMENT, data=b"%PDF", content_type="application/pdf", pages=1)
    request = v.ReadDocumentRequest(document=media, features=features)
    name = "form" if features else "ocr"
    return read(codec_document.read_document(request, TARGET), gcp_answers.process({}, {"name": name}))


def test_a_documents_text_is_found_by_its_spans() -> None:
    result = document()
    page = result.pages[0]
    assert [block.text for block in page.blocks] == ["Invoice 7", "Name: Ada", "Qty Price\n2 5"]
    assert [w.text for w in page.lines[0].words] == ["Invoice", "7"]
    assert page.lines[0].region.box.h == pytest.approx(0.1)
    assert (page.width, page.height, page.unit, page.languages) == (1000, 500, "pixel", ("en",))
    assert DOCUMENT.startswith(page.lines[0].text)


def test_tables_and_forms_are_read() -> None:
    result = document((v.DocumentFeature.TABLES, v.DocumentFeature.FORMS))
    assert result.tables[0].to_rows() == [["Qty", "Price"], ["2", "5"]]
    assert [cell.header for cell in result.tables[0].cells] == [True, True, False, False]
    assert [(pair.key, pair.value) for pair in result.key_values] == [("Name", "Ada")]
    assert result.key_values[0].value_region.box.x == 0.5


def test_a_cell_over_two_rows_pushes_the_next_one_aside() -> None:
    def cell(start: int, rows: int = 1, columns: int = 1) -> dict[str, Any]:
        segment = {"startIndex": str(start), "endIndex": str(start + 1)}
        return {"layout": {"textAnchor": {"textSegments": [segment]}}, "rowSpan": rows, "colSpan": columns}

    table = {"bodyRows": [{"cells": [cell(0, rows=2), cell(1)]}, {"cells": [cell(2)]}, {"cells": [cell(3, columns=2)]}]}
    body = {"document": {"text": "abcd", "pages": [{"tables": [table]}]}}
    media = Media(kind=MediaKind.DOCUMENT, data=b"%PDF", content_type="application/pdf", pages=1)
    request = v.ReadDocumentRequest(document=media, features=(v.DocumentFeature.TABLES,))
    found = read(codec_document.read_document(request, TARGET), body).tables[0]
    assert found.to_rows() == [["a", "b"], ["", "c"], ["d", ""]]


@pytest.mark.parametrize(("text", "numbers"), [("1", [1]), ("1-3,7", [1, 2, 3, 7]), (" 2 , 2-3", [2, 3])])
def test_pages_are_numbers(text: str, numbers: list[int]) -> None:
    assert codec_document.page_numbers(text) == numbers


def test_a_layout_has_headings_lists_and_tables_on_their_pages() -> None:
    media = Media(kind=MediaKind.DOCUMENT, data=b"%PDF", content_type="application/pdf", pages=2)
    request = v.ReadDocumentRequest(document=media, features=(v.DocumentFeature.LAYOUT,))
    result = read(codec_document.read_document(request, TARGET), gcp_answers.process({}, {"name": "layout"}))
    assert [(block.kind, block.text) for block in result.pages[0].blocks] == [
        ("title", "Report"),
        ("paragraph", "It is\nlong."),
        ("paragraph", "first"),
        ("paragraph", "second"),
    ]
    assert result.pages[0].blocks[0].region.box == Box(x=0, y=0, w=0.5, h=0.1)
    assert result.tables[0].to_rows() == [["Qty", "Price"], ["2", ""]]
    assert (result.tables[0].page, result.tables[0].title) == (2, "Orders")
    assert result.pages[1].text == "Qty\tPrice\n2\t"
    assert (result.usage[0].quantity, result.usage[0].variant) == (2, "layout-parser")
