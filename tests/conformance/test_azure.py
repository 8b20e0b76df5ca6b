"""The Azure provider passes the kit over a server that holds each request and answer to Azure's own descriptions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))
sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from azure_answers import azure, settings
from azureml_batch_server import batch_server
from azureml_custom_server import TOKENS, MlServer
from served import scale
from test_azure_auth import SECRET, TENANT, Entra, entra
from test_azure_custom_endpoints import triton

from cloudai.testing import DriverConformance, Harness
from cloudai.testing.samples import Sample
from cloudai.types.custom import Accelerator, BatchPredictRequest, DeployRequest, TrainingJob

SOURCE = Path(__file__).parent / "training_source"
CPU = Accelerator(instance="Standard_F8s_v2")
LINE = '{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}\n'
JOB = TrainingJob(name="job", script="train.py", source=str(SOURCE), framework="pytorch")


class AzureHarness(Harness):
    provider = "azure"
    values: ClassVar[dict[str, Any]] = {}
    timeout = 20.0
    samples: ClassVar[dict[str, Sample]] = {}


def custom(model: Path) -> dict[str, Sample]:
    """The calls that need a job or a model."""
    machine = Accelerator(instance="Standard_NC4as_T4_v3")
    deployment = DeployRequest(model=str(model), name="digits", accelerator=machine)
    job = JOB.model_copy(update={"accelerator": machine})
    tensors = {"x": np.zeros((1, 4), np.float32)}
    (model.parent / "rows").mkdir()
    (model.parent / "rows" / "a.jsonl").write_text(LINE)
    batch = BatchPredictRequest(
        model=str(model), inputs=str(model.parent / "rows"), output=str(model.parent / "results"), accelerator=CPU
    )
    return {
        "custom.train": Sample(service="custom", verb="train", first=job),
        "custom.deploy": Sample(service="custom", verb="deploy", first=deployment),
        "custom.predict": Sample(service="custom", verb="predict", first="twice", arguments={"tensors": tensors}),
        "custom.batch_predict": Sample(service="custom", verb="batch_predict", first=batch),
    }


def workspace(ml: MlServer, login: Entra, folder: Path) -> dict[str, str]:
    """Settings of a backend that has Azure ML beside the AI services, whose key opens nothing there."""
    both = folder / "both.pem"
    both.write_text(Path(login.ca_file).read_text() + ml.ca_file.read_text())
    names = {"ml_subscription": "s-1", "ml_resource_group": "group", "ml_workspace": "work"}
    places = {"ml_endpoint": ml.url, "blob_endpoint": ml.blobs.account_url, "authority": login.url}
    return {**names, **places, "ca_file": str(both), "region": "eastus"}


@pytest.fixture(autouse=True, scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("azure")
    model = scale(folder / "twice", 2.0)
    with azure() as server, entra(folder) as login, batch_server(folder) as ml:
        login.tokens = dict(TOKENS)
        ml.serve, ml.eager, ml.prompt_history = triton(model), True, True
        ml.resources["onlineEndpoints/twice"] = {
            "name": "twice",
            "location": "eastus",
            "tags": {"cloudai-endpoint": "twice"},
            "properties": {"authMode": "Key", "scoringUri": f"{ml.url}/score"},
        }
        AzureHarness.values = {name: value for name, value in settings(server).items() if name != "provider"}
        AzureHarness.values |= workspace(ml, login, folder)
        AzureHarness.samples = custom(model)
        yield


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application in the environment: the AI services' key opens nothing of Azure ML."""
    for name, value in {"TENANT_ID": TENANT, "CLIENT_ID": "an-application", "CLIENT_SECRET": SECRET}.items():
        monkeypatch.setenv(f"AZURE_{name}", value)


class TestAzure(DriverConformance):
    harness = AzureHarness()
