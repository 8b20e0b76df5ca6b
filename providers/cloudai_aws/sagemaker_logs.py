"""Lines of a training job from CloudWatch Logs: each machine has a stream, each stream its own place to go on from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cloudai.errors import InvalidInput
from cloudai.types.custom import LogPage
from cloudai_aws.faults import code_of

if TYPE_CHECKING:
    from cloudai_aws.clients import Clients

GROUP = "/aws/sagemaker/TrainingJobs"
LINES = 10_000
"""Of one stream in one page."""


def page(clients: Clients, name: str, cursor: str | None) -> LogPage:
    """What came since `cursor`, stream after stream. Nothing, before the first machine has begun.

    Lines of several machines are marked with the machine's name.
    """
    places = _places(cursor)
    streams = _streams(clients, name)
    lines: list[str] = []
    for stream in streams:
        found, places[stream] = _read(clients, f"{name}/{stream}", places.get(stream, ""))
        mark = f"[{_machine(stream)}] " if len(streams) > 1 else ""
        lines += [mark + line for line in found]
    return LogPage(lines=tuple(lines), next=json.dumps(places, separators=(",", ":")) if places else cursor)


def _machine(stream: str) -> str:
    """`algo-1` of `algo-1-1732201800`."""
    return stream.rpartition("-")[0] or stream


def _places(cursor: str | None) -> dict[str, str]:
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(token, str) for token in found.values()):
        raise InvalidInput("the cursor is not one of this backend's")
    return found


def _streams(clients: Clients, name: str) -> list[str]:
    from botocore.exceptions import ClientError

    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        try:
            reply = clients("logs").describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/", **token)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":  # the account's first job has not written yet
                return []
            raise
        found += [str(stream["logStreamName"]).removeprefix(f"{name}/") for stream in reply["logStreams"]]
        if not reply.get("nextToken"):
            return sorted(found)
        token = {"nextToken": str(reply["nextToken"])}


def _read(clients: Clients, stream: str, token: str) -> tuple[list[str], str]:
    """One page of one stream. The same token comes back where nothing is new."""
    where = {"nextToken": token} if token else {"startFromHead": True}
    reply = clients("logs").get_log_events(logGroupName=GROUP, logStreamName=stream, limit=LINES, **where)
    lines = [line for event in reply["events"] for line in str(event["message"]).splitlines()]
    return lines, str(reply.get("nextForwardToken") or token)
