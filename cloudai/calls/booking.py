"""A call's money: each attempt holds its bound in the books before it is sent, and is settled after.

The attempt that answered is settled when the call ends, together with the record of the call: one transaction less.
A hedged call settles each attempt at once, as the loser may end after the call has.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from cloudai.calls.cost import UNKNOWN, add_costs, cost_of
from cloudai.errors import CloudAIError, Delivery
from cloudai.ledger import Attempt, Books, CallRecord, LedgerFailure, Outcome, Reservation, micro
from cloudai.types.results import Notice, Result

if TYPE_CHECKING:
    from cloudai.calls.job import Job, Step
    from cloudai.types.results import Model, Money


Details = tuple[tuple[str, str], ...]
LEDGER: Final = "ledger"
"""The detail of a handle that names its entry in the books."""


def hold(books: Books, job: Job, step: Step[Any], request: Model) -> Reservation:
    """The bound of one attempt. Raises `BudgetExceeded`: nothing may be sent then."""
    backend = step.chosen.backend
    bound = job.engine.bound(step.chosen, job.operation, request, job.provider_options(backend))
    reservation = books.reserve(
        Attempt(
            operation=job.operation,
            backend=backend.name,
            provider=backend.provider,
            region=backend.region,
            bound=bound.amount,
            tag=job.options.get("tag"),
            call_id=job.key,
            attempt=job.attempts + 1,
        )
    )
    job.said += [Notice(code=said.code, message=said.message) for said in reservation.notices]
    return reservation


def answered(books: Books, job: Job, step: Step[Any], reservation: Reservation, answer: object) -> None:
    """An attempt was answered; what the answer used is what it costs."""
    if job.hedges:
        books.settle(reservation, outcome=Outcome.ANSWERED, cost=_spent(step, answer))
    else:
        job.unsettled.append((reservation, step, answer))


def _spent(step: Step[Any], answer: object) -> int | None:
    """Micro-USD; `None`: a price is not known, or it is not known yet what was used."""
    backend = step.chosen.backend
    costs = [cost_of(backend.provider, backend.region, result.usage) for result in _results(answer)]
    cost, _ = add_costs(costs or [UNKNOWN])
    return None if cost is None else micro(cost.amount)


def _results(answer: object) -> Sequence[Result]:
    """One, or those of an analysis of several images; none in the handle of a job."""
    if isinstance(answer, Result):
        return (answer,)
    from cloudai.types.vision import Analysis, results_of

    several = answer if isinstance(answer, Sequence) else ()
    return [result for each in several if isinstance(each, Analysis) for result in results_of(each)]


def unanswered(books: Books, reservation: Reservation, error: BaseException) -> None:
    """An attempt failed: it costs nothing where the backend refused it, else it counts at its bound."""
    sure = isinstance(error, CloudAIError) and error.delivery is not Delivery.UNKNOWN
    books.settle(reservation, outcome=Outcome.UNBILLED if sure else Outcome.UNKNOWN)


def entries(job: Job) -> list[int]:
    """The numbers of what was answered, before the call is closed: for handles, whose cost is known in the end."""
    return [held.id for held, _, _ in job.unsettled if held.id is not None]


def noted(details: Details, numbers: Sequence[int]) -> Details:
    """A handle's details with the entry of its submission."""
    return (*details, *((LEDGER, str(number)) for number in numbers[:1]))


def submitted(job: Job) -> int | None:
    """A job was accepted: until its result says better it counts at its bound. Its entry's number, for `earned`."""
    books = job.engine.books
    if books is None or not job.unsettled:
        return None
    reservation = job.unsettled[0][0]
    books.settle(reservation, outcome=Outcome.ANSWERED)
    books.write()  # whoever asks for the result may be another process, and this one may end
    job.unsettled.clear()
    return reservation.id


def earned(books: Books, number: int, cost: Money | None) -> None:
    """What a job that was counted at its bound has cost in the end. A ledger that fails leaves the bound."""
    if cost is not None and books.store is not None:
        with suppress(LedgerFailure):
            books.adjust(number, micro(cost.amount))


def settled(books: Books | None, details: Details, cost: Money | None) -> None:
    """What a handle's work has cost in the end; the second time changes nothing."""
    number = dict(details).get(LEDGER)
    if books is not None and number is not None:
        earned(books, int(number), cost)


def close(books: Books, job: Job, call: CallRecord) -> None:
    """The call has ended: what was answered is settled, and the call written down."""
    if not job.unsettled:
        books.record(call)
    alone = len(job.unsettled) == 1 and not job.paid and call.outcome == "ok"
    for number, (reservation, step, answer) in enumerate(job.unsettled, start=1):
        spent = call.cost if alone else _spent(step, answer)
        with_call = call if number == len(job.unsettled) else None
        books.settle(reservation, outcome=Outcome.ANSWERED, cost=spent, call=with_call)
    job.unsettled.clear()
