"""`cloudai config`: write a first cloudai.toml, show what is in force and from where, check what comes of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.cli.failures import WRONG_INPUT
from cloudai.cli.parser import completes_files
from cloudai.cli.terminal import Grid, complain, note, show, warn

if TYPE_CHECKING:
    from cloudai.client import Choice, Explanation
    from cloudai.inspection import Inspection

TEMPLATE = Path(__file__).with_name("template.toml")


def configure(parser: argparse.ArgumentParser) -> None:
    """`init`, `show`, `check`."""
    commands = parser.add_subparsers(metavar="VERB", title="verbs", required=True)
    init = commands.add_parser(
        "init", help="write a commented cloudai.toml", description="Writes a first cloudai.toml."
    )
    path = init.add_argument("path", nargs="?", default="cloudai.toml", metavar="FILE", help="default: cloudai.toml")
    completes_files(path)
    init.add_argument("--force", action="store_true", help="overwrite a file that is there")
    init.set_defaults(verb=_init)
    shown = commands.add_parser(
        "show",
        help="the values in force, each with its origin",
        description="Every value in force and where it came from. Secrets are masked.",
        epilog="Looked for in this order: --config, $CLOUDAI_CONFIG, cloudai.toml or [tool.cloudai] of pyproject.toml\n"
        "from here upwards, the user's config folder. $CLOUDAI_ROUTES goes before the file's routes.",
    )
    shown.set_defaults(verb=_show)
    check = commands.add_parser(
        "check",
        help="which backend serves each operation, what it can't, what it costs",
        description="Opens the backends, sends nothing, and says who would serve what. Exit code 2 for an error.",
    )
    check.set_defaults(verb=_check)
    for sub in (shown, check):
        config = sub.add_argument("--config", metavar="FILE", help="this file")
        completes_files(config)
        sub.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    """Runs the chosen one."""
    status: int = args.verb(args)
    return status


def _init(args: argparse.Namespace) -> int:
    from cloudai.errors import ErrorCode, InvalidInput

    path = Path(args.path)
    try:
        with path.open("w" if args.force else "x", encoding="utf-8") as file:
            file.write(TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError:
        raise InvalidInput(f"{path} is there already: --force overwrites it", code=ErrorCode.CONFLICT) from None
    except OSError as error:
        raise InvalidInput(f"{path} can't be written: {error.strerror or error}") from error
    note(f"wrote {path}; next: cloudai config check")
    return 0


def _show(args: argparse.Namespace) -> int:
    from cloudai.cli.settings import settings_of
    from cloudai.config import load_config

    config = load_config(args.config)
    settings = settings_of(config)
    source = str(config.source) if config.source is not None else None
    if args.json:
        rows = [{"key": row.key, "value": row.value, "origin": row.origin} for row in settings]
        show([json.dumps({"schema": "cloudai.config/1", "source": source, "settings": rows}, indent=2)])
    else:
        rows_shown = tuple((row.key, row.value, row.origin) for row in settings)
        show([f"config: {source or 'no file found: the local backend serves everything it can'}\n\n"])
        show([Grid(("setting", "value", "from"), rows_shown)])
    for warning in config.warnings:
        warn(warning)
    return 0


def _check(args: argparse.Namespace) -> int:
    from cloudai.config import load_config
    from cloudai.inspection import inspect

    config = load_config(args.config)
    found = inspect(config)
    if args.json:
        show([_json(found)])
    else:
        show(
            [
                f"config: {config.source or 'no file found: the local backend serves everything it can'}\n\n",
                _grid(found),
            ]
        )
        show(["\n", *_remarks(found)])
    for warning in found.warnings:
        warn(warning)
    for problem in found.problems:
        complain(problem)
    return WRONG_INPUT if found.problems else 0


def _grid(found: Inspection) -> Grid:
    rows = tuple(
        (
            explained.operation,
            explained.backend or "-",
            ", ".join(choice.backend for choice in explained.choices[1:]) or "-",
            explained.choices[0].support if explained.choices else "no",
            _price(explained.choices[0]) if explained.choices else "-",
        )
        for explained in found.operations
    )
    return Grid(("operation", "served by", "fallbacks", "support", "price"), rows)


def _price(choice: Choice) -> str:
    """Per unit, or `unknown`, which is never 0."""
    from cloudai.cli.notes import plain

    return "unknown" if choice.price is None else f"{plain(choice.price.price)} USD / {choice.price.unit}"


def _remarks(found: Inspection) -> list[Grid]:
    closed = {report.name: report.error for report in found.backends if report.error is not None}
    rows = [("(all)", name, "skipped", reason) for name, reason in closed.items()]
    rows += [row for explained in found.operations for row in _remark(explained, closed)]
    return [Grid(("operation", "backend", "", "what to know"), tuple(rows))] if rows else []


def _remark(explained: Explanation, closed: Collection[str]) -> list[tuple[str, str, str, str]]:
    """What is to be known of one operation; a backend that can't be opened is told of once, not here."""
    rows = []
    for choice in explained.choices:
        if choice.reason:
            rows.append((explained.operation, choice.backend, choice.support, choice.reason))
        rows += [(explained.operation, choice.backend, "lacks", lack) for lack in choice.lacks]
    rows += [
        (explained.operation, choice.backend, "skipped", choice.reason)
        for choice in explained.skipped
        if choice.backend not in closed
    ]
    if not explained.choices and not explained.skipped:
        rows.append((explained.operation, "-", "no route", "add one to [routes]"))
    return rows


def _json(found: Inspection) -> str:
    rows = [
        {
            "operation": explained.operation,
            "route": explained.route,
            "backend": explained.backend,
            "choices": [_choice(choice) for choice in explained.choices],
            "skipped": [_choice(choice) for choice in explained.skipped],
        }
        for explained in found.operations
    ]
    facts = {"schema": "cloudai.config-check/1", "ok": not found.problems, "problems": found.problems}
    return json.dumps({**facts, "warnings": found.warnings, "operations": rows}, indent=2)


def _choice(choice: Choice) -> dict[str, object]:
    price = choice.price
    return {
        "backend": choice.backend,
        "provider": choice.provider,
        "region": choice.region,
        "support": choice.support,
        "reason": choice.reason,
        "lacks": choice.lacks,
        "unit_price": None if price is None else {"price": str(price.price), "unit": price.unit, "sku": price.sku},
    }
