"""A real browser for the tests of the page: Chromium of the system, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from cloudai.cli import main

SHOP = """
name = "shop"
region = "us"
months = 6

[[line]]
name = "photos"
operation = "vision.detect_labels"
volume = "2.4M images/month"
growth = "4%/month"

[[line]]
name = "faces"
operation = "vision.detect_faces"
volume = "900k images/month"
range = "±30%"

[[line]]
name = "calls"
operation = "speech.transcribe"
volume = "1500 hours/month"
request = "4 min"

[[line]]
name = "archive"
operation = "vision.read_document"
volume = "700k pages once"

[local]
hardware = "3600 USD"
life = "3 years"
power = "300 W"
electricity = "0.20 USD/kWh"
throughput = { calls = "40 hours/hour" }

[plan]
regions = ["us", "eu"]
look = "0.40 USD"

[[plan.self]]
line = "photos"
throughput = "10 images/second"
accelerator = "L4"
error = "0.01%"
training = "1200 USD"
retraining = "300 USD/month"

[[plan.quality]]
line = "photos"
provider = "aws"
error = "0.02%"
"""
APP = """import boto3

client = boto3.client("rekognition")
answer = client.detect_labels(Image={"Bytes": b""})
print(answer["Labels"][0]["Name"])
text = boto3.client("translate").translate_text(Text="a", SourceLanguageCode="en", TargetLanguageCode="de")
print(text["TranslatedText"])
"""


@dataclass
class Opened:
    """A page, and all that it said and asked for since it was opened."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def set_volume(self, line: str, volume: str) -> dict[str, str]:
        """Chooses a line and types a volume; provider -> its exact total."""
        self.page.select_option("#line", label=line)
        self.page.fill("#volume", volume)
        return self.totals()

    def totals(self) -> dict[str, str]:
        return self.page.eval_on_selector_all(
            "#totals td[data-exact]",
            "cells => Object.fromEntries(cells.map(c => [c.dataset.provider, c.dataset.exact]))",
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the whole session: while Playwright is open its event loop runs in this thread, and no other can."""
    with sync_playwright() as engines:
        program = shutil.which("chromium")
        found = engines.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


Open = Callable[..., Opened]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a file; keywords are those of a Playwright context."""
    contexts = []

    def opened(path: Path, **options: object) -> Opened:
        settings = {"viewport": {"width": 1200, "height": 900}, **options}
        context = browser.new_context(**settings)
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.on("console", lambda message: found.said.append(message.text))
        found.page.on("pageerror", lambda error: found.said.append(str(error)))
        found.page.on("request", lambda request: found.asked.append(request.url))
        found.page.goto(path.as_uri())
        return found

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., Path]:
    """The page of `cloudai estimate` with these arguments."""

    def written(*arguments: str) -> Path:
        path = tmp_path / "report.html"
        assert main(["estimate", *arguments, "--format", "html", "--output", str(path)]) in (0, 4)
        return path

    return written


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A workload that can be planned: managed services, a model and hardware of one's own."""
    path = tmp_path / "shop.toml"
    path.write_text(SHOP, encoding="utf-8")
    return path


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder of code on AWS."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "app.py").write_text(APP, encoding="utf-8")
    return folder
