"""`custom.train` on Vertex AI: custom jobs, submitted once, found again by their label, watched, fetched."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.delivery import unsent
from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.training.machines import refuse_above
from cloudai.training.package import Prepared, is_remote, masked, prepare, processes_per_machine
from cloudai.types.custom import LogPage, RunRef, RunStatus, TrainingJob, TrainingPlan, TrainResult
from cloudai.types.results import Notice
from cloudai.types.speech import JobState
from cloudai.wirejson import JsonNode
from cloudai_gcp import vertex_bodies as bodies
from cloudai_gcp import vertex_logs, vertex_machines
from cloudai_gcp.vertex_client import VertexClient
from cloudai_gcp.vertex_plan import base_of_bucket, shown
from cloudai_gcp.vertex_storage import VertexStorage, split
from cloudai_gcp.vertex_submission import JOB, STATES, Submission, billed_seconds, cancel, is_unknown, unstage

if TYPE_CHECKING:
    from cloudai.driver import Call


class VertexTraining:
    """The training jobs of one backend."""

    def __init__(self, vertex: VertexClient, *, backend: str) -> None:
        self._vertex = vertex
        self._backend = backend
        self._storage = VertexStorage(vertex)

    # --- before, and the submission -------------------------------------------------------------------

    def plan_training(self, job: TrainingJob, call: Call) -> TrainingPlan:
        """Nothing is sent. Remote inputs are known by their addresses."""
        return self._planned(prepare(job))[0]

    def train(self, job: TrainingJob, call: Call) -> TrainResult:
        """Raises `GoogleError` (`outcome_unknown`) where it can't be told whether the job was created."""
        prepared = prepare(job)
        plan, body, places = self._planned(prepared)
        refuse_above(job, plan.at_limit)
        submission = self._submission(prepared)
        ends = time.monotonic() + call.timeout
        with unsent():
            there = submission.find(timeout=ends - time.monotonic())
        if there is not None:
            return self._result(plan, there, found=True)
        staged: list[str] = []
        try:
            with unsent():
                self._upload(prepared, places, staged, ends)
            made = submission.create(body, timeout=ends - time.monotonic())
        except Exception as error:
            if not is_unknown(error):
                unstage(self._storage, staged)
            raise
        return self._result(plan, made, found=False)

    def _submission(self, prepared: Prepared) -> Submission:
        mark = prepared.hashes["job"][:32]
        return Submission(vertex=self._vertex, collection="customJobs", name=prepared.name, mark=mark)

    def _result(self, plan: TrainingPlan, made: JsonNode, *, found: bool) -> TrainResult:
        return TrainResult(
            run=self._ref(made),
            state=STATES.get(made.text("state"), JobState.QUEUED),
            plan=plan,
            found=found,
            warnings=plan.warnings,
        )

    def _ref(self, made: JsonNode) -> RunRef:
        spec = made.at("jobSpec")
        pools = spec.items("workerPoolSpecs")
        machine = pools[0].at("machineSpec").text("machineType") if pools else ""
        known = {
            "job": made.at("labels").text(JOB),
            "region": self._vertex.location,
            "output": spec.at("baseOutputDirectory").text("outputUriPrefix"),
            "instance": machine,
        }
        return RunRef(
            backend=self._backend,
            id=made.text("name"),
            name=made.text("displayName"),
            submitted=made.text("createTime") or None,
            details=tuple((name, value) for name, value in known.items() if value),
        )

    # --- what it is made of ---------------------------------------------------------------------------

    def _planned(self, prepared: Prepared) -> tuple[TrainingPlan, dict[str, object], bodies.Places]:
        job, vertex = prepared.job, self._vertex
        chosen = vertex_machines.for_job(job, vertex.location)
        places = self._places(prepared)
        environment = bodies.environment_of(job, places)
        environment |= {"CLOUDAI_PROCESSES": str(processes_per_machine(job))}
        if job.accelerator.name.lower() != "none":
            environment |= {"CLOUDAI_GPUS": str(max(1, job.accelerator.count))}

        def body(variables: dict[str, str]) -> dict[str, object]:
            made = bodies.job_body(job, prepared.name, chosen.instance, places, variables, vertex.settings)
            return {**made, "labels": bodies.labels(job.tags, self._submission(prepared).labels)}

        seen = body({**environment, **masked(job.environment)})
        plan = TrainingPlan(
            backend=self._backend,
            provider="gcp",
            region=vertex.location,
            name=prepared.name,
            instance=chosen.instance,
            accelerator=job.accelerator,
            instances=chosen.instances,
            spot=job.spot,
            hourly=chosen.hourly,
            at_limit=chosen.at_limit,
            requests=({"call": f"POST /v1/{vertex.parent}/customJobs", "body": shown(seen)},),
            uploads=tuple(self._uploads(prepared, places)),
            warnings=(*chosen.notices, *_notices(job)),
        )
        return plan, body(environment), places

    def _places(self, prepared: Prepared) -> bodies.Places:
        job, base = prepared.job, self._base()
        data: dict[str, str] = {}
        for channel, address in job.inputs.items():
            if is_remote(address) and not address.startswith("gs://"):
                raise InvalidInput(f"input {channel}: Vertex AI reads gs:// and local folders, not {address[:60]}")
            data[channel] = address if is_remote(address) else f"{base}/runs/{prepared.name}/inputs/{channel}"
        return bodies.Places(
            source=f"{base}/sources/{prepared.package.file_name}",
            inputs=data,
            output=f"{(job.output or f'{base}/runs').rstrip('/')}/{prepared.name}",
        )

    def _base(self) -> str:
        return base_of_bucket(self._vertex.settings)

    def _uploads(self, prepared: Prepared, places: bodies.Places) -> Iterator[tuple[str, str]]:
        yield prepared.job.source, places.source
        for channel, address in prepared.job.inputs.items():
            if not is_remote(address):
                yield address, places.inputs[channel]

    def _upload(self, prepared: Prepared, places: bodies.Places, staged: list[str], ends: float) -> None:
        """What is there with the same size is not sent again: its name holds its content's hash, or the job's.

        The source is kept for the next job that has it; `staged` are the inputs of this one."""
        self._put(places.source, prepared.package.targz, ends)
        for channel, address in prepared.job.inputs.items():
            if is_remote(address):
                continue
            root = Path(address)
            base = root.parent if root.is_file() else root
            uri = places.inputs[channel]
            _, start = split(uri)
            there = {each.name: each.size for each in self._storage.listed(f"{uri}/", timeout=ends - time.monotonic())}
            for file in prepared.data[channel]:
                if there.get(f"{start}/{file.name}") != file.size:
                    staged.append(f"{uri}/{file.name}")
                    self._put(staged[-1], base / file.name, ends)

    def _put(self, uri: str, content: bytes | Path, ends: float) -> None:
        self._storage.put(uri, content, timeout=max(ends - time.monotonic(), 0.001))

    # --- afterwards -----------------------------------------------------------------------------------

    def run_status(self, run: RunRef, call: Call) -> RunStatus:
        """`billed_seconds` are those between start and end: what Vertex AI bills for each machine."""
        return status_of(self._vertex.get("customJobs", run.id, timeout=call.timeout))

    def run_logs(self, run: RunRef, cursor: str | None, call: Call) -> LogPage:
        """From Cloud Logging, by time. A line that arrives late there, behind others, is not seen."""
        return vertex_logs.page(self._vertex, run.id, cursor, timeout=call.timeout)

    def cancel_run(self, run: RunRef, call: Call) -> None:
        """One that has ended already is no error."""
        cancel(self._vertex, "customJobs", run.id, timeout=call.timeout)

    def fetch_run(self, run: RunRef, folder: Path, call: Call) -> None:
        """The files of `AIP_MODEL_DIR`. Raises `ServiceError` (not_found) where none were written."""
        output = dict(run.details).get("output")
        if not output:
            job = self._vertex.get("customJobs", run.id, timeout=call.timeout)
            output = job.at("jobSpec").at("baseOutputDirectory").text("outputUriPrefix")
        address = f"{output.rstrip('/')}/model/"
        if not self._storage.download(address, folder, timeout=call.timeout):
            raise ServiceError(f"{run.name} wrote no model: nothing is at {address}", code=ErrorCode.NOT_FOUND)

    def list_runs(self, call: Call) -> Sequence[RunRef]:
        """By their label, newest first."""
        found = self._vertex.listed("customJobs", f"labels.{bodies.SUBMISSION}:*", timeout=call.timeout)
        return [self._ref(job) for job in found]


def status_of(job: JsonNode) -> RunStatus:
    """A `CustomJob` as a state."""
    state = STATES.get(job.text("state"), JobState.QUEUED)
    started, ended = job.text("startTime") or None, job.text("endTime") or None
    output = job.at("jobSpec").at("baseOutputDirectory").text("outputUriPrefix")
    message = job.at("error").text("message") or None
    if message is None and job.text("state") == "JOB_STATE_EXPIRED":
        message = "it ran longer than max_seconds"
    return RunStatus(
        state=state,
        message=message,
        started=started,
        ended=ended,
        billed_seconds=billed_seconds(job),
        artefact=f"{output.rstrip('/')}/model" if output and state is JobState.SUCCEEDED else None,
    )


def _notices(job: TrainingJob) -> Iterator[Notice]:
    remote = [channel for channel, address in job.inputs.items() if is_remote(address)]
    if remote:
        message = f"inputs {', '.join(remote)} are known by their addresses: with other contents it is the same job"
        yield Notice(code="inputs_by_address", message=message)
