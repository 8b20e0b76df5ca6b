"""The page of an estimate in a real browser: it draws, asks for nothing, and its slider is `cloudai estimate --set`."""

from __future__ import annotations

import dataclasses
import json
import random
import shlex
from decimal import Decimal
from pathlib import Path

import pypdfium2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

import cloudai_pricing
from cloudai.cli import main
from cloudai.report.volumes import curves_of
from cloudai_pricing.exact import plain
from cloudai_pricing.plans import planned

pytestmark = pytest.mark.program("chromium")

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "01_estimate" / "support_portal.toml")
RICH = """
name = "all that bills"
region = "us"
months = 14

[local]
hardware = "3200 USD"
life = "36 months"
power = "350 W"
idle_power = "60 W"
electricity = "0.30 USD/kWh"
throughput = { "calls" = "40 hours/hour", "photos" = "7 images/second" }

[[line]]
name = "photos"
operation = "vision.detect_labels"
volume = "2.4M images/month"
growth = "5.5%/month"
range = "±30%"

[[line]]
name = "faces"
operation = "vision.detect_faces"
volume = "1.1M images/month"

[[line]]
name = "calls"
operation = "speech.transcribe"
volume = "1500 hours/month"
request = "7 s"
channels = 2

[[line]]
name = "texts"
operation = "translation.translate"
volume = "300M characters/month"
targets = 3
growth = "-3%/month"

[[line]]
name = "once"
operation = "vision.read_document"
volume = "700k pages once"

[[line]]
name = "traffic"
operation = "egress"
volume = "120 TB/month"

[[line]]
name = "kept"
operation = "storage"
volume = "40 TB/month"

[[line]]
name = "voice"
operation = "speech.synthesize"
volume = "9M characters/month"
request = "90 characters"
"""
OVERLAY = """
[[price]]
provider = "aws"
service = "Own"
sku = "committed"
kind = "commitment"
operations = ["vision.detect_faces"]
region = "us-east-1"
unit = "image"
commitment = { fee = "650.25", per = "month", included = "1000000", overage = "0.00065" }
effective_from = "2025-01-01"
as_of = "2025-01-01"
source = "contract"
confidence = "own"

[[discount]]
provider = "gcp"
service = "*"
percent = "12.5"
"""


def estimated(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    """Provider -> the exact total, as `cloudai estimate` prints it."""
    capsys.readouterr()
    assert main(["estimate", *arguments, "--format", "json"]) in (0, 4)
    options = json.loads(capsys.readouterr().out)["options"]
    return {option["provider"]: option["total"]["likely"] for option in options}


def test_the_page_says_nothing_on_the_console_and_asks_for_nothing(report, open_page):
    path = report(EXAMPLE)
    opened = open_page(path)
    opened.page.wait_for_timeout(200)
    assert opened.said == []
    assert opened.asked == [path.as_uri()]


def test_every_chart_is_drawn_with_marks_inside_its_box(report, open_page):
    page = open_page(report(EXAMPLE)).page
    drawn = page.eval_on_selector_all(
        ".chart",
        """boxes => boxes.map(box => {
            const svg = box.querySelector(':scope > svg');
            const size = svg.getBoundingClientRect();
            return {kind: box.id, width: size.width, height: size.height, label: svg.getAttribute('aria-label'),
                    marks: svg.querySelectorAll('path[stroke], path[fill], rect, circle').length};
        })""",
    )
    assert len(drawn) == 7  # by volume, by month, front, three ways out, tornado
    for chart in drawn:
        assert chart["width"] > 900, chart
        assert chart["height"] > 80, chart
        assert chart["marks"] > 1, chart
        assert len(chart["label"]) > 20, chart


@pytest.mark.parametrize(
    ("line", "unit", "volumes"),
    [
        (
            "product photos",
            "images",
            ["0", "1", "999", "1000", "1001", "1000000", "5000001", "123456789", "36000000000"],
        ),
        ("call recordings", "hours", ["0.5", "1500", "5001", "250000.123456789"]),
        ("help texts", "characters", ["500000", "500001", "999999999"]),
    ],
)
def test_the_slider_gives_what_set_prints_at_the_same_volume(report, open_page, capsys, line, unit, volumes):
    opened = open_page(report(EXAMPLE))
    for volume in volumes:
        there = opened.set_volume(line, volume)
        assert there == estimated(capsys, EXAMPLE, "--set", f"{line}.volume={volume} {unit}/month"), volume


@pytest.mark.parametrize("free_tier", ["none", "always", "all"])
def test_sums_at_random_volumes_are_exact_with_pools_fees_rounding_growth_and_machines_of_ones_own(
    tmp_path, report, open_page, free_tier
):
    (tmp_path / "rich.toml").write_text(RICH)
    (tmp_path / "own.toml").write_text(OVERLAY)
    arguments = [str(tmp_path / "rich.toml"), "--prices", str(tmp_path / "own.toml"), "--free-tier", free_tier]
    page = open_page(report(*arguments)).page
    workload = cloudai_pricing.load(tmp_path / "rich.toml")
    source = random.Random(7)
    variants = [[volume_near(line.likely, source) for line in workload.lines] for _ in range(25)]
    found = page.evaluate(
        """variants => {
            const tables = Bill.read(JSON.parse(document.getElementById('data').textContent).tables);
            return variants.map(bases => Object.fromEntries(tables.providers.map(one => {
                const bill = Bill.total(tables, one, bases.map(base => Bill.scaled(base, 9)));
                return [one.provider, [Bill.plain(tables, bill.total), bill.complete]];
            })));
        }""",
        [[format(base, "f") for base in bases] for bases in variants],
    )
    overlay = cloudai_pricing.load_overlay(tmp_path / "own.toml")
    for bases, there in zip(variants, found, strict=True):
        lines = tuple(at_volume(line, base) for line, base in zip(workload.lines, bases, strict=True))
        moved = dataclasses.replace(workload, lines=lines)
        here = cloudai_pricing.estimate(moved, overlay=overlay, free_tier=free_tier)
        expected = {one.provider: [plain(one.total.likely), one.complete] for one in here.options}
        assert there == expected, bases


def volume_near(base: Decimal, source: random.Random) -> Decimal:
    """From nothing to a thousandfold, with up to nine decimals."""
    if source.random() < 0.1:
        return Decimal(0)
    return (base * Decimal(10 ** source.uniform(-3, 3))).quantize(
        Decimal("1e-9") if source.random() < 0.5 else Decimal(1)
    )


def at_volume(line, base: Decimal):
    return dataclasses.replace(line, low=base, likely=base, high=base)


def test_what_the_page_prints_is_what_the_table_prints(report, open_page, capsys):
    page = open_page(report(EXAMPLE)).page
    page.select_option("#line", label="product photos")
    page.fill("#volume", "7654321")
    capsys.readouterr()
    main(["estimate", EXAMPLE, "--set", "product photos.volume=7654321 images/month", "--format", "csv"])
    main(["estimate", EXAMPLE, "--set", "product photos.volume=7654321 images/month"])
    text = capsys.readouterr().out
    for cell in page.locator("#totals td[data-exact]").all_inner_texts():
        assert cell.removesuffix(" ✓") in text


def test_the_command_that_is_shown_gives_the_totals_that_are_shown(report, open_page, capsys):
    opened = open_page(report(EXAMPLE, "--provider", "aws", "--provider", "gcp", "--months", "5"))
    opened.set_volume("product photos", "31415926")
    there = opened.set_volume("call recordings", "2718.28")
    command = shlex.split(opened.page.inner_text("#shell"))
    assert command[:2] == ["cloudai", "estimate"]
    assert there == estimated(capsys, *command[2:])


def test_the_slider_is_moved_by_keys_and_tells_where_it_is(report, open_page):
    opened = open_page(report(EXAMPLE))
    before = opened.totals()
    opened.page.focus("#slider")
    opened.page.keyboard.press("ArrowRight")
    assert opened.page.get_attribute("#slider", "aria-valuetext") == "2,500,000 images"
    assert opened.totals() != before
    expect(opened.page.locator("#told")).to_contain_text("2,500,000 images")
    opened.page.keyboard.press("Home")
    assert opened.page.get_attribute("#slider", "aria-valuetext") == "24,000 images"
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Enter")
    assert opened.totals() == before


@pytest.mark.parametrize("line", ["product photos", "help texts", "spoken answers", "scanned letters"])
def test_the_crossings_that_are_listed_are_where_the_planner_has_them(report, open_page, line):
    page = open_page(report(EXAMPLE)).page
    page.select_option("#line", label=line)
    rows = [row.split("\t") for row in page.locator("#changes tr").all_inner_texts()]
    listed = [(Decimal(at.split(" ")[0].replace(",", "")), what.strip("✦ ")) for at, _, what in rows if "✦" in what]
    found = curves_of(planned(cloudai_pricing.load(EXAMPLE)), line)
    assert found is not None
    stated, _, _, crossings = found
    near = sorted((at, what) for at, what in listed if at <= stated.now * 3)
    expected = sorted((mark.at, mark.what) for mark in crossings)
    assert [what for _, what in near] == [what for _, what in expected]
    for (at, _), (exact, _) in zip(near, expected, strict=True):
        assert abs(at - exact) < Decimal("0.0000001")


def test_each_edge_of_a_tier_is_listed_with_the_price_before_and_after(report, open_page):
    page = open_page(report(EXAMPLE)).page
    page.select_option("#line", label="product photos")
    listed = page.locator("#changes tr").all_inner_texts()
    assert "1,000 images\t$0.00\tgcp: the next image: free → $0.0015" in listed
    assert "1,000,000 images\t$1,000.00\taws: the next image: $0.001 → $0.0008" in listed


def test_a_volume_that_is_no_number_is_marked_and_changes_nothing(report, open_page):
    opened = open_page(report(EXAMPLE))
    before = opened.totals()
    for text in ("", "-3", "1e9", "3M", "NaN", "9" * 40):
        opened.page.fill("#volume", text)
        assert opened.page.get_attribute("#volume", "aria-invalid") == "true", text
        assert opened.totals() == before
    opened.page.fill("#volume", "2_400_000")
    assert opened.page.get_attribute("#volume", "aria-invalid") == "false"


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing_wrong(report, open_page, look):
    size = {"width": 390, "height": 844} if look == "phone" else {"width": 1200, "height": 900}
    page = open_page(report(EXAMPLE), viewport=size, color_scheme="dark" if look == "dark" else "light").page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    found = Axe().run(page).response
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]] == []
    assert len(found["passes"]) > 25


def test_every_chart_has_its_numbers_as_a_table(report, open_page, capsys):
    page = open_page(report(EXAMPLE)).page
    figures = page.locator("figure")
    assert all(figures.nth(at).locator("table").count() == 1 for at in range(figures.count()))
    page.get_by_text("Cost by month and provider: the numbers").click()
    cells = page.locator("#months figure tbody tr").nth(11).locator("td").all_inner_texts()
    capsys.readouterr()
    main(["estimate", EXAMPLE, "--format", "json"])
    options = json.loads(capsys.readouterr().out)["options"]
    assert cells == [f"${Decimal(option['by_month'][11]['cost']['likely']):,.2f}" for option in options]


def test_a_phone_sees_the_page_without_moving_it_sideways(report, open_page):
    page = open_page(report(EXAMPLE), viewport={"width": 390, "height": 844}).page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    widths = page.eval_on_selector_all(".chart > svg", "all => all.map(one => one.getBoundingClientRect().right)")
    assert widths
    assert max(widths) <= 390


def test_colours_follow_the_system_until_the_button_is_pressed(report, open_page):
    page = open_page(report(EXAMPLE), color_scheme="dark").page
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(20, 23, 27)"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.click("#theme")
    assert page.evaluate(ground) == "rgb(20, 23, 27)"
    assert page.inner_text("#theme") == "Light colours"


def test_paper_shows_every_table_on_white_also_of_a_dark_page(report, open_page, tmp_path):
    page = open_page(report(EXAMPLE), color_scheme="dark").page
    page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    with pypdfium2.PdfDocument(tmp_path / "report.pdf") as document:
        text = "\n".join(sheet.get_textpage().get_text_range() for sheet in document)
        corner = document[0].render(scale=1).to_pil().getpixel((2, 2))
    assert corner == (255, 255, 255)
    text = "".join(text.split())
    for words in ("Rekognition Image: Group 2 image APIs", "swing", "https://cloud.google.com/vision/pricing"):
        assert words.replace(" ", "") in text
    assert page.locator("details:not([open])").count() > 5  # as they were


def test_the_policy_stops_what_would_be_loaded_or_run(report, open_page):
    opened = open_page(report(EXAMPLE))
    stopped = opened.page.evaluate(
        """() => new Promise(done => {
            const seen = [];
            document.addEventListener('securitypolicyviolation', event => {
                seen.push(event.effectiveDirective);
                if (seen.length === 3) done(seen);
            });
            const image = document.createElement('img');
            image.src = 'http://127.0.0.1:9/pixel.gif';
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(image, script);
            fetch('http://127.0.0.1:9/').catch(() => {});
        })"""
    )
    assert sorted(stopped) == ["connect-src", "img-src", "script-src-elem"]
    assert opened.page.evaluate("window.ran") is None


def test_without_scripts_the_tables_are_there_and_no_empty_places(report, open_page):
    page = open_page(report(EXAMPLE), java_script_enabled=False).page
    assert "The slider needs scripts" in page.inner_text("#volumes")
    assert not page.locator("#slider").is_visible()
    assert page.locator("#bill table").first.is_visible()


HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"quoted\" & 'single' <!-- -->",
    "شكرا جزيلا",
    "📷 photos 👩🏽",
    "w" * 200,
    "a.b.c = d\\e ${x} `y`",
]


def test_names_that_would_break_a_page_are_shown_as_they_are(tmp_path, report, open_page):
    lines = [
        f'[[line]]\nname = {json.dumps(name, ensure_ascii=False)}\noperation = "vision.detect_labels"\n'
        f'volume = "{number + 1}M images"\nrange = "±30%"\n'
        for number, name in enumerate(HOSTILE)
    ]
    (tmp_path / "hostile.toml").write_text(
        f"name = {json.dumps(HOSTILE[1], ensure_ascii=False)}\n" + "\n".join(lines), encoding="utf-8"
    )
    opened = open_page(report(str(tmp_path / "hostile.toml")), viewport={"width": 390, "height": 844})
    page = opened.page
    assert page.inner_text("h1") == HOSTILE[1]
    assert page.title() == HOSTILE[1]
    shown = page.locator("#bill table").first.locator("tbody th").all_inner_texts()
    assert shown[: len(HOSTILE)] == HOSTILE
    for number in range(len(HOSTILE)):
        page.select_option("#line", value=str(number))
        page.fill("#volume", "77")
    assert page.locator("img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert opened.said == []


KINDS = [("vision.detect_labels", "images"), ("speech.transcribe", "hours"), ("translation.translate", "characters")]


def test_a_workload_of_500_lines_is_usable(tmp_path, report, open_page, capsys):
    lines = []
    for number in range(500):
        operation, unit = KINDS[number % 3]
        volume = f'volume = "{number + 1}k {unit}"\ngrowth = "2%/month"'
        lines.append(f'[[line]]\nname = "line {number}"\noperation = "{operation}"\n{volume}\n')
    path = tmp_path / "large.toml"
    path.write_text("\n".join(lines))
    page = report(str(path))
    assert page.stat().st_size < 3_000_000
    opened = open_page(page)
    there = opened.set_volume("line 498", "5000000")
    assert there == estimated(capsys, str(path), "--set", "line 498.volume=5000000 images/month")
    assert opened.said == []


@pytest.fixture(params=["plan", "exit"])
def other(request, tmp_path, shop, app) -> Path:
    """The page of a plan, and that of an exit."""
    path = tmp_path / "report.html"
    if request.param == "plan":
        assert main(["plan", str(shop), "--format", "html", "--output", str(path)]) == 0
        return path
    arguments = ["lockin", str(app), "--workload", EXAMPLE, "--format", "html", "--output", str(path)]
    assert main(arguments) == 0
    return path


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_pages_of_plans_and_exits_are_drawn_quiet_and_accessible(other, open_page, look):
    size = {"width": 390, "height": 844} if look == "phone" else {"width": 1200, "height": 900}
    opened = open_page(other, viewport=size, color_scheme="dark" if look == "dark" else "light")
    page = opened.page
    charts = page.locator(".chart")
    assert charts.count() >= 2
    assert all(charts.nth(at).locator(":scope > svg").bounding_box()["height"] > 80 for at in range(charts.count()))
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert [one["id"] for one in Axe().run(page).response["violations"]] == []
    assert opened.said == []
    assert opened.asked == [other.as_uri()]


def test_plans_and_exits_on_paper_are_white_with_every_table_and_no_controls(other, open_page, tmp_path):
    page = open_page(other, color_scheme="dark").page
    page.pdf(path=tmp_path / "page.pdf", format="A4", print_background=True)
    with pypdfium2.PdfDocument(tmp_path / "page.pdf") as document:
        text = "".join("".join(sheet.get_textpage().get_text_range() for sheet in document).split())
        corner = document[0].render(scale=1).to_pil().getpixel((2, 2))
    assert corner == (255, 255, 255)
    assert "day_rate" in text  # of a table that is folded on the screen
    assert "Asplanned" not in text  # the slider's button
    assert "Thesame,onthecommandline" in text
