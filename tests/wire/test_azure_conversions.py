"""Azure's own forms in, cloudai's one meaning out: each conversion with the bytes that the service sends."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import TRANSCRIPT, brands
from azure_client import opened

from cloudai.errors import InvalidInput
from cloudai.languages import normalise
from cloudai.testing.samples import picture, tone
from cloudai.types.media import Media, MediaKind
from cloudai.types.vision import ModerationCategory
from cloudai.wirejson import JsonNode, Malformed
from cloudai_azure import codec_batch, codec_faces, codec_safety, codec_vision
from cloudai_azure.codec_synthesis import billed_characters
from cloudai_azure.settings import ModerationOptions
from cloudai_azure.values import (
    Frame,
    flat_corners,
    from_speech,
    from_translator,
    iso_duration,
    ticks,
    to_speech,
    to_translator,
)
from cloudai_azure.wire import Answer


def said(value: Any) -> Answer:
    return Answer(body=json.dumps(value).encode())


# --- places ------------------------------------------------------------------------------------------


def test_pixels_are_fractions_of_the_size_that_the_reply_tells() -> None:
    answer = Answer(
        body=b'{"modelVersion":"2023-10-01","metadata":{"width":1000,"height":500},"objectsResult":{"values":'
        b'[{"boundingBox":{"x":100,"y":50,"w":500,"h":250},"tags":[{"name":"Person","confidence":0.9}]}]}}'
    )
    (found,) = codec_vision.objects_of(answer, None, None).objects
    assert (found.box.x, found.box.y, found.box.w, found.box.h) == (0.1, 0.1, 0.5, 0.5)
    assert (found.name, found.vendor_name) == ("person", "Person")


def test_a_box_at_the_origin_is_no_missing_box() -> None:
    answer = Answer(
        body=b'{"modelVersion":"m","metadata":{"width":10,"height":10},"objectsResult":{"values":'
        b'[{"boundingBox":{"x":0,"y":0,"w":5,"h":5},"tags":[{"name":"a","confidence":0}]}]}}'
    )
    assert codec_vision.objects_of(answer, None, None).objects[0].box.x == 0


def test_a_polygon_of_inches_is_fractions_of_the_page() -> None:
    node = JsonNode({"polygon": [0.85, 1.1, 4.25, 1.1, 4.25, 2.2, 0.85, 2.2]})
    region = flat_corners(node, "polygon", Frame(width=8.5, height=11))
    assert region is not None
    assert region.polygon is not None
    assert region.box.x == pytest.approx(0.1)
    assert region.box.w == pytest.approx(0.4)
    assert len(region.polygon.points) == 4


def test_a_page_without_a_size_has_no_positions() -> None:
    assert flat_corners(JsonNode({"polygon": [1, 2, 3, 4, 5, 6, 7, 8]}), "polygon", None) is None


def test_a_size_of_zero_is_no_size() -> None:
    answer = said({"modelVersion": "m", "metadata": {"width": 0, "height": 5}, "objectsResult": {"values": []}})
    with pytest.raises(Malformed, match="no size"):
        codec_vision.objects_of(answer, None, None)


# --- faces -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vendor", "ours"),
    [
        ("pupilLeft", "right_eye"),
        ("pupilRight", "left_eye"),
        ("mouthLeft", "mouth_right"),
        ("mouthRight", "mouth_left"),
        ("noseTip", "nose_tip"),
        ("eyebrowLeftOuter", "eyebrow_right_outer"),
        ("eyeRightInner", "eye_left_inner"),
        ("noseLeftAlarOutTip", "nose_right_alar_out_tip"),
        ("noseRootRight", "nose_root_left"),
        ("upperLipTop", "upper_lip"),
    ],
)
def test_left_and_right_are_the_persons(vendor: str, ours: str) -> None:
    assert codec_faces.landmark(vendor) == ours


def test_every_landmark_has_a_name_of_its_own() -> None:
    with opened() as (client, _):
        marks = client.vision.detect_faces(picture()).faces[0].landmarks
    assert len({mark.type for mark in marks}) == len(marks) == 27
    eyes = {mark.type: mark.point.x for mark in marks}
    assert eyes["right_eye"] < eyes["left_eye"]  # of one who looks at us, the right eye is on the left of the picture


def test_pose_keeps_the_signs_seen_in_replies() -> None:
    answer = Answer(
        body=b'[{"faceRectangle":{"top":0,"left":0,"width":5,"height":5},'
        b'"faceAttributes":{"headPose":{"pitch":-6.6,"roll":9.8,"yaw":-30.9}}}]'
    )
    (face,) = codec_faces.faces_of(answer, Frame(width=10, height=10))
    assert face.pose is not None
    assert (face.pose.roll, face.pose.yaw, face.pose.pitch) == (9.8, -30.9, -6.6)


@pytest.mark.parametrize(("orientation", "size"), [(1, (480, 160)), (3, (480, 160)), (6, (160, 480)), (8, (160, 480))])
def test_faces_are_places_of_the_upright_picture(orientation: int, size: tuple[int, int]) -> None:
    """Face turns a picture by its EXIF orientation before it looks; what is stored is 480 x 160."""
    buffer = io.BytesIO()
    image = Image.new("RGB", (480, 160))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(buffer, "JPEG", exif=exif)
    rectangle = {"left": 16, "top": 8, "width": 80, "height": 80}
    with opened() as (client, server):
        server.handlers["face"] = lambda _: [{"faceRectangle": rectangle}]
        (face,) = client.vision.detect_faces(buffer.getvalue()).faces
    width, height = size
    assert (face.box.x, face.box.y) == pytest.approx((16 / width, 8 / height))
    assert (face.box.w, face.box.h) == pytest.approx((80 / width, 80 / height))


def test_the_largest_face_comes_first_and_attributes_have_values() -> None:
    with opened() as (client, _):
        result = client.vision.detect_faces(picture(), attributes=True)
    first = result.faces[0]
    assert first.box.w == pytest.approx(144 / 480)
    values = {each.name: each.value for each in first.attributes}
    assert values["glasses"] is True
    assert values["glasses_kind"] == "readingGlasses"
    assert values["eye_occluded"] is True
    assert (first.sharpness, first.brightness) == (pytest.approx(0.9), 0.58)


# --- moderation --------------------------------------------------------------------------------------


def test_severity_is_a_score_and_nothing_found_is_no_label() -> None:
    answer = Answer(
        body=b'{"categoriesAnalysis":[{"category":"Hate","severity":0},{"category":"SelfHarm","severity":2},'
        b'{"category":"Sexual","severity":4},{"category":"Violence","severity":6}]}'
    )
    result = codec_safety.moderation_of(answer, None)
    assert [(label.category, label.score, label.level) for label in result.labels] == [
        (ModerationCategory.VIOLENCE, 1.0, "severity 6"),
        (ModerationCategory.SEXUAL, pytest.approx(2 / 3), "severity 4"),
        (ModerationCategory.SELF_HARM, pytest.approx(1 / 3), "severity 2"),
    ]
    assert codec_safety.moderation_of(answer, 0.5).score(ModerationCategory.SELF_HARM) == 0


def test_a_severity_left_out_is_a_wrong_answer_not_a_safe_picture() -> None:
    with pytest.raises(Malformed, match="severity"):
        codec_safety.moderation_of(said({"categoriesAnalysis": [{"category": "Hate"}]}), None)


def test_categories_can_be_chosen() -> None:
    options = ModerationOptions(categories=("Hate",))
    with opened() as (client, server):
        client.vision.moderate(picture(), options={"azure": options.model_dump()})
        assert server.requests[0].json["categories"] == ["Hate"]


# --- times -------------------------------------------------------------------------------------------


def test_ticks_of_100_ns_are_seconds() -> None:
    assert ticks(JsonNode({"offsetInTicks": 700000.0}), "offsetInTicks") == 0.07
    assert ticks(JsonNode({}), "offsetInTicks") is None


@pytest.mark.parametrize(
    ("word", "seconds"),
    [("PT0.07S", 0.07), ("PT1H2M3.5S", 3723.5), ("PT11.01S", 11.01), ("P1DT1S", 86401), ("PT5M", 300)],
)
def test_iso_durations_are_seconds(word: str, seconds: float) -> None:
    assert iso_duration(word) == pytest.approx(seconds)


@pytest.mark.parametrize("word", ["", "P", "PT", "1.5s", "PTS", "00:00:01"])
def test_what_is_no_duration_is_refused(word: str) -> None:
    with pytest.raises(Malformed):
        iso_duration(word)


def test_milliseconds_are_seconds_and_speakers_are_numbered_as_they_speak() -> None:
    with opened() as (client, _):
        result = client.speech.transcribe(tone(), language="en-US", diarization=True)
    assert [(each.start, each.end, each.speaker) for each in result.segments] == [
        (0.04, 0.8, "speaker 1"),
        (0.8, 1.0, "speaker 2"),
    ]
    assert result.duration == 1.0
    assert result.segments[0].words[1].start == 0.36


def test_a_batch_transcript_without_ticks_is_read_by_its_durations() -> None:
    bare = json.loads(json.dumps(TRANSCRIPT))
    for node in (bare, bare["recognizedPhrases"][0], bare["recognizedPhrases"][0]["nBest"][0]["words"][0]):
        node.pop("offsetInTicks", None)
        del node["durationInTicks"]
    with_ticks = codec_batch.transcript_of(JsonNode(TRANSCRIPT), {})
    assert codec_batch.transcript_of(JsonNode(bare), {}) == with_ticks
    assert with_ticks.duration == 4.12
    (segment,) = with_ticks.segments
    assert (segment.start, segment.end) == (0.07, pytest.approx(1.66))
    assert segment.alternatives[0].text == "Yellow world."


# --- languages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "azure"),
    [
        ("zh", "zh-Hans"), ("zh-CN", "zh-Hans"), ("zh-TW", "zh-Hant"), ("zh-Hant-HK", "zh-Hant"), ("no", "nb"),
        ("nb-NO", "nb"), ("fil", "fil"), ("tl", "fil"), ("iw", "he"), ("sr", "sr-Cyrl"), ("sr-Latn", "sr-Latn"),
        ("sr-Latn-RS", "sr-Latn"), ("pt", "pt"), ("pt-BR", "pt"), ("pt-PT", "pt-pt"), ("fr-CA", "fr-ca"),
        ("fr-FR", "fr"), ("en-GB", "en"), ("mn", "mn-Cyrl"), ("prs", "prs"), ("ckb", "ku"), ("yue-HK", "yue"),
    ],
)  # fmt: skip
def test_a_tag_is_translators_code(ours: str, azure: str) -> None:
    assert to_translator(ours) == azure


@pytest.mark.parametrize(
    ("azure", "ours"),
    [
        ("zh-Hans", "zh-Hans"), ("zh-Hant", "zh-Hant"), ("pt-pt", "pt-PT"), ("pt", "pt"), ("nb", "nb"),
        ("fil", "fil"), ("sr-Latn", "sr-Latn"), ("sr-Cyrl", "sr-Cyrl"), ("ku", "ckb"), ("prs", "fa-AF"),
        ("mn-Cyrl", "mn"), ("not a code", "und"),
    ],
)  # fmt: skip
def test_translators_code_is_a_tag(azure: str, ours: str) -> None:
    assert from_translator(azure) == ours


@pytest.mark.parametrize(
    ("ours", "azure"),
    [
        ("en", "en-US"), ("en-GB", "en-GB"), ("zh", "zh-CN"), ("zh-Hant", "zh-TW"), ("yue", "zh-HK"), ("nb", "nb-NO"),
        ("fil", "fil-PH"), ("he", "he-IL"), ("pt", "pt-BR"), ("sr", "sr-RS"), ("es-419", "es-419"), ("ja", "ja-JP"),
    ],
)  # fmt: skip
def test_a_tag_is_a_speech_locale(ours: str, azure: str) -> None:
    assert to_speech(ours) == azure


@pytest.mark.parametrize(
    ("azure", "ours"),
    [("zh-CN", "zh-Hans-CN"), ("zh-HK", "yue-HK"), ("zh-CN-shandong", "zh-Hans-CN"), ("nb-NO", "nb-NO"), ("??", None)],
)
def test_a_speech_locale_is_a_tag(azure: str, ours: str | None) -> None:
    assert from_speech(azure) == ours


@given(st.sampled_from(["zh-Hans", "zh-Hant", "pt-PT", "nb", "fil", "sr-Latn", "he", "de", "fr-CA", "fa-AF", "mn"]))
def test_what_translator_is_given_comes_back_the_same(tag: str) -> None:
    assert from_translator(to_translator(tag)) == normalise(tag)


def test_a_detected_language_is_ours_with_its_confidence() -> None:
    with opened() as (client, _):
        (found,) = client.translation.translate("a", target="zh-TW").translations
        assert (found.source, found.detected, found.confidence) == ("zh-Hans", True, 0.91)
        assert found.text == "[zh-Hant] a"
        assert client.translation.detect_language("x").detections[0].alternatives[0].language == "nb"
        codes = [each.code for each in client.translation.languages().languages]
    assert {"zh-Hans", "zh-Hant", "pt", "pt-PT", "sr-Latn", "sr-Cyrl", "nb", "fil", "he", "fa-AF"} <= set(codes)
    assert len(codes) == len(set(codes))


def test_voices_have_our_tags_and_cantonese_is_cantonese() -> None:
    with opened() as (client, _):
        every = {voice.id: voice for voice in client.speech.voices().voices}
        norwegian = [voice.id for voice in client.speech.voices("nb").voices]
    assert every["zh-HK-HiuMaanNeural"].languages == ("yue-HK",)
    assert every["en-US-AvaMultilingualNeural"].languages == ("en-US", "de-DE", "zh-Hans-CN")
    assert every["sr-Latn-RS-NicholasNeural"].languages == ("sr-Latn-RS",)
    assert every["en-US-JennyNeural"].sample_rate == 24000
    assert norwegian == ["nb-NO-NewNeural", "nb-NO-PernilleNeural"]


# --- texts -------------------------------------------------------------------------------------------


def test_offsets_are_code_points_and_each_word_is_on_its_line() -> None:
    with opened() as (client, server):
        result = client.vision.read_document(picture())
        assert server.requests[0].query["stringIndexType"] == "unicodeCodePoint"
    (page,) = result.pages
    assert [[word.text for word in line.words] for line in page.lines] == [["Grüße", "🌍"], ["Total:", "42"]]
    assert [block.kind for block in page.blocks] == ["title", "text"]
    assert [word.handwritten for word in page.lines[1].words] == [None, True]
    assert (page.unit, page.width, page.angle) == ("inch", 8.5, 0.5)


def test_tables_pairs_and_answers_of_a_document() -> None:
    with opened() as (client, _):
        result = client.vision.read_document(
            picture(), features=["tables", "forms"], queries=["What is the total?"], pages="1"
        )
    (table,) = result.tables
    assert table.to_rows() == [["Total:", "42"]]
    assert [cell.header for cell in table.cells] == [True, False]
    (pair,) = result.key_values
    assert (pair.key, pair.value, pair.confidence) == ("Total:", "42", 0.8)
    assert pair.value_region is not None
    (answer,) = result.answers
    assert (answer.query, answer.answer, answer.confidence) == ("What is the total?", "42", 0.7)


def test_words_under_the_least_confidence_are_left_out_of_the_line() -> None:
    with opened() as (client, _):
        assert client.vision.read_text(picture()).text == "Hello World"
        assert client.vision.read_text(picture(), min_confidence=0.9).text == "Hello"


def test_the_whole_pictures_caption_is_not_repeated_among_the_dense_ones() -> None:
    with opened() as (client, _):
        captions = client.vision.caption(picture(), dense=True).captions
    assert [each.text for each in captions] == ["a sign with words on it", "a black word"]
    assert captions[0].region is None
    assert captions[1].region is not None


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_chinese_characters_are_billed_twice(text: str) -> None:
    assert len(text) <= billed_characters(text) <= 2 * len(text)
    assert billed_characters("你好 ok") == 2 * 2 + 3
    assert billed_characters("漢字かな") == 4 + 2


def test_a_document_of_a_kind_that_is_not_translated_is_refused_before_sending() -> None:
    with opened() as (client, server):
        with pytest.raises(InvalidInput, match="docx"):
            client.translation.translate_document(picture(), target="de")
        assert server.requests == []


# --- nothing found, and what is sent -----------------------------------------------------------------


def test_nothing_found_is_an_empty_result() -> None:
    nothing = {
        "modelVersion": "2023-10-01",
        "metadata": {"width": 480, "height": 160},
        "tagsResult": {"values": []},
        "objectsResult": {"values": []},
        "readResult": {"blocks": []},
    }
    silence = {"durationMilliseconds": 1000, "combinedPhrases": [], "phrases": []}
    with opened() as (client, server):
        server.handlers |= {"images": lambda _: nothing, "face": lambda _: [], "transcribe": lambda _: silence}
        server.handlers |= {"brands": lambda received: {**brands(received), "brands": []}}
        assert client.vision.detect_labels(picture()).labels == ()
        assert client.vision.detect_objects(picture()).objects == ()
        assert client.vision.read_text(picture()).text == ""
        assert client.vision.detect_faces(picture()).faces == ()
        assert client.vision.detect_logos(picture()).logos == ()
        heard = client.speech.transcribe(tone(), language="en")
    assert (heard.text, heard.segments, heard.duration) == ("", (), 1.0)
    assert heard.usage[0].quantity == 1  # silence is billed all the same


@pytest.mark.parametrize(
    ("head", "kind", "ending"),
    [
        (b"RIFF", "audio/wav", "wav"), (b"fLaC", "audio/flac", "flac"), (b"OggS", "audio/ogg", "ogg"),
        (b"ID3\x04", "audio/mpeg", "mp3"), (b"#!AMR\n", "audio/amr", "amr"),
    ],
)  # fmt: skip
def test_a_recording_is_declared_as_what_it_is(head: bytes, kind: str, ending: str) -> None:
    """By its first bytes, never by a name."""
    audio = Media(kind=MediaKind.AUDIO, data=tone() if head == b"RIFF" else head, content_type=kind, name="call.bin")
    with opened() as (client, server):
        client.speech.transcribe(audio, language="en")
        body = server.requests[0].body
    assert f'name="audio"; filename="audio.{ending}"\r\nContent-Type: {kind}\r\n'.encode() in body
