"""`client.custom`: models of the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from cloudai.calls.batches import BatchRun, all_batches, batch_predict, batch_ref, plan_batch, submit_batch
from cloudai.calls.endpoints import Endpoint, named, plan_deployment, request_of, standing
from cloudai.calls.run import CallOptions, Runner
from cloudai.calls.runs import TrainingRun, listing, plan, train
from cloudai.serving.processing import processing_of
from cloudai.types import custom as c
from cloudai.types.media import MediaLike
from cloudai.types.tensor import Tensor

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class Custom:
    """Train, deploy and ask custom models.

    Raises `InvalidInput` for tensors that don't fit the model, `Unsupported` when no backend can serve it, and
    `CloudAIError` with the code of what a backend answered. Keyword arguments of a call: see `CallOptions`.
    """

    def __init__(self, run: Runner) -> None:
        self._run = run

    def train(self, job: c.TrainingJob, **call: Unpack[CallOptions]) -> c.TrainResult:
        """Submits a training job; never sent twice when its outcome is unknown. `run(result.run)` is the handle.

        The same job again finds the first run (`result.found`). Raises `BudgetExceeded` where it may cost more than
        its `max_cost`.
        """
        return train(self._run, job, call)

    def plan_training(self, job: c.TrainingJob, **call: Unpack[CallOptions]) -> c.TrainingPlan:
        """What `train` would send, on which machine, at which cost. Nothing is sent."""
        return plan(self._run, job, call)

    def run(self, ref: c.RunRef) -> TrainingRun:
        """The handle of a training run: status, wait, logs, metrics, cost, cancel, fetch."""
        return TrainingRun(run=self._run, ref=ref)

    def runs(self, *, backend: str | None = None) -> tuple[c.RunRef, ...]:
        """The training runs that cloudai submitted, newest first: of the route's backends, or of one."""
        return listing(self._run, backend)

    def deploy(self, model: c.DeployRequest, **call: Unpack[CallOptions]) -> c.DeployResult:
        """Puts a model behind an endpoint, or another version behind one that stands. `endpoint(result.endpoint)` is
        the handle. The same model again finds what is there; never sent twice when its outcome is unknown."""
        return self._run("custom.deploy", model, call, c.DeployResult)

    def plan_deployment(self, model: c.DeployRequest, **call: Unpack[CallOptions]) -> c.DeployPlan:
        """What `deploy` would create, on which machine, at which cost per hour. Nothing is sent."""
        return plan_deployment(self._run, model, call)

    def endpoint(self, endpoint: c.EndpointRef | str, *, backend: str | None = None) -> Endpoint:
        """The handle of an endpoint, by its ref, the ref's JSON or its name: status, wait, traffic, predict, delete."""
        return named(self._run, endpoint, backend)

    def endpoints(self, *, backend: str | None = None) -> tuple[c.EndpointStatus, ...]:
        """The endpoints that cloudai made, with what they cost: of the route's backends, or of one."""
        return standing(self._run, backend)

    def predict(
        self,
        model: str,
        *,
        tensors: Mapping[str, Tensor | NDArray[Any]] | None = None,
        images: Sequence[MediaLike] = (),
        outputs: Sequence[str] = (),
        version: str | None = None,
        manifest: str | Path | None = None,
        **call: Unpack[CallOptions],
    ) -> c.PredictResult:
        """Asks a model with named tensors (numpy arrays), or with images that its manifest says how to read.

        An endpoint takes tensors: with `manifest`, a model folder, images are read and results are made sense of here.
        """
        media = tuple([self._run.media("vision.detect_labels", image, call) for image in images])
        if manifest is None:
            request = request_of(model, tensors, outputs, version, media)
            return self._run("custom.predict", request, call, c.PredictResult)
        processing = processing_of(manifest)
        given, places = processing.before(media) if media else (tensors, None)
        result = self._run("custom.predict", request_of(model, given, (), version), call, c.PredictResult)
        return result.filled(predictions=processing.after(result.outputs, places))

    def batch_predict(self, job: c.BatchPredictRequest, **call: Unpack[CallOptions]) -> c.BatchPredictResult:
        """Runs a model over a folder or object-store prefix, and waits until the deadline. The job goes on after it:
        the same request again finds it. Raises `ServiceError` for a job that failed."""
        return batch_predict(self._run, job, call)

    def submit_batch(self, job: c.BatchPredictRequest, **call: Unpack[CallOptions]) -> BatchRun:
        """The same without waiting: the handle has status, wait, result, fetch, cancel. The same request again, with
        the same files, finds the first job; never sent twice when its outcome is unknown."""
        return submit_batch(self._run, job, call)

    def plan_batch(self, job: c.BatchPredictRequest, **call: Unpack[CallOptions]) -> c.BatchPlan:
        """What `submit_batch` would send, on which machine, at which cost. Nothing is sent."""
        return plan_batch(self._run, job, call)

    def batch(self, batch: c.BatchRef | str) -> BatchRun:
        """The handle of a batch job, by its ref or the ref's JSON."""
        return BatchRun(run=self._run, ref=batch_ref(batch))

    def batches(self, *, backend: str | None = None) -> tuple[c.BatchRef, ...]:
        """The batch jobs that cloudai submitted, newest first: of the route's backends, or of one."""
        return all_batches(self._run, backend)
