"""How far an operation of one provider has its like at another: classes 1 to 4, each with reason, source and date.

    1 same semantics   2 adapter   3 work-around   4 none

A class follows from declared facts by one rule (`match`); what facts can't say alone is judged in `equivalence.toml`.
`table()` gives the facts of the shipped providers; others may be given as plain data. Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, cast

COMPILED = Path(__file__).with_name("equivalence_compiled.json")
READABLE = Path(__file__).with_name("equivalence.toml")
SCHEMA = "cloudai.equivalence/1"
Kind = Literal[1, 2, 3, 4]
FORMS = ("confidence", "box", "time", "language")
_SAID = {
    "confidence": "confidence as {}, not {}",
    "box": "boxes as {}, not {}",
    "time": "times as {}, not {}",
    "language": "languages as {}, not {}",
}
_LOST = {
    "confidence": "no confidence in the answer",
    "box": "no boxes in the answer",
    "time": "no times in the answer",
    "language": "no language in the answer",
}


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What one provider declares of one operation or feature. `forms`: those of `FORMS`, in its own words."""

    support: str
    forms: tuple[str, str, str, str] = ("none", "none", "none", "none")
    modes: tuple[str, ...] = ()
    retires: date | None = None
    reason: str = ""
    api: str = ""
    source: str = ""
    as_of: str = ""


class Match(NamedTuple):
    """How an operation is had at a target, why, and where that was read."""

    kind: Kind
    why: tuple[str, ...]
    api: str
    source: str
    as_of: str
    retires: date | None


class Floor(NamedTuple):
    """The best class that an operation can have, whatever its forms."""

    kind: Kind
    why: str


Offers = Mapping[tuple[str, str], Offer]
"""(operation, feature) -> what a provider declares; the feature `""` is the operation itself."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """The facts of several providers, and the judgements over them."""

    offers: Mapping[str, Offers]
    floors: Mapping[str, Floor]

    def match(self, source: str, target: str, operation: str, feature: str = "", *, until: date) -> Match:
        """The class of one operation (or one of its features) from a provider to another.

        `until`: the end of the horizon; what the target retires before or on it counts as not offered.
        What nobody declares of the target is not offered there.
        """
        here = self.offers.get(source, {}).get((operation, feature), Offer(support="yes"))
        there = self.offers.get(target, {}).get((operation, feature))
        if source == target and there is not None:
            return Match(1, ("the same service",), there.api, there.source, there.as_of, there.retires)
        return match(here, there, self.floors.get(operation), until=until)

    def worst(self, source: str, target: str, operation: str, features: Sequence[str], *, until: date) -> Match:
        """The class of an operation with features: one that is not had leaves a work-around, not nothing."""
        found = self.match(source, target, operation, until=until)
        for feature in features:
            if (operation, feature) not in self.offers.get(source, {}):
                continue
            one = self.match(source, target, operation, feature, until=until)
            why = tuple(f"{feature}: {text}" for text in one.why)
            kind: Kind = 3 if one.kind == 4 else one.kind
            if kind > found.kind:
                found = Match(kind, why, found.api, one.source, one.as_of, found.retires)
            elif kind == found.kind > 2:
                found = found._replace(why=(*found.why, *why))
        return found


def match(here: Offer, there: Offer | None, floor: Floor | None = None, *, until: date) -> Match:
    """The rule. `there` None: the target declares nothing of it."""
    if there is None:
        return Match(4, ("not offered",), "", here.source, here.as_of, None)
    kind, why = _kind(here, there, floor, until)
    return Match(kind, why, there.api, there.source, there.as_of, there.retires)


def _kind(here: Offer, there: Offer, floor: Floor | None, until: date) -> tuple[Kind, tuple[str, ...]]:
    if there.support == "no":
        return 4, (there.reason or "not offered",)
    if there.retires is not None and there.retires <= until:
        return 4, (f"retires on {there.retires.isoformat()}, within the horizon",)
    if there.support == "retiring" and there.retires is None:
        return 4, (there.reason or "is being retired",)
    if there.support in ("partial", "preview", "gated"):
        return 3, (there.reason or there.support,)
    differences = tuple(_differences(here, there))
    if floor is not None and floor.kind > (2 if differences else 1):
        return floor.kind, (floor.why, *differences)
    if differences:
        return 2, (*((floor.why,) if floor is not None else ()), *differences)
    return 1, ("same forms, same way of calling",)


def _differences(here: Offer, there: Offer) -> list[str]:
    """What an adapter would convert; what only the target gives needs none."""
    found = []
    for form, mine, theirs in zip(FORMS, here.forms, there.forms, strict=True):
        if mine not in ("none", theirs):
            found.append(_LOST[form] if theirs == "none" else _SAID[form].format(theirs, mine))
    if here.modes and there.modes and not set(here.modes) & set(there.modes):
        found.append(f"called as {' or '.join(there.modes)}, not {' or '.join(here.modes)}")
    elif "sync" in here.modes and there.modes and "sync" not in there.modes:
        found.append(f"answers later, by {' or '.join(there.modes)}")
    return found


@cache
def table() -> Table:
    """The shipped facts: aws, gcp, azure and local."""
    return read(cast("Mapping[str, object]", json.loads(COMPILED.read_text(encoding="utf-8"))))


Row = Mapping[str, object]


def read(data: Row) -> Table:
    """The table of a compiled document."""
    offers = {
        provider: {_key(name): _offer(row) for name, row in cast("Mapping[str, Row]", rows).items()}
        for provider, rows in cast("Mapping[str, object]", data["offers"]).items()
    }
    floors = cast("Mapping[str, Sequence[object]]", data["floors"])
    return Table(
        offers=offers,
        floors={name: Floor(cast("Kind", kind), str(why)) for name, (kind, why) in floors.items()},
    )


def _key(name: str) -> tuple[str, str]:
    operation, _, feature = name.partition(" ")
    return operation, feature


def _offer(row: Row) -> Offer:
    retires = row.get("retires")
    forms = tuple(str(form) for form in cast("Sequence[str]", row.get("forms", ("none",) * 4)))
    return Offer(
        support=str(row["support"]),
        forms=cast("tuple[str, str, str, str]", forms),
        modes=tuple(cast("Sequence[str]", row.get("modes", ()))),
        retires=None if retires is None else date.fromisoformat(str(retires)),
        reason=str(row.get("reason", "")),
        api=str(row.get("api", "")),
        source=str(row.get("source", "")),
        as_of=str(row.get("as_of", "")),
    )
