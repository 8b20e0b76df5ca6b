"""The registers of submissions, in the user's state folder: written before a job is sent, and after.

A submission that was killed between the two stands there as `intent`; submitting the same job again finds what the
first one made, because both have one name.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from cloudai.errors import CloudAIError, ErrorCode
from cloudai.types.custom import BatchPredictRequest, BatchRef, RunRef, TrainingJob
from cloudai.types.results import Model

M = TypeVar("M", bound=Model)
J = TypeVar("J", TrainingJob, BatchPredictRequest)
R = TypeVar("R", RunRef, BatchRef)
STATE_VARIABLE = "CLOUDAI_STATE"
INTENT, SUBMITTED = "intent", "submitted"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    backend TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, created TEXT NOT NULL,
    job TEXT NOT NULL, hashes TEXT NOT NULL, ref TEXT,
    PRIMARY KEY (backend, name)
)"""


@dataclass(frozen=True, kw_only=True)
class Entry(Generic[J, R]):
    """One submission."""

    backend: str
    name: str
    state: str
    """`intent`: nobody knows whether it was sent; `submitted`."""
    created: str
    job: J | None
    """`None`: another version of cloudai wrote what this one takes for no job."""
    hashes: Mapping[str, str]
    ref: R | None


def state_folder() -> Path:
    """The user's own, or the one of `CLOUDAI_STATE`."""
    import platformdirs

    named = os.environ.get(STATE_VARIABLE)
    return Path(named) if named else platformdirs.user_state_path("cloudai")


@dataclass(frozen=True)
class Register(Generic[J, R]):
    """A SQLite file that many processes may use at once."""

    path: Path
    kinds: tuple[type[J], type[R]]

    @staticmethod
    def of_runs() -> Register[TrainingJob, RunRef]:
        """The user's training runs."""
        return Register(state_folder() / "runs.sqlite", (TrainingJob, RunRef))

    @staticmethod
    def of_batches() -> Register[BatchPredictRequest, BatchRef]:
        """The user's batch jobs."""
        return Register(state_folder() / "batches.sqlite", (BatchPredictRequest, BatchRef))

    def intend(self, backend: str, name: str, job: J, hashes: Mapping[str, str]) -> None:
        """Before a job is sent. One that stands there already keeps what is known of it. It is kept as it is given."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        row = (backend, name, INTENT, now, job.model_dump_json(), json.dumps(dict(hashes)))
        with self._open() as file:
            file.execute(
                "INSERT INTO runs (backend, name, state, created, job, hashes) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                row,
            )

    def submitted(self, ref: R, name: str | None = None) -> None:
        """After it was accepted."""
        with self._open() as file:
            file.execute(
                "UPDATE runs SET state = ?, ref = ? WHERE backend = ? AND name = ?",
                (SUBMITTED, ref.model_dump_json(), ref.backend, name or ref.name),
            )

    def refused(self, backend: str, name: str) -> None:
        """It certainly was not sent: an intent is taken back."""
        with self._open() as file:
            file.execute("DELETE FROM runs WHERE backend = ? AND name = ? AND state = ?", (backend, name, INTENT))

    def entries(self) -> tuple[Entry[J, R], ...]:
        """All, newest first."""
        with self._open() as file:
            rows = file.execute(
                "SELECT backend, name, state, created, job, hashes, ref FROM runs ORDER BY created DESC, rowid DESC"
            ).fetchall()
        return tuple(self._entry(*row) for row in rows)

    def _entry(
        self, backend: str, name: str, state: str, created: str, job: str, hashes: str, ref: str | None
    ) -> Entry[J, R]:
        of_job, of_ref = self.kinds
        return Entry(
            backend=backend,
            name=name,
            state=state,
            created=created,
            job=_read(of_job, job),
            hashes=json.loads(hashes),
            ref=None if ref is None else _read(of_ref, ref),
        )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=30)) as file, file:
                file.execute(_SCHEMA)
                yield file
        except (sqlite3.Error, OSError) as error:
            raise CloudAIError(
                f"the register of submissions ({self.path}) can't be used: {error}", code=ErrorCode.UNAVAILABLE
            ) from error


def _read(kind: type[M], text: str) -> M | None:
    try:
        return kind.model_validate_json(text)
    except ValidationError:
        return None
