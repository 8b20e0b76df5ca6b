"""The AWS provider passes the kit over a server that holds each request and answer to AWS's own descriptions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))
sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from aws_answers import aws, settings
from aws_hosting import HostingService
from aws_sagemaker import ROLE, TrainingService
from aws_transform import TransformService
from served import scale

from cloudai.testing import DriverConformance, Harness
from cloudai.testing.samples import Sample
from cloudai.types.custom import Accelerator, BatchPredictRequest, DeployRequest, TrainingJob

SOURCE = Path(__file__).parent / "training_source"
JOB = TrainingJob(name="job", script="train.py", source=str(SOURCE), framework="pytorch")


class AwsHarness(Harness):
    provider = "aws"
    values: ClassVar[dict[str, Any]] = {}
    timeout = 20.0
    samples: ClassVar[dict[str, Sample]] = {}


BATCH = BatchPredictRequest(
    model="ready",
    inputs="s3://bucket/rows/",
    output="s3://bucket/results/",
    accelerator=Accelerator(instance="ml.m5.xlarge"),
)


def samples(model: Path) -> dict[str, Sample]:
    """The calls that need a job or a model."""
    deployment = DeployRequest(model=str(model), name="digits")
    tensors = {"x": np.zeros((1, 4), np.float32)}
    return {
        "custom.train": Sample(service="custom", verb="train", first=JOB),
        "custom.deploy": Sample(service="custom", verb="deploy", first=deployment),
        "custom.predict": Sample(service="custom", verb="predict", first="ready", arguments={"tensors": tensors}),
        "custom.batch_predict": Sample(service="custom", verb="batch_predict", first=BATCH),
    }


@pytest.fixture(autouse=True, scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with aws() as server:
        trained = TrainingService(server).answer()
        hosting = HostingService(server).answer()
        hosting.stand("ready")
        TransformService(hosting).answer()
        server.answers["Search"] = lambda params: (
            trained.search(params) if params["Resource"] == "TrainingJob" else hosting.search(params)
        )
        AwsHarness.samples = samples(scale(tmp_path_factory.mktemp("models") / "twice", 2.0))
        values = settings(server, sagemaker_role_arn=ROLE)
        AwsHarness.values = {name: value for name, value in values.items() if name != "provider"}
        yield


class TestAws(DriverConformance):
    harness = AwsHarness()
