"""The Google Cloud provider passes the kit over a server that holds it to Google's own descriptions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))
sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from gcp_answers import ANSWERS, settings
from gcp_server import KEY, google
from served import scale
from test_gcp_custom_endpoints import container
from vertex_batch_work import at_once
from vertex_custom_server import PARENT, vertex_server

from cloudai.testing import DriverConformance, Harness
from cloudai.testing.samples import Sample
from cloudai.types.custom import Accelerator, BatchPredictRequest, DeployRequest, TrainingJob

SOURCE = Path(__file__).parent / "training_source"
JOB = TrainingJob(name="job", script="train.py", source=str(SOURCE), framework="pytorch")
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"  # noqa: E501
SAMPLES = {
    "speech.synthesize": Sample(
        service="speech", verb="synthesize", first="Hello, world.", arguments={"voice": "en-US-Neural2-A"}
    ),
    "translation.translate_document": Sample(
        service="translation", verb="translate_document", first=PDF, arguments={"source": "en", "target": "es"}
    ),
}


class GcpHarness(Harness):
    provider = "gcp"
    values: ClassVar[dict[str, Any]] = {}
    timeout = 20.0
    samples: ClassVar = SAMPLES


class GcpByKeyHarness(GcpHarness):
    """An API key: older versions of two services, and some operations less."""

    values: ClassVar[dict[str, Any]] = {}

    @property
    def implements(self) -> tuple[str, ...]:
        return tuple(
            name
            for name in super().implements
            if name not in ("vision.read_document", "translation.translate_document") and not name.startswith("custom.")
        )


def custom(model: Path) -> dict[str, Sample]:
    """The calls that need a job or a model."""
    machine = Accelerator(instance="n1-standard-4")
    deployment = DeployRequest(model=str(model), name="digits", accelerator=machine)
    tensors = {"x": np.zeros((1, 4), np.float32)}
    given, out = model.parent / "requests.jsonl", model.parent / "results"
    given.write_text('{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}\n')
    batch = BatchPredictRequest(model=str(model), inputs=str(given), output=str(out), accelerator=machine)
    return {
        "custom.train": Sample(service="custom", verb="train", first=JOB),
        "custom.deploy": Sample(service="custom", verb="deploy", first=deployment),
        "custom.predict": Sample(service="custom", verb="predict", first="twice", arguments={"tensors": tensors}),
        "custom.batch_predict": Sample(service="custom", verb="batch_predict", first=batch),
    }


@pytest.fixture(autouse=True, scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("gcp")
    model = scale(folder / "twice", 2.0)
    with google(ANSWERS) as server, vertex_server() as vertex:
        vertex.behind, vertex.serve = server.url, container(model)
        vertex.worker = at_once(vertex.serve)
        standing = {"id": "1", "displayName": "1", "model": f"{PARENT}/models/1"}
        vertex.endpoints[f"{PARENT}/endpoints/cloudai-twice"] = {"displayName": "twice", "deployedModels": [standing]}
        GcpHarness.values = {**settings(server, folder), "endpoint_url": vertex.url, "vertex_bucket": "mine"}
        GcpHarness.samples = {**SAMPLES, **custom(model)}
        GcpByKeyHarness.values = {"endpoint_url": server.url, "api_key": KEY}
        yield


class TestGcp(DriverConformance):
    harness = GcpHarness()


class TestGcpByKey(DriverConformance):
    harness = GcpByKeyHarness()
    _answers: ClassVar = {}
