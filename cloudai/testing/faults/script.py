"""How a fault server misbehaves, as data: what becomes of one request, and which request gets what.

    [Status(503), Status(429, retry_after=2), ResetBefore()]     the first three requests; the rest are answered
    First(50, Hang())                                            the first fifty are never answered
    Cycle([Ok(), Ok(), Status(500)])                             every third request fails
    Share(0.05, Ok(slower=10))                                   5% of the requests are ten times slower
    Flapping(up=2, down=2)                                       two seconds of service, two of 503, ...
    Always(Html(502))                                            an outage behind a proxy

A script is a pure function of the request's number and of the seconds since it began (`pick`), so that it says the
same however many threads ask.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Form: TypeAlias = Literal["seconds", "date", "vendor"]
"""How `retry_after` is written: `Retry-After: 2`, `Retry-After: Sat, 21 Nov 2026 15:13:22 GMT`, or the vendor's own
(AWS `x-amz-retry-after` and Azure `retry-after-ms` in milliseconds, Google `RetryInfo.retryDelay` in the body)."""

# --- what becomes of one request -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ok:
    """A valid answer, after `delay` seconds and `slower` times the server's latency."""

    delay: float = 0.0
    slower: float = 1.0


@dataclass(frozen=True, slots=True)
class Status:
    """An error in the provider's own form.

    `code` is the vendor's word for it (`ThrottlingException`, `RESOURCE_EXHAUSTED`); without one it is the usual word
    for the status. With `echo` the message repeats the credentials and the body of the request, as careless services
    do.
    """

    status: int
    code: str | None = None
    message: str = "scripted fault"
    retry_after: float | None = None
    form: Form = "seconds"
    headers: Mapping[str, str] = field(default_factory=dict)
    echo: bool = False
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Html:
    """The error page of a proxy that stands between."""

    status: int = 502
    echo: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """Sends the client elsewhere."""

    location: str
    status: int = 307


@dataclass(frozen=True, slots=True)
class ResetBefore:
    """The connection is reset without an answer. With `billed` the work was done before that."""

    billed: bool = False


@dataclass(frozen=True, slots=True)
class ResetAfterHeaders:
    """The connection is reset after the status line and the headers of a valid answer; the work was done."""

    billed: bool = True


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is closed in good order, without an answer."""

    billed: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer for `seconds`, then the connection is closed; `after_headers`: the headers come at once."""

    seconds: float = math.inf
    after_headers: bool = False
    billed: bool = False


@dataclass(frozen=True, slots=True)
class Slow:
    """A valid answer whose body takes `seconds`, in `pieces`."""

    seconds: float
    pieces: int = 20


@dataclass(frozen=True, slots=True)
class Truncated:
    """The first part (`keep`, 0..1) of a valid answer.

    With `whole_length` the headers promise all of it and the connection is closed; without, they promise what comes.
    """

    keep: float = 0.5
    whole_length: bool = True


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no HTTP."""

    content: str = "\x15\x03\x01\x00\x02\x02\x46"


Behaviour: TypeAlias = (
    Ok | Status | Html | Redirect | ResetBefore | ResetAfterHeaders | Close | Hang | Slow | Truncated | Garbage
)

# --- which request gets what -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Then:
    """One step after another; after the last one requests are answered."""

    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class First:
    """`count` requests get this step."""

    count: int
    step: Step


@dataclass(frozen=True, slots=True)
class Cycle:
    """The steps over and over. Raises `ValueError` for none, and for one that has no end."""

    steps: Sequence[Step]

    def __post_init__(self) -> None:
        if not math.isfinite(size := sum(map(span, self.steps))) or size < 1:
            raise ValueError("a cycle needs at least one step, and steps that end")


@dataclass(frozen=True, slots=True)
class Always:
    """Every request from here on."""

    step: Step


@dataclass(frozen=True, slots=True)
class Share:
    """A share `p` (0..1) of the requests, drawn by `seed` and the request's number."""

    p: float
    step: Step
    otherwise: Step = field(default_factory=Ok)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Flapping:
    """`up` seconds of service, `down` seconds of `step`, and so on from the script's start."""

    up: float
    down: float
    step: Step = field(default_factory=lambda: Status(503))


Step: TypeAlias = Behaviour | Then | First | Cycle | Always | Share | Flapping
Script: TypeAlias = Step | Sequence[Step]
"""A list is played once and followed by answers; a behaviour on its own (`script=Hang()`) is for every request."""

OK = Ok()


def whole(script: Script) -> Step:
    """A script as one step."""
    if isinstance(script, Sequence):
        return Then(tuple(script))
    if isinstance(script, First):
        return Then((script,))
    return script if isinstance(script, Then | Cycle | Share | Flapping) else Always(script)


def span(step: Step) -> float:
    """How many requests a step is for; infinite for one without an end."""
    match step:
        case Then(steps):
            return sum(map(span, steps))
        case First(count):
            return min(count, span(step.step)) if isinstance(step.step, Then) else count
        case Cycle() | Always() | Share() | Flapping():
            return math.inf
        case _:
            return 1


def pick(step: Step, number: int, elapsed: float) -> Behaviour:
    """What request `number` (from 0), `elapsed` seconds after the script's start, gets."""
    match step:
        case Then(steps):
            return _in_turn(steps, number, elapsed)
        case Cycle(steps):
            return _in_turn(steps, number % int(sum(map(span, steps))), elapsed)
        case First(_, inner) | Always(inner):
            return pick(inner, number, elapsed)
        case Share():
            chosen = step.step if drawn(step.seed, number) < step.p else step.otherwise
            return pick(chosen, number, elapsed)
        case Flapping(up, down, inner):
            return OK if elapsed % (up + down) < up else pick(inner, number, elapsed)
        case behaviour:
            return behaviour


def _in_turn(steps: Iterable[Step], number: int, elapsed: float) -> Behaviour:
    for step in steps:
        if number < (size := span(step)):
            return pick(step, number, elapsed)
        number -= int(size)
    return OK


def drawn(seed: int, number: int) -> float:
    """A number in [0, 1) that depends on nothing else."""
    digest = hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
