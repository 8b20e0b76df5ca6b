"""`custom.batch_predict` on SageMaker: staged in S3, submitted once under its content's name, looked at, fetched.

The model is one behind an endpoint, one that SageMaker has, or a folder or archive that is made one: it costs nothing,
is named by its content, and stays.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from cloudai.delivery import unsent
from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.serving.batch_results import result_file
from cloudai.serving.batches import PreparedBatch, is_folder, prepare_batch, stem_of
from cloudai.training.machines import machine_for, refuse_above
from cloudai.training.package import is_remote
from cloudai.types.custom import (
    Accelerator,
    BatchPlan,
    BatchPredictRequest,
    BatchPredictResult,
    BatchRef,
    BatchStatus,
)
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_aws import sagemaker_hosting as hosting
from cloudai_aws import sagemaker_transform as codec
from cloudai_aws.reply import Params, Reply, ignored, told
from cloudai_aws.sagemaker_images import serving_image
from cloudai_aws.sagemaker_machines import batch_machine
from cloudai_aws.sagemaker_resources import Part
from cloudai_aws.sagemaker_training import JOB_TAG, tags, when
from cloudai_aws.settings import BatchOptions, sagemaker_role
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai.serving.packaging import Package

OPERATION, KIND = "custom.batch_predict", "transform_job"


@dataclass(frozen=True, kw_only=True)
class Made:
    """Everything of one submission, before any of it is sent."""

    prepared: PreparedBatch
    plan: BatchPlan
    source: str
    body: Params
    model: Params | None
    """CreateModel; `None`: SageMaker has it."""
    package: Package | None
    """What the model is made of; `None`: it is in S3 already."""


class Batches(Part):
    """Batch transform jobs of one backend. A job's name is its content's: no attempt makes a second one."""

    # --- before, and the submission ------------------------------------------------------------------

    def plan(self, request: BatchPredictRequest, call: Call) -> BatchPlan:
        """Looks up the model behind a name; nothing else is sent."""
        self._clients("sagemaker")
        with within(call.timeout):
            return self._made(request, call).plan

    def submit(self, request: BatchPredictRequest, call: Call) -> BatchPredictResult:
        """Finds the job where it was submitted before; else stages what is not there yet, and submits it once."""
        self._warm("s3", "sagemaker")
        with within(call.timeout), unsent():
            made = self._made(request, call)
            refuse_above(request, made.plan.at_limit)
            there = self._resources.job(KIND, made.prepared.name, made.prepared.digest)
            if there is None:
                self._stage(made)
        if there is not None:
            return self._submitted(made, there, call, found=True)
        reply, found = self._resources.submit(KIND, made.body, made.prepared.digest, timeout=call.timeout)
        return self._submitted(made, reply, call, found=found)

    def _submitted(self, made: Made, there: Reply, call: Call, *, found: bool) -> BatchPredictResult:
        """`there`: the job as it was described, or the answer of its creation."""
        output = str(made.body["TransformOutput"]["S3OutputPath"])
        result = BatchPredictResult(
            batch=self._ref(made.prepared.name, when(there.get("CreationTime"))),
            state=codec.state_of(there),
            plan=made.plan,
            found=found,
            output=output,
        )
        return told(result, there, call, made.plan.warnings)

    def _ref(self, name: str, submitted: str | None) -> BatchRef:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return BatchRef(
            backend=self._backend, id=name, name=name, submitted=submitted or now, details=(("region", self._region),)
        )

    # --- what it is made of --------------------------------------------------------------------------

    def _made(self, request: BatchPredictRequest, call: Call) -> Made:
        codec.checked(request)
        options = call.options if isinstance(call.options, BatchOptions) else BatchOptions()
        model, body, package = self._model(request)
        prepared = prepare_batch(request, model=model)
        region = self._region
        shape = self._clients("sagemaker").meta.service_model.shape_for("TransformInstanceType")
        chosen = batch_machine(
            region, request.accelerator, allowed=shape.enum, copies=request.instances, seconds=request.max_seconds
        )
        address = self._objects.address
        source = prepared.remote[0] if prepared.remote else address(f"batches/{prepared.name}/input/")
        output = request.output if is_remote(request.output) else address(f"batches/{prepared.name}/output/")
        job = codec.encode(prepared, chosen, options, model=model, source=source, output=output)
        steps = ((("CreateModel", body),) if body else ()) + (("CreateTransformJob", job),)
        images = (ignored("image: the model behind this name has one"),) if request.image and not body else ()
        plan = BatchPlan(
            backend=self._backend,
            provider="aws",
            region=region,
            name=prepared.name,
            instance=chosen.instance,
            instances=chosen.instances,
            hourly=chosen.hourly,
            at_limit=chosen.at_limit,
            requests=tuple({"call": name, "body": sent} for name, sent in steps),
            uploads=tuple((str(file.path), source + file.name) for file in prepared.given),
            warnings=(*chosen.notices, *codec.notices(request), *images),
        )
        return Made(prepared=prepared, plan=plan, source=source, body=job, model=body, package=package)

    def _model(self, request: BatchPredictRequest) -> tuple[str, Params | None, Package | None]:
        """Its name, and what it is made of where it is not SageMaker's yet."""
        if not is_folder(request.model) and not is_remote(request.model):
            return self._standing(request), None, None
        stem = stem_of(request)
        package = None
        if is_folder(request.model):
            from cloudai.serving.packaging import package_model

            package = package_model(request.model, name=stem)
            address = self._objects.address(f"batches/models/{package.sha256[:20]}/model.tar.gz")
            version = package.version
        elif request.model.startswith("s3://"):
            if request.name is None:
                raise InvalidInput("name: the model's name in the archive's model repository")
            from cloudai.training.package import digest

            address, version = request.model, digest([(request.model,)])[:12]
        else:
            raise InvalidInput(f"model = {request.model!r}: SageMaker reads s3://.../model.tar.gz and local folders")
        name = hosting.model_name(f"{stem}-batch", version)
        gpu = request.accelerator.name.lower() != "none"
        image = request.image or serving_image(self._region, gpu=gpu, own=self._settings.serving_image)
        role = sagemaker_role(self._settings)
        marks = tags(request.tags, {JOB_TAG: name})
        return (
            name,
            hosting.encode_model(name, address=address, image=image, role=role, title=stem, marks=marks),
            package,
        )

    def _standing(self, request: BatchPredictRequest) -> str:
        """The model of an endpoint's version, or of the one with most of the traffic; else a model of that name."""
        there = self._resources.find("endpoint", request.model)
        if there is None:
            if self._resources.find("model", request.model) is None:
                raise InvalidInput(
                    f"SageMaker has no endpoint and no model {request.model!r}", code=ErrorCode.NOT_FOUND
                )
            return request.model
        config = self._resources.get("endpoint_config", str(there["EndpointConfigName"]))
        variants = {str(each["VariantName"]): each for each in config["ProductionVariants"]}
        best = max(variants, key=lambda name: float(variants[name].get("InitialVariantWeight", 0.0)))
        if request.version is not None and request.version not in variants:
            raise InvalidInput(
                f"{request.model} has no version {request.version}, but {', '.join(sorted(variants))}",
                code=ErrorCode.NOT_FOUND,
            )
        return str(variants[request.version or best]["ModelName"])

    def _stage(self, made: Made) -> None:
        if made.model is not None:
            if made.package is not None:
                with TemporaryFile() as archive:
                    made.package.write_targz(archive)
                    self._objects.put_file(str(made.model["PrimaryContainer"]["ModelDataUrl"]), archive)
            self._resources.put("model", str(made.model["ModelName"]), made.model)
        if made.prepared.given:
            with made.prepared.lines() as files:
                self._objects.put_folder(made.source, {file.name: file.path for file in files})

    # --- afterwards ----------------------------------------------------------------------------------

    def status(self, batch: BatchRef, call: Call) -> BatchStatus:
        self._clients("sagemaker")
        with within(call.timeout):
            there = self._there(batch)
        return codec.decode_status(there, self._hourly(there), now=datetime.datetime.now(datetime.UTC))

    def _hourly(self, there: Reply) -> Money | None:
        used = there["TransformResources"]
        return machine_for(
            "aws",
            self._region,
            Accelerator(instance=str(used["InstanceType"])),
            copies=int(used["InstanceCount"]),
            operation=OPERATION,
        ).hourly

    def cancel(self, batch: BatchRef, call: Call) -> None:
        """One that has ended stays as it is."""
        from botocore.exceptions import ClientError

        self._clients("sagemaker")
        with within(call.timeout):
            try:
                self._clients("sagemaker").stop_transform_job(TransformJobName=batch.id)
            except ClientError:
                if not codec.state_of(self._there(batch)).final:
                    raise

    def fetch(self, batch: BatchRef, folder: Path, call: Call) -> None:
        """The outputs under the names of their inputs."""
        self._warm("s3", "sagemaker")
        with within(call.timeout):
            there = self._there(batch)
            if codec.state_of(there) is not JobState.SUCCEEDED:
                raise ServiceError(f"{batch.id} has no results: it has not succeeded", code=ErrorCode.CONFLICT)
            source = str(there["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
            output = str(there["TransformOutput"]["S3OutputPath"]).rstrip("/") + "/"
            written = self._relative(output)
            for name, wanted in codec.pairs(self._relative(source), written).items():
                with result_file(folder, wanted) as file:
                    self._objects.save(output + name, file)

    def _relative(self, address: str) -> list[str]:
        """Names below a prefix that ends in a slash; else of what begins with it, from its last folder on."""
        base = address[: address.rindex("/") + 1].removeprefix("s3://").partition("/")[2]
        return [key.removeprefix(base) for key in self._objects.keys(address) if not key.endswith("/")]

    def list(self, call: Call) -> Sequence[BatchRef]:
        """By our tag, newest first."""
        client, found = self._clients("sagemaker"), list[BatchRef]()
        token: dict[str, str] = {}
        with within(call.timeout):
            while True:
                reply = client.list_transform_jobs(SortBy="CreationTime", SortOrder="Descending", **token)
                for each in reply["TransformJobSummaries"]:
                    marks = client.list_tags(ResourceArn=each["TransformJobArn"])["Tags"]
                    if any(mark["Key"] == JOB_TAG for mark in marks):
                        found.append(self._ref(str(each["TransformJobName"]), when(each["CreationTime"])))
                if not reply.get("NextToken"):
                    return found
                token = {"NextToken": str(reply["NextToken"])}

    def _there(self, batch: BatchRef) -> Reply:
        return self._resources.get(KIND, batch.id)
