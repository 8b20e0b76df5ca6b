"""Notes of batch submissions in the datastore, one blob each: Azure ML names a batch job itself, and keeps no label.

A note without a job's name says that a submission was about to be made. Its job is then searched for among the
workspace's, as the one that writes to the submission's own folder.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from cloudai.types.custom import BatchRef
from cloudai.wirejson import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudai_azure.ml_client import MlClient
    from cloudai_azure.ml_storage import MlStorage

OUTPUT: Final = "output"
"""The detail of a `BatchRef` that names the folder that its job alone writes to."""
NOTE_SECONDS: Final = 10.0


class BatchNotes:
    """Those of one backend."""

    def __init__(self, client: MlClient, storage: MlStorage, *, backend: str) -> None:
        self._client = client
        self._storage = storage
        self._backend = backend

    def path(self, name: str) -> str:
        """Of a submission's note."""
        return f"{self._folder}/{name}.json"

    @property
    def _folder(self) -> str:
        return f"{self._client.settings.ml_prefix}/batch-jobs"

    def write(self, ref: BatchRef, ends: float) -> None:
        """`ends` is monotonic, here and below."""
        self._storage.put(self.path(ref.name), ref.model_dump_json().encode(), timeout=ends - time.monotonic())

    def made(self, ref: BatchRef, ends: float) -> None:
        """Notes the job's name. The job is there whether that succeeds or not: without, it is searched for again."""
        try:
            self.write(ref, max(ends, time.monotonic() + NOTE_SECONDS))
        except Exception:  # noqa: BLE001  # the caller has the job's name
            return

    def read(self, name: str, ends: float) -> BatchRef | None:
        """`None`: this submission was never made."""
        return self._read(self.path(name), ends)

    def job(self, noted: BatchRef, ends: float) -> BatchRef | None:
        """With the job's name; `None`: there is no job."""
        if not noted.id:
            return self.searched(noted, ends)
        there = self._client.there(f"jobs/{noted.id}", timeout=ends - time.monotonic())
        return noted if there is not None else None

    def searched(self, ref: BatchRef, ends: float) -> BatchRef | None:
        """Among the workspace's jobs, the one that writes to this submission's folder."""
        mark = f"/paths/{dict(ref.details)[OUTPUT]}/"
        for node in self._client.listed("jobs", {"jobType": "Pipeline"}, timeout=ends - time.monotonic()):
            outputs = node.at("properties").at("outputs")
            if any(mark in f"{each.text('uri')}/" for _, each in (outputs.members() if outputs else ())):
                submitted = node.at("systemData").text("createdAt") or now()
                found = ref.model_copy(update={"id": node.text("name"), "submitted": submitted})
                self.made(found, ends)
                return found
        return None

    def all(self, ends: float) -> Iterator[BatchRef]:
        """Those that have a job. Not sorted."""
        for path, _ in list(self._storage.listed(f"{self._folder}/", timeout=ends - time.monotonic())):
            noted = self._read(path, ends)
            ref = noted if noted is None or noted.id else self.searched(noted, ends)
            if ref is not None:
                yield ref

    def _read(self, path: str, ends: float) -> BatchRef | None:
        content = self._storage.read(path, timeout=ends - time.monotonic())
        if content is None:
            return None
        try:
            return BatchRef.model_validate_json(content).model_copy(update={"backend": self._backend})
        except ValidationError:
            raise Malformed(f"{path} is no note of a batch job") from None


def now() -> str:
    """ISO 8601, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
