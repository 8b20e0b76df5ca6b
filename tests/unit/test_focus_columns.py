"""The FOCUS rows of `cloudai spend` and `cloudai estimate`, held to the columns of FOCUS 1.2 as they are published."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cloudai.cli import main
from cloudai.errors import CloudAIError
from cloudai.ledger import Attempt, Books, BudgetSettings, CallRecord, Limit, Outcome, Used, open_store
from cloudai.ledger.periods import Every, instant
from cloudai.testing import faults
from cloudai.testing.faults import Ok, ResetBefore, Status
from cloudai.testing.samples import picture
from cloudai_pricing.book import Book

SPECIFICATION = Path(__file__).parent / "fixtures" / "focus_1_2.toml"
COLUMNS: dict[str, dict[str, Any]] = tomllib.loads(SPECIFICATION.read_text(encoding="utf-8"))
EXAMPLE = str(Path(__file__).parents[2] / "examples" / "01_estimate" / "support_portal.toml")
MONEY = frozenset({"BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ListUnitPrice", "ContractedUnitPrice"})
NEEDED = ("SkuId", "SkuPriceId", "ListUnitPrice", "ContractedUnitPrice", "PricingQuantity", "PricingCategory")
"""Conditional columns that say of themselves: not null for usage and purchases."""
Row = Mapping[str, str]
Rows = Callable[..., list[dict[str, str]]]


def a_key_value(value: str) -> bool:
    found = json.loads(value)
    return isinstance(found, dict) and not any(isinstance(each, dict | list) for each in found.values())


FORMATS: Mapping[str, Callable[[str], object]] = {
    "Numeric Format": re.compile(r"-?\d+(\.\d+)?").fullmatch,
    "Date/Time Format": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch,
    "Currency Format": re.compile(r"[A-Z]{3}").fullmatch,
    "Unit Format": re.compile(r"GB(-[A-Z][a-z]+s)?|[A-Z][a-z]+(-[A-Z][a-z]+)?s").fullmatch,
    "KeyValue Format": a_key_value,
}


def wrong(row: Row) -> list[str]:
    """What of a row is not as its column is described."""
    found = []
    for name, value in row.items():
        if name.startswith("x_"):
            continue
        column = COLUMNS[name]
        if not value:
            unknown = name in MONEY and row["x_Complete"] == "false"
            if not column["nullable"] and not unknown:
                found.append(f"{name} is null")
            continue
        allowed = column.get("allowed")
        both = f"{row['ServiceCategory']}: {value}" if name == "ServiceSubcategory" else value
        if allowed is not None and both not in allowed:
            found.append(f"{name} = {value!r} is not one of {allowed}")
        if "format" in column and not FORMATS[column["format"]](value):
            found.append(f"{name} = {value!r} is not in {column['format']}")
    return [*found, *incomplete(row)]


def incomplete(row: Row) -> list[str]:
    """What the descriptions say beyond the tables."""
    found = [f"{name} is null" for name in NEEDED if not row[name] and not (name in MONEY and not row["BilledCost"])]
    if row["ChargeCategory"] == "Usage" and not row["ConsumedQuantity"]:
        found.append("ConsumedQuantity of usage is null")
    if row["ChargeCategory"] != "Usage" and row["ConsumedQuantity"]:
        found.append("ConsumedQuantity of what is no usage")
    if row["BilledCost"]:
        for unit, cost in (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")):
            if abs(Decimal(row[unit]) * Decimal(row["PricingQuantity"]) - Decimal(row[cost])) > Decimal("1e-9"):
                found.append(f"{unit} x PricingQuantity is not {cost}")
    if not row["ChargePeriodStart"] < row["ChargePeriodEnd"]:
        found.append("the charge period ends before it begins")
    return found


@pytest.fixture
def spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rows:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cloudai.toml").write_text('[budget]\nmonthly = "500 USD"\nledger = "ledger.sqlite"\n')

    def rows(*arguments: str) -> list[dict[str, str]]:
        assert main(["spend", *arguments, "--format", "focus"]) == 0
        return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    return rows


def ledger(tmp_path: Path) -> BudgetSettings:
    limit = Limit(every=Every.MONTH, amount=500_000_000)
    return BudgetSettings(limits=(limit,), ledger=str(tmp_path / "ledger.sqlite"))


def total(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Decimal:
    assert main(["spend", "--format", "json"]) == 0
    return Decimal(json.loads(capsys.readouterr().out)["spent"])


def test_the_specification_is_whole() -> None:
    assert len(COLUMNS) == 57
    assert sum(column["level"] == "Mandatory" for column in COLUMNS.values()) == 21
    assert {column.get("format") for column in COLUMNS.values()} <= {*FORMATS, None}


def test_mandatory_columns_are_there_and_others_are_focus_or_marked_as_ours(spent: Rows, tmp_path: Path) -> None:
    with faults.serve("gcp") as server, server.client(replace(server.config(), budget=ledger(tmp_path))) as client:
        client.vision.detect_labels(picture())
    (row,) = spent()
    assert {name for name, column in COLUMNS.items() if column["level"] == "Mandatory"} <= set(row)
    assert {name for name in row if not name.startswith("x_")} <= set(COLUMNS)


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_rows_of_real_calls_are_as_published(
    provider: Any, spent: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers, refusals, lost answers, several meters in a call, a tag."""
    with faults.serve(provider, [Ok(), Ok(), Status(503), ResetBefore(billed=True)]) as server:
        config = replace(server.config(max_attempts=1), budget=ledger(tmp_path))
        with server.client(config) as client:
            for tag in ("team-a", None, "team-a", "team-a"):
                with suppress(CloudAIError):
                    client.vision.detect_labels(picture(), **({"tag": tag} if tag else {}))
            client.translation.translate("hello", target="de")
            client.vision.analyze(picture(), operations=["vision.detect_labels", "vision.read_text"])
            client.speech.synthesize("hello", language="en-US")
    found = spent()
    assert {row["x_Operation"] for row in found} >= {
        "vision.detect_labels", "vision.read_text", "translation.translate", "speech.synthesize"
    }  # fmt: skip
    assert [wrong(row) for row in found] == [[]] * len(found)
    assert sum(Decimal(row["BilledCost"]) for row in found) == total(tmp_path, capsys)


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_a_sku_is_an_entry_of_the_price_book(provider: Any, spent: Rows, tmp_path: Path) -> None:
    with faults.serve(provider) as server, server.client(replace(server.config(), budget=ledger(tmp_path))) as client:
        for _ in range(3):
            client.vision.detect_labels(picture())
    (row,) = spent()
    found = [price for price in Book.shipped().prices("vision.detect_labels", provider) if price.sku == row["SkuId"]]
    (entry,) = [price for price in found if price.region in (row["RegionId"], "global")]
    assert (row["ServiceName"], row["PricingUnit"], row["PricingQuantity"]) == (entry.service, "Images", "3")
    assert Decimal(row["ListUnitPrice"]) == entry.first_price
    assert row["SkuPriceId"].startswith(f"{entry.sku} from 0")
    assert row["x_Source"] == entry.source


def test_a_price_id_is_the_one_that_the_estimate_has(
    spent: Rows, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with faults.serve("aws") as server, server.client(replace(server.config(), budget=ledger(tmp_path))) as client:
        client.vision.detect_labels(picture())
    (mine,) = spent()
    assert main(["estimate", "vision.detect_labels=2k images", "--provider", "aws", "--format", "focus"]) == 0
    (planned,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (mine["SkuId"], mine["SkuPriceId"]) == (planned["SkuId"], planned["SkuPriceId"])


def test_what_nobody_knows_the_price_of_is_empty_and_marked(spent: Rows, tmp_path: Path) -> None:
    settings = replace(ledger(tmp_path), on_unknown_price="allow")
    books = Books(settings, open_store(settings), clock=lambda: instant(datetime.datetime.now(datetime.UTC)))
    held = books.reserve(Attempt(operation="vision.detect_labels", backend="b", provider="acme", bound=None))
    books.settle(held, outcome=Outcome.ANSWERED)
    books.close()
    (row,) = spent()
    assert (row["BilledCost"], row["x_Complete"], row["SkuId"]) == ("", "false", "vision.detect_labels")
    assert wrong(row) == []


def test_a_call_without_a_recorded_sku_is_of_the_usual_entry(spent: Rows, tmp_path: Path) -> None:
    """As a record has it whose provider names none, and an attempt whose outcome is not known."""
    now = instant(datetime.datetime.now(datetime.UTC))
    settings = ledger(tmp_path)
    books = Books(settings, open_store(settings), clock=lambda: now)
    attempt = Attempt(
        operation="vision.detect_labels", backend="b", provider="aws", region="us-east-1", bound=1000, tag="t"
    )
    used = (Used(meter=attempt.operation, unit="image", quantity=Decimal(1)),)
    call = CallRecord(
        operation=attempt.operation, outcome="ok", backend="b", provider="aws", region="us-east-1", tag="t",
        usage=used, cost=1000, at=now,
    )  # fmt: skip
    books.settle(books.reserve(attempt), outcome=Outcome.ANSWERED, cost=1000, call=call)
    books.settle(books.reserve(attempt), outcome=Outcome.UNKNOWN)
    books.close()
    found = spent()
    assert sum(Decimal(row["BilledCost"]) for row in found) == Decimal("0.002")
    assert {row["SkuId"] for row in found} == {"Group 2 image APIs", "vision.detect_labels"}
    assert [wrong(row) for row in found] == [[], []]


@pytest.mark.parametrize(
    "arguments",
    [
        (EXAMPLE,),
        (EXAMPLE, "--region", "eu", "--months", "3"),
        ("vision.detect_labels=3M images", "vision.detect_landmarks=1k images", "--provider", "aws"),
        ("speech.voices=3 requests", "vision.detect_labels=0 images"),
    ],
)
def test_the_rows_of_an_estimate_are_as_published(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate", *arguments, "--format", "focus"]) in (0, 4)
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert found
    assert [wrong(row) for row in found] == [[]] * len(found)
