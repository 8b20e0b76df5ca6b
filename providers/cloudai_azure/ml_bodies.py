"""What Azure ML is sent for jobs, models and endpoints: JSON bodies. Pure.

https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update, .../online-endpoints, .../online-deployments and
.../model-versions (2024-10-01; read 2026-11-21 as azure-ai-ml's own REST models).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.types.custom import DeployRequest, TrainingJob

SUBMISSION: Final = "cloudai-submission"
JOB: Final = "cloudai-job"
ENDPOINT: Final = "cloudai-endpoint"
"""Tags."""
ENVIRONMENTS: Mapping[str, str] = {
    "pytorch": "azureml://registries/azureml/environments/acpt-pytorch-2.2-cuda12.1/labels/latest",
    "sklearn": "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
}
"""Framework -> Azure's curated environment (read 2026-11-21):
https://learn.microsoft.com/azure/machine-learning/resource-curated-environments"""
ALIASES: Mapping[str, str] = {"torch": "pytorch", "scikit-learn": "sklearn"}
RUN: Final = (
    'python -c "import sys, tarfile; tarfile.open(sys.argv[1]).extractall()" ${{inputs.cloudai_source}} && '
    "python cloudai_runner.py --model-dir ${{outputs.model}} --checkpoint-dir ${{outputs.checkpoints}}"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where a job's files are: addresses that Azure ML mounts."""

    source: str
    inputs: Mapping[str, str]
    files: frozenset[str]
    """Channels that are one file, not a folder."""
    model: str
    checkpoints: str


def job_body(
    job: TrainingJob,
    tags: Mapping[str, str],
    machine: str,
    places: Places,
    environment: Mapping[str, str],
    environment_id: str,
    compute_id: str | None,
) -> dict[str, object]:
    """A command job on a cluster of the user's, or on serverless compute where there is none."""
    inputs: dict[str, object] = {"cloudai_source": _input("uri_file", places.source, "Download")}
    command = RUN
    for channel, uri in places.inputs.items():
        name = input_name(channel)
        inputs[name] = _input("uri_file" if channel in places.files else "uri_folder", uri, "ReadOnlyMount")
        command += f" --input {name.removeprefix('in_')}=${{{{inputs.{name}}}}}"
    serverless = {"queueSettings": {"jobTier": "Spot" if job.spot else "Standard"}}
    properties: dict[str, object] = {
        "jobType": "Command",
        "displayName": job.name,
        "experimentName": "cloudai",
        "tags": {**job.tags, **tags},
        "command": command,
        "environmentId": environment_id,
        "environmentVariables": dict(environment),
        "inputs": inputs,
        "outputs": {"model": _output(places.model), "checkpoints": _output(places.checkpoints)},
        "limits": {"jobLimitsType": "Command", "timeout": f"PT{job.max_seconds}S"},
        **({"computeId": compute_id} if compute_id else serverless),
        "resources": {"instanceCount": job.nodes, **({} if compute_id else {"instanceType": machine})},
    }
    if job.nodes > 1:
        properties["distribution"] = {"distributionType": "PyTorch", "processCountPerInstance": 1}
    return {"properties": properties}


def _input(kind: str, uri: str, mode: str) -> dict[str, object]:
    return {"jobInputType": kind, "uri": uri, "mode": mode}


def _output(uri: str) -> dict[str, object]:
    return {"jobOutputType": "uri_folder", "uri": uri, "mode": "ReadWriteMount"}


def input_name(channel: str) -> str:
    """Azure ML's inputs are named by letters, digits and `_`."""
    return "in_" + re.sub(r"[^A-Za-z0-9_]", "_", channel)


def variables(job: TrainingJob) -> dict[str, str]:
    """The contract's, then the user's own."""
    return {**job.environment, "CLOUDAI_HPARAMS": json.dumps(dict(job.hyperparameters), sort_keys=True)}


def environment_of(job: TrainingJob) -> str | None:
    """Azure's curated one; `None`: the job names a container. Raises `InvalidInput` for a framework without one."""
    if job.image is not None:
        return None
    framework = (job.framework or "pytorch").partition(":")[0].lower()
    found = ENVIRONMENTS.get(ALIASES.get(framework, framework))
    if found is None:
        raise InvalidInput(f"no environment for {job.framework!r}: {', '.join(ENVIRONMENTS)} are known, or set image")
    return found


def image_environment(image: str) -> tuple[str, dict[str, object]]:
    """Path and body of the environment that is a container: the same image, the same environment."""
    digest = hashlib.sha256(image.encode()).hexdigest()[:16]
    return f"environments/cloudai-{digest}/versions/1", {"properties": {"image": image, "tags": {"cloudai": "image"}}}


# --- models and endpoints --------------------------------------------------------------------------------


def endpoint_name(name: str) -> str:
    """3 to 32 of letters, digits and `-`. Raises `InvalidInput`: a name cut short could be another's."""
    made = name.lower()
    if not 3 <= len(made) <= 32:
        raise InvalidInput(f"an endpoint's name has 3 to 32 characters on Azure ML: {name!r} has {len(name)}")
    return made


def deployment_name(version: str) -> str:
    """3 to 32 of letters, digits and `-`. Raises `InvalidInput`: a version cut short could be another's."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}", version):
        raise InvalidInput(f"a version has 1 to 30 of A-Z a-z 0-9 . _ - on Azure ML, not {version[:60]!r}")
    made = re.sub(r"[^a-z0-9-]", "-", version.lower()).rstrip("-")
    return f"v{made}" if len(made) > 1 else f"v-{made}"


def endpoint_body(request: DeployRequest, location: str, traffic: Mapping[str, int] | None = None) -> dict[str, object]:
    """An online endpoint with key authentication."""
    properties: dict[str, object] = {"authMode": "Key"}
    if traffic is not None:
        properties["traffic"] = dict(traffic)
    return {
        "location": location,
        "tags": {**request.tags, ENDPOINT: request.name},
        "identity": {"type": "SystemAssigned"},
        "properties": properties,
    }


def model_body(request: DeployRequest, version: str, uri: str) -> dict[str, object]:
    """A model version that Azure ML serves with Triton.
    https://learn.microsoft.com/azure/machine-learning/how-to-deploy-with-triton (read 2026-11-21)."""
    tags = {**request.tags, ENDPOINT: request.name, "cloudai-version": version}
    return {"properties": {"modelType": "triton_model", "modelUri": uri, "tags": tags}}


def deployment_body(
    request: DeployRequest, version: str, location: str, machine: str, model: str, environment: str | None
) -> dict[str, object]:
    """A managed deployment. Without an environment Azure ML brings its own Triton."""
    properties: dict[str, object] = {
        "endpointComputeType": "Managed",
        "model": model,
        "instanceType": machine,
        "scaleSettings": {"scaleType": "Default"},
    }
    if environment is not None:
        properties["environmentId"] = environment
    return {
        "location": location,
        "tags": {**request.tags, "cloudai-version": version},
        "sku": {"name": "Default", "tier": "Standard", "capacity": max(1, request.min_replicas)},
        "properties": properties,
    }
