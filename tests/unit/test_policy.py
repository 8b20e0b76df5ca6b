"""Retries, deadlines and fallbacks: how often a backend is asked, how long it is waited for, and who is asked next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai import AsyncClient, Client, CloudAIError, ErrorCode, ServiceError
from cloudai.calls.lane import Lanes
from cloudai.calls.policy import Turn, turn
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.errors import FALLBACK, RETRYABLE
from cloudai.testing import FakeBackend
from cloudai.types.results import Result
from cloudai.types.translation import TranslateResult, Translation

HERE = Origin(place="test")
QUICK = Policy(timeout=20.0, deadline=60.0, max_attempts=3, backoff=0.001, max_backoff=0.002)
OK = TranslateResult(translations=(Translation(text="hallo", source="en"),), target="de")


def routed(policy: Policy, *names: str) -> Config:
    backends = {name: BackendConfig(name=name, provider=name, values={}, origin=HERE) for name in names}
    return Config(
        source=None, backends=backends, routes=(Route(pattern="*", backends=names, origin=HERE),), policy=policy
    )


def ask(policy: Policy, *fakes: FakeBackend) -> Result:
    with Client(routed(policy, *(fake.name for fake in fakes)), providers=fakes) as client:
        return client.translation.translate("hello", target="de")


def failing(name: str, code: ErrorCode, **details: float) -> FakeBackend:
    return FakeBackend(name=name).answer("translation.translate", ServiceError("no", code=code, **details), always=True)


@pytest.mark.parametrize("code", sorted(RETRYABLE))
def test_a_retryable_failure_is_tried_as_often_as_configured(code: ErrorCode) -> None:
    fake = failing("a", code)
    with pytest.raises(ServiceError) as caught:
        ask(QUICK, fake)
    assert len(fake.calls) == 3
    assert caught.value.attempts == 3


@pytest.mark.parametrize("code", sorted(set(ErrorCode) - RETRYABLE))
def test_any_other_failure_is_tried_once(code: ErrorCode) -> None:
    fake = failing("a", code)
    with pytest.raises(ServiceError):
        ask(QUICK, fake)
    assert len(fake.calls) == 1


@pytest.mark.parametrize("code", sorted(ErrorCode))
def test_another_backend_is_asked_only_for_what_it_may_cure(code: ErrorCode) -> None:
    first, second = failing("a", code), FakeBackend(name="b").answer("translation.translate", OK, always=True)
    if code in FALLBACK:
        assert ask(QUICK, first, second).backend == "b"
    else:
        with pytest.raises(ServiceError):
            ask(QUICK, first, second)
        assert not second.calls


def test_a_second_attempt_that_answers_is_the_answer() -> None:
    fake = FakeBackend(name="a").answer("translation.translate", ConnectionError("reset"), OK)
    result = ask(QUICK, fake)
    assert result.attempts == 2
    assert len(fake.calls) == 2


def test_every_attempt_of_one_call_has_one_idempotency_key() -> None:
    fake = FakeBackend(name="a").answer("translation.translate", ConnectionError("reset"), OK)
    ask(QUICK, fake)
    assert len({made.call.idempotency_key for made in fake.calls}) == 1


def test_what_the_backend_asked_to_wait_is_waited() -> None:
    fake = FakeBackend(name="a").answer(
        "translation.translate", ServiceError("slow down", code=ErrorCode.RATE_LIMITED, retry_after=0.2), OK
    )
    started = time.monotonic()
    ask(QUICK, fake)
    assert time.monotonic() - started >= 0.2


def test_a_wait_that_does_not_fit_goes_to_the_next_backend_at_once() -> None:
    first = failing("a", ErrorCode.RATE_LIMITED, retry_after=60.0)
    second = FakeBackend(name="b").answer("translation.translate", OK, always=True)
    started = time.monotonic()
    assert ask(QUICK, first, second).backend == "b"
    assert time.monotonic() - started < 10.0
    assert len(first.calls) == 1


def slow(seconds: float) -> Callable[[object], Result]:
    """As a driver whose socket times out."""

    def answer(_: object) -> Result:
        time.sleep(seconds)
        raise TimeoutError("no answer")

    return answer


def test_a_hung_backend_leaves_its_fallback_a_share_of_the_deadline() -> None:
    policy = replace(QUICK, timeout=1.0, deadline=2.0)
    first = FakeBackend(name="a").answer("translation.translate", slow(1.0), always=True)
    second = FakeBackend(name="b").answer("translation.translate", OK, always=True)
    assert ask(policy, first, second).backend == "b"
    assert len(first.calls) == 1
    assert first.calls[0].call.timeout <= 1.0


def test_the_deadline_ends_a_call_that_would_be_tried_again() -> None:
    fake = FakeBackend(name="a").answer("translation.translate", slow(0.15), always=True)
    with pytest.raises(CloudAIError) as caught:
        ask(replace(QUICK, deadline=0.2, max_attempts=50), fake)
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert len(fake.calls) <= 3


def test_an_attempts_timeout_never_reaches_past_the_deadline() -> None:
    fake = FakeBackend(name="a").answer("translation.translate", OK)
    ask(replace(QUICK, timeout=100.0, deadline=50.0), fake)
    assert fake.calls[0].call.timeout <= 50.0


def test_when_all_fail_the_error_names_them_all() -> None:
    with pytest.raises(ServiceError, match="a did not answer: unavailable") as caught:
        ask(QUICK, failing("a", ErrorCode.UNAVAILABLE), failing("b", ErrorCode.QUOTA_EXHAUSTED))
    assert caught.value.backend == "b"
    assert caught.value.code is ErrorCode.QUOTA_EXHAUSTED


def test_the_async_client_keeps_the_same_rules() -> None:
    fake = failing("a", ErrorCode.UNAVAILABLE)
    second = FakeBackend(name="b").answer("translation.translate", ConnectionError("reset"), OK)

    async def run() -> TranslateResult:
        async with AsyncClient(routed(QUICK, "a", "b"), providers=(fake, second)) as client:
            return await client.translation.translate("hello", target="de")

    result = asyncio.run(run())
    assert result.backend == "b"
    assert (len(fake.calls), len(second.calls), result.attempts) == (3, 2, 5)


@given(attempts=st.integers(1, 8), backoff=st.floats(0.001, 5), ceiling=st.floats(0.001, 5), left=st.floats(0.0, 10))
@settings(max_examples=200, deadline=None)
def test_a_pause_is_never_longer_than_its_bounds(attempts: int, backoff: float, ceiling: float, left: float) -> None:
    mine = Turn(
        policy=Policy(backoff=backoff, max_backoff=ceiling),
        ends=time.monotonic() + left,
        timeout=1.0,
        lane=Lanes(Policy()).lane("a", "vision.read_text"),
        attempts=attempts,
    )
    pause = mine.pause(CloudAIError("x", code=ErrorCode.UNAVAILABLE))
    assert 0 <= pause <= min(ceiling, backoff * 2 ** (attempts - 1), left) + 1e-9


@given(deadline=st.floats(0.5, 100), backends=st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_shares_of_the_deadline_add_up_to_no_more_than_it(deadline: float, backends: int) -> None:
    now = time.monotonic()
    lane = Lanes(Policy()).lane("a", "vision.read_text")
    mine = turn(
        Policy(), ends=now + deadline, timeout=1.0, backends_left=backends, operation="vision.read_text", lane=lane
    )
    assert (mine.ends - now) * backends <= deadline * 1.001 + 0.05 * backends


def test_a_service_that_answers_only_by_jobs_is_waited_for_as_long_as_its_turn() -> None:
    from cloudai.backends import Candidate
    from cloudai.calls.run import begin
    from cloudai.capabilities import builtin_capabilities

    with FakeBackend(name="a").client() as client:
        engine = client._engine
        (mine,) = engine.candidates("speech.transcribe", None)
        by_job = builtin_capabilities()["aws"].operation("speech.transcribe")
        assert by_job is not None
        slow = Candidate(backend=mine.backend, method=mine.method, declared=by_job, notices=())
        assert begin(engine, "speech.transcribe", {}).timeout_at(slow) > 1000
        assert begin(engine, "speech.transcribe", {"timeout": 5.0}).timeout_at(slow) == 5.0
        assert begin(engine, "speech.transcribe", {}).timeout_at(mine) == engine.config.policy.timeout
