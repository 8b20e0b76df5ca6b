"""`[exit]` of a workload file: what the user knows of an exit, beside the terms of `exit_defaults.toml`.

[exit]
behind = "direct"                  # how the code calls: the vendors' SDKs, or "neutral": through cloudai
engineers = 3                      # any term of exit_defaults.toml; nested: adapted = { adapter = "50%" }
jurisdiction = "eu"                # with leave on or after 2027-01-12: no egress charge (EU Data Act)
leave = "2027-03-01"               # default: the day of the prices
data = "5 TB"                      # what is taken along; default: the storage lines
commitments = "1200 USD"           # unused at the time of leaving
lines = 1500                       # of code that name the vendor; default: so many per operation
models = 1                         # trained models; default: the custom.train lines, else one per workload that has
stuck_models = 1                   # of them, those that the vendor does not give out
retraining = "1200 USD"            # for those
relabelling = "0 USD"
adapter_cost = "0 USD"             # of bringing the code behind the neutral interface
weigh = "risk"                     # in the mix: "risk" (by probability) or a share like "50%"; default: not at all
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal, TypeVar

from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import ONE, ZERO, plain
from cloudai_pricing.exit_bill import Behind
from cloudai_pricing.exit_terms import Terms, defaults
from cloudai_pricing.units import convertible, factor, parse_number, parse_percent, parse_quantity

T = TypeVar("T")
DATA_ACT = date(2027, 1, 12)
"""From this day on a provider may charge nothing for switching: https://eur-lex.europa.eu/eli/reg/2023/2854/oj."""
OWN_KEYS = (
    "behind", "jurisdiction", "leave", "data", "commitments", "lines", "models", "stuck_models", "retraining",
    "relabelling", "adapter_cost", "weigh",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ExitSettings:
    """What the user said of leaving. None: to be worked out from the workload."""

    terms: Terms = field(default_factory=Terms)
    behind: Behind = "direct"
    leave: date | None = None
    gigabytes: Decimal | None = None
    commitments: Decimal = ZERO
    lines: Decimal | None = None
    models: int | None = None
    stuck_models: int = 0
    retraining: Decimal = ZERO
    relabelling: Decimal = ZERO
    adapter_cost: Decimal | None = None
    """None: worked out from the lines of code where they were counted; nothing where none is written yet."""
    weigh: Literal["risk"] | Decimal | None = None
    """In the mix: by probability, a share of the bill, or not at all."""
    eu: bool = False

    def on(self, day: str) -> date:
        """The day of leaving; `day`: that of the prices."""
        return self.leave or date.fromisoformat(day)

    def terms_on(self, day: str) -> Terms:
        """The terms, with the law's waiver where it holds and the user set none."""
        waived = self.eu and self.on(day) >= DATA_ACT and not self.terms.terms["waiver"].set_by
        return self.terms.having({"waiver": "100"}, set_by="EU Data Act, Article 29") if waived else self.terms


def known_keys() -> tuple[str, ...]:
    """All keys of `[exit]`, terms with a dot by their first word."""
    return (*OWN_KEYS, *dict.fromkeys(key.partition(".")[0] for key in defaults()))


def parse_exit(value: object) -> ExitSettings:
    """Reads the table. Raises `PlanError` with the path of the wrong key."""
    if not isinstance(value, Mapping):
        raise PlanError("exit is not a table", fix="Write [exit] above its keys", path=("exit",))
    terms = {key: text for name in value if name not in OWN_KEYS for key, text in _terms(str(name), value[name])}

    def read(key: str, parser: Callable[[object], T], default: T) -> T:
        if key not in value:
            return default
        try:
            return parser(value[key])
        except PlanError as error:
            raise PlanError(f"{key}: {error.message}", fix=error.fix, path=("exit", key)) from error

    models = read("models", _count, -1)
    found = ExitSettings(
        terms=Terms().having(terms, set_by="[exit]") if terms else Terms(),
        behind=read("behind", _behind, "direct"),
        leave=read("leave", _day, None),
        gigabytes=read("data", _data, None),
        commitments=read("commitments", dollars, ZERO),
        lines=read("lines", lambda text: Decimal(_count(text)), None),
        models=None if models < 0 else models,
        stuck_models=read("stuck_models", _count, 0),
        retraining=read("retraining", dollars, ZERO),
        relabelling=read("relabelling", dollars, ZERO),
        adapter_cost=read("adapter_cost", _dollars, None),
        weigh=read("weigh", parse_weigh, None),
        eu=read("jurisdiction", _jurisdiction, default=False),
    )
    if found.models is not None and found.stuck_models > found.models:
        raise PlanError("stuck_models are more than models", path=("exit", "stuck_models"))
    return found


def _terms(name: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [(f"{name}.{key}", _text(f"{name}.{key}", text)) for key, text in value.items()]
    if name not in defaults():
        raise PlanError(f"unknown key {name!r}", fix=nearest(name, known_keys()), path=("exit", name))
    return [(name, _text(name, value))]


def _text(key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise PlanError(f"{key} is not a number", path=("exit", key))
    return str(value).removesuffix("USD").strip()


def parse_weigh(value: object) -> Literal["risk"] | Decimal | None:
    """`risk`, or a share like `50%` up to 100%."""
    if value == "risk":
        return "risk"
    share = parse_percent(value, example="50%")
    if not ZERO <= share <= ONE:
        raise PlanError(f"{value!r} is not from 0% to 100%", fix='Write "risk", or a share like "50%"')
    return share


def dollars(value: object) -> Decimal:
    """`1200 USD`."""
    text = value.strip() if isinstance(value, str) else ""
    number = text.removeprefix("$") if text.startswith("$") else text.removesuffix("USD")
    if number == text:
        raise PlanError(f"{value!r} is not an amount in USD", fix='Write it like "1200 USD"')
    amount = parse_number(number.strip())
    if amount < 0:
        raise PlanError(f"{value!r} is negative")
    return amount


def _dollars(value: object) -> Decimal | None:
    return dollars(value)


def _behind(value: object) -> Behind:
    if value == "direct":
        return "direct"
    if value == "neutral":
        return "neutral"
    raise PlanError(f"{value!r} is neither direct nor neutral")


def _day(value: object) -> date | None:
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise PlanError(f"{value!r} is not a day", fix='Write it like "2027-03-01"') from error


def _data(value: object) -> Decimal | None:
    quantity = parse_quantity(value, example="5 TB")
    if not convertible(quantity.unit, "gb"):
        raise PlanError(f"{value!r} is no amount of data", fix='Write it like "5 TB"')
    return quantity.amount * factor(quantity.unit) / factor("gb")


def _count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10_000_000:
        return value
    raise PlanError(f"{plain(value) if isinstance(value, Decimal) else value!r} is no whole number from 0 on")


def _jurisdiction(value: object) -> bool:
    if value not in ("eu", "other"):
        raise PlanError(f"{value!r} is neither eu nor other")
    return value == "eu"
