"""The portable client over the fake provider: routing, fallback, envelopes, limits of use."""

from __future__ import annotations

import asyncio
import io
import threading
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cloudai import AsyncClient, Client, CloudAIError, ConfigWarning, ErrorCode, InvalidInput, ServiceError, Unsupported
from cloudai.config import load_config
from cloudai.errors import TooLarge
from cloudai.testing import FakeBackend
from cloudai.types.speech import TranscribeResult
from cloudai.types.translation import TranslateResult
from cloudai.types.vision import DetectLabelsResult, Label, ReadTextResult


def png(width: int = 20, height: int = 10) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(buffer, "PNG")
    return buffer.getvalue()


def wav(seconds: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(16000 * seconds)))
    return buffer.getvalue()


def two(tmp_path: Path, policy: str = "") -> Path:
    """A config with two fakes in order."""
    path = tmp_path / "cloudai.toml"
    text = '[backends.first]\nprovider = "one"\nregion = "x-1"\n[backends.second]\nprovider = "two"\n'
    path.write_text(text + '[routes]\n"*" = ["first", "second"]\n' + policy, encoding="utf-8")
    return path


def test_the_envelope_says_who_answered_and_what_it_used() -> None:
    with FakeBackend().client() as client:
        result = client.vision.read_text(png())
    assert isinstance(result, ReadTextResult)
    assert (result.operation, result.provider, result.backend) == ("vision.read_text", "fake", "fake")
    assert result.attempts == 1
    assert result.latency > 0
    assert [(used.meter, used.unit, str(used.quantity)) for used in result.usage] == [
        ("vision.read_text", "image", "1")
    ]


def test_an_unknown_price_is_none_never_zero() -> None:
    with FakeBackend().client() as client:
        assert client.vision.read_text(png()).cost is None


def test_results_survive_json() -> None:
    with FakeBackend().client() as client:
        result = client.speech.synthesize("hello", raw=True)
    assert type(result).model_validate_json(result.model_dump_json()) == result
    assert result.raw == {"fake": "speech.synthesize"}


def test_raw_is_there_only_when_asked() -> None:
    with FakeBackend().client() as client:
        assert client.translation.translate("hello", target="de").raw is None


def test_a_list_is_one_call_with_answers_in_order() -> None:
    fake = FakeBackend()
    with fake.client() as client:
        result = client.translation.translate(["one", "two"], target="de")
    assert [item.text for item in result.translations] == ["[de] one", "[de] two"]
    assert len(fake.calls) == 1
    with pytest.raises(ValueError, match="2 texts were translated"):
        _ = result.text


def test_a_failing_backend_falls_back_and_the_result_says_so(tmp_path: Path) -> None:
    one, other = FakeBackend(name="one"), FakeBackend(name="two")
    one.answer("translation.translate", CloudAIError("down", code=ErrorCode.UNAVAILABLE), always=True)
    with Client(two(tmp_path, '[policy]\nmax_attempts = 2\nbackoff = "1ms"\n'), providers=(one, other)) as client:
        result = client.translation.translate("hello", target="de")
    assert result.backend == "second"
    assert len(one.calls) == 2
    assert [notice.code for notice in result.warnings] == ["fallback"]
    assert "first did not answer: unavailable: down" in result.warnings[0].message


def test_an_invalid_input_is_not_tried_elsewhere(tmp_path: Path) -> None:
    one, other = FakeBackend(name="one"), FakeBackend(name="two")
    one.answer("translation.translate", InvalidInput("no such language"))
    with Client(two(tmp_path), providers=(one, other)) as client, pytest.raises(InvalidInput, match="no such language"):
        client.translation.translate("hello", target="xx")
    assert not other.calls


def test_attempts_are_those_configured_and_not_one_more(tmp_path: Path) -> None:
    one = FakeBackend(name="one").answer("translation.translate", ConnectionError("reset"), always=True)
    config = two(tmp_path, '[policy]\nmax_attempts = 4\nbackoff = "1ms"\n')
    with Client(config, providers=(one, FakeBackend(name="two"))) as client, pytest.raises(ServiceError) as caught:
        client.translation.translate("hello", target="de", backend="first")
    assert len(one.calls) == 4
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert caught.value.attempts == 4
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_an_operation_that_creates_something_is_never_sent_twice() -> None:
    from cloudai.types.custom import TrainingJob

    fake = FakeBackend().answer("custom.train", ConnectionError("reset"), always=True)
    with (
        fake.client() as client,
        pytest.raises(
            CloudAIError, match=r"look for a job that is named after yours .* before you submit it again"
        ) as caught,
    ):
        client.custom.train(TrainingJob(name="a", script="train.py"))
    assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
    assert len(fake.calls) == 1


def test_an_exact_route_to_a_backend_that_cannot_is_refused_when_the_client_opens(tmp_path: Path) -> None:
    path = tmp_path / "cloudai.toml"
    path.write_text('[backends.a]\nprovider = "fake"\n[routes]\n"vision.caption" = "a"\n', encoding="utf-8")
    fake = FakeBackend(unavailable={"vision.caption": "the model is gone"})
    with pytest.raises(
        Unsupported, match=r"cloudai\.toml:4: the route names a, which can't serve it: the model is gone"
    ):
        Client(path, providers=(fake,))


def test_a_wildcard_route_skips_a_backend_that_cannot_and_explains_it() -> None:
    with FakeBackend(unavailable={"vision.caption": "the model is gone"}).client() as client:
        assert client.explain("vision.caption").skipped[0].reason == "the model is gone"
        assert client.explain("vision.caption").backend is None
        with pytest.raises(Unsupported, match="no backend can serve it: fake: the model is gone"):
            client.vision.caption(png())


def test_explain_names_route_backend_support_and_price() -> None:
    with FakeBackend().client() as client:
        text = str(client.explain("vision.read_text"))
    assert "vision.read_text: fake" in text
    assert "price not known" in text


def test_explain_knows_only_operations() -> None:
    with FakeBackend().client() as client, pytest.raises(InvalidInput, match=r"did you mean 'vision\.read_text'"):
        client.explain("vision.read_txt")


def test_options_are_typed_per_provider() -> None:
    fake = FakeBackend()
    with fake.client() as client:
        client.vision.read_text(png(), options={"fake": {"seed": 7}, "aws": {"anything": 1}})
        with pytest.raises(CloudAIError, match=r"options\['fake'\].sed: did you mean 'seed'"):
            client.vision.read_text(png(), options={"fake": {"sed": 7}})
    assert fake.calls[0].call.options is not None
    assert fake.calls[0].call.options.model_dump() == {"seed": 7}


def test_a_wrong_argument_is_one_line() -> None:
    with (
        FakeBackend().client() as client,
        pytest.raises(InvalidInput, match="min_confidence: Input should be less than"),
    ):
        client.vision.detect_labels(png(), min_confidence=90)


@pytest.mark.parametrize("bad", [b"", b"hello, I am text", png()[:40]])
def test_what_is_no_image_never_reaches_the_backend(bad: bytes) -> None:
    fake = FakeBackend()
    with fake.client() as client, pytest.raises(InvalidInput):
        client.vision.read_text(bad)
    assert not fake.calls


def test_bounds_of_the_config_hold(tmp_path: Path) -> None:
    path = tmp_path / "cloudai.toml"
    path.write_text('[backends.a]\nprovider = "fake"\n[inputs]\nmax_pixels = 100\n', encoding="utf-8")
    with Client(path) as client, pytest.raises(TooLarge, match="max_pixels"):
        client.vision.read_text(png(20, 10))


def test_half_a_surrogate_is_refused_with_its_place() -> None:
    with FakeBackend().client() as client, pytest.raises(InvalidInput, match="character 3 of the text"):
        client.translation.translate("abc\ud800", target="de")


def test_an_answer_of_the_wrong_type_is_the_drivers_fault() -> None:
    fake = FakeBackend().answer("vision.read_text", DetectLabelsResult())
    with (
        fake.client() as client,
        pytest.raises(ServiceError, match="answered DetectLabelsResult instead of ReadTextResult"),
    ):
        client.vision.read_text(png())


def test_analyze_answers_each_operation_and_keeps_failures_apart() -> None:
    fake = FakeBackend()
    fake.answer("vision.moderate", CloudAIError("no", code=ErrorCode.PERMISSION_DENIED))
    with fake.client() as client:
        answer = client.vision.analyze(png(), operations=["vision.detect_labels", "vision.moderate"])
    assert answer.labels is not None
    assert answer.labels.backend == "fake"
    assert answer.moderation is None
    assert answer.errors["vision.moderate"].code == "permission_denied"


def test_analyze_refuses_what_is_not_about_one_image() -> None:
    with FakeBackend().client() as client, pytest.raises(InvalidInput, match=r"analyze can't do 'speech\.transcribe'"):
        client.vision.analyze(png(), operations=["speech.transcribe"])


def test_a_client_is_safe_from_many_threads() -> None:
    fake = FakeBackend().answer(
        "vision.detect_labels", lambda request: DetectLabelsResult(labels=(label(request),)), always=True
    )

    def label(request: object) -> Label:
        name = str(threading.get_ident())
        return Label(name=name, vendor_name=name)

    with fake.client() as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.vision.detect_labels(png()), range(400)))
    assert len(fake.calls) == 400
    assert {answer.attempts for answer in answers} == {1}


def test_close_is_idempotent_and_a_closed_client_says_so() -> None:
    client = FakeBackend().client()
    client.close()
    client.close()
    with pytest.raises(CloudAIError, match="the client is closed"):
        client.vision.read_text(png())


def test_a_literal_secret_warns_when_the_client_opens(tmp_path: Path) -> None:
    path = tmp_path / "cloudai.toml"
    path.write_text('[backends.a]\nprovider = "fake"\napi_key = "s3cret"\n', encoding="utf-8")
    with pytest.warns(ConfigWarning, match="api_key stands in the file") as warned:
        Client(path).close()
    assert warned[0].filename == __file__


def test_a_secret_in_a_vendors_message_is_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_KEY", "s3cret-value")
    path = tmp_path / "cloudai.toml"
    path.write_text('[backends.a]\nprovider = "fake"\napi_key = "${FAKE_KEY}"\n', encoding="utf-8")
    fake = FakeBackend().answer("vision.read_text", RuntimeError("bad key s3cret-value"))
    with Client(path, providers=(fake,)) as client, pytest.raises(ServiceError) as caught:
        client.vision.read_text(png())
    assert "s3cret-value" not in str(caught.value)


def test_the_backend_argument_sends_everything_to_one(tmp_path: Path) -> None:
    one, other = FakeBackend(name="one"), FakeBackend(name="two")
    with Client(two(tmp_path), backend="second", providers=(one, other)) as client:
        assert client.translation.translate("hello", target="de").backend == "second"
    assert not one.calls


def test_explain_names_an_unknown_backend(tmp_path: Path) -> None:
    fakes = (FakeBackend(name="one"), FakeBackend(name="two"))
    said = "no open backend 'third': the routes name first, second"
    with Client(two(tmp_path), providers=fakes) as client, pytest.raises(InvalidInput, match=said):
        client.translation.translate("hello", target="de", backend="third")


def test_a_job_without_a_backend_that_takes_jobs_says_what_to_use() -> None:
    with FakeBackend().client() as client, pytest.raises(Unsupported, match=r"use transcribe\(\)"):
        client.speech.transcribe_job(wav())


def test_transcripts_become_subtitles() -> None:
    with FakeBackend().client() as client:
        result = client.speech.transcribe(wav(2.5))
    assert isinstance(result, TranscribeResult)
    assert result.to_srt() == "1\n00:00:00,000 --> 00:00:02,500\nfake\n"


def test_the_async_client_answers_the_same(tmp_path: Path) -> None:
    async def run() -> list[TranslateResult]:
        async with FakeBackend().async_client() as client:
            many = [client.translation.translate(str(number), target="de") for number in range(50)]
            await client.vision.read_text(png())
            await client.vision.analyze(png(), operations=["vision.detect_labels"])
            return list(await asyncio.gather(*many))

    answers = asyncio.run(run())
    with FakeBackend().client() as client:
        expected = client.translation.translate("7", target="de")
    same = {"latency": 0.0}
    assert answers[7].model_copy(update=same) == expected.model_copy(update=same)


def test_the_async_client_falls_back_and_closes_once(tmp_path: Path) -> None:
    one = FakeBackend(name="one").answer("translation.translate", ConnectionError("reset"), always=True)

    async def run() -> str:
        config = load_config(two(tmp_path, '[policy]\nmax_attempts = 2\nbackoff = "1ms"\n'))
        client = AsyncClient(config, providers=(one, FakeBackend(name="two")))
        result = await client.translation.translate("hello", target="de")
        await client.close()
        await client.close()
        return result.backend

    assert asyncio.run(run()) == "second"
    assert len(one.calls) == 2


def test_the_fixture_gives_a_fresh_fake(fake_backend: FakeBackend) -> None:
    fake_backend.answer("vision.read_text", ReadTextResult())
    with fake_backend.client() as client:
        assert client.vision.read_text(png()).text == ""


def test_a_keyword_that_nothing_takes_is_refused_as_python_does() -> None:
    wrong: dict[str, Any] = {"backnd": "fake"}
    with FakeBackend().client() as client:
        with pytest.raises(TypeError, match=r"read_text\(\) got .* 'backnd': did you mean 'backend'\?"):
            client.vision.read_text(png(), **wrong)
        with pytest.raises(TypeError, match="'backnd'"):
            client.vision.analyze(png(), operations=["vision.read_text"], **wrong)
        with pytest.raises(TypeError, match="'backnd'"):
            client.speech.transcribe_job(wav(), **wrong)


def test_the_async_client_refuses_the_same_keywords() -> None:
    async def ask() -> None:
        wrong: dict[str, Any] = {"timout": 3.0}
        async with FakeBackend().async_client() as client:
            with pytest.raises(TypeError, match="did you mean 'timeout'"):
                await client.translation.translate("hi", target="de", **wrong)

    asyncio.run(ask())
