"""The argument parser of every command: one form of errors, `--debug` everywhere, options and inputs in any order."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from cloudai.errors import InvalidInput


class Parser(argparse.ArgumentParser):
    """`argparse`, except that a wrong argument raises `InvalidInput` like any other wrong input.

    Options may stand before, between and after inputs: `read-text a.png --json b.png`.
    Parsers of subcommands are of this class too, because argparse makes them of their parent's.
    """

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", _Help)
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)
        self._within = False
        self.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )

    def error(self, message: str) -> NoReturn:
        """Raises `InvalidInput` with the command to ask for help."""
        raise InvalidInput(f"{message}\nSee: {self.prog} --help")

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]  # argparse declares overloads
        self, args: Any = None, namespace: Any = None
    ) -> Any:
        """Intermixed where argparse can: in a parser without subcommands."""
        if self._within or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._within = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of descriptions, and gives long options room."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, max_help_position=30, **settings)

    def format_help(self) -> str:
        """Counts the indentation of subcommands in, which argparse forgets: their helps stay on their lines."""
        self._action_max_length += self._indent_increment
        return super().format_help()


FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "fish": "(__fish_complete_path (commandline -ct))"}
"""How a shell completes a file name, in the words of shtab (which is not imported to parse arguments)."""


def completes_files(action: Any) -> None:
    """Marks an argument as the name of a file, for completion."""
    action.complete = FILES


def subcommands(parser: argparse.ArgumentParser) -> Sequence[tuple[str, str, argparse.ArgumentParser]]:
    """Name, help and parser of each subcommand, in order."""
    found: list[tuple[str, str, argparse.ArgumentParser]] = []
    for action in parser._actions:  # argparse has no public way to its subcommands
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            found += [(name, helps.get(name, ""), sub) for name, sub in action.choices.items()]
    return found
