"""Requests and results of `custom.*`: train, deploy, predict, batch. Tensors are the Open Inference Protocol's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, JsonValue
from pydantic_core import PydanticCustomError

from cloudai.types.media import Media
from cloudai.types.results import Model, Money, Notice, Result
from cloudai.types.speech import JobState
from cloudai.types.tensor import Tensor
from cloudai.types.vision import DetectedObject, Label

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTRACT = re.compile(r"CLOUDAI_(INPUT_.*|MODEL_DIR|CHECKPOINT_DIR|HPARAMS|RANK|WORLD_SIZE)")


def _resource(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PydanticCustomError("resource_name", "1 to 63 letters, digits and hyphens, the first a letter")
    return name


def _variables(environment: Mapping[str, str]) -> Mapping[str, str]:
    for name in environment:
        if not _VARIABLE.fullmatch(name):
            words = "{name} is no name of a variable: letters, digits and _, no digit first"
            raise PydanticCustomError("variable_name", words, {"name": repr(name)})
        if _CONTRACT.fullmatch(name):
            words = "the runner sets {name}: take it out, and read it in the script"
            raise PydanticCustomError("variable_of_the_runner", words, {"name": name})
        if "\0" in environment[name]:
            raise PydanticCustomError("variable_value", "the value of {name} has a NUL character", {"name": name})
    return environment


def _finite(values: Mapping[str, str | int | float | bool]) -> Mapping[str, str | int | float | bool]:
    for name, value in values.items():
        if isinstance(value, float) and not isfinite(value):
            words = "{name} is {value}: JSON has finite numbers only, write it as text"
            raise PydanticCustomError("finite_number", words, {"name": name, "value": str(value)})
    return values


ResourceName = Annotated[str, AfterValidator(_resource)]
"""What all platforms take as the name of a job or an endpoint."""


class PredictRequest(Model):
    """Named tensors for the graph's inputs, or images that the manifest says how to read."""

    model: str
    """The model's name in the backend's model folder, or the endpoint's name."""
    version: str | None = None
    tensors: Mapping[str, Tensor] = Field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    """Which outputs; empty: all."""
    images: tuple[Media, ...] = ()
    """Images for a model whose manifest says how to read them; one result row each."""


class Prediction(Model):
    """What the manifest's post-processing made of one input row."""

    labels: tuple[Label, ...] = ()
    objects: tuple[DetectedObject, ...] = ()
    embedding: tuple[float, ...] = ()


class PredictResult(Result):
    OPERATION: ClassVar[str] = "custom.predict"
    outputs: Mapping[str, Tensor] = Field(default_factory=dict)
    predictions: tuple[Prediction, ...] = ()
    """One per input row, when the manifest has a task other than raw tensors."""
    version: str | None = None
    device: str | None = None
    """Which execution provider ran: `cpu`, `cuda:0`, or the vendor's instance type."""


class Accelerator(Model):
    """`name` as in `L4`, `A100-80GB`, `T4`, or `none`; or a provider's own `instance` type."""

    name: str = "none"
    count: int = Field(default=0, ge=0)
    instance: str | None = None


class TrainingJob(Model):
    """One training job for any provider. Paths are local unless they carry a scheme."""

    name: ResourceName
    script: str
    source: str = "."
    requirements: str | None = None
    framework: str | None = None
    """`pytorch`, `sklearn`, ... for the provider's prebuilt container."""
    image: str | None = None
    """A container of the user's own."""
    inputs: Mapping[str, str] = Field(default_factory=dict)
    hyperparameters: Annotated[Mapping[str, str | int | float | bool], AfterValidator(_finite)] = Field(
        default_factory=dict
    )
    environment: Annotated[Mapping[str, str], AfterValidator(_variables)] = Field(default_factory=dict)
    """Variables of the script, but not those that the runner sets."""
    accelerator: Accelerator = Accelerator()
    nodes: int = Field(default=1, ge=1)
    spot: bool = False
    checkpoint: str | None = None
    output: str | None = None
    max_seconds: int = Field(default=86_400, ge=1)
    max_cost: Money | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)


class RunRef(Model):
    """What is needed to find a training run again after the process that submitted it has gone: save its JSON."""

    backend: str
    id: str
    """The platform's own name or resource path of the job."""
    name: str
    """The submission's name, derived from the job's content: submitting the same job twice finds the first."""
    submitted: str | None = None
    """ISO 8601, UTC."""
    details: tuple[tuple[str, str], ...] = ()
    """What the driver needs besides: staging prefix, log stream, output location."""


class TrainingPlan(Model):
    """What a submission would be: shown before it is sent, and all that `--dry-run` prints."""

    backend: str
    provider: str
    region: str | None = None
    name: str
    instance: str
    """The provider's own type, `ml.g6.12xlarge`; `this machine` for local."""
    accelerator: Accelerator = Accelerator()
    instances: int = 1
    spot: bool = False
    hourly: Money | None = None
    """Of all instances together; `None`: unknown, which is not zero."""
    at_limit: Money | None = None
    """When it runs until `max_seconds`."""
    requests: tuple[Mapping[str, JsonValue], ...] = ()
    """Exactly what would be sent, in order: `{"call": "CreateTrainingJob", "body": {...}}`; secrets masked."""
    uploads: tuple[tuple[str, str], ...] = ()
    """Local path -> address, before the submission."""
    warnings: tuple[Notice, ...] = ()


class Metric(Model):
    model_config = ConfigDict(ser_json_inf_nan="strings")

    name: str
    value: float
    """NaN and infinities are kept as they were printed; in JSON as `"NaN"`, `"Infinity"`, `"-Infinity"`."""
    step: int | None = None
    at: str | None = None
    """ISO 8601, UTC."""


class RunStatus(Model):
    state: JobState
    message: str | None = None
    """Why it failed or was stopped, in the platform's words."""
    started: str | None = None
    ended: str | None = None
    billed_seconds: float | None = None
    """As the platform counts them; with spot less than it ran."""
    restarts: int = 0
    """How often it was resumed from its checkpoint."""
    artefact: str | None = None
    """Address of the model folder, once it is written."""
    exit_code: int | None = None


class LogPage(Model):
    """Lines since `cursor`; ask again with `next` for what came after."""

    lines: tuple[str, ...] = ()
    next: str | None = None


class TrainResult(Result):
    """Of a submission. `client.custom.run(result.run)` is the handle."""

    OPERATION: ClassVar[str] = "custom.train"
    run: RunRef | None = None
    state: JobState = JobState.QUEUED
    plan: TrainingPlan | None = None
    found: bool = False
    """The same job had been submitted before: it was found, not sent again."""


class DeployRequest(Model):
    """`model` is a folder with `model.onnx` and `model.toml`, or an artefact address."""

    model: str
    name: ResourceName
    version: str | None = None
    """`None`: the first 12 characters of the package's SHA-256."""
    accelerator: Accelerator = Accelerator()
    min_replicas: int = Field(default=1, ge=0)
    max_replicas: int = Field(default=1, ge=1)
    serverless: bool = False
    traffic: Mapping[str, int] = Field(default_factory=dict)
    """Percent by version."""
    image: str | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)


class EndpointRef(Model):
    """What is needed to find an endpoint again."""

    backend: str
    id: str
    name: str
    url: str | None = None
    """Where the Open Inference Protocol is spoken."""
    details: tuple[tuple[str, str], ...] = ()
    """Resources that belong to it, so that deleting leaves nothing: model, config, image."""


class EndpointVersion(Model):
    version: str
    traffic: int = Field(ge=0, le=100)
    """Percent."""
    instance: str | None = None
    replicas: int | None = None


class EndpointStatus(Model):
    ref: EndpointRef
    state: JobState
    """`succeeded`: it answers."""
    message: str | None = None
    versions: tuple[EndpointVersion, ...] = ()
    hourly: Money | None = None
    """While it stands, used or not; `None`: unknown."""
    created: str | None = None


class DeployPlan(Model):
    """What a deployment would create, in order, and what it costs while it stands."""

    backend: str
    provider: str
    name: str
    version: str
    instance: str
    hourly: Money | None = None
    requests: tuple[Mapping[str, JsonValue], ...] = ()
    uploads: tuple[tuple[str, str], ...] = ()
    warnings: tuple[Notice, ...] = ()


class DeployResult(Result):
    OPERATION: ClassVar[str] = "custom.deploy"
    endpoint: EndpointRef | None = None
    version: str = ""
    state: JobState = JobState.QUEUED
    plan: DeployPlan | None = None


class BatchPredictRequest(Model):
    """A model over many requests, as one job. The same request again, with the same files, finds the first job.

    An input file has JSON lines: each is one inference request of the Open Inference Protocol v2, as JSON. The results
    have the same files and order: line N is the response to line N, or `{"error": "..."}`.
    """

    model: str
    """A model folder (`model.onnx`, `model.toml`), a packaged model's address, an endpoint's name, or the name of a
    model that the platform has registered."""
    inputs: str | tuple[str, ...]
    """A folder, an object-store prefix (`s3://`, `gs://`, an https blob prefix that ends in a slash), or files."""
    output: str
    """A prefix of the platform's own store, or a folder of this machine: `result()` and `fetch()` put it there."""
    name: ResourceName | None = None
    """What the job's name begins with; `None`: the model's."""
    version: str | None = None
    """Of the endpoint or registered model; `None`: the one with most of the traffic, or the latest."""
    content: Literal["requests", "images"] = "requests"
    """`images`: the inputs are local images, read as the manifest says. They become one file, `images.jsonl`; a line's
    `id` is the image's name."""
    manifest: str | None = None
    """A model folder whose manifest says how images are read; `None`: `model` is one."""
    accelerator: Accelerator = Accelerator()
    instances: int = Field(default=1, ge=1)
    batch_size: int = Field(default=1, ge=1)
    """Requests that are given to the model at a time, where the backend can."""
    image: str | None = None
    """A container of the user's own."""
    max_failed: int | None = Field(default=None, ge=0)
    """Lines that may fail; one more ends the job as failed. `None`: any number, but not all of them."""
    max_seconds: int = Field(default=86_400, ge=1)
    max_cost: Money | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)

    @property
    def places(self) -> tuple[str, ...]:
        """`inputs` as several, always."""
        return (self.inputs,) if isinstance(self.inputs, str) else self.inputs


class BatchRef(Model):
    """What is needed to find a batch job again after the process that submitted it has gone: save its JSON."""

    backend: str
    id: str
    """The platform's own name or resource path of the job."""
    name: str
    """The submission's name, derived from the request and its files: the same request again finds the first."""
    submitted: str | None = None
    """ISO 8601, UTC."""
    details: tuple[tuple[str, str], ...] = ()
    """What the driver and the handle need besides: staging prefix, price of an hour, where to put the results."""


class BatchPlan(Model):
    """What a batch job would be: shown before it is sent, and all that `--dry-run` prints."""

    backend: str
    provider: str
    region: str | None = None
    name: str
    instance: str
    """The provider's own type; `this machine` for local."""
    instances: int = 1
    hourly: Money | None = None
    """Of all instances together; `None`: unknown, which is not zero."""
    at_limit: Money | None = None
    """When it runs until `max_seconds`."""
    requests: tuple[Mapping[str, JsonValue], ...] = ()
    """Exactly what would be sent, in order: `{"call": "CreateTransformJob", "body": {...}}`."""
    uploads: tuple[tuple[str, str], ...] = ()
    """Local path -> address, before the submission."""
    warnings: tuple[Notice, ...] = ()


class BatchFailure(Model):
    """One line that the model did not answer."""

    file: str
    line: int = Field(ge=1)
    message: str


class BatchStatus(Model):
    state: JobState
    message: str | None = None
    """Why it failed or was stopped, in the platform's words."""
    started: str | None = None
    ended: str | None = None
    billed_seconds: float | None = None
    """As the platform counts them."""
    total: int | None = None
    """Lines of all input files; `None`, here and below: the platform does not say."""
    succeeded: int | None = None
    failed: int | None = None
    failures: tuple[BatchFailure, ...] = ()
    """The first hundred, where the platform tells of them."""
    output: str | None = None
    """Address of the results as the platform wrote them."""
    hourly: Money | None = None
    """Of all instances together; `None`: unknown."""
    cost: Money | None = None
    """So far, or in the end, at the book's price; the handle works it out."""


class BatchPredictResult(Result):
    """Of a submission (`batch_predict` of a driver), and of the job's end (`BatchRun.result`)."""

    OPERATION: ClassVar[str] = "custom.batch_predict"
    batch: BatchRef | None = None
    state: JobState = JobState.QUEUED
    plan: BatchPlan | None = None
    found: bool = False
    """The same request had been submitted before: its job was found, not sent again."""
    output: str | None = None
    """Where the results are: a folder of this machine in the one form for all platforms, else the platform's own."""
    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    failures: tuple[BatchFailure, ...] = ()
    """The first hundred of them, where the results are on this machine or the platform tells of them."""
