"""What `train`, `batches submit` and `deploy` do alike: `--again`, and what is said of a job before and after."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from cloudai.cli.terminal import Grid, Shown, note, warn

if TYPE_CHECKING:
    from cloudai.training.register import J, R, Register
    from cloudai.types.custom import BatchPlan, TrainingPlan

    P = TypeVar("P", TrainingPlan, BatchPlan)

ANEW = "again"
"""`--again` without a text of one's own."""


def marked(request: J, text: str) -> J:
    """Another job of the same content, for each text."""
    from cloudai.training.package import AGAIN

    return request.model_copy(update={"tags": {**request.tags, AGAIN: text}})


def anew(
    request: J,
    planned: Callable[[J], Sequence[P]],
    register: Register[J, R],
    there: Callable[[str], Iterable[R]],
) -> tuple[J, Sequence[P]]:
    """The request as the first of `again`, `again-2`, ... that no plan of it was submitted as, and its plans.

    Submitted is what the register says, and what is `there` at the plans' backend without an intent in the register:
    a submission that was killed, or whose outcome nobody knows, is done again and not made a second time.
    """
    taken: set[str] | None = None
    for number in count(1):
        found = marked(request, ANEW if number == 1 else f"{ANEW}-{number}")
        plans = planned(found)
        if taken is None:
            taken = _taken(register, plans[0].backend, there)
        if taken.isdisjoint(plan.name for plan in plans):
            return found, plans
    raise AssertionError("there is always another number")


def _taken(register: Register[J, R], backend: str, there: Callable[[str], Iterable[R]]) -> set[str]:
    from cloudai.training.register import SUBMITTED

    entries = [entry for entry in register.entries() if entry.backend == backend]
    sent = {entry.name for entry in entries if entry.state == SUBMITTED}
    return sent | ({ref.name for ref in there(backend)} - {entry.name for entry in entries})


def found_line(again: str | None) -> str:
    """Of a submission that found what an earlier one made."""
    if again == ANEW:
        return "the same command was interrupted after it had submitted: this is what it made"
    return f"submitted before{f' as --again {again}' if again else ''}: this is what it made; --again makes a new one"


@contextmanager
def left_behind(names: Iterable[str], stop: str) -> Iterator[None]:
    """Of a wait that is interrupted (Ctrl+C): what goes on and costs all the same, and the command that stops it."""
    try:
        yield
    except KeyboardInterrupt:
        for name in names:
            note(f"{name} goes on, and costs: `cloudai {stop} {name}` stops it")
        raise


def cost_line(plan: TrainingPlan | BatchPlan) -> str:
    """Where it runs, and what that costs."""
    rate = f"{plan.hourly} an hour, {plan.at_limit} at the time limit" if plan.hourly else "its cost is not known"
    spot = ", spot" if getattr(plan, "spot", False) else ""
    return f"{plan.name} on {plan.backend}: {plan.instances} x {plan.instance}{spot}, {rate}"


def dry(plan: TrainingPlan | BatchPlan) -> Iterable[Shown]:
    """Exactly what would be sent."""
    yield cost_line(plan)
    yield Grid(("upload", "to"), plan.uploads, empty="nothing is uploaded")
    for request in plan.requests:
        yield json.dumps(dict(request), indent=2, sort_keys=True, ensure_ascii=False)
    for notice in plan.warnings:
        warn(notice.message)
