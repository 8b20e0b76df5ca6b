"""Requests and results of `custom.*`: train, deploy, predict, batch. Tensors are the Open Inference Protocol's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, JsonValue

from cloudai.types.media import Media
from cloudai.types.results import Model, Money, Notice, Result
from cloudai.types.speech import JobState
from cloudai.types.tensor import Tensor
from cloudai.types.vision import DetectedObject, Label


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

    name: str = Field(pattern=r"^[a-zA-Z][a-zA-Z0-9-]{0,62}$")
    script: str
    source: str = "."
    requirements: str | None = None
    framework: str | None = None
    """`pytorch`, `sklearn`, ... for the provider's prebuilt container."""
    image: str | None = None
    """A container of the user's own."""
    inputs: Mapping[str, str] = Field(default_factory=dict)
    hyperparameters: Mapping[str, str | int | float | bool] = Field(default_factory=dict)
    environment: Mapping[str, str] = Field(default_factory=dict)
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
    name: str
    value: float
    """NaN and infinities are kept as they were printed."""
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
    name: str = Field(pattern=r"^[a-zA-Z][a-zA-Z0-9-]{0,62}$")
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
    model: str
    inputs: str
    """A folder or object-store prefix."""
    output: str
    accelerator: Accelerator = Accelerator()
    instances: int = Field(default=1, ge=1)
    batch_size: int = Field(default=1, ge=1)


class BatchPredictResult(Result):
    OPERATION: ClassVar[str] = "custom.batch_predict"
    job_id: str = ""
    state: JobState = JobState.QUEUED
    output: str | None = None
    succeeded: int | None = None
    failed: int | None = None
