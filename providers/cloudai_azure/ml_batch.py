"""`custom.batch_predict` on Azure ML: jobs of batch endpoints, submitted once, watched, stopped, fetched.

Azure ML names a batch job itself. So a submission is noted in the datastore before it is made, and with the job's name
after (`ml_batch_notes`). The request carries the same repeatability id each time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from cloudai.delivery import unsent
from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.http import check_cleartext
from cloudai.serving.batch_results import error_line, inside, result_file
from cloudai.serving.batches import PreparedBatch, prepare_batch
from cloudai.training.machines import ChosenMachine, machine_for, refuse_above
from cloudai.types import custom as c
from cloudai.types.results import Notice
from cloudai.types.speech import JobState
from cloudai.wirejson import JsonNode, Malformed
from cloudai_azure import ml_batch_bodies as bodies
from cloudai_azure.errors import AzureError
from cloudai_azure.ml_batch_notes import OUTPUT, BatchNotes, now
from cloudai_azure.ml_batch_parts import BatchParts, Made, Model, Step
from cloudai_azure.ml_client import MlClient, unknown, unsure
from cloudai_azure.ml_deployment import with_left
from cloudai_azure.ml_storage import MlStorage
from cloudai_azure.settings import BatchOptions
from cloudai_azure.training import LOOK_SECONDS, STATES, MlTraining, shown

if TYPE_CHECKING:
    from cloudai.driver import Call

OPERATION: Final = "custom.batch_predict"
MOST_FAILED: Final = "max_failed"
_DONE: Final = re.compile(r"\.cloudai/(?P<name>[^/]+)\.(?P<lines>\d+)\.(?P<failed>\d+)\.done")
PLACE: Final = "https://ACCOUNT.blob.core.windows.net/CONTAINER"
"""In a plan, for which nothing is asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """A submission, worked out: what is sent, in order."""

    plan: c.BatchPlan
    steps: Sequence[Step]
    body: Mapping[str, object]

    @property
    def endpoint(self) -> str:
        return self.steps[0][0]

    @property
    def deployment(self) -> str:
        return self.steps[-1][0].rpartition("/")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Finished:
    """One file of results."""

    name: str
    """Of the input file, as the script saw it."""
    path: str
    lines: int
    failed: int


class MlBatches:
    """The batch jobs of one backend."""

    def __init__(self, client: MlClient, storage: MlStorage, training: MlTraining, *, backend: str) -> None:
        self._client = client
        self._storage = storage
        self._training = training
        self._backend = backend
        self._notes = BatchNotes(client, storage, backend=backend)
        self.parts = BatchParts(client, storage, backend=backend)

    # --- before, and the submission -------------------------------------------------------------------

    def plan_batch(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPlan:
        """Nothing is sent: the workspace's place is not known yet, nor what stands behind a model's name."""
        model = self.parts.model_of(request, ends=None)
        return self._planned(prepare_batch(request), call, model)

    def batch_predict(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPredictResult:
        """Makes what is missing, and submits. Raises `AzureError` (`outcome_unknown`) where it can't be told whether
        the job was made."""
        plan = self.plan_batch(request, call)
        ends, made = time.monotonic() + call.timeout, Made()
        if self._client.settings.ml_compute is None:
            refuse_above(request, plan.at_limit)
        with unsent():
            model = self.parts.model_of(request, ends=ends)
            prepared = prepare_batch(request, model=model.named)
            noted = self._notes.read(prepared.name, ends)
            there = self._notes.job(noted, ends) if noted is not None else None
        if there is not None:
            return self._result(self._planned(prepared, call, model), there, found=True)
        try:
            with unsent():
                job = self._ready(prepared, call, model, made, ends)
                url = self._scoring(job, ends)
                self._notes.write(self._ref(prepared, job), ends)
            ref = self._submitted(prepared, job, url, ends)
        except Exception as error:
            if unsure(error) or (isinstance(error, AzureError) and error.fault.code is ErrorCode.OUTCOME_UNKNOWN):
                raise
            made.blobs += [self._notes.path(prepared.name)] if noted is None else []
            left = self.parts.undo(made)
            if left:
                raise with_left(error, left) from error
            raise
        return self._result(job.plan, ref, found=False)

    def _planned(self, prepared: PreparedBatch, call: Call, model: Model) -> c.BatchPlan:
        location = self._client.settings.region or "the workspace's"
        code, chosen = f"{PLACE}/{self.parts.code_folder()}", self._machine(prepared.request)
        if (cluster := self._client.settings.ml_compute) is not None:  # which machines it has is not known
            chosen = ChosenMachine(
                instance=f"those of {cluster}", instances=prepared.request.instances, hourly=None, at_limit=None
            )
        return self._worked_out(prepared, call, chosen, model, code, location).plan

    def _ready(self, prepared: PreparedBatch, call: Call, model: Model, made: Made, ends: float) -> _Job:
        """Uploads, and makes the parts that are not there."""
        request = prepared.request
        location = self._client.workspace(timeout=ends - time.monotonic()).text("location")
        chosen = self._cluster(request, ends) or self._machine(request)
        code = self._storage.url(self.parts.code_folder(), timeout=ends - time.monotonic())
        job = self._worked_out(prepared, call, chosen, model, code, location)
        refuse_above(request, job.plan.at_limit)
        endpoint, *others = job.steps
        self.parts.make(endpoint, made, ends)  # first: `list_endpoints` tells of it, whatever happens to the rest
        self._stage(prepared, made, ends)
        self.parts.upload(model, made, ends)
        for step in others:
            self.parts.make(step, made, ends)
        return job

    def _scoring(self, job: _Job, ends: float) -> str:
        url = self._client.get(job.endpoint, timeout=ends - time.monotonic()).at("properties").text("scoringUri")
        check_cleartext(url, backend=self._backend, name="the batch endpoint's address")
        return url

    def _submitted(self, prepared: PreparedBatch, job: _Job, url: str, ends: float) -> c.BatchRef:
        headers = {
            "azureml-model-deployment": job.deployment,
            "repeatability_request-id": bodies.repeatability(prepared.name),
        }
        try:
            reply = self._client.invoked(url, job.body, headers=headers, timeout=ends - time.monotonic())
            node = JsonNode.parse(reply.body)
            job_id = node.text("name") or node.text("id").rpartition("/")[2]
            if not job_id:
                raise Malformed("the answer to a batch job has no name of a job")
        except Exception as error:
            if not unsure(error):
                raise
            return self._after_doubt(prepared, job, error)
        ref = self._ref(prepared, job, job_id=job_id, submitted=node.at("systemData").text("createdAt") or now())
        self._notes.made(ref, ends)
        return ref

    def _after_doubt(self, prepared: PreparedBatch, job: _Job, error: Exception) -> c.BatchRef:
        ref = self._ref(prepared, job)
        ends = time.monotonic() + LOOK_SECONDS
        try:
            found = self._notes.searched(ref, ends)
        except Exception:  # noqa: BLE001  # it could not be looked for: nobody knows
            found = None
        if found is None:
            text = f"the job may still be made. Submit it again, it is looked for first: {prepared.name}"
            raise unknown(text, error) from error
        return found

    def _ref(self, prepared: PreparedBatch, job: _Job, *, job_id: str = "", submitted: str | None = None) -> c.BatchRef:
        details = {
            OUTPUT: self._output(prepared),
            "input": "" if prepared.remote else self._staged(prepared.name),
            "endpoint": job.endpoint.rpartition("/")[2],
            MOST_FAILED: "" if prepared.request.max_failed is None else str(prepared.request.max_failed),
        }
        known = tuple((name, value) for name, value in details.items() if value)
        return c.BatchRef(backend=self._backend, id=job_id, name=prepared.name, submitted=submitted, details=known)

    def _result(self, plan: c.BatchPlan, ref: c.BatchRef, *, found: bool) -> c.BatchPredictResult:
        state = JobState.QUEUED
        if found:
            node = self._client.there(f"jobs/{ref.id}", timeout=LOOK_SECONDS)
            status = node.at("properties").text("status") if node is not None else ""
            state = STATES.get(status, JobState.QUEUED)
        output = self._storage.address(dict(ref.details)[OUTPUT])
        return c.BatchPredictResult(
            batch=ref, state=state, plan=plan, found=found, output=output, warnings=plan.warnings
        )

    # --- what it is made of ---------------------------------------------------------------------------

    def _worked_out(
        self, prepared: PreparedBatch, call: Call, chosen: ChosenMachine, model: Model, code: str, location: str
    ) -> _Job:
        request = prepared.request
        options = call.options if isinstance(call.options, BatchOptions) else BatchOptions()
        steps = self.parts.steps(request, options, chosen, model, code, location)
        uri = bodies.remote_input(prepared.remote) if prepared.remote else f"{self._arm(self._staged(prepared.name))}/"
        body = bodies.job_body(uri, self._arm(self._output(prepared)))
        workspace = self._client.workspace_id
        invocation = {"call": f"POST the scoring address of {steps[0][0]}", "body": shown(body)}
        plan = c.BatchPlan(
            backend=self._backend,
            provider="azure",
            region=self._client.settings.region,
            name=prepared.name,
            instance=chosen.instance,
            instances=chosen.instances,
            hourly=chosen.hourly,
            at_limit=chosen.at_limit,
            requests=(*({"call": f"PUT {workspace}/{path}", "body": shown(each)} for path, each in steps), invocation),
            uploads=tuple(self._uploads(prepared, model)),
            warnings=(*chosen.notices, *self._notices(prepared, model)),
        )
        return _Job(plan=plan, steps=steps, body=body)

    def _machine(self, request: c.BatchPredictRequest, instance: str | None = None) -> ChosenMachine:
        accelerator = request.accelerator if instance is None else c.Accelerator(instance=instance)
        region = self._client.settings.region or "eastus"
        chosen = machine_for(
            "azure", region, accelerator, copies=request.instances, seconds=request.max_seconds, operation=OPERATION
        )
        return replace(chosen, instance=chosen.instance.partition(" ")[0])

    def _cluster(self, request: c.BatchPredictRequest, ends: float) -> ChosenMachine | None:
        """The machines of the cluster that the settings name. Raises `InvalidInput` where it has too few."""
        name = self._client.settings.ml_compute
        if name is None:
            return None
        there = self._client.there(f"computes/{name}", timeout=ends - time.monotonic())
        size = there.at("properties").at("properties") if there is not None else JsonNode(None)
        if not size.text("vmSize"):
            raise InvalidInput(f"ml_compute = {name!r}: the workspace has no cluster of that name")
        most = size.at("scaleSettings").integer("maxNodeCount", request.instances)
        if request.instances > most:
            raise InvalidInput(f"instances = {request.instances}, and the cluster {name} has {most} machines at most")
        return self._machine(request, size.text("vmSize"))

    def _staged(self, name: str) -> str:
        return f"{self._client.settings.ml_prefix}/batches/{name}/input"

    def _output(self, prepared: PreparedBatch) -> str:
        """A folder of this submission's own: a job fails where there is output already."""
        given = prepared.request.output
        if "://" in given:
            return f"{bodies.output_path(given, self._client.settings.ml_datastore)}/{prepared.name}".lstrip("/")
        return f"{self._client.settings.ml_prefix}/batches/{prepared.name}/output"

    def _arm(self, path: str) -> str:
        return f"{self._client.workspace_id}/datastores/{self._client.settings.ml_datastore}/paths/{path}"

    def _uploads(self, prepared: PreparedBatch, model: Model) -> Iterator[tuple[str, str]]:
        for file in prepared.given:
            yield str(file.path), self._storage.address(f"{self._staged(prepared.name)}/{bodies.flat(file.name)}")
        for path in model.package.files if model.package is not None else ():
            yield path, self._storage.address(f"{model.folder}/{path}")

    def _stage(self, prepared: PreparedBatch, made: Made, ends: float) -> None:
        """The input files that are not there yet."""
        if prepared.remote:
            return
        folder = self._staged(prepared.name)
        there = dict(self._storage.listed(f"{folder}/", timeout=ends - time.monotonic()))
        with prepared.lines() as files:
            for file in files:
                path = f"{folder}/{bodies.flat(file.name)}"
                if there.get(path) != file.path.stat().st_size:
                    made.blobs.append(path)
                    self._storage.put(path, file.path, timeout=ends - time.monotonic())

    def _notices(self, prepared: PreparedBatch, model: Model) -> Iterator[Notice]:
        request = prepared.request
        if model.named == request.model:
            message = (
                "which model stands behind the name is asked at the submission: it is in the names of job and parts"
            )
            yield Notice(code="model_by_name", message=message)
        if prepared.remote:
            message = "inputs are known by their address: with other contents it is the same job"
            yield Notice(code="inputs_by_address", message=message)
        if self._client.settings.ml_compute:
            message = "the machines are the cluster's, whatever accelerator the request names"
            yield Notice(code="cluster", message=message)
        if request.batch_size != 1:
            message = "batch_size: the scoring script gives the model one request at a time"
            yield Notice(code="option_ignored", message=message)
        if request.max_failed is not None:
            message = "max_failed: lines are counted when the job has ended: it is not ended before"
            yield Notice(code="late_limit", message=message)

    # --- afterwards -----------------------------------------------------------------------------------

    def batch_status(self, batch: c.BatchRef, call: Call) -> c.BatchStatus:
        """Azure ML counts no lines: they are those of the files that are finished. A job that ended well has failed
        where it has no results, where all its lines failed, or more of them than `max_failed`."""
        ends = time.monotonic() + call.timeout
        known = self._training.run_status(_run(batch), call)
        state, message = known.state, known.message
        found = [] if state is JobState.QUEUED else list(self._results(batch, ends))
        lines, failed = sum(each.lines for each in found), sum(each.failed for each in found)
        if state is JobState.SUCCEEDED and (wrong := _wrong(batch, lines, failed)) is not None:
            state, message = JobState.FAILED, wrong
        return c.BatchStatus(
            state=state,
            message=message,
            started=known.started,
            ended=known.ended,
            billed_seconds=known.billed_seconds,
            succeeded=lines - failed if found else None,
            failed=failed if found else None,
            output=self._storage.address(dict(batch.details)[OUTPUT]) if state is JobState.SUCCEEDED else None,
        )

    def cancel_batch(self, batch: c.BatchRef, call: Call) -> None:
        """One that has ended stays as it is."""
        self._training.cancel_run(_run(batch), call)

    def fetch_batch(self, batch: c.BatchRef, folder: Path, call: Call) -> None:
        """A file that no worker finished has an error for each of its lines. Raises `ServiceError` (conflict) for a
        job that has not succeeded."""
        ends = time.monotonic() + call.timeout
        state = self.batch_status(batch, call).state
        if state is not JobState.SUCCEEDED:
            raise ServiceError(f"{batch.name} is {state.value}: it has no results", code=ErrorCode.CONFLICT)
        staged = dict(batch.details).get("input")
        found = list(self._results(batch, ends))
        for each in found:
            target = inside(folder, bodies.path_of(each.name) if staged else each.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._storage.fetch(each.path, target, timeout=ends - time.monotonic())
        if staged:
            finished = {each.name for each in found}
            for path, _ in list(self._storage.listed(f"{staged}/", timeout=ends - time.monotonic())):
                name = path.rpartition("/")[2]
                if name not in finished:
                    self._unfinished(path, folder, bodies.path_of(name), ends)

    def _unfinished(self, path: str, folder: Path, name: str, ends: float) -> None:
        with TemporaryDirectory(prefix="cloudai-batch-") as place:
            given = Path(place) / "input"
            self._storage.fetch(path, given, timeout=ends - time.monotonic())
            with given.open("rb") as lines, result_file(folder, name) as results:
                for line in lines:
                    results.write(error_line("no worker finished this file: the job's logs say why", line) + b"\n")

    def _results(self, batch: c.BatchRef, ends: float) -> Iterator[_Finished]:
        """The files that the script has noted as finished, without what is noted beside them."""
        output = f"{dict(batch.details)[OUTPUT]}/"
        paths = {
            path.removeprefix(output).removeprefix(f"{bodies.SUMMARY}/"): path
            for path, _ in self._storage.listed(output, timeout=ends - time.monotonic())
        }
        for note in paths:
            noted = _DONE.fullmatch(note)
            if noted is not None and noted["name"] in paths:
                name, lines, failed = noted["name"], int(noted["lines"]), int(noted["failed"])
                yield _Finished(name=name, path=paths[name], lines=lines, failed=failed)

    def list_batches(self, call: Call) -> Sequence[c.BatchRef]:
        """By their notes in the datastore, newest first. One that was noted before it was made is searched for."""
        found = self._notes.all(time.monotonic() + call.timeout)
        return sorted(found, key=lambda ref: ref.submitted or "", reverse=True)


def _run(batch: c.BatchRef) -> c.RunRef:
    """A batch job is a job like others."""
    return c.RunRef(backend=batch.backend, id=batch.id, name=batch.name)


def _wrong(batch: c.BatchRef, lines: int, failed: int) -> str | None:
    """Why a job that ended well has failed."""
    most = dict(batch.details).get(MOST_FAILED)
    if not lines:
        return "the job ended, and has written no results"
    if failed == lines:
        return f"all {lines} lines failed"
    if most is not None and failed > int(most):
        return f"{failed} of {lines} lines failed, and max_failed is {most}"
    return None
