"""`custom.train` on Azure ML: command jobs, submitted under their content's name, watched, stopped, fetched.

A job's name is ours to choose, and a second one of the same name can't be made. So an answer that is lost is looked up
by the name; only where that look fails too, or finds nothing yet, is the outcome not known. Submitting again is safe.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from cloudai.delivery import unsent
from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.http import WireRequest
from cloudai.training.machines import ChosenMachine, choose_machine, refuse_above
from cloudai.training.package import Prepared, is_remote, masked, prepare, processes_per_machine
from cloudai.types.custom import LogPage, RunRef, RunStatus, TrainingJob, TrainingPlan, TrainResult
from cloudai.types.results import Notice
from cloudai.types.speech import JobState
from cloudai.wirejson import JsonNode, Malformed, dump
from cloudai_azure import ml_bodies as bodies
from cloudai_azure.errors import AzureError, error_of
from cloudai_azure.ml_client import MlClient, unknown, unsure
from cloudai_azure.ml_storage import MlStorage

if TYPE_CHECKING:
    from cloudai.driver import Call

LOOK_SECONDS: Final = 10.0
CLEANUP_SECONDS: Final = 5.0
TAKEN: Final = (400, 409)
"""HTTP statuses of a name that is taken, among other things."""
MOST_LOG: Final = 4 << 20
"""Bytes of one file's lines in one page."""
STATES: Mapping[str, JobState] = {
    **dict.fromkeys(("NotStarted", "Queued", "Provisioning", "Preparing", "Starting"), JobState.QUEUED),
    **dict.fromkeys(
        ("Running", "Finalizing", "CancelRequested", "NotResponding", "Paused", "Unknown"), JobState.RUNNING
    ),
    "Completed": JobState.SUCCEEDED,
    "Failed": JobState.FAILED,
    "Canceled": JobState.CANCELLED,
}
"""https://learn.microsoft.com/rest/api/azureml/jobs/get#jobstatus"""
_LOG = logging.getLogger(__name__)


class MlTraining:
    """The training jobs of one backend."""

    def __init__(self, client: MlClient, storage: MlStorage, *, backend: str) -> None:
        self._client = client
        self._storage = storage
        self._backend = backend

    # --- before, and the submission -------------------------------------------------------------------

    def plan_training(self, job: TrainingJob, call: Call) -> TrainingPlan:
        """Nothing is sent."""
        return self._planned(prepare(job))[0]

    def train(self, job: TrainingJob, call: Call) -> TrainResult:
        """Raises `AzureError` (`outcome_unknown`) where it can't be told whether the job was created."""
        prepared = prepare(job)
        plan, body = self._planned(prepared)
        refuse_above(job, plan.at_limit)
        ends = time.monotonic() + call.timeout
        with unsent():
            there = self._find(prepared, ends - time.monotonic())
        if there is not None:
            return self._result(plan, there, found=True)
        with unsent():
            staged = self._staged(prepared, ends)
        try:
            reply = self._client.put(f"jobs/{prepared.name}", body, timeout=ends - time.monotonic())
            return self._result(plan, JsonNode.parse(reply.body), found=False)
        except Exception as error:  # noqa: BLE001  # `_after` raises what is no lost answer
            return self._result(plan, self._after(prepared, staged, error), found=not unsure(error))

    def _after(self, prepared: Prepared, staged: Sequence[str], error: Exception) -> JsonNode:
        """The job after a submission that failed: it may be there, also by another submission that was quicker."""
        there, looked = None, True
        if unsure(error) or (isinstance(error, AzureError) and error.status in TAKEN):
            try:
                there = self._find(prepared, LOOK_SECONDS)
            except Exception:  # noqa: BLE001  # it could not be looked for: nobody knows
                looked = False
        if there is not None:
            return there
        if unsure(error):
            text = f"the job may still be created. Submit it again, its name makes it one: {prepared.name}"
            raise unknown(text, error) from error
        if looked:
            self._unstage(staged)
        raise error

    def _find(self, prepared: Prepared, timeout: float) -> JsonNode | None:
        """Raises `ServiceError` (conflict) where the job of this name is another one."""
        there = self._client.there(f"jobs/{prepared.name}", timeout=timeout)
        if there is not None and there.at("properties").at("tags").text(bodies.JOB) != prepared.hashes["job"]:
            text = f"{prepared.name}: Azure ML has a job of this name that is another one: name yours differently"
            raise ServiceError(text, code=ErrorCode.CONFLICT)
        return there

    def _result(self, plan: TrainingPlan, made: JsonNode, *, found: bool) -> TrainResult:
        state = STATES.get(made.at("properties").text("status"), JobState.QUEUED)
        return TrainResult(run=self._ref(made), state=state, plan=plan, found=found, warnings=plan.warnings)

    def _ref(self, made: JsonNode) -> RunRef:
        known = made.at("properties")
        details = {
            "job": known.at("tags").text(bodies.JOB),
            "instance": known.at("resources").text("instanceType"),
            "output": known.at("outputs").at("model").text("uri"),
        }
        return RunRef(
            backend=self._backend,
            id=made.text("name"),
            name=made.text("name"),
            submitted=made.at("systemData").text("createdAt") or None,
            details=tuple((name, value) for name, value in details.items() if value),
        )

    # --- what it is made of ---------------------------------------------------------------------------

    def _planned(self, prepared: Prepared) -> tuple[TrainingPlan, dict[str, object]]:
        job, settings = prepared.job, self._client.settings
        chosen = machine_of(job, settings.region)
        places = self._places(prepared)
        environment = bodies.variables(job) | {"CLOUDAI_PROCESSES": str(processes_per_machine(job))}
        if job.accelerator.name.lower() != "none":
            environment |= {"CLOUDAI_GPUS": str(max(1, job.accelerator.count))}
        tags = {bodies.SUBMISSION: prepared.name, bodies.JOB: prepared.hashes["job"]}
        workspace = self._client.workspace_id
        made_of = bodies.environment_of(job)
        steps: list[tuple[str, dict[str, object]]] = []
        if made_of is None and job.image is not None:
            path, body = bodies.image_environment(job.image)
            steps.append((path, body))
            made_of = f"{workspace}/{path}"
        compute = f"{workspace}/computes/{settings.ml_compute}" if settings.ml_compute else None

        def job_body(variables: Mapping[str, str]) -> dict[str, object]:
            return bodies.job_body(job, tags, chosen.instance, places, variables, made_of or "", compute)

        seen = job_body({**environment, **masked(job.environment)})
        requests = [*steps, (f"jobs/{prepared.name}", seen)]
        plan = TrainingPlan(
            backend=self._backend,
            provider="azure",
            region=settings.region,
            name=prepared.name,
            instance=chosen.instance,
            accelerator=job.accelerator,
            instances=chosen.instances,
            spot=job.spot,
            hourly=chosen.hourly,
            at_limit=chosen.at_limit,
            requests=tuple({"call": f"PUT {workspace}/{path}", "body": shown(body)} for path, body in requests),
            uploads=tuple(self._uploads(prepared)),
            warnings=(*chosen.notices, *_notices(job, clustered=compute is not None)),
        )
        return plan, job_body(environment)

    def _path(self, *parts: str) -> str:
        return "/".join((self._client.settings.ml_prefix, *parts))

    def _places(self, prepared: Prepared) -> bodies.Places:
        job, address = prepared.job, self._storage.address
        inputs: dict[str, str] = {}
        for channel, given in job.inputs.items():
            if is_remote(given) and not given.startswith(("azureml://", "https://", "wasbs://", "abfss://")):
                raise InvalidInput(f"input {channel}: Azure ML reads blobs, azureml:// and local folders: {given[:60]}")
            local = address(self._path("runs", prepared.name, "inputs", channel))
            inputs[channel] = given if is_remote(given) else local
        run = self._path("runs", prepared.name)
        return bodies.Places(
            source=address(self._path("sources", prepared.package.file_name)),
            inputs=inputs,
            files=frozenset(),
            model=f"{job.output.rstrip('/')}/{prepared.name}/model" if job.output else address(f"{run}/model"),
            checkpoints=job.checkpoint or address(f"{run}/checkpoints"),
        )

    def _uploads(self, prepared: Prepared) -> Iterator[tuple[str, str]]:
        places = self._places(prepared)
        yield prepared.job.source, places.source
        for channel, given in prepared.job.inputs.items():
            if not is_remote(given):
                yield given, places.inputs[channel]

    def _staged(self, prepared: Prepared, ends: float) -> list[str]:
        """Uploads. The blobs of this job alone; the source is kept for the next job that has it."""
        job, staged = prepared.job, list[str]()
        try:
            if job.image is not None:
                path, body = bodies.image_environment(job.image)
                self._client.put(path, body, timeout=ends - time.monotonic())
            self._put(self._path("sources", prepared.package.file_name), prepared.package.targz, ends)
            for channel, given in job.inputs.items():
                if is_remote(given):
                    continue
                root = Path(given)
                base = root.parent if root.is_file() else root
                folder = self._path("runs", prepared.name, "inputs", channel)
                there = dict(self._storage.listed(f"{folder}/", timeout=ends - time.monotonic()))
                for file in prepared.data[channel]:
                    if there.get(f"{folder}/{file.name}") != file.size:
                        staged.append(f"{folder}/{file.name}")
                        self._put(staged[-1], base / file.name, ends)
        except Exception:
            self._unstage(staged)
            raise
        return staged

    def _put(self, path: str, content: bytes | Path, ends: float) -> None:
        self._storage.put(path, content, timeout=ends - time.monotonic())

    def _unstage(self, staged: Sequence[str]) -> None:
        """After a refusal. Never raises: what is left is told in the log."""
        for path in staged:
            try:
                self._storage.remove(path, timeout=CLEANUP_SECONDS)
            except Exception as error:  # noqa: BLE001  # tidying up must not hide what it tidies up after
                _LOG.warning("the staged blob %s was not deleted: %s", path, type(error).__name__)

    # --- afterwards -----------------------------------------------------------------------------------

    def run_status(self, run: RunRef, call: Call) -> RunStatus:
        """Times and the reason of a failure are the run history's; where that does not answer, they are left out."""
        ends = time.monotonic() + call.timeout
        job = self._client.get(f"jobs/{run.id}", timeout=call.timeout).at("properties")
        state = STATES.get(job.text("status"), JobState.RUNNING)
        known = JsonNode({})
        if state is not JobState.QUEUED:
            try:
                known = self._client.run(run.id, timeout=ends - time.monotonic())
            except AzureError as error:
                if error.status not in (401, 403, 404):
                    raise
        started, ended = known.text("startTimeUtc") or None, known.text("endTimeUtc") or None
        wrong = known.at("error").at("error").text("message") or None
        return RunStatus(
            state=state,
            message=wrong if state is not JobState.SUCCEEDED else None,
            started=started,
            ended=ended,
            billed_seconds=seconds_between(started, ended),
            artefact=job.at("outputs").at("model").text("uri") or None if state is JobState.SUCCEEDED else None,
        )

    def run_logs(self, run: RunRef, cursor: str | None, call: Call) -> LogPage:
        """What each process printed (`user_logs/`), behind where the cursor has read to."""
        ends = time.monotonic() + call.timeout
        read = _read(cursor)
        files = self._client.run(run.id, timeout=call.timeout).at("logFiles")
        lines: list[str] = []
        for name, address in sorted(files.members()) if files else []:
            if name.startswith("user_logs/"):
                more, read[name] = self._log(address.word(), read.get(name, 0), ends)
                lines += more
        return LogPage(lines=tuple(lines), next=json.dumps(read) if read else None)

    def _log(self, url: str, start: int, ends: float) -> tuple[list[str], int]:
        """Whole lines from a byte on, and the byte behind them. The address has a signature of its own."""
        headers = {"range": f"bytes={start}-{start + MOST_LOG - 1}"}
        request = WireRequest(method="GET", url=url, headers=headers)
        reply = self._client.transport.send(request, timeout=max(ends - time.monotonic(), 0.001))
        if reply.status in (404, 416):
            return [], start
        if reply.status not in (200, 206):
            raise error_of(reply, self._client.secrets)
        content = reply.body[start:] if reply.status == 200 else reply.body
        whole = content[: content.rfind(b"\n") + 1]
        if not whole and len(content) >= MOST_LOG:
            whole = content
        return whole.decode("utf-8", "replace").splitlines(), start + len(whole)

    def cancel_run(self, run: RunRef, call: Call) -> None:
        """One that has ended already is no error."""
        try:
            self._client.post(f"jobs/{run.id}/cancel", timeout=call.timeout)
        except AzureError as error:
            ended = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
            if error.status in (400, 409) and self.run_status(run, call).state in ended:
                return
            raise

    def fetch_run(self, run: RunRef, folder: Path, call: Call) -> None:
        """The files of the output `model`. Raises `ServiceError` (not_found) where none were written."""
        output = dict(run.details).get("output", "")
        _, found, path = output.partition(f"/datastores/{self._client.settings.ml_datastore}/paths/")
        if not found:
            raise InvalidInput(f"{run.name} wrote to {output[:80]}: only the datastore of the settings is read")
        if not self._storage.download(f"{path.rstrip('/')}/", folder, timeout=call.timeout):
            raise ServiceError(f"{run.name} wrote no model: nothing is at {output}", code=ErrorCode.NOT_FOUND)

    def list_runs(self, call: Call) -> Sequence[RunRef]:
        """By their tag, newest first."""
        found = [
            self._ref(job)
            for job in self._client.listed(
                "jobs", {"jobType": "Command", "tag": bodies.SUBMISSION}, timeout=call.timeout
            )
            if job.at("properties").at("tags").text(bodies.SUBMISSION)
        ]
        return sorted(found, key=lambda run: run.submitted or "", reverse=True)


def shown(body: Mapping[str, object]) -> JsonValue:
    """A body in a plan."""
    found: JsonValue = json.loads(dump(body))
    return found


def machine_of(job: TrainingJob, region: str | None) -> ChosenMachine:
    """By the price book; the size alone is what Azure ML is told."""
    chosen = choose_machine("azure", region, job)
    return replace(chosen, instance=chosen.instance.partition(" ")[0])


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Raises `Malformed` for what is no time."""
    if start is None or end is None:
        return None
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except ValueError:
        raise Malformed("startTimeUtc or endTimeUtc is no time") from None


def _read(cursor: str | None) -> dict[str, int]:
    if not cursor:
        return {}
    try:
        found = json.loads(cursor)
        return {str(name): int(byte) for name, byte in found.items()}
    except (ValueError, AttributeError, TypeError):
        raise InvalidInput("that is no cursor of these logs") from None


def _notices(job: TrainingJob, *, clustered: bool) -> Iterator[Notice]:
    remote = [channel for channel, address in job.inputs.items() if is_remote(address)]
    if remote:
        message = f"inputs {', '.join(remote)} are known by their addresses: with other contents it is the same job"
        yield Notice(code="inputs_by_address", message=message)
    if clustered:
        message = "the cluster's machines are used, spot or not, whatever accelerator the job names"
        yield Notice(code="cluster", message=message)
