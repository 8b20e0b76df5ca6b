"""The fake provider passes the kit: a program tested with it meets the same meanings."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

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
        "custom.batch_predict": Sample(service="custom", verb="batch_predict", first=lambda: FOLDERS[-1]),
    }


FOLDERS: list[BatchPredictRequest] = []


@pytest.fixture(autouse=True, scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("batch")
    (folder / "rows.jsonl").write_text('{"inputs": []}\n')
    FOLDERS.append(BatchPredictRequest(model="m", inputs=str(folder / "rows.jsonl"), output=str(folder / "out")))


class TestFake(DriverConformance):
    harness = FakeHarness()
