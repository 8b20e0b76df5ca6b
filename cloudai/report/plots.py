"""The charts as a file, by matplotlib (the extra `plot`): SVG with the same bytes each time, or PNG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.errors import InvalidInput
from cloudai.report.charts import Chart, Curves, Front, Months, Tornado, Waterfall, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cloudai_pricing.model import Estimate
    from cloudai_pricing.plans import Planned

FORMS = (".svg", ".png")
_COLOURS = {"aws": "#b45309", "gcp": "#0f6fc5", "azure": "#00796b", "local": "#7a3ea8"}
_OTHERS = ("#a8325e", "#5b6470", "#b45309", "#0f6fc5", "#00796b", "#7a3ea8")
_DASHES = ("-", "--", ":", "-.")
_MARKERS = {"aws": "o", "gcp": "s", "azure": "^", "local": "D"}
_WIDTH = 9.0
_HEIGHT = 3.8
"""Inches of one chart."""


def check_plot(path: str) -> None:
    """Raises `InvalidInput` before anything is worked out, where the file could not be written."""
    if Path(path).suffix.lower() not in FORMS:
        raise InvalidInput(f"--plot {path}: the name ends neither in .svg nor in .png")
    try:
        import matplotlib  # noqa: F401  # only whether it is there
    except ImportError as error:
        raise InvalidInput("--plot needs matplotlib: pip install 'cloudai[plot]'") from error


def write_plot(path: str, estimate: Estimate, several: Planned | None = None) -> None:
    """The charts of an estimate, one below the other. Raises `InvalidInput` where the file can't be written."""
    from cloudai.report.estimate_page import estimate_charts

    write_charts(path, estimate_charts(estimate, several), title=estimate.name)


def write_charts(path: str, charts: Sequence[Chart], *, title: str) -> None:
    """Draws charts into an SVG or PNG file."""
    check_plot(path)
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcParams["svg.hashsalt"] = "cloudai"
        matplotlib.rcParams["svg.fonttype"] = "none"
        matplotlib.rcParams["font.size"] = 9
        matplotlib.rcParams["axes.axisbelow"] = True
        matplotlib.rcParams["text.parse_math"] = False
        figure = Figure(figsize=(_WIDTH, _HEIGHT * len(charts) + 0.4), layout="constrained")
        figure.suptitle(shortened(title, 90), fontweight="bold")
        for number, chart in enumerate(charts, start=1):
            _draw(figure.add_subplot(len(charts), 1, number), chart)
        _save(figure, path, title)


def _save(figure: Figure, path: str, title: str) -> None:
    svg = Path(path).suffix.lower() == ".svg"
    about = {"Date": None, "Creator": "cloudai", "Title": title} if svg else {"Software": "cloudai", "Title": title}
    try:
        figure.savefig(path, format="svg" if svg else "png", dpi=150, metadata=about)
    except OSError as error:
        raise InvalidInput(f"--plot {path} can't be written: {error.strerror or error}") from error


def _draw(axes: Axes, chart: Chart) -> None:
    axes.set_title(shortened(chart.title, 90), loc="left", fontsize=10)
    axes.grid(visible=True, color="#d4d9e0", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    match chart:
        case Months():
            _months(axes, chart)
        case Waterfall():
            _waterfall(axes, chart)
        case Tornado():
            _tornado(axes, chart)
        case Front():
            _front(axes, chart)
        case Curves():
            _curves(axes, chart)


def _colour(name: str, number: int) -> str:
    return _COLOURS.get(name, _OTHERS[number % 6])


def _dollars() -> Callable[[float, object], str]:
    def words(value: float, place: object) -> str:
        if value < 0:
            return f"-{words(-value, place)}"
        for size, sign in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
            if value >= size:
                return f"${value / (1e3 if sign == 'k' else size):.3g}{sign}"
        return f"${value:,.4g}"

    return words


def _floats(values: Sequence[Decimal]) -> list[float]:
    return [float(value) for value in values]


def _months(axes: Axes, chart: Months) -> None:
    axes.yaxis.set_major_formatter(_dollars())
    if all(len(one.values) == 1 for one in chart.series):
        colours = [_colour(one.name, number) for number, one in enumerate(chart.series)]
        axes.bar([one.name for one in chart.series], [float(one.values[0]) for one in chart.series], color=colours)
        return
    for number, one in enumerate(chart.series):
        months = list(range(1, len(one.values) + 1))
        colour = _colour(one.name, number)
        marker = _MARKERS.get(one.name, "v")
        axes.plot(months, _floats(one.values), color=colour, marker=marker, markersize=4, label=shortened(one.name))
        if one.low:
            axes.fill_between(months, _floats(one.low), _floats(one.high), color=colour, alpha=0.14, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("month")
    axes.legend(frameon=False)


def _waterfall(axes: Axes, chart: Waterfall) -> None:
    axes.xaxis.set_major_formatter(_dollars())
    reached = 0.0
    names = [shortened(step.name, 24) for step in chart.steps]
    for at, step in enumerate(chart.steps):
        axes.barh(at, float(step.amount), left=reached, color="#0f6fc5")
        reached += float(step.amount)
    axes.barh(len(names), reached, color="#5b6470")
    if chart.p10 is not None and chart.p90 is not None:
        axes.plot([float(chart.p10), float(chart.p90)], [len(names)] * 2, color="black", marker="|")
    axes.set_yticks(range(len(names) + 1), [*names, "total"])
    axes.invert_yaxis()


def _tornado(axes: Axes, chart: Tornado) -> None:
    axes.xaxis.set_major_formatter(_dollars())
    middle = float(chart.likely)
    for at, one in enumerate(chart.swings):
        axes.barh(at, float(one.low) - middle, left=middle, color="#0f6fc5")
        axes.barh(at, float(one.high) - middle, left=middle, color="#b45309")
    axes.axvline(middle, color="black", linewidth=1)
    axes.set_yticks(range(len(chart.swings)), [shortened(one.name, 30) for one in chart.swings])
    axes.set_ylim(max(len(chart.swings), 6) - 0.5, -0.5)


def _front(axes: Axes, chart: Front) -> None:
    axes.xaxis.set_major_formatter(_dollars())
    axes.yaxis.set_major_formatter(_dollars())
    best = [point for point in chart.points if point.best]
    axes.step(
        [float(one.x) for one in best], [float(one.y) for one in best], where="post", color="#545b66", linestyle="--"
    )
    for number, one in enumerate(chart.points):
        colour = _colour(one.name, number)
        axes.scatter(float(one.x), float(one.y), s=50, edgecolor=colour, facecolor=colour if one.best else "white")
        axes.annotate(shortened(one.name, 24), (float(one.x), float(one.y)), textcoords="offset points", xytext=(8, 6))
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.y)
    axes.margins(0.15)


def _counts(value: float, _: object) -> str:
    for size, sign in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if sign == 'k' else size):.3g}{sign}"
    return f"{value:,.4g}"


def _curves(axes: Axes, chart: Curves) -> None:
    axes.yaxis.set_major_formatter(_dollars())
    axes.xaxis.set_major_formatter(_counts)
    for number, curve in enumerate(chart.curves):
        x, y = [float(at) for at, _ in curve.points], [float(cost) for _, cost in curve.points]
        dashes = _DASHES[number // 6 % 4]
        axes.plot(x, y, dashes, color=_colour(curve.name, number), label=shortened(curve.name))
    for marks, marker, face in ((chart.edges, "o", "white"), (chart.crossings, "D", "black")):
        axes.scatter([float(one.at) for one in marks], [float(one.cost) for one in marks], marker=marker, s=24,
                     facecolor=face, edgecolor="black", zorder=3)  # fmt: skip
    if chart.now is not None:
        axes.axvline(float(chart.now), color="black", linewidth=1, linestyle="--")
    _cap(axes, chart)
    axes.set_xlabel(f"{chart.unit} a month")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _cap(axes: Axes, chart: Curves) -> None:
    """What is far dearer would press the crossings flat: it leaves at the top."""
    ends = [float(curve.points[-1][1]) for curve in chart.curves if curve.points]
    seen = max([4 * min(ends, default=0.0), *(1.5 * float(one.cost) for one in chart.crossings)])
    most = max((float(cost) for curve in chart.curves for _, cost in curve.points), default=0.0)
    axes.set_ylim(bottom=0, top=seen if 0 < seen < most else None)
