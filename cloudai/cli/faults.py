"""`cloudai faults serve`: a provider on this machine that misbehaves on script, and what it counted and billed."""

from __future__ import annotations

import argparse
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudai.cli.parser import completes_files
from cloudai.cli.terminal import Grid, Shown, note, show

if TYPE_CHECKING:
    from cloudai.testing.faults import FaultServer

SCHEMA = "cloudai.faults/1"
_PROVIDERS = ("aws", "gcp", "azure", "plain")


def configure(parser: argparse.ArgumentParser) -> None:
    """`serve`."""
    commands = parser.add_subparsers(metavar="VERB", title="verbs", required=True)
    serve = commands.add_parser(
        "serve",
        help="serve until Ctrl-C, then print counts and the bill",
        description="Speaks a provider's wire on the loopback, misbehaves on script, counts requests and bills them.",
        epilog="examples:\n  cloudai faults serve --provider aws --script script.toml\n"
        "  cloudai faults serve --provider azure --port 8085 --json > counts.json\n"
        "The script's form is in docs/faults.md; without one every request is answered.",
    )
    serve.add_argument("--provider", choices=_PROVIDERS, help="whose wire (default: the script's, else plain)")
    script = serve.add_argument("--script", metavar="FILE", help="a TOML file: which request gets what")
    completes_files(script)
    serve.add_argument("--port", type=int, default=0, metavar="N", help="default: a free one, which is printed")
    serve.add_argument("--latency", type=float, metavar="SECONDS", help="before every answer (default: the script's)")
    serve.add_argument("--seconds", type=float, metavar="N", help="stop after so long instead of at Ctrl-C")
    serve.add_argument("--json", action="store_true", help="counts and bill as JSON")


def run(args: argparse.Namespace) -> int:
    """Serves. Ctrl-C and SIGTERM are its normal end."""
    server = _made(args)
    with _stopped_by_signals() as stopped, server:
        note(f"{server.wire.provider} at {server.url}; Ctrl-C ends it{_table(server)}")
        stopped.wait(args.seconds)
    show([_json(server)] if args.json else _parts(server))
    return 0


def _made(args: argparse.Namespace) -> FaultServer:
    from cloudai.testing.faults import FaultServer, Loaded, load_script

    loaded = load_script(args.script) if args.script else Loaded(scripts={})
    return FaultServer(
        args.provider or loaded.provider or "plain",
        loaded.scripts,
        latency=loaded.latency if args.latency is None else args.latency,
        clock_skew=loaded.clock_skew,
        prices=loaded.prices,
        port=args.port,
    )


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; their own meaning is back at the end."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stopped.set()) for number in numbers]
    try:
        yield stopped
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _table(server: FaultServer) -> str:
    """`[backends.NAME]` to copy; the plain provider is handed to clients in code."""
    if server.providers:
        return ""
    lines = [f"{name} = {json.dumps(value)}" for name, value in server.wire.settings(server.url).items()]
    return "\n".join([". In cloudai.toml:", "", f"[backends.{server.wire.provider}]", *lines, ""])


def _parts(server: FaultServer) -> Iterator[Shown]:
    calls = tuple((call, str(count)) for call, count in sorted(server.counts.items()))
    yield Grid(("call", "requests"), calls, title="arrived", empty="no request arrived")
    bill = server.bill
    rows = [
        (line.operation, str(line.requests), f"{line.quantity} {line.unit}", _usd(line.cost)) for line in bill.lines
    ]
    total = [("total", str(bill.requests), "", _usd(bill.cost))] if rows else []
    yield "\n"
    yield Grid(("operation", "billed", "units", "USD"), (*rows, *total), title="bill", empty="nothing is billed")
    if server.abandoned:
        yield f"\n{server.abandoned} requests were given up by the client before they were answered"


def _usd(cost: object) -> str:
    return "unknown" if cost is None else str(cost)


def _json(server: FaultServer) -> str:
    bill = server.bill
    lines = [
        {
            "operation": line.operation,
            "requests": line.requests,
            "quantity": str(line.quantity),
            "unit": line.unit,
            "cost": None if line.cost is None else str(line.cost),
        }
        for line in bill.lines
    ]
    found = {
        "schema": SCHEMA,
        "provider": server.wire.provider,
        "requests": len(server.requests),
        "abandoned": server.abandoned,
        "calls": dict(sorted(server.counts.items())),
        "bill": {"lines": lines, "cost": None if bill.cost is None else str(bill.cost)},
    }
    return json.dumps(found, indent=2)
