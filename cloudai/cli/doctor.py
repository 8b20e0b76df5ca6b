"""`cloudai doctor`: what is installed, found and working here; nothing is sent to a paid service.

Exit code 0: the config can be used and something works with it; 1: it can't, or an engine failed when it was tried.
Extras that are not installed and credentials that are not there are told, and are no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.cli.failures import FAILED
from cloudai.cli.parser import completes_files
from cloudai.cli.terminal import Grid, complain, show

if TYPE_CHECKING:
    from cloudai.config import Config
    from cloudai.inspection import BackendReport, Inspection

OK, MISSING, ERROR, PLAIN = "ok", "missing", "error", "-"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `state` is `ok`, `missing` (not needed unless you want it), `error`, or `-` for a plain fact."""

    section: str
    name: str
    state: str
    detail: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Which config, and whether engines are tried."""
    config = parser.add_argument("--config", metavar="FILE", help="use this cloudai.toml")
    completes_files(config)
    parser.add_argument("--no-calls", action="store_true", help="look only, don't try the local engines")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints all findings, then whether it is usable."""
    found = _Configured(args.config)
    findings = [*_machine(), *_extras(), *_credentials(), *found.findings(calls=not args.no_calls)]
    if args.json:
        facts = [asdict(finding) for finding in findings]
        show([json.dumps({"schema": "cloudai.doctor/1", "usable": found.usable, "findings": facts}, indent=2)])
    else:
        for section in dict.fromkeys(finding.section for finding in findings):
            rows = tuple((f.name, f.state, f.detail) for f in findings if f.section == section)
            show([Grid((section, "", ""), rows), "\n"])
    failed = any(finding.state == ERROR for finding in findings if finding.section.startswith("tried"))
    if not found.usable:
        complain("not usable: see `config` and `backends` above")
    return FAILED if failed or not found.usable else 0


def _machine() -> Iterable[Finding]:
    from cloudai import __version__

    yield Finding("machine", "cloudai", PLAIN, __version__)
    yield Finding("machine", "python", PLAIN, f"{platform.python_version()} ({sys.executable})")
    yield Finding("machine", "system", PLAIN, f"{platform.system()} {platform.release()} {platform.machine()}")


def _extras() -> Iterable[Finding]:
    """Each extra with what it lacks, by the requirements in the installed metadata."""
    from importlib.metadata import PackageNotFoundError, distribution

    for extra, names in _requirements().items():
        missing = []
        for name in names:
            try:
                distribution(name)
            except PackageNotFoundError:
                missing.append(name)
        detail = f"pip install 'cloudai[{extra}]' brings {', '.join(missing)}" if missing else ", ".join(names)
        yield Finding("extras", extra, MISSING if missing else OK, detail)


def _requirements() -> Mapping[str, list[str]]:
    """Extra -> names of the distributions it asks for, without extras made of other extras."""
    import re
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("cloudai") or []
    except PackageNotFoundError:  # run from a folder, not installed
        return {}
    found: dict[str, list[str]] = {}
    for line in lines:
        name, extra = re.match(r"[A-Za-z0-9._-]+", line), re.search(r"""extra == ['"]([^'"]+)['"]""", line)
        if name and extra and name[0] != "cloudai" and extra[1] not in ("all", "dev"):
            found.setdefault(extra[1], []).append(name[0])
    return found


def _credentials() -> Iterable[Finding]:
    """Names only; values are never read into anything."""
    from cloudai.capabilities import BUILTIN, find_capabilities, load_capabilities
    from cloudai.errors import CloudAIError

    for provider in BUILTIN:
        try:
            where = load_capabilities(find_capabilities(f"cloudai_{provider}")).credentials
        except CloudAIError as error:
            yield Finding("credentials", provider, ERROR, str(error))
            continue
        if not (where.env or where.files):
            continue
        found = [f"${name}" for name in where.env if os.environ.get(name)]
        found += [name for name in where.files if Path(name).expanduser().is_file()]
        looked = ", ".join([*(f"${name}" for name in where.env), *where.files])
        detail = f"found {', '.join(found)}" if found else f"none of {looked}"
        yield Finding("credentials", provider, OK if found else MISSING, detail)


class _Configured:
    """The config in force, its backends, and the engines that can be tried for free."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self.usable = False

    def findings(self, *, calls: bool) -> Iterable[Finding]:
        """Sets `usable` on the way."""
        from cloudai.cli.failures import describe
        from cloudai.config import load_config
        from cloudai.inspection import inspect

        try:
            config = load_config(self._path)
            found = inspect(config)
        except Exception as error:  # noqa: BLE001  # a broken installation is what this command is there to tell
            yield Finding("config", self._path or "found", ERROR, describe(error))
            return
        yield from _config(config, found)
        yield from (_backend(report) for report in found.backends)
        self.usable = not found.problems and any(report.serves for report in found.backends)
        for report in found.backends:
            yield from _engines(report, config, calls=calls)


def _config(config: Config, found: Inspection) -> Iterable[Finding]:
    source = str(config.source) if config.source is not None else "no file: the local backend serves what it can"
    yield Finding("config", "source", PLAIN, source)
    for problem in found.problems:
        yield Finding("config", "problem", ERROR, problem)
    for warning in found.warnings:
        yield Finding("config", "warning", "warning", warning)


def _backend(report: BackendReport) -> Finding:
    if report.error is not None:
        return Finding("backends", report.name, ERROR, report.error)
    total = len(report.serves) + len(report.gaps)
    return Finding("backends", report.name, OK, f"{report.provider}: {len(report.serves)} of {total} operations")


def _engines(report: BackendReport, config: Config, *, calls: bool) -> Iterable[Finding]:
    """Of the local backend: each operation, tried where a call is free and needs nothing from the user."""
    from cloudai.capabilities import builtin_capabilities
    from cloudai.cli.probes import try_operations
    from cloudai.config import DEFAULT_BACKEND

    if report.provider != DEFAULT_BACKEND or report.error is not None:
        return
    section = f"tried on {report.name}" if calls else f"operations of {report.name}"
    if calls:
        for operation, error, detail in try_operations(config, report.name, report.serves):
            yield Finding(section, operation, ERROR if error else OK, detail)
    else:
        yield from (Finding(section, operation, OK, "") for operation in report.serves)
    declared = builtin_capabilities()[report.provider].operations
    for operation, reason in report.gaps.items():
        offered = operation in declared and declared[operation].support != "no"
        yield Finding(section, operation, MISSING if offered else PLAIN, reason)
