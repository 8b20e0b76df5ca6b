"""`cloudai SERVICE VERB`: verbs and their flags as data, and the parsers made from them.

A flag names the argument of the client's method that it sets; flags that were not given are not passed, so the
client's own defaults hold. Which operation a verb is, and its help, come from the vocabulary in `cloudai_pricing`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from cloudai.cli.parser import completes_files
from cloudai.cli.terminal import Shown

if TYPE_CHECKING:
    from cloudai.calls.run import CallOptions
    from cloudai.client import Client
    from cloudai.types.results import Result

Value = str | int | float | bool | list[str]
"""What a flag can hold."""


class Source(Enum):
    """What a verb reads. Files may be many, patterns, addresses, or `-` for standard input."""

    IMAGES = auto()
    AUDIO = auto()
    DOCUMENTS = auto()
    TEXT = auto()
    """One text, or `-`."""
    TEXTS = auto()
    """Several texts in one call, or `-`."""
    NOTHING = auto()

    @property
    def files(self) -> bool:
        """Whether the inputs are files."""
        return self in (Source.IMAGES, Source.AUDIO, Source.DOCUMENTS)


@dataclass(frozen=True, slots=True)
class Flag:
    """One option (or, without dashes, one positional) of a verb."""

    field: str
    """The argument of the client's method."""
    name: str
    help: str
    kind: Callable[[str], Value] = str
    choices: tuple[str, ...] | None = None
    switch: bool | None = None
    """It takes no value and means this one."""
    many: bool = False
    """It may be given several times, or with values divided by commas."""
    required: bool = False
    metavar: str | None = None
    file: bool = False
    """Its value is a file's name."""

    def add(self, parser: argparse.ArgumentParser) -> None:
        """Adds it to a parser; not given means absent."""
        if not self.name.startswith("-"):
            parser.add_argument(self.field, metavar=self.name, help=self.help, type=self.kind)
            return
        if self.switch is not None:
            parser.add_argument(
                self.name, dest=self.field, help=self.help, action="store_const", const=self.switch,
                default=argparse.SUPPRESS,
            )  # fmt: skip
            return
        action = parser.add_argument(
            self.name,
            dest=self.field,
            help=f"{self.help} (repeatable)" if self.many else self.help,
            type=self.kind,
            choices=self.choices,
            action="extend" if self.many and self.kind is comma else "append" if self.many else "store",
            default=argparse.SUPPRESS,
            required=self.required,
            metavar=self.metavar,
        )
        if self.file:
            completes_files(action)


def comma(text: str) -> list[str]:
    """`en,de` as two values."""
    return [part.strip() for part in text.split(",") if part.strip()]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """One operation on the command line."""

    operation: str
    source: Source
    show: Callable[[Any], Iterable[Shown]]
    """What a person sees of its result."""
    flags: tuple[Flag, ...] = ()
    binary: str | None = None
    """The result's field of bytes that `-o` writes: `audio`, `document`."""
    forms: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    """Other text forms of the result by flag name: `--srt`."""
    call: Callable[[Client, Any, Mapping[str, Value], CallOptions], Result] | None = None
    """For a verb whose arguments are not those of the client's method one by one."""
    epilog: str = ""

    @property
    def service(self) -> str:
        """`vision`."""
        return self.operation.partition(".")[0]

    @property
    def name(self) -> str:
        """As typed: `read-text`."""
        return self.operation.partition(".")[2].replace("_", "-")

    def ask(self, client: Client, source: object, values: Mapping[str, Value], options: CallOptions) -> Result:
        """Calls the client's method of this operation."""
        if self.call is not None:
            return self.call(client, source, values, options)
        from cloudai_pricing.operations import operations

        method = getattr(getattr(client, self.service), operations()[self.operation].verb)
        inputs = () if self.source is Source.NOTHING else (source,)
        answer: Result = method(*inputs, **values, **options)
        return answer


_INPUTS = {
    Source.IMAGES: ("IMAGE", "files, patterns ('scans/*.png'), https:// or object-store addresses; - is stdin"),
    Source.AUDIO: ("AUDIO", "files, patterns ('calls/*.wav'), https:// or object-store addresses; - is stdin"),
    Source.DOCUMENTS: ("DOCUMENT", "files, patterns ('*.pdf'), https:// or object-store addresses; - is stdin"),
    Source.TEXT: ("TEXT", "the text; - reads it from stdin"),
    Source.TEXTS: ("TEXT", "one or several texts; - reads one from stdin"),
}


def configure_service(parser: argparse.ArgumentParser, verbs: Sequence[Verb]) -> None:
    """A subcommand for each verb."""
    commands = parser.add_subparsers(metavar="VERB", title="verbs", required=True)
    for verb in verbs:
        title = _title(verb)
        sub = commands.add_parser(
            verb.name, help=title, description=f"{title}.", epilog=f"{verb.epilog}\noperation: {verb.operation}".strip()
        )
        configure_verb(sub, verb)


def configure_verb(parser: argparse.ArgumentParser, verb: Verb) -> None:
    """The inputs and flags of one verb, and those that every verb has."""
    parser.set_defaults(verb=verb)
    parser.usage = _usage(parser.prog, verb)
    for flag in verb.flags:
        if not flag.name.startswith("-"):
            flag.add(parser)
    if verb.source in _INPUTS:
        metavar, text = _INPUTS[verb.source]
        several = "*" if verb.call is not None else "+"
        inputs = parser.add_argument(
            "inputs", nargs=None if verb.source is Source.TEXT else several, metavar=metavar, help=text
        )
        if verb.source.files:
            completes_files(inputs)
    for flag in verb.flags:
        if flag.name.startswith("-"):
            flag.add(parser)
    _output_flags(parser, verb)
    _call_flags(parser, verb)


def _output_flags(parser: argparse.ArgumentParser, verb: Verb) -> None:
    group = parser.add_argument_group("output")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the whole result as JSON; of several files, JSON Lines")
    for name in verb.forms:
        form.add_argument(f"--{name}", action="store_const", const=name, dest="form", help=f"as {name.upper()}")
    group.add_argument("--raw", action="store_true", help="JSON with the provider's own answer in it")
    if verb.binary is not None or verb.forms:
        output = group.add_argument(
            "-o", "--output", metavar="PATH", help="write to this file; for several inputs, into this folder"
        )
        completes_files(output)
    group.add_argument("-q", "--quiet", action="store_true", help="no notes on usage and cost, no progress bar")


def _call_flags(parser: argparse.ArgumentParser, verb: Verb) -> None:
    group = parser.add_argument_group("call")
    group.add_argument("--backend", metavar="NAME", help="ask this backend, whatever the routes say")
    config = group.add_argument("--config", metavar="FILE", help="use this cloudai.toml")
    completes_files(config)
    group.add_argument("--timeout", metavar="TIME", type=duration, help="for one attempt: 20s, 500ms, 2m")
    group.add_argument("--deadline", metavar="TIME", type=duration, help="for all attempts and fallbacks: 60s")
    group.add_argument(
        "--option", metavar="PROVIDER.KEY=VALUE", type=option, action="append", default=[],
        help="a provider's own parameter: local.engine=espeak-ng (repeatable)",
    )  # fmt: skip
    if verb.source is Source.IMAGES:
        group.add_argument("--resize", action="store_true", help="scale an image down to the backend's limit")
    if verb.source.files:
        group.add_argument("--jobs", metavar="N", type=at_least_one, default=1, help="files at a time (default 1)")


def at_least_one(text: str) -> int:
    """A whole number from 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return value


def duration(text: str) -> float:
    """Seconds of `20s`, `2m`, or of a plain number of seconds."""
    from cloudai.config_document import parse_duration
    from cloudai.errors import ConfigError

    try:
        return parse_duration(f"{text}s" if text.replace(".", "", 1).isdigit() else text, where="time")
    except ConfigError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 20s, 500ms, 2m or 1h") from None


@dataclass(frozen=True, slots=True)
class ProviderOption:
    """`local.engine=espeak-ng`; a value that is JSON (`5`, `true`, `["a"]`) is taken as such."""

    provider: str
    path: tuple[str, ...]
    value: object


def option(text: str) -> ProviderOption:
    """Reads one `--option`."""
    import json

    name, equals, value = text.partition("=")
    provider, *path = name.split(".")
    if not equals or not path or not all((provider, *path)):
        raise argparse.ArgumentTypeError(f"{text!r} is not PROVIDER.KEY=VALUE, such as local.engine=espeak-ng")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    return ProviderOption(provider, tuple(path), parsed)


def option_tables(options: Iterable[ProviderOption]) -> dict[str, dict[str, Any]]:
    """By provider, nested by path. Raises `InvalidInput` when one path goes through another's value."""
    from cloudai.errors import InvalidInput

    tables: dict[str, dict[str, Any]] = {}
    for given in options:
        table = tables.setdefault(given.provider, {})
        for key in given.path[:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise InvalidInput(f"--option {given.provider}.{'.'.join(given.path)}: {key} has a value already")
        table[given.path[-1]] = given.value
    return tables


def _usage(prog: str, verb: Verb) -> str:
    """What must be given, and `[options]`: all of them would fill a screen."""
    words = [flag.name for flag in verb.flags if not flag.name.startswith("-")]
    if verb.source in _INPUTS:
        metavar = _INPUTS[verb.source][0]
        words.append(metavar if verb.source is Source.TEXT else f"[{metavar} ...]" if verb.call else f"{metavar} ...")
    words += [f"{flag.name} {flag.metavar}" for flag in verb.flags if flag.required]
    return " ".join([prog, *words, "[options]"])


def _title(verb: Verb) -> str:
    from cloudai_pricing.operations import operations

    return operations()[verb.operation].title
