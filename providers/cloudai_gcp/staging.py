"""Audio on its way to a job: put into a bucket of the user's, deleted there when the job has ended. Pure requests.

https://cloud.google.com/storage/docs/json_api/v1/objects/insert (simple upload)
https://cloud.google.com/storage/docs/json_api/v1/objects/delete
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urlsplit

from cloudai.driver import Call
from cloudai.errors import InvalidInput
from cloudai.http import WireReply, WireRequest
from cloudai.types.media import Media
from cloudai.types.speech import JobRef, JobState, JobStatus
from cloudai_gcp.errors import error_of
from cloudai_gcp.objects import address, base_of

if TYPE_CHECKING:
    from cloudai_gcp.auth import Auth
    from cloudai_gcp.settings import GcpSettings

CLEANUP_SECONDS: Final = 5.0
"""For a deletion, after the call's own time may be over."""
_LOG = logging.getLogger(__name__)


def place(audio: Media, settings: GcpSettings, call: Call) -> str | None:
    """The address to put the audio at; `None`: it is in Cloud Storage already. Raises `InvalidInput` for nowhere."""
    if audio.data is None:
        return None
    if settings.staging_bucket is None:
        raise InvalidInput(
            "Google's transcription jobs read Cloud Storage only: set staging_bucket in the backend, or upload the "
            "audio and pass gs://..."
        )
    name = f"{settings.staging_prefix}cloudai-{call.idempotency_key or uuid.uuid4().hex}"
    return f"gs://{settings.staging_bucket}/{name}"


def upload(uri: str, audio: Media, headers: Mapping[str, str], endpoint: str | None) -> WireRequest:
    """The whole object in one request."""
    bucket, name = address(uri)
    query = urlencode({"uploadType": "media", "name": name})
    return WireRequest(
        method="POST",
        url=f"{base_of(endpoint)}/upload/storage/v1/b/{quote(bucket, safe='')}/o?{query}",
        headers={**headers, "content-type": audio.content_type or "application/octet-stream"},
        body=audio.content,
    )


def removal(uri: str, headers: Mapping[str, str], endpoint: str | None) -> WireRequest:
    """Deletes an object."""
    bucket, name = address(uri)
    path = f"/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"
    return WireRequest(method="DELETE", url=f"{base_of(endpoint)}{path}", headers=headers)


def stored(reply: WireReply, auth: Auth, url: str) -> None:
    """Raises `GoogleError` for an upload that was refused."""
    if not 200 <= reply.status < 300:
        raise error_of(reply, auth.secrets, host=urlsplit(url).netloc)


def log_left(uri: str, reason: str) -> None:
    """What could not be deleted: the object's own name, which cloudai chose, and no more."""
    _LOG.warning("the staging object %s was not deleted: %s", uri.rpartition("/")[2], reason)


def left(reply: WireReply) -> str:
    """Why an object is still there; empty: it is gone, and one that was gone already is as good."""
    return "" if 200 <= reply.status < 300 or reply.status == 404 else f"HTTP {reply.status}"


def over(status: JobStatus) -> bool:
    """Whether nothing will read the staged audio again, and nobody will ask for a result."""
    return status.state in (JobState.FAILED, JobState.CANCELLED)


def staged(job: JobRef) -> str | None:
    """Where this job's audio was put by its submission; `None`: it is the user's own object."""
    return dict(job.details).get("staged")
