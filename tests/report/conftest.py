"""A real browser for the tests of the page: Chromium of the system, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from cloudai.cli import main


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
