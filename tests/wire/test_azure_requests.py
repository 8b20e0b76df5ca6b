"""What is asked of Azure: features in one request, options, limits, plain text unless HTML, only text in SSML."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import azure, settings
from azure_client import ask, config, opened
from azure_server import KEY, REGION
from azure_storage import ACCOUNT_KEY, storing

from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, TooLarge, Unsupported
from cloudai.testing.samples import picture, tone
from cloudai.types import speech as s
from cloudai.types.translation import TextFormat
from cloudai_azure.codec_synthesis import ssml_of
from cloudai_azure.codec_translation import MOST_CHARACTERS, groups
from cloudai_azure.sending import address
from cloudai_azure.settings import AzureSettings
from cloudai_azure.storage import container_of, signature

both = pytest.mark.parametrize("kind", ["sync", "async"])
NAMESPACE = "{http://www.w3.org/2001/10/synthesis}"
BLOB = "https://acme.blob.core.windows.net/pictures/cat.jpg?sv=1&sig=s%2Bg"


# --- images ------------------------------------------------------------------------------------------


@both
def test_what_one_service_answers_is_asked_in_one_request(kind: str) -> None:
    operations = ["vision.detect_labels", "vision.detect_objects", "vision.read_text", "vision.caption"]
    with azure() as server:
        found = ask(kind, config(settings(server)), "vision", "analyze", picture(), operations=operations)
        assert server.operations == ["images"]
        assert server.requests[0].query["features"] == "tags,objects,read,caption"
    assert found.errors == {}
    assert [each.usage[0].quantity for each in (found.labels, found.objects, found.text, found.caption)] == [1] * 4
    assert found.labels.usage[0].meter == "vision.detect_labels"


@both
def test_other_services_are_asked_beside_it_and_a_failure_is_its_own(kind: str) -> None:
    operations = ["vision.detect_labels", "vision.moderate", "vision.detect_faces", "vision.detect_logos"]
    with azure(strict=False) as server:
        del server.handlers["safety"]
        server.handlers["safety"] = _refused
        found = ask(kind, config(settings(server)), "vision", "analyze", picture(), operations=operations)
        assert sorted(server.operations) == ["brands", "face", "images", "safety"]
    assert found.errors["vision.moderate"].code == "permission_denied"
    assert set(found.errors) == {"vision.moderate"}
    assert found.logos.logos[0].name == "contoso"


def _refused(_: Any) -> Any:
    from azure_server import Reply

    body = {"categoriesAnalysis": []}
    return Reply(body=body, status=403)


@both
def test_when_all_failed_the_failure_is_raised(kind: str) -> None:
    with azure() as server:
        made = config(settings(server) | {"api_key": "wrong"})
        with pytest.raises(CloudAIError) as caught:
            ask(kind, made, "vision", "analyze", picture(), operations=["vision.detect_labels", "vision.moderate"])
    assert caught.value.code is ErrorCode.UNAUTHENTICATED


def test_a_blob_is_read_by_the_service_itself() -> None:
    with opened() as (client, server):
        client.vision.detect_labels(BLOB)
        client.vision.moderate(BLOB)
        client.vision.read_document(BLOB)
        client.speech.transcribe(BLOB, language="en")
        asked = [request.json for request in server.requests if request.json]
    assert asked[0] == {"url": BLOB}
    assert asked[1]["image"] == {"blobUrl": BLOB}
    assert asked[2] == {"urlSource": BLOB}
    assert asked[3]["audioUrl"] == BLOB


def test_options_of_an_image() -> None:
    with opened() as (client, server):
        client.vision.detect_labels(picture(), language="zh-TW", options={"azure": {"model_version": "2024-02-01"}})
        client.vision.caption(picture(), gender_neutral=True)
        result = client.vision.caption(picture(), language="de")
        queries = [request.query for request in server.requests]
    assert (queries[0]["language"], queries[0]["model-version"]) == ("zh-Hant", "2024-02-01")
    assert queries[1]["gender-neutral-caption"] == "true"
    assert "language" not in queries[2]
    assert "option_ignored" in {notice.code for notice in result.warnings}


def test_no_face_is_identified() -> None:
    with opened() as (client, server):
        client.vision.detect_faces(picture())
        client.vision.detect_faces(picture(), options={"azure": {"detection_model": "detection_02"}})
        queries = [request.query for request in server.requests]
    assert {query["returnFaceId"] for query in queries} == {"false"}
    assert queries[0]["returnFaceAttributes"] == "headPose"
    assert queries[1] == {"detectionModel": "detection_02", "returnFaceId": "false"}


@pytest.mark.parametrize(
    ("features", "model", "more"),
    [
        ((), "prebuilt-read", None),
        (("tables",), "prebuilt-layout", None),
        (("forms",), "prebuilt-layout", "keyValuePairs"),
    ],
)
def test_the_cheapest_model_that_has_the_feature_reads_a_document(
    features: tuple[str, ...], model: str, more: str | None
) -> None:
    with opened() as (client, server):
        result = client.vision.read_document(picture(), features=features)
        assert server.requests[0].path.endswith(f"/{model}:analyze")
        assert server.requests[0].query.get("features") == more
    assert result.model == model


# --- translation -------------------------------------------------------------------------------------


@both
def test_text_is_plain_unless_it_is_said_to_be_html(kind: str) -> None:
    with azure() as server:
        made = config(settings(server))
        ask(kind, made, "translation", "translate", ["a < b", "c"], source="en", target="de")
        ask(kind, made, "translation", "translate", "<b>x</b>", target="de", format=TextFormat.HTML)
        bodies = [request.json["inputs"] for request in server.requests]
        regions = {request.headers["ocp-apim-subscription-region"] for request in server.requests}
    assert [item["textType"] for item in bodies[0]] == ["Plain", "Plain"]
    assert bodies[0][0] == {
        "text": "a < b",
        "language": "en",
        "textType": "Plain",
        "targets": [{"language": "de"}],
    }
    assert bodies[1][0]["textType"] == "Html"
    assert "language" not in bodies[1][0]
    assert regions == {REGION}


def test_the_older_version_is_asked_in_its_own_form() -> None:
    with opened(translator_api_version="3.0") as (client, server):
        result = client.translation.translate(["a", "b"], source="en", target="pt-PT", profanity="mask")
        client.translation.translate("x", target="de", formality="formal", model="my-model")
        client.translation.languages()
        first, second, third = server.requests
    assert first.query == {
        "api-version": "3.0",
        "to": "pt-pt",
        "from": "en",
        "textType": "Plain",
        "profanityAction": "Marked",
        "profanityMarker": "Asterisk",
    }
    assert first.json == [{"text": "a"}, {"text": "b"}]
    assert second.query["category"] == "my-model"
    assert third.operation == "languages-3"
    assert [each.text for each in result.translations] == ["[pt-pt] a", "[pt-pt] b"]
    assert result.target == "pt-PT"


def test_tone_goes_to_a_language_model_and_is_told_to_be_missing_elsewhere() -> None:
    with opened() as (client, server):
        client.translation.translate("a", target="de", formality="formal", model="gpt-5-mini", profanity="remove")
        plain = client.translation.translate("a", target="de", formality="formal")
        targets = [request.json["inputs"][0]["targets"][0] for request in server.requests]
    assert targets[0] == {
        "language": "de",
        "deploymentName": "gpt-5-mini",
        "tone": "formal",
        "profanityAction": "Deleted",
    }
    assert targets[1] == {"language": "de"}
    assert "option_ignored" in {notice.code for notice in plain.warnings}


@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=30))
def test_lists_are_cut_between_items_and_joined_in_order(sizes: list[int]) -> None:
    texts = [str(n % 10) * size for n, size in enumerate(sizes)]
    found = [list(group) for group in groups(texts, 5)]
    assert [text for group in found for text in group] == texts
    assert all(len(group) <= 5 for group in found)
    assert all(sum(map(len, group)) <= MOST_CHARACTERS or len(group) == 1 for group in found)


def test_a_list_beyond_a_request_is_sent_in_two_and_counted_once() -> None:
    with opened() as (client, server):
        result = client.translation.translate(["a" * 30_000, "b" * 30_000, "c"], target="de")
        assert server.operations == ["translate", "translate"]
        client.translation.translate(["x"] * 1_001, target="de")
        assert [len(request.json["inputs"]) for request in server.requests[2:]] == [1_000, 1]
        client.translation.detect_language(["x"] * 101)
        assert [len(request.json) for request in server.requests[4:]] == [100, 1]
    assert [each.text[-1] for each in result.translations] == ["a", "b", "c"]
    assert result.usage[0].quantity == 60_001


def test_fifty_thousand_characters_pass_and_one_more_does_not() -> None:
    with opened() as (client, server):
        client.translation.translate("x" * 50_000, target="de")
        with pytest.raises(TooLarge, match="50,000"):
            client.translation.translate("x" * 50_001, target="de")
        assert len(server.requests) == 1


@both
def test_a_document_comes_back_as_the_kind_it_was(kind: str) -> None:
    with azure() as server:
        made = config(settings(server))
        result = ask(kind, made, "translation", "translate_document", b"Good morning.\n", source="en", target="zh-TW")
        asked = server.requests[0]
    assert result.document == b"[zh-Hant] Good morning.\n"
    assert result.content_type == "text/plain"
    assert asked.query == {"api-version": "2026-03-01", "targetLanguage": "zh-Hant", "sourceLanguage": "en"}
    assert result.usage[0].quantity == len("Good morning.\n")


# --- speech ------------------------------------------------------------------------------------------


@both
def test_the_definition_of_a_transcription(kind: str) -> None:
    with azure() as server:
        result = ask(
            kind, config(settings(server)), "speech", "transcribe", tone(),
            languages=["en", "nb"], diarization=True, max_speakers=4, channels=True, phrases=["Contoso"],
            profanity="tag", alternatives=3,
        )  # fmt: skip
        asked = server.requests[0]
    assert asked.json == {
        "locales": ["en-US", "nb-NO"],
        "profanityFilterMode": "Tags",
        "diarization": {"enabled": True, "maxSpeakers": 4},
        "channels": [0, 1],
        "phraseList": {"phrases": ["Contoso"]},
    }
    assert asked.files["audio"] == tone()
    assert "option_ignored" in {notice.code for notice in result.warnings}


def test_without_a_language_the_service_finds_it_out() -> None:
    with opened() as (client, server):
        client.speech.transcribe(tone())
        assert server.requests[0].json == {}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1))
def test_nothing_in_a_text_is_markup(text: str) -> None:
    root = ElementTree.fromstring(ssml_of(s.SynthesizeRequest(text=text, rate=1.5), "v", "en"))
    (prosody,) = root.findall(f"{NAMESPACE}voice/{NAMESPACE}prosody")
    assert prosody.text == text
    assert list(prosody) == []


def test_a_voices_name_can_not_leave_its_attribute() -> None:
    name = "x\"><voice name='y'>&"
    root = ElementTree.fromstring(ssml_of(s.SynthesizeRequest(text="a"), name, "en"))
    assert [voice.get("name") for voice in root.iter(f"{NAMESPACE}voice")] == [name]


def test_rate_pitch_and_volume_are_prosody() -> None:
    made = ssml_of(s.SynthesizeRequest(text="a", rate=1.25, pitch=-2, volume=0.5), "v", "en")
    assert '<prosody rate="+25%" pitch="-2st" volume="-50%">a</prosody>' in made
    with opened() as (client, _):
        assert "option_ignored" in {n.code for n in client.speech.synthesize("a", rate=3).warnings}


@pytest.mark.parametrize(
    ("ssml", "reason"),
    [
        ("<speak>", "well-formed"),
        ("<p>x</p>", "<speak>"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><speak>&a;</speak>', "DOCTYPE"),
        ("just text", "well-formed"),
    ],
)
def test_ssml_that_is_none_is_refused_before_sending(ssml: str, reason: str) -> None:
    with opened() as (client, server):
        with pytest.raises(InvalidInput, match=reason):
            client.speech.synthesize(ssml, ssml=True)
        assert server.requests == []


def test_ssml_without_a_voice_gets_one_and_with_one_is_left_alone() -> None:
    with opened() as (client, server):
        client.speech.synthesize("<speak>Hi <break time='1s'/></speak>", ssml=True, language="de")
        own = (
            '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">'
            '<voice name="en-US-JennyNeural">Hi</voice></speak>'
        )
        client.speech.synthesize(own, ssml=True)
        first, second = (request.body.decode() for request in server.requests)
    assert "<voice name=\"de-DE-KatjaNeural\">Hi <break time='1s'/></voice>" in first
    assert second == own


def test_a_language_without_a_voice_of_ours_has_the_first_of_the_list_asked_once() -> None:
    with opened() as (client, server):
        assert client.speech.synthesize("Hei", language="nb").voice == "nb-NO-PernilleNeural"
        client.speech.synthesize("Hei", language="nb")
        assert server.operations == ["voices", "speak", "speak"]
        with pytest.raises(Unsupported, match="no voice"):
            client.speech.synthesize("Hei", language="is")


@pytest.mark.parametrize(
    ("form", "rate", "name"),
    [
        ("wav", None, "riff-24khz-16bit-mono-pcm"),
        ("wav", 48000, "riff-48khz-16bit-mono-pcm"),
        ("pcm", 22050, "raw-22050hz-16bit-mono-pcm"),
        ("mp3", None, "audio-24khz-160kbitrate-mono-mp3"),
        ("ogg_opus", 16000, "ogg-16khz-16bit-mono-opus"),
        ("mulaw", None, "raw-8khz-8bit-mono-mulaw"),
    ],
)
def test_formats_by_azures_names(form: str, rate: int | None, name: str) -> None:
    with opened() as (client, server):
        result = client.speech.synthesize("Hi", format=form, sample_rate=rate)
        assert server.requests[0].headers["x-microsoft-outputformat"] == name
    assert result.sample_rate == (rate or {"mulaw": 8000}.get(form, 24000))


def test_what_azure_does_not_have_is_refused_with_what_it_has() -> None:
    with opened() as (client, server):
        with pytest.raises(Unsupported, match="wav"):
            client.speech.synthesize("Hi", format="flac")
        with pytest.raises(Unsupported, match="24000"):
            client.speech.synthesize("Hi", format="mp3", sample_rate=8000)
        assert server.requests == []


def test_audio_of_a_constant_rate_tells_its_length() -> None:
    """24,000 bytes, and a header of 44 in a WAV file."""
    with opened() as (client, _):
        assert client.speech.synthesize("Hi").duration == 0.5
        assert client.speech.synthesize("Hi", format="mp3").duration == 1.2  # 160 kbit/s
        assert client.speech.synthesize("Hi", format="mulaw").duration == 3.0
        assert client.speech.synthesize("Hi", format="ogg_opus").duration is None


# --- addresses ---------------------------------------------------------------------------------------

OWN = "https://acme.cognitiveservices.azure.com"


@pytest.mark.parametrize(
    ("values", "service", "expected"),
    [
        ({"region": "westeurope"}, "vision", "https://westeurope.api.cognitive.microsoft.com"),
        ({"region": "westeurope"}, "tts", "https://westeurope.tts.speech.microsoft.com"),
        ({"region": "westeurope"}, "translator", "https://api.cognitive.microsofttranslator.com"),
        ({"endpoint_url": OWN + "/"}, "vision", OWN),
        ({"endpoint_url": OWN}, "translator", OWN + "/translator/text/v2026-06-06"),
        ({"endpoint_url": OWN}, "tts", OWN + "/tts"),
        ({"endpoint_url": OWN, "tts_endpoint": "http://localhost:9"}, "tts", "http://localhost:9"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "translator", "http://127.0.0.1:9"),
        ({"endpoint_url": "https://gateway.example/azure"}, "tts", "https://gateway.example/azure"),
    ],
)
def test_addresses(values: dict[str, str], service: str, expected: str) -> None:
    made = AzureSettings.model_validate({"provider": "azure", **values})
    assert address(made, service, version="2026-06-06") == expected


def test_a_region_alone_has_no_document_translation_and_says_what_to_set() -> None:
    from cloudai import Client

    with Client(config({"region": "westeurope", "api_key": KEY})) as client:
        skipped = client.explain("translation.translate_document").skipped
        assert "endpoint_url" in skipped[0].reason
        assert not client.explain("translation.translate").skipped


def test_a_stored_image_is_read_before_faces_are_looked_for() -> None:
    """Face does not say how large the picture is."""
    with storing() as storage, opened(blob_endpoint=storage.account_url) as (client, server):
        place = container_of(storage.url)
        assert place is not None
        storage.blobs["staging/cat.jpg"] = picture()
        signed = signature(place, "cat.jpg", "r", datetime.now(UTC) + timedelta(hours=1), ACCOUNT_KEY)
        found = client.vision.detect_faces(f"https://loopback.blob.core.windows.net/staging/cat.jpg?{signed}")
        assert server.requests[0].body == picture()
    assert len(found.faces) == 2
