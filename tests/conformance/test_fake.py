"""The fake provider passes the kit: a program tested with it meets the same meanings."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from cloudai.testing import DriverConformance, Harness
from cloudai.testing.samples import Sample
from cloudai.types.custom import BatchPredictRequest, DeployRequest, TrainingJob


class FakeHarness(Harness):
    provider = "fake"
    samples: ClassVar = {
        "custom.train": Sample(service="custom", verb="train", first=TrainingJob(name="job", script="train.py")),
        "custom.deploy": Sample(service="custom", verb="deploy", first=DeployRequest(model="m", name="end")),
        "custom.predict": Sample(
            service="custom", verb="predict", first="m", arguments={"tensors": {"x": np.zeros((1, 2), np.float32)}}
        ),
        "custom.batch_predict": Sample(
            service="custom", verb="batch_predict", first=BatchPredictRequest(model="m", inputs="in", output="out")
        ),
    }


class TestFake(DriverConformance):
    harness = FakeHarness()
