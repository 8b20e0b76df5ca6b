"""Large groups of lines that share ladders, placed by a known solver: HiGHS, through scipy where that is installed.

For `cloudai_pricing.plan.plan(..., solver=solve)`: the planner itself needs the standard library only.

Each pool's bill in each kind of month is a line per segment of its ladder, chosen by a binary: the "multiple choice"
form of a piecewise linear cost (https://doi.org/10.1287/opre.1090.0721). The solver works in floating point, so its
answer is billed again exactly; it counts as proven when HiGHS closed the gap to one in 10 million.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from cloudai_pricing.exact import ZERO
from cloudai_pricing.mix import Assignment, Place
from cloudai_pricing.pool import Pool

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[Any]

GAP = 1e-7
SECONDS = 2.0
"""How long one group may take."""


class Segment(NamedTuple):
    """Of a bill against base units: `at + slope x units` from `low` to `high`."""

    low: float
    high: float
    at: float
    slope: float


@cache
def available() -> bool:
    """Whether scipy is installed."""
    from importlib.util import find_spec

    return find_spec("scipy") is not None


def solve(
    homes: Mapping[tuple[str, str], Place],
    pools: Mapping[Place, Pool | None],
    names: Sequence[str],
    extra: Mapping[tuple[str, str], Decimal],
    seconds: float = SECONDS,
) -> Assignment | None:
    """Places lines; None: no answer in time, or a bill that is no plain ladder. `homes`: (provider, line) -> place."""
    options = [(provider, name) for provider, name in sorted(homes) if name in set(names)]
    used = {homes[option] for option in options}
    if any((pool := pools.get(place)) is None or pool.unpriced for place in used):
        return None
    model = _Model(options)
    for option in options:
        model.cost(option, float(extra.get(option, ZERO)))
    for name in names:
        model.once([option for option in options if option[1] == name])
    for place in sorted(used):
        pool = pools[place]
        assert pool is not None
        members = [option for option in options if homes[option] == place]
        model.pool(pool, members)
    return model.solved(seconds)


class _Model:
    """The matrix, row by row. The first columns are the options, the rest segments: a binary and an amount each."""

    def __init__(self, options: Sequence[tuple[str, str]]) -> None:
        self._options = list(options)
        self._column = {option: number for number, option in enumerate(options)}
        self._costs: list[float] = [0.0] * len(options)
        self._whole: list[int] = [1] * len(options)
        self._rows: list[dict[int, float]] = []
        self._low: list[float] = []
        self._high: list[float] = []

    def cost(self, option: tuple[str, str], amount: float) -> None:
        """Adds to what an option costs."""
        self._costs[self._column[option]] += amount

    def once(self, options: Sequence[tuple[str, str]]) -> None:
        """Exactly one of them."""
        self._row({self._column[option]: 1.0 for option in options}, 1.0, 1.0)

    def pool(self, pool: Pool, members: Sequence[tuple[str, str]]) -> None:
        """One pool's bill: flat prices at once, ladders by segments, month by kind of month."""
        for month, weight in enumerate(pool.weights):
            units = {option: float(pool.units[option[1]][month]) for option in members}
            most = sum(units.values())
            segments = segments_of(pool, month, most)
            times = float(pool.share) * weight
            if len(segments) == 1 and not segments[0].at:
                for option, amount in units.items():
                    self.cost(option, times * segments[0].slope * amount)
                continue
            self._segments(segments, units, most or 1.0, times)

    def _segments(
        self, segments: Sequence[Segment], units: Mapping[tuple[str, str], float], scale: float, times: float
    ) -> None:
        """Amounts are counted in shares of all the units, so that numbers stay near one."""
        total = {self._column[option]: amount / scale for option, amount in units.items()}
        picks: dict[int, float] = {}
        for one in segments:
            pick = self._add(times * one.at, whole=True)
            amount = self._add(times * one.slope * scale, whole=False)
            picks[pick] = 1.0
            total[amount] = -1.0
            self._row({amount: 1.0, pick: -one.high / scale}, -float("inf"), 0.0)
            self._row({amount: 1.0, pick: -one.low / scale}, 0.0, float("inf"))
        self._row(total, 0.0, 0.0)
        self._row(picks, 0.0, 1.0)

    def _add(self, cost: float, *, whole: bool) -> int:
        self._costs.append(cost)
        self._whole.append(1 if whole else 0)
        return len(self._costs) - 1

    def _row(self, row: dict[int, float], low: float, high: float) -> None:
        self._rows.append(row)
        self._low.append(low)
        self._high.append(high)

    def solved(self, seconds: float) -> Assignment | None:
        """By HiGHS."""
        import numpy
        from scipy.optimize import Bounds, LinearConstraint, milp  # type: ignore[import-untyped]
        from scipy.sparse import coo_array  # type: ignore[import-untyped]

        rows = [number for number, row in enumerate(self._rows) for _ in row]
        columns = [column for row in self._rows for column in row]
        values = [value for row in self._rows for value in row.values()]
        matrix = coo_array((values, (rows, columns)), shape=(len(self._rows), len(self._costs))).tocsr()
        low: Any = numpy.array(self._low)
        high: Any = numpy.array(self._high)
        found: Any = milp(
            numpy.array(self._costs),
            integrality=numpy.array(self._whole),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(matrix, low, high),
            options={"time_limit": seconds, "mip_rel_gap": GAP},
        )
        if found.x is None:
            return None
        chosen = {name: provider for (provider, name), x in zip(self._options, found.x, strict=False) if x > 0.5}
        return Assignment(chosen, exact=bool(found.status == 0))


def segments_of(pool: Pool, month: int, most: float) -> list[Segment]:
    """A pool's bill in one month, without its discount, up to `most` base units."""
    ladder, free = pool.ladder, float(pool.free[month])
    size = float(ladder.size)
    starts = [float(start) * size for start in ladder.starts]
    masked = float(ladder.cost(pool.free[month], ZERO)[0])
    found = [Segment(0.0, min(free, most), 0.0, 0.0)] if free else []
    for number, price in enumerate(ladder.prices):
        end = float(ladder.bounds[number]) * size if number < len(ladder.bounds) else most
        low, high, slope = max(starts[number], free), min(end, most), float(price) / size
        if high > low:
            at = float(ladder.sums[number]) - slope * starts[number] - masked
            found.append(Segment(low, high, at, slope))
    return found or [Segment(0.0, most, 0.0, 0.0)]
