"""The exit bill: what it takes to leave one provider for another, in engineer-days, weeks and dollars, itemised.

    E = code + validation + models + platform                                   engineer-days
    S = rate x E + egress x (1 - waiver) + retraining + relabelling
        + parallel months x min(C_s, C_t) + unused commitments                  dollars
    B = S / (C_s - C_t)                                                         months, where that is a saving
    R = sum of min(1, pi_k + v H) S_k                                           dollars at risk within H years

Code days are lines x share written anew / lines a day, by the class of each used operation: 1 same semantics,
2 adapter, 3 work-around, 4 none. What is of class 4 can't be moved: it has no price here, and the bill is a lower
bound that says so. Effort from size after https://doi.org/10.1109/ESEM.2011.35, liability as
cost x likelihood after https://martinfowler.com/articles/oss-lockin.html; every number is a `Term` with its own source.

Plain data in, plain data out: the planner, `cloudai lockin` and the tests give the same `Leaving`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from cloudai_pricing.exact import ONE, ZERO, cut, exactly
from cloudai_pricing.exit_terms import KINDS, Terms, percentiles

Behind = Literal["direct", "neutral"]
"""How the code calls the services: the vendor's SDK, or the neutral interface."""
NONE = 4
WORKAROUND = 3


@dataclass(frozen=True, kw_only=True)
class Use:
    """One used operation (or feature). `kind`: class 1 to 4 at the target; `weight`: spend, else calls.

    `portable`: the neutral interface has it, so that the interface's rates hold behind it; `neutral`: it is called
    through it already. `retires`: at the source.
    """

    name: str
    lines: Decimal
    kind: int
    weight: Decimal = ONE
    portable: bool = True
    neutral: bool = False
    retires: date | None = None
    why: str = ""
    source: str = ""
    as_of: str = ""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained model. One that can't be taken along is trained (and perhaps labelled) anew, in USD.

    `exportable_behind`: whether it could be, had it been trained through the neutral interface (its artefact is ONNX).
    """

    name: str
    exportable: bool
    exportable_behind: bool = True
    retraining: Decimal = ZERO
    relabelling: Decimal = ZERO
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """What is left behind, and for where. Monthly costs in USD, None: not known. `on`: the day of leaving.

    `adapter_cost`: USD for bringing the code behind the neutral interface.
    """

    source: str
    target: str
    uses: tuple[Use, ...]
    models: tuple[Model, ...] = ()
    gigabytes: Decimal = ZERO
    egress_price: Decimal | None = None
    """USD a GB on average; None: the term `egress_price`."""
    cost_source: Decimal | None = None
    cost_target: Decimal | None = None
    commitments: Decimal = ZERO
    adapter_cost: Decimal = ZERO
    on: date


class Days(NamedTuple):
    """Engineer-days by component."""

    code: Decimal
    validation: Decimal
    models: Decimal
    platform: Decimal

    @property
    def total(self) -> Decimal:
        return self.code + self.validation + self.models + self.platform


class Dollars(NamedTuple):
    """USD by component; they add up to the bill."""

    people: Decimal
    egress: Decimal
    retraining: Decimal
    relabelling: Decimal
    parallel: Decimal
    commitments: Decimal

    @property
    def total(self) -> Decimal:
        return sum(self, ZERO)


class Shares(NamedTuple):
    """Of what is used, by weight: classes 1 to 4. They add up to one, or are all nothing where nothing is used."""

    same: Decimal
    adapter: Decimal
    workaround: Decimal
    none: Decimal

    @property
    def portable(self) -> Decimal:
        """The headline: same semantics or an adapter."""
        return self.same + self.adapter


class Item(NamedTuple):
    """One use in the bill: its own days, what falls on it with its part of the shared costs, how likely it is due."""

    use: Use
    code: Decimal
    validation: Decimal
    dollars: Decimal
    probability: Decimal


@dataclass(frozen=True, kw_only=True)
class ExitBill:
    """The bill. `break_even`: months, None: never, or not known (see `saving`). `slack`: days, negative: act now.

    Not `complete`: a lower bound, for the reasons in `missing`.
    """

    source: str
    target: str
    behind: Behind
    days: Days
    weeks: Decimal
    dollars: Dollars
    p10: Decimal
    p50: Decimal
    p90: Decimal
    saving: Decimal | None
    break_even: Decimal | None
    first_retirement: date | None
    slack: Decimal | None
    shares: Shares
    residual: Decimal
    items: tuple[Item, ...]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def total(self) -> Decimal:
        return self.dollars.total


class Comparison(NamedTuple):
    """The same exit as the code is and behind the neutral interface; `worth` of the interface in USD over H years."""

    direct: ExitBill
    neutral: ExitBill
    worth: Decimal


def exit_bill(leaving: Leaving, terms: Terms, *, behind: Behind = "direct", seed: int = 0) -> ExitBill:
    """The bill of one exit. Sums are exact; what is divided is cut to 9 places."""
    with exactly():
        return _exit_bill(leaving, terms, behind, seed)


def _exit_bill(leaving: Leaving, terms: Terms, behind: Behind, seed: int) -> ExitBill:
    days = _days(leaving, terms, behind)
    dollars = _dollars(leaving, terms, behind, days)
    weeks = cut(days.total / (5 * terms.number("engineers")) + terms.number("waiting_weeks"))
    p10, p50, p90 = (cut(dollars.total * factor) for factor in percentiles(terms.spread, seed))
    saving = _saving(leaving)
    first = min((use.retires for use in leaving.uses if use.retires is not None), default=None)
    items = _items(leaving, terms, behind, dollars)
    return ExitBill(
        source=leaving.source,
        target=leaving.target,
        behind=behind,
        days=days,
        weeks=weeks,
        dollars=dollars,
        p10=p10,
        p50=p50,
        p90=p90,
        saving=saving,
        break_even=cut(dollars.total / saving) if saving is not None and saving > 0 else None,
        first_retirement=first,
        slack=None if first is None else (first - leaving.on).days - 7 * weeks,
        shares=shares(leaving.uses),
        residual=sum((item.probability * item.dollars for item in items), ZERO),
        items=items,
        missing=_missing(leaving),
    )


def compare(leaving: Leaving, terms: Terms, *, seed: int = 0) -> Comparison:
    """The exit with and without the neutral interface, and what that is worth: the risk it takes off, less its cost."""
    direct = exit_bill(leaving, terms, seed=seed)
    neutral = exit_bill(leaving, terms, behind="neutral", seed=seed)
    return Comparison(direct, neutral, direct.residual - neutral.residual - leaving.adapter_cost)


def shares(uses: Sequence[Use]) -> Shares:
    """F_1 to F_4, by weight; by count where no use has a weight."""
    found = weights(uses)
    return Shares(*(sum((w for use, w in zip(uses, found, strict=True) if use.kind == q), ZERO) for q in (1, 2, 3, 4)))


def weights(uses: Sequence[Use]) -> list[Decimal]:
    """The part of each use in what is shared: of one, exactly; the last takes what the cut of the others leaves."""
    whole = sum((use.weight for use in uses), ZERO)
    found = [cut(use.weight / whole if whole else ONE / len(uses)) for use in uses]
    if found:
        found[-1] += ONE - sum(found, ZERO)
    return found


def rates(use: Use, terms: Terms, behind: Behind) -> tuple[Decimal, Decimal]:
    """The share of lines written anew, and the validation days, of one use; nothing for what can't be moved.

    The interface covers what has its like at the target; a work-around is not the interface's to give.
    """
    if use.kind == NONE:
        return ZERO, ZERO
    word = KINDS[use.kind - 1]
    if (behind == "neutral" or use.neutral) and use.portable and use.kind < WORKAROUND:
        word = "neutral"
    return terms.share(f"adapted.{word}"), terms.number(f"validation.{word}")


def _code_days(use: Use, terms: Terms, behind: Behind) -> Decimal:
    return cut(use.lines * rates(use, terms, behind)[0] / terms.number("lines_per_day"))


def _movable(model: Model, behind: Behind) -> bool:
    return model.exportable or (behind == "neutral" and model.exportable_behind)


def _anew(leaving: Leaving, terms: Terms, behind: Behind) -> list[Decimal]:
    """Lines written anew, per use; cut only once they are summed."""
    return [use.lines * rates(use, terms, behind)[0] for use in leaving.uses]


def _days(leaving: Leaving, terms: Terms, behind: Behind) -> Days:
    models = (terms.number("model.exportable" if _movable(one, behind) else "model.stuck") for one in leaving.models)
    return Days(
        code=cut(sum(_anew(leaving, terms, behind), ZERO) / terms.number("lines_per_day")),
        validation=sum((rates(use, terms, behind)[1] for use in leaving.uses), ZERO),
        models=sum(models, ZERO),
        platform=terms.number("platform_days") if leaving.uses or leaving.models else ZERO,
    )


def _dollars(leaving: Leaving, terms: Terms, behind: Behind, days: Days) -> Dollars:
    each = terms.number("egress_price") if leaving.egress_price is None else leaving.egress_price
    stuck = [model for model in leaving.models if not _movable(model, behind)]
    both = [cost for cost in (leaving.cost_source, leaving.cost_target) if cost is not None]
    return Dollars(
        people=cut(days.total * terms.number("day_rate")),
        egress=cut(leaving.gigabytes * each * (ONE - terms.share("waiver"))),
        retraining=sum((model.retraining for model in stuck), ZERO),
        relabelling=sum((model.relabelling for model in stuck), ZERO),
        parallel=cut(terms.number("parallel_months") * min(both)) if both else ZERO,
        commitments=leaving.commitments,
    )


def _saving(leaving: Leaving) -> Decimal | None:
    if leaving.cost_source is None or leaving.cost_target is None:
        return None
    return leaving.cost_source - leaving.cost_target


def base_probability(terms: Terms) -> Decimal:
    """Of an unannounced retirement or a voluntary switch within the horizon: 1 - (1-h)^H + v H, at most one."""
    years = terms.number("horizon_years")
    unannounced = cut(ONE - (ONE - terms.share("retirement_rate")) ** years)
    return min(ONE, unannounced + terms.share("switch_rate") * years)


def horizon_end(on: date, terms: Terms) -> date:
    """The last day of the horizon."""
    return date.fromordinal(min(on.toordinal() + int(terms.number("horizon_years") * Decimal("365.25")), 3_652_059))


def _items(leaving: Leaving, terms: Terms, behind: Behind, dollars: Dollars) -> tuple[Item, ...]:
    """Each use with its own people's cost and its part, by weight, of all that is shared."""
    rate, end, base = terms.number("day_rate"), horizon_end(leaving.on, terms), base_probability(terms)
    own = [(_code_days(use, terms, behind), rates(use, terms, behind)[1]) for use in leaving.uses]
    shared = dollars.total - sum((cut((code + checks) * rate) for code, checks in own), ZERO)
    return tuple(
        Item(
            use=use,
            code=code,
            validation=checks,
            dollars=cut((code + checks) * rate) + shared * weight,
            probability=ONE if use.retires is not None and use.retires <= end else base,
        )
        for use, (code, checks), weight in zip(leaving.uses, own, weights(leaving.uses), strict=True)
    )


def _missing(leaving: Leaving) -> tuple[str, ...]:
    stays = [use for use in leaving.uses if use.kind == NONE]
    found = [f"{use.name} has no like at {leaving.target}{f': {use.why}' if use.why else ''}" for use in stays]
    if leaving.cost_source is None and leaving.cost_target is None:
        found.append("parallel running is not counted: neither monthly cost is known")
    return tuple(found)
