"""The report: one self-contained HTML page of an estimate, a plan or an exit, and its charts as files.

    from cloudai.report import page_of

    Path("report.html").write_text(page_of(estimate), encoding="utf-8")

Nothing is loaded when the page is opened, and nothing of it is imported by the other forms of the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudai_pricing.diff import Diff
    from cloudai_pricing.model import Estimate
    from cloudai_pricing.plans import Planned

__all__ = ["page_of"]


def page_of(
    estimate: Estimate, *, several: Planned | None = None, diff: Diff | None = None, command: str = "cloudai estimate"
) -> str:
    """The page of an estimate. `several` (from `cloudai_pricing.plans.planned` with the same inputs): for the slider.

    `command`: the command line that gave it, as it can be typed.
    """
    from cloudai.report.estimate_page import estimate_page
    from cloudai.report.render import html

    return html(estimate_page(estimate, several=several, diff=diff, command=command))
