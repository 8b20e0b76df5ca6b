"""A scan, its bills, an estimate and a plan, each number anew from the fact files by an oracle that shares no code."""

from __future__ import annotations

import json
import random
import sys
from datetime import date
from itertools import product
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fact_oracle as oracle

from cloudai.cli import main

DAY = "2026-11-21"
REGIONS = {"aws": "us-east-1", "azure": "eastus", "gcp": "us-central1"}
CALLS = {
    "vision.detect_labels": ('labels = rekognition.detect_labels(Image={"Bytes": b""})', "labels", "Labels"),
    "vision.detect_faces": ('faces = rekognition.detect_faces(Image={"Bytes": b""})', "faces", "FaceDetails"),
    "translation.translate": (
        'text = translate.translate_text(Text="a", SourceLanguageCode="en", TargetLanguageCode="de")',
        "text",
        "TranslatedText",
    ),
}
UNITS = {"vision.detect_labels": "images", "vision.detect_faces": "images", "translation.translate": "characters"}
AZURE = """from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.models import VisualFeatures

client = ImageAnalysisClient(endpoint="https://x.cognitiveservices.azure.com", credential=None)
found = client.analyze(image_data=b"", visual_features=[VisualFeatures.TAGS])
"""


def moderation(folder: Path, source: random.Random) -> oracle.Code:
    """Code on AWS with a random part of the calls, each answer read on a random number of lines."""
    used = source.sample(sorted(CALLS), source.randint(1, 3))
    lines, counted = ["import boto3", ""], {}
    clients = dict.fromkeys(CALLS[name][0].split(" = ")[1].split(".")[0] for name in used)
    lines += [f'{client} = boto3.client("{client}")' for client in clients]
    for name in used:
        call, variable, field = CALLS[name]
        counted[name] = 1 + source.randint(1, 40)
        lines += [call, *[f'print({variable}["{field}"])'] * (counted[name] - 1)]
    (folder / "app.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return oracle.Code(source="aws", lines=counted, shared=1 + len(clients))


def speechless(folder: Path, source: random.Random) -> oracle.Code:
    """Code on Azure Image Analysis, which ends within the horizon."""
    reads = source.randint(1, 60)
    (folder / "app.py").write_text(AZURE + "print(found.tags)\n" * reads, encoding="utf-8")
    return oracle.Code(source="azure", lines={"vision.detect_labels": 1 + reads}, shared=3)


def workload(path: Path, volumes: dict[str, int], said: oracle.Said) -> None:
    exit_ = (
        f"[exit]\nengineers = {said.engineers}\ndata = \"{said.gigabytes:.0f} GB\"\nparallel_months = "
        f'{said.parallel_months}\ncommitments = "{said.commitments:.0f} USD"\n'
    )  # fmt: skip
    lines = (
        f'[[line]]\nname = "{name}"\noperation = "{name}"\nvolume = "{volume} {UNITS[name]}/month"\n'
        for name, volume in volumes.items()
    )
    path.write_text(f'name = "w"\nregion = "us"\nmonths = 4\n{exit_}\n' + "\n".join(lines), encoding="utf-8")


def monthly(volumes: dict[str, int]) -> dict[str, float]:
    """Provider -> a month, from the entries of the book."""
    return {
        provider: oracle.month(
            [(oracle.ladder(provider, region, name, DAY), volume) for name, volume in volumes.items()]
        )
        for provider, region in REGIONS.items()
    }


def document(capsys: pytest.CaptureFixture[str], *arguments: str):
    capsys.readouterr()
    assert main([*arguments, "--format", "json"]) in (0, 4)
    return json.loads(capsys.readouterr().out)


def assert_bill(found, expected: oracle.Bill) -> None:
    close = lambda number: pytest.approx(number, abs=0.011)  # noqa: E731  # cents, and days to six places
    assert {name: float(found["days"][name]) for name in expected.days} == {
        name: pytest.approx(days, abs=1e-5) for name, days in expected.days.items()
    }
    assert float(found["weeks"]) == pytest.approx(expected.weeks, abs=1e-5)
    assert {name: float(found["dollars"][name]) for name in expected.dollars} == {
        name: close(amount) for name, amount in expected.dollars.items()
    }
    assert float(found["dollars"]["total"]) == close(expected.total)
    assert [float(found[key]) for key in ("p10", "p50", "p90")] == pytest.approx(expected.draws, rel=2e-6)
    assert float(found["saving_per_month"]) == close(expected.saving)
    if expected.break_even is None:
        assert found["break_even_months"] is None
    else:
        assert float(found["break_even_months"]) == pytest.approx(expected.break_even, rel=1e-5)
    if expected.slack is None:
        assert found["slack_days"] is None
    else:
        assert float(found["slack_days"]) == pytest.approx(expected.slack, abs=1e-4)
    shares = [float(found["shares"][key]) for key in ("same", "adapter", "workaround", "none")]
    assert shares == pytest.approx(expected.shares, abs=1e-6)
    assert float(found["residual_risk"]) == pytest.approx(expected.residual, abs=0.02)


@pytest.mark.parametrize("seed", range(12))
def test_a_scan_and_its_bills(seed: int, tmp_path: Path, capsys) -> None:
    source = random.Random(seed)
    (tmp_path / "app").mkdir()
    code = (speechless if seed % 3 == 0 else moderation)(tmp_path / "app", source)
    volumes = {name: int(10 ** source.uniform(3, 8)) for name in code.lines}
    said = oracle.Said(
        on=date.fromisoformat(DAY), engineers=source.randint(1, 6), gigabytes=source.randint(0, 9000),
        parallel_months=source.randint(0, 4), commitments=source.randint(0, 5000),
    )  # fmt: skip
    workload(tmp_path / "w.toml", volumes, said)
    arguments = ["lockin", str(tmp_path / "app"), "--workload", str(tmp_path / "w.toml"), "--as-of", DAY, "--quiet"]
    found = document(capsys, *arguments)
    assert {one["operation"]: one["coupled_lines"] for one in found["operations"]} == code.lines
    assert found["coupled_lines"][code.source]["shared"] == code.shared
    costs = monthly(volumes)
    ways = {way["target"]: way for way in found["exits"]["ways"]}
    until = date(2029, 11, 21)
    for used in found["operations"]:
        for target in REGIONS.keys() - {code.source}:
            assert used["fits"][target]["level"] == oracle.kind(code.source, target, used["operation"], until)
    for target in REGIONS.keys() - {code.source}:
        direct = oracle.bill(code, target, said, costs)
        neutral = oracle.bill(code, target, said, costs, neutral=True)
        assert_bill(ways[target]["direct"], direct)
        assert_bill(ways[target]["neutral"], neutral)
        worth = direct.residual - neutral.residual - oracle.adapter_cost(code)
        assert float(ways[target]["worth_of_interface"]) == pytest.approx(worth, abs=0.03)


@pytest.mark.parametrize("seed", range(8))
def test_an_estimate_and_a_plan_from_the_entries_of_the_book(seed: int, tmp_path: Path, capsys) -> None:
    source = random.Random(seed)
    volumes = {name: int(10 ** source.uniform(2, 8.5)) for name in source.sample(sorted(CALLS), source.randint(1, 3))}
    workload(tmp_path / "w.toml", volumes, oracle.Said(on=date.fromisoformat(DAY)))
    costs = monthly(volumes)
    estimated = document(capsys, "estimate", str(tmp_path / "w.toml"), "--as-of", DAY)
    for option in estimated["options"]:
        if option["provider"] in REGIONS:
            assert float(option["month"]["likely"]) == pytest.approx(costs[option["provider"]], rel=1e-9)
            assert float(option["total"]["likely"]) == pytest.approx(4 * costs[option["provider"]], rel=1e-9)
    planned = document(capsys, "plan", str(tmp_path / "w.toml"), "--as-of", DAY)
    for line in planned["lines"]:
        for way in line["ways"]:
            entry = oracle.ladder(way["provider"], REGIONS[way["provider"]], line["operation"], DAY)
            alone = oracle.month([(entry, volumes[line["name"]])])
            assert float(way["first_month"]) == pytest.approx(alone, abs=0.006)
            assert float(way["total"]) == pytest.approx(4 * alone, abs=0.006)
    best = min(
        4 * sum(
            oracle.month([(oracle.ladder(provider, REGIONS[provider], name, DAY), volumes[name])
                          for name, there in zip(volumes, placed, strict=True) if there == provider])
            for provider in set(placed)
        )
        for placed in product(REGIONS, repeat=len(volumes))
    )  # fmt: skip
    assert float(planned["total"]) == pytest.approx(best, abs=0.006)


def test_the_worked_check_of_the_model_by_the_oracle_too() -> None:
    """12 operations with an adapter, 1,500 lines, a model that stays, 5 TB, a month at $3,000 saving $2,000."""
    days = 1500 * oracle.ADAPTED[2] / oracle.LINES_A_DAY + 12 * oracle.CHECKED[2] + oracle.STUCK + oracle.PLATFORM
    assert days == 81.5
    dollars = days * oracle.RATE + 5000 * 0.09 + 1200 + 3000
    assert round(dollars, -2) == 72_300
    assert round(dollars / 2000) == 36
    days = 1500 * oracle.ADAPTED[0] / oracle.LINES_A_DAY + 12 * oracle.CHECKED[0] + oracle.EXPORTED + oracle.PLATFORM
    dollars = days * oracle.RATE + 5000 * 0.09 + 3000
    assert (days, round(dollars, -2), round(dollars / 2000)) == (17, 17_600, 9)
