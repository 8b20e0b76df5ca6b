"""Jobs of Vertex AI, created once: custom jobs and batch predictions, for which it takes no id of ours.

The label of the submission is searched before a job is created. An answer that is lost is searched for again, and
where nothing is found then nobody knows: that is `outcome_unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cloudai.errors import ErrorCode, ServiceError
from cloudai.types.speech import JobState
from cloudai.wirejson import JsonNode
from cloudai_gcp import vertex_bodies as bodies
from cloudai_gcp.errors import GoogleError
from cloudai_gcp.staging import CLEANUP_SECONDS, log_left
from cloudai_gcp.values import moment
from cloudai_gcp.vertex_client import VertexClient
from cloudai_gcp.vertex_errors import unknown, unsure
from cloudai_gcp.vertex_storage import VertexStorage

LOOK_SECONDS: Final = 10.0
"""For looking whether a job was created whose answer was lost, after the call's own time."""
STATES: Final = {
    "JOB_STATE_QUEUED": JobState.QUEUED,
    "JOB_STATE_PENDING": JobState.QUEUED,
    "JOB_STATE_RUNNING": JobState.RUNNING,
    "JOB_STATE_UPDATING": JobState.RUNNING,
    "JOB_STATE_PAUSED": JobState.RUNNING,
    "JOB_STATE_CANCELLING": JobState.RUNNING,
    "JOB_STATE_SUCCEEDED": JobState.SUCCEEDED,
    "JOB_STATE_PARTIALLY_SUCCEEDED": JobState.SUCCEEDED,
    "JOB_STATE_FAILED": JobState.FAILED,
    "JOB_STATE_EXPIRED": JobState.FAILED,
    "JOB_STATE_CANCELLED": JobState.CANCELLED,
}
"""https://cloud.google.com/vertex-ai/docs/reference/rest/v1/JobState"""
ENDED: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
JOB: Final = "cloudai-job"
"""Label: what the job is made of. Two jobs of one name are told apart by it."""
_COMMANDS: Mapping[str, str] = {"customJobs": "custom-jobs", "batchPredictionJobs": "batch-prediction-jobs"}


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One job to be: its collection, name and what it is made of (`mark`, hex digits)."""

    vertex: VertexClient
    collection: str
    name: str
    mark: str

    @property
    def labels(self) -> dict[str, str]:
        """What it is found by."""
        return {bodies.SUBMISSION: self.name, JOB: self.mark}

    def find(self, *, timeout: float) -> JsonNode | None:
        """The oldest job with this label. Raises `ServiceError` (conflict) where it is another's."""
        found = self.vertex.listed(self.collection, self._filter, timeout=timeout)
        if not found:
            return None
        if found[-1].at("labels").text(JOB) != self.mark:
            text = f"{self.name}: Vertex AI has a job of this name that is another one: name yours differently"
            raise ServiceError(text, code=ErrorCode.CONFLICT)
        return found[-1]

    def create(self, body: Mapping[str, object], *, timeout: float) -> JsonNode:
        """Raises `GoogleError` (`outcome_unknown`) where it can't be told whether the job was created."""
        try:
            return self.vertex.create(self.collection, body, timeout=timeout)
        except Exception as error:
            if not unsure(error):
                raise
            return self._after_doubt(error)

    @property
    def _filter(self) -> str:
        return f"labels.{bodies.SUBMISSION}={bodies.label(self.name)}"

    def _after_doubt(self, error: Exception) -> JsonNode:
        try:
            there = self.find(timeout=LOOK_SECONDS)
        except Exception:  # noqa: BLE001  # it could not be looked for: nobody knows
            there = None
        if there is not None:
            return there
        kind = _COMMANDS[self.collection]
        where = f"gcloud ai {kind} list --region={self.vertex.location} --filter={self._filter}"
        text = f"{error}; the job {self.name} may have been created. Before you submit it again: {where}"
        raise unknown(error, text) from error


def is_unknown(error: Exception) -> bool:
    """Whether the job may be there: then what was staged for it has to stay."""
    return isinstance(error, GoogleError) and error.fault.code is ErrorCode.OUTCOME_UNKNOWN


def unstage(storage: VertexStorage, staged: list[str]) -> None:
    """After a refusal. Never raises: what is left lies below the submission's own name, and is told in the log."""
    for uri in staged:
        try:
            storage.remove(uri, timeout=CLEANUP_SECONDS)
        except Exception as error:  # noqa: BLE001  # tidying up must not hide what it tidies up after
            log_left(uri, type(error).__name__)


def billed_seconds(job: JsonNode) -> float | None:
    """Between start and end: what Vertex AI bills for each machine."""
    started, ended = job.text("startTime"), job.text("endTime")
    return moment(ended).timestamp() - moment(started).timestamp() if started and ended else None


def cancel(vertex: VertexClient, collection: str, name: str, *, timeout: float) -> None:
    """Asks a job to end; one that has ended already is no error."""
    try:
        vertex.cancel_job(collection, name, timeout=timeout)
    except GoogleError as error:
        if error.fault.code is not ErrorCode.INVALID_INPUT:
            raise
        state = vertex.get(collection, name, timeout=timeout).text("state")
        if STATES.get(state) not in ENDED:
            raise
