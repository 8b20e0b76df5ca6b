"""Advice on commitments, reservations and spot, each recomputed from its prices by hand."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path

import pytest

from cloudai.cli import main
from cloudai_pricing.plan_commit import interrupted

D = Decimal


def _plan(capsys, tmp_path: Path, text: str, *flags: str):
    path = tmp_path / "work.toml"
    path.write_text(text, encoding="utf-8")
    code = main(["plan", str(path), "--format", "json", *flags])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def test_commitment_pays_where_its_fee_is_below_the_price_of_use(capsys, tmp_path) -> None:
    """Azure's hours in advance against its price of an hour: a commitment starts to pay where use costs its fee."""
    found = _plan(
        capsys, tmp_path,
        '[[line]]\nname = "calls"\noperation = "speech.transcribe"\nvariant = "streaming"\n'
        'volume = "4000 hours"\nrange = "±50%"\n',
        "--provider", "azure",
    )  # fmt: skip
    advice = [one for one in found["commitments"] if one["line"] == "calls"]
    assert advice, "Azure sells hours of speech in advance"
    way = found["lines"][0]["ways"][0]
    for one in advice:
        assert one["source"].startswith("https://")
        for word, volume in (("low", 2000), ("likely", 4000), ("high", 6000)):
            saved = one["saves"][word]
            worth = any(D(span["above"]) < volume <= D(span["up_to"]) for span in one["worth"])
            assert saved is not None
            assert worth == (D(saved) > 0), (one["sku"], word)
        for span in one["worth"]:
            edge = float(span["above"])
            by_use = _cost(way["pieces"], edge)
            assert by_use == pytest.approx(float(one["fee_per_month"]), rel=1e-6)


def _cost(pieces, volume: float) -> float | None:
    for piece in pieces:
        if piece["up_to"] is None or volume <= float(piece["up_to"]):
            return float(piece["at"]) + float(piece["per_unit"]) * volume
    return None


def test_reservation_breaks_even_at_its_fee_over_the_hours_on_demand(capsys, tmp_path) -> None:
    found = _plan(
        capsys, tmp_path,
        '[plan]\nmin_replicas = 2\n[[plan.self]]\nline = "photos"\nthroughput = "1 image/second"\n'
        'instance = "c5.2xlarge"\nwhere = ["cloud"]\n'
        '[[line]]\nname = "photos"\noperation = "vision.detect_labels"\nvolume = "100k images"\n',
    )  # fmt: skip
    (one,) = found["reservations"]
    assert one["sku"].startswith("c5.2xlarge reserved")
    monthly = D(one["on_demand_hourly"]) * 730
    assert D(one["on_demand_hourly"]) == D("0.34")
    assert float(one["break_even_use"]) == pytest.approx(float(D(one["fee_per_month"]) / monthly), abs=1e-4)
    assert one["steady_machines"] == 2
    assert D(one["saves_per_month"]) == pytest.approx(2 * (monthly - D(one["fee_per_month"])), abs=D("0.02"))


def test_spot_training_pays_its_interruptions(capsys, tmp_path) -> None:
    """Daly's expected time, by hand, at the interval that is printed."""
    text = ('[plan]\ninterruptions = 10\n'
            '[[line]]\nname = "train"\noperation = "custom.train"\naccelerator = "L4"\nhours = 100\n')  # fmt: skip
    found = _plan(capsys, tmp_path, text.replace("hours = 100", 'volume = "100 hours"'))
    assert found["spot"], "a cloud sells L4 on demand and as spot for training"
    for one in found["spot"]:
        mean, save, again, every = 10.0, 2 / 60, 10 / 60, float(one["checkpoint_every_hours"])
        assert every == pytest.approx(math.sqrt(2 * save * mean) - save, abs=0.001)
        overhead = mean * math.exp(again / mean) * math.expm1((every + save) / mean) / every
        assert float(one["overhead"]) == pytest.approx(overhead, rel=1e-3)
        saving = 100 * (float(one["on_demand_hourly"]) - float(one["spot_hourly"]) * float(one["overhead"]))
        assert float(one["saves_per_month"]) == pytest.approx(saving, abs=0.02)
        bound = one["break_even_interruptions_per_hour"]
        if bound is not None and float(bound) > 0:
            ratio = float(one["on_demand_hourly"]) / float(one["spot_hourly"])
            assert interrupted(float(bound), save, again)[1] == pytest.approx(ratio, rel=1e-3)


def test_without_interruptions_nothing_is_lost_and_more_of_them_cost_more() -> None:
    assert interrupted(0.0, 0.03, 0.2) == (0.0, 1.0)
    rates = [0.001, 0.01, 0.1, 1.0, 10.0]
    overheads = [interrupted(rate, 0.03, 0.2)[1] for rate in rates]
    assert overheads == sorted(overheads)
    assert overheads[0] == pytest.approx(1.0, abs=0.02)
    assert interrupted(1e6, 0.03, 0.2)[1] == math.inf


def test_advice_is_worded_as_advice(capsys, tmp_path) -> None:
    path = tmp_path / "work.toml"
    path.write_text(
        '[[line]]\nname = "calls"\noperation = "speech.transcribe"\nvolume = "4000 hours"\nvariant = "streaming"\n',
        encoding="utf-8",
    )
    main(["plan", str(path), "--provider", "azure"])
    assert "Advice: " in capsys.readouterr().out
