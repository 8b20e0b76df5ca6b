"""What changed since an estimate that was saved as JSON, and why: price, volume, mix, and what was assumed.

Price: the new units of each slice at the change of its unit price. Volume: what else a change in the stated quantity
brings, tiers included, and lines that come or go; where the SKUs, the region or the allowances changed too, only the
units at the old average price. Mix: lines that moved to another provider. Assumption: what is left (region, variant,
allowances, other SKUs, sizes of requests, speed and number of own machines, providers that were not asked, prices that
became known or unknown). So the four add up exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, NamedTuple, cast

from cloudai_pricing.asjson import SCHEMA, document
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import PRICE_PLACES, ZERO, cut, exactly
from cloudai_pricing.model import Estimate

Document = Mapping[str, object]
Sign = Literal["+", "-", "~", "="]


class Effects(NamedTuple):
    """Parts of a change in USD; their sum is the change."""

    price: Decimal = ZERO
    volume: Decimal = ZERO
    mix: Decimal = ZERO
    assumption: Decimal = ZERO

    def plus(self, other: Effects) -> Effects:
        """Both together."""
        return Effects(*(one + more for one, more in zip(self, other, strict=True)))


@dataclass(frozen=True, kw_only=True)
class Change:
    """A line, an option or the mix, before and after (likely, all months); None: not there, or not priced."""

    name: str
    before: Decimal | None
    after: Decimal | None
    effects: Effects

    @property
    def sign(self) -> Sign:
        """`+` new, `-` gone, `~` changed, `=` as it was."""
        if self.before is None or self.after is None:
            return "=" if self.before is self.after else "+" if self.before is None else "-"
        return "=" if self.before == self.after else "~"

    @property
    def amount(self) -> Decimal:
        """How much dearer it is now."""
        return (self.after or ZERO) - (self.before or ZERO)


@dataclass(frozen=True, kw_only=True)
class OptionChange:
    """One provider: its total and its lines."""

    total: Change
    lines: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True)
class Diff:
    """What changed; `since` is the old estimate's snapshot date."""

    name: str
    since: str
    options: tuple[OptionChange, ...]
    mix: Change | None


def load_old(path: str | Path) -> Document:
    """An estimate saved by `--format json`. Raises `PlanError`."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(f"can't be read: {error.strerror or error}", file=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise PlanError("is not JSON", fix="Save one with --format json --output", file=str(path)) from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise PlanError(f"is not an estimate ({SCHEMA})", fix="Save one with --format json", file=str(path))
    return found


def compare(old: Document, new: Estimate, *, file: str = "the old estimate") -> Diff:
    """Old to new. Raises `PlanError` where the old document has not the form of its schema."""
    now = cast("Document", document(new))
    try:
        with exactly():
            return _compare(old, now)
    except (KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise PlanError("has not the form of an estimate", fix="Save it again with --format json", file=file) from error


def _compare(old: Document, now: Document) -> Diff:
    before, after = _by(old["options"], "provider"), _by(now["options"], "provider")
    options = tuple(_option(name, before.get(name), after.get(name)) for name in _order(before, after))
    snapshot = cast("Document", old["snapshot"])
    return Diff(name=str(old["name"]), since=str(snapshot["date"]), options=options, mix=_mix(old, now, options))


def _option(name: str, before: Document | None, after: Document | None) -> OptionChange:
    old, new = (_by(one["lines"], "name") if one is not None else {} for one in (before, after))
    both = before is not None and after is not None
    lines = tuple(_line(line, old.get(line), new.get(line), asked=both) for line in _order(old, new))
    effects = Effects()
    for line in lines:
        effects = effects.plus(line.effects)
    totals = [_likely(one["total"]) if one is not None else None for one in (before, after)]
    return OptionChange(total=Change(name=name, before=totals[0], after=totals[1], effects=effects), lines=lines)


def _line(name: str, before: Document | None, after: Document | None, *, asked: bool) -> Change:
    """`asked`: the provider was asked both times."""
    costs = [_likely(one["cost"]) if one is not None else None for one in (before, after)]
    change = (costs[1] or ZERO) - (costs[0] or ZERO)
    if before is None or after is None or costs[0] is None or costs[1] is None:
        moved = asked and (before is None or after is None)
        effects = Effects(volume=change) if moved else Effects(assumption=change)
        return Change(name=name, before=costs[0], after=costs[1], effects=effects)
    price = _price_effect(before, after)
    volume = _volume_effect(before, after, costs[0], change - price)
    effects = Effects(price=price, volume=volume, assumption=change - volume - price)
    return Change(name=name, before=costs[0], after=costs[1], effects=effects)


def _volume_effect(before: Document, after: Document, cost: Decimal, rest: Decimal) -> Decimal:
    """`rest` is the change that no price explains: all of it where the same SKUs bill another volume."""
    old, new = (Decimal(str(one["billed_quantity"])) for one in (before, after))
    same = Decimal(str(before["quantity"])) == Decimal(str(after["quantity"])) and before["unit"] == after["unit"]
    if before["billed_unit"] != after["billed_unit"] or not old or old == new or same:
        return ZERO
    return rest if _billing(before) == _billing(after) else (new - old) * cut(cost / old, PRICE_PLACES)


def _billing(line: Document) -> set[object]:
    """What bills a line: its SKUs, where, and whether a part is free."""
    return {(*_tier(piece)[:4], Decimal(str(piece["unit_price"])) == 0) for piece in _list(line["slices"])}


def _price_effect(before: Document, after: Document) -> Decimal:
    """Slices are the same tier of the same SKU in both."""
    old = {_tier(piece): Decimal(str(piece["unit_price"])) for piece in _list(before["slices"])}
    effect = ZERO
    for piece in _list(after["slices"]):
        was = old.get(_tier(piece))
        if was is not None:
            effect += Decimal(str(piece["quantity"])) * (Decimal(str(piece["unit_price"])) - was)
    return effect


def _tier(piece: Document) -> tuple[object, ...]:
    return (piece["sku"], piece["service"], piece["region"], piece["unit"], piece["from"], piece["to"])


def _mix(old: Document, now: Document, options: Sequence[OptionChange]) -> Change | None:
    """Lines that stayed change as on their provider; what is left of the change is that of the mix."""
    before, after = old["mix"], now["mix"]
    if before is None or after is None:
        return None
    old_mix, new_mix = cast("Document", before), cast("Document", after)
    lines = {(option.total.name, line.name): line.effects for option in options for line in option.lines}
    was = {str(choice["name"]): choice["provider"] for choice in _list(old_mix["choices"])}
    effects = Effects()
    for choice in _list(new_mix["choices"]):
        stayed = lines.get((str(choice["provider"]), str(choice["name"])))
        if stayed is not None and was.get(str(choice["name"])) == choice["provider"]:
            effects = effects.plus(stayed)
    totals = _likely(old_mix["total"]), _likely(new_mix["total"])
    change = (totals[1] or ZERO) - (totals[0] or ZERO)
    return Change(
        name="mix", before=totals[0], after=totals[1], effects=effects._replace(mix=change - sum(effects, ZERO))
    )


def _by(items: object, key: str) -> dict[str, Document]:
    return {str(item[key]): item for item in _list(items)}


def _list(items: object) -> list[Document]:
    return cast("list[Document]", items)


def _order(before: Iterable[str], after: Iterable[str]) -> list[str]:
    return list(dict.fromkeys((*after, *before)))


def _likely(costs: object) -> Decimal | None:
    return None if costs is None else Decimal(str(cast("Document", costs)["likely"]))
