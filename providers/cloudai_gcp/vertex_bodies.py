"""What Vertex AI is sent for jobs, models and endpoints: JSON bodies, made without its SDK. Pure.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec and .../v1/projects.locations.endpoints
(read 2026-11-21 as the discovery document aiplatform.v1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.types.custom import Accelerator, BatchPredictRequest, DeployRequest, TrainingJob
    from cloudai_gcp.settings import GcpSettings

SUBMISSION: Final = "cloudai-submission"
"""Label of jobs: the submission's name, in lower case."""
ENDPOINT: Final = "cloudai-endpoint"
VERSION: Final = "cloudai-version"
"""Labels of endpoints and models."""

IMAGES: Mapping[str, tuple[str, str]] = {
    "pytorch": ("pytorch-cpu.2-4.py310", "pytorch-gpu.2-4.py310"),
    "sklearn": ("sklearn-cpu.1-6", "sklearn-cpu.1-6"),
}
"""Framework -> Google's prebuilt container without and with a GPU:
https://cloud.google.com/vertex-ai/docs/training/pre-built-containers (read 2026-11-21)."""
ALIASES: Mapping[str, str] = {"torch": "pytorch", "scikit-learn": "sklearn"}
_REGISTRY: Final = "us-docker.pkg.dev/vertex-ai/training"
TRITON: Final = "tritonserver:25.01-py3"

ACCELERATORS: Mapping[str, str] = {
    "T4": "NVIDIA_TESLA_T4",
    "P4": "NVIDIA_TESLA_P4",
    "P100": "NVIDIA_TESLA_P100",
    "V100": "NVIDIA_TESLA_V100",
    "L4": "NVIDIA_L4",
    "A100": "NVIDIA_TESLA_A100",
    "A100-80GB": "NVIDIA_A100_80GB",
    "H100": "NVIDIA_H100_80GB",
    "H200": "NVIDIA_H200_141GB",
    "B200": "NVIDIA_B200",
}
"""Ours -> `AcceleratorType`."""
FAMILIES: tuple[tuple[str, str], ...] = (
    ("g2-standard-", "L4"),
    ("a2-highgpu-", "A100"),
    ("a2-megagpu-", "A100"),
    ("a2-ultragpu-", "A100-80GB"),
    ("a3-highgpu-", "H100"),
    ("a3-ultragpu-", "H200"),
)
"""Machines that come with their accelerators. https://cloud.google.com/compute/docs/gpus"""
_G2_CARDS: Mapping[str, int] = {"24": 2, "48": 4, "96": 8}

UNPACK: Final = (
    "set -e; mkdir -p /tmp/cloudai; cd /tmp/cloudai; "
    'python3 -c "import sys, tarfile; tarfile.open(sys.argv[1]).extractall()" "$CLOUDAI_SOURCE"; '
    "exec python3 cloudai_runner.py"
)
"""What the container runs: buckets are mounted below /gcs.
https://cloud.google.com/vertex-ai/docs/training/cloud-storage-file-system"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where a job's files are, all `gs://`."""

    source: str
    inputs: Mapping[str, str]
    output: str
    """`AIP_MODEL_DIR` is `model/` in it, `AIP_CHECKPOINT_DIR` `checkpoints/`."""


def job_body(
    job: TrainingJob, name: str, machine: str, places: Places, environment: Mapping[str, str], settings: GcpSettings
) -> dict[str, object]:
    """A `CustomJob`. The first pool is the primary replica, the second all others."""
    container = {
        "imageUri": image_of(job, settings, gpu=bool(machine_spec(machine, job.accelerator).get("acceleratorType"))),
        "command": ["sh", "-c", UNPACK],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
    }
    spec = {"machineSpec": machine_spec(machine, job.accelerator), "containerSpec": container}
    pools = [{**spec, "replicaCount": "1"}]
    if job.nodes > 1:
        pools.append({**spec, "replicaCount": str(job.nodes - 1)})
    scheduling: dict[str, object] = {"timeout": f"{job.max_seconds}s"}
    if job.spot:
        scheduling |= {"strategy": "SPOT", "restartJobOnWorkerRestart": True}
    body: dict[str, object] = {
        "workerPoolSpecs": pools,
        "scheduling": scheduling,
        "baseOutputDirectory": {"outputUriPrefix": places.output},
    }
    if settings.vertex_service_account is not None:
        body["serviceAccount"] = settings.vertex_service_account
    return {"displayName": name, "labels": labels(job.tags, {SUBMISSION: name}), "jobSpec": body}


def environment_of(job: TrainingJob, places: Places) -> dict[str, str]:
    """The contract's variables, then the user's own."""
    channel = {f"CLOUDAI_INPUT_{variable(name)}": uri for name, uri in places.inputs.items()}
    own = {
        "CLOUDAI_SOURCE": "/gcs/" + places.source.removeprefix("gs://"),
        "CLOUDAI_HPARAMS": json.dumps(dict(job.hyperparameters), sort_keys=True),
        **channel,
        **({"CLOUDAI_CHECKPOINT_DIR": job.checkpoint} if job.checkpoint else {}),
    }
    return {**job.environment, **own}


def variable(channel: str) -> str:
    """As the runner spells it."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in channel).upper()


def image_of(job: TrainingJob, settings: GcpSettings, *, gpu: bool) -> str:
    """The user's container, or Google's for the framework. Raises `InvalidInput` for one that Google has not."""
    if job.image is not None:
        return job.image
    if job.framework is None:
        named = settings.training_image
        return named if named is not None else f"{_REGISTRY}/{IMAGES['pytorch'][gpu]}:latest"
    framework = job.framework.partition(":")[0].lower()
    found = IMAGES.get(ALIASES.get(framework, framework))
    if found is None:
        raise InvalidInput(f"no container for {job.framework!r}: {', '.join(IMAGES)} are known, or set image")
    return f"{_REGISTRY}/{found[gpu]}:latest"


def machine_spec(machine: str, accelerator: Accelerator) -> dict[str, object]:
    """A machine type with the cards that it has, or that are attached to it (`n1-standard-8+T4x2`)."""
    machine, _, attached = machine.partition("+")
    card, count = card_of(machine, accelerator)
    if attached:
        name, _, number = attached.rpartition("x")
        card, count = name, int(number)
    if card is None:
        return {"machineType": machine}
    if card not in ACCELERATORS:
        raise InvalidInput(f"Vertex AI has no accelerator {card!r}; it has {', '.join(ACCELERATORS)}")
    return {"machineType": machine, "acceleratorType": ACCELERATORS[card], "acceleratorCount": count}


def card_of(machine: str, accelerator: Accelerator) -> tuple[str | None, int]:
    """Which cards a machine brings; `None`: those that are asked for are attached, or there are none."""
    for family, card in FAMILIES:
        if machine.startswith(family):
            size = machine.removeprefix(family)
            counted = re.match(r"(\d+)g$", size)
            return card, int(counted[1]) if counted else _G2_CARDS.get(size, 1)
    if accelerator.name.lower() == "none":
        return None, 0
    return accelerator.name, max(1, accelerator.count)


def labels(tags: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Google's labels: lower case, digits, `_` and `-`, at most 63."""
    return {label(name): label(value) for name, value in {**tags, **own}.items()}


def label(text: str) -> str:
    """One name or value."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]


# --- models and endpoints --------------------------------------------------------------------------------


def endpoint_id(name: str) -> str:
    """Ours to choose: the same name is the same endpoint. At most 63 of `[a-z0-9-]`, the last no hyphen."""
    return f"cloudai-{name.lower()}"[:63].rstrip("-")


def model_id(name: str, version: str) -> str:
    """Ours to choose: the same package is the same model."""
    return f"cloudai-{label(name)[:40]}-{label(version)[:12]}"


def deployed_id(version: str) -> str:
    """1 to 10 digits, the same for the same version."""
    import hashlib

    return str(int(hashlib.sha256(version.encode()).hexdigest(), 16) % 9_000_000_000 + 1_000_000_000)


def endpoint_body(request: DeployRequest) -> dict[str, object]:
    """An `Endpoint`."""
    return {"displayName": request.name, "labels": labels(request.tags, {ENDPOINT: request.name})}


def model_body(request: DeployRequest, version: str, image: str, artifacts: str) -> dict[str, object]:
    """A `Model` that Triton serves: it takes its routes and the repository from Vertex AI's variables.
    https://github.com/triton-inference-server/server/blob/main/docs/customization_guide/deploy.md (read 2026-11-21)."""
    return {
        "displayName": request.name,
        "labels": labels(request.tags, {ENDPOINT: request.name, VERSION: version}),
        "artifactUri": artifacts,
        "containerSpec": {
            "imageUri": image,
            "args": ["--allow-vertex-ai=true", f"--vertex-ai-default-model={request.name}"],
            "ports": [{"containerPort": 8080}],
            "predictRoute": f"/v2/models/{request.name}/infer",
            "healthRoute": "/v2/health/ready",
        },
    }


def deployed_body(
    request: DeployRequest, version: str, model: str, machine: str, settings: GcpSettings
) -> dict[str, object]:
    """A `DeployedModel` on machines of its own."""
    body: dict[str, object] = {
        "id": deployed_id(version),
        "model": model,
        "displayName": version,
        "dedicatedResources": {
            "machineSpec": machine_spec(machine, request.accelerator),
            "minReplicaCount": request.min_replicas,
            "maxReplicaCount": max(request.max_replicas, request.min_replicas),
        },
    }
    if settings.vertex_service_account is not None:
        body["serviceAccount"] = settings.vertex_service_account
    return body


# --- batch predictions -----------------------------------------------------------------------------------


def bridge_source() -> str:
    """What the container of a batch prediction runs."""
    from importlib.resources import files

    return files("cloudai_gcp").joinpath("vertex_bridge.py").read_text(encoding="utf-8")


def batch_body(
    request: BatchPredictRequest,
    name: str,
    *,
    labels: Mapping[str, str],
    served: tuple[str, str],
    places: tuple[str, str],
    machine: Mapping[str, object],
    settings: GcpSettings,
) -> dict[str, object]:
    """A `BatchPredictionJob`. `served`: model repository and container; `places`: inputs and outputs, all `gs://`."""
    container = {
        "imageUri": served[1],
        "command": ["python3", "-c", bridge_source()],
        "ports": [{"containerPort": 8080}],
        "predictRoute": "/predict",
        "healthRoute": "/health",
    }
    body: dict[str, object] = {
        "displayName": name,
        "labels": dict(labels),
        "unmanagedContainerModel": {"artifactUri": served[0], "containerSpec": container},
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [places[0]]}},
        "instanceConfig": {"instanceType": "object", "keyField": "key"},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": places[1]}},
        "dedicatedResources": {
            "machineSpec": dict(machine),
            "startingReplicaCount": request.instances,
            "maxReplicaCount": request.instances,
        },
        "manualBatchTuningParameters": {"batchSize": request.batch_size},
    }
    if settings.vertex_service_account is not None:
        body["serviceAccount"] = settings.vertex_service_account
    return body
