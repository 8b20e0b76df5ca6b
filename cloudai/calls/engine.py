"""What the calls of one client share: the opened backends, the plans made for them, and how they have been doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from cloudai.backends import Backend, Candidate, Plan, candidate
from cloudai.calls.hedging import HedgeBudget
from cloudai.calls.lane import Lane, Lanes
from cloudai.calls.result_cache import ResultCache
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput
from cloudai.ledger.bounds import Bound, bound_of, bound_of_analysis
from cloudai.types.results import Model, Result

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from cloudai.calls.media import InputGuard
    from cloudai.calls.month import MonthToDate
    from cloudai.calls.records import OnCall
    from cloudai.calls.redaction import Redact
    from cloudai.calls.teller import Teller
    from cloudai.calls.watching import Watcher
    from cloudai.config import Config
    from cloudai.ledger import Books

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
    """The user's own, after the route's detectors."""
    books: Books | None = None
    """None: no `[budget]`, nothing is booked."""
    cache: ResultCache = field(default_factory=ResultCache)
    watchers: tuple[Watcher, ...] = ()
    on_call: OnCall | None = None
    """The user's own, given the figures of each call that ended."""
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
        if "teller" in self.__dict__:
            self.teller.close()
        self.cache.close()
        if self.books is not None:
            self.books.close()

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
        gap = backend.gap(operation) or (backend.barred(operation, made.route) if made.route else None)
        if gap is not None:
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

    def bound(self, chosen: Candidate, operation: str, request: Model, options: object = None) -> Bound:
        """The most that a request may cost at one backend."""
        backend = chosen.backend
        if "operations" in vars(request):
            from cloudai.types.vision import AnalyzeRequest

            assert isinstance(request, AnalyzeRequest)
            return bound_of_analysis(backend.capabilities, backend.region, request)
        told = backend.billed_as if options is None else None
        variants = frozenset[str]() if told is None else told(operation, request)
        return bound_of(backend.capabilities, backend.region, operation, request, options=options, variants=variants)

    @cached_property
    def teller(self) -> Teller:
        """Books for event loops."""
        from cloudai.calls.teller import Teller

        assert self.books is not None  # who has something to book has books
        return Teller(self.books)

    @cached_property
    def month(self) -> MonthToDate:
        """What has been used this month, for the tier that `cheapest` looks at."""
        from cloudai.calls.month import MonthToDate

        return MonthToDate(self.books)

    def lane(self, chosen: Candidate, operation: str) -> Lane:
        """The state that calls share of this backend and operation."""
        return self.lanes.lane(chosen.backend.name, operation)
