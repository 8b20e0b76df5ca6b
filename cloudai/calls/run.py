"""What every call passes through, sync and async: guard the input, pick a backend, try, fall back, price, finish.

The order is DESIGN's: media guard -> route -> capability check -> policy -> driver -> usage, cost, warnings.
`Runner` and `AsyncRunner` differ only in how they wait.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from cloudai.backends import Backend, Candidate, Plan, candidate
from cloudai.calls.cost import cost_of
from cloudai.calls.limits import check_text, fit, scheme
from cloudai.calls.policy import Turn, may_fall_back, settle, turn
from cloudai.driver import Call
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput
from cloudai.operations import TYPES
from cloudai.types.media import Media, MediaLike
from cloudai.types.results import Model, Notice, Result

if TYPE_CHECKING:
    from cloudai.calls.media import InputGuard
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


CALL_KEYWORDS = CallOptions.__optional_keys__


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What runners share: the opened backends and the plans made for them."""

    config: Config
    backends: Mapping[str, Backend]
    plans: Mapping[str, Plan]
    verbs: Mapping[str, str]
    guard: InputGuard
    closed: list[bool] = field(default_factory=list)

    def candidates(self, operation: str, wanted: str | None) -> tuple[Candidate, ...]:
        """Who is asked, in order. Raises `Unsupported` when nobody can serve it."""
        if self.closed:
            raise CloudAIError("the client is closed", code=ErrorCode.CANCELLED, operation=operation)
        if wanted is None:
            plan = self.plans[operation]
            if not plan.candidates:
                raise plan.refuse()
            return plan.candidates
        backend = self.backend(wanted)
        if (gap := backend.gap(operation)) is not None:
            raise Plan(operation=operation, route=self.config.routes[0], skipped=((wanted, gap),)).refuse()
        return (candidate(backend, operation, self.verbs[operation]),)

    def backend(self, name: str) -> Backend:
        """An open backend. Raises `InvalidInput` for one that no route names."""
        if name not in self.backends:
            known = ", ".join(self.backends)
            raise InvalidInput(f"no open backend {name!r}: the routes name {known}", code=ErrorCode.NOT_FOUND)
        return self.backends[name]


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
    last: CloudAIError | None = None

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

    def finish(self, step: Step[Any], answer: object, expected: type[R]) -> R:
        """Fills in the envelope."""
        backend = step.chosen.backend
        if not isinstance(answer, expected):
            wrong = TypeError(f"answered {type(answer).__name__} instead of {expected.__name__}")
            raise backend.error(wrong, self.operation) from wrong
        cost, refs = cost_of(backend.provider, backend.region, answer.usage)
        return answer.filled(
            operation=self.operation,
            provider=backend.provider,
            backend=backend.name,
            region=backend.region,
            cost=cost,
            price_ref=refs,
            latency=time.perf_counter() - self.started,
            attempts=self.attempts,
            warnings=(*answer.warnings, *step.notices, *step.chosen.notices, *self.failures),
        )


def begin(engine: Engine, operation: str, options: CallOptions) -> Job:
    """Starts the clock. Raises `TypeError` for a keyword that no operation takes."""
    if not options.keys() <= CALL_KEYWORDS:
        raise TypeError(_unexpected(operation, options))
    policy = engine.config.policy
    return Job(
        engine=engine,
        operation=operation,
        options=options,
        started=time.perf_counter(),
        ends=time.monotonic() + options.get("deadline", policy.deadline),
        timeout=options.get("timeout", policy.timeout),
        key=os.urandom(16).hex(),
    )


def _unexpected(operation: str, options: CallOptions) -> str:
    """In Python's words. `**call` is typed, but only a type checker sees that."""
    from cloudai.config_document import nearest

    name = min(options.keys() - CALL_KEYWORDS)
    verb = operation.rpartition(".")[2]
    return f"{verb}() got an unexpected keyword argument {name!r}{nearest(name, sorted(CALL_KEYWORDS))}"


def checked(build: Callable[[], M]) -> M:
    """Builds a request; pydantic's complaint becomes one line of `InvalidInput`."""
    from pydantic import ValidationError

    try:
        return build()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{name}: {first['msg']}") from None


def prepare(job: Job, chosen: Candidate, request: M) -> tuple[M, tuple[Notice, ...]]:
    """Fits the request to one backend's declared limits: raises `TooLarge` or `InvalidInput` before sending."""
    limits, whose = chosen.declared.limits, chosen.backend.name
    types = TYPES[job.operation]
    if types.text is not None:
        given: str | tuple[str, ...] = getattr(request, types.text)
        for text in (given,) if isinstance(given, str) else given:
            check_text(text, limits=limits, whose=whose)
    if types.media is None:
        return request, ()
    media: Media = getattr(request, types.media)
    media = fetch_for(job, chosen, media)
    fitted, notices = fit(
        media,
        limits=limits,
        content_types=chosen.declared.content_types,
        whose=whose,
        resize=job.options.get("resize", False),
    )
    if fitted is getattr(request, types.media):
        return request, notices
    return request.model_copy(update={types.media: fitted}), notices


def fetch_for(job: Job, chosen: Candidate, media: Media) -> Media:
    """An object that the backend can't read by address is read with another backend's credentials."""
    from cloudai.calls.media import fetched
    from cloudai.driver import FetchesObjects

    if media.data is not None or (kind := scheme(media)) in chosen.declared.sources:
        return media
    for backend in job.engine.backends.values():
        if isinstance(backend.driver, FetchesObjects) and kind in backend.driver.fetches:
            call = job.call(backend, job.timeout)
            data = backend.driver.fetch(str(media.uri), max_bytes=job.engine.guard.max_bytes, call=call)
            return fetched(media, data, guard=job.engine.guard)
    raise InvalidInput(
        f"{chosen.backend.name} can't read {kind} objects and no configured backend can fetch them: pass the bytes",
        operation=job.operation,
    )


def load_media(engine: Engine, operation: str, source: MediaLike, timeout: float) -> Media:
    """One guarded input."""
    from cloudai.calls.media import load

    kind = TYPES[operation].kind
    assert kind is not None  # only operations with media come here
    return load(source, kind, guard=engine.guard, timeout=timeout)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step(Generic[M]):
    """One backend's go at a call."""

    chosen: Candidate
    request: M
    notices: tuple[Notice, ...]
    turn: Turn


def steps(job: Job, request: M, *, skip: str | None = None) -> Iterator[Step[M]]:
    """The backends to ask, in order, each with the request fitted to its limits and its share of the deadline.

    `skip` names a backend that has failed already.
    """
    able = job.engine.candidates(job.operation, job.options.get("backend"))
    candidates = [chosen for chosen in able if chosen.backend.name != skip]
    for index, chosen in enumerate(candidates):
        left = len(candidates) - index
        try:
            fitted, notices = prepare(job, chosen, request)
        except CloudAIError as error:
            job.failed(chosen.backend, error, unsent=left > 1)
            continue
        policy = job.engine.config.policy
        timeout = job.timeout_at(chosen)
        mine = turn(policy, ends=job.ends, timeout=timeout, backends_left=left, operation=job.operation)
        yield Step(chosen=chosen, request=fitted, notices=notices, turn=mine)


class Runner:
    """Runs calls in the caller's thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def media(self, operation: str, source: MediaLike, options: CallOptions) -> Media:
        """Reads and checks one input."""
        timeout = options.get("timeout", self.engine.config.policy.timeout)
        return load_media(self.engine, operation, source, timeout)

    def __call__(
        self, operation: str, request: Model, options: CallOptions, result: type[R], *, skip: str | None = None
    ) -> R:
        """One call of `operation`; `result` is its result type."""
        job = begin(self.engine, operation, options)
        for step in steps(job, request, skip=skip):
            try:
                answer = step.turn.run(partial(self.attempt, job, step))
            except CloudAIError as error:
                job.failed(step.chosen.backend, error)
            else:
                return job.finish(step, answer, result)
        raise job.exhausted()

    def attempt(self, job: Job, step: Step[Model], timeout: float) -> Any:
        """One request at one backend."""
        call = job.call(step.chosen.backend, timeout)
        try:
            return step.chosen.method(step.request, call)
        except CloudAIError as error:
            step.chosen.backend.error(error, job.operation)
            raise
        except Exception as error:
            raise step.chosen.backend.error(error, job.operation) from error


class AsyncRunner:
    """Runs calls on the event loop; drivers without an async path, files and addresses are handled in threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def media(self, operation: str, source: MediaLike, options: CallOptions) -> Media:
        """Reads and checks one input."""
        import asyncio

        timeout = options.get("timeout", self.engine.config.policy.timeout)
        if isinstance(source, (bytes, Media)):
            return load_media(self.engine, operation, source, timeout)
        return await asyncio.to_thread(load_media, self.engine, operation, source, timeout)

    async def __call__(
        self, operation: str, request: Model, options: CallOptions, result: type[R], *, skip: str | None = None
    ) -> R:
        """One call of `operation`; `result` is its result type."""
        import asyncio

        job = begin(self.engine, operation, options)
        planned = steps(job, request, skip=skip)
        slow = options.get("resize", False) or _unfetched(operation, request)
        while step := (await asyncio.to_thread(next, planned, None) if slow else next(planned, None)):
            try:
                answer = await step.turn.run_async(partial(self.attempt, job, step))
            except CloudAIError as error:
                job.failed(step.chosen.backend, error)
            else:
                return job.finish(step, answer, result)
        raise job.exhausted()

    async def attempt(self, job: Job, step: Step[Model], timeout: float) -> Any:
        """One request at one backend."""
        import asyncio

        backend = step.chosen.backend
        call = job.call(backend, timeout)
        try:
            if not backend.asynchronous:
                return await asyncio.to_thread(step.chosen.method, step.request, call)
            async with asyncio.timeout(timeout):
                return await step.chosen.method(step.request, call)
        except CloudAIError as error:
            backend.error(error, job.operation)
            raise
        except TimeoutError as error:
            late = CloudAIError(f"no answer within {timeout:g} s", code=ErrorCode.DEADLINE_EXCEEDED)
            raise backend.error(late, job.operation) from error
        except Exception as error:
            raise backend.error(error, job.operation) from error


def _unfetched(operation: str, request: Model) -> bool:
    """Whether fitting the request may read from the network."""
    name = TYPES[operation].media
    return name is not None and getattr(request, name).data is None
