"""An estimate as a gate of a pipeline: a JUnit file for its test view, a summary for the page of a GitHub job."""

from __future__ import annotations

import os
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from cloudai_pricing.documents import to_markdown
from cloudai_pricing.model import Estimate

SUMMARY = "GITHUB_STEP_SUMMARY"


def junit(estimate: Estimate, over: str | None) -> str:
    """One case per provider and line, failed where its price is not known; one for the budget, failed with `over`."""
    cases = []
    for option in estimate.options:
        for line in option.lines:
            wrong = None if line.complete or not line.offered else "; ".join(line.notes)
            cases.append(_case(f"{option.provider} {option.region}", line.name, wrong, "unknown price"))
    cases.append(_case("estimate", "budget", over, "over budget"))
    failures = sum("<failure" in case for case in cases)
    head = f'<testsuite name={quoteattr(estimate.name)} tests="{len(cases)}" failures="{failures}">'
    return "\n".join(['<?xml version="1.0" encoding="utf-8"?>', head, *cases, "</testsuite>"]) + "\n"


def _case(group: str, name: str, wrong: str | None, kind: str) -> str:
    start = f"  <testcase classname={quoteattr(group)} name={quoteattr(name)}"
    if wrong is None:
        return f"{start}/>"
    return f"{start}><failure type={quoteattr(kind)}>{escape(wrong)}</failure></testcase>"


def summarise(estimate: Estimate, over: str | None) -> None:
    """Adds the Markdown form to the job's page, where GitHub says there is one, below why the budget is not kept.

    Failing to is no failure.
    """
    path = os.environ.get(SUMMARY)
    if path:
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(f"> **{over}**\n\n" if over is not None else "")
                file.write(to_markdown(estimate))
        except OSError:
            return
