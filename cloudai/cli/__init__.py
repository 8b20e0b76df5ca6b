"""The command line: `cloudai COMMAND`. One late-loaded module per command; the table is in `commands.py`.

Exit codes: 0 fine; 1 an operation failed; 2 wrong input or config; 3 over budget; 4 an estimate is incomplete;
130 interrupted; 141 the reader of our output went away.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence

from cloudai.cli.commands import chosen_command, expand_alias, root_parser

INTERRUPTED = 130
BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (default: this process's) and returns its exit code. No exception leaves it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except SystemExit as done:  # argparse, after --help and --version
        return done.code if isinstance(done.code, int) else 0
    except KeyboardInterrupt:
        print("cloudai: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return BROKEN_PIPE
    except Exception as error:  # noqa: BLE001  # the border: nothing but a line of text reaches the user
        from cloudai.cli.failures import exit_code, report

        report(error, debug="--debug" in arguments)
        return exit_code(error)
    return status


def _run(arguments: list[str]) -> int:
    _print_anything()
    args = _parsed(expand_alias(arguments or ["--help"]))
    status: int = args.run(args)
    return status


def _parsed(arguments: list[str]) -> argparse.Namespace:
    """The arguments, the command's module imported. Importing makes no garbage: looking for it is put off."""
    looking = gc.isenabled()
    gc.disable()
    try:
        chosen = chosen_command(arguments)
        parser = root_parser(chosen, list_installed=chosen is None and "--version" not in arguments)
        parsed: argparse.Namespace = parser.parse_args(arguments)
        return parsed
    finally:
        if looking:
            gc.enable()


def _print_anything() -> None:
    """Text that the terminal's encoding lacks is printed escaped, not refused half way."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """What is still buffered goes nowhere, so that the interpreter does not complain about it at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # not a real file: nothing to forget
        return
