"""The report without a browser: what a page carries, what it never does, the vendored library, the plots."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

import cloudai_pricing
from cloudai.cli import main
from cloudai.report import page_of, page_of_exit
from cloudai.report.charts import Step, Waterfall, front
from cloudai.report.vendor import ASSETS, vendored, wrong
from cloudai.report.volumes import curves_of
from cloudai_pricing.plans import planned

D = Decimal
EXAMPLE = Path(__file__).parents[2] / "examples" / "01_estimate" / "support_portal.toml"


def page(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["estimate", *arguments, "--format", "html"]) in (0, 4)
    return capsys.readouterr().out


class Parts(html.parser.HTMLParser):
    """Elements with their attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", {}))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        if tag == "script" and "type" not in attributes:
            self.scripts.append(data)


def test_a_page_is_smaller_than_700_kb(capsys):
    assert len(page(capsys, str(EXAMPLE)).encode()) < 700_000


def test_the_policy_names_every_script_by_its_hash_and_allows_nothing_else(capsys):
    parts = Parts(page(capsys, str(EXAMPLE)))
    policy = next(a["content"] or "" for tag, a in parts.tags if a.get("http-equiv") == "Content-Security-Policy")
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in parts.scripts}
    assert set(re.findall(r"sha256-([^']+)", policy)) == hashes
    assert len(hashes) == 7
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy
    assert not any(name.startswith("on") for _, attributes in parts.tags for name in attributes)


def test_vendored_files_are_what_the_table_says_with_licence_and_version():
    assert wrong() == []
    for one in vendored():
        assert one.licence == "ISC"
        assert one.version in one.source
    assert {path.name for path in ASSETS.glob("*.min.js")} == {
        one.name for one in vendored() if one.name.endswith("js")
    }
    assert "Observable" in (ASSETS / "plot.LICENSE").read_text()
    assert "Mike Bostock" in (ASSETS / "d3.LICENSE").read_text()


def test_a_changed_vendored_file_is_told(tmp_path):
    for one in vendored():
        (tmp_path / one.name).write_bytes((ASSETS / one.name).read_bytes())
    (tmp_path / "d3.min.js").write_text("alert(1)")
    (tmp_path / "plot.LICENSE").unlink()
    assert [text.partition(" ")[0] for text in wrong(tmp_path)] == ["plot.LICENSE", "d3.min.js"]


@pytest.mark.parametrize("form", ["json", "csv", "table", "markdown", "focus"])
def test_no_other_form_imports_the_report(form):
    script = (
        "import sys; from cloudai.cli import main; "
        f"main(['estimate', {str(EXAMPLE)!r}, '--format', {form!r}, '--output', '/dev/null']); "
        "print([name for name in sys.modules if name.startswith(('cloudai.report', 'matplotlib'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tables_hold_decimal_strings_and_no_floats(capsys):
    text = page(capsys, str(EXAMPLE))
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])  # type: ignore[index]

    def numbers(value: object) -> list[float]:
        if isinstance(value, dict):
            return [one for part in value.values() for one in numbers(part)]
        if isinstance(value, list):
            return [one for part in value for one in numbers(part)]
        return [value] if isinstance(value, float) else []

    assert numbers(data["tables"]) == []
    assert len(data["tables"]["prices"]) > 5


def test_every_assumption_and_every_price_date_is_in_the_page(capsys):
    text = page(capsys, str(EXAMPLE))
    result = cloudai_pricing.estimate(cloudai_pricing.load(EXAMPLE))
    for one in result.options:
        for line in one.lines:
            assert {piece.as_of for piece in line.slices} <= set(re.findall(r"\d{4}-\d\d-\d\d", text))
    assert all(html.escape(assumed) in text for assumed in result.assumptions)


def test_a_page_without_plans_has_no_slider():
    result = cloudai_pricing.estimate(cloudai_pricing.load(EXAMPLE))
    assert 'id="slider"' not in page_of(result)
    assert 'id="slider"' in page_of(result, several=planned(cloudai_pricing.load(EXAMPLE)))


def test_an_unknown_price_is_a_lower_bound_in_the_page(capsys):
    text = page(capsys, "vision.detect_labels=3M images", "vision.detect_landmarks=1k images", "--provider", "aws")
    assert ">&gt;= $31,200.00<" in text
    assert "What is not known" in text


def test_a_line_with_a_range_has_its_tornado_without_asking(capsys, tmp_path):
    assert "What moves the total of the mix" in page(capsys, str(EXAMPLE))
    path = tmp_path / "certain.toml"
    path.write_text('[[line]]\nname = "photos"\noperation = "vision.detect_labels"\nvolume = "1k images"\n')
    assert "What moves the total of" not in page(capsys, str(path))


def test_crossings_of_a_line_are_where_the_costs_are_equal():
    workload = cloudai_pricing.load(EXAMPLE)
    several = planned(workload)
    for line in workload.lines:
        found = curves_of(several, line.name)
        assert found is not None
        _, curves, edges, crossings = found
        for mark in crossings:
            costs = {}
            for curve in curves:
                for (x, y), (x2, y2) in zip(curve.points, curve.points[1:], strict=False):
                    if x <= mark.at <= x2 and x2 > x:
                        costs[curve.name] = y + (y2 - y) * (mark.at - x) / (x2 - x)
            least = sorted(costs.values())
            assert least[0] == pytest.approx(mark.cost, abs=D("0.000001"))
            assert least[1] == pytest.approx(mark.cost, abs=D("0.000001"))
        for edge in edges:
            assert edge.what.partition(":")[0] in {curve.name for curve in curves}


def test_the_front_is_what_nothing_beats():
    points = front([("a", D(1), D(9)), ("b", D(2), D(3)), ("c", D(3), D(3)), ("d", D(5), D(1)), ("e", D(1), D(9))])
    assert [(point.name, point.best) for point in points] == [
        ("a", True),
        ("e", True),
        ("b", True),
        ("c", False),
        ("d", True),
    ]


def test_a_waterfall_adds_up():
    chart = Waterfall(title="t", summary="s", steps=(Step("a", D("1.10")), Step("b", D("2.20"))))
    assert chart.total == D("3.30")
    assert chart.table().rows[-1] == ("total", "$3.30")
    rows = chart.data()["rows"]
    assert [row["from"] for row in rows] == [0.0, 1.1, 0.0]  # type: ignore[index, attr-defined]


def test_the_page_of_a_plan_has_all_its_crossings(capsys, tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text(
        'name = "shop"\n[[line]]\nname = "photos"\noperation = "vision.detect_labels"\nvolume = "2.4M images/month"\n'
        '[plan]\n[[plan.self]]\nline = "photos"\nthroughput = "10 images/second"\naccelerator = "L4"\n'
    )
    assert main(["plan", str(path), "--format", "json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert main(["plan", str(path), "--format", "html"]) == 0
    text = capsys.readouterr().out
    for way in plan["lines"][0]["ways"]:
        assert way["name"] in text
    assert "photos by volume" in text
    assert f"${D(plan['total']):,.2f}" in text
    crossed = plan["lines"][0]["crossings"]
    assert len(crossed["month"]) > 1
    for one in [*crossed["month"], *crossed["plan"]]:
        assert f">{D(one['above']).quantize(D(1)):,} images<" in text


def test_the_page_of_an_exit_has_bills_finds_and_terms(tmp_path):
    from cloudai.lockin import scan
    from cloudai.lockin.bill import exits
    from cloudai_pricing.exit_terms import Terms

    source = 'import boto3\nclient = boto3.client("rekognition")\nanswer = client.detect_labels(Image={"Bytes": b""})\n'
    (tmp_path / "app.py").write_text(source + 'print(answer["Labels"][0]["Name"])\n')
    found = scan(tmp_path)
    bills = exits(found)
    text = page_of_exit(found, bills, Terms())
    assert f"${bills[0].direct.total:,.2f}" in text
    assert "app.py:3" in text
    assert "lines_per_day" in text


def test_lockin_writes_its_page_and_its_plot(capsys, tmp_path):
    (tmp_path / "app").mkdir()
    app = 'import boto3\nboto3.client("rekognition").detect_labels(Image={"Bytes": b""})\n'
    (tmp_path / "app" / "app.py").write_text(app)
    plot = ["--plot", str(tmp_path / "bill.svg"), "--quiet", "--as-of", "2026-11-21"]
    arguments = [str(tmp_path / "app"), *plot, "--format", "html", "--fail-on", "portable<101%"]
    main(["lockin", *arguments])
    text = capsys.readouterr().out
    assert "Leaving aws for" in text
    assert "portable&lt;101%" in text
    assert "Leaving aws for" in (tmp_path / "bill.svg").read_text()


def test_a_plot_of_no_bill_is_refused(capsys, tmp_path):
    (tmp_path / "app.py").write_text("print(1)\n")
    assert main(["lockin", str(tmp_path / "app.py"), "--plot", str(tmp_path / "bill.svg"), "--quiet"]) == 2
    assert "no bill to draw" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_plot_is_a_file_of_its_kind(capsys, tmp_path, suffix):
    path = tmp_path / f"portal.{suffix}"
    assert main(["estimate", str(EXAMPLE), "--plot", str(path), "--format", "json"]) == 0
    if suffix == "png":
        with Image.open(path) as image:
            assert image.width > 1000
            assert len(image.convert("RGB").getcolors(1 << 24) or []) > 20
    else:
        text = path.read_text()
        assert "Cost by month and provider" in text
        assert "product photos by volume" in text


def test_the_same_estimate_gives_the_same_svg(tmp_path):
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for path in files:
        assert main(["estimate", str(EXAMPLE), "--plot", str(path), "--output", str(tmp_path / "table")]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("name", ["plot.pdf", "plot", "nowhere/plot.svg"])
def test_a_plot_that_can_not_be_written_is_told(capsys, tmp_path, name):
    assert main(["estimate", str(EXAMPLE), "--plot", str(tmp_path / name)]) == 2
    assert "--plot" in capsys.readouterr().err
