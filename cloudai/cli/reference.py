"""The reference part of docs/cli.md, made from the parsers, so that it can't go stale (a test compares them).

python -m cloudai.cli.reference docs/cli.md        rewrites what is between the two marks
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from cloudai.cli import vision
from cloudai.cli.commands import TABLE, full_parser
from cloudai.cli.parser import subcommands
from cloudai.cli.verbs import Verb, configure_verb

BEGIN = "<!-- reference: begin (python -m cloudai.cli.reference docs/cli.md) -->"
END = "<!-- reference: end -->"

SHARED = {"json", "raw", "quiet", "backend", "config", "timeout", "deadline", "option", "resize", "jobs"}
_HEAD = ("| argument | meaning |", "|---|---|")


def updated(document: str) -> str:
    """The document with the reference of today between the marks."""
    head, _, rest = document.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n\n{reference()}\n{END}{tail}"


def reference() -> str:
    """Markdown: a section for each command, a table of arguments for each verb, and once those that all verbs have."""
    aliases = {row.name for row in TABLE if row.alias}
    own = {row.name for row in TABLE}
    parts = [_shared()]
    for name, text, parser in subcommands(full_parser()):
        if name in own:
            parts.append(f"## cloudai {name}\n\n{text[:1].upper()}{text[1:]}.\n")
            parts.extend(() if name in aliases else _sections(parser))
    return "\n".join(parts)


def _shared() -> str:
    """What every verb of the services takes; read from one that takes all of them."""
    parser = argparse.ArgumentParser(add_help=False)
    configure_verb(parser, vision.VERBS[0])
    rows = [_row(action) for action in parser._actions if action.dest in SHARED]
    intro = "Every verb of `vision`, `speech`, `translation` and `custom` takes these (`--resize`: pictures only;"
    return "\n".join([f"## Flags of every operation\n\n{intro} `--jobs`: files only).\n", *_HEAD, *rows, ""])


def _sections(parser: argparse.ArgumentParser) -> Iterable[str]:
    verbs = subcommands(parser)
    if not verbs:
        yield _table(parser)
    for name, text, verb in verbs:
        if subcommands(verb):
            yield from _sections(verb)
        else:
            yield f"### {parser.prog} {name}\n\n{text[:1].upper()}{text[1:]}.\n"
            yield _table(verb)


def _table(parser: argparse.ArgumentParser) -> str:
    hidden = {"help", "debug"} | (SHARED if isinstance(parser.get_default("verb"), Verb) else set())
    rows = [_row(action) for action in parser._actions if action.dest not in hidden]
    return "\n".join([*_HEAD, *rows, ""]) if rows else ""


def _row(action: argparse.Action) -> str:
    choices = ",".join(str(choice) for choice in action.choices or ())
    value = action.metavar if isinstance(action.metavar, str) else f"{{{choices}}}" if choices else action.dest.upper()
    if action.option_strings:
        shown = ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {value}")
    else:
        shown = f"{value} ..." if action.nargs in ("+", "*") else value
    needed = " (required)" if action.option_strings and action.required else ""
    return f"| `{shown}` | {(action.help or '').replace('|', chr(92) + '|')}{needed} |"


if __name__ == "__main__":
    for word in sys.argv[1:]:
        path = Path(word)
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
