"""The part of the gcp drivers that is Vertex AI: the operations of `custom.*`, sync, and in threads for an event loop.

Google's clients for Vertex AI block; everything here takes seconds to hours on Google's side, so a thread is no loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.types import custom as c
from cloudai_gcp.endpoints import VertexEndpoints
from cloudai_gcp.training import VertexTraining
from cloudai_gcp.vertex_batches import VertexBatches
from cloudai_gcp.vertex_client import VertexClient

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai_gcp.auth import Auth
    from cloudai_gcp.settings import GcpSettings


class Vertex:
    """Training, endpoints and batch predictions of one backend. Nothing is opened before it is used."""

    def __init__(self, settings: GcpSettings, auth: Auth, *, backend: str) -> None:
        self._client = VertexClient(settings, auth)
        self.training = VertexTraining(self._client, backend=backend)
        self.endpoints = VertexEndpoints(self._client, backend=backend)
        self.batches = VertexBatches(self._client, backend=backend)

    def close(self) -> None:
        """Closes the connections of Google's clients."""
        self._client.close()


class VertexOperations:
    """`cloudai.driver.Train`, `TrainingRuns`, `Deploy`, `Endpoints`, `Predict`, `BatchPredict`, `BatchPrediction`."""

    _vertex: Vertex

    def train(self, request: c.TrainingJob, call: Call) -> c.TrainResult:
        return self._vertex.training.train(request, call)

    def plan_training(self, request: c.TrainingJob, call: Call) -> c.TrainingPlan:
        return self._vertex.training.plan_training(request, call)

    def run_status(self, run: c.RunRef, call: Call) -> c.RunStatus:
        return self._vertex.training.run_status(run, call)

    def run_logs(self, run: c.RunRef, cursor: str | None, call: Call) -> c.LogPage:
        return self._vertex.training.run_logs(run, cursor, call)

    def cancel_run(self, run: c.RunRef, call: Call) -> None:
        self._vertex.training.cancel_run(run, call)

    def fetch_run(self, run: c.RunRef, folder: Path, call: Call) -> None:
        self._vertex.training.fetch_run(run, folder, call)

    def list_runs(self, call: Call) -> Sequence[c.RunRef]:
        return self._vertex.training.list_runs(call)

    def deploy(self, request: c.DeployRequest, call: Call) -> c.DeployResult:
        return self._vertex.endpoints.deploy(request, call)

    def plan_deployment(self, request: c.DeployRequest, call: Call) -> c.DeployPlan:
        return self._vertex.endpoints.plan_deployment(request, call)

    def endpoint_status(self, endpoint: c.EndpointRef, call: Call) -> c.EndpointStatus:
        return self._vertex.endpoints.endpoint_status(endpoint, call)

    def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        return self._vertex.endpoints.list_endpoints(call)

    def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        self._vertex.endpoints.set_traffic(endpoint, traffic, call)

    def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        self._vertex.endpoints.delete_endpoint(endpoint, call)

    def predict(self, request: c.PredictRequest, call: Call) -> c.PredictResult:
        return self._vertex.endpoints.predict(request, call)

    def batch_predict(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPredictResult:
        return self._vertex.batches.batch_predict(request, call)

    def plan_batch(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPlan:
        return self._vertex.batches.plan_batch(request, call)

    def batch_status(self, batch: c.BatchRef, call: Call) -> c.BatchStatus:
        return self._vertex.batches.batch_status(batch, call)

    def cancel_batch(self, batch: c.BatchRef, call: Call) -> None:
        self._vertex.batches.cancel_batch(batch, call)

    def fetch_batch(self, batch: c.BatchRef, folder: Path, call: Call) -> None:
        self._vertex.batches.fetch_batch(batch, folder, call)

    def list_batches(self, call: Call) -> Sequence[c.BatchRef]:
        return self._vertex.batches.list_batches(call)


class AsyncVertexOperations:
    """The same with `await`, each in a thread."""

    _vertex: Vertex

    async def train(self, request: c.TrainingJob, call: Call) -> c.TrainResult:
        return await asyncio.to_thread(self._vertex.training.train, request, call)

    async def plan_training(self, request: c.TrainingJob, call: Call) -> c.TrainingPlan:
        return await asyncio.to_thread(self._vertex.training.plan_training, request, call)

    async def run_status(self, run: c.RunRef, call: Call) -> c.RunStatus:
        return await asyncio.to_thread(self._vertex.training.run_status, run, call)

    async def run_logs(self, run: c.RunRef, cursor: str | None, call: Call) -> c.LogPage:
        return await asyncio.to_thread(self._vertex.training.run_logs, run, cursor, call)

    async def cancel_run(self, run: c.RunRef, call: Call) -> None:
        await asyncio.to_thread(self._vertex.training.cancel_run, run, call)

    async def fetch_run(self, run: c.RunRef, folder: Path, call: Call) -> None:
        await asyncio.to_thread(self._vertex.training.fetch_run, run, folder, call)

    async def list_runs(self, call: Call) -> Sequence[c.RunRef]:
        return await asyncio.to_thread(self._vertex.training.list_runs, call)

    async def deploy(self, request: c.DeployRequest, call: Call) -> c.DeployResult:
        return await asyncio.to_thread(self._vertex.endpoints.deploy, request, call)

    async def plan_deployment(self, request: c.DeployRequest, call: Call) -> c.DeployPlan:
        return await asyncio.to_thread(self._vertex.endpoints.plan_deployment, request, call)

    async def endpoint_status(self, endpoint: c.EndpointRef, call: Call) -> c.EndpointStatus:
        return await asyncio.to_thread(self._vertex.endpoints.endpoint_status, endpoint, call)

    async def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        return await asyncio.to_thread(self._vertex.endpoints.list_endpoints, call)

    async def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        await asyncio.to_thread(self._vertex.endpoints.set_traffic, endpoint, traffic, call)

    async def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        await asyncio.to_thread(self._vertex.endpoints.delete_endpoint, endpoint, call)

    async def predict(self, request: c.PredictRequest, call: Call) -> c.PredictResult:
        return await asyncio.to_thread(self._vertex.endpoints.predict, request, call)

    async def batch_predict(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPredictResult:
        return await asyncio.to_thread(self._vertex.batches.batch_predict, request, call)

    async def plan_batch(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPlan:
        return await asyncio.to_thread(self._vertex.batches.plan_batch, request, call)

    async def batch_status(self, batch: c.BatchRef, call: Call) -> c.BatchStatus:
        return await asyncio.to_thread(self._vertex.batches.batch_status, batch, call)

    async def cancel_batch(self, batch: c.BatchRef, call: Call) -> None:
        await asyncio.to_thread(self._vertex.batches.cancel_batch, batch, call)

    async def fetch_batch(self, batch: c.BatchRef, folder: Path, call: Call) -> None:
        await asyncio.to_thread(self._vertex.batches.fetch_batch, batch, folder, call)

    async def list_batches(self, call: Call) -> Sequence[c.BatchRef]:
        return await asyncio.to_thread(self._vertex.batches.list_batches, call)
