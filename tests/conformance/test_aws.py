"""The AWS provider passes the kit over a server that holds each request and answer to AWS's own descriptions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

from aws_answers import aws, settings
from aws_sagemaker import ROLE, TrainingService

from cloudai.testing import DriverConformance, Harness
from cloudai.testing.samples import Sample
from cloudai.types.custom import TrainingJob

SOURCE = Path(__file__).parent / "training_source"
JOB = TrainingJob(name="job", script="train.py", source=str(SOURCE), framework="pytorch")


class AwsHarness(Harness):
    provider = "aws"
    values: ClassVar[dict[str, Any]] = {}
    timeout = 20.0
    not_yet = frozenset({"custom.deploy", "custom.predict", "custom.batch_predict"})
    samples: ClassVar[Any] = {"custom.train": Sample(service="custom", verb="train", first=JOB)}


@pytest.fixture(autouse=True, scope="module")
def _server() -> Iterator[None]:
    with aws() as server:
        TrainingService(server).answer()
        values = settings(server, sagemaker_role_arn=ROLE)
        AwsHarness.values = {name: value for name, value in values.items() if name != "provider"}
        yield


class TestAws(DriverConformance):
    harness = AwsHarness()
