"""`custom.train` on SageMaker: staged in S3, submitted once under its content's name, looked at, stopped, fetched."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.delivery import unsent
from cloudai.errors import ErrorCode, ServiceError
from cloudai.training.machines import refuse_above
from cloudai.training.package import Prepared, is_remote, prepare
from cloudai.types.custom import (
    LogPage,
    RunRef,
    RunStatus,
    TrainingJob,
    TrainingPlan,
    TrainResult,
)
from cloudai.types.results import Notice
from cloudai.types.speech import JobState
from cloudai_aws import sagemaker_logs
from cloudai_aws import sagemaker_training as codec
from cloudai_aws.reply import Params, Reply, told
from cloudai_aws.sagemaker_archive import unpack
from cloudai_aws.sagemaker_images import training_image
from cloudai_aws.sagemaker_machines import machine
from cloudai_aws.sagemaker_resources import Part
from cloudai_aws.settings import TrainOptions, sagemaker_role
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai.training.machines import ChosenMachine

KIND = "training_job"


class Trainer(Part):
    """Training jobs of one backend. A job's name is its content's: no attempt makes a second one."""

    # --- before, and the submission ------------------------------------------------------------------

    def plan(self, job: TrainingJob, call: Call) -> TrainingPlan:
        """Nothing is sent."""
        return self._plan(prepare(job), _options(call))[0]

    def train(self, job: TrainingJob, call: Call) -> TrainResult:
        """Finds the job where it was submitted before; else stages what is not there yet, and submits it once."""
        prepared = prepare(job)
        plan, body = self._plan(prepared, _options(call))
        refuse_above(job, plan.at_limit)
        self._warm("s3", "sagemaker")
        with unsent(), within(call.timeout):
            there = self._resources.job(KIND, prepared.name, prepared.hashes["job"])
            if there is None:
                self._stage(prepared, body)
        if there is not None:
            return self._submitted(prepared, plan, there, call, found=True)
        reply, found = self._resources.submit(KIND, body, prepared.hashes["job"], timeout=call.timeout)
        return self._submitted(prepared, plan, reply, call, found=found)

    def _submitted(
        self, prepared: Prepared, plan: TrainingPlan, there: Reply, call: Call, *, found: bool
    ) -> TrainResult:
        """`there`: the job as it was described, or the answer of its creation."""
        status = codec.decode_status(there) if "TrainingJobStatus" in there else None
        made = codec.when(there.get("CreationTime"))
        result = TrainResult(
            run=self._ref(prepared.name, prepared.job.name, prepared.hashes["job"], made),
            state=status.state if status else JobState.QUEUED,
            plan=plan,
            found=found,
        )
        return told(result, there, call, plan.warnings)

    def _ref(self, name: str, title: str, digest: str, submitted: str | None) -> RunRef:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return RunRef(
            backend=self._backend,
            id=name,
            name=name,
            submitted=submitted or now,
            details=(("job", digest), ("region", self._region), ("title", title)),
        )

    # --- what it is made of --------------------------------------------------------------------------

    def _plan(self, prepared: Prepared, options: TrainOptions) -> tuple[TrainingPlan, Params]:
        job, region = prepared.job, self._region
        chosen = self._machine(job, region)
        places = self._places(prepared)
        gpu = job.accelerator.name.lower() != "none"
        image = job.image or training_image(job.framework, region, gpu=gpu, settings=self._settings.training_images)
        role = sagemaker_role(self._settings)
        body = codec.encode(prepared, places, chosen, options, image=image, role=role, region=region)
        plan = TrainingPlan(
            backend=self._backend,
            provider="aws",
            region=region,
            name=prepared.name,
            instance=chosen.instance,
            accelerator=job.accelerator,
            instances=chosen.instances,
            spot=job.spot,
            hourly=chosen.hourly,
            at_limit=chosen.at_limit,
            requests=({"call": "CreateTrainingJob", "body": codec.shown(body)},),
            uploads=self._uploads(prepared, places),
            warnings=(*chosen.notices, *_notices(job)),
        )
        return plan, body

    def _machine(self, job: TrainingJob, region: str) -> ChosenMachine:
        model = self._clients("sagemaker").meta.service_model
        return machine(
            region,
            job.accelerator,
            operation="custom.train",
            allowed=model.shape_for("TrainingInstanceType").enum,
            spot=job.spot,
            copies=job.nodes,
            seconds=job.max_seconds,
        )

    def _places(self, prepared: Prepared) -> codec.Places:
        job, address = prepared.job, self._objects.address
        data = {
            channel: given if is_remote(given) else address(codec.data_path(prepared, channel))
            for channel, given in job.inputs.items()
        }
        return codec.Places(
            source=address(f"training/source/{prepared.package.file_name}"),
            output=(job.output or address("training/runs")).rstrip("/"),
            checkpoints=(job.checkpoint or address("training/checkpoints")).rstrip("/") + f"/{prepared.name}",
            data=data,
        )

    def _uploads(self, prepared: Prepared, places: codec.Places) -> tuple[tuple[str, str], ...]:
        local = [(given, places.data[channel]) for channel, given in prepared.job.inputs.items()]
        return ((prepared.job.source, places.source), *(pair for pair in local if not is_remote(pair[0])))

    def _stage(self, prepared: Prepared, body: Params) -> None:
        places = self._places(prepared)
        self._objects.put(places.source, prepared.package.targz)
        for channel, given in prepared.job.inputs.items():
            if not is_remote(given):
                base = Path(given) if Path(given).is_dir() else Path(given).parent
                files = {listed.name: base / listed.name for listed in prepared.data[channel]}
                self._objects.put_folder(places.data[channel], files)

    # --- afterwards ----------------------------------------------------------------------------------

    def status(self, run: RunRef, call: Call) -> RunStatus:
        with within(call.timeout):
            return codec.decode_status(self._there(run))

    def logs(self, run: RunRef, cursor: str | None, call: Call) -> LogPage:
        with within(call.timeout):
            return sagemaker_logs.page(self._clients, run.id, cursor)

    def cancel(self, run: RunRef, call: Call) -> None:
        """One that has ended stays as it is."""
        from botocore.exceptions import ClientError

        with within(call.timeout):
            try:
                self._clients("sagemaker").stop_training_job(TrainingJobName=run.id)
            except ClientError:
                if codec.decode_status(self._there(run)).state not in codec.ENDED:
                    raise

    def fetch(self, run: RunRef, folder: Path, call: Call) -> None:
        """`model.tar.gz`, unpacked into `folder`."""
        with within(call.timeout), tempfile.TemporaryFile() as archive:
            artefact = codec.decode_status(self._there(run)).artefact
            if artefact is None:
                raise ServiceError(f"{run.id} has written no model", code=ErrorCode.CONFLICT)
            self._objects.save(artefact, archive)
            archive.seek(0)
            unpack(archive, folder)

    def list(self, call: Call) -> Sequence[RunRef]:
        """By our tag, newest first. SageMaker's search knows a new job after a moment."""
        found: list[RunRef] = []
        asked: Params = {
            "Resource": "TrainingJob",
            "SearchExpression": {"Filters": [{"Name": f"Tags.{codec.JOB_TAG}", "Operator": "Exists"}]},
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
            "MaxResults": 100,
        }
        with within(call.timeout):
            while True:
                reply = self._clients("sagemaker").search(**asked)
                found += [self._listed(result["TrainingJob"]) for result in reply.get("Results", ())]
                if not reply.get("NextToken"):
                    return found
                asked["NextToken"] = reply["NextToken"]

    def _listed(self, job: Reply) -> RunRef:
        marks = {tag["Key"]: tag["Value"] for tag in job.get("Tags", ())}
        name = str(job["TrainingJobName"])
        title = marks.get(codec.NAME_TAG, name)
        return self._ref(name, title, marks.get(codec.JOB_TAG, ""), codec.when(job.get("CreationTime")))

    def _there(self, run: RunRef) -> Reply:
        return self._resources.get(KIND, run.id)


def _options(call: Call) -> TrainOptions:
    return call.options if isinstance(call.options, TrainOptions) else TrainOptions()


def _notices(job: TrainingJob) -> tuple[Notice, ...]:
    remote = [channel for channel, address in job.inputs.items() if is_remote(address)]
    if not remote:
        return ()
    message = f"inputs {', '.join(remote)} are known by their addresses: with other contents it is the same job"
    return (Notice(code="input_not_listed", message=message),)
