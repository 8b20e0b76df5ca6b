"""What every call passes through, sync and async: guard the input, pick a backend, try, fall back, price, finish.

The order is DESIGN's: media guard -> redaction -> cache -> route -> capability check -> budget -> policy -> driver ->
usage, cost, warnings -> ledger -> telemetry. `Runner` and `AsyncRunner` differ only in how they wait.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cloudai.calls import booking
from cloudai.calls.engine import CallOptions, Engine
from cloudai.calls.fitting import checked, load_media, may_fetch
from cloudai.calls.hedging import hedged, hedged_async
from cloudai.calls.job import Job, Step, attempted, before, begin, cancelled, end, steps
from cloudai.calls.records import record
from cloudai.delivery import marked
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.types.media import Media, MediaLike
from cloudai.types.results import Model, Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloudai.ledger import Books

R = TypeVar("R", bound=Result)
T = TypeVar("T")

__all__ = ["AsyncRunner", "CallOptions", "Engine", "Job", "Runner", "Step", "begin", "checked", "steps"]


class Runner:
    """Runs calls in the caller's thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def media(self, operation: str, source: MediaLike, options: CallOptions) -> Media:
        """Reads and checks one input."""
        timeout = options.get("timeout", self.engine.config.policy.timeout)
        return load_media(self.engine, operation, source, timeout)

    def __call__(
        self,
        operation: str,
        request: Model,
        options: CallOptions,
        result: type[R],
        *,
        skip: str | None = None,
        entries: list[int] | None = None,
    ) -> R:
        """One call of `operation`; `result` is its result type. `entries`: is given its numbers in the ledger."""
        job = begin(self.engine, operation, options)
        try:
            answer = self._asked(job, request, result, skip)
        except BaseException as error:
            end(job, None, error if isinstance(error, CloudAIError) else cancelled(operation))
            raise
        if entries is not None:
            entries += booking.entries(job)
        end(job, answer, None)
        return answer

    def _asked(self, job: Job, request: Model, result: type[R], skip: str | None) -> R:
        request, kept = before(job, request, result)
        if kept is not None:
            return kept
        planned = steps(job, request, skip=skip)
        for step in planned:
            try:
                if job.hedges:
                    step, answers = hedged(self, job, step, planned)  # noqa: PLW2901  # whoever answered first
                else:
                    answers = self.answers(job, step)
            except CloudAIError as error:
                job.failed(step.chosen.backend, error)
            else:
                return job.finish(step, answers, result)
        raise job.exhausted()

    def answers(self, job: Job, step: Step[Any]) -> list[Any]:
        """One answer for each part of the request: only the part that failed is sent again."""
        if step.parts is None:
            return [step.turn.run(partial(self.attempt, job, step))]
        made = list[Any]()
        with job.kept(step, made):
            for part in step.parts.requests:
                made.append(step.turn.run(partial(self.attempt, job, step, request=part)))
        return made

    def attempt(self, job: Job, step: Step[Any], timeout: float, *, request: Model | None = None) -> Any:
        """One request at one backend; its bound is held in the books meanwhile."""
        sent = request or step.request
        books = self.engine.books
        if books is None:
            return self.unbooked(job, step, timeout, sent)
        reservation = booking.hold(books, job, step, sent)
        try:
            answer = self.unbooked(job, step, timeout, sent)
        except BaseException as error:
            booking.unanswered(books, reservation, error)
            raise
        booking.answered(books, job, step, reservation, answer)
        return answer

    def unbooked(self, job: Job, step: Step[Any], timeout: float, request: Model) -> Any:
        """One request that nobody bills: a question about a job."""
        if not self.engine.watchers:
            return self._sent(job, step, timeout, request)
        with attempted(job, step):
            return self._sent(job, step, timeout, request)

    def _sent(self, job: Job, step: Step[Any], timeout: float, request: Model) -> Any:
        call = job.call(step.chosen.backend, timeout)
        try:
            return step.chosen.method(request, call)
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
        self,
        operation: str,
        request: Model,
        options: CallOptions,
        result: type[R],
        *,
        skip: str | None = None,
        entries: list[int] | None = None,
    ) -> R:
        """One call of `operation`; `result` is its result type. `entries`: is given its numbers in the ledger."""
        job = begin(self.engine, operation, options)
        try:
            answer = await self._asked(job, request, result, skip)
        except BaseException as error:
            await self.end(job, None, error if isinstance(error, CloudAIError) else cancelled(operation))
            raise
        if entries is not None:
            entries += booking.entries(job)
        await self.end(job, answer, None)
        return answer

    async def end(self, job: Job, result: Result | None, error: CloudAIError | None) -> None:
        """The call is over; the books are closed where booking has its place."""
        books = self.engine.books
        if books is None or books.settles_later:
            end(job, result, error)
            return
        end(job, result, error, written=False)
        await self._booked(booking.close, books, job, record(job, result, error))

    async def _asked(self, job: Job, request: Model, result: type[R], skip: str | None) -> R:
        import asyncio

        request, kept = before(job, request, result)
        if kept is not None:
            return kept
        planned = steps(job, request, skip=skip)
        slow = job.options.get("resize", False) or may_fetch(job.operation, request)
        while step := await asyncio.to_thread(next, planned, None) if slow else next(planned, None):
            try:
                if job.hedges:
                    step, answers = await hedged_async(self, job, step, planned)
                else:
                    answers = await self.answers(job, step)
            except CloudAIError as error:
                job.failed(step.chosen.backend, error)
            else:
                return job.finish(step, answers, result)
        raise job.exhausted()

    async def answers(self, job: Job, step: Step[Any]) -> list[Any]:
        """One answer for each part of the request: only the part that failed is sent again."""
        if step.parts is None:
            return [await step.turn.run_async(partial(self.attempt, job, step))]
        made = list[Any]()
        with job.kept(step, made):
            for part in step.parts.requests:
                made.append(await step.turn.run_async(partial(self.attempt, job, step, request=part)))
        return made

    async def attempt(self, job: Job, step: Step[Any], timeout: float, *, request: Model | None = None) -> Any:
        """One request at one backend; its bound is held in the books meanwhile."""
        sent = request or step.request
        books = self.engine.books
        if books is None:
            return await self.unbooked(job, step, timeout, sent)
        reservation = await self._booked(booking.hold, books, job, step, sent)
        try:
            answer = await self.unbooked(job, step, timeout, sent)
        except BaseException as error:
            await self._booked(booking.unanswered, books, reservation, error)
            raise
        if books.settles_later or not job.hedges:
            booking.answered(books, job, step, reservation, answer)
        else:
            await self._booked(booking.answered, books, job, step, reservation, answer)
        return answer

    async def _booked(self, task: Callable[..., T], books: Books, *of: Any) -> T:
        """On the loop where that takes no disk and no network, else by the teller."""
        return task(books, *of) if books.quick else await self.engine.teller.ask(task, books, *of)

    def unbooked(self, job: Job, step: Step[Any], timeout: float, request: Model) -> Awaitable[Any]:
        """One request that nobody bills: a question about a job."""
        ask = self._watched if self.engine.watchers else self._sent
        return ask(job, step, timeout, request)

    async def _watched(self, job: Job, step: Step[Any], timeout: float, request: Model) -> Any:
        with attempted(job, step):
            return await self._sent(job, step, timeout, request)

    async def _sent(self, job: Job, step: Step[Any], timeout: float, request: Model) -> Any:
        import asyncio

        backend = step.chosen.backend
        call = job.call(backend, timeout)
        asked = partial(step.chosen.method, request, call)
        try:
            if not backend.asynchronous:
                return await self.in_thread(asked)
            async with asyncio.timeout(timeout):
                return await asked()
        except CloudAIError as error:
            backend.error(error, job.operation)
            raise
        except TimeoutError as error:
            text = f"no answer within {timeout:g} s"
            late = CloudAIError(text, code=ErrorCode.DEADLINE_EXCEEDED, delivery=marked(error))
            raise backend.error(late, job.operation) from error
        except Exception as error:
            raise backend.error(error, job.operation) from error

    async def in_thread(self, asked: partial[Any]) -> Any:
        """In a thread of the client's own, of which there are as many as `[policy] threads`."""
        import asyncio
        import contextvars

        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self.engine.threads, partial(context.run, asked))
