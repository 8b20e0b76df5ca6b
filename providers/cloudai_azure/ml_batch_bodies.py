"""What Azure ML is sent for batch endpoints, their deployments and jobs: JSON bodies and names. Pure.

https://learn.microsoft.com/rest/api/azureml/batch-endpoints, .../batch-deployments, .../code-versions and
.../compute (2024-10-01; read 2026-11-21 as azure-ai-ml's own REST models); the job's body is documented in
https://learn.microsoft.com/azure/machine-learning/how-to-access-data-batch-endpoints-jobs.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from cloudai.errors import InvalidInput
from cloudai.serving.batches import SUFFIXES

if TYPE_CHECKING:
    from cloudai.training.machines import ChosenMachine
    from cloudai.types.custom import BatchPredictRequest
    from cloudai_azure.settings import BatchOptions

TAG: Final = "cloudai-batch"
"""Of endpoints, models and clusters: the model's name."""
SCRIPT: Final = "ml_batch_score.py"
SUMMARY: Final = "predictions.csv"
"""The file that Azure ML itself writes: the names of the files that succeeded."""
IMAGE: Final = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest"
"""The base image of Microsoft's own batch examples; curated environments are not for batch deployments:
https://learn.microsoft.com/azure/machine-learning/how-to-use-batch-model-deployments (read 2026-11-21)"""
PACKAGES: Final = ("azureml-core", "azureml-dataset-runtime[fuse]", "numpy")
"""Azure ML's own are the first two: batch deployments don't start without them."""
ONNX: Final[Mapping[bool, str]] = {False: "onnxruntime", True: "onnxruntime-gpu[cuda,cudnn]"}
"""With a GPU or without. The wheels bring CUDA themselves, the machine its driver."""
PYTHON: Final = "3.11"
IDLE: Final = "PT120S"
"""After that a cluster gives its machines back."""
_GPU: Final = re.compile(r"standard_n[cdv]", re.IGNORECASE)
_AMD: Final = re.compile(r"_nv\d+as_v4|mi300x", re.IGNORECASE)
_ESCAPED: Final = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a deployment is made of: paths of the workspace."""

    model: str
    code: str
    environment: str
    compute: str


# --- names -----------------------------------------------------------------------------------------------


def model_name(request: BatchPredictRequest) -> str:
    """What the request's model is called in names: its last part, at most 20 lower-case letters, digits and `-`."""
    last = request.model.rstrip("/").rsplit("/", 1)[-1]
    made = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")
    return (made if made[:1].isalpha() else f"m-{made}")[:20].rstrip("-")


def endpoint_name(model: str, workspace: str) -> str:
    """One for each model; a batch endpoint's name is the only one in its Azure region, so the workspace is in it."""
    return f"{model}-{digest(workspace, model)[:10]}"


def cluster_name(machine: str, instances: int) -> str:
    """One for each size of cluster. At most 16 characters."""
    return f"cb-{digest(machine, str(instances))[:10]}"


def digest(*parts: str) -> str:
    """SHA-256 of texts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def repeatability(name: str) -> str:
    """What makes a second request to submit this job the first one again: azure-ai-ml sends such an id with its own
    second tries, so that they make no second job (https://github.com/Azure/azure-sdk-for-python/pull/33358)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"cloudai:azureml:batch:{name}"))


def flat(name: str) -> str:
    """A file's path as one name, for the script is told no folder: what is no letter, digit, `.`, `_` or `-` is
    `=` and two hexadecimal digits for each byte."""
    return _ESCAPED.sub(lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), name)


def path_of(name: str) -> str:
    """`flat`, undone."""
    return unquote(name.replace("=", "%"))


# --- the parts -------------------------------------------------------------------------------------------


def script() -> bytes:
    """The scoring script."""
    return Path(__file__).with_name(SCRIPT).read_bytes()


def code_path() -> str:
    """Its version is its content."""
    return f"codes/cloudai-batch/versions/{hashlib.sha256(script()).hexdigest()[:12]}"


def code_body(url: str) -> dict[str, object]:
    """`url`: the folder in Blob storage."""
    return {"properties": {"codeUri": url, "tags": {TAG: "script"}}}


def environment(*, gpu: bool) -> tuple[str, dict[str, object]]:
    """Path and body of the environment that the script runs in: the same content, the same environment."""
    packages = [*PACKAGES, ONNX[gpu]]
    conda = "\n".join(
        ["name: cloudai-batch", "channels:", "- conda-forge", "dependencies:", f"- python={PYTHON}", "- pip", "- pip:"]
        + [f"  - {package}" for package in packages]
    )
    name = f"cloudai-batch-{digest(IMAGE, conda)[:12]}"
    body: dict[str, object] = {"properties": {"image": IMAGE, "condaFile": f"{conda}\n", "tags": {TAG: "environment"}}}
    return f"environments/{name}/versions/1", body


def model_body(name: str, uri: str, tags: Mapping[str, str]) -> dict[str, object]:
    """A model version as files."""
    return {"properties": {"modelType": "custom_model", "modelUri": uri, "tags": {**tags, TAG: name}}}


def cluster_body(machine: str, instances: int, location: str) -> dict[str, object]:
    """A cluster that has no machines, and costs nothing, while no job runs."""
    scale = {"minNodeCount": 0, "maxNodeCount": instances, "nodeIdleTimeBeforeScaleDown": IDLE}
    size = {"osType": "Linux", "vmSize": machine, "vmPriority": "Dedicated", "scaleSettings": scale}
    return {
        "location": location,
        "tags": {TAG: "cluster"},
        "properties": {"computeType": "AmlCompute", "properties": size},
    }


def endpoint_body(model: str, location: str, tags: Mapping[str, str]) -> dict[str, object]:
    """Called with a token of Microsoft Entra ID, the only way that batch endpoints have."""
    return {"location": location, "tags": {**tags, TAG: model}, "properties": {"authMode": "AADToken"}}


def deployment(
    request: BatchPredictRequest,
    options: BatchOptions,
    parts: Parts,
    machine: ChosenMachine,
    workspace: str,
    location: str,
) -> tuple[str, dict[str, object]]:
    """Name and body: the name is the content's, so another content is another deployment."""
    properties: dict[str, object] = {
        "model": {"referenceType": "Id", "assetId": f"{workspace}/{parts.model}"},
        "codeConfiguration": {"codeId": f"{workspace}/{parts.code}", "scoringScript": SCRIPT},
        "environmentId": f"{workspace}/{parts.environment}",
        "compute": f"{workspace}/{parts.compute}",
        "resources": {"instanceCount": machine.instances},
        "environmentVariables": {
            "CLOUDAI_MODEL_NAME": model_name(request),
            "CLOUDAI_MAX_SECONDS": str(request.max_seconds),
            "CLOUDAI_GPU": "1" if has_cuda(machine.instance) else "0",
        },
        "miniBatchSize": options.mini_batch_files,
        "maxConcurrencyPerInstance": options.workers,
        "retrySettings": {"maxRetries": options.max_retries, "timeout": f"PT{options.mini_batch_seconds}S"},
        "errorThreshold": options.max_failed_files,
        "outputAction": "SummaryOnly",
        "loggingLevel": "Info",
    }
    name = f"d{digest(json.dumps(properties, sort_keys=True))[:12]}"
    return name, {"location": location, "tags": {TAG: model_name(request)}, "properties": properties}


def has_cuda(machine: str) -> bool:
    """Azure's `N` families of machines, but for those with AMD's GPUs and with FPGAs:
    https://learn.microsoft.com/azure/virtual-machines/sizes/overview (read 2026-11-21)"""
    return _GPU.match(machine) is not None and _AMD.search(machine) is None


def job_body(uri: str, output: str) -> dict[str, object]:
    """One input and one output: a model deployment takes no more, whatever they are called. `output`: the folder."""
    kind = "UriFile" if uri.lower().endswith(SUFFIXES) else "UriFolder"
    return {
        "properties": {
            "inputData": {"requests": {"jobInputType": kind, "uri": uri}},
            "outputData": {"score": {"jobOutputType": "UriFile", "uri": f"{output}/{SUMMARY}"}},
        }
    }


# --- addresses -------------------------------------------------------------------------------------------


def remote_input(addresses: tuple[str, ...]) -> str:
    """Raises `InvalidInput` for several, and for what Azure ML does not read."""
    if len(addresses) != 1:
        raise InvalidInput(f"a batch deployment of Azure ML takes one address: inputs has {len(addresses)}")
    (uri,) = addresses
    if not uri.startswith(("azureml://", "https://")):
        raise InvalidInput(f"inputs {uri[:60]}: Azure ML reads azureml://, https blobs and local folders")
    return uri


def output_path(output: str, datastore: str) -> str:
    """The path in the datastore. Raises `InvalidInput` for another store: Azure ML writes to datastores alone."""
    start = f"azureml://datastores/{datastore}/paths/"
    if not output.startswith(start) or ".." in output.split("/"):
        raise InvalidInput(f"output {output[:60]}: Azure ML writes below {start}, or name a local folder")
    return output.removeprefix(start).strip("/")
