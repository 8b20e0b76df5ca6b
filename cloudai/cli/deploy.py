"""`cloudai deploy MODEL --name NAME`: shows what it creates and what an hour costs, deploys, waits if asked to."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloudai.cli.parser import completes_files
from cloudai.cli.questions import FAILED
from cloudai.cli.submitting import left_behind
from cloudai.cli.terminal import Grid, Shown, note, show, warn
from cloudai.cli.verbs import at_least_one, duration
from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.types.custom import DeployPlan, DeployRequest, EndpointStatus
    from cloudai.types.results import Money


def configure(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.epilog = """\
examples:
  cloudai deploy ./digits --name digits --dry-run
  cloudai deploy ./digits --name digits --backend aws --accelerator T4 --wait
  cloudai deploy ./better --name digits --model-version b --traffic a=90,b=10

exit codes: 0 fine, 1 it was deployed and does not answer, 2 wrong input"""
    add = parser.add_argument
    completes_files(add("model", metavar="MODEL", help="a folder with model.onnx and model.toml, or an s3:// package"))
    add("--name", required=True, metavar="NAME", help="name of the endpoint")
    add("--backend", metavar="NAME", help="deploy there, whatever the routes say")
    completes_files(add("--config", metavar="FILE", help="use this cloudai.toml"))
    add("--model-version", metavar="V", help="its version (default: from the hash of the package)")
    add("--traffic", metavar="V=N,...", help="percent by version; without it the new one gets all")
    add("--accelerator", metavar="NAME", help="such as L4, A100-80GB, T4")
    add("--count", type=at_least_one, default=1, metavar="N", help="how many of them")
    add("--instance", metavar="TYPE", help="the provider's own machine type instead")
    add("--min-replicas", type=int, default=1, metavar="N", help="at least this many (default: 1)")
    add("--max-replicas", type=int, default=1, metavar="N", help="at most this many (default: 1)")
    add("--serverless", action="store_true", help="no machine is kept running")
    add("--image", metavar="ADDRESS", help="a container of your own")
    add("--dry-run", action="store_true", help="print exactly what would be created, and create nothing")
    add("--wait", action="store_true", help="until it answers")
    add("--timeout", type=duration, default=600.0, metavar="S", help="for the deployment (default: 600)")
    add("--json", action="store_true", help="the plan or the endpoint as JSON")


def run(args: argparse.Namespace) -> int:
    """Deploys; with `--wait` the exit code says whether it answers."""
    from cloudai.cli.calls import open_client
    from cloudai.types.speech import JobState

    request = _request(args)
    with open_client(args.config, args.backend) as client:
        plan = client.custom.plan_deployment(request)
        if args.dry_run:
            show([plan.model_dump_json(indent=2)] if args.json else _planned(plan))
            return 0
        if not args.json:
            note(f"{plan.name} {plan.version} on {plan.instance} at {plan.backend}: {_hourly(plan.hourly)}")
        result = client.custom.deploy(request, timeout=args.timeout, deadline=args.timeout)
        for notice in result.warnings:
            warn(notice.message)
        assert result.endpoint is not None
        handle = client.custom.endpoint(result.endpoint)
        with left_behind([handle.ref.name], "endpoints delete"):
            status = handle.wait() if args.wait else handle.status()
        show([status.model_dump_json(indent=2)] if args.json else shown(status))
    return FAILED if args.wait and status.state is not JobState.SUCCEEDED else 0


def shown(status: EndpointStatus) -> Iterable[Shown]:
    """One endpoint with its versions."""
    facts = {
        "endpoint": status.ref.name,
        "backend": status.ref.backend,
        "url": status.ref.url,
        "state": str(status.state),
        "why": status.message,
        "created": status.created,
        "cost": _hourly(status.hourly),
    }
    yield Grid(("", ""), tuple((name, text) for name, text in facts.items() if text))
    rows = tuple(
        (each.version, f"{each.traffic} %", each.instance or "-", "-" if each.replicas is None else str(each.replicas))
        for each in status.versions
    )
    yield Grid(("version", "traffic", "instance", "replicas"), rows, empty="no versions")


def traffic_of(text: str) -> dict[str, int]:
    """`a=90,b=10`."""
    found: dict[str, int] = {}
    for part in text.split(","):
        version, _, share = part.strip().rpartition("=")
        if not version or not share.isdecimal():
            raise InvalidInput(f"--traffic {text}: write a=90,b=10")
        found[version] = int(share)
    return found


def _hourly(price: Money | None) -> str:
    return "cost per hour unknown" if price is None else f"{price} per hour"


def _planned(plan: DeployPlan) -> Iterable[Shown]:
    import json

    yield f"{plan.name} {plan.version} on {plan.instance} at {plan.backend}: {_hourly(plan.hourly)}"
    yield from (f"upload {here} -> {there}" for here, there in plan.uploads)
    yield from (json.dumps(request, indent=2, default=str) for request in plan.requests)
    yield from (f"note: {notice.message}" for notice in plan.warnings)


def _request(args: argparse.Namespace) -> DeployRequest:
    from cloudai.calls.run import checked
    from cloudai.types.custom import Accelerator, DeployRequest

    count = args.count if args.accelerator else 0
    return checked(
        lambda: DeployRequest(
            model=args.model,
            name=args.name,
            version=args.model_version,
            accelerator=Accelerator(name=args.accelerator or "none", count=count, instance=args.instance),
            min_replicas=args.min_replicas,
            max_replicas=args.max_replicas,
            serverless=args.serverless,
            traffic=traffic_of(args.traffic) if args.traffic else {},
            image=args.image,
        )
    )
