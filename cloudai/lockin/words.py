"""A scan in words: the rows that the terminal and Markdown show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from cloudai.lockin.catalog import services
from cloudai.lockin.scanned import NEUTRAL, Place, Scan, UsedOperation

_SHORT = {1: "same", 2: "adapter", 3: "work-around", 4: "none"}
_SHOWN_PLACES = 3
SHARE_HEAD = ("to", "calls", "same", "adapter", "work-around", "none", "portable")
GAP_HEAD = ("operation", "to", "class", "why", "source")
COUPLING_HEAD = ("provider", "lines", "of no one operation")
RETIREMENT_HEAD = ("what", "ends", "days", "instead", "used in", "source")
MODEL_HEAD = ("model", "can leave", "you keep", "used in", "source")
FIND_HEAD = ("place", "provider", "service", "operation", "kind", "name")


def headline(scan: Scan) -> str:
    """One line: what was read and found."""
    calls = sum(len(used.calls) for used in scan.operations)
    neutral = sum(len(used.calls) for used in scan.operations if used.neutral)
    lines = len({(line.file, line.line) for line in scan.coupling})
    who = ", ".join(scan.providers)
    through = f", {neutral} of them through cloudai" if neutral else ""
    if not scan.files and scan.skipped:
        return f"Nothing could be read: {_files(len(scan.skipped))} skipped."
    if not scan.files:
        return "Nothing to read here: no Python, notebook, requirement file, Terraform or CloudFormation."
    if not scan.finds:
        return f"{_files(scan.files)} read: nothing of a vendor's AI services is used."
    return (
        f"{_files(scan.files)} read, {len(scan.finds):,} finds of {who}: {calls:,} calls{through}, "
        f"{lines:,} coupled lines. Horizon {scan.horizon_months} months from {scan.as_of.isoformat()}."
    )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def operation_head(scan: Scan) -> tuple[str, ...]:
    """The head of `operation_rows`."""
    return ("service", "operation", "calls", "lines", *(f"to {target}" for target in scan.targets))


def operation_rows(scan: Scan) -> Iterator[Sequence[str]]:
    """A row per used operation: how it is had at each target."""
    for used in scan.operations:
        fits = (_SHORT[used.fits[t].level] if t in used.fits else "-" for t in scan.targets)
        lines = "-" if used.neutral else str(used.coupled_lines)
        yield (service_title(used.provider, used.service), used.label, str(len(used.calls)), lines, *fits)


def service_title(provider: str, service: str) -> str:
    """`Amazon Rekognition`."""
    found = services().get((provider, service))
    return found.title if found is not None else provider


def share_rows(scan: Scan) -> Iterator[Sequence[str]]:
    """F_1 to F_4 and the headline, by target."""
    for target, found in scan.shares.items():
        if found.levels is not None and found.portable is not None:
            yield target, str(found.calls), *(percent(level) for level in found.levels), percent(found.portable)


def percent(value: Fraction) -> str:
    """`37%`, with a place where it would else be 0 or 100 without being it."""
    shown = f"{float(value):.0%}"
    return f"{float(value):.1%}" if shown in ("0%", "100%") and value not in (0, 1) else shown


def gap_rows(scan: Scan) -> Iterator[Sequence[str]]:
    """Why operations and features are work-arounds or not had: with the source."""
    for used in scan.operations:
        yield from _gaps(used)


def _gaps(used: UsedOperation) -> Iterator[Sequence[str]]:
    for target, fit in used.fits.items():
        if fit.level > 2:
            source = f"{fit.source} ({fit.as_of})" if fit.source else "-"
            name = f"{used.label} ({'cloudai' if used.provider == NEUTRAL else used.provider})"
            yield name, target, fit.word, "; ".join(fit.reasons), source


def retirement_rows(scan: Scan) -> Iterator[Sequence[str]]:
    """What ends, soonest first."""
    for found in scan.retirements:
        ends = found.ends or (f"closed to new customers {found.closed_to_new}" if found.closed_to_new else "no date")
        days = "-" if found.days is None else str(found.days)
        what = f"{found.provider} {found.service}: {found.feature}"
        yield what, ends, days, found.replacement or "-", shown(found.places), f"{found.source} ({found.as_of})"


def model_rows(scan: Scan) -> Iterator[Sequence[str]]:
    """Custom models and whether they can leave."""
    for found in scan.models:
        formats = f": {', '.join(found.formats)}" if found.formats else ""
        source = f"{found.source} ({found.as_of})" if found.source else "-"
        leaves = f"{found.exportable}{formats}"
        yield f"{found.provider} {found.service}", leaves, found.keeps or "-", shown(found.places), source


def coupling_rows(scan: Scan) -> Iterator[Sequence[str]]:
    """Lines that leaving would touch, by provider."""
    for provider in scan.providers:
        lines = {(line.file, line.line) for line in scan.coupling if line.provider == provider}
        yield provider, str(len(lines)), str(scan.shared_lines(provider))


def find_rows(scan: Scan) -> Iterator[Sequence[str]]:
    """Every find."""
    for found in scan.finds:
        place = f"{found.file}:{found.line}"
        yield place, found.provider, found.service or "-", found.topic or found.operation or "-", found.kind, found.name


def shown(places: Sequence[Place]) -> str:
    """The first few places."""
    more = f" and {len(places) - _SHOWN_PLACES} more" if len(places) > _SHOWN_PLACES else ""
    return ", ".join(map(str, places[:_SHOWN_PLACES])) + more
