"""The exit bill of scanned code, recomputed from the scan by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from cloudai.lockin.bill import exits
from cloudai.lockin.scanned import Call, CoupledLine, Find, Fit, Place, Retirement, Scan, UsedModel, UsedOperation
from cloudai_pricing.exit_settings import parse_exit

D = Decimal
ON = date(2026, 11, 21)


def _used(operation: str, level: int, lines: int, calls: int = 1, provider: str = "aws", **more) -> UsedOperation:
    sites = tuple(
        Call(place=Place(file="app.py", line=at), name="call", levels={"gcp": level})  # type: ignore[dict-item]
        for at in range(calls)
    )
    fit = Fit(target="gcp", level=level, reasons=("a reason",), source="https://example.com", as_of="2026")  # type: ignore[arg-type]
    return UsedOperation(
        provider=provider, service="s", operation=operation, methods=("m",), calls=sites, coupled_lines=lines,
        fits={"gcp": fit}, **more,
    )  # fmt: skip


def _scan(*operations: UsedOperation, **more) -> Scan:
    find = Find(file="app.py", line=1, provider="aws", service="s", operation="", kind="client", name="boto3")
    return Scan(
        root=".",
        as_of=ON,
        horizon_months=36,
        targets=("aws", "gcp"),
        files=1,
        finds=(find,),
        operations=operations,
        **more,
    )


def test_bill_of_a_scan_recomputed() -> None:
    """Two operations, 20 shared lines spread 3 to 1, one model that stays."""
    shared = tuple(CoupledLine(file="app.py", line=at, provider="aws", service="s") for at in range(20))
    model = UsedModel(provider="aws", service="s", model_kind="classifier", name="m", exportable="no")
    scan = _scan(
        _used("vision.detect_labels", 2, 90, calls=3),
        _used("translation.translate", 1, 30),
        coupling=shared,
        models=(model,),
    )
    (found,) = exits(
        scan, parse_exit({"retraining": "900 USD", "data": "2 TB"}), monthly={"aws": D(900), "gcp": D(400)}
    )
    days = (90 + 15) * 0.57 / 18 + (30 + 5) * 0.34 / 18 + 2 + 0.5 + 5 + 5
    assert float(found.direct.days.total) == pytest.approx(days)
    assert float(found.direct.total) == pytest.approx(830 * days + 2048 * 0.09 + 900 + 400)
    assert found.direct.saving == 500
    assert found.direct.shares.adapter == D("0.75")
    neutral = (105 + 35) * 0.06 / 18 + 1 + 1 + 5
    assert float(found.neutral.days.total) == pytest.approx(neutral)
    adapter = 140 * 0.34 / 18 * 830
    assert float(found.worth) == pytest.approx(float(found.direct.residual - found.neutral.residual) - adapter)


def test_calls_through_the_interface_cost_its_rates_in_both_bills() -> None:
    scan = _scan(_used("vision.detect_labels", 2, 90), _used("vision.moderate", 2, 60, provider="cloudai"))
    (found,) = exits(scan)
    code = {item.use.name: item.code for item in found.direct.items}
    assert float(code["vision.moderate"]) == pytest.approx(60 * 0.06 / 18)
    assert float(code["vision.detect_labels"]) == pytest.approx(90 * 0.57 / 18)


def test_vendor_options_and_other_services_stay_direct_behind_the_interface() -> None:
    scan = _scan(_used("vision.detect_labels", 2, 18, options=("aws",)), _used("other", 2, 18, topic="text.sentiment"))
    (found,) = exits(scan)
    assert found.neutral.days == found.direct.days
    assert {item.use.name for item in found.direct.items} == {"vision.detect_labels", "text.sentiment"}


def test_a_retirement_in_range_is_certain_and_sets_the_slack() -> None:
    ends = date(2027, 3, 1)
    event = Retirement(
        provider="aws", service="s", feature="f", event="end_of_support", ends="2027-03-01", ends_on=ends, days=100,
        in_range=True, operations=("vision.detect_labels",),
    )  # fmt: skip
    scan = _scan(_used("vision.detect_labels", 2, 90), retirements=(event,))
    (found,) = exits(scan)
    assert found.direct.items[0].probability == 1
    assert found.direct.residual == found.direct.total
    assert found.direct.slack == (ends - ON).days - 7 * found.direct.weeks
    (other,) = exits(replace(scan, retirements=(replace(event, provider="gcp"),)))
    assert other.direct.slack is None


def test_code_that_uses_no_vendor_has_no_way_out_to_pay_for() -> None:
    assert exits(replace(_scan(), finds=())) == ()
