"""What the page of a scan carries so that its slider bills every way out anew: the workload's prices, and each bill
without what follows the volumes. `assets/leaving.js` sums them as `cloudai_pricing.exit_bill` does.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloudai.report.exit_parts import steps
from cloudai.report.tables import Data, exact, tables
from cloudai_pricing.exact import ZERO, exactly, plain
from cloudai_pricing.exit_bill import NONE, Comparison, ExitBill, weights
from cloudai_pricing.exit_terms import Terms, percentiles
from cloudai_pricing.plans import Planned


def exit_tables(several: Planned, exits: Sequence[Comparison], terms: Terms) -> Data | None:
    """The tables; None: no way out, or a bound of a price is finer than the page counts."""
    if not exits or not exact(several):
        return None
    with exactly():
        return {
            "bills": tables(several),
            "order": list(dict.fromkeys(one.direct.source for one in exits)),
            "ways": [_way(one, terms) for one in exits],
        }


def _way(one: Comparison, terms: Terms) -> Data:
    bill = one.direct
    return {
        "source": bill.source,
        "target": bill.target,
        "none": plain(bill.shares.none),
        "stays": any(item.use.kind == NONE for item in bill.items),
        "parallel_months": plain(terms.number("parallel_months")),
        "factors": [plain(factor) for factor in percentiles(terms.spread)],
        "adapter_cost": plain(bill.residual - one.neutral.residual - one.worth),
        "steps": [[step.name, plain(step.amount)] for step in steps(bill) if step.name != "running both"],
        "direct": _half(bill),
        "neutral": _half(one.neutral),
    }


def _half(bill: ExitBill) -> Data:
    """The part of the total that no volume changes, and the residual as a fixed part and a share of the total."""
    parts = weights([item.use for item in bill.items])
    share = sum((item.probability * weight for item, weight in zip(bill.items, parts, strict=True)), ZERO)
    return {
        "fixed": plain(bill.total - bill.dollars.parallel),
        "residual_fixed": plain(bill.residual - share * bill.total),
        "residual_share": plain(share),
    }
