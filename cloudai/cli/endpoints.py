"""`cloudai endpoints`: what stands and what it costs, whichever process deployed it: list, show, traffic, delete."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from cloudai.cli.deploy import shown, traffic_of
from cloudai.cli.questions import questions
from cloudai.cli.terminal import Grid, note, show

if TYPE_CHECKING:
    from cloudai.client import Client
    from cloudai.types.custom import EndpointStatus


def configure(parser: argparse.ArgumentParser) -> None:
    """One subcommand per question."""
    words = {
        "list": "the endpoints that cloudai made, with what they cost",
        "show": "one endpoint: its versions, their traffic, its cost",
        "traffic": "share the requests among its versions; a=100 takes the others back",
        "delete": "with all that belongs to it",
    }
    subs = questions(parser, words, of="ENDPOINT", named_by="its name, or its ref in JSON")
    subs["traffic"].add_argument("traffic", metavar="V=N,...", help="percent by version: a=90,b=10")


def run(args: argparse.Namespace) -> int:
    """Asks the backends."""
    from cloudai.cli.calls import open_client

    with open_client(args.config, args.backend) as client:
        {"list": _list, "show": _show, "traffic": _traffic, "delete": _delete}[args.verb](client, args)
    return 0


def _list(client: Client, args: argparse.Namespace) -> None:
    found = client.custom.endpoints(backend=args.backend)
    if args.json:
        show([json.dumps([each.model_dump(mode="json") for each in found], indent=2)])
        return
    heads = ("endpoint", "backend", "state", "versions", "per hour", "created")
    show([Grid(heads, tuple(map(_row, found)), empty="no endpoints")])


def _row(status: EndpointStatus) -> tuple[str, ...]:
    versions = ", ".join(f"{each.version} {each.traffic} %" for each in status.versions) or "-"
    hourly = "unknown" if status.hourly is None else str(status.hourly)
    return status.ref.name, status.ref.backend, str(status.state), versions, hourly, status.created or "-"


def _show(client: Client, args: argparse.Namespace) -> None:
    status = client.custom.endpoint(args.name, backend=args.backend).status()
    show([status.model_dump_json(indent=2)] if args.json else shown(status))


def _traffic(client: Client, args: argparse.Namespace) -> None:
    endpoint = client.custom.endpoint(args.name, backend=args.backend)
    endpoint.set_traffic(traffic_of(args.traffic))
    show(shown(endpoint.status()))


def _delete(client: Client, args: argparse.Namespace) -> None:
    endpoint = client.custom.endpoint(args.name, backend=args.backend)
    endpoint.delete()
    note(f"{endpoint.ref.name} at {endpoint.ref.backend} is deleted")
