"""The table of commands: a name, one line of help, and the module that is imported when the command is used.

A command's module (or the object of an entry point in the group `cloudai.commands`, for packages that add one) has
`configure(parser)` and `run(args) -> int`, where the number is the exit code.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from cloudai.cli.parser import Parser
from cloudai.cli.terminal import warn
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


class Row(NamedTuple):
    """One command. `module` is its home, or `None` when an installed package brings it."""

    name: str
    help: str
    module: str | None
    alias: tuple[str, ...] = ()
    """What this name is short for: `translate` is `translation translate`."""


TABLE: tuple[Row, ...] = (
    Row("estimate", "what a workload costs on each provider, offline", "cloudai.cli.estimate"),
    Row("plan", "build, buy or both: where the answer changes, and what each way takes to leave", "cloudai.cli.plan"),
    Row("lockin", "what code uses of vendors, how it is had elsewhere, what leaving would cost", "cloudai.cli.lockin"),
    Row("measure", "what a model of your own does on this machine, for a plan", "cloudai.cli.measure"),
    Row("spend", "what was spent, what is reserved, and how that compares with the plan", "cloudai.cli.spend"),
    Row("stats", "how calls went: percentiles, errors, and what has changed since", "cloudai.cli.stats"),
    Row("prices", "the price book: look, compare, refresh from the providers' feeds", "cloudai.cli.prices"),
    Row("vision", "text, labels, faces, documents ... of pictures", "cloudai.cli.vision"),
    Row("speech", "speech to text, text to speech, voices", "cloudai.cli.speech"),
    Row("translation", "translate, detect a language, list languages", "cloudai.cli.translation"),
    Row("custom", "ask, train and deploy models of your own", "cloudai.cli.custom"),
    Row("train", "train a model: on a cloud, or here", "cloudai.cli.train"),
    Row("runs", "training runs: list, show, logs, wait, cancel, fetch, diff", "cloudai.cli.runs"),
    Row("deploy", "put a model behind an endpoint: on a cloud, or here", "cloudai.cli.deploy"),
    Row("endpoints", "endpoints: list, show, traffic, delete", "cloudai.cli.endpoints"),
    Row("predict", "short for: custom predict", None, alias=("custom", "predict")),
    Row("batches", "batch jobs of a model: submit, list, show, wait, fetch, cancel", "cloudai.cli.batches"),
    Row("serve", "models of this machine over HTTP: Open Inference Protocol v2", "cloudai.cli.serve"),
    Row("translate", "short for: translation translate", None, alias=("translation", "translate")),
    Row("transcribe", "short for: speech transcribe", None, alias=("speech", "transcribe")),
    Row("synthesize", "short for: speech synthesize", None, alias=("speech", "synthesize")),
    Row("backends", "the configured backends: what works, what doesn't and why", "cloudai.cli.backends"),
    Row("operations", "the matrix of operations and providers, with reasons", "cloudai.cli.operations"),
    Row("config", "write, show and check cloudai.toml", "cloudai.cli.config"),
    Row("doctor", "what is installed, found and working on this machine", "cloudai.cli.doctor"),
    Row("local", "models of the local backend: pull, add, list, remove", None),
    Row("faults", "a server that misbehaves like a provider on a bad day, for tests", "cloudai.cli.faults"),
    Row("completion", "completion for bash, zsh or fish", "cloudai.cli.completion"),
)

_ROWS = {row.name: row for row in TABLE}

_EPILOG = """\
exit codes: 0 fine, 1 an operation failed, 2 wrong input or config, 3 over budget,
            4 estimate incomplete, 130 interrupted
"""


def expand_alias(argv: Sequence[str]) -> list[str]:
    """`["translate", ...]` as `["translation", "translate", ...]`."""
    chosen = chosen_command(argv)
    alias = _ROWS[chosen].alias if chosen in _ROWS else ()
    if chosen is None or not alias:
        return list(argv)
    at = argv.index(chosen)
    return [*argv[:at], *alias, *argv[at + 1 :]]


def chosen_command(argv: Sequence[str]) -> str | None:
    """The first word: options before it (`--debug`) take no value."""
    return next((word for word in argv if not word.startswith("-")), None)


def load(name: str) -> Command:
    """The command of that name. Raises `InvalidInput` with the nearest name when there is none."""
    row = _ROWS.get(name)
    if row is not None and row.module is not None:
        return cast("Command", importlib.import_module(row.module))
    points = _installed()
    if name in points:
        return _load_point(points[name])
    if row is not None:
        raise InvalidInput(f"the package that brings `cloudai {name}` is not installed: install cloudai again")
    from cloudai.config_document import nearest

    raise InvalidInput(
        f"unknown command {name!r}{nearest(name, dict.fromkeys([*_ROWS, *points]))}\nSee: cloudai --help"
    )


def _load_point(point: EntryPoint) -> Command:
    try:
        return cast("Command", point.load())
    except Exception as error:
        raise CloudAIError(f"command {point.name!r} ({point.value}) can't be loaded: {error}") from error


def _installed() -> Mapping[str, EntryPoint]:
    from importlib.metadata import entry_points  # 40 ms: only for a name that is not built in

    return {point.name: point for point in entry_points(group=GROUP)}


def root_parser(chosen: str | None, *, list_installed: bool = False) -> Parser:
    """The parser of `cloudai`, with the arguments of the chosen command only. Loads no other command."""
    parser, commands = _bare_root()
    helps = {row.name: row.help for row in TABLE}
    if list_installed:
        helps = {name: _from(point) for name, point in _installed().items()} | helps
    if chosen is not None:
        helps = {chosen: helps.get(chosen, "")}  # no other parser would be asked, and each takes half a millisecond
    for name, text in helps.items():
        sub = commands.add_parser(name, help=text, description=_sentence(text))
        if name == chosen:
            command = load(name)
            command.configure(sub)
            sub.set_defaults(run=command.run)
    return parser


def full_parser() -> Parser:
    """The parser with the arguments of every built-in and installed command: for completion and for the docs.

    A command of another package that can't be loaded is left out, and told.
    """
    parser, commands = _bare_root()
    for row in TABLE:
        if row.module is not None:
            load(row.name).configure(commands.add_parser(row.name, help=row.help, description=_sentence(row.help)))
        elif row.alias:
            configure_alias(commands.add_parser(row.name, help=row.help), load(row.alias[0]), row.alias[1])
    for name, point in _installed().items():
        if name in _ROWS and _ROWS[name].module is not None:
            continue
        try:
            command = _load_point(point)
        except CloudAIError as error:
            warn(str(error))
            continue
        command.configure(commands.add_parser(name, help=_ROWS[name].help if name in _ROWS else _from(point)))
    return parser


def configure_alias(parser: argparse.ArgumentParser, command: Command, verb: str) -> None:
    """The arguments of one verb of a service, for a command that is short for it."""
    from cloudai.cli.verbs import configure_verb

    configure_verb(parser, next(known for known in getattr(command, "VERBS", ()) if known.name == verb))


def _from(point: EntryPoint) -> str:
    """All that is known of a command before it is imported."""
    return f"from {point.module.partition('.')[0]}"


def _bare_root() -> tuple[Parser, argparse._SubParsersAction[Parser]]:
    parser = Parser(
        prog="cloudai",
        description="Vision, speech, translation and custom models of AWS, Google Cloud, Azure and this machine:\n"
        "one way to call them, and an honest bill for each.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=_version())
    return parser, parser.add_subparsers(metavar="COMMAND", title="commands", prog=parser.prog, required=True)


def _version() -> str:
    from cloudai import __version__

    return f"cloudai {__version__}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
