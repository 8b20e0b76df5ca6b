"""`cloudai backends`: each configured backend, what works with it here, what doesn't and why."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cloudai.cli.parser import completes_files
from cloudai.cli.terminal import Grid, Shown, show, warn

if TYPE_CHECKING:
    from cloudai.inspection import BackendReport

SCHEMA = "cloudai.backends/1"


def configure(parser: argparse.ArgumentParser) -> None:
    """A name narrows it to one backend."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these backends")
    config = parser.add_argument("--config", metavar="FILE", help="use this cloudai.toml")
    completes_files(config)
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    """Opens and asks every backend; sends nothing."""
    from cloudai.config import load_config
    from cloudai.inspection import inspect

    found = inspect(load_config(args.config))
    for warning in found.warnings:
        warn(warning)
    reports = _chosen(found.backends, args.names)
    show([_json(reports)] if args.json else _parts(reports))
    return 0


def _chosen(reports: Sequence[BackendReport], names: Sequence[str]) -> Sequence[BackendReport]:
    from cloudai.config_document import nearest
    from cloudai.errors import InvalidInput

    known = {report.name: report for report in reports}
    for name in names:
        if name not in known:
            raise InvalidInput(f"no backend {name!r} is configured{nearest(name, known)}")
    return [known[name] for name in names] if names else reports


def _json(reports: Sequence[BackendReport]) -> str:
    rows = [
        {
            "name": report.name,
            "provider": report.provider,
            "region": report.region,
            "error": report.error,
            "serves": report.serves,
            "gaps": dict(report.gaps),
        }
        for report in reports
    ]
    return json.dumps({"schema": SCHEMA, "backends": rows}, indent=2)


def _parts(reports: Sequence[BackendReport]) -> Iterable[Shown]:
    rows = tuple((report.name, report.provider, report.region or "-", *_state(report)) for report in reports)
    yield Grid(("backend", "provider", "region", "state", "works"), rows)
    for report in reports:
        if report.error is not None:
            yield f"\n{report.name} can't be opened: {report.error}"
            continue
        works = tuple((operation, "yes", "") for operation in report.serves)
        gaps = tuple((operation, "no", reason) for operation, reason in report.gaps.items())
        yield "\n"
        yield Grid((f"{report.name}: operation", "works", "why not"), works + gaps)


def _state(report: BackendReport) -> tuple[str, str]:
    if report.error is not None:
        return "error", "-"
    return "ok", f"{len(report.serves)} of {len(report.serves) + len(report.gaps)}"
