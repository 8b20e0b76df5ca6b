"""The breaker, the retry tokens and the limiter against models of them, on a clock of the test's own."""

from __future__ import annotations

import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cloudai.calls.breaker import WINDOW, Breaker, State
from cloudai.calls.lane import Lanes
from cloudai.calls.latencies import ENOUGH, Latencies
from cloudai.calls.limiter import Limiter
from cloudai.calls.retry_tokens import FAULT, REFUND, THROTTLED, RetryTokens
from cloudai.config import Policy
from cloudai.errors import CloudAIError, ErrorCode

FAILURES, COOLDOWN, LONGEST, LEASE = 3, 5.0, 40.0, 20.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class BreakerModel(RuleBasedStateMachine):
    """A breaker as the drawing in its docstring says it, in the plainest form."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(
            failures=FAILURES, cooldown=COOLDOWN, max_cooldown=LONGEST, lease=LEASE, clock=self.clock
        )
        self.outcomes: list[bool] = []
        self.open_until: float | None = None
        self.cooldown = COOLDOWN
        self.probe_until = 0.0

    def state(self) -> State:
        if self.open_until is None:
            return State.CLOSED
        return State.OPEN if self.clock.now < self.open_until else State.HALF_OPEN

    def opens(self, cooldown: float) -> None:
        self.cooldown, self.open_until, self.probe_until = cooldown, self.clock.now + cooldown, 0.0
        self.outcomes = []

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0, 10.0, 21.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def a_request_comes(self) -> None:
        state, let = self.state(), self.breaker.enter()
        if state is State.CLOSED:
            assert let
        elif state is State.OPEN:
            assert not let
        else:
            assert let == (self.clock.now >= self.probe_until)
            if let:
                self.probe_until = self.clock.now + LEASE

    @rule()
    def it_fails(self) -> None:
        state = self.state()
        self.breaker.failed()
        if state is State.HALF_OPEN:
            self.opens(min(LONGEST, 2 * self.cooldown))
        elif state is State.CLOSED:
            self.outcomes.append(False)
            row = next((i for i, good in enumerate(reversed(self.outcomes)) if good), len(self.outcomes))
            last = self.outcomes[-WINDOW:]
            if row >= FAILURES or (len(last) == WINDOW and 2 * last.count(False) >= WINDOW):
                self.opens(COOLDOWN)

    @rule()
    def it_answers(self) -> None:
        state = self.state()
        self.breaker.answered()
        if state is State.HALF_OPEN:
            self.open_until, self.outcomes, self.probe_until = None, [], 0.0
        elif state is State.CLOSED:
            self.outcomes.append(True)

    @rule(seconds=st.sampled_from([1.0, 900.0]))
    def the_quota_is_out(self, seconds: float) -> None:
        self.breaker.trip(seconds)
        until = self.clock.now + seconds
        if self.open_until is None or until > self.open_until:
            self.open_until, self.probe_until = until, 0.0

    @invariant()
    def they_agree(self) -> None:
        assert self.breaker.state is self.state()

    @precondition(lambda self: self.state() is not State.CLOSED)
    @invariant()
    def it_says_when_it_will_be_tried(self) -> None:
        assert self.open_until is not None
        left = max(self.open_until, self.probe_until) - self.clock.now
        assert abs(self.breaker.remaining - max(0.0, left)) < 1e-6


BreakerModel.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestBreaker = BreakerModel.TestCase


def test_only_one_of_many_threads_is_the_probe() -> None:
    clock = Clock()
    breaker = Breaker(failures=1, cooldown=COOLDOWN, max_cooldown=LONGEST, lease=LEASE, clock=clock)
    breaker.failed()
    clock.now += COOLDOWN
    let: list[bool] = []
    ready = threading.Barrier(16)

    def come() -> None:
        ready.wait()
        let.append(breaker.enter())

    threads = [threading.Thread(target=come) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert let.count(True) == 1


class TokensModel(RuleBasedStateMachine):
    """Tokens are neither made nor lost beyond the capacity."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = RetryTokens(500)
        self.left = 500

    @rule(cost=st.sampled_from([FAULT, THROTTLED]))
    def a_retry_asks(self, cost: int) -> None:
        enough = self.left >= cost
        assert self.tokens.take(cost) is enough
        self.left -= cost if enough else 0

    @rule(amount=st.sampled_from([REFUND, FAULT, THROTTLED]))
    def an_answer_gives_back(self, amount: int) -> None:
        self.tokens.give(amount)
        self.left = min(500, self.left + amount)

    @invariant()
    def they_agree(self) -> None:
        assert self.tokens.left == self.left
        assert 0 <= self.left <= 500


TestTokens = TokensModel.TestCase


class LimiterModel(RuleBasedStateMachine):
    """A bucket of one second's requests that refills at the rate, counted in plain numbers."""

    RATE = 4.0

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.limiter = Limiter(rate=self.RATE, backoff=0.25, max_backoff=8.0, clock=self.clock)
        self.sent: list[float] = []
        self.cool_until = 0.0
        self.throttled = 0

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.25, 0.6, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(within=st.sampled_from([0.0, 0.5, 10.0]))
    def a_request_comes(self, within: float) -> None:
        before = self.limiter.delay()
        wait = self.limiter.take(within)
        if wait is None:
            assert before > within
            assert self.limiter.delay() == before, "a place that is not taken is still free"
            return
        assert 0.0 <= wait <= within + 1e-9
        start = self.clock.now + wait
        assert start >= self.cool_until - 1e-9, "nobody goes before the time that the backend asked for"
        self.sent.append(start)

    @rule(after=st.sampled_from([None, 1.0, 2.0]))
    def it_throttles(self, after: float | None) -> None:
        self.limiter.throttled(after)
        self.throttled += 1
        asked = min(8.0, 0.25 * 2.0 ** (self.throttled - 1)) if after is None else after
        self.cool_until = max(self.cool_until, self.clock.now + asked)

    @rule()
    def it_answers(self) -> None:
        self.limiter.answered()
        self.throttled = 0

    @invariant()
    def no_second_has_more_than_a_burst_and_the_rate(self) -> None:
        for start in self.sent:
            within = sum(start <= other < start + 1.0 - 1e-6 for other in self.sent)
            assert within <= 2 * self.RATE, self.sent

    @invariant()
    def it_cools_as_long_as_was_asked(self) -> None:
        assert abs(self.limiter.cooling - max(0.0, self.cool_until - self.clock.now)) < 1e-6


LimiterModel.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestLimiter = LimiterModel.TestCase


def test_a_lane_without_a_rate_lets_everybody_pass_at_once() -> None:
    lane = Lanes(Policy()).lane("a", "vision.moderate")
    assert [lane.limiter.take(0.0) for _ in range(1000)] == [0.0] * 1000


def test_throttling_feeds_the_limiter_and_not_the_breaker() -> None:
    lane = Lanes(Policy(breaker_failures=1)).lane("a", "vision.moderate")
    for _ in range(100):
        lane.failed(CloudAIError("slow down", code=ErrorCode.RATE_LIMITED))
    assert lane.breaker.state is State.CLOSED
    assert lane.limiter.cooling > 0


def test_an_exhausted_quota_is_a_long_cool_down() -> None:
    lane = Lanes(Policy(quota_cooldown=900.0)).lane("a", "vision.moderate")
    lane.failed(CloudAIError("no more this month", code=ErrorCode.QUOTA_EXHAUSTED))
    assert lane.breaker.state is State.OPEN
    assert 890 < lane.breaker.remaining <= 900


def test_a_refused_request_speaks_for_the_backend() -> None:
    lane = Lanes(Policy(breaker_failures=1)).lane("a", "vision.moderate")
    lane.failed(CloudAIError("not an image", code=ErrorCode.INVALID_INPUT))
    assert lane.breaker.state is State.CLOSED


def test_operations_of_one_backend_share_its_retry_tokens_and_nothing_else() -> None:
    lanes = Lanes(Policy())
    one, other = lanes.lane("a", "vision.moderate"), lanes.lane("a", "vision.caption")
    assert one.tokens is other.tokens
    assert one.breaker is not other.breaker
    assert lanes.lane("b", "vision.moderate").tokens is not one.tokens


def test_quantiles_are_of_the_last_answers() -> None:
    latencies = Latencies()
    for _ in range(ENOUGH - 1):
        latencies.add(1.0)
    assert latencies.quantile(0.5) is None
    for number in range(1, 401):
        latencies.add(float(number))
    usual = latencies.quantile(0.95)
    assert usual is not None
    assert 370 <= usual <= 390, "of the last 200, seen at most 16 answers ago"
