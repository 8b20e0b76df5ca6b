"""The report: one self-contained HTML page of an estimate, a plan or an exit, and its charts as files.

    from cloudai.report import page_of

    Path("report.html").write_text(page_of(estimate), encoding="utf-8")

Nothing is loaded when the page is opened, and nothing of it is imported by the other forms of the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudai.lockin.rules import Verdict
    from cloudai.lockin.scanned import Scan
    from cloudai_pricing.diff import Diff
    from cloudai_pricing.exit_bill import Comparison
    from cloudai_pricing.exit_terms import Terms
    from cloudai_pricing.model import Estimate
    from cloudai_pricing.plan_answer import BuildPlan
    from cloudai_pricing.plans import Planned

__all__ = ["page_of", "page_of_exit"]


def page_of(
    found: Estimate | BuildPlan,
    *,
    several: Planned | None = None,
    diff: Diff | None = None,
    command: str = "",
) -> str:
    """The page of an estimate or a plan.

    Of an estimate: `several` (from `cloudai_pricing.plans.planned` with the same inputs) for the slider, `diff` what
    changed since another. `command`: the command line that gave it, as it can be typed.
    """
    from cloudai.report.render import html
    from cloudai_pricing.model import Estimate

    if isinstance(found, Estimate):
        from cloudai.report.estimate_page import estimate_page

        return html(estimate_page(found, several=several, diff=diff, command=command or "cloudai estimate"))
    from cloudai.report.plan_page import plan_page

    return html(plan_page(found, command=command or "cloudai plan"))


def page_of_exit(
    scan: Scan,
    exits: Sequence[Comparison],
    terms: Terms,
    *,
    verdicts: Sequence[Verdict] = (),
    several: Planned | None = None,
    command: str = "",
) -> str:
    """The page of a scan and its exit bills (from `cloudai.lockin.bill.exits`), with the terms they rest on.

    `verdicts`: what the rules of `--fail-on` say. `several`: the plans of the workload whose monthly costs were given
    (from `cloudai_pricing.plans.planned`), for the slider. `command`: the command line that gave it.
    """
    from cloudai.report.exit_page import exit_page
    from cloudai.report.render import html

    page = exit_page(scan, exits, terms, verdicts=verdicts, several=several, command=command or "cloudai lockin")
    return html(page)
