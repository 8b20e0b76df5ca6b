"""`cloudai spend`: sums, forecast, budgets, what nobody knows, FOCUS rows, and the plan held against it."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.cli import main
from cloudai.ledger import Attempt, Books, BudgetSettings, CallRecord, Limit, Outcome, Used, open_books, open_store
from cloudai.ledger.periods import Every, instant
from cloudai.ledger.report import spending
from cloudai.ledger.variance import Actual, Planned, variances
from cloudai_pricing.ascsv import FOCUS_COLUMNS

HOUR, DAY = 3_600_000_000, 86_400_000_000
OCTOBER = instant(datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC))
CONFIG = """
[budget]
monthly = "500 USD"
ledger = "ledger.sqlite"
reservation_ttl = "24h"
[[budget.limit]]
tag = "team-a"
monthly = "0.004 USD"
"""
LABELS = "vision.detect_labels"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config; what was called is written by `called`."""
    (tmp_path / "cloudai.toml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def spend(*arguments: str) -> tuple[int, str, str]:
        status = main(["spend", *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return spend


def called(
    project: Path, at: int, count: int = 1, *, cost: int | None = 1000, outcome: Outcome = Outcome.ANSWERED,
    **more: Any
) -> None:  # fmt: skip
    settings = BudgetSettings(ledger=str(project / "ledger.sqlite"), on_exceed="warn", reservation_ttl=86_400.0)
    books = Books(settings, open_store(settings), clock=lambda: at)
    base = Attempt(operation=LABELS, backend="us", provider="aws", region="us-east-1", bound=1000)
    attempt = dataclasses.replace(base, **more)
    usage = (Used(meter=attempt.operation, unit="image", quantity=Decimal(1)),)
    call = CallRecord(
        operation=attempt.operation, outcome="ok", backend=attempt.backend, provider=attempt.provider,
        region=attempt.region, tag=attempt.tag, usage=usage, cost=cost,
    )  # fmt: skip
    for _ in range(count):
        held = books.reserve(attempt)
        books.settle(held, outcome=outcome, cost=cost, call=call if outcome is Outcome.ANSWERED else None)
    books.close()


def october(project: Path) -> None:
    """7.5 thousandths of a dollar in three days, and one attempt that nobody knows of."""
    called(project, OCTOBER + HOUR, 2, tag="team-a")
    called(project, OCTOBER + DAY, 3, backend="eu", provider="gcp", region="europe-west1", bound=1500, cost=1500)
    called(project, OCTOBER + 2 * DAY, outcome=Outcome.UNKNOWN, tag="team-a")
    called(project, OCTOBER + 2 * DAY, 5, outcome=Outcome.UNBILLED)


def test_a_month_is_summed_by_tag_backend_and_operation(project: Path, run: Run) -> None:
    october(project)
    called(project, OCTOBER - 1)
    called(project, OCTOBER + 31 * DAY)
    status, out, _ = run("--month", "2026-10", "--format", "json")
    found = json.loads(out)
    assert status == 0
    assert (found["spent"], found["unknown"], found["reserved"], found["forecast"]) == ("0.0075", "0.001", "0", None)
    assert [(each["tag"], each["spent"]) for each in found["by"]["tag"]] == [(None, "0.0045"), ("team-a", "0.003")]
    assert [(each["backend"], each["spent"]) for each in found["by"]["backend"]] == [("eu", "0.0045"), ("us", "0.003")]
    assert [(each["operation"], each["attempts"]) for each in found["by"]["operation"]] == [(LABELS, 11)]


def test_the_table_says_what_is_not_known(project: Path, run: Run) -> None:
    october(project)
    called(project, OCTOBER, cost=None, bound=None)
    _, out, _ = run("--month", "2026-10")
    assert "spent               >= $0.0075" in out
    assert "of unknown outcome  $0.001 of what is spent: cloudai spend --unknown" in out
    assert "of unknown price    1 attempts, which count as nothing" in out


def test_it_is_narrowed_by_tag(project: Path, run: Run) -> None:
    october(project)
    _, out, _ = run("--month", "2026-10", "--tag", "team-a", "--format", "json")
    assert json.loads(out)["spent"] == "0.003"


def test_csv_rows_add_up(project: Path, run: Run) -> None:
    october(project)
    _, out, _ = run("--month", "2026-10", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert sum(Decimal(row["usd"]) for row in rows if row["state"] in ("settled", "unknown")) == Decimal("0.0075")
    assert {row["day"] for row in rows} == {"2026-10-01", "2026-10-02", "2026-10-03"}


def test_focus_rows_have_the_estimates_columns_and_add_up(project: Path, run: Run) -> None:
    october(project)
    _, out, _ = run("--month", "2026-10", "--format", "focus")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert tuple(rows[0]) == FOCUS_COLUMNS
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("0.0075")
    first = rows[0]
    assert (first["ChargePeriodStart"], first["ChargePeriodEnd"]) == ("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z")
    assert (first["BillingPeriodStart"], first["BillingPeriodEnd"]) == ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    assert (first["ConsumedQuantity"], first["ConsumedUnit"], first["ProviderName"]) == ("2", "Images", "AWS")
    assert (first["RegionId"], first["Tags"]) == ("us-east-1", '{"tag": "team-a"}')


def test_budgets_show_how_they_stand_and_an_exceeded_one_is_exit_code_3(project: Path, run: Run) -> None:
    now = instant(datetime.datetime.now(datetime.UTC))
    called(project, now, 3, tag="team-a")
    status, out, _ = run("--budget", "--format", "json")
    assert status == 0
    mine = json.loads(out)["budgets"][1]
    assert (mine["budget"], mine["spent"], mine["left"]) == ("monthly budget of tag team-a", "0.003", "0.001")
    called(project, now, 2, tag="team-a")
    status, out, _ = run("--budget")
    assert status == 3
    assert out.splitlines()[2].split()[-3:-1] == ["-$0.001", "125%"]


def test_what_nobody_knows_is_listed_and_can_be_put_right(project: Path, run: Run) -> None:
    october(project)
    _, out, _ = run("--unknown", "--format", "json")
    (one,) = json.loads(out)["unknown"]
    assert one["counts_as"] == "0.001"
    status, _, err = run("--settle", f"{one['id']}=0.0004")
    assert (status, err) == (0, f"settled attempt {one['id']} at $0.0004\n")
    assert json.loads(run("--month", "2026-10", "--format", "json")[1])["spent"] == "0.0069"
    assert run("--settle", f"{one['id']}=0")[0] == 2
    assert "the outcome of every attempt is known" in run("--unknown")[1]


def test_all_that_nobody_knows_can_be_said_to_be_unbilled(project: Path, run: Run) -> None:
    called(project, OCTOBER, 4, outcome=Outcome.UNKNOWN)
    assert run("--settle", "all=0")[2] == "settled 4 attempts at $0.00 each\n"
    assert json.loads(run("--month", "2026-10", "--format", "json")[1])["spent"] == "0"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--month", "October"), "--month is not of the form 2026-11"),
        (("--since", "yesterday"), "--since is not of the form 2026-11-01"),
        (("--since", "2999-01-01"), "is not over yet"),
        (("--settle", "x=1"), "is not of the form 1234=0.0015"),
        (("--settle", "1=-5"), "a cost is 0 USD or more"),
        (("--settle", "1=NaN"), "a cost is 0 USD or more"),
        (("--settle", "99999=1"), "attempt 99999 is not one of unknown outcome"),
        (("--budget", "--format", "focus"), "FOCUS rows are of what was spent"),
        (("--against", "plan.toml", "--tag", "x"), "a plan is of everything"),
        (("--against", "plan.toml", "--plan-month", "0"), "--plan-month is 1 to 120"),
        (("--ledger", "memory"), "a ledger in memory ends with its process"),
        (("--ledger", "elsewhere.sqlite"), "there is no ledger at"),
    ],
)
def test_wrong_input_is_said(project: Path, run: Run, arguments: tuple[str, ...], said: str) -> None:
    october(project)
    (project / "plan.toml").write_text(PLAN, encoding="utf-8")
    status, _, err = run(*arguments)
    assert status == 2
    assert said in err
    assert not (project / "elsewhere.sqlite").exists()


def test_without_a_budget_it_says_how_to_get_one(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run()
    assert status == 2
    assert "add [budget] to cloudai.toml" in err


def test_a_ledger_that_is_not_one_is_an_error_of_one_line(project: Path, run: Run) -> None:
    (project / "ledger.sqlite").write_bytes(b"not a database, whatever it says" * 200)
    status, _, err = run()
    assert status == 1
    assert "the ledger can't be read" in err
    assert "Traceback" not in err


def test_a_report_goes_into_a_file(project: Path, run: Run) -> None:
    october(project)
    _, out, err = run("--month", "2026-10", "--output", "october.txt")
    assert (out, err) == ("", "wrote october.txt\n")
    assert "$0.0075" in (project / "october.txt").read_text(encoding="utf-8")


# --- forecast ------------------------------------------------------------------------------------


def test_the_forecast_goes_on_at_the_pace_of_the_last_seven_days(project: Path) -> None:
    """10 cents a day in the first half, 1 cent a day in the last week: the second half costs 1 cent a day."""
    for day in range(15):
        called(project, OCTOBER + day * DAY, cost=100_000 if day < 8 else 10_000, bound=100_000)
    store = open_store(BudgetSettings(ledger=str(project / "ledger.sqlite")))
    now, until = OCTOBER + 15 * DAY, OCTOBER + 31 * DAY
    found = spending(store, since=OCTOBER, until=until, now=now)
    assert found.total.spent == 870_000
    assert found.forecast == 870_000 + 16 * 10_000
    assert spending(store, since=OCTOBER, until=until, now=until).forecast is None
    store.close()


def test_the_forecast_of_a_new_ledger_counts_from_its_first_day(project: Path) -> None:
    called(project, OCTOBER + 14 * DAY, cost=10_000)
    store = open_store(BudgetSettings(ledger=str(project / "ledger.sqlite")))
    found = spending(store, since=OCTOBER, until=OCTOBER + 31 * DAY, now=OCTOBER + 15 * DAY)
    assert found.forecast == 10_000 + 16 * 10_000
    store.close()


# --- against the plan ----------------------------------------------------------------------------

PLAN = """
name = "plan"
region = "us"
[[line]]
name = "photos"
operation = "vision.detect_labels"
volume = "100 images/month"
growth = "50%/month"
"""


def test_a_month_is_held_against_its_plan(project: Path, run: Run) -> None:
    """AWS planned at 1 mill an image: 50 more images, of which 50 went to Google for 1.5."""
    (project / "plan.toml").write_text(PLAN, encoding="utf-8")
    called(project, OCTOBER, 100)
    called(project, OCTOBER, 50, backend="eu", provider="gcp", region="europe-west1", bound=1500, cost=1500)
    _, out, err = run("--against", "plan.toml", "--month", "2026-10", "--format", "json")
    (row,) = json.loads(out)["against"]
    assert "the plan of 1 months" in err
    assert {key: Decimal(row[key]) for key in ("planned", "spent", "volume", "mix", "price")} == {
        "planned": Decimal("0.1"), "spent": Decimal("0.175"), "volume": Decimal("0.05"), "mix": Decimal("0.025"),
        "price": Decimal(0),
    }  # fmt: skip
    assert (row["planned_quantity"], row["quantity"], row["difference"]) == ("100", "150", "0.075")


def test_a_later_month_of_the_plan_has_its_own_volume(project: Path, run: Run) -> None:
    (project / "plan.toml").write_text(PLAN, encoding="utf-8")
    called(project, OCTOBER, 150)
    _, out, _ = run("--against", "plan.toml", "--month", "2026-10", "--plan-month", "2", "--format", "json")
    (row,) = json.loads(out)["against"]
    assert (row["planned_quantity"], row["planned"], row["difference"]) == ("150", "0.15", "0")


def test_the_table_of_a_plan_ends_with_the_total(project: Path, run: Run) -> None:
    (project / "plan.toml").write_text(PLAN, encoding="utf-8")
    called(project, OCTOBER, 150)
    _, out, _ = run("--against", "plan.toml", "--month", "2026-10")
    assert out.splitlines()[-1].split() == ["total", "$0.10", "$0.15", "+$0.05", "+$0.05", "-", "-"]


money = st.decimals(min_value=0, max_value=10**6, places=6)
units = st.decimals(min_value=0, max_value=10**9, places=3)
by_provider = st.dictionaries(st.sampled_from(["aws", "gcp", "azure"]), units, max_size=3)


@given(
    planned=st.builds(
        lambda quantity, cost, prices: Planned(quantity=quantity, cost=cost, prices=prices),
        units, money, st.dictionaries(st.sampled_from(["aws", "gcp"]), money, max_size=2),
    ),
    actual=st.builds(
        lambda quantities, costs: Actual(quantities=quantities, costs=costs),
        by_provider, st.dictionaries(st.sampled_from(["aws", "gcp", "azure"]), money, max_size=3),
    ),
)  # fmt: skip
def test_volume_mix_and_price_add_up_to_the_difference_exactly(planned: Planned, actual: Actual) -> None:
    (found,) = variances({LABELS: planned}, {LABELS: actual})
    assert planned.cost is not None
    assert sum(found.effects) == actual.cost - planned.cost


@given(cost=st.decimals(min_value="0.001", max_value=1000, places=3), quantity=st.integers(1, 10**6))
def test_as_planned_is_no_variance(cost: Decimal, quantity: int) -> None:
    price = cost / quantity
    planned = Planned(quantity=Decimal(quantity), cost=cost, prices={"aws": price})
    actual = Actual(quantities={"aws": Decimal(quantity)}, costs={"aws": cost})
    (found,) = variances({LABELS: planned}, {LABELS: actual})
    assert tuple(found.effects) == (0, 0, 0, 0)


def test_what_the_plan_has_no_price_of_is_not_compared() -> None:
    planned = Planned(quantity=Decimal(5), cost=None, prices={})
    actual = Actual(quantities={"aws": Decimal(5)}, costs={"aws": Decimal(1)})
    (found,) = variances({LABELS: planned}, {LABELS: actual})
    assert found.planned is None
    assert tuple(found.effects) == (0, 0, 0, 0)


def test_books_of_the_config_are_those_that_spend_reads(project: Path, run: Run) -> None:
    limit = Limit(every=Every.MONTH, amount=10**9)
    books = open_books(BudgetSettings(limits=(limit,), ledger="ledger.sqlite"), folder=project)
    books.settle(
        books.reserve(Attempt(operation=LABELS, backend="us", provider="aws", bound=5)),
        outcome=Outcome.ANSWERED, cost=5,
    )  # fmt: skip
    books.close()
    assert json.loads(run("--format", "json")[1])["spent"] == "0.000005"
