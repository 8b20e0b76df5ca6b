"""A budget: `5000 USD/month` holds the dearest month, `60000 USD` the whole plan; tested on the likely case."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudai_pricing.errors import PlanError
from cloudai_pricing.model import Mix, Option
from cloudai_pricing.units import parse_number

if TYPE_CHECKING:
    from cloudai_pricing.risk import Spread

_FORM = re.compile(r"\s*\$?\s*([0-9][0-9_,.]*)\s*(USD|usd)?\s*(/\s*month)?\s*")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A limit in USD."""

    limit: Decimal
    monthly: bool

    def spent(self, answer: Option | Mix) -> Decimal:
        """What the limit is held against; a lower bound where the answer is not complete."""
        return answer.dearest_month if self.monthly else answer.total.likely

    def p95(self, spread: Spread) -> Decimal:
        """What a limit on the 95th percentile is held against."""
        return spread.month_p95 if self.monthly else spread.p95

    def over(self, answer: Option | Mix) -> bool:
        """Whether what is known is already more than the limit."""
        return self.spent(answer) > self.limit


def parse_budget(text: str) -> Budget:
    """Raises `PlanError`."""
    match = _FORM.fullmatch(text)
    if match is None or ("$" not in text and match.group(2) is None):
        raise PlanError(f"{text!r} is not a budget in USD", fix='Write it like "5000 USD/month" or "60000 USD"')
    return Budget(limit=parse_number(match.group(1)), monthly=match.group(3) is not None)
