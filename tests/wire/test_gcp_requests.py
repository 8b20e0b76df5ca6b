"""What goes over the wire to Google: every operation, exactly."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_answers import ANSWERS
from gcp_client import opened, with_key
from gcp_description import decoded
from gcp_server import KEY, PROJECT, GoogleServer, Received

from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing.samples import picture, tone


def sent(server: GoogleServer) -> Received:
    assert len(server.received) == 1
    return server.received[0]


@pytest.mark.parametrize(
    ("ask", "features"),
    [
        (lambda v: v.detect_labels(picture(), max_results=3), [{"type": "LABEL_DETECTION", "maxResults": 3}]),
        (lambda v: v.detect_objects(picture()), [{"type": "OBJECT_LOCALIZATION"}]),
        (lambda v: v.detect_faces(picture(), max_results=2), [{"type": "FACE_DETECTION", "maxResults": 2}]),
        (lambda v: v.read_text(picture()), [{"type": "TEXT_DETECTION"}]),
        (lambda v: v.read_text(picture(), dense=True), [{"type": "DOCUMENT_TEXT_DETECTION"}]),
        (lambda v: v.moderate(picture()), [{"type": "SAFE_SEARCH_DETECTION"}]),
        (lambda v: v.detect_landmarks(picture()), [{"type": "LANDMARK_DETECTION"}]),
        (lambda v: v.detect_logos(picture()), [{"type": "LOGO_DETECTION"}]),
        (
            lambda v: v.detect_labels(picture(), options={"gcp": {"model": "builtin/latest"}}),
            [{"type": "LABEL_DETECTION", "model": "builtin/latest"}],
        ),
    ],
)
def test_an_image_is_sent_with_its_feature(
    tmp_path: Path, ask: Callable[[Any], object], features: list[object]
) -> None:
    with opened(tmp_path) as (client, server):
        ask(client.vision)
        got = sent(server)
        assert got.method == "vision.v1:vision.images.annotate"
        assert list(got.body) == ["requests"]
        assert got.body["requests"][0]["features"] == features
        assert decoded(got.body["requests"][0]["image"]["content"]) == picture()


def test_a_stored_image_is_named_and_not_fetched(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        result = client.vision.detect_landmarks("gs://bucket/tower.jpg")
        assert sent(server).body["requests"][0]["image"] == {"source": {"imageUri": "gs://bucket/tower.jpg"}}
        assert result.landmarks[0].region is None
        assert "partial" in {notice.code for notice in result.warnings}


def test_faces_of_a_stored_image_are_refused_before_sending(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        with pytest.raises(CloudAIError, match="pass its bytes") as caught:
            client.vision.detect_faces("gs://bucket/face.jpg")
        assert caught.value.code is ErrorCode.INVALID_INPUT
        assert server.arrived == 0


def test_language_hints_are_googles_codes(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.vision.read_text(picture(), languages=["he", "en"])
        assert sent(server).body["requests"][0]["imageContext"] == {"languageHints": ["iw", "en"]}


def test_an_image_stays_in_the_eu_when_the_backend_is_there(tmp_path: Path) -> None:
    with opened(tmp_path, location="eu", project=PROJECT) as (client, server):
        client.vision.detect_labels(picture())
        got = sent(server)
        assert got.path == {"parent": f"projects/{PROJECT}/locations/eu"}
        assert got.body["parent"] == f"projects/{PROJECT}/locations/eu"


def test_seventeen_images_are_two_requests_and_each_keeps_its_place(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        answers = client.vision.analyze_batch([picture()] * 17, operations=["vision.detect_labels", "vision.moderate"])
        assert [len(got.body["requests"]) for got in server.received] == [16, 1]
        kinds = [each["type"] for each in server.received[0].body["requests"][0]["features"]]
        assert kinds == ["LABEL_DETECTION", "SAFE_SEARCH_DETECTION"]
        assert len(answers) == 17
        assert all(answer.labels and answer.moderation and not answer.errors for answer in answers)
        assert {(used.meter, used.quantity) for a in answers if a.labels for used in a.labels.usage} == {
            ("vision.detect_labels", 1)
        }


def test_an_error_of_one_image_is_that_images_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        good = ANSWERS["vision.v1:vision.images.annotate"]

        def half(body: Any, path: Any) -> Any:
            answer = good(body, path)
            answer["responses"][1] = {"error": {"code": 3, "message": "Bad image data."}}
            return answer

        server.answers["vision.v1:vision.images.annotate"] = half
        first, second = client.vision.analyze_batch([picture()] * 2, operations=["vision.detect_labels"])
        assert first.labels is not None
        assert first.errors == {}
        assert second.labels is None
        assert second.errors["vision.detect_labels"].code == "invalid_input"


def test_an_error_inside_a_200_is_an_error(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        error = {"responses": [{"error": {"code": 7, "message": "no access to the object"}}]}
        server.answers["vision.v1:vision.images.annotate"] = lambda *_: error
        with pytest.raises(CloudAIError, match="no access") as caught:
            client.vision.detect_labels("gs://bucket/secret.jpg")
        assert caught.value.code is ErrorCode.PERMISSION_DENIED


def test_plain_text_is_said_to_be_plain(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        result = client.translation.translate("Tom & Jerry", target="zh-Hant", source="nb")
        got = sent(server)
        assert got.path == {"parent": f"projects/{PROJECT}/locations/global"}
        assert got.body == {
            "contents": ["Tom & Jerry"],
            "mimeType": "text/plain",
            "sourceLanguageCode": "no",
            "targetLanguageCode": "zh-TW",
        }
        assert result.text == "<Tom & Jerry>"


def test_html_and_a_glossary_are_asked_for_in_the_glossarys_region(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        result = client.translation.translate("<b>a</b>", target="de", format="html", glossary="terms")
        got = sent(server)
        assert got.body["mimeType"] == "text/html"
        name = f"projects/{PROJECT}/locations/us-central1/glossaries/terms"
        assert got.body["glossaryConfig"] == {"glossary": name}
        assert result.translations[0].glossary_used
        assert result.text == "<<B>A</B>>"
        assert (result.translations[0].source, result.translations[0].detected) == ("he", True)


def test_a_key_is_sent_in_a_header_and_to_version_2(tmp_path: Path) -> None:
    with with_key() as (client, server):
        result = client.translation.translate(["a", "b"], target="de")
        got = sent(server)
        assert got.headers["x-goog-api-key"] == KEY
        assert got.query == {}
        assert got.body == {"q": ["a", "b"], "target": "de", "format": "text"}
        assert [each.source for each in result.translations] == ["zh-Hans", "zh-Hans"]


def test_a_glossary_with_a_key_is_refused_before_sending() -> None:
    with with_key() as (client, server):
        with pytest.raises(CloudAIError, match="credentials") as caught:
            client.translation.translate("a", target="de", glossary="terms")
        assert caught.value.code is ErrorCode.UNSUPPORTED
        assert server.arrived == 0


def test_what_takes_no_key_is_said_when_the_client_opens() -> None:
    with with_key() as (client, _):
        reasons = {name: client.explain(name).skipped[0].reason for name in client.driver("g").unavailable()}
    custom = {"custom.train", "custom.deploy", "custom.predict"}
    assert set(reasons) == {"vision.read_document", "translation.translate_document", *custom}
    assert all("credentials" in reason for reason in reasons.values())


def test_speech_is_sent_with_what_was_asked(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.speech.transcribe(
            tone(), language="en", languages=["zh-Hans", "he"], diarization=True, phrases=["Ada"], alternatives=3,
            profanity="mask", channels=True,
        )  # fmt: skip
        got = sent(server)
        assert got.path == {"recognizer": f"projects/{PROJECT}/locations/global/recognizers/_"}
        assert decoded(got.body.pop("content")) == tone()
        assert got.body == {
            "config": {
                "autoDecodingConfig": {},
                "model": "long",
                "languageCodes": ["en-US", "cmn-Hans-CN", "iw-IL"],
                "features": {
                    "enableWordConfidence": True,
                    "enableAutomaticPunctuation": True,
                    "enableWordTimeOffsets": True,
                    "profanityFilter": True,
                    "multiChannelMode": "SEPARATE_RECOGNITION_PER_CHANNEL",
                    "maxAlternatives": 3,
                    "diarizationConfig": {},
                },
                "adaptation": {"phraseSets": [{"inlinePhraseSet": {"phrases": [{"value": "Ada"}]}}]},
            }
        }


def test_a_language_that_nobody_named_is_for_the_chirp_models(tmp_path: Path) -> None:
    with opened(tmp_path, location="us-central1") as (client, server):
        with pytest.raises(CloudAIError, match="chirp"):
            client.speech.transcribe(tone())
        client.speech.transcribe(tone(), options={"gcp": {"model": "chirp_2"}})
        assert sent(server).body["config"]["languageCodes"] == ["auto"]


def test_stored_audio_is_named(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.speech.transcribe("gs://bucket/call.wav", language="de-DE")
        assert sent(server).body["uri"] == "gs://bucket/call.wav"


def test_speech_v1_is_told_the_language_and_reads_a_wav_header_itself() -> None:
    with with_key() as (client, server):
        client.speech.transcribe(tone(), language="de", languages=["fr"], word_timestamps=True)
        config = sent(server).body["config"]
        assert config["languageCode"] == "de-DE"
        assert config["alternativeLanguageCodes"] == ["fr-FR"]
        assert "encoding" not in config
        assert config["enableWordTimeOffsets"] is True


def test_speech_v1_is_told_the_encoding_of_other_containers() -> None:
    samples = Path(__file__).parents[1] / "unit" / "media_samples"
    with with_key() as (client, server):
        client.speech.transcribe(samples / "tone.mp3", language="en-US")
        client.speech.transcribe(samples / "tone.opus", language="en-US")
        configs = [got.body["config"] for got in server.received]
        assert [config["encoding"] for config in configs] == ["MP3", "OGG_OPUS"]
        assert all(config["sampleRateHertz"] > 0 for config in configs)


def test_a_voice_is_asked_with_its_own_language_and_manner(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.speech.synthesize(
            "<speak>hi</speak>", ssml=True, voice="de-DE-Neural2-B", rate=1.5, pitch=-2, volume=0.5, sample_rate=16000
        )
        assert sent(server).body == {
            "input": {"ssml": "<speak>hi</speak>"},
            "voice": {"languageCode": "de-DE", "name": "de-DE-Neural2-B"},
            "audioConfig": {
                "audioEncoding": "LINEAR16",
                "speakingRate": 1.5,
                "pitch": -2.0,
                "volumeGainDb": -6.02,
                "sampleRateHertz": 16000,
            },
        }


def test_a_voices_language_has_a_region_and_no_script(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.speech.synthesize("你好", language="zh-Hant-TW")
        assert sent(server).body["voice"] == {"languageCode": "cmn-TW"}


def test_a_rate_that_google_does_not_take_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        with pytest.raises(CloudAIError, match=r"0\.25 to 2"):
            client.speech.synthesize("hi", language="en", rate=3)
        with pytest.raises(CloudAIError, match="no flac"):
            client.speech.synthesize("hi", language="en", format="flac")
        assert server.arrived == 0


def test_a_document_goes_to_the_processor_for_what_is_asked(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.vision.read_document(picture(), pages="1-2,4")
        client.vision.read_document(picture(), features=["tables"])
        plain, forms = server.received
        assert plain.path == {"name": f"projects/{PROJECT}/locations/us/processors/ocr1"}
        assert forms.path == {"name": f"projects/{PROJECT}/locations/eu/processors/form1"}
        assert plain.body["rawDocument"]["mimeType"] == "image/png"
        assert plain.body["processOptions"] == {"individualPageSelector": {"pages": [1, 2, 4]}}


def test_without_a_processor_documents_are_a_gap_with_the_way_out(tmp_path: Path) -> None:
    with opened(tmp_path, processor=None, form_processor=None, layout_processor=None) as (client, _):
        assert "processor" in client.explain("vision.read_document").skipped[0].reason


def test_google_is_asked_at_its_own_addresses() -> None:
    from cloudai_gcp.sending import request_of
    from cloudai_gcp.wire import Wire

    wire = Wire(service="eu-documentai", path="/v1/projects/p x/processors/1:process", query={"a": "b c"})
    made = request_of(wire, {}, None)
    assert made.url == "https://eu-documentai.googleapis.com/v1/projects/p%20x/processors/1:process?a=b+c"


def test_the_quota_project_is_named(tmp_path: Path) -> None:
    with opened(tmp_path, quota_project="payer") as (client, server):
        client.vision.detect_labels(picture())
        assert sent(server).headers["x-goog-user-project"] == "payer"


def test_each_service_gets_a_location_that_it_has(tmp_path: Path) -> None:
    with opened(tmp_path, region="europe-west1") as (client, server):
        client.translation.translate("a", target="de")
        client.vision.read_document(picture())
        client.vision.detect_labels(picture())
        translation, document, _ = server.received
        assert translation.path == {"parent": f"projects/{PROJECT}/locations/europe-west1"}
        assert document.path == {"name": f"projects/{PROJECT}/locations/eu/processors/ocr1"}
    with opened(tmp_path, region="us") as (client, server):
        client.translation.detect_language("a")
        assert sent(server).path == {"parent": f"projects/{PROJECT}/locations/us-central1"}


def test_a_wav_that_google_does_not_read_is_refused_by_its_header(tmp_path: Path) -> None:
    samples = (
        b"RIFF\x3a\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x03\x00\x01\x00\x40\x1f\x00\x00\x00\x7d\x00\x00"
        b"\x04\x00\x20\x00data\x10\x00\x00\x00" + bytes(16)
    )
    with opened(tmp_path) as (client, server):
        with pytest.raises(CloudAIError, match="pcm_f32le"):
            client.speech.transcribe(samples, language="en")
        assert server.arrived == 0
