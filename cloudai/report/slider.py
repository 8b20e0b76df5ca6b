"""The slider of a page in HTML: its controls, and the empty tables that `assets/sliders.js` fills."""

from __future__ import annotations

from typing import Literal

_CONTROLS = """<div class="needs-script">
<div class="controls">
<div><label for="line">Line</label><select id="line"></select></div>
<div><label for="slider">Volume, from a hundredth to a hundredfold</label>
<input type="range" id="slider" min="0" max="200" step="1" value="100"></div>
<div><label for="volume">Volume in <span id="unit">units</span></label>
<input type="text" id="volume" inputmode="decimal" autocomplete="off" spellcheck="false"></div>
<div><button type="button" id="reset">As planned</button></div>
</div>
<p id="told" role="status" class="note"></p>
"""
_LEFT = ' class="w"'
_COMMAND = """<p class="note">The same, on the command line:</p>
<code class="command" id="shell" dir="ltr"></code>
"""


def slider(kind: Literal["estimate", "plan", "exit"]) -> str:
    """Controls, what they change, and the command that says the same."""
    without = f"""</div>
<noscript><p class="note">The slider needs scripts; <code>cloudai {_COMMANDS[kind]} --set</code> says the same.</p>
</noscript>
"""
    return _CONTROLS + _OUTCOMES[kind]() + without


def _table(name: str, label: str, head: tuple[str, ...], *, words: tuple[int, ...] = (0,)) -> str:
    """An empty table in a frame of its own; `words`: the columns that are no numbers."""
    cells = "".join(
        f'<th scope="col"{_LEFT if at in words else ""}>{text}</th>' if text else "<td></td>"
        for at, text in enumerate(head)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<table><thead><tr>{cells}</tr></thead><tbody id="{name}"></tbody></table></div>\n'
    )


def _estimate() -> str:
    totals = ("provider", "first month", "all months", "change")
    changes = ("volume in a month", "cost of the month", "what changes")
    return (
        _table("totals", "What each provider's bill comes to", totals)
        + _COMMAND
        + """<h3>The chosen line alone, by volume</h3>
<figure><figcaption><span class="say">One month of this line with nothing else on its tiers. Circles: the price of the
next unit changes. Diamonds: two providers change places at the bottom.</span></figcaption>
<div class="chart" id="curve"></div>
<details open><summary>Where it changes</summary>
"""
        + _table("changes", "Volumes at which something changes", changes, words=(2,))
        + "</details></figure>\n"
    )


def _plan() -> str:
    ways = ("way", "first month", "all months", "to leave")
    return (
        '<p id="marker" class="note"></p>\n<div id="found">'
        + _table(
            "plan-sums", "What the plan comes to", ("the plan", "all months", "change", "to leave", "lines that move")
        )
        + _COMMAND
        + "<h3>The ways of the chosen line</h3>\n"
        + _table("plan-ways", "The ways of the chosen line", ways)
        + """<figure><figcaption><span class="say">One month of this line alone, by volume, all in. Diamonds: another
way becomes the cheapest to run. Dashed: the volume that is set.</span></figcaption>
<div class="chart" id="curve"></div>
<details open><summary>Where the answer changes, by the month's volume</summary>
"""
        + _table(
            "changes",
            "Volumes at which another way is the cheapest",
            ("above", "costs least", "until then"),
            words=(0, 1, 2),
        )
        + "</details></figure>\n<details><summary>The choice of every line</summary>\n"
        + _table("plan-choices", "The choice of every line", ("line", "way", "first month", "all months"), words=(0, 1))
        + "</details></div>\n"
    )


def _exit() -> str:
    head = ("way out", "bill", "change", "P10 to P90", "saving a month", "pays back in", "at risk", "behind cloudai",
            "worth of it")  # fmt: skip
    return (
        _table("totals", "What leaving comes to", head)
        + _COMMAND
        + """<figure><figcaption><span class="say">The least way out at these volumes, by component.</span></figcaption>
<div class="chart" id="curve"></div></figure>
<p id="marker" class="note"></p>
"""
    )


_COMMANDS = {"estimate": "estimate", "plan": "plan", "exit": "lockin"}
_OUTCOMES = {"estimate": _estimate, "plan": _plan, "exit": _exit}
