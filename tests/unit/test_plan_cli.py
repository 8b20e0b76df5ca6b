"""`cloudai plan`: the choice, its forms, limits and exit codes, by the command line."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from io import StringIO
from pathlib import Path

import jsonschema
import pytest

from cloudai.cli import main
from cloudai_pricing.plan_data import schema
from cloudai_pricing.plan_settings import defaults

D = Decimal
LINES = """
name = "shop"
region = "us"
months = 12

[[line]]
name = "photos"
operation = "vision.detect_labels"
volume = "2.4M images/month"
range = "±50%"

[[line]]
name = "calls"
operation = "speech.transcribe"
volume = "1500 hours/month"
"""
OWN = """
[local]
hardware = "3600 USD"
life = "3 years"
power = "300 W"
idle_power = "100 W"
electricity = "0.20 USD/kWh"
utilisation = "50%"
throughput = { calls = "40 hours/hour" }

[plan]
min_replicas = 1

[[plan.self]]
line = "photos"
throughput = "10 images/second"
accelerator = "L4"
training = "1200 USD"
retraining = "300 USD/month"
"""


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text(LINES + OWN, encoding="utf-8")
    return path


def document(capsys, *arguments: object):
    code = main(["plan", *map(str, arguments), "--format", "json"])
    captured = capsys.readouterr()
    assert captured.out, captured.err
    return code, json.loads(captured.out)


def ways(found, line: str):
    (one,) = [each for each in found["lines"] if each["name"] == line]
    return {way["name"]: way for way in one["ways"]}


def test_the_document_keeps_its_schema_and_its_bytes(capsys, workload) -> None:
    code, found = document(capsys, workload)
    assert code == 0
    jsonschema.validate(found, json.loads(schema()))
    assert document(capsys, workload)[1] == found
    assert [term["key"] for term in found["terms"]] == list(defaults())


def test_own_hardware_recomputed_by_hand(capsys, workload) -> None:
    """1,500 hours at 40 an hour are 37.5 machine-hours of the 365 that one machine may work."""
    _, found = document(capsys, workload)
    own = ways(found, "calls")["own hardware"]
    hardware, idling, work = D(3600) / 36, 730 * D("0.1") * D("0.20"), D("37.5") * D("0.2") * D("0.20")
    people = D(830) * D("1.5")
    assert D(own["first_month"]) == (hardware + idling + work + people).quantize(D("0.01"))
    assert D(own["once"]) == 830 * 15
    assert D(own["total"]) == (12 * (hardware + idling + work + people) + 830 * 15).quantize(D("0.01"))
    assert own["machines"] == 1
    assert float(own["idle_share"]) == pytest.approx(1 - 37.5 / 730)


def test_machines_in_a_cloud_recomputed_from_the_hourly_price(capsys, workload) -> None:
    _, found = document(capsys, workload)
    name, way = next((name, way) for name, way in ways(found, "photos").items() if way["kind"] == "cloud")
    able = 10 * 3600 * 730 * 60 // 100
    count = -(-2_400_000 // able)
    assert name.startswith("cloud ")
    assert way["machines"] == count == 1
    fixed = D(way["first_month"]) - 830 - 300
    assert fixed > 0
    code, twice = document(capsys, workload, "--set", "photos.volume=20M images/month")
    assert code == 0
    again = ways(twice, "photos")[name]
    assert again["machines"] == 2
    assert D(again["first_month"]) - 830 - 300 == 2 * fixed


def test_total_is_the_estimate_s_mix_where_there_is_only_managed(capsys, tmp_path) -> None:
    path = tmp_path / "managed.toml"
    path.write_text(LINES, encoding="utf-8")
    _, found = document(capsys, path)
    main(["estimate", str(path), "--format", "json"])
    mix = json.loads(capsys.readouterr().out)["mix"]
    assert D(found["total"]) == D(mix["total"]["likely"]).quantize(D("0.01"))
    assert found["exact"]


def test_every_crossing_changes_the_cheapest_on_its_two_sides(capsys, workload) -> None:
    """Each crossing of the document, evaluated on the ways' own pieces just below and just above."""
    _, found = document(capsys, workload)
    for line in found["lines"]:
        pieces = {way["name"]: way["pieces"] for way in line["ways"]}
        for crossing in line["crossings"]["month"]:
            at = float(crossing["above"])
            for volume, best in ((at * 0.9999, crossing["before"]), (at * 1.0001, crossing["after"])):
                costs = {name: cost for name, several in pieces.items() if (cost := _cost(several, volume)) is not None}
                assert costs[best] == pytest.approx(min(costs.values()), rel=1e-9)


def _cost(pieces, volume: float) -> float | None:
    for piece in pieces:
        if piece["up_to"] is None or volume <= float(piece["up_to"]):
            return float(piece["at"]) + float(piece["per_unit"]) * volume
    return None


def test_a_limit_on_leaving_is_kept_and_costs_more(capsys, workload) -> None:
    _, free = document(capsys, workload)
    limit = D(free["leaving"]) - 1
    _, bound = document(capsys, workload, "--max-exit", f"{limit} USD")
    assert D(bound["leaving"]) <= limit
    assert D(bound["total"]) > D(free["total"])
    assert main(["plan", str(workload), "--max-exit", "1 USD", "--provider", "aws"]) == 2
    assert "can be left" in capsys.readouterr().err


def test_front_falls_in_leaving_as_it_rises_in_cost(capsys, workload) -> None:
    _, found = document(capsys, workload)
    points = [(D(point["total"]), D(point["leaving"])) for point in found["front"]["points"]]
    assert found["front"]["exact"]
    assert points == sorted(points)
    assert [leaving for _, leaving in points] == sorted((leaving for _, leaving in points), reverse=True)
    assert points[0][0] == D(found["total"])


def test_wrong_results_cost_a_look_each(capsys, tmp_path) -> None:
    more = '[plan]\nlook = "0.40 USD"\n[[plan.quality]]\nline = "photos"\nprovider = "aws"\nerror = "3%"\n'
    path = tmp_path / "looks.toml"
    lines = LINES.replace('volume = "1500 hours/month"', 'volume = "1500 hours/month"\nrequest = "4 min"')
    path.write_text(lines + more, encoding="utf-8")
    _, found = document(capsys, path)
    aws = ways(found, "photos")["aws us-east-1"]
    bill = D("0.001") * 1_000_000 + D("0.0008") * 1_400_000
    looks = 2_400_000 * D("0.03") * D("0.40")
    assert D(aws["first_month"]) == bill + looks
    assert float(aws["per_accepted_result"]) == pytest.approx(float((bill + looks) / 2_400_000))
    assert any("no error" in note for note in ways(found, "photos")["azure eastus"]["notes"])


def test_looks_at_hours_of_speech_need_the_size_of_a_result(capsys, tmp_path) -> None:
    path = tmp_path / "looks.toml"
    more = '[plan]\nlook = "0.40 USD"\n[[plan.quality]]\nline = "calls"\nprovider = "aws"\nerror = "3%"\n'
    path.write_text(LINES + more, encoding="utf-8")
    assert main(["plan", str(path)]) == 2
    assert "request" in capsys.readouterr().err


def test_budget_and_unknown_prices_have_their_exit_codes(capsys, tmp_path, workload) -> None:
    assert main(["plan", str(workload), "--budget", "1 USD"]) == 3
    assert main(["plan", str(workload), "--budget", "1 USD/month"]) == 3
    path = tmp_path / "unknown.toml"
    path.write_text(LINES.replace("speech.transcribe", "other.sentiment").replace("hours", "records"), encoding="utf-8")
    assert main(["plan", str(path)]) == 4
    assert "incomplete" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('accelerator = "L4"', 'acelerator = "L4"', "Did you mean 'accelerator'"),
        ('line = "photos"', 'line = "photo"', "no line and no operation"),
        ('throughput = "10 images/second"', 'throughput = "10 hours/second"', "no speed"),
        ('throughput = "10 images/second"', "", "throughput or measured"),
        ('throughput = "10 images/second"', 'measured = "nowhere.json"', "can't be read"),
        ("min_replicas = 1", "min_replicas = 0", "min_replicas"),
        ("min_replicas = 1", 'regions = "us"', "list of names"),
        ("min_replicas = 1", 'max_exit = "5"', "USD"),
        ("min_replicas = 1", "people = { everyone = 1 }", "people."),
        ('throughput = "10 images/second"', 'throughput = "1 image/day"', "machines"),
    ],
)
def test_a_wrong_key_is_said_with_its_place(capsys, workload, old: str, new: str, says: str) -> None:
    text = workload.read_text(encoding="utf-8")
    assert old in text
    workload.write_text(text.replace(old, new), encoding="utf-8")
    assert main(["plan", str(workload)]) == 2
    assert says in capsys.readouterr().err


def test_all_forms_show_the_choice(capsys, workload) -> None:
    _, found = document(capsys, workload)
    chosen = {line["name"]: line["chosen"] for line in found["lines"]}
    for form in ("table", "markdown"):
        assert main(["plan", str(workload), "--format", form, "--explain"]) == 0
        shown = capsys.readouterr().out
        assert all(way in shown for way in chosen.values())
        assert all(key in shown.replace("\\", "") for key in defaults())
    main(["plan", str(workload), "--format", "csv"])
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert {row["line"]: row["way"] for row in rows if row["chosen"]} == chosen


def test_a_line_s_front_weighs_cost_leaving_latency_and_quality(capsys, workload) -> None:
    """Starred: no way is at least as good in all four and better in one; what is not known is not compared."""
    text = workload.read_text(encoding="utf-8") + 'latency = "30 ms"\nquality = 0.93\n'
    for provider, latency, quality in (("aws", 220, 0.95), ("gcp", 180, 0.96), ("azure", 400, 0.90)):
        text += f'[[plan.quality]]\nline = "photos"\nprovider = "{provider}"\n'
        text += f'latency = "{latency} ms"\nquality = {quality}\n'
    workload.write_text(text, encoding="utf-8")
    _, found = document(capsys, workload)
    several = list(ways(found, "photos").values())
    scores = [(D(w["total"]), D(w["leaving"]), D(w["latency_s"]), -D(w["quality"])) for w in several]
    for way, mine in zip(several, scores, strict=True):
        beaten = any(all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine for other in scores)
        assert way["on_front"] is not beaten, way["name"]
    assert {way["provider"] for way in several if way["on_front"]} >= {"gcp", "aws"}
    assert not all(way["on_front"] for way in several)


def test_every_price_of_a_way_has_its_source_and_its_day(capsys, workload) -> None:
    _, found = document(capsys, workload)
    services = {name for one in found["sources"] for name in one["services"]}
    assert {"Rekognition Image", "EC2"} <= services
    for one in found["sources"]:
        assert one["source"].startswith("https://")
        assert one["first"] <= one["last"] <= found["snapshot"]["date"]
    assert main(["plan", str(workload), "--format", "html"]) == 0
    page = capsys.readouterr().out
    for one in found["sources"]:
        assert one["source"] in page
        assert one["last"] in page


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_plan_is_drawn_into_a_file(capsys, workload, tmp_path, suffix: str) -> None:
    path = tmp_path / f"plan.{suffix}"
    assert main(["plan", str(workload), "--plot", str(path), "--format", "json"]) == 0
    capsys.readouterr()
    if suffix == "png":
        assert path.read_bytes().startswith(b"\x89PNG")
        return
    text = path.read_text(encoding="utf-8")
    for title in ("Cost by month and provider", "Cost against leaving", "photos by volume", "calls by volume"):
        assert title in text


def test_a_record_of_the_same_machine_is_no_assumption_and_of_another_is_one(capsys, workload) -> None:
    """The note that one machine is as fast as another stands exactly where the names of the machines differ."""
    record = {
        "schema": "cloudai.measure/1", "date": "2026-11-21", "idle_watts": None,
        "hardware": {"cpu": "c5.2xlarge, 8 vCPU", "gpu": None}, "model": {"sha256": "0" * 64},
        "best": {"batch": 8, "samples_per_second": 10, "watts": None}, "single": {"p50_ms": 9.5},
    }  # fmt: skip
    (workload.parent / "r.json").write_text(json.dumps(record), encoding="utf-8")
    text = workload.read_text(encoding="utf-8").replace('throughput = "10 images/second"', 'measured = "r.json"')
    for instance, assumed in (("c5.2xlarge", False), ("c5.4xlarge", True)):
        workload.write_text(text.replace('accelerator = "L4"', f'instance = "{instance}"'), encoding="utf-8")
        _, found = document(capsys, workload)
        machines = [way for way in ways(found, "photos").values() if way["machine"] == instance]
        assert machines, instance
        for way in machines:
            assert any("assumption" in note for note in way["notes"]) is assumed
            assert any("measured on 2026-11-21" in note for note in way["notes"])
