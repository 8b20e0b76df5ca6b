"""Experiment tracking through MLflow, where it is installed and configured: `MLFLOW_TRACKING_URI`, or `[tracking]`.

https://mlflow.org/docs/latest/ml/tracking/
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cloudai.errors import MissingDependency
from cloudai.types.custom import Metric, RunRef, RunStatus, TrainingJob
from cloudai.types.results import Model, Money
from cloudai.types.speech import JobState

INSTALL = "pip install 'cloudai[mlflow]'"
RUN_TAG = "cloudai.run"
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""In the place of MLflow's own seven tries, which wait for minutes for a server that is away.
https://mlflow.org/docs/latest/api_reference/python_api/mlflow.environment_variables.html"""


class Tracking(Model):
    """`[tracking]` of a job file."""

    uri: str | None = None
    """`None`: `MLFLOW_TRACKING_URI`."""
    experiment: str | None = None
    """`None`: the job's name."""
    register_model: str | None = None
    """Name in MLflow's model registry; `None`: not registered."""


def tracking_of(written: Tracking | None) -> Tracking | None:
    """What a job file says, else what the environment says; `None`: nothing is tracked."""
    uri = (written.uri if written is not None else None) or os.environ.get("MLFLOW_TRACKING_URI")
    if uri is None:
        return None
    return (written or Tracking()).model_copy(update={"uri": uri})


def track(
    tracking: Tracking,
    job: TrainingJob,
    ref: RunRef,
    status: RunStatus,
    *,
    metrics: Sequence[Metric] = (),
    hashes: Mapping[str, str] | None = None,
    cost: Money | None = None,
    model: Path | None = None,
) -> str:
    """Writes a run that has ended to MLflow, once: the same run again is found by its tag. Answers MLflow's run id.

    Raises `MissingDependency` where MLflow is not installed.
    """
    for variable, patience in _PATIENCE.items():
        os.environ.setdefault(variable, patience)
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise MissingDependency("mlflow not installed", install=INSTALL) from error
    client: Any = MlflowClient(tracking_uri=tracking.uri)
    experiment = _experiment(client, tracking.experiment or job.name)
    found = client.search_runs([experiment], filter_string=f"tags.`{RUN_TAG}` = '{ref.name}'", max_results=1)
    if found:
        return str(found[0].info.run_id)
    made = client.create_run(experiment, run_name=ref.name, tags={"mlflow.runName": ref.name})
    run_id = str(made.info.run_id)
    for name, value in job.hyperparameters.items():
        client.log_param(run_id, name, value)
    for metric in metrics:
        client.log_metric(run_id, metric.name, metric.value, step=metric.step or 0)
    for name, text in _tags(job, ref, status, hashes or {}, cost).items():
        client.set_tag(run_id, name, text)
    if model is not None:
        client.log_artifacts(run_id, str(model), "model")
        _register(client, tracking, run_id)
    client.set_terminated(run_id, "FINISHED" if status.state is JobState.SUCCEEDED else "FAILED")
    client.set_tag(run_id, RUN_TAG, ref.name)  # last: a run that was written half way is written again
    return run_id


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found is not None else client.create_experiment(name))


def _tags(
    job: TrainingJob, ref: RunRef, status: RunStatus, hashes: Mapping[str, str], cost: Money | None
) -> dict[str, str]:
    facts = {
        "cloudai.backend": ref.backend,
        "cloudai.id": ref.id,
        "cloudai.state": str(status.state),
        "cloudai.message": status.message or "",
        "cloudai.cost": str(cost) if cost is not None else "unknown",
        **{f"cloudai.sha256.{name}": value for name, value in hashes.items()},
    }
    return {**{name: value for name, value in facts.items() if value}, **job.tags}


def _register(client: Any, tracking: Tracking, run_id: str) -> None:
    name = tracking.register_model
    if name is None:
        return
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(name)
    artifacts = client.get_run(run_id).info.artifact_uri
    client.create_model_version(name, source=f"{artifacts}/model", run_id=run_id)
