"""Polly and Transcribe: what is sent, and what AWS's own forms mean in ours."""

from __future__ import annotations

import io
import json
import sys
import wave
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import TRANSCRIPT, Jobs, aws, item, mark, transcribing
from aws_client import opened
from aws_server import Failure, Params, StrictServer

from cloudai import Client
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, TooLarge, Unsupported
from cloudai.testing.samples import tone
from cloudai.types.media import AudioInfo, Media, MediaKind
from cloudai.types.speech import JobRef, JobState, SynthesizeRequest, TranscribeRequest
from cloudai_aws.codec_polly import decode_marks, encode_speech
from cloudai_aws.codec_transcribe import encode_job
from cloudai_aws.settings import SynthesizeOptions, TranscribeOptions


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


@pytest.fixture
def client(server: StrictServer) -> Iterator[Client]:
    with opened(server) as one:
        yield one


# --- synthesis -----------------------------------------------------------------------------------


def test_a_text_is_spoken_by_the_languages_voice_and_wrapped_as_wav(server: StrictServer, client: Client) -> None:
    result = client.speech.synthesize("Hello, world.", language="en-US")
    assert server.params("SynthesizeSpeech") == {
        "VoiceId": "Joanna",
        "Engine": "neural",
        "LanguageCode": "en-US",
        "OutputFormat": "pcm",
        "SampleRate": "16000",
        "Text": "Hello, world.",
        "TextType": "text",
    }
    with wave.open(io.BytesIO(result.audio)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()) == (16000, 1, 2, 8000)
    assert (result.duration, result.voice, result.language) == (0.5, "Joanna", "en-US")
    assert [(used.quantity, used.variant) for used in result.usage] == [(Decimal(13), "neural")]


@pytest.mark.parametrize(
    ("language", "voice", "engine", "code"),
    [
        ("zh-CN", "Zhiyu", "neural", "cmn-CN"),
        ("ar", "Zeina", "standard", "arb"),
        ("de", "Vicki", "neural", "de-DE"),
        ("nb", "Ida", "neural", "nb-NO"),
        ("pt-PT", "Ines", "neural", "pt-PT"),
    ],
)
def test_a_language_has_its_voice(
    server: StrictServer, client: Client, language: str, voice: str, engine: str, code: str
) -> None:
    client.speech.synthesize("x", language=language)
    sent = server.params("SynthesizeSpeech")
    assert (sent["VoiceId"], sent["Engine"], sent["LanguageCode"]) == (voice, engine, code)


def test_the_engine_of_a_named_voice_is_looked_up_once(server: StrictServer, client: Client) -> None:
    for _ in range(2):
        client.speech.synthesize("Hi", voice="Ruth")
    assert server.operations() == ["DescribeVoices"] * 2 + ["SynthesizeSpeech"] * 2
    assert server.params("SynthesizeSpeech")["Engine"] == "long-form"


def test_an_engine_that_is_given_is_taken(server: StrictServer, client: Client) -> None:
    result = client.speech.synthesize(
        "Hi", voice="Ruth", options={"aws": {"engine": "generative", "lexicons": ["abc"]}}
    )
    assert server.params("SynthesizeSpeech")["LexiconNames"] == ["abc"]
    assert result.usage[0].variant == "generative"
    assert server.operations() == ["SynthesizeSpeech"]


def test_a_language_without_region_does_not_contradict_the_voice(server: StrictServer, client: Client) -> None:
    client.speech.synthesize("Hi", voice="Amy", language="en")
    assert "LanguageCode" not in server.params("SynthesizeSpeech")
    client.speech.synthesize("Hi", voice="Kajal", language="hi-IN")
    assert server.params("SynthesizeSpeech")["LanguageCode"] == "hi-IN"


def test_an_unknown_voice_is_refused_by_name(client: Client) -> None:
    with pytest.raises(InvalidInput, match="'Nobody'"):
        client.speech.synthesize("Hi", voice="Nobody")


@pytest.mark.parametrize(
    ("wanted", "sent", "rate"),
    [("mp3", "mp3", "24000"), ("ogg_opus", "ogg_opus", "48000"), ("pcm", "pcm", "16000"), ("mulaw", "mulaw", "8000")],
)
def test_a_format_is_pollys(server: StrictServer, client: Client, wanted: str, sent: str, rate: str) -> None:
    client.speech.synthesize("Hi", format=wanted)
    assert (server.params("SynthesizeSpeech")["OutputFormat"], server.params("SynthesizeSpeech")["SampleRate"]) == (
        sent,
        rate,
    )


def test_a_rate_that_polly_does_not_make_is_a_warning_and_a_format_is_refused(client: Client) -> None:
    result = client.speech.synthesize("Hi", sample_rate=44100)
    assert result.sample_rate == 16000
    assert [notice.code for notice in result.warnings] == ["option_ignored"]
    with pytest.raises(Unsupported, match="flac"):
        client.speech.synthesize("Hi", format="flac")


def test_rate_and_volume_are_prosody_around_the_escaped_text(server: StrictServer, client: Client) -> None:
    result = client.speech.synthesize("Q&A <now>", rate=1.5, volume=2.0, pitch=3)
    sent = server.params("SynthesizeSpeech")
    assert sent["TextType"] == "ssml"
    assert sent["Text"] == ('<speak><prosody rate="150%" volume="+6.0dB">Q&amp;A &lt;now&gt;</prosody></speak>')
    assert [notice.message for notice in result.warnings] == ["Polly's neural voices have no pitch"]


def test_semitones_are_percent_for_the_standard_engine(server: StrictServer, client: Client) -> None:
    client.speech.synthesize("x", language="ar", pitch=12)
    assert 'pitch="+100%"' in server.params("SynthesizeSpeech")["Text"]


def test_ssml_goes_as_it_is(server: StrictServer, client: Client) -> None:
    client.speech.synthesize('<speak>Hi<break time="1s"/></speak>', ssml=True)
    sent = server.params("SynthesizeSpeech")
    assert (sent["TextType"], sent["Text"]) == ("ssml", '<speak>Hi<break time="1s"/></speak>')


def test_speech_marks_are_a_second_request_that_is_billed_too(server: StrictServer, client: Client) -> None:
    result = client.speech.synthesize("Hello, world.", speech_marks=True)
    second = server.params("SynthesizeSpeech")
    assert (second["OutputFormat"], second["SpeechMarkTypes"]) == ("json", ["sentence", "word", "viseme"])
    assert "SampleRate" not in second
    assert [(each.type, each.start, each.value, each.offset, each.length) for each in result.marks] == [
        ("sentence", 0.006, "Hello, world.", 0, 13),
        ("word", 0.006, "Hello", 0, 5),
        ("viseme", 0.006, "k", None, None),
        ("word", 0.373, "world", 7, 5),
    ]
    assert result.usage[0].quantity == 26


@pytest.mark.parametrize("rate", [1.0, 1.2])
def test_bytes_of_the_marks_are_code_points_of_the_text(server: StrictServer, client: Client, rate: float) -> None:
    """Polly counts bytes of what it was sent: two of `é`, five of `&amp;`, and the tags before."""
    text = "Café & Crème"

    def marked(params: Params) -> Params:
        sent = params["Text"].encode()
        start = sent.index("Crème".encode())
        line = json.dumps({"time": 500, "type": "word", "start": start, "end": start + 6, "value": "Crème"})
        marks = params["OutputFormat"] == "json"
        kind = "application/x-json-stream" if marks else "audio/pcm"
        return {"AudioStream": line.encode() if marks else b"\0\0", "ContentType": kind, "RequestCharacters": 12}

    server.answers["SynthesizeSpeech"] = marked
    (word,) = client.speech.synthesize(text, rate=rate, speech_marks=True).marks
    assert word.offset is not None
    assert word.length is not None
    assert text[word.offset : word.offset + word.length] == "Crème"


@given(text=st.text(min_size=1, max_size=20), data=st.data(), rate=st.sampled_from([1.0, 1.5]))
def test_any_byte_offset_of_a_character_is_its_code_point(text: str, data: st.DataObject, rate: float) -> None:
    """Whatever is escaped or wrapped around the text on its way."""
    index = data.draw(st.integers(0, len(text) - 1))
    spoken = encode_speech(SynthesizeRequest(text=text, rate=rate), SynthesizeOptions(), "Joanna", "neural")
    before = escape(text[:index]) if spoken.opening else text[:index]
    start = len((spoken.opening + before).encode())
    line = json.dumps({"time": 0, "type": "word", "start": start, "end": start, "value": ""})
    (mark_,) = decode_marks(line.encode(), spoken)
    assert mark_.offset == index


def test_a_page_of_a_proxy_is_no_sound(server: StrictServer, client: Client) -> None:
    server.answers["SynthesizeSpeech"] = lambda _: {"AudioStream": b"<html>", "ContentType": "text/html"}
    with pytest.raises(CloudAIError) as caught:
        client.speech.synthesize("Hi")
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_voices_are_all_pages_with_their_languages(server: StrictServer, client: Client) -> None:
    result = client.speech.voices()
    assert [(each.id, each.languages, each.gender, each.engine) for each in result.voices] == [
        ("Kajal", ("en-IN", "hi-IN"), "female", "neural"),
        ("Zeina", ("ar",), "female", "standard"),
        ("Ruth", ("en-US",), "female", "long-form"),
    ]
    assert server.params("DescribeVoices") == {"IncludeAdditionalLanguageCodes": True, "NextToken": "page-2"}
    assert [each.id for each in client.speech.voices("en").voices] == ["Kajal", "Ruth"]
    assert [each.id for each in client.speech.voices("hi-IN").voices] == ["Kajal"]


# --- transcription -------------------------------------------------------------------------------


def test_audio_is_staged_transcribed_and_tidied_up(server: StrictServer, client: Client) -> None:
    jobs = transcribing(server, Jobs(server))
    result = client.speech.transcribe(tone(), language="en-US")
    assert server.operations() == [
        "PutObject",
        "StartTranscriptionJob",
        *["GetTranscriptionJob"] * 4,
        "DeleteTranscriptionJob",
        "DeleteObject",
    ]
    sent = server.params("StartTranscriptionJob")
    name = sent["TranscriptionJobName"]
    assert sent == {
        "TranscriptionJobName": name,
        "LanguageCode": "en-US",
        "Media": {"MediaFileUri": f"s3://staging/cloudai/{name}.wav"},
        "MediaFormat": "wav",
        "MediaSampleRateHertz": 16000,
    }
    assert (server.objects, jobs.jobs) == ({}, {})
    assert (result.text, result.language, result.duration) == ("Hello world.", "en-US", 1.0)


def recorded(rate: int) -> bytes:
    """A second of silence, as its header says."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * rate))
    return buffer.getvalue()


@pytest.mark.parametrize(("rate", "told"), [(8_000, 8_000), (44_100, 44_100), (48_000, 48_000), (96_000, None)])
def test_the_rate_is_that_of_the_header_where_transcribe_takes_it(
    server: StrictServer, client: Client, tmp_path: Path, rate: int, told: int | None
) -> None:
    """The name says MP3; the content is looked at."""
    (tmp_path / "song.mp3").write_bytes(recorded(rate))
    client.speech.transcribe(tmp_path / "song.mp3", language="en-US")
    asked = server.params("StartTranscriptionJob")
    assert (asked["MediaFormat"], asked.get("MediaSampleRateHertz")) == ("wav", told)
    assert asked["Media"]["MediaFileUri"].endswith(".wav")


@pytest.mark.parametrize(
    ("content_type", "encoding", "expected"),
    [
        ("audio/mpeg", "mp3", {"MediaFormat": "mp3"}),
        ("audio/flac", "flac", {"MediaFormat": "flac", "MediaSampleRateHertz": 16_000}),
        ("audio/ogg", "opus", {"MediaFormat": "ogg"}),
        ("audio/webm", "opus", {"MediaFormat": "webm"}),
        ("audio/mp4", "aac", {"MediaFormat": "mp4"}),
        ("audio/amr", "amr", {"MediaFormat": "amr"}),
    ],
)
def test_only_a_rate_that_is_sure_is_told(content_type: str, encoding: str, expected: dict[str, Any]) -> None:
    """Transcribe refuses another than it finds, and the header of Opus says 48,000 Hz whatever was recorded."""
    info = AudioInfo(duration=1.0, sample_rate=16_000, channels=1, encoding=encoding)
    audio = Media(kind=MediaKind.AUDIO, data=b"x", content_type=content_type, audio=info)
    request = TranscribeRequest(audio=audio, language="en-US")
    params, _ = encode_job(request, TranscribeOptions(), name="n", uri="s3://bucket/key")
    assert {name: value for name, value in params.items() if name.startswith("MediaF") or "Hertz" in name} == expected


def test_strings_are_numbers_and_punctuation_belongs_to_its_word(client: Client) -> None:
    (segment,) = client.speech.transcribe(tone(), language="en-US").segments
    assert (segment.text, segment.start, segment.end) == ("Hello world.", 0.04, 0.9)
    assert [(word.text, word.start, word.end, word.confidence) for word in segment.words] == [
        ("Hello", 0.04, 0.41, 0.998),
        ("world", 0.42, 0.9, 0.89),
    ]
    assert segment.confidence == pytest.approx(0.944)


def results(**found: Any) -> Params:
    return {**TRANSCRIPT, "results": {"transcripts": [{"transcript": "x"}], **found}}


def test_speakers_are_numbered_as_they_first_speak(server: StrictServer, client: Client) -> None:
    items = [
        item("4.87", "5.02", "I've", speaker_label="spk_1"),
        item("6.26", "6.88", "hour", speaker_label="spk_1"),
        mark("."),
        item("8.49", "8.88", "Sorry", speaker_label="spk_0"),
        mark("."),
    ]
    transcribing(server, Jobs(server, transcript=results(items=items)))
    result = client.speech.transcribe(tone(), language="en-US", diarization=True, max_speakers=3)
    assert server.params("StartTranscriptionJob")["Settings"] == {"ShowSpeakerLabels": True, "MaxSpeakerLabels": 3}
    assert [(each.speaker, each.text, each.start, each.end) for each in result.segments] == [
        ("speaker 1", "I've hour.", 4.87, 6.88),
        ("speaker 2", "Sorry.", 8.49, 8.88),
    ]


def test_speakers_of_an_older_transcript_are_found_by_time(server: StrictServer, client: Client) -> None:
    words = [{"start_time": "1.0", "end_time": "1.2", "speaker_label": "spk_0"}]
    labels = {"speakers": 1, "segments": [{"start_time": "1.0", "end_time": "1.2", "items": words}]}
    found = results(items=[item("1.0", "1.2", "Hello"), mark(".")], speaker_labels=labels)
    transcribing(server, Jobs(server, transcript=found))
    (segment,) = client.speech.transcribe(tone(), language="en-US", diarization=True).segments
    assert (segment.speaker, segment.text) == ("speaker 1", "Hello.")


def test_channels_are_apart_and_in_the_order_of_time(server: StrictServer, client: Client) -> None:
    channels = [
        {"channel_label": "ch_0", "items": [item("4.86", "5.01", "Hold")]},
        {"channel_label": "ch_1", "items": [item("1.5", "2.0", "Hello"), mark(".")]},
    ]
    mixed = [item("1.5", "2.0", "Hello"), item("4.86", "5.01", "Hold")]
    found = results(channel_labels={"channels": channels}, items=mixed)
    transcribing(server, Jobs(server, transcript=found))
    result = client.speech.transcribe(tone(), language="en-US", channels=True)
    assert server.params("StartTranscriptionJob")["Settings"] == {"ChannelIdentification": True}
    assert [(each.channel, each.text) for each in result.segments] == [(1, "Hello."), (0, "Hold")]


def test_other_readings_stand_with_their_segment(server: StrictServer, client: Client) -> None:
    readings = [
        {
            "start_time": "0.0",
            "end_time": "1.0",
            "alternatives": [{"transcript": "Hello world."}, {"transcript": "Yellow world."}],
        }
    ]
    found = results(items=[item("0.04", "0.41", "Hello")], segments=readings)
    transcribing(server, Jobs(server, transcript=found))
    (segment,) = client.speech.transcribe(tone(), language="en-US", alternatives=2).segments
    assert server.params("StartTranscriptionJob")["Settings"] == {"ShowAlternatives": True, "MaxAlternatives": 2}
    assert [each.text for each in segment.alternatives] == ["Yellow world."]


def test_a_language_is_found_among_the_candidates(server: StrictServer, client: Client) -> None:
    result = client.speech.transcribe(tone(), languages=["en-US", "zh-TW"])
    sent = server.params("StartTranscriptionJob")
    assert (sent["IdentifyLanguage"], sent["LanguageOptions"]) == (True, ["en-US", "zh-TW"])
    assert (result.language, result.language_confidence) == ("zh-Hant-TW", 0.97)


def test_what_transcribe_has_no_parameter_for_is_a_warning(server: StrictServer, client: Client) -> None:
    result = client.speech.transcribe(
        tone(), language="en-US", phrases=["cloudai"], profanity="mask", punctuation=False
    )
    assert {notice.code for notice in result.warnings} == {"option_ignored", "partial"}
    assert len(result.warnings) == 4


def test_options_name_what_exists_in_the_account(server: StrictServer, client: Client) -> None:
    options = {
        "vocabulary": "names",
        "vocabulary_filter": "rude",
        "language_model": "legal",
        "redact_pii": ["NAME", "PHONE"],
        "output_bucket": "transcripts",
    }
    result = client.speech.transcribe(tone(), language="en-US", profanity="remove", options={"aws": options})
    sent = server.params("StartTranscriptionJob")
    assert sent["Settings"] == {
        "VocabularyName": "names",
        "VocabularyFilterName": "rude",
        "VocabularyFilterMethod": "remove",
    }
    assert sent["ModelSettings"] == {"LanguageModelName": "legal"}
    assert sent["ContentRedaction"]["PiiEntityTypes"] == ["NAME", "PHONE"]
    assert result.usage[0].features == ("pii_redaction", "custom_language_model")
    assert result.text == "Hello world."
    assert list(server.objects) == [("transcripts", sent["OutputKey"])]


def test_audio_in_s3_is_read_where_it_is_and_left_there(server: StrictServer, client: Client) -> None:
    server.objects["recordings", "2026/call.wav"] = tone()
    result = client.speech.transcribe("s3://recordings/2026/call.wav", language="en-US")
    assert server.params("StartTranscriptionJob")["Media"] == {"MediaFileUri": "s3://recordings/2026/call.wav"}
    assert list(server.objects) == [("recordings", "2026/call.wav")]
    assert (result.duration, result.usage, result.cost) == (None, (), None)


def test_a_job_outlives_its_process(server: StrictServer) -> None:
    jobs = transcribing(server, Jobs(server))
    with opened(server) as first:
        saved = first.speech.transcribe_job(tone(), language="en-US").ref.model_dump_json()
    assert len(server.objects) == 1
    with opened(server) as second:
        job = second.speech.job(JobRef.model_validate_json(saved))
        seen: list[JobState] = []
        job.wait(timeout=60, interval=0.01, progress=lambda status: seen.append(status.state))
        result = job.result(timeout=60, interval=0.01)
    assert seen == [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED]
    assert (result.text, result.duration, result.backend) == ("Hello world.", 1.0, "aws")
    assert result.cost is not None
    assert (server.objects, len(jobs.jobs)) == ({}, 1)


def test_a_cancelled_job_is_deleted_with_its_audio(server: StrictServer, client: Client) -> None:
    jobs = transcribing(server, Jobs(server))
    job = client.speech.transcribe_job(tone(), language="en-US")
    job.cancel()
    assert (server.objects, jobs.jobs) == ({}, {})


def test_a_failed_job_gives_its_audio_back(server: StrictServer, client: Client) -> None:
    jobs = transcribing(server, Jobs(server))
    jobs.states = ["FAILED"]
    job = client.speech.transcribe_job(tone(), language="en-US")
    status = job.status()
    assert (status.state, status.message) == (JobState.FAILED, "The media format is wrong.")
    assert server.objects == {}


def test_a_job_whose_start_was_lost_is_said_to_be_uncertain(server: StrictServer, client: Client) -> None:
    server.answers["StartTranscriptionJob"] = lambda _: Failure(code="InternalFailureException", status=500)
    with pytest.raises(CloudAIError) as caught:
        client.speech.transcribe_job(tone(), language="en-US")
    assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
    assert server.objects == {}


# --- objects -------------------------------------------------------------------------------------


def test_an_object_is_fetched_for_who_can_not_read_s3(server: StrictServer, client: Client) -> None:
    server.objects["bucket", "a/b.bin"] = b"0123456789"
    call = _call()
    driver = client.driver("aws")
    assert driver.fetch("s3://bucket/a/b.bin", max_bytes=10, call=call) == b"0123456789"
    with pytest.raises(TooLarge):
        driver.fetch("s3://bucket/a/b.bin", max_bytes=9, call=call)
    server.objects["bucket", "empty"] = b""
    assert driver.fetch("s3://bucket/empty", max_bytes=9, call=call) == b""


def test_only_one_byte_too_many_is_ever_asked_for(server: StrictServer, client: Client) -> None:
    server.objects["bucket", "large"] = bytes(100_000)
    with pytest.raises(TooLarge):
        client.driver("aws").fetch("s3://bucket/large", max_bytes=1_000, call=_call())
    assert server.received[-1].headers["Range"] == "bytes=0-1000"


def _call() -> Any:
    from cloudai.driver import Call

    return Call(timeout=30.0)
