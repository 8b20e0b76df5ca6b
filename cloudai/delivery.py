"""How far a failed request got, where its exception alone can't say: marks that `Backend.error` reads.

A driver that sends several requests for one call puts what comes before the billable one into `unsent()`, and what
follows after the backend took it into `submitted()`. An exception that passes through either carries the answer, in
itself or as the cause of the one that is raised instead.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final

from cloudai.errors import Delivery

_MARK: Final = "_cloudai_delivery"
BEHIND: Final = frozenset({502, 504})
"""Statuses of somebody in between who lost the server behind: what that did is not known."""


class Marking:
    """A block; what is raised out of it says how far the request got."""

    __slots__ = ("_delivery",)

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            mark(error, self._delivery)


def submitted() -> Marking:
    """A request that may be billed was accepted: whatever fails in this block, its outcome is unknown."""
    return Marking(Delivery.UNKNOWN)


def unsent() -> Marking:
    """Comes before the request (a token, an upload, a list of voices): what fails in this block, it was not sent."""
    return Marking(Delivery.NOT_SENT)


def mark(error: BaseException, delivery: Delivery) -> None:
    """Says it of one exception. What was accepted stays accepted: `UNKNOWN` is never taken back."""
    if marked(error) is not Delivery.UNKNOWN:
        error.__dict__[_MARK] = delivery


def marked(error: BaseException | None) -> Delivery | None:
    """What was said of an exception or of its causes; `None`: nothing."""
    found: Delivery | None = None
    for _ in range(16):  # causes may go round
        if error is None:
            break
        said = error.__dict__.get(_MARK)
        if said is Delivery.UNKNOWN:
            return Delivery.UNKNOWN
        found = found or said
        error = error.__cause__
    return found


def of_status(status: int) -> Delivery:
    """An HTTP answer that is no success: refused, unless it is a gateway's that lost the server behind it."""
    return Delivery.UNKNOWN if status in BEHIND else Delivery.REFUSED
