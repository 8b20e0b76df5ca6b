"""Questions about what stands or goes on at a backend: training runs, batch jobs, endpoints.

They create nothing, so they may be asked again, and nobody bills them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from cloudai.calls.engine import CallOptions, Engine
from cloudai.calls.job import Job, Step, begin
from cloudai.calls.policy import turn
from cloudai.errors import ErrorCode, ServiceError, Unsupported
from cloudai.types.results import Model
from cloudai.types.speech import JobState

if TYPE_CHECKING:
    from cloudai.calls.run import AsyncRunner, Runner
    from cloudai.driver import Call

D = TypeVar("D")
T = TypeVar("T")
WHOLE = 86_400.0
"""Seconds for what takes as long as it takes: a download."""


@dataclass(frozen=True)
class Asking(Generic[D]):
    """One kind of question: those that a driver with the protocol `D` answers."""

    operation: str
    protocol: Any
    """`D` itself, which is checked at run time."""
    what: str
    """`training runs`: for the error of a backend that has none."""

    def of(self, run: Runner, backend: str, ask: Callable[[D, Call], T], *, whole: bool = False) -> T:
        """One backend's answer. `whole`: as long as it takes. Raises `Unsupported` where it lacks the protocol."""
        job, step = self._question(run.engine, backend, ask, whole)
        answer: T = step.turn.run(partial(run.unbooked, job, step, request=step.request))
        return answer

    async def of_async(self, run: AsyncRunner, backend: str, ask: Callable[[D, Call], T], *, whole: bool = False) -> T:
        """The same with `await`."""
        job, step = self._question(run.engine, backend, ask, whole)
        answer: T = await step.turn.run_async(partial(run.unbooked, job, step, request=step.request))
        return answer

    def of_each(self, run: Runner, backend: str | None, ask: Callable[[D, Call], Sequence[T]]) -> list[T]:
        """The answers of the route's backends that have the protocol, or of the one that is named."""
        found: list[T] = []
        for name in self._able(run.engine, backend):
            found += self.of(run, name, ask)
        return found

    async def of_each_async(
        self, run: AsyncRunner, backend: str | None, ask: Callable[[D, Call], Sequence[T]]
    ) -> list[T]:
        """The same with `await`."""
        found: list[T] = []
        for name in self._able(run.engine, backend):
            found += await self.of_async(run, name, ask)
        return found

    def first(self, engine: Engine, options: CallOptions) -> str:
        """The backend that a call with these options would ask first."""
        return engine.candidates(self.operation, options.get("backend"))[0].backend.name

    def _able(self, engine: Engine, backend: str | None) -> list[str]:
        chosen = engine.candidates(self.operation, backend)
        return [one.backend.name for one in chosen if backend or isinstance(one.backend.driver, self.protocol)]

    def _question(
        self, engine: Engine, backend: str, ask: Callable[[D, Call], Any], whole: bool
    ) -> tuple[Job, Step[Model]]:
        job = begin(engine, self.operation, {"deadline": WHOLE} if whole else {}, watched=False)
        (chosen,) = engine.candidates(self.operation, backend)
        driver = chosen.backend.driver
        if not isinstance(driver, self.protocol):
            text = f"{backend} has no {self.what} to ask about"
            raise Unsupported(text, backend=backend, operation=self.operation)
        asked = chosen.calling(lambda request, call: ask(driver, call))
        made = turn(
            engine.config.policy,
            ends=job.ends,
            timeout=WHOLE if whole else job.timeout,
            backends_left=1,
            operation=self.operation,
            lane=engine.lane(chosen, self.operation),
        )
        return job, Step(chosen=asked, request=Model(), notices=(), turn=replace(made, repeatable=True))


class Ended(Protocol):
    """How something ended."""

    @property
    def state(self) -> JobState: ...

    @property
    def message(self) -> str | None: ...


def well_ended(status: Ended, *, what: str, backend: str, operation: str) -> None:
    """Raises `ServiceError` with the platform's words for `what` has not succeeded."""
    if status.state is not JobState.SUCCEEDED:
        raise ServiceError(
            f"{what} {status.state}: {status.message or 'no reason given'}",
            code=ErrorCode.CANCELLED if status.state is JobState.CANCELLED else ErrorCode.INTERNAL,
            backend=backend,
            operation=operation,
        )
