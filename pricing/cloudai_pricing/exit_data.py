"""Exit bills as plain data for JSON: numbers as decimal strings, what is not known null."""

from __future__ import annotations

from decimal import Decimal

from cloudai_pricing.exact import cut, plain
from cloudai_pricing.exit_bill import Comparison, ExitBill, Item
from cloudai_pricing.exit_option import OptionExit
from cloudai_pricing.exit_terms import KINDS, Terms


def option_data(found: OptionExit) -> dict[str, object]:
    """The `exit` object of an option of `cloudai.estimate/1`."""
    return {
        "to": found.least.target,
        "behind": found.behind,
        "total": _money(found.least.total),
        "complete": found.least.complete,
        "terms": terms_data(found.terms),
        "targets": [comparison_data(one) for one in found.exits],
    }


def comparison_data(one: Comparison) -> dict[str, object]:
    """One target: the bill as the code is, behind the neutral interface, and what the interface is worth."""
    return {
        "target": one.direct.target,
        "direct": bill_data(one.direct),
        "neutral": bill_data(one.neutral),
        "worth_of_interface": _money(one.worth),
    }


def bill_data(bill: ExitBill) -> dict[str, object]:
    """One bill."""
    return {
        "complete": bill.complete,
        "missing": list(bill.missing),
        "days": {
            **{name: _number(value) for name, value in bill.days._asdict().items()},
            "total": _number(bill.days.total),
        },
        "weeks": _number(bill.weeks),
        "dollars": {
            **{name: _money(value) for name, value in bill.dollars._asdict().items()},
            "total": _money(bill.total),
        },
        "p10": _money(bill.p10),
        "p50": _money(bill.p50),
        "p90": _money(bill.p90),
        "saving_per_month": None if bill.saving is None else _money(bill.saving),
        "break_even_months": None if bill.break_even is None else _number(bill.break_even),
        "retires": None if bill.first_retirement is None else bill.first_retirement.isoformat(),
        "slack_days": None if bill.slack is None else _number(bill.slack),
        "shares": {
            **{k: _number(v) for k, v in bill.shares._asdict().items()},
            "portable": _number(bill.shares.portable),
        },
        "residual_risk": _money(bill.residual),
        "uses": [_item(item) for item in bill.items],
    }


def terms_data(terms: Terms) -> list[dict[str, str]]:
    """Every assumption with its reason, source and date."""
    return [dict(term._asdict()) for term in terms.said()]


def _item(item: Item) -> dict[str, object]:
    return {
        "operation": item.use.name,
        "class": item.use.kind,
        "word": KINDS[item.use.kind - 1],
        "why": item.use.why,
        "source": item.use.source,
        "as_of": item.use.as_of,
        "lines": _number(item.use.lines),
        "code_days": _number(item.code),
        "validation_days": _number(item.validation),
        "dollars": _money(item.dollars),
        "probability": _number(item.probability),
    }


def _money(value: Decimal) -> str:
    return plain(cut(value, 2))


def _number(value: Decimal) -> str:
    return plain(cut(value, 6))
