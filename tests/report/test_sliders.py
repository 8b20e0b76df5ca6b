"""The sliders of plans and scans: what they show is what `cloudai plan --set` and `cloudai lockin --set` print."""

from __future__ import annotations

import json
import random
import shlex
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cloudai.cli import main

pytestmark = pytest.mark.program("chromium")
D = Decimal

PORTAL = """
[exit]
parallel_months = 2

[[line]]
name = "photos"
operation = "vision.detect_labels"
volume = "2.4M images/month"

[[line]]
name = "texts"
operation = "translation.translate"
volume = "300M characters/month"
"""


def printed(capsys: pytest.CaptureFixture[str], *arguments: str):
    capsys.readouterr()
    assert main([*arguments, "--format", "json"]) in (0, 4)
    return json.loads(capsys.readouterr().out)


def written(tmp_path: Path, *arguments: str) -> Path:
    path = tmp_path / "page.html"
    assert main([*arguments, "--format", "html", "--output", str(path)]) in (0, 4)
    return path


def set_volume(page: Page, line: str, volume: str) -> None:
    page.select_option("#line", label=line)
    page.fill("#volume", volume)


def cents(text: str | None) -> Decimal | None:
    return None if text is None else D(text).quantize(D("0.01"))


def shown_plan(page: Page):
    """What the page says: the sums, the choice of each line, the ways of the chosen line, its crossings."""
    sums = page.eval_on_selector_all("#plan-sums td[data-exact]", "all => all.map(one => one.dataset.exact)")
    choices = page.eval_on_selector_all(
        "#plan-choices tr", "all => Object.fromEntries(all.map(one => [one.dataset.line, one.dataset.way]))"
    )
    ways = page.eval_on_selector_all(
        "#plan-ways tr",
        "all => Object.fromEntries(all.map(one => [one.children[1].dataset.way, "
        "[one.children[1].dataset.exact, one.children[2].dataset.exact]]))",
    )
    crossings = page.eval_on_selector_all(
        "#changes tr[data-exact]",
        "all => all.map(one => [one.dataset.exact, one.children[2].textContent, one.children[1].textContent])",
    )
    return sums, choices, ways, crossings


def assert_same(page: Page, plan, line: str) -> None:
    sums, choices, ways, crossings = shown_plan(page)
    assert page.get_attribute("#plan-sums td[data-proven]", "data-proven") == str(plan["exact"]).lower()
    assert [cents(text) for text in sums] == [D(plan["total"]), D(plan["leaving"])]
    assert choices == {one["name"]: one["chosen"] for one in plan["lines"]}
    (here,) = [one for one in plan["lines"] if one["name"] == line]
    assert {name: [cents(text) for text in found] for name, found in ways.items()} == {
        way["name"]: [D(way["first_month"]), D(way["total"])] for way in here["ways"]
    }
    month = here["crossings"]["month"]
    assert crossings == [[one["above"], one["before"], one["after"]] for one in month]


UNITS = {"photos": "images/month", "faces": "images/month", "calls": "hours/month", "archive": "pages once"}


@pytest.mark.parametrize("line", UNITS)
def test_the_plan_s_slider_gives_what_set_prints(tmp_path, shop, open_page, capsys, line):
    page = open_page(written(tmp_path, "plan", str(shop))).page
    source = random.Random(line)
    most = 5 if line == "calls" else 7.3
    for _ in range(4):
        volume = str(int(10 ** source.uniform(2, most)))
        set_volume(page, line, volume)
        assert_same(page, printed(capsys, "plan", str(shop), "--set", f"{line}.volume={volume} {UNITS[line]}"), line)


def test_where_ways_cost_the_same_the_total_is_that_of_the_command(tmp_path, shop, open_page, capsys):
    """Within allowances several ways cost nothing: which of them is named is a matter of order."""
    page = open_page(written(tmp_path, "plan", str(shop))).page
    for volume in ("0", "7"):
        set_volume(page, "photos", volume)
        plan = printed(capsys, "plan", str(shop), "--set", f"photos.volume={volume} images/month")
        assert cents(shown_plan(page)[0][0]) == D(plan["total"])


def test_several_lines_moved_and_the_command_that_is_shown(tmp_path, shop, open_page, capsys):
    page = open_page(written(tmp_path, "plan", str(shop), "--region", "us", "--months", "3")).page
    for line, volume in (("photos", "31415926"), ("faces", "2718281"), ("calls", "161.8")):
        set_volume(page, line, volume)
    command = shlex.split(page.inner_text("#shell"))
    assert command[:2] == ["cloudai", "plan"]
    assert_same(page, printed(capsys, *command[1:]), "calls")


def test_a_limit_on_leaving_is_kept_by_the_slider(tmp_path, shop, open_page, capsys):
    free = printed(
        capsys, "plan", str(shop), "--region", "us", "--provider", "aws", "--provider", "gcp", "--provider", "azure"
    )
    limit = f"{D(free['leaving']) - 1} USD"
    providers = ["--provider", "aws", "--provider", "gcp", "--provider", "azure", "--provider", "local"]
    arguments = ["plan", str(shop), "--region", "us", *providers, "--max-exit", limit]
    page = open_page(written(tmp_path, *arguments)).page
    for volume in ("100000", "9000000"):
        set_volume(page, "photos", volume)
        assert_same(page, printed(capsys, *arguments, "--set", f"photos.volume={volume} images/month"), "photos")


def test_a_volume_that_no_plan_has_is_said(tmp_path, shop, open_page, capsys):
    page = open_page(written(tmp_path, "plan", str(shop))).page
    set_volume(page, "photos", "99999999999")
    assert "more than 2000 machines" in page.inner_text("#marker")
    assert not page.is_visible("#plan-sums")
    assert main(["plan", str(shop), "--set", "photos.volume=99999999999 images/month"]) == 2
    assert "machines" in capsys.readouterr().err
    page.click("#reset")
    assert page.is_visible("#plan-sums")


@pytest.fixture
def scanned(tmp_path: Path, app: Path) -> list[str]:
    (tmp_path / "portal.toml").write_text(PORTAL, encoding="utf-8")
    workload = ["--workload", str(tmp_path / "portal.toml"), "--as-of", "2026-11-21"]
    return ["lockin", str(app), *workload, "--set", "exit.adapter_cost=500 USD"]


def test_the_scan_s_slider_gives_what_lockin_set_prints(tmp_path, scanned, open_page, capsys):
    page = open_page(written(tmp_path, *scanned)).page
    volumes = [("photos", "0"), ("photos", "123456789"), ("texts", "7"), ("texts", "987654321.5")]
    for line, volume in volumes:
        set_volume(page, line, volume)
        rows = page.eval_on_selector_all("#totals tr", "all => all.map(one => ({...one.dataset}))")
        command = shlex.split(page.inner_text("#shell"))
        ways = printed(capsys, *command[1:], "--quiet")["exits"]["ways"]
        assert any(part.startswith(f"{line}.volume={volume} ") for part in command)
        assert [row["way"] for row in rows] == [f"{way['source']} {way['target']}" for way in ways]
        for row, way in zip(rows, ways, strict=True):
            bill = way["direct"]
            assert cents(row["total"]) == D(bill["dollars"]["total"])
            assert [cents(row[key]) for key in ("p10", "p50", "p90")] == [D(bill[key]) for key in ("p10", "p50", "p90")]
            assert cents(row["neutral"]) == D(way["neutral"]["dollars"]["total"])
            assert row["months"] == (bill["break_even_months"] or "")
            assert cents(row["residual"]) == D(bill["residual_risk"])
            assert cents(row["worth"]) == cents(way["worth_of_interface"])


def test_a_scan_without_a_workload_has_no_slider(tmp_path, scanned):
    path = written(tmp_path, *scanned[:2])
    assert 'id="slider"' not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["plan", "lockin"])
def test_the_slider_is_moved_by_keys_and_reset(tmp_path, shop, scanned, open_page, kind):
    opened = open_page(written(tmp_path, *(["plan", str(shop)] if kind == "plan" else scanned)))
    page, place = opened.page, "#plan-sums" if kind == "plan" else "#totals"
    before = page.inner_text(place)
    page.focus("#slider")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#slider", "aria-valuetext") == "2,500,000 images"
    assert page.inner_text(place) != before
    expect(page.locator("#told")).to_contain_text("2,500,000 images")
    page.focus("#reset")
    page.keyboard.press("Enter")
    assert page.inner_text(place) == before
    assert opened.said == []


def test_a_plan_of_60_lines_that_share_tiers_is_the_command_s_or_says_that_it_is_not_proven(
    tmp_path, open_page, capsys
):
    lines = [
        f'[[line]]\nname = "line {number}"\noperation = "{operation}"\nvolume = "{number * 37 + 5}k {unit}"\n'
        for number in range(20)
        for operation, unit in (("vision.detect_labels", "images"), ("vision.detect_faces", "images"),
                                ("translation.translate", "characters"))
    ]  # fmt: skip
    named = [line.replace(f'"line {at // 3}"', f'"line {at}"') for at, line in enumerate(lines)]
    path = tmp_path / "sixty.toml"
    path.write_text('[plan]\nregions = ["us", "eu"]\n' + "\n".join(named), encoding="utf-8")
    page = open_page(written(tmp_path, "plan", str(path))).page
    for volume in ("90", "55000000"):
        set_volume(page, "line 0", volume)
        plan = printed(capsys, "plan", str(path), "--set", f"line 0.volume={volume} images/month")
        assert plan["exact"]
        total = cents(shown_plan(page)[0][0])
        assert total is not None
        if page.get_attribute("#plan-sums td[data-proven]", "data-proven") == "true":
            assert total == D(plan["total"])
        else:
            assert D(plan["total"]) <= total < D(plan["total"]) * D("1.002")
            assert "not proven" in page.inner_text("#plan-sums")
