"""The table of commands: a name, one line of help, and the module that is imported when the command is used.

A command's module (or the object of an entry point in the group `cloudai.commands`, for packages that add one) has
`configure(parser)` and `run(args) -> int`, where the number is the exit code.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from cloudai.cli.parser import Parser
from cloudai.errors import CloudAIError, InvalidInput

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "cloudai.commands"


class Command(Protocol):
    """What a command's module looks like."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Adds its arguments. Imports nothing heavy: this also runs for `--help` and for completion."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Does it and returns the exit code; errors are raised."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """One command. `module` is its home, or `None` when an installed package brings it."""

    name: str
    help: str
    module: str | None
    alias: tuple[str, ...] = ()
    """What this name is short for: `translate` is `translation translate`."""


TABLE: tuple[Row, ...] = (
    Row("estimate", "what a workload costs on each provider, offline", "cloudai.cli.estimate"),
    Row("vision", "text, labels, faces, documents ... of pictures", "cloudai.cli.vision"),
    Row("speech", "speech to text, text to speech, voices", "cloudai.cli.speech"),
    Row("translation", "translate, detect a language, list languages", "cloudai.cli.translation"),
    Row("custom", "ask, train and deploy models of your own", "cloudai.cli.custom"),
    Row("translate", "short for: translation translate", None, alias=("translation", "translate")),
    Row("transcribe", "short for: speech transcribe", None, alias=("speech", "transcribe")),
    Row("synthesize", "short for: speech synthesize", None, alias=("speech", "synthesize")),
    Row("backends", "the configured backends: what works, what doesn't and why", "cloudai.cli.backends"),
    Row("operations", "the matrix of operations and providers, with reasons", "cloudai.cli.operations"),
    Row("config", "write, show and check cloudai.toml", "cloudai.cli.config"),
    Row("doctor", "what is installed, found and working on this machine", "cloudai.cli.doctor"),
    Row("local", "models of the local backend: pull, add, list, remove", None),
    Row("completion", "completion for bash, zsh or fish", "cloudai.cli.completion"),
)

_EPILOG = """\
exit codes: 0 fine, 1 an operation failed, 2 wrong input or config, 3 over budget,
            4 estimate incomplete, 130 interrupted
"""


def expand_alias(argv: Sequence[str]) -> list[str]:
    """`["translate", ...]` as `["translation", "translate", ...]`."""
    chosen = chosen_command(argv)
    for row in TABLE:
        if row.name == chosen and row.alias:
            at = argv.index(chosen)
            return [*argv[:at], *row.alias, *argv[at + 1 :]]
    return list(argv)


def chosen_command(argv: Sequence[str]) -> str | None:
    """The first word: options before it (`--debug`) take no value."""
    return next((word for word in argv if not word.startswith("-")), None)


def load(name: str) -> Command:
    """The command of that name. Raises `InvalidInput` with the nearest name when there is none."""
    for row in TABLE:
        if row.name == name and row.module is not None:
            return cast("Command", importlib.import_module(row.module))
    points = {point.name: point for point in _installed()}
    if name not in points:
        from cloudai.config import nearest

        known = dict.fromkeys([*(row.name for row in TABLE), *points])
        raise InvalidInput(f"unknown command {name!r}{nearest(name, known)}\nSee: cloudai --help")
    return _load_point(points[name])


def _load_point(point: EntryPoint) -> Command:
    try:
        return cast("Command", point.load())
    except Exception as error:
        raise CloudAIError(f"command {point.name!r} ({point.value}) can't be loaded: {error}") from error


def _from(point: EntryPoint) -> str:
    """All that is known of a command before it is imported."""
    return f"from {point.value.partition('.')[0].partition(':')[0]}"


def _installed() -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points  # 40 ms: only for a name that is not built in

    return entry_points(group=GROUP)


def root_parser(chosen: str | None) -> Parser:
    """The parser of `cloudai`, with the arguments of the chosen command only. Loads no other command."""
    parser, commands = _bare_root()
    rows = {row.name: row.help for row in TABLE}
    if chosen is None:
        rows |= {
            point.name: f"from {point.value.partition('.')[0]}" for point in _installed() if point.name not in rows
        }
    command = load(chosen) if chosen is not None else None
    if chosen is not None:
        rows.setdefault(chosen, "")
    for name, text in rows.items():
        sub = commands.add_parser(name, help=text, description=_sentence(text))
        if command is not None and name == chosen:
            command.configure(sub)
            sub.set_defaults(run=command.run)
    return parser


def full_parser() -> Parser:
    """The parser with the arguments of every built-in and installed command: for completion and for the docs."""
    parser, commands = _bare_root()
    for row in TABLE:
        sub = commands.add_parser(row.name, help=row.help, description=_sentence(row.help))
        if row.alias:
            from cloudai.cli.verbs import configure_alias

            configure_alias(sub, load(row.alias[0]), row.alias[1])
        else:
            load(row.name).configure(sub)
    known = {row.name for row in TABLE}
    for point in _installed():
        if point.name not in known:
            _load_point(point).configure(commands.add_parser(point.name, help=_from(point)))
    return parser


def _bare_root() -> tuple[Parser, argparse._SubParsersAction[Parser]]:
    parser = Parser(
        prog="cloudai",
        description="Vision, speech, translation and custom models of AWS, Google Cloud, Azure and this machine:\n"
        "one way to call them, and an honest bill for each.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=_version())
    return parser, parser.add_subparsers(metavar="COMMAND", title="commands", required=True)


def _version() -> str:
    from cloudai import __version__

    return f"cloudai {__version__}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
