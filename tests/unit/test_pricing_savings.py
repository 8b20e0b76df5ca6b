"""A savings plan of the user: the fee used or not, usage at the plan's rates, the rest at list prices; by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from cloudai.cli import main
from cloudai_pricing import PlanError
from cloudai_pricing.book import Book
from cloudai_pricing.bulk import Variants, totals
from cloudai_pricing.draft import Draft
from cloudai_pricing.entry_check import check
from cloudai_pricing.estimator import estimate
from cloudai_pricing.exact import exactly
from cloudai_pricing.model import Estimate
from cloudai_pricing.overlay import Overlay
from cloudai_pricing.overlay_file import load_overlay
from cloudai_pricing.quotes import quote_lines
from cloudai_pricing.selection import Catalog
from cloudai_pricing.workload import Workload
from cloudai_pricing.workload_file import check as check_workload

PLAN = 'name = "plan"\nprovider = "aws"\nservices = ["Hosting"]\nfee = "1.50"\npercent = "20"\n'


def machine(name: str, price: str, **more: object) -> dict[str, object]:
    table: dict[str, object] = {
        "provider": "aws", "service": "Hosting", "sku": name, "instance": name, "kind": "hosting",
        "operations": ["custom.deploy"], "region": "us-east-1", "unit": "instance-hour", "tiers": [{"price": price}],
        "effective_from": "2026-01-01", "as_of": "2026-01-01", "source": "https://example.com",
        "confidence": "official_page",
    }  # fmt: skip
    return dict(check(table | more, where=f"book:{name}"))


BOOK = Book.of(
    [machine("big", "1.25"), machine("small", "0.80"), machine("other", "1", service="Notebooks"),
     machine("big-spot", "0.50", instance="big", spot=True)]
)  # fmt: skip


def overlay(tmp_path: Path, text: str) -> Overlay:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return load_overlay(path)


def workload(months: int = 1, **replicas: int) -> Workload:
    lines = [
        {"name": name, "operation": "custom.deploy", "instance": name, "hours": "24/7", "replicas": count}
        for name, count in replicas.items()
    ]
    return check_workload(Draft(name="test", data={"months": months, "line": lines}))


def estimated(tmp_path: Path, text: str, what: Workload) -> Estimate:
    return estimate(what, book=BOOK, providers=["aws"], overlay=overlay(tmp_path, text))


def total(tmp_path: Path, text: str, **replicas: int) -> Decimal:
    (option,) = estimated(tmp_path, "[[savings_plan]]\n" + text, workload(**replicas)).options
    assert option.complete
    assert option.total.likely == sum((line.cost.likely for line in option.lines if line.cost), Decimal(0))
    return option.total.likely


def test_the_fee_is_due_whether_used_or_not(tmp_path: Path) -> None:
    """1.50 an hour: 1,095.00 a month; one machine takes 730 x 1.00 of it."""
    assert total(tmp_path, PLAN, big=1) == 1095


def test_what_runs_above_the_plan_costs_the_list_price(tmp_path: Path) -> None:
    """1,460 hours at 1.00; 1,095 are covered, 365 x 1.25 = 456.25 are not."""
    assert total(tmp_path, PLAN, big=2) == Decimal("1551.25")


def test_machines_of_all_kinds_share_the_plan(tmp_path: Path) -> None:
    """730 x (1.00 + 0.64) = 1,197.20 at the plan's rates; 102.20 above it are 127.75 at list."""
    assert total(tmp_path, PLAN, big=1, small=1) == Decimal("1222.75")
    assert total(tmp_path, PLAN, small=1, big=1) == Decimal("1222.75")


def test_what_saves_most_is_covered_first(tmp_path: Path) -> None:
    """876 a month: small (half price) takes 292, big the other 584; 146 hours of big are left, 182.50."""
    text = PLAN.replace("1.50", "1.20").replace('percent = "20"', 'rates = { big = "1.00", small = "0.40" }')
    assert total(tmp_path, text, big=1, small=1) == Decimal("1058.50")


def test_a_machine_with_a_rate_of_its_own_takes_that_and_the_others_the_percent(tmp_path: Path) -> None:
    text = PLAN + 'rates = { small = "0.50" }\n'
    assert total(tmp_path, text, big=1, small=2) == 1095 + (730 + 730 - 1095) * Decimal("1.25")


def test_hours_that_pass_unused_are_not_carried_over(tmp_path: Path) -> None:
    """Two machines in the 217 hours of an office: 1.50 of 2.00 an hour are covered; 0.50 x 217 x 1.25 = 135.625."""
    lines = [{"name": "big", "operation": "custom.deploy", "instance": "big", "hours": "office", "replicas": 2}]
    what = check_workload(Draft(name="test", data={"months": 1, "line": lines}))
    (option,) = estimated(tmp_path, "[[savings_plan]]\n" + PLAN + 'hours = "office"\n', what).options
    assert option.total.likely == Decimal("1095") + Decimal("135.625")


def test_the_list_price_above_the_plan_is_less_the_users_discount(tmp_path: Path) -> None:
    discount = '[[discount]]\nprovider = "aws"\npercent = "10"\n'
    text = PLAN + discount
    assert total(tmp_path, text, big=2) == 1095 + 365 * Decimal("1.25") * Decimal("0.9")


def test_what_the_plan_does_not_cover_is_billed_at_list(tmp_path: Path) -> None:
    assert total(tmp_path, PLAN, other=1) == 730
    assert total(tmp_path, PLAN.replace('percent = "20"', 'rates = { small = "0.40" }'), big=1) == Decimal("912.5")
    assert total(tmp_path, PLAN.replace("aws", "gcp"), big=1) == Decimal("912.5")
    assert total(tmp_path, PLAN.replace('percent = "20"', 'rates = { big = "1.25" }'), big=1) == Decimal("912.5")
    lines = [{"name": "big", "operation": "custom.deploy", "instance": "big", "hours": "24/7", "spot": True}]
    what = check_workload(Draft(name="test", data={"months": 1, "line": lines}))
    found = estimated(tmp_path, "[[savings_plan]]\n" + PLAN, what)
    assert found.options[0].total.likely == 365
    assert any(text.startswith("Used by no line, so its fee is in no total") for text in found.assumptions)


def test_lines_that_a_plan_bills_are_tagged_and_say_the_rates(tmp_path: Path) -> None:
    found = estimated(tmp_path, "[[savings_plan]]\n" + PLAN, workload(big=2))
    (line,) = found.options[0].lines
    assert all(piece.overridden and piece.sku == "plan" for piece in line.slices)
    assert sum((piece.cost for piece in line.slices), Decimal(0)) == Decimal("1551.25")
    assert any("big: 1 plan-dollars an hour; above the plan 1.25 USD" in note for note in line.notes)
    assert any("1,095 USD a month, used or not" in text for text in found.assumptions)


def test_a_fee_by_the_month_is_the_same_plan(tmp_path: Path) -> None:
    assert total(tmp_path, PLAN.replace("1.50", "1095") + 'per = "month"\n', big=2) == Decimal("1551.25")


@pytest.mark.parametrize(
    ("gcp", "least", "providers"),
    [
        (("1.10", "0.90"), "1222.75", {"aws"}),  # else 1,460 on gcp, 1,752 or 1,898 on both
        (("0.90", "0.70"), "1168", {"gcp"}),
        (("0.10", "1.60"), "1168", {"aws", "gcp"}),  # big on gcp 73, small on aws: the fee
    ],
)
def test_the_mix_counts_the_fee_once_and_only_where_a_covered_line_is_placed(
    tmp_path: Path, gcp: tuple[str, str], least: str, providers: set[str]
) -> None:
    theirs = [
        machine(name, price, provider="gcp", region="us-central1", source="https://example.org")
        for name, price in zip(("big", "small"), gcp, strict=True)
    ]
    book = Book.of([machine("big", "1.25"), machine("small", "0.80"), *theirs])
    own = overlay(tmp_path, "[[savings_plan]]\n" + PLAN)
    mix = estimate(workload(big=1, small=1), book=book, providers=["aws", "gcp"], overlay=own).mix
    assert mix is not None
    assert (mix.total.likely, {choice.provider for choice in mix.choices}) == (Decimal(least), providers)


def test_many_variants_at_once_come_to_what_one_estimate_does(tmp_path: Path) -> None:
    own = overlay(tmp_path, "[[savings_plan]]\n" + PLAN.replace("20", "27"))
    what = workload(3, big=2, small=3)
    where = {"": "us-east-1", "big": "us-east-1", "small": "us-east-1"}
    with exactly():
        quotes = quote_lines(what, Catalog(book=BOOK, overlay=own), "aws", where, 3)
        plans = [quote.plan for quote in quotes if quote.plan is not None]
        volumes = {"big": [Decimal(1), Decimal(1460), Decimal(9999)]}
        several = [
            totals(plans, Variants(what.lines, volumes, 3), "always", vectorised=vectorised).costs
            for vectorised in (True, False)
        ]
    assert several[0] == several[1]
    (option,) = estimated(tmp_path, "[[savings_plan]]\n" + PLAN.replace("20", "27"), what).options
    assert several[0][1] == option.total.likely


AWS_EXAMPLE = (
    ("r5.4xlarge", "1.00", "0.70", 4),
    ("fargate-vcpu", "0.04", "0.03", 400),
    ("fargate-gb", "0.004", "0.003", 1600),
    ("m5.24xlarge", "10.00", "8.20", 1),
    ("lambda-seconds", "0.000015", "0.00001275", 1_500_000),
    ("lambda-requests", "0.20", "0.20", 1),
)
"""One hour of the example of AWS: what it is, list price, rate of a Compute Savings Plan, how much of it runs.

https://docs.aws.amazon.com/savingsplans/latest/userguide/sp-applying.html (read 2026-11-21)
"""


@pytest.mark.parametrize(
    ("plans", "above"),
    [
        ((("50.00", False),), "0.20"),
        ((("2.00", False),), "56.24"),
        ((("19.60", False),), "32.70"),
        ((("3.00", True), ("16.80", False)), "32.70"),
    ],
)
def test_the_example_of_aws_comes_out(tmp_path: Path, plans: tuple[tuple[str, bool], ...], above: str) -> None:
    """Its scenarios 1, 2, 3 and 5: the fee, and what is billed at list prices, of each hour.

    The plan of scenario 1 covers all; requests to Lambda cost the same in it, 0.20.
    """
    rates = ", ".join(f'"{name}" = "{rate}"' for name, _, rate, _ in AWS_EXAMPLE)
    tables = [
        f'[[savings_plan]]\nname = "{number}"\nprovider = "aws"\nservices = ["Hosting"]\nfee = "{fee}"\n'
        + ('rates = { "r5.4xlarge" = "0.60" }\n' if family else f"rates = {{ {rates} }}\n")
        for number, (fee, family) in enumerate(plans)
    ]
    lines = [
        {"name": name, "operation": "custom.deploy", "instance": name, "volume": f"{count * 730} hours"}
        for name, _, _, count in AWS_EXAMPLE
    ]
    book = Book.of([machine(name, price) for name, price, _, _ in AWS_EXAMPLE])
    what = check_workload(Draft(name="test", data={"months": 1, "line": lines}))
    found = estimate(what, book=book, providers=["aws"], overlay=overlay(tmp_path, "".join(tables)))
    fees = sum((Decimal(fee) for fee, _ in plans), Decimal(0))
    assert round(found.options[0].total.likely / 730 - fees, 2) == Decimal(above)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("percent", "percents"), "unknown key 'percents' in a savings plan"),
        (('percent = "20"', ""), "neither percent nor rates"),
        (('percent = "20"', 'percent = "100"'), "not above 0"),
        (('fee = "1.50"', 'fee = "-1"'), "not above 0"),
        (('fee = "1.50"', ""), "fee = 'None'"),
        (('name = "plan"', ""), "has no name"),
        (('["Hosting"]', '"Hosting"'), "not a list of services"),
        (('percent = "20"', 'rates = { big = "free" }'), "big = 'free' is not above 0"),
        (('percent = "20"', 'rates = "1.00"'), "rates = '1.00' is not a table"),
        (('percent = "20"', 'percent = "20"\nper = "week"'), "Fees are per"),
        (('percent = "20"', 'percent = "20"\nhours = "often"'), "hours"),
    ],
)
def test_a_plan_with_a_mistake_is_refused_with_its_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(PlanError, match=message) as caught:
        overlay(tmp_path, "[[savings_plan]]\n" + PLAN.replace(*change))
    assert str(caught.value).startswith(str(tmp_path / "own.toml") + ":")


def test_two_plans_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="two savings plans are called 'plan'"):
        overlay(tmp_path, f"[[savings_plan]]\n{PLAN}[[savings_plan]]\n{PLAN}")


def test_the_command_takes_a_plan_for_a_shipped_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ml.g5.xlarge lists at 1.408; 730 hours at 1.00 are covered by 1.00 an hour."""
    path = tmp_path / "own.toml"
    plan = PLAN.replace("Hosting", "SageMaker hosting").replace("1.50", "1.00")
    path.write_text("[[savings_plan]]\n" + plan.replace('percent = "20"', 'rates = { "ml.g5.xlarge" = "1.00" }'))
    arguments = ["estimate", "custom.deploy=24/7", "--set", "custom.deploy.instance=ml.g5.xlarge", "--months", "12"]
    assert main([*arguments, "--provider", "aws", "--prices", str(path), "--format", "csv"]) == 0
    assert "8760" in capsys.readouterr().out
