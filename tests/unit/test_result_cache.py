"""Answers kept by content: the same input is paid once, and what may have changed is asked again."""

from __future__ import annotations

import io
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cloudai import AsyncClient, Client, CloudAIError, ErrorCode, ServiceError
from cloudai.calls import result_cache
from cloudai.config import BackendConfig, Config, Origin, Route
from cloudai.routes import CacheSettings
from cloudai.testing import FakeBackend

HERE = Origin(place="test")


def png(color: str = "white") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(buffer, "PNG")
    return buffer.getvalue()


def routed(**cache: Any) -> Config:
    backends = {"fake": BackendConfig(name="fake", provider="fake", values={}, origin=HERE)}
    route = Route(pattern="*", backends=("fake",), origin=HERE, cache=CacheSettings(**cache))
    return Config(source=None, backends=backends, routes=(route,))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(result_cache, "default_path", lambda: tmp_path / "answers.sqlite")
    return tmp_path


def test_the_same_content_is_asked_once_whatever_its_name(tmp_path: Path) -> None:
    fake = FakeBackend()
    (tmp_path / "a.png").write_bytes(png())
    with Client(routed(), providers=(fake,)) as client:
        first = client.vision.detect_labels(png())
        again = client.vision.detect_labels(tmp_path / "a.png")
        other = client.vision.detect_labels(png("red"))
    assert len(fake.calls) == 2
    assert (first.cached, again.cached, other.cached) == (False, True, False)
    assert again.labels == first.labels
    assert (again.cost, again.usage, again.attempts) == (again.cost, (), 0)
    assert again.cost is not None
    assert again.cost.amount == Decimal(0)


def test_it_outlives_the_client_and_serves_the_async_one() -> None:
    import asyncio

    fake = FakeBackend()
    with Client(routed(), providers=(fake,)) as client:
        client.translation.translate("hello", target="de")

    async def ask() -> bool:
        async with AsyncClient(routed(), providers=(fake,)) as client:
            return (await client.translation.translate("hello", target="de")).cached

    assert asyncio.run(ask())
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    "change", [{"target": "fr"}, {"source": "en"}, {"raw": True}, {"options": {"fake": {"seed": 2}}}]
)
def test_another_argument_is_another_question(change: dict[str, Any]) -> None:
    fake = FakeBackend()
    with Client(routed(), providers=(fake,)) as client:
        client.translation.translate("hello", target="de")
        assert not client.translation.translate("hello", **{"target": "de", **change}).cached


def test_bytes_of_an_answer_survive() -> None:
    fake = FakeBackend()
    with Client(routed(), providers=(fake,)) as client:
        first = client.speech.synthesize("hello")
        assert client.speech.synthesize("hello").audio == first.audio
    assert len(fake.calls) == 1


def test_an_old_answer_is_asked_anew() -> None:
    fake = FakeBackend()
    with Client(routed(max_age=1e-9), providers=(fake,)) as client:
        client.vision.moderate(png())
        assert not client.vision.moderate(png()).cached


def test_the_oldest_answers_go_when_there_are_too_many(tmp_path: Path) -> None:
    cache, settings = result_cache.ResultCache(tmp_path / "few.sqlite"), CacheSettings(max_entries=10)
    answer = FakeBackend().open  # any result will do
    del answer
    fake = FakeBackend()
    with Client(routed(), providers=(fake,)) as client:
        result = client.vision.moderate(png())
    for number in range(202):
        cache.put(number.to_bytes(4), settings, result)
    kept = [number for number in range(202) if cache.get(number.to_bytes(4), settings, type(result))]
    cache.close()
    assert kept[-1] == 201
    assert len(kept) <= 11
    assert kept == list(range(202 - len(kept), 202))


def test_the_oldest_answers_go_when_they_take_too_many_bytes(tmp_path: Path) -> None:
    with Client(routed(), providers=(FakeBackend(),)) as client:
        result = client.vision.moderate(png())
    each = len(result.model_dump_json())
    cache, settings = result_cache.ResultCache(tmp_path / "small.sqlite"), CacheSettings(max_bytes=10 * each + 1)
    for number in range(2 * result_cache.SWEEP + 1):
        cache.put(number.to_bytes(4), settings, result)
    kept = [n for n in range(2 * result_cache.SWEEP + 1) if cache.get(n.to_bytes(4), settings, type(result))]
    cache.put(b"large", CacheSettings(max_bytes=each - 1), result)
    assert cache.get(b"large", settings, type(result)) is None
    cache.close()
    assert len(kept) == 10
    assert kept[-1] == 2 * result_cache.SWEEP


def test_errors_are_not_kept() -> None:
    fake = FakeBackend().answer("vision.moderate", ServiceError("no", code=ErrorCode.INVALID_INPUT))
    with Client(routed(), providers=(fake,)) as client:
        with pytest.raises(CloudAIError):
            client.vision.moderate(png())
        assert not client.vision.moderate(png()).cached


def test_without_the_option_nothing_is_kept(own_folder: Path) -> None:
    fake = FakeBackend()
    with fake.client() as client:
        client.vision.moderate(png())
        client.vision.moderate(png())
    assert len(fake.calls) == 2
    assert not (own_folder / "answers.sqlite").exists()


def test_a_cache_that_cannot_be_used_is_said_once_and_never_an_error(
    own_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (own_folder / "answers.sqlite").write_bytes(b"this is no database" * 100)
    fake = FakeBackend()
    with Client(routed(), providers=(fake,)) as client:
        for _ in range(3):
            client.vision.moderate(png())
    assert len(fake.calls) == 3
    assert len([record for record in caplog.records if record.name == "cloudai.cache"]) == 1


def test_an_answer_of_another_version_is_asked_anew(own_folder: Path) -> None:
    import sqlite3

    fake = FakeBackend()
    with Client(routed(), providers=(fake,)) as client:
        client.vision.moderate(png())
    with sqlite3.connect(own_folder / "answers.sqlite") as connection:
        connection.execute("UPDATE answers_1 SET answer = '{\"no\": 1}'")
    connection.close()
    with Client(routed(), providers=(fake,)) as client:
        assert not client.vision.moderate(png()).cached


def test_many_threads_share_it() -> None:
    fake = FakeBackend()
    with Client(routed(), providers=(fake,)) as client:
        client.vision.moderate(png())
        seen: list[bool] = []
        threads = [
            threading.Thread(target=lambda: seen.append(client.vision.moderate(png()).cached)) for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == [True] * 16
