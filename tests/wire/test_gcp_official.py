"""Google's own clients, given the same input, send the same request and read the same answer from the same bytes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.cloud import documentai_v1, speech_v1, texttospeech_v1, translate_v3, vision_v1
from google.oauth2.credentials import Credentials

sys.path.insert(0, str(Path(__file__).parent))

from gcp_client import opened
from gcp_server import PROJECT, TOKEN, GoogleServer, Received

from cloudai import Client
from cloudai.testing.samples import picture, tone

PARENT = f"projects/{PROJECT}/locations/global"


def official(client: Any, server: GoogleServer) -> Any:
    return client(transport="rest", credentials=Credentials(token=TOKEN), client_options={"api_endpoint": server.url})


@contextmanager
def both(tmp_path: Path, **more: Any) -> Iterator[tuple[Client, GoogleServer]]:
    with opened(tmp_path, **more) as (client, server):
        yield client, server


def pair(server: GoogleServer) -> tuple[Received, Received]:
    assert len(server.received) == 2
    ours, theirs = server.received
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    return ours, theirs


def by_name(value: Any, names: dict[int, str]) -> Any:
    """Their enums are numbers."""
    if isinstance(value, dict):
        return {key: names.get(each, each) if key == "type" else by_name(each, names) for key, each in value.items()}
    return [by_name(each, names) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("detect_labels", "LABEL_DETECTION"), ("detect_faces", "FACE_DETECTION"), ("read_text", "TEXT_DETECTION")],
)
def test_vision_sends_and_reads_the_same(verb: str, kind: str, tmp_path: Path) -> None:
    with both(tmp_path) as (client, server):
        mine = getattr(client.vision, verb)(picture())
        image = vision_v1.Image(content=picture())
        feature = vision_v1.Feature(type_=vision_v1.Feature.Type[kind])
        request = vision_v1.AnnotateImageRequest(image=image, features=[feature])
        answer = official(vision_v1.ImageAnnotatorClient, server).batch_annotate_images(requests=[request])
        ours, theirs = pair(server)
    names = {each.value: each.name for each in vision_v1.Feature.Type}
    assert by_name(theirs.body, names) == ours.body
    found = answer.responses[0]
    if verb == "detect_labels":
        expected = sorted(((each.description, each.score) for each in found.label_annotations), key=lambda x: -x[1])
        assert [(label.vendor_name, pytest.approx(label.confidence)) for label in mine.labels] == expected
    elif verb == "detect_faces":
        left = found.face_annotations[0].bounding_poly.vertices[0]
        assert (left.x / 480, left.y / 160) == (mine.faces[0].box.x, mine.faces[0].box.y)
    else:
        words = [
            "".join(symbol.text for symbol in each.symbols)
            for block in found.full_text_annotation.pages[0].blocks
            for paragraph in block.paragraphs
            for each in paragraph.words
        ]
        assert [each.text for line in mine.pages[0].lines for each in line.words] == words


def test_translation_sends_and_reads_the_same(tmp_path: Path) -> None:
    with both(tmp_path) as (client, server):
        mine = client.translation.translate(["a", "b"], source="en", target="zh-TW")
        answer = official(translate_v3.TranslationServiceClient, server).translate_text(
            parent=PARENT, contents=["a", "b"], mime_type="text/plain", source_language_code="en",
            target_language_code="zh-TW",
        )  # fmt: skip
        ours, theirs = pair(server)
        detected = client.translation.detect_language("x")
        found = official(translate_v3.TranslationServiceClient, server).detect_language(
            parent=PARENT, content="x", mime_type="text/plain"
        )
        known = official(translate_v3.TranslationServiceClient, server).get_supported_languages(
            parent=PARENT, display_language_code="en"
        )
        client.translation.languages()
    ours_detect, theirs_detect, theirs_languages, ours_languages = server.received[2:]
    assert theirs.body == ours.body
    assert theirs_detect.body == ours_detect.body
    assert theirs_languages.query["displayLanguageCode"] == ours_languages.query["displayLanguageCode"]
    assert [each.translated_text for each in answer.translations] == [each.text for each in mine.translations]
    assert found.languages[0].confidence == detected.detections[0].confidence
    assert len(known.languages) == 8


def test_speech_synthesis_sends_and_reads_the_same(tmp_path: Path) -> None:
    with both(tmp_path) as (client, server):
        mine = client.speech.synthesize("hi", voice="en-US-Neural2-A", rate=1.5)
        answer = official(texttospeech_v1.TextToSpeechClient, server).synthesize_speech(
            input=texttospeech_v1.SynthesisInput(text="hi"),
            voice=texttospeech_v1.VoiceSelectionParams(language_code="en-US", name="en-US-Neural2-A"),
            audio_config=texttospeech_v1.AudioConfig(
                audio_encoding=texttospeech_v1.AudioEncoding.LINEAR16, speaking_rate=1.5
            ),
        )
        ours, theirs = pair(server)
        voices = official(texttospeech_v1.TextToSpeechClient, server).list_voices()
        mine_voices = client.speech.voices()
    assert {**theirs.body, "audioConfig": {**theirs.body["audioConfig"], "audioEncoding": "LINEAR16"}} == ours.body
    assert answer.audio_content == mine.audio
    assert [each.name for each in voices.voices] == [each.id for each in mine_voices.voices]


def test_speech_v1_sends_and_reads_the_same(tmp_path: Path) -> None:
    from gcp_client import with_key

    with with_key() as (client, server):
        mine = client.speech.transcribe(tone(), language="en-US", word_timestamps=True, punctuation=False)
        config = speech_v1.RecognitionConfig(
            language_code="en-US", enable_word_confidence=True, enable_word_time_offsets=True
        )
        answer = official(speech_v1.SpeechClient, server).recognize(
            config=config, audio=speech_v1.RecognitionAudio(content=tone())
        )
        ours, theirs = pair(server)
    assert theirs.body == ours.body
    words = [each for result in answer.results for each in result.alternatives[0].words]
    assert [(w.start_time.total_seconds(), w.end_time.total_seconds()) for w in words] == [
        (w.start, w.end) for w in mine.segments[0].words
    ]


def test_speech_v2_sends_and_reads_the_same(tmp_path: Path) -> None:
    from google.cloud import speech_v2

    with both(tmp_path) as (client, server):
        mine = client.speech.transcribe(tone(), language="en-US", word_timestamps=True, channels=True)
        features = speech_v2.RecognitionFeatures(
            enable_word_confidence=True,
            enable_automatic_punctuation=True,
            enable_word_time_offsets=True,
            multi_channel_mode=speech_v2.RecognitionFeatures.MultiChannelMode.SEPARATE_RECOGNITION_PER_CHANNEL,
        )
        config = speech_v2.RecognitionConfig(
            auto_decoding_config=speech_v2.AutoDetectDecodingConfig(),
            model="long",
            language_codes=["en-US"],
            features=features,
        )
        request = speech_v2.RecognizeRequest(recognizer=f"{PARENT}/recognizers/_", config=config, content=tone())
        answer = official(speech_v2.SpeechClient, server).recognize(request=request)
        ours, theirs = pair(server)
    theirs.body["config"]["features"]["multiChannelMode"] = "SEPARATE_RECOGNITION_PER_CHANNEL"
    assert theirs.body == ours.body
    assert answer.results[0].channel_tag - 1 == mine.segments[0].channel
    assert answer.results[0].alternatives[0].transcript == mine.text
    assert answer.metadata.total_billed_duration.total_seconds() == mine.usage[0].quantity


def test_document_ai_sends_and_reads_the_same(tmp_path: Path) -> None:
    with both(tmp_path) as (client, server):
        mine = client.vision.read_document(picture())
        document = documentai_v1.RawDocument(content=picture(), mime_type="image/png")
        answer = official(documentai_v1.DocumentProcessorServiceClient, server).process_document(
            request=documentai_v1.ProcessRequest(
                name=f"projects/{PROJECT}/locations/us/processors/ocr1",
                raw_document=document,
                skip_human_review=True,
                imageless_mode=True,
            )
        )
        ours, theirs = pair(server)
    assert theirs.body == ours.body
    lines = [each.layout.text_anchor.text_segments[0] for each in answer.document.pages[0].lines]
    texts = [answer.document.text[int(each.start_index) : int(each.end_index)].strip() for each in lines]
    assert texts == [line.text for line in mine.pages[0].lines]
