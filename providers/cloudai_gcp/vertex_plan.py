"""What a deployment on Vertex AI would be: its names, addresses, machine and bodies. Nothing is sent from here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import JsonValue

from cloudai.errors import InvalidInput, Unsupported
from cloudai.training.machines import ChosenMachine
from cloudai.types import custom as c
from cloudai.types.results import Notice
from cloudai.wirejson import dump
from cloudai_gcp import vertex_bodies as bodies
from cloudai_gcp import vertex_machines

if TYPE_CHECKING:
    from cloudai.serving.packaging import Package
    from cloudai_gcp.settings import GcpSettings
    from cloudai_gcp.vertex_client import VertexClient


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One version of one endpoint. Every name follows from the request and the package's hash."""

    version: str
    endpoint: str
    """`projects/P/locations/L/endpoints/ID`."""
    model: str
    """`projects/P/locations/L/models/ID`."""
    image: str
    artifacts: str
    """The model repository in Cloud Storage, without a slash at its end."""
    chosen: ChosenMachine
    package: Package | None
    """`None`: the repository is in Cloud Storage already."""

    @property
    def endpoint_id(self) -> str:
        return self.endpoint.rpartition("/")[2]

    @property
    def model_id(self) -> str:
        return self.model.rpartition("/")[2]

    @property
    def files(self) -> dict[str, str]:
        """File of the package -> where it goes."""
        return {path: f"{self.artifacts}/{path}" for path in self.package.files} if self.package else {}


def target_of(vertex: VertexClient, request: c.DeployRequest) -> Target:
    """Raises `InvalidInput` and `Unsupported` for what Vertex AI does not do, and for a folder that is no model."""
    _check(request)
    package = _package(request)
    version = request.version or (package.version if package else "")
    remote = request.model.rstrip("/") if package is None else None
    return Target(
        version=version,
        endpoint=f"{vertex.parent}/endpoints/{bodies.endpoint_id(request.name)}",
        model=f"{vertex.parent}/models/{bodies.model_id(request.name, version)}",
        image=image_of(vertex, request.image),
        artifacts=remote or f"{models_folder(vertex.settings, request.name)}/{version}",
        chosen=vertex_machines.for_hosting(request.accelerator, vertex.location, copies=request.min_replicas),
        package=package,
    )


def plan_of(vertex: VertexClient, request: c.DeployRequest, target: Target, *, backend: str) -> c.DeployPlan:
    """Every request that would be sent to an empty project, in order."""
    deployed = bodies.deployed_body(request, target.version, target.model, target.chosen.instance, vertex.settings)
    model = bodies.model_body(request, target.version, target.image, target.artifacts)
    steps: tuple[tuple[str, dict[str, object]], ...] = (
        (f"POST /v1/{vertex.parent}/endpoints?endpointId={target.endpoint_id}", bodies.endpoint_body(request)),
        (f"POST /v1/{vertex.parent}/models:upload", {"model": model, "modelId": target.model_id}),
        (
            f"POST /v1/{target.endpoint}:deployModel",
            {
                "deployedModel": deployed,
                "trafficSplit": _split(request.traffic or {target.version: 100}, target.version),
            },
        ),
    )
    return c.DeployPlan(
        backend=backend,
        provider="gcp",
        name=request.name,
        version=target.version,
        instance=target.chosen.instance,
        hourly=target.chosen.hourly,
        requests=tuple({"call": call, "body": shown(body)} for call, body in steps),
        uploads=tuple(target.files.items()),
        warnings=(*target.chosen.notices, *container_notices(vertex, request.image)),
    )


def image_of(vertex: VertexClient, named: str | None) -> str:
    """The user's container, the settings', or where Triton is expected to be copied to."""
    default = f"{vertex.location}-docker.pkg.dev/{vertex.auth.project()}/cloudai/{bodies.TRITON}"
    return named or vertex.settings.serving_image or default


def container_notices(vertex: VertexClient, named: str | None) -> tuple[Notice, ...]:
    """What has to be done once for the container that is the default."""
    if named or vertex.settings.serving_image:
        return ()
    image = image_of(vertex, None)
    text = f"Vertex AI takes containers of Artifact Registry: copy nvcr.io/nvidia/{bodies.TRITON} to {image} once"
    return (Notice(code="container", message=text),)


def base_of_bucket(settings: GcpSettings) -> str:
    """`gs://BUCKET/PREFIX` without a slash. Raises `InvalidInput` for no bucket."""
    bucket = settings.vertex_bucket or settings.staging_bucket
    if bucket is None:
        raise InvalidInput("Vertex AI reads Cloud Storage: set vertex_bucket in the backend, in the jobs' region")
    return f"gs://{bucket}/{settings.staging_prefix}vertex"


def models_folder(settings: GcpSettings, name: str) -> str:
    """Below it are the model repositories of one endpoint, one folder for each version."""
    return f"{base_of_bucket(settings)}/models/{bodies.endpoint_id(name)}"


def shown(body: Mapping[str, object]) -> JsonValue:
    """A body in a plan."""
    found: JsonValue = json.loads(dump(body))
    return found


def _split(traffic: Mapping[str, int], new: str) -> dict[str, int]:
    """Percent by deployed model: `0` is the one that is being deployed, and has all where nothing is said."""
    ids = {version: "0" if version == new else bodies.deployed_id(version) for version in traffic}
    return {ids[version]: share for version, share in traffic.items() if share} or {"0": 100}


def _package(request: c.DeployRequest) -> Package | None:
    from cloudai.serving.packaging import package_model

    if not request.model.startswith("gs://"):
        return package_model(request.model, name=request.name)
    if request.version is None:
        raise InvalidInput("a model in Cloud Storage needs version = ...: its content is not looked at")
    return None


def _check(request: c.DeployRequest) -> None:
    if request.serverless or request.min_replicas == 0:
        raise Unsupported("Vertex AI's endpoints keep one machine at least: scale to zero is in v1beta1 only")
    if request.traffic and sum(request.traffic.values()) != 100:
        raise InvalidInput(f"traffic adds up to {sum(request.traffic.values())}, not 100")
