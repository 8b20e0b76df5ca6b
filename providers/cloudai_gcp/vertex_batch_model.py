"""Which model repository and container a batch prediction on Vertex AI has: a folder's, a packaged one, or those of a
model that cloudai deployed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudai.errors import ErrorCode, InvalidInput
from cloudai.serving.batches import is_folder
from cloudai.wirejson import JsonNode
from cloudai_gcp import vertex_bodies as bodies
from cloudai_gcp.errors import GoogleError
from cloudai_gcp.vertex_deployment import found, versions_of
from cloudai_gcp.vertex_plan import image_of

if TYPE_CHECKING:
    from cloudai.serving.packaging import Package
    from cloudai.types.custom import BatchPredictRequest
    from cloudai_gcp.vertex_client import VertexClient


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A Triton model repository in Cloud Storage and the container that serves it."""

    artifacts: str
    image: str
    package: Package | None = None
    """Its files are to be put there first."""

    @property
    def files(self) -> dict[str, str]:
        """File of the package -> where it goes."""
        return {path: f"{self.artifacts}/{path}" for path in self.package.files} if self.package else {}


def behind(vertex: VertexClient, request: BatchPredictRequest, *, timeout: float) -> JsonNode | None:
    """The model that stands behind the request's name now; `None`: the request has the model itself.

    Raises `InvalidInput` for a model that is not there, or that is not cloudai's."""
    if is_folder(request.model) or request.model.startswith("gs://"):
        return None
    model = _deployed(vertex, request, timeout) or _registered(vertex, request, timeout)
    if not model.text("artifactUri") or not model.at("labels").text(bodies.ENDPOINT):
        raise InvalidInput(f"{request.model}: a batch prediction needs a model that cloudai deployed, or its folder")
    return model


def served_of(vertex: VertexClient, request: BatchPredictRequest, model: JsonNode | None, base: str) -> Served:
    """`base`: where a folder's package goes, below it. Nothing is sent."""
    from cloudai.serving.packaging import package_model

    image = image_of(vertex, request.image)
    if model is not None:
        own = model.at("containerSpec").text("imageUri")
        return Served(artifacts=model.text("artifactUri").rstrip("/"), image=request.image or own)
    if request.model.startswith("gs://"):
        return Served(artifacts=request.model.rstrip("/"), image=image)
    return Served(artifacts=f"{base}/model", image=image, package=package_model(request.model))


def _deployed(vertex: VertexClient, request: BatchPredictRequest, timeout: float) -> JsonNode | None:
    """The model behind an endpoint: the version that is named, or that has most of the traffic."""
    if "/" in request.model:
        return None
    name = f"{vertex.parent}/endpoints/{bodies.endpoint_id(request.model)}"
    endpoint = found(vertex, "endpoints", name, timeout=timeout)
    if endpoint is None:
        return None
    known = versions_of(endpoint)
    split_by = endpoint.at("trafficSplit")
    share = {version: split_by.integer(each) if split_by else 0 for version, each in known.items()}
    version = request.version or max(share, key=lambda each: share[each], default="")
    for deployed in endpoint.items("deployedModels"):
        if deployed.text("displayName") == version:
            return vertex.get("models", deployed.text("model"), timeout=timeout)
    there = ", ".join(known) or "none"
    raise InvalidInput(f"endpoint {request.model} has no version {version!r}; there are {there}")


def _registered(vertex: VertexClient, request: BatchPredictRequest, timeout: float) -> JsonNode:
    """A model by its id, or `projects/P/locations/L/models/ID`."""
    named = request.model if "/" in request.model else f"{vertex.parent}/models/{request.model}"
    try:
        return vertex.get("models", named + (f"@{request.version}" if request.version else ""), timeout=timeout)
    except GoogleError as error:
        if error.fault.code not in (ErrorCode.NOT_FOUND, ErrorCode.INVALID_INPUT):
            raise
        text = f"{request.model} is no model folder, no gs:// address, no endpoint and no model of {vertex.parent}"
        raise InvalidInput(text, code=ErrorCode.NOT_FOUND) from error
