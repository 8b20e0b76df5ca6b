"""What a deployment on Azure ML would be: its names, files, machine and bodies. Nothing is sent from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cloudai.errors import InvalidInput, Unsupported
from cloudai.training.machines import ChosenMachine, machine_for
from cloudai.types import custom as c
from cloudai.types.results import Notice
from cloudai_azure import ml_bodies as bodies
from cloudai_azure.training import shown

if TYPE_CHECKING:
    from cloudai.serving.packaging import Package
    from cloudai_azure.ml_client import MlClient
    from cloudai_azure.ml_storage import MlStorage
    from cloudai_azure.settings import AzureSettings

DEFAULT_REGION: Final = "eastus"
"""Whose prices are shown where the settings name no region."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One version of one endpoint. Every name follows from the request and the package's hash."""

    version: str
    endpoint: str
    """`onlineEndpoints/NAME`, below the workspace as the next two."""
    model: str
    deployment: str
    folder: str
    """Of the model repository, in the datastore."""
    artifacts: str
    """The address that Azure ML reads it from."""
    chosen: ChosenMachine
    package: Package | None
    """`None`: the repository is in a datastore already."""

    @property
    def files(self) -> dict[str, str]:
        """File of the package -> where it goes in the datastore."""
        return {path: f"{self.folder}/{path}" for path in self.package.files} if self.package else {}


def target_of(client: MlClient, storage: MlStorage, request: c.DeployRequest) -> Target:
    """Raises `InvalidInput` and `Unsupported` for what Azure ML does not do, and for a folder that is no model."""
    endpoint = f"onlineEndpoints/{bodies.endpoint_name(request.name)}"
    package = _package(request)
    version = request.version or (package.version if package else "")
    deployment = f"{endpoint}/deployments/{bodies.deployment_name(version)}"
    folder = f"{models_folder(client.settings, request.name)}/{version}"
    return Target(
        version=version,
        endpoint=endpoint,
        model=f"{models_of(request.name)}/versions/{version}",
        deployment=deployment,
        folder=folder,
        artifacts=storage.address(folder) if package else request.model,
        chosen=for_hosting(client.settings, request.accelerator, copies=request.min_replicas),
        package=package,
    )


def plan_of(
    client: MlClient, storage: MlStorage, request: c.DeployRequest, target: Target, *, backend: str
) -> c.DeployPlan:
    """Every request that would be sent to an empty workspace, in order; its location is not known yet."""
    location = client.settings.region or "the workspace's"
    made_of = environment_of(request)
    steps: list[tuple[str, Mapping[str, object]]] = [
        (target.endpoint, bodies.endpoint_body(request, location)),
        (target.model, bodies.model_body(request, target.version, target.artifacts)),
        *([made_of] if made_of else []),
        (target.deployment, deployment_body(client, request, target, location)),
    ]
    return c.DeployPlan(
        backend=backend,
        provider="azure",
        name=request.name,
        version=target.version,
        instance=target.chosen.instance,
        hourly=target.chosen.hourly,
        requests=tuple({"call": f"PUT {client.workspace_id}/{path}", "body": shown(body)} for path, body in steps),
        uploads=tuple((path, storage.address(where)) for path, where in target.files.items()),
        warnings=(*target.chosen.notices, *_notices(request)),
    )


def deployment_body(client: MlClient, request: c.DeployRequest, target: Target, location: str) -> dict[str, object]:
    """Of a deployment in the workspace's location."""
    made_of, workspace = environment_of(request), client.workspace_id
    return bodies.deployment_body(
        request,
        target.version,
        location,
        target.chosen.instance,
        f"{workspace}/{target.model}",
        f"{workspace}/{made_of[0]}" if made_of else None,
    )


def environment_of(request: c.DeployRequest) -> tuple[str, dict[str, object]] | None:
    """Path and body of the container's environment; `None`: Azure ML brings its own Triton."""
    return bodies.image_environment(request.image) if request.image is not None else None


def models_of(name: str) -> str:
    """The model whose versions an endpoint has."""
    return f"models/cloudai-{bodies.endpoint_name(name)}"


def models_folder(settings: AzureSettings, name: str) -> str:
    """Below it are the model repositories of one endpoint, one folder for each version."""
    return f"{settings.ml_prefix}/models/{bodies.endpoint_name(name)}"


def for_hosting(settings: AzureSettings, accelerator: c.Accelerator, *, copies: int) -> ChosenMachine:
    """By the price book; the size alone is what Azure ML is told."""
    region = settings.region or DEFAULT_REGION
    chosen = machine_for("azure", region, accelerator, copies=max(1, copies), operation="custom.deploy")
    return replace(chosen, instance=chosen.instance.partition(" ")[0])


def _package(request: c.DeployRequest) -> Package | None:
    from cloudai.serving.packaging import package_model

    if request.serverless or request.min_replicas == 0:
        raise Unsupported("Azure ML's managed online endpoints keep one machine at least: they don't scale to zero")
    if request.traffic and sum(request.traffic.values()) != 100:
        raise InvalidInput(f"traffic adds up to {sum(request.traffic.values())}, not 100")
    if not request.model.startswith("azureml://"):
        return package_model(request.model, name=request.name)
    if request.version is None:
        raise InvalidInput("a model in a datastore needs version = ...: its content is not looked at")
    return None


def _notices(request: c.DeployRequest) -> list[Notice]:
    if request.max_replicas <= request.min_replicas:
        return []
    text = f"{request.min_replicas} machines are kept: managed endpoints are scaled by rules of Azure Monitor alone"
    return [Notice(code="autoscale", message=text)]
