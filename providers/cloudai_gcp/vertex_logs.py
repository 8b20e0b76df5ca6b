"""A custom job's lines from Cloud Logging, page by page.

https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list; jobs write to the resource `ml_job`:
https://cloud.google.com/vertex-ai/docs/training/monitor-debug-interactive-shell and .../docs/general/monitoring-metrics
(read 2026-11-21). A cursor is the time of the last line seen and the ids of the lines of that time.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from cloudai.errors import InvalidInput
from cloudai.types.custom import LogPage
from cloudai.wirejson import JsonNode

if TYPE_CHECKING:
    from cloudai_gcp.vertex_client import VertexClient

PAGE: Final = 1000
MOST: Final = 10_000
"""Lines of one answer; the cursor goes on behind them."""


def page(vertex: VertexClient, job: str, cursor: str | None, *, timeout: float) -> LogPage:
    """Lines since the cursor. Raises `InvalidInput` for a cursor that is not one of ours."""
    since, seen = _since(cursor)
    job_id = job.rpartition("/")[2]
    wanted = f'resource.type="ml_job" AND resource.labels.job_id="{job_id}"'
    if since:
        wanted += f' AND timestamp>="{since}"'
    body: dict[str, object] = {
        "resourceNames": [f"projects/{vertex.auth.project()}"],
        "filter": wanted,
        "orderBy": "timestamp asc",
        "pageSize": PAGE,
    }
    ends = time.monotonic() + timeout
    lines: list[str] = []
    while len(lines) < MOST:
        answer = vertex.asked("POST", f"{_base(vertex)}/v2/entries:list", timeout=ends - time.monotonic(), body=body)
        for entry in answer.items("entries"):
            at, known = entry.text("timestamp"), entry.text("insertId")
            if at == since and known in seen:
                continue
            seen = {*seen, known} if at == since else {known}
            since = at
            lines += text_of(entry).splitlines() or [""]
        token = answer.text("nextPageToken")
        if not token:
            break
        body = {**body, "pageToken": token}
    following = json.dumps([since, sorted(seen)]) if since else None
    return LogPage(lines=tuple(lines), next=following)


def _base(vertex: VertexClient) -> str:
    named = vertex.settings.endpoint_url
    return named.rstrip("/") if named else "https://logging.googleapis.com"


def text_of(entry: JsonNode) -> str:
    """What was printed: containers' lines are `jsonPayload.message`."""
    return entry.text("textPayload") or entry.at("jsonPayload").text("message")


def _since(cursor: str | None) -> tuple[str, set[str]]:
    if not cursor:
        return "", set()
    try:
        since, seen = json.loads(cursor)
    except ValueError:
        raise InvalidInput("that is no cursor of these logs") from None
    if not isinstance(since, str) or '"' in since or not isinstance(seen, list):
        raise InvalidInput("that is no cursor of these logs")
    return since, {str(each) for each in seen}
