"""What is too long for one request is several at Google: each part sent once, and only the failed one again."""

from __future__ import annotations

import io
import sys
import wave
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_answers import ANSWERS, settings
from gcp_client import ask, config
from gcp_server import KEY, Failure, google
from test_gcp_limits import bigger

from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing.samples import picture

both = pytest.mark.parametrize("kind", ["sync", "async"])
AGAIN = Failure(status=503, code="UNAVAILABLE")


@both
def test_a_long_text_is_translated_in_parts_of_whole_sentences(kind: str, tmp_path: Path) -> None:
    sentence = "All human beings are born free and equal in dignity and rights. "
    text = sentence * 900
    with google(ANSWERS) as server:
        made = config(settings(server, tmp_path))
        result = ask(kind, made, "translation", "translate", text, target="de", source="en")
        sizes = [len(got.body["contents"][0]) for got in server.received]
    assert len(sizes) == 2
    assert all(29_900 < size <= 30_000 for size in sizes[:-1])
    assert result.text.count("<") == 2
    assert result.text.replace("<", "").replace(">", "") == text
    assert [notice.code for notice in result.warnings] == ["split"]
    assert result.usage[0].quantity == sum(sizes)
    assert result.cost is not None
    assert result.cost.amount == Decimal("0.00002") * sum(sizes)


@both
def test_only_the_part_that_failed_is_sent_again(kind: str, tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(3 * 1_024)]
    with google(ANSWERS) as server:
        answer = server.answers["translate.v3:translate.projects.locations.translateText"]
        failures = [AGAIN]

        def second_fails(body: object, path: object) -> object:
            if len(server.received) == 2 and failures:
                return failures.pop()
            return answer(body, path)  # type: ignore[arg-type]

        server.answers["translate.v3:translate.projects.locations.translateText"] = second_fails
        made = config(settings(server, tmp_path), max_attempts=2)
        result = ask(kind, made, "translation", "translate", texts, target="de", source="en")
        firsts = [got.body["contents"][0] for got in server.received]
    assert firsts == ["text 0", "text 1024", "text 1024", "text 2048"]
    assert [each.text for each in result.translations] == [f"<{text}>" for text in texts]
    assert (result.attempts, result.warnings) == (4, ())


@both
def test_with_a_key_128_texts_are_a_part(kind: str) -> None:
    with google(ANSWERS) as server:
        made = config({"endpoint_url": server.url, "api_key": KEY}, max_attempts=2)
        server.faults.append(AGAIN)
        result = ask(kind, made, "translation", "translate", ["a"] * 200, target="de", source="en")
        assert [len(got.body["q"]) for got in server.received] == [128, 128, 72]
        assert len(result.translations) == 200
        server.received.clear()
        found = ask(kind, made, "translation", "detect_language", ["a"] * 200)
        assert [len(got.body["q"]) for got in server.received] == [128, 72]
        assert len(found.detections) == 200


@both
def test_images_of_a_request_that_was_answered_are_not_sent_again(kind: str, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        answer = server.answers["vision.v1:vision.images.annotate"]
        failures = [AGAIN]

        def second_fails(body: object, path: object) -> object:
            if len(server.received) == 2 and failures:
                return failures.pop()
            return answer(body, path)  # type: ignore[arg-type]

        server.answers["vision.v1:vision.images.annotate"] = second_fails
        made = config(settings(server, tmp_path), max_attempts=2)
        images = [picture()] * 16 + [bigger(5_000_000)] * 2
        found = ask(kind, made, "vision", "analyze_batch", images, operations=["vision.moderate"])
        assert [len(got.body["requests"]) for got in server.received] == [16, 1, 1, 1]
    assert len(found) == 18
    assert all(each.moderation is not None for each in found)


@both
def test_one_text_a_request_is_asked_for_its_language(kind: str, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.faults.append(AGAIN)
        made = config(settings(server, tmp_path), max_attempts=2)
        result = ask(kind, made, "translation", "detect_language", ["one", "two", "x" * 30_001])
        assert [got.body["content"][:3] for got in server.received] == ["one", "one", "two", "xxx"]
        assert len(server.received[-1].body["content"]) == 30_000
    assert len(result.detections) == 3
    assert [notice.code for notice in result.warnings] == ["truncated"]


@both
def test_a_long_text_is_spoken_as_one_recording(kind: str, tmp_path: Path) -> None:
    text = "Alle Menschen sind frei und gleich geboren. " * 300
    with google(ANSWERS) as server:
        made = config(settings(server, tmp_path))
        result = ask(kind, made, "speech", "synthesize", text, voice="de-DE-Neural2-B", format="wav")
        sent = [got.body["input"]["text"] for got in server.received]
        assert all(len(each.encode()) <= 5_000 for each in sent)
        assert " ".join(sent) == text.rstrip()
        alone = ask(kind, made, "speech", "synthesize", sent[0], voice="de-DE-Neural2-B", format="wav")
    with wave.open(io.BytesIO(result.audio)) as joined, wave.open(io.BytesIO(alone.audio)) as one:
        assert joined.getnframes() == len(sent) * one.getnframes()
    assert result.duration == pytest.approx(len(sent) * alone.duration)
    assert result.usage[0].quantity == sum(map(len, sent))


@both
def test_html_and_ssml_over_a_limit_are_refused_unsent(kind: str, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        made = config(settings(server, tmp_path))
        with pytest.raises(CloudAIError, match="the HTML") as caught:
            ask(kind, made, "translation", "translate", "<p>a.</p>" * 4_000, target="de", format="html")
        assert caught.value.code is ErrorCode.TOO_LARGE
        ssml = "<speak>" + "Hello. " * 1_000 + "</speak>"
        with pytest.raises(CloudAIError, match="the SSML"):
            ask(kind, made, "speech", "synthesize", ssml, language="en", ssml=True)
        assert server.arrived == 0
