"""Requests and results of `custom.*`: train, deploy, predict, batch. Tensors are the Open Inference Protocol's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from cloudai.types.media import Media
from cloudai.types.results import Model, Money, Result
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


class TrainResult(Result):
    OPERATION: ClassVar[str] = "custom.train"
    run_id: str = ""
    state: JobState = JobState.QUEUED
    artefact: str | None = None
    metrics: Mapping[str, float] = Field(default_factory=dict)


class DeployRequest(Model):
    """`model` is a folder with `model.onnx` and `model.toml`, or an artefact address."""

    model: str
    name: str = Field(pattern=r"^[a-zA-Z][a-zA-Z0-9-]{0,62}$")
    accelerator: Accelerator = Accelerator()
    min_replicas: int = Field(default=1, ge=0)
    max_replicas: int = Field(default=1, ge=1)
    serverless: bool = False
    traffic: Mapping[str, int] = Field(default_factory=dict)
    """Percent by version."""
    image: str | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)


class DeployResult(Result):
    OPERATION: ClassVar[str] = "custom.deploy"
    endpoint: str = ""
    url: str | None = None
    state: JobState = JobState.QUEUED


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
