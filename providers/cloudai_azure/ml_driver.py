"""The part of the azure drivers that is Azure ML: the operations of `custom.*`, and in threads for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.types import custom as c
from cloudai_azure.endpoints import MlEndpoints
from cloudai_azure.ml_batch import MlBatches
from cloudai_azure.ml_batch_parts import BATCH, KIND
from cloudai_azure.ml_client import MlClient
from cloudai_azure.ml_storage import MlStorage
from cloudai_azure.training import MlTraining

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai_azure.settings import AzureSettings


class Ml:
    """Training, endpoints and batch jobs of one backend. Nothing is opened before it is used."""

    def __init__(self, settings: AzureSettings, *, backend: str) -> None:
        self._client = MlClient(settings)
        storage = MlStorage(self._client)
        self.training = MlTraining(self._client, storage, backend=backend)
        self.endpoints = MlEndpoints(self._client, storage, backend=backend)
        self.batches = MlBatches(self._client, storage, self.training, backend=backend)

    def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        """Online endpoints, then batch endpoints."""
        return [*self.endpoints.list_endpoints(call), *self.batches.parts.standing(call)]

    def endpoint_status(self, endpoint: c.EndpointRef, call: Call) -> c.EndpointStatus:
        """Of either."""
        if not _is_batch(endpoint):
            return self.endpoints.endpoint_status(endpoint, call)
        return self.batches.parts.status(endpoint, call)

    def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        """Either, with what belongs to it."""
        if _is_batch(endpoint):
            self.batches.parts.delete(endpoint, call)
        else:
            self.endpoints.delete_endpoint(endpoint, call)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()


class MlOperations:
    """`cloudai.driver.Train`, `TrainingRuns`, `Deploy`, `Endpoints`, `Predict`, `BatchPredict`,
    `BatchPrediction`."""

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
        return self._ml.endpoint_status(endpoint, call)

    def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        return self._ml.list_endpoints(call)

    def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        self._ml.endpoints.set_traffic(endpoint, traffic, call)

    def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        self._ml.delete_endpoint(endpoint, call)

    def predict(self, request: c.PredictRequest, call: Call) -> c.PredictResult:
        return self._ml.endpoints.predict(request, call)

    def batch_predict(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPredictResult:
        return self._ml.batches.batch_predict(request, call)

    def plan_batch(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPlan:
        return self._ml.batches.plan_batch(request, call)

    def batch_status(self, batch: c.BatchRef, call: Call) -> c.BatchStatus:
        return self._ml.batches.batch_status(batch, call)

    def cancel_batch(self, batch: c.BatchRef, call: Call) -> None:
        self._ml.batches.cancel_batch(batch, call)

    def fetch_batch(self, batch: c.BatchRef, folder: Path, call: Call) -> None:
        self._ml.batches.fetch_batch(batch, folder, call)

    def list_batches(self, call: Call) -> Sequence[c.BatchRef]:
        return self._ml.batches.list_batches(call)


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
        return await asyncio.to_thread(self._ml.endpoint_status, endpoint, call)

    async def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        return await asyncio.to_thread(self._ml.list_endpoints, call)

    async def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        await asyncio.to_thread(self._ml.endpoints.set_traffic, endpoint, traffic, call)

    async def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        await asyncio.to_thread(self._ml.delete_endpoint, endpoint, call)

    async def predict(self, request: c.PredictRequest, call: Call) -> c.PredictResult:
        return await asyncio.to_thread(self._ml.endpoints.predict, request, call)

    async def batch_predict(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPredictResult:
        return await asyncio.to_thread(self._ml.batches.batch_predict, request, call)

    async def plan_batch(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPlan:
        return await asyncio.to_thread(self._ml.batches.plan_batch, request, call)

    async def batch_status(self, batch: c.BatchRef, call: Call) -> c.BatchStatus:
        return await asyncio.to_thread(self._ml.batches.batch_status, batch, call)

    async def cancel_batch(self, batch: c.BatchRef, call: Call) -> None:
        await asyncio.to_thread(self._ml.batches.cancel_batch, batch, call)

    async def fetch_batch(self, batch: c.BatchRef, folder: Path, call: Call) -> None:
        await asyncio.to_thread(self._ml.batches.fetch_batch, batch, folder, call)

    async def list_batches(self, call: Call) -> Sequence[c.BatchRef]:
        return await asyncio.to_thread(self._ml.batches.list_batches, call)


def _is_batch(endpoint: c.EndpointRef) -> bool:
    return (KIND, BATCH) in endpoint.details
