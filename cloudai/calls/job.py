"""One call on its way: what is settled before the first attempt, the backends it asks in turn, and its end."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cloudai.backends import Backend, Candidate, Plan
from cloudai.calls import booking
from cloudai.calls.cost import NOTHING, Cost, add_costs, cost_of
from cloudai.calls.engine import CALL_KEYWORDS, CallOptions, Engine
from cloudai.calls.fitting import prepare
from cloudai.calls.lane import Lane
from cloudai.calls.observed import size_of
from cloudai.calls.policy import CREATES, Turn, may_fall_back, settle, turn
from cloudai.calls.records import record, tell
from cloudai.calls.redaction import redact
from cloudai.calls.result_cache import key_of
from cloudai.calls.split import Parts
from cloudai.calls.strategies import in_order
from cloudai.calls.watching import log
from cloudai.driver import Call
from cloudai.errors import BudgetExceeded, CloudAIError, Delivery, ErrorCode, ServiceError
from cloudai.operations import TYPES
from cloudai.types.results import Model, Notice, Result

if TYPE_CHECKING:
    from cloudai.ledger import CallRecord, Reservation

MICRO = 1_000_000
R = TypeVar("R", bound=Result)
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step(Generic[M]):
    """One backend's go at a call."""

    chosen: Candidate
    request: M
    notices: tuple[Notice, ...]
    turn: Turn
    parts: Parts[M] | None = None
    """The requests to send instead of `request`, where that is too long for one."""

    def again(self) -> Step[M]:
        """The same with a turn of its own, for a second request beside the first."""
        return replace(self, turn=replace(self.turn))


@dataclass(slots=True)
class Job:
    """One call on its way: everything that is settled before the first attempt."""

    engine: Engine
    operation: str
    options: CallOptions
    started: float
    ends: float
    timeout: float
    key: str
    attempts: int = 0
    failures: list[Notice] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    last: CloudAIError | None = None
    hedges: bool = False
    """Whether a second request may be sent beside the first."""
    said: list[Notice] = field(default_factory=list)
    """Of the budget, the redaction: warnings of the result, whoever answers."""
    unsettled: list[tuple[Reservation, Step[Any], object]] = field(default_factory=list)
    """Attempts that were answered, with their answers."""
    paid: list[Cost] = field(default_factory=list)
    """Of parts that a backend answered before it failed: billed, and of no use to the next one."""
    answered: tuple[Any, ...] = ()
    """What a backend had answered of the parts of a request before it failed."""
    input_bytes: int | None = None
    cache_key: bytes | None = None
    """Where the answer is kept; `None`: it is not."""
    record: CallRecord | None = None
    """Of the whole, once it has ended."""
    told: bool = True
    """Whether it is one of the user's calls; a look at a job is not."""
    watched: ExitStack | None = None
    """Whoever watches, until the call ends."""

    def timeout_at(self, chosen: Candidate) -> float:
        """Seconds for one attempt. A service that answers only by jobs is waited for as long as its turn lasts."""
        by_jobs = chosen.declared.mode and "sync" not in chosen.declared.mode
        return math.inf if by_jobs and "timeout" not in self.options else self.timeout

    def call(self, backend: Backend, timeout: float) -> Call:
        """The driver's view of one attempt."""
        self.attempts += 1
        return Call(
            timeout=timeout,
            idempotency_key=self.key,
            raw=self.options.get("raw", False),
            options=backend.options(self.operation, self.options.get("options")),
        )

    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.started

    def provider_options(self, backend: Backend) -> object:
        """What the caller gave for this backend's provider, as given; `None`: nothing."""
        return (self.options.get("options") or {}).get(backend.provider)

    def failed(self, backend: Backend, error: CloudAIError, *, unsent: bool = False) -> None:
        """Notes a failure, or raises it when no other backend may cure it. `unsent`: the input did not fit here."""
        error.attempts = self.attempts
        self.last = backend.error(error, self.operation)
        if not (unsent or may_fall_back(error, self.operation)):
            raise settle(error, self.operation, key=self.key)
        self.failures.append(
            Notice(code="fallback", message=f"{backend.name} did not answer: {error.code}: {error.message}")
        )

    def exhausted(self) -> CloudAIError:
        """The error to raise when all candidates have failed: the last one's, with the others named."""
        assert self.last is not None
        if len(self.failures) > 1:
            self.last.message += f" (before it: {'; '.join(notice.message for notice in self.failures[:-1])})"
        return settle(self.last, self.operation, key=self.key)

    @contextmanager
    def kept(self, step: Step[Any], answers: Sequence[object]) -> Iterator[None]:
        """While a backend answers part by part: where it fails, what it had answered is billed all the same."""
        try:
            yield
        except CloudAIError:
            backend = step.chosen.backend
            self.answered = tuple(answers)
            before = [answer for answer in answers if isinstance(answer, Result)]
            self.paid += [cost_of(backend.provider, backend.region, answer.usage) for answer in before]
            if before:
                text = f"{backend.name} had answered {len(before)} of its requests: they are billed, and in the cost"
                self.said.append(Notice(code="billed_before", message=text))
            raise

    def finish(self, step: Step[Any], answers: Sequence[object], expected: type[R]) -> R:
        """One result from the answers to a step's parts, with the envelope filled in."""
        backend = step.chosen.backend
        provider, region = backend.provider, backend.region
        several = [self._expected(backend, answer, expected) for answer in answers]
        whole = several[0] if step.parts is None else step.parts.joined(several)
        own = [cost_of(provider, region, answer.usage) for answer in several]
        if self.operation in CREATES and getattr(whole, "found", False):
            own = [NOTHING]
        cost, refs = add_costs([*self.paid, *own])
        return whole.filled(
            operation=self.operation,
            provider=provider,
            backend=backend.name,
            region=region,
            cost=cost,
            price_ref=refs,
            latency=self.elapsed(),
            attempts=self.attempts,
            warnings=(*whole.warnings, *step.notices, *step.chosen.notices, *self.failures, *self.said),
        )

    def _expected(self, backend: Backend, answer: object, expected: type[R]) -> R:
        if isinstance(answer, expected):
            return answer
        wrong = TypeError(f"answered {type(answer).__name__} instead of {expected.__name__}")
        raise backend.error(wrong, self.operation) from wrong


def begin(engine: Engine, operation: str, options: CallOptions, *, watched: bool = True) -> Job:
    """Starts the clock. Raises `TypeError` for a keyword that no operation takes. `watched`: it is to be told of."""
    if options and not options.keys() <= CALL_KEYWORDS:
        raise TypeError(_unexpected(operation, options))
    policy = engine.config.policy
    route = engine.plans[operation].route
    job = Job(
        engine=engine,
        operation=operation,
        options=options,
        started=time.perf_counter(),
        ends=time.monotonic() + options.get("deadline", policy.deadline),
        timeout=options.get("timeout", policy.timeout),
        key=os.urandom(16).hex(),
        hedges=route is not None and route.strategy == "hedged" and operation not in CREATES,
        told=watched,
    )
    if engine.watchers and watched:
        job.watched = ExitStack()
        for watcher in engine.watchers:
            job.watched.enter_context(watcher.begun(job))
    return job


def _unexpected(operation: str, options: CallOptions) -> str:
    """In Python's words. `**call` is typed, but only a type checker sees that."""
    from cloudai.config_document import nearest

    name = min(options.keys() - CALL_KEYWORDS)
    verb = operation.rpartition(".")[2]
    return f"{verb}() got an unexpected keyword argument {name!r}{nearest(name, sorted(CALL_KEYWORDS))}"


def before(job: Job, request: M, expected: type[R]) -> tuple[M, R | None]:
    """The request as it may leave, and the answer if it is known already."""
    route = job.engine.plans[job.operation].route
    redact = job.engine.redact
    if route is not None and (route.redact or redact is not None):
        request = _redacted(job, request, route.redact)
    if job.engine.books is not None or job.engine.watchers or job.engine.on_call is not None:
        job.input_bytes = size_of(job.operation, request)
    if route is None or route.cache is None or job.operation in CREATES:
        return request, None
    job.cache_key = key_of(job.operation, request, job.options)
    if job.cache_key is None:
        return request, None
    kept = job.engine.cache.get(job.cache_key, route.cache, expected)
    if kept is None:
        return request, None
    return request, kept.filled(latency=job.elapsed(), warnings=(*kept.warnings, *job.said))


def _redacted(job: Job, request: M, names: tuple[str, ...]) -> M:
    """The request without what its route's detectors and the user's function take out of its texts."""
    field_name = TYPES[job.operation].text
    if field_name is None:
        return request
    given: str | tuple[str, ...] = getattr(request, field_name)
    cleaned, counts = redact((given,) if isinstance(given, str) else given, names, job.engine.redact)
    if not counts:
        return request
    said = ", ".join(f"{count} x {name}" for name, count in counts.items())
    job.said.append(Notice(code="redacted", message=f"taken out before sending: {said}"))
    return request.model_copy(update={field_name: cleaned[0] if isinstance(given, str) else cleaned})


def end(job: Job, result: Result | None, error: CloudAIError | None, *, written: bool = True) -> None:
    """The call is over: the cache, the books and whoever watches are told. `written`: the books keep a record of it."""
    engine = job.engine
    if job.cache_key is not None and result is not None and not result.cached:
        route = engine.plans[job.operation].route
        assert route is not None  # that is where the key came from
        assert route.cache is not None
        engine.cache.put(job.cache_key, route.cache, result)
    if job.watched is not None:
        for watcher in engine.watchers:
            watcher.ended(job, result, error)
        job.watched.close()
    if engine.books is not None and written:
        booking.close(engine.books, job, record(job, result, error))
    if engine.on_call is not None and job.told:
        tell(engine.on_call, record(job, result, error))
    log(job, result, error)


@contextmanager
def attempted(job: Job, step: Step[Any]) -> Iterator[None]:
    """Tells whoever watches how one request went."""
    begun, failure = time.perf_counter(), None
    try:
        yield
    except BaseException as error:
        failure = error if isinstance(error, CloudAIError) else cancelled(job.operation)
        raise
    finally:
        seconds = time.perf_counter() - begun
        for watcher in job.engine.watchers if job.watched is not None else ():
            watcher.attempted(job, step, seconds, failure)


def cancelled(operation: str) -> CloudAIError:
    """What is told of a call that was interrupted from outside."""
    return CloudAIError("the call was interrupted", code=ErrorCode.CANCELLED, operation=operation)


def steps(job: Job, request: M, *, skip: str | None = None) -> Iterator[Step[M]]:
    """The backends to ask, in order, each with the request fitted to its limits and its share of the deadline.

    `skip` names a backend that has failed already. Where there are several, one whose breaker is open is passed over.
    """
    plan = job.engine.plan(job.operation, job.options.get("backend"))
    candidates = in_order(plan, job, request)
    if skip is not None:
        candidates = [chosen for chosen in candidates if chosen.backend.name != skip]
    lanes = [job.engine.lane(chosen, job.operation) for chosen in candidates]
    alone = len(candidates) == 1
    for index, chosen in enumerate(candidates):
        lane = lanes[index]
        left = 1 if alone else 1 + sum([other.open_now for other in lanes[index + 1 :]])
        try:
            made, notices = prepare(job, chosen, request)
            _affordable(job, plan, chosen, request)
            if not alone and not lane.breaker.enter():
                raise _left_alone(lane)
        except CloudAIError as error:
            job.failed(chosen.backend, error, unsent=index + 1 < len(candidates))
            continue
        mine = turn(
            job.engine.config.policy,
            ends=job.ends,
            timeout=job.timeout_at(chosen),
            backends_left=left,
            operation=job.operation,
            lane=lane,
            alone=alone,
        )
        job.turns.append(mine)
        one = len(made.requests) == 1 and not made.notices
        yield Step(chosen=chosen, request=made.requests[0], notices=notices, turn=mine, parts=None if one else made)


def _affordable(job: Job, plan: Plan, chosen: Candidate, request: Model) -> None:
    """Raises `BudgetExceeded` where the call may cost more than its route allows, or nobody knows what."""
    most = plan.route.max_cost if plan.route is not None else None
    if most is None:
        return
    bound = job.engine.bound(chosen, job.operation, request, job.provider_options(chosen.backend))
    if bound.amount is None:
        raise BudgetExceeded(f"not sent: max_cost is {most} USD, and what it costs is not known: {bound.reason}")
    if bound.amount > most * MICRO:
        raise BudgetExceeded(f"not sent: it may cost {bound.amount / MICRO:.6f} USD, and max_cost is {most} USD")


def _left_alone(lane: Lane) -> ServiceError:
    seconds = lane.breaker.remaining
    return ServiceError(
        f"not asked: it failed again and again and is left alone for {seconds:.3g} s more",
        code=ErrorCode.UNAVAILABLE,
        retry_after=seconds,
        delivery=Delivery.NOT_SENT,
    )
