"""Runs a verb: opens the client, asks it for each input, prints results as they come, sums up what failed.

One input: its result or its error. Several: every one is tried, failures are told as they happen and listed at the
end, and the exit code is 1 if any failed.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudai.cli import output
from cloudai.cli.failures import FAILED, describe, report
from cloudai.cli.inputs import Input, file_inputs, is_pattern, text_input
from cloudai.cli.notes import note_result, note_total, note_warnings
from cloudai.cli.terminal import show, warn
from cloudai.cli.verbs import Source, Value, Verb, option_tables

if TYPE_CHECKING:
    from cloudai.calls.run import CallOptions
    from cloudai.client import Client
    from cloudai.types.results import Result


def run(args: argparse.Namespace) -> int:
    """The `run` of every service command."""
    verb: Verb = args.verb
    inputs = _inputs(verb, args)
    several = len(inputs) > 1 or (verb.source.files and any(is_pattern(word) for word in args.inputs))
    output.check(verb, args, inputs)
    with open_client(args.config, args.backend) as client:
        asked = _Asked(verb=verb, client=client, values=_values(verb, args), options=_options(args))
        if not several:
            _print_one(verb, args, inputs[0], asked(inputs[0]))
            return 0
        return _run_several(args, asked, inputs)


def _inputs(verb: Verb, args: argparse.Namespace) -> Sequence[Input]:
    if verb.source is Source.NOTHING or args.inputs == []:
        return [Input(verb.operation, None)]
    return file_inputs(args.inputs) if verb.source.files else [text_input(args.inputs)]


def _values(verb: Verb, args: argparse.Namespace) -> dict[str, Value]:
    values = {flag.field: getattr(args, flag.field) for flag in verb.flags if hasattr(args, flag.field)}
    return values | output.implied(verb, args, values)


def _options(args: argparse.Namespace) -> CallOptions:
    from cloudai.registry import Registry

    options: CallOptions = {}
    if args.timeout is not None:
        options["timeout"] = args.timeout
    if args.deadline is not None:
        options["deadline"] = args.deadline
    if args.raw:
        options["raw"] = True
    if getattr(args, "resize", False):
        options["resize"] = True
    if args.option:
        options["options"] = option_tables(args.option)
        for provider in options["options"]:
            Registry.installed().get(provider, where="--option")
    return options


@contextmanager
def open_client(config: str | None, backend: str | None) -> Iterator[Client]:
    """An open client; warnings about the config are told on stderr."""
    from cloudai import Client, ConfigWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConfigWarning)
        client = Client(config, backend=backend)
    for warning in caught:
        if issubclass(warning.category, ConfigWarning):
            warn(str(warning.message))
    with client:
        yield client


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """One verb with its arguments, to be asked of each input."""

    verb: Verb
    client: Client
    values: dict[str, Value]
    options: CallOptions

    def __call__(self, given: Input) -> Result:
        return self.verb.ask(self.client, given.source, self.values, self.options)

    def or_error(self, given: Input) -> Result | Exception:
        """The answer, or why there is none: one input's failure is not another's."""
        try:
            return self(given)
        except Exception as error:  # noqa: BLE001  # reported beside its input
            return error


def _print_one(verb: Verb, args: argparse.Namespace, given: Input, result: Result) -> None:
    written = output.write(verb, args, given, result, several=False)
    if args.json or args.raw:
        without = {verb.binary} if written and verb.binary else None
        show([result.model_dump_json(indent=2, exclude=without)])
        return
    if not written:
        show(verb.show(result))
    note_result(result, quiet=args.quiet)


def _run_several(args: argparse.Namespace, asked: _Asked, inputs: Sequence[Input]) -> int:
    from cloudai.cli.progress import Bar

    done: list[Result] = []
    failed: list[str] = []
    told: set[str] = set()
    with Bar(len(inputs), quiet=args.quiet) as bar:
        for given, answer in _answers(asked, inputs, args.jobs):
            with bar.aside():
                if isinstance(answer, Exception):
                    failed.append(given.label)
                    _print_failure(args, given, answer)
                else:
                    done.append(answer)
                    _print_item(asked.verb, args, given, answer)
                    if not (args.json or args.raw):
                        note_warnings(answer, about=given.label, told=told)
            bar.advance()
    if not (args.json or args.raw):
        note_total(done, failed, quiet=args.quiet)
    return FAILED if failed else 0


def _answers(asked: _Asked, inputs: Sequence[Input], jobs: int) -> Iterator[tuple[Input, Result | Exception]]:
    """In the order of the inputs. Interrupted: what has not begun is dropped."""
    if jobs == 1:
        yield from ((given, asked.or_error(given)) for given in inputs)
        return
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from zip(inputs, pool.map(asked.or_error, inputs), strict=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _print_item(verb: Verb, args: argparse.Namespace, given: Input, result: Result) -> None:
    written = output.write(verb, args, given, result, several=True)
    if args.json or args.raw:
        without = {verb.binary} if written and verb.binary else None
        payload = result.model_dump_json(exclude=without)
        show([f'{{"input":{json.dumps(given.label)},"result":{payload}}}'])
        return
    if not written:
        show([f"==> {given.label} <==", *verb.show(result), "\n"])


def _print_failure(args: argparse.Namespace, given: Input, error: Exception) -> None:
    report(error, debug=getattr(args, "debug", False), about=given.label)
    if args.json or args.raw:
        code = getattr(error, "code", "internal")
        failure = {"input": given.label, "error": {"code": str(code), "message": describe(error)}}
        show([json.dumps(failure)])
