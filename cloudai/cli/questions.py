"""What `runs`, `batches` and `endpoints` have alike: a subcommand per question, and finding what is asked about."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from cloudai.cli.parser import completes_files
from cloudai.cli.verbs import duration
from cloudai.errors import ErrorCode, InvalidInput

if TYPE_CHECKING:
    from cloudai.types.custom import BatchRef, RunRef

    R = TypeVar("R", RunRef, BatchRef)

FAILED = 1
"""The exit code of a job that ended otherwise than well."""
_OF_NONE = ("list", "submit")
_LOOKING = ("submit", "logs", "wait")
_AS_JSON = ("submit", "list", "show", "diff")


def questions(
    parser: argparse.ArgumentParser, words: Mapping[str, str], *, of: str, named_by: str
) -> dict[str, argparse.ArgumentParser]:
    """Verbs with the arguments that they have in every command; what is one command's own it adds itself."""
    verbs = parser.add_subparsers(metavar="VERB", title="verbs", required=True, dest="verb")
    found: dict[str, argparse.ArgumentParser] = {}
    for verb, text in words.items():
        sub = found[verb] = verbs.add_parser(verb, help=text, description=f"{text[:1].upper()}{text[1:]}.")
        if verb not in _OF_NONE:
            sub.add_argument("name", metavar=of, help=named_by)
        if verb == "fetch":
            completes_files(sub.add_argument("folder", metavar="FOLDER", help="where to"))
        if verb in _LOOKING:
            sub.add_argument("--interval", type=duration, default=5.0, metavar="S", help="between looks (default: 5)")
        if verb == "wait":
            sub.add_argument("--timeout", type=duration, default=86_400.0, metavar="S", help="at most (default: a day)")
        if verb in _AS_JSON:
            sub.add_argument("--json", action="store_true", help="as JSON")
        sub.add_argument("--backend", metavar="NAME", help="only this backend")
        completes_files(sub.add_argument("--config", metavar="FILE", help="use this cloudai.toml"))
    return found


def matching(name: str, refs: Sequence[R]) -> list[R]:
    """Those of this name, else those whose names begin with it; none of no name, as of a variable that is not set."""
    if not name:
        return []
    return [ref for ref in refs if ref.name == name] or [ref for ref in refs if ref.name.startswith(name)]


def only(name: str, found: Sequence[R], *, what: str, command: str) -> R:
    """The one that was found. Raises `InvalidInput` for none, and for several."""
    if not found:
        raise InvalidInput(f"no {what} {name!r}: see `cloudai {command} list`", code=ErrorCode.NOT_FOUND)
    if len({(ref.backend, ref.name) for ref in found}) > 1:
        raise InvalidInput(f"{name!r} could be {', '.join(f'{ref.name} ({ref.backend})' for ref in found[:5])}")
    return found[0]
