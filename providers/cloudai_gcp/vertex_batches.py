"""`custom.batch_predict` on Vertex AI: a batch prediction job over Cloud Storage, with Triton behind a bridge.

The job brings its container with it (`unmanagedContainerModel`), so nothing but the job is made, and what is staged
lies below the job's own name. https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.
batchPredictionJobs (read 2026-11-21 as the discovery document aiplatform.v1).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from cloudai.delivery import unsent
from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.serving.batches import IMAGES, PreparedBatch, prepare_batch
from cloudai.training.machines import ChosenMachine, refuse_above
from cloudai.training.package import Listed, is_remote
from cloudai.types import custom as c
from cloudai.types.results import Notice
from cloudai.types.speech import JobState
from cloudai.wirejson import JsonNode
from cloudai_gcp import vertex_batch_files as files
from cloudai_gcp import vertex_bodies as bodies
from cloudai_gcp import vertex_machines
from cloudai_gcp.vertex_batch_model import Served, behind, served_of
from cloudai_gcp.vertex_client import VertexClient
from cloudai_gcp.vertex_plan import base_of_bucket, container_notices, shown
from cloudai_gcp.vertex_storage import Stored, VertexStorage, split
from cloudai_gcp.vertex_submission import STATES, Submission, billed_seconds, cancel, is_unknown, unstage

if TYPE_CHECKING:
    from cloudai.driver import Call

COLLECTION: Final = "batchPredictionJobs"
_DAY: Final = c.BatchPredictRequest.model_fields["max_seconds"].default


@dataclass(kw_only=True)
class _Staging:
    """What was put into Cloud Storage for one job, until `ends` (monotonic)."""

    storage: VertexStorage
    base: str
    ends: float
    objects: list[str] = field(default_factory=list)

    @property
    def left(self) -> float:
        return max(self.ends - time.monotonic(), 0.001)

    def put(self, uri: str, content: bytes | Path) -> None:
        self.objects.append(uri)
        self.storage.put(uri, content, timeout=self.left)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """All that a job would be."""

    prepared: PreparedBatch
    served: Served
    body: Mapping[str, object]
    plan: c.BatchPlan


class VertexBatches:
    """The batch predictions of one backend."""

    def __init__(self, vertex: VertexClient, *, backend: str) -> None:
        self._vertex = vertex
        self._backend = backend
        self._storage = VertexStorage(vertex)

    # --- before, and the submission -------------------------------------------------------------------

    def plan_batch(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPlan:
        """Looks up the model behind a name, and what is below a prefix; nothing else is sent."""
        with unsent():
            return self._made(request, time.monotonic() + call.timeout).plan

    def batch_predict(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPredictResult:
        """Raises `GoogleError` (`outcome_unknown`) where it can't be told whether the job was created."""
        ends = time.monotonic() + call.timeout
        with unsent():
            made = self._made(request, ends)
            refuse_above(request, made.plan.at_limit)
            submission = self._submission(made.prepared)
            there = submission.find(timeout=ends - time.monotonic())
        if there is not None:
            return self._result(request, made.plan, there, found=True)
        staging = _Staging(storage=self._storage, base=self._base(made.prepared), ends=ends)
        try:
            with unsent():
                self._stage(made.prepared, made.served, staging)
            job = submission.create(made.body, timeout=ends - time.monotonic())
        except Exception as error:
            if not is_unknown(error):
                unstage(self._storage, staging.objects)
            raise
        return self._result(request, made.plan, job, found=False)

    def _submission(self, prepared: PreparedBatch) -> Submission:
        mark = prepared.digest[:32]
        return Submission(vertex=self._vertex, collection=COLLECTION, name=prepared.name, mark=mark)

    def _result(
        self, request: c.BatchPredictRequest, plan: c.BatchPlan, made: JsonNode, *, found: bool
    ) -> c.BatchPredictResult:
        return c.BatchPredictResult(
            batch=self._ref(made),
            state=STATES.get(made.text("state"), JobState.QUEUED),
            plan=plan,
            found=found,
            output=request.output,
            warnings=plan.warnings,
        )

    def _ref(self, made: JsonNode) -> c.BatchRef:
        return c.BatchRef(
            backend=self._backend,
            id=made.text("name"),
            name=made.text("displayName"),
            submitted=made.text("createTime") or None,
            details=(("region", self._vertex.location), ("staged", _staged(made))),
        )

    # --- what it is made of ---------------------------------------------------------------------------

    def _made(self, request: c.BatchPredictRequest, ends: float) -> _Made:
        for address in (*request.places, request.output):
            if is_remote(address) and not address.startswith("gs://"):
                raise InvalidInput(f"Vertex AI reads and writes gs:// and local folders, not {address[:60]}")
        model = behind(self._vertex, request, timeout=ends - time.monotonic())
        named = f"{model.text('name')}@{model.text('versionId', '1')}" if model is not None else None
        prepared = prepare_batch(request, lister=lambda place: self._listed(place, ends), model=named)
        served = served_of(self._vertex, request, model, self._base(prepared))
        body = self._body(prepared, served)
        return _Made(prepared=prepared, served=served, body=body, plan=self._plan(prepared, served, body))

    def _base(self, prepared: PreparedBatch) -> str:
        return f"{base_of_bucket(self._vertex.settings)}/batches/{prepared.name}"

    def _plan(self, prepared: PreparedBatch, served: Served, body: Mapping[str, object]) -> c.BatchPlan:
        request = prepared.request
        chosen = self._machine(request)
        return c.BatchPlan(
            backend=self._backend,
            provider="gcp",
            region=self._vertex.location,
            name=prepared.name,
            instance=chosen.instance,
            instances=chosen.instances,
            hourly=chosen.hourly,
            at_limit=chosen.at_limit,
            requests=({"call": f"POST /v1/{self._vertex.parent}/{COLLECTION}", "body": shown(body)},),
            uploads=(*served.files.items(), *_uploads(prepared, self._base(prepared))),
            warnings=(*chosen.notices, *container_notices(self._vertex, request.image), *_notices(request)),
        )

    def _machine(self, request: c.BatchPredictRequest) -> ChosenMachine:
        return vertex_machines.for_hosting(
            request.accelerator, self._vertex.location, copies=request.instances, seconds=request.max_seconds
        )

    def _body(self, prepared: PreparedBatch, served: Served) -> dict[str, object]:
        request, base = prepared.request, self._base(prepared)
        output = request.output if is_remote(request.output) else f"{base}/output"
        machine = bodies.machine_spec(self._machine(request).instance, request.accelerator)
        return bodies.batch_body(
            request,
            prepared.name,
            labels=bodies.labels(request.tags, self._submission(prepared).labels),
            served=(served.artifacts, served.image),
            places=(f"{base}/{files.INPUTS}", output),
            machine=machine,
            settings=self._vertex.settings,
        )

    def _stage(self, prepared: PreparedBatch, served: Served, staging: _Staging) -> None:
        """The model's files, the requests with keys, and the list of them."""
        for path, uri in served.files.items():
            assert served.package is not None
            staging.put(uri, served.package.files[path])
        known: list[tuple[str, int]] = []
        total = 0
        with TemporaryDirectory(prefix="cloudai-batch-") as folder:
            keyed = Path(folder) / "keyed"
            for name, given in self._sources(prepared, Path(folder), staging):
                with given.open("rb") as source:
                    lines, requests = files.write_keyed(source, keyed, len(known), name)
                known.append((name, lines))
                total += requests
                staging.put(f"{staging.base}/{files.input_name(len(known) - 1)}", keyed)
        if not total:
            raise InvalidInput("the input files hold no request")
        staging.put(f"{staging.base}/{files.INDEX}", files.index_of(known))

    def _sources(self, prepared: PreparedBatch, folder: Path, staging: _Staging) -> Iterator[tuple[str, Path]]:
        """The input files, one after the other: each is there until the next is asked for."""
        if not prepared.remote:
            with prepared.lines() as given:
                yield from ((each.name, each.path) for each in given)
            return
        seen = set[str]()
        for place in prepared.remote:
            for name, uri, _ in self._below(place, staging.ends):
                if name in seen:
                    raise InvalidInput(f"two input files are called {name}: the results would be one")
                seen.add(name)
                target = folder / "source"
                self._storage.fetch(uri, target, timeout=staging.left)
                yield name, target
        if not seen:
            raise InvalidInput(f"{', '.join(prepared.remote)} holds no files")

    def _below(self, place: str, ends: float) -> Iterator[tuple[str, str, Stored]]:
        """Name and address of the objects of one place: a file, or a prefix that ends in a slash or should."""
        bucket, start = split(place)
        alone = start.endswith(files.SUFFIXES)
        prefix = start if alone or not start else start.rstrip("/") + "/"
        for found in list(self._storage.listed(f"gs://{bucket}/{prefix}", timeout=ends - time.monotonic())):
            name = found.name.rpartition("/")[2] if alone else found.name.removeprefix(prefix)
            if (found.name == start) if alone else name.endswith(files.SUFFIXES):
                yield name, f"gs://{bucket}/{found.name}", found

    def _listed(self, place: str, ends: float) -> list[Listed]:
        return [Listed(name=name, size=at.size, hash=at.hash) for name, _, at in self._below(place, ends)]

    # --- afterwards -----------------------------------------------------------------------------------

    def batch_status(self, batch: c.BatchRef, call: Call) -> c.BatchStatus:
        """Without counts: Vertex AI counts what the container answered, refused requests among them. How many
        succeeded is known of the results."""
        job = self._vertex.get(COLLECTION, batch.id, timeout=call.timeout)
        resources = job.at("dedicatedResources")
        copies = resources.integer("startingReplicaCount", 1)
        return c.BatchStatus(
            state=STATES.get(job.text("state"), JobState.QUEUED),
            message=job.at("error").text("message") or None,
            started=job.text("startTime") or None,
            ended=job.text("endTime") or None,
            billed_seconds=billed_seconds(job),
            output=job.at("outputInfo").text("gcsOutputDirectory") or None,
            hourly=vertex_machines.of_spec(resources.at("machineSpec"), self._vertex.location, copies=copies),
        )

    def cancel_batch(self, batch: c.BatchRef, call: Call) -> None:
        """One that has ended already is no error."""
        cancel(self._vertex, COLLECTION, batch.id, timeout=call.timeout)

    def fetch_batch(self, batch: c.BatchRef, folder: Path, call: Call) -> None:
        """The results in the order of the requests. Raises `ServiceError` (conflict) for a job that has none."""
        ends = time.monotonic() + call.timeout
        job = self._vertex.get(COLLECTION, batch.id, timeout=call.timeout)
        written = job.at("outputInfo").text("gcsOutputDirectory")
        if STATES.get(job.text("state")) is not JobState.SUCCEEDED or not written:
            text = f"{batch.name} has no results: it is {job.text('state') or 'unknown'}"
            raise ServiceError(text, code=ErrorCode.CONFLICT)
        with TemporaryDirectory(prefix="cloudai-batch-") as waiting:
            answers, index = files.Answers(), Path(waiting) / files.INDEX
            self._storage.fetch(f"{_staged(job)}/{files.INDEX}", index, timeout=ends - time.monotonic())
            for number, uri in enumerate(self._results(written, ends)):
                target = Path(waiting) / f"{number}"
                self._storage.fetch(uri, target, timeout=ends - time.monotonic())
                answers.add(target)
            answers.write(folder, files.read_index(index.read_bytes()))

    def _results(self, written: str, ends: float) -> list[str]:
        bucket, _ = split(written)
        found = self._storage.listed(written.rstrip("/") + "/", timeout=ends - time.monotonic())
        names = [each.name for each in found]
        return [f"gs://{bucket}/{name}" for name in names if name.rpartition("/")[2].startswith(files.RESULTS)]

    def list_batches(self, call: Call) -> Sequence[c.BatchRef]:
        """By their label, newest first."""
        found = self._vertex.listed(COLLECTION, f"labels.{bodies.SUBMISSION}:*", timeout=call.timeout)
        return [self._ref(job) for job in found]


def _staged(job: JsonNode) -> str:
    """Where the job's files were put: what its input begins with."""
    uris = job.at("inputConfig").at("gcsSource").at("uris").value
    first = str(uris[0]) if isinstance(uris, list) and uris else ""
    return first.removesuffix(f"/{files.INPUTS}")


def _uploads(prepared: PreparedBatch, base: str) -> list[tuple[str, str]]:
    if prepared.remote:
        return [(place, f"{base}/input/") for place in prepared.remote]
    if prepared.request.content == "images":
        return [(IMAGES, f"{base}/{files.input_name(0)}")]
    return [(str(file.path), f"{base}/{files.input_name(number)}") for number, file in enumerate(prepared.given)]


def _notices(request: c.BatchPredictRequest) -> Iterator[Notice]:
    if request.max_seconds != _DAY or request.max_cost is not None:
        message = "max_seconds: Vertex AI ends no batch prediction by its time; cancel it"
        yield Notice(code="option_ignored", message=message)
    if request.max_failed is not None:
        message = "max_failed: Vertex AI ends a batch prediction at a share of failures of its own"
        yield Notice(code="option_ignored", message=message)
