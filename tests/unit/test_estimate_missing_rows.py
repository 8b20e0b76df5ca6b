"""A price row that is taken out of the book, or that stands twice: seen by whoever asks, never a lower total.

The command runs on a copy of the planner whose readable book was edited, as a user's checkout would be.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import cloudai_pricing
from cloudai_pricing.book import Book
from cloudai_pricing.estimator import estimate
from cloudai_pricing.model import LineCost
from cloudai_pricing.workload_file import load

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    path for path in (ROOT / "examples").rglob("*.toml") if "[[line]]" in path.read_text(encoding="utf-8")
)
Key = tuple[str, str, str]


def used(path: Path) -> list[Key]:
    """Provider, SKU and region of each row that a workload's estimate stands on."""
    options = estimate(load(path)).options
    return sorted({(o.provider, s.sku, s.region) for o in options for line in o.lines for s in line.slices})


def test_there_are_examples_and_they_use_rows():
    assert len(EXAMPLES) >= 2
    assert all(used(path) for path in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_without_any_row_in_use_the_line_is_unknown_or_dearer(path):
    workload = load(path)
    whole = {option.provider: option for option in estimate(workload).options}
    rows = [{key: value for key, value in row.items() if key != "until"} for row in Book.shipped().rows()]
    for gone in used(path):
        kept = [row for row in rows if (row["provider"], row["sku"], row["region"]) != gone]
        less = {option.provider: option for option in estimate(workload, book=Book.of(kept)).options}
        if gone[0] in less:
            for before, after in zip(whole[gone[0]].lines, less[gone[0]].lines, strict=True):
                assert not after.complete or cost(after) >= cost(before), (gone, before.name)


def cost(line: LineCost) -> Decimal:
    assert line.cost is not None
    return line.cost.likely


class Checkout:
    """A copy of the planner, found before the installed one."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "cloudai_pricing"
        shutil.copytree(Path(cloudai_pricing.__file__).parent, self.package, ignore=shutil.ignore_patterns("*.pyc"))

    def edit(self, key: Key, *, times: int) -> str:
        """Has a row so many times; gives its source."""
        for file in sorted((self.package / "book").glob("*.toml")):
            text = file.read_text(encoding="utf-8")
            blocks = re.split(r"(?m)^(?=\[\[price\]\])", text)
            for number, block in enumerate(blocks):
                lines = set(block.splitlines())
                if {f'provider = "{key[0]}"', f'sku = "{key[1]}"', f'region = "{key[2]}"'} <= lines:
                    blocks[number] = block * times
                    file.write_text("".join(blocks), encoding="utf-8")
                    return next(line for line in lines if line.startswith("source = ")).split('"')[1]
        raise AssertionError(f"no row {key}")

    def estimate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(self.package.parent)}
        command = [sys.executable, "-m", "cloudai", "estimate", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _others(document, provider):
    """The options of the others; what it costs to leave them may well depend on the one that lacks a price."""
    return [{**one, "exit": None} for one in document["options"] if one["provider"] != provider]


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_the_command_says_at_least_and_exits_with_4(tmp_path, provider):
    example = EXAMPLES[0]
    key = next(key for key in used(example) if key[0] == provider)
    checkout = Checkout(tmp_path)
    whole = json.loads(checkout.estimate(str(example), "--format", "json").stdout)
    checkout.edit(key, times=0)
    shown = checkout.estimate(str(example))
    assert shown.returncode == 4, shown.stderr
    assert ">= $" in shown.stdout
    assert f">= {provider}: " in shown.stdout
    less = json.loads(checkout.estimate(str(example), "--format", "json").stdout)
    assert [one["complete"] for one in less["options"] if one["provider"] == provider] == [False]
    assert _others(less, provider) == _others(whole, provider)


def test_the_command_names_both_sources_of_a_row_that_stands_twice(tmp_path):
    example = EXAMPLES[0]
    checkout = Checkout(tmp_path)
    source = checkout.edit(used(example)[0], times=2)
    shown = checkout.estimate(str(example))
    assert shown.returncode == 2
    assert shown.stderr.count(source) == 2
    assert len(re.findall(r"book/\w+\.toml:\d+", shown.stderr)) == 2
    assert "Keep one" in shown.stderr
    assert "Traceback" not in shown.stderr


LISTENING = """
import sys
events = []
network = ("socket.", "urllib.", "http.", "ssl.")
sys.addaudithook(lambda name, _: events.append(name) if name.startswith(network) else None)
from cloudai.cli import main
code = main(sys.argv[1:])
print(sorted(set(events)), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("form", ["table", "json", "markdown", "csv", "html", "focus"])
def test_no_form_of_an_estimate_opens_a_socket(form):
    """The interpreter itself is asked: every use of a socket raises an audit event."""
    command = [sys.executable, "-c", LISTENING, "estimate", str(EXAMPLES[0]), "--format", form, "--draws", "20"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr.strip() == "[]"
