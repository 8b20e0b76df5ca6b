"""Models, endpoint configurations and endpoints in SageMaker's words, and an endpoint's state in ours. Pure.

Every name follows from the endpoint's and the version's, so that a second deployment finds what a first one left:

    model            NAME-VERSION          one Triton repository, model.tar.gz
    configuration    NAME-{10 hex digits}  of its variants: another split is another configuration
    variant          VERSION
    endpoint         NAME

CreateModel, CreateEndpointConfig, DescribeEndpoint of botocore's description (sagemaker 2017-07-24). Triton's container
reads its repository from /opt/ml/model and serves the model that SAGEMAKER_TRITON_DEFAULT_MODEL_NAME names:
https://docs.aws.amazon.com/sagemaker/latest/dg/deploy-models-frameworks-triton.html (read 2026-11-21)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cloudai.errors import InvalidInput
from cloudai.training.package import digest
from cloudai.types.custom import DeployRequest, EndpointVersion
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_aws.reply import Params, Reply
from cloudai_aws.settings import DeployOptions

ENDPOINT_TAG = "cloudai-endpoint"
"""Name of the endpoint that a resource belongs to."""
KEPT = 42
"""Characters of an endpoint's name that are in the names of what belongs to it."""
_STATES: Mapping[str, JobState] = {
    "Creating": JobState.QUEUED,
    "Updating": JobState.RUNNING,
    "SystemUpdating": JobState.RUNNING,
    "RollingBack": JobState.RUNNING,
    "InService": JobState.SUCCEEDED,
    "OutOfService": JobState.FAILED,
    "Deleting": JobState.CANCELLED,
    "Failed": JobState.FAILED,
    "UpdateRollbackFailed": JobState.FAILED,
}
_VERSION = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
NAMESPACE, DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One version behind an endpoint. `instance` is `None` for a serverless one."""

    version: str
    model: str
    weight: int
    instance: str | None
    replicas: int = 1
    memory_mb: int = 0
    max_concurrency: int = 0

    def encode(self) -> Params:
        body: Params = {
            "VariantName": self.version,
            "ModelName": self.model,
            "InitialVariantWeight": float(self.weight),
        }
        if self.instance is None:
            return body | {
                "ServerlessConfig": {"MemorySizeInMB": self.memory_mb, "MaxConcurrency": self.max_concurrency}
            }
        return body | {"InstanceType": self.instance, "InitialInstanceCount": self.replicas}


def variant_of(found: Reply, weight: int) -> Variant:
    """Of a described configuration."""
    serverless = found.get("ServerlessConfig", {})
    return Variant(
        version=str(found["VariantName"]),
        model=str(found["ModelName"]),
        weight=weight,
        instance=found.get("InstanceType"),
        replicas=int(found.get("InitialInstanceCount", 1)),
        memory_mb=int(serverless.get("MemorySizeInMB", 0)),
        max_concurrency=int(serverless.get("MaxConcurrency", 0)),
    )


def checked_version(version: str) -> str:
    """Raises `InvalidInput` for a version that can't be a variant's name."""
    if not _VERSION.fullmatch(version):
        raise InvalidInput(f"version {version!r}: SageMaker's have letters, digits and hyphens")
    return version


def model_name(name: str, version: str) -> str:
    """At most 63 characters; what is cut off is in a hash."""
    whole = f"{name}-{version}"
    return whole if len(whole) <= 63 else f"{name[:KEPT].rstrip('-')}-{digest([(whole,)])[:20]}"


def config_name(name: str, variants: Sequence[Variant]) -> str:
    """Of its content."""
    return f"{name[:KEPT].rstrip('-')}-{digest([(name,), *((str(variant.encode()),) for variant in variants)])[:10]}"


def tags(name: str, given: Mapping[str, str]) -> list[Params]:
    return [{"Key": key, "Value": value} for key, value in {**given, ENDPOINT_TAG: name}.items()]


def encode_model(model: str, *, address: str, image: str, role: str, title: str, marks: list[Params]) -> Params:
    """CreateModel. `title`: the model's name in the repository."""
    container = {
        "Image": image,
        "ModelDataUrl": address,
        "Environment": {"SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": title},
    }
    return {"ModelName": model, "PrimaryContainer": container, "ExecutionRoleArn": role, "Tags": marks}


def encode_config(config: str, variants: Sequence[Variant], marks: list[Params]) -> Params:
    """CreateEndpointConfig."""
    return {
        "EndpointConfigName": config,
        "ProductionVariants": [variant.encode() for variant in variants],
        "Tags": marks,
    }


def weights(request: DeployRequest, version: str) -> dict[str, int]:
    """Version -> percent: all of it for the new one, where nothing is said."""
    if not request.traffic:
        return {version: 100}
    given = dict(request.traffic)
    if sum(given.values()) != 100 or any(not 0 <= share <= 100 for share in given.values()):
        raise InvalidInput(f"traffic is percent by version and adds up to 100, not {given}")
    if version not in given:
        raise InvalidInput(f"traffic names no version {version}, which is the one to deploy: {given}")
    return given


# --- autoscaling -----------------------------------------------------------------------------------------


def scaling_target(name: str, version: str) -> Params:
    """Whom Application Auto Scaling scales."""
    return {
        "ServiceNamespace": NAMESPACE,
        "ResourceId": f"endpoint/{name}/variant/{version}",
        "ScalableDimension": DIMENSION,
    }


def scaling_policy(name: str, version: str, target: float) -> Params:
    """PutScalingPolicy: as many calls per minute and instance."""
    return {
        **scaling_target(name, version),
        "PolicyName": f"cloudai-{name}-{version}",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": target,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        },
    }


def scaling_detail(request: DeployRequest, version: str, options: DeployOptions) -> str | None:
    """What a ref says of scaling: it can be set when the endpoint answers, not before."""
    if request.serverless or request.max_replicas <= max(1, request.min_replicas):
        return None
    return f"{version}:{max(1, request.min_replicas)}:{request.max_replicas}:{options.target_invocations:g}"


# --- the other way ---------------------------------------------------------------------------------------


def state_of(found: Reply) -> JobState:
    """Of DescribeEndpoint. One that is updated answers with its old versions meanwhile."""
    return _STATES.get(str(found["EndpointStatus"]), JobState.RUNNING)


def versions_of(found: Reply, config: Reply | None) -> tuple[EndpointVersion, ...]:
    """With traffic in whole percents that add up to 100."""
    variants: Sequence[Reply] = found.get("ProductionVariants") or (config or {}).get("ProductionVariants", ())
    given = [float(each.get("CurrentWeight", each.get("InitialVariantWeight", 0.0))) for each in variants]
    kinds = {str(each["VariantName"]): each for each in (config or {}).get("ProductionVariants", ())}
    return tuple(
        EndpointVersion(
            version=str(each["VariantName"]),
            traffic=share,
            instance=kinds.get(str(each["VariantName"]), {}).get("InstanceType"),
            replicas=each.get("CurrentInstanceCount", each.get("InitialInstanceCount")),
        )
        for each, share in zip(variants, percents(given), strict=True)
    )


def percents(given: Sequence[float]) -> list[int]:
    """Whole percents by largest remainders; all 0 where all weights are."""
    total = sum(given)
    if total <= 0:
        return [0] * len(given)
    exact = [100 * weight / total for weight in given]
    whole = [int(share) for share in exact]
    order = sorted(range(len(given)), key=lambda at: (whole[at] - exact[at], at))
    for at in order[: 100 - sum(whole)]:
        whole[at] += 1
    return whole


def cost(versions: Sequence[EndpointVersion], prices: Mapping[str, Money | None]) -> Money | None:
    """Per hour of all instances; serverless ones cost nothing while nobody asks. `None`: one of them is not known."""
    total = Decimal(0)
    for version in versions:
        if version.instance is None:
            continue
        price = prices.get(version.instance)
        if price is None:
            return None
        total += price.amount * (version.replicas or 0)
    return Money(amount=total)
