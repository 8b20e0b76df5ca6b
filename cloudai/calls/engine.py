"""What calls share (`Engine`), one call on its way (`Job`), and the backends it asks in turn (`steps`)."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from cloudai.backends import Backend, Candidate, Plan, candidate
from cloudai.calls.cost import add_costs, cost_of
from cloudai.calls.fitting import prepare
from cloudai.calls.hedging import HedgeBudget
from cloudai.calls.lane import Lane, Lanes
from cloudai.calls.policy import CREATES, Turn, may_fall_back, settle, turn
from cloudai.calls.split import Parts
from cloudai.calls.strategies import in_order
from cloudai.driver import Call
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, ServiceError
from cloudai.types.results import Model, Notice, Result
from cloudai_pricing import unit_price

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from cloudai.calls.media import InputGuard
    from cloudai.calls.redaction import Redact
    from cloudai.config import Config

R = TypeVar("R", bound=Result)
M = TypeVar("M", bound=Model)


class CallOptions(TypedDict, total=False):
    """What every operation takes besides its own arguments."""

    backend: str
    """Ask this backend, whatever the route says."""
    timeout: float
    """Seconds for one attempt; the config's `[policy] timeout` otherwise."""
    deadline: float
    """Seconds for the whole call with retries and fallbacks."""
    raw: bool
    """Keep the provider's own answer in `result.raw`."""
    resize: bool
    """Scale an image down to the backend's limit instead of refusing it."""
    options: Mapping[str, Mapping[str, Any]]
    """Provider parameters by provider: `{"local": {"engine": "espeak-ng"}}`. Not portable."""
    key: str
    """On a `weighted` route: calls with the same key (a user's id) go to the same backend."""
    tag: str
    """Whose call it is, for budgets and `cloudai spend`: a project, a team."""


CALL_KEYWORDS = CallOptions.__optional_keys__


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


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What runners share: the opened backends, the plans made for them, and how they have been doing."""

    config: Config
    backends: Mapping[str, Backend]
    plans: Mapping[str, Plan]
    verbs: Mapping[str, str]
    guard: InputGuard
    lanes: Lanes
    hedges: HedgeBudget = field(default_factory=HedgeBudget)
    redact: Redact | None = None
    closed: list[bool] = field(default_factory=list)

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        """For `AsyncClient` where a driver has no async path, and for hedges. Threads start as they are needed."""
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(self.config.policy.threads, thread_name_prefix="cloudai")

    def close(self) -> None:
        """No call is begun any more; threads that are at work end by themselves."""
        self.closed.append(True)
        if "threads" in self.__dict__:
            self.threads.shutdown(wait=False)

    def plan(self, operation: str, wanted: str | None) -> Plan:
        """Who is asked, and by which route. Raises `Unsupported` when nobody can serve it."""
        if self.closed:
            raise CloudAIError("the client is closed", code=ErrorCode.CANCELLED, operation=operation)
        made = self.plans[operation]
        if wanted is None:
            if not made.candidates:
                raise made.refuse()
            return made
        backend = self.backend(wanted)
        if (gap := backend.gap(operation)) is not None:
            raise Plan(operation=operation, route=self.config.routes[0], skipped=((wanted, gap),)).refuse()
        only = candidate(backend, operation, self.verbs[operation])
        return Plan(operation=operation, route=made.route, candidates=(only,))

    def candidates(self, operation: str, wanted: str | None) -> tuple[Candidate, ...]:
        """Who is asked, as the route lists them."""
        return self.plan(operation, wanted).candidates

    def backend(self, name: str) -> Backend:
        """An open backend. Raises `InvalidInput` for one that no route names."""
        if name not in self.backends:
            known = ", ".join(self.backends)
            raise InvalidInput(f"no open backend {name!r}: the routes name {known}", code=ErrorCode.NOT_FOUND)
        return self.backends[name]

    def prices(self, operation: str, request: Model, candidates: Sequence[Candidate]) -> Mapping[str, float]:
        """Backend -> what this request may cost there, in USD; infinite where that is not known."""
        found = {}
        for chosen in candidates:
            backend = chosen.backend
            price = unit_price(provider=backend.provider, operation=operation, region=backend.region)
            found[backend.name] = math.inf if price is None else float(price.price)
        return found

    def lane(self, chosen: Candidate, operation: str) -> Lane:
        """The state that calls share of this backend and operation."""
        return self.lanes.lane(chosen.backend.name, operation)


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

    def failed(self, backend: Backend, error: CloudAIError, *, unsent: bool = False) -> None:
        """Notes a failure, or raises it when no other backend may cure it. `unsent`: the input did not fit here."""
        error.attempts = self.attempts
        self.last = backend.error(error, self.operation)
        if not (unsent or may_fall_back(error, self.operation)):
            raise settle(error, self.operation)
        self.failures.append(
            Notice(code="fallback", message=f"{backend.name} did not answer: {error.code}: {error.message}")
        )

    def exhausted(self) -> CloudAIError:
        """The error to raise when all candidates have failed: the last one's, with the others named."""
        assert self.last is not None
        if len(self.failures) > 1:
            self.last.message += f" (before it: {'; '.join(notice.message for notice in self.failures[:-1])})"
        return settle(self.last, self.operation)

    def finish(self, step: Step[Any], answers: Sequence[object], expected: type[R]) -> R:
        """One result from the answers to a step's parts, with the envelope filled in."""
        backend = step.chosen.backend
        several = [self._expected(backend, answer, expected) for answer in answers]
        whole = several[0] if step.parts is None else step.parts.joined(several)
        cost, refs = add_costs([cost_of(backend.provider, backend.region, answer.usage) for answer in several])
        return whole.filled(
            operation=self.operation,
            provider=backend.provider,
            backend=backend.name,
            region=backend.region,
            cost=cost,
            price_ref=refs,
            latency=time.perf_counter() - self.started,
            attempts=self.attempts,
            warnings=(*whole.warnings, *step.notices, *step.chosen.notices, *self.failures),
        )

    def _expected(self, backend: Backend, answer: object, expected: type[R]) -> R:
        if isinstance(answer, expected):
            return answer
        wrong = TypeError(f"answered {type(answer).__name__} instead of {expected.__name__}")
        raise backend.error(wrong, self.operation) from wrong


def begin(engine: Engine, operation: str, options: CallOptions) -> Job:
    """Starts the clock. Raises `TypeError` for a keyword that no operation takes."""
    if not options.keys() <= CALL_KEYWORDS:
        raise TypeError(_unexpected(operation, options))
    policy = engine.config.policy
    route = engine.plans[operation].route
    return Job(
        engine=engine,
        operation=operation,
        options=options,
        started=time.perf_counter(),
        ends=time.monotonic() + options.get("deadline", policy.deadline),
        timeout=options.get("timeout", policy.timeout),
        key=os.urandom(16).hex(),
        hedges=route is not None and route.strategy == "hedged" and operation not in CREATES,
    )


def _unexpected(operation: str, options: CallOptions) -> str:
    """In Python's words. `**call` is typed, but only a type checker sees that."""
    from cloudai.config_document import nearest

    name = min(options.keys() - CALL_KEYWORDS)
    verb = operation.rpartition(".")[2]
    return f"{verb}() got an unexpected keyword argument {name!r}{nearest(name, sorted(CALL_KEYWORDS))}"


def steps(job: Job, request: M, *, skip: str | None = None) -> Iterator[Step[M]]:
    """The backends to ask, in order, each with the request fitted to its limits and its share of the deadline.

    `skip` names a backend that has failed already. Where there are several, one whose breaker is open is passed over.
    """
    plan = job.engine.plan(job.operation, job.options.get("backend"))
    candidates = [chosen for chosen in in_order(plan, job, request) if chosen.backend.name != skip]
    alone = len(candidates) == 1
    for index, chosen in enumerate(candidates):
        lane = job.engine.lane(chosen, job.operation)
        left = 1 if alone else sum(job.engine.lane(one, job.operation).open_now for one in candidates[index + 1 :]) + 1
        try:
            made, notices = prepare(job, chosen, request)
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


def _left_alone(lane: Lane) -> ServiceError:
    seconds = lane.breaker.remaining
    return ServiceError(
        f"not asked: it failed again and again and is left alone for {seconds:.3g} s more",
        code=ErrorCode.UNAVAILABLE,
        retry_after=seconds,
    )
