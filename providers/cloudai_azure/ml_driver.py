"""The part of the azure drivers that is Azure ML: the operations of `custom.*`, and in threads for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.types import custom as c
from cloudai_azure.endpoints import MlEndpoints
from cloudai_azure.ml_client import MlClient
from cloudai_azure.ml_storage import MlStorage
from cloudai_azure.training import MlTraining

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai_azure.settings import AzureSettings


class Ml:
    """Training and endpoints of one backend. Nothing is opened before it is used."""

    def __init__(self, settings: AzureSettings, *, backend: str) -> None:
        self._client = MlClient(settings)
        storage = MlStorage(self._client)
        self.training = MlTraining(self._client, storage, backend=backend)
        self.endpoints = MlEndpoints(self._client, storage, backend=backend)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()


class MlOperations:
    """`cloudai.driver.Train`, `TrainingRuns`, `Deploy`, `Endpoints`, `Predict`."""

    _ml: Ml

    def train(self, request: c.TrainingJob, call: Call) -> c.TrainResult:
        return self._ml.training.train(request, call)

    def plan_training(self, request: c.TrainingJob, call: Call) -> c.TrainingPlan:
        return self._ml.training.plan_training(request, call)

    def run_status(self, run: c.RunRef, call: Call) -> c.RunStatus:
        return self._ml.training.run_status(run, call)

    def run_logs(self, run: c.RunRef, cursor: str | None, call: Call) -> c.LogPage:
        return self._ml.training.run_logs(run, cursor, call)

    def cancel_run(self, run: c.RunRef, call: Call) -> None:
        self._ml.training.cancel_run(run, call)

    def fetch_run(self, run: c.RunRef, folder: Path, call: Call) -> None:
        self._ml.training.fetch_run(run, folder, call)

    def list_runs(self, call: Call) -> Sequence[c.RunRef]:
        return self._ml.training.list_runs(call)

    def deploy(self, request: c.DeployRequest, call: Call) -> c.DeployResult:
        return self._ml.endpoints.deploy(request, call)

    def plan_deployment(self, request: c.DeployRequest, call: Call) -> c.DeployPlan:
        return self._ml.endpoints.plan_deployment(request, call)

    def endpoint_status(self, endpoint: c.EndpointRef, call: Call) -> c.EndpointStatus:
        return self._ml.endpoints.endpoint_status(endpoint, call)

    def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        return self._ml.endpoints.list_endpoints(call)

    def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        self._ml.endpoints.set_traffic(endpoint, traffic, call)

    def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        self._ml.endpoints.delete_endpoint(endpoint, call)

    def predict(self, request: c.PredictRequest, call: Call) -> c.PredictResult:
        return self._ml.endpoints.predict(request, call)


class AsyncMlOperations:
    """The same with `await`, each in a thread."""

    _ml: Ml

    async def train(self, request: c.TrainingJob, call: Call) -> c.TrainResult:
        return await asyncio.to_thread(self._ml.training.train, request, call)

    async def plan_training(self, request: c.TrainingJob, call: Call) -> c.TrainingPlan:
        return await asyncio.to_thread(self._ml.training.plan_training, request, call)

    async def run_status(self, run: c.RunRef, call: Call) -> c.RunStatus:
        return await asyncio.to_thread(self._ml.training.run_status, run, call)

    async def run_logs(self, run: c.RunRef, cursor: str | None, call: Call) -> c.LogPage:
        return await asyncio.to_thread(self._ml.training.run_logs, run, cursor, call)

    async def cancel_run(self, run: c.RunRef, call: Call) -> None:
        await asyncio.to_thread(self._ml.training.cancel_run, run, call)

    async def fetch_run(self, run: c.RunRef, folder: Path, call: Call) -> None:
        await asyncio.to_thread(self._ml.training.fetch_run, run, folder, call)

    async def list_runs(self, call: Call) -> Sequence[c.RunRef]:
        return await asyncio.to_thread(self._ml.training.list_runs, call)

    async def deploy(self, request: c.DeployRequest, call: Call) -> c.DeployResult:
        return await asyncio.to_thread(self._ml.endpoints.deploy, request, call)

    async def plan_deployment(self, request: c.DeployRequest, call: Call) -> c.DeployPlan:
        return await asyncio.to_thread(self._ml.endpoints.plan_deployment, request, call)

    async def endpoint_status(self, endpoint: c.EndpointRef, call: Call) -> c.EndpointStatus:
        return await asyncio.to_thread(self._ml.endpoints.endpoint_status, endpoint, call)

    async def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        return await asyncio.to_thread(self._ml.endpoints.list_endpoints, call)

    async def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        await asyncio.to_thread(self._ml.endpoints.set_traffic, endpoint, traffic, call)

    async def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        await asyncio.to_thread(self._ml.endpoints.delete_endpoint, endpoint, call)

    async def predict(self, request: c.PredictRequest, call: Call) -> c.PredictResult:
        return await asyncio.to_thread(self._ml.endpoints.predict, request, call)
