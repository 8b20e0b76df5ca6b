"""`custom.deploy` on SageMaker: model, configuration, endpoint, each under a name of its content; and what stands.

What a deployment made is removed again when a later step is refused. When a step's answer was lost it is looked for; a
doubt that stays is an error that names what may be there. The next deployment of the same model finds all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from cloudai.delivery import unsent
from cloudai.errors import Delivery, ErrorCode, InvalidInput, ServiceError
from cloudai.types.custom import (
    DeployPlan,
    DeployRequest,
    DeployResult,
    EndpointRef,
    EndpointStatus,
    EndpointVersion,
)
from cloudai.types.results import Money, Notice
from cloudai.types.speech import JobState
from cloudai_aws import sagemaker_hosting as codec
from cloudai_aws.faults import code_of, fault_of, lost
from cloudai_aws.reply import Params, Reply, told
from cloudai_aws.sagemaker_images import serving_image
from cloudai_aws.sagemaker_machines import machine
from cloudai_aws.sagemaker_resources import LOOK_SECONDS, Part
from cloudai_aws.sagemaker_training import when
from cloudai_aws.settings import DeployOptions, sagemaker_role
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai.serving.packaging import Package

SCALING = "scaling"
"""The detail of a handle with the scaling that is set as soon as the endpoint answers."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """Everything of one deployment, before any of it is sent."""

    plan: DeployPlan
    package: Package | None
    """`None`: the model is in S3 already."""
    address: str
    model: Params
    variants: tuple[codec.Variant, ...]
    config: Params
    endpoint: Params
    scaling: str | None

    def parts(self) -> tuple[tuple[str, str, Params], ...]:
        """What comes before the endpoint: kind, name, body."""
        return (
            ("model", str(self.model["ModelName"]), self.model),
            ("endpoint_config", str(self.config["EndpointConfigName"]), self.config),
        )


class Hoster(Part):
    """Endpoints of one backend."""

    # --- deploying -----------------------------------------------------------------------------------

    def plan(self, request: DeployRequest, call: Call) -> DeployPlan:
        """Of a first deployment: nothing is sent, so that other versions that stand are not known."""
        return self._made(request, call, ()).plan

    def deploy(self, request: DeployRequest, call: Call) -> DeployResult:
        """Returns when SageMaker has taken it; the endpoint answers some minutes later: `wait()`."""
        self._warm("s3", "sagemaker", "application-autoscaling")
        self._made(request, call, ())  # what can't be is refused before anything is sent
        with within(call.timeout):
            with unsent():
                there = self._resources.find("endpoint", request.name)
                made = self._made(request, call, self._standing(there, request))
                self._stage(made)
            reply = self._put_all(made, there)
        ref = self._ref(request.name, made.scaling)
        result = DeployResult(
            endpoint=ref,
            version=made.plan.version,
            state=JobState.QUEUED if there is None else JobState.RUNNING,
            plan=made.plan,
        )
        return told(result, reply, call, made.plan.warnings)

    def _standing(self, there: Reply | None, request: DeployRequest) -> tuple[codec.Variant, ...]:
        """Versions that stay because the traffic names them."""
        if there is None:
            return ()
        config = self._resources.get("endpoint_config", str(there["EndpointConfigName"]))
        return tuple(
            codec.variant_of(each, request.traffic[each["VariantName"]])
            for each in config["ProductionVariants"]
            if each["VariantName"] in request.traffic
        )

    def _put_all(self, made: Made, there: Reply | None) -> Reply:
        """What was made now is removed when a later step is refused. A step whose answer was lost is no refusal."""
        from botocore.exceptions import ClientError

        new: list[tuple[str, str]] = []
        try:
            for kind, name, body in made.parts():
                if self._resources.put(kind, name, body):
                    new.append((kind, name))
            return self._put_endpoint(made, there)
        except ClientError as error:
            fault = fault_of(error)
            if fault is not None and fault.delivery is not Delivery.UNKNOWN:
                for kind, name in reversed(new):
                    self._quietly_delete(kind, name)
            raise

    def _put_endpoint(self, made: Made, there: Reply | None) -> Reply:
        from botocore.exceptions import ClientError

        name, config = str(made.endpoint["EndpointName"]), str(made.config["EndpointConfigName"])
        if there is not None and there["EndpointConfigName"] == config:
            return there
        try:
            if there is None:
                return self._resources.create("endpoint", made.endpoint)
            self._unscale_all(name, str(there["EndpointConfigName"]), but=[one.version for one in made.variants])
            update = {"EndpointName": name, "EndpointConfigName": config}
            reply: Reply = self._clients("sagemaker").update_endpoint(**update)
        except ClientError:
            found = self._resources.find("endpoint", name)
            if found is None or found["EndpointConfigName"] != config:
                raise
            return found
        except Exception as error:
            if not lost(error):
                raise
            found = self._found(name, config)
            if found is None:
                raise _doubt(error, made) from error
            return found
        return reply

    def _found(self, name: str, config: str) -> Reply | None:
        try:
            with within(LOOK_SECONDS):
                found = self._resources.find("endpoint", name)
        except Exception as error:
            if lost(error):
                return None
            raise
        return found if found is not None and found["EndpointConfigName"] == config else None

    def _stage(self, made: Made) -> None:
        if made.package is None:
            return
        with TemporaryFile() as archive:
            made.package.write_targz(archive)
            self._objects.put_file(made.address, archive)

    def _quietly_delete(self, kind: str, name: str) -> None:
        with suppress(Exception), within(LOOK_SECONDS):
            self._resources.delete(kind, name)

    # --- what it is made of --------------------------------------------------------------------------

    def _made(self, request: DeployRequest, call: Call, standing: Sequence[codec.Variant]) -> Made:
        options = call.options if isinstance(call.options, DeployOptions) else DeployOptions()
        region, role = self._region, sagemaker_role(self._settings)
        package = None if request.model.startswith("s3://") else _package(request)
        version = codec.checked_version(request.version or (package.version if package else _version_of(request.model)))
        shares = codec.weights(request, version)
        address = self._objects.address(f"models/{request.name}/{version}.tar.gz") if package else request.model
        gpu = request.accelerator.name.lower() != "none"
        image = request.image or serving_image(region, gpu=gpu, own=self._settings.serving_image)
        marks = codec.tags(request.name, request.tags)
        variant, hourly, notices = self._variant(request, version, shares[version], options, region)
        others = [replace(one, weight=shares[one.version]) for one in standing if one.version != version]
        variants = tuple(sorted((variant, *others), key=lambda one: one.version))
        model = codec.encode_model(
            variant.model, address=address, image=image, role=role, title=request.name, marks=marks
        )
        config = codec.encode_config(codec.config_name(request.name, variants), variants, marks)
        endpoint = {
            "EndpointName": request.name,
            "EndpointConfigName": config["EndpointConfigName"],
            "Tags": marks,
        }
        scaling = codec.scaling_detail(request, version, options)
        steps = [("CreateModel", model), ("CreateEndpointConfig", config), ("CreateEndpoint", endpoint)]
        if scaling is not None:
            steps += [*_scaling_steps(request.name, scaling)]
        plan = DeployPlan(
            backend=self._backend,
            provider="aws",
            name=request.name,
            version=version,
            instance=variant.instance or "serverless",
            hourly=hourly,
            requests=tuple({"call": name, "body": body} for name, body in steps),
            uploads=((request.model, address),) if package else (),
            warnings=notices,
        )
        return Made(
            plan=plan,
            package=package,
            address=address,
            model=model,
            variants=variants,
            config=config,
            endpoint=endpoint,
            scaling=scaling,
        )

    def _variant(
        self, request: DeployRequest, version: str, weight: int, options: DeployOptions, region: str
    ) -> tuple[codec.Variant, Money | None, tuple[Notice, ...]]:
        """With what an hour of it costs."""
        model = codec.model_name(request.name, version)
        blank = codec.Variant(version=version, model=model, weight=weight, instance=None)
        if request.serverless:
            if request.accelerator.name.lower() != "none":
                raise InvalidInput(
                    "SageMaker's serverless endpoints have no GPU: take the accelerator or serverless out"
                )
            found = replace(blank, memory_mb=options.memory_mb, max_concurrency=options.max_concurrency)
            return found, Money(amount=Decimal(0)), ()
        notices: tuple[Notice, ...] = ()
        if request.min_replicas == 0:
            message = "min_replicas = 0: one instance stands; SageMaker scales to zero with serverless = true"
            notices = (Notice(code="option_ignored", message=message),)
        shape = self._clients("sagemaker").meta.service_model.shape_for("ProductionVariantInstanceType")
        count = max(1, request.min_replicas)
        chosen = machine(region, request.accelerator, operation="custom.deploy", allowed=shape.enum, copies=count)
        if chosen.instances != count:
            raise InvalidInput(
                f"one instance serves a model: none has {request.accelerator.count} x {request.accelerator.name}"
            )
        return replace(blank, instance=chosen.instance, replicas=count), chosen.hourly, (*notices, *chosen.notices)

    # --- what stands ---------------------------------------------------------------------------------

    def status(self, endpoint: EndpointRef, call: Call) -> EndpointStatus:
        """Sets the scaling that its deployment asked for, as soon as it answers."""
        self._clients("application-autoscaling")
        with within(call.timeout):
            there = self._resources.get("endpoint", endpoint.id)
            found = self._status(there, dict(endpoint.details).get(SCALING))
            scaling = dict(endpoint.details).get(SCALING)
            if scaling is not None and found.state is JobState.SUCCEEDED:
                self._scale(endpoint.id, scaling)
        return found

    def list(self, call: Call) -> Sequence[EndpointStatus]:
        """By our tag, which SageMaker's search knows after a moment; models whose endpoint is not there as well."""
        with within(call.timeout):
            standing = [each["Endpoint"] for each in self._resources.tagged("Endpoint")]
            found = [self._status(each) for each in standing]
            names = {str(each["EndpointName"]) for each in standing}
            left = {
                mark["Value"]: str(each["Model"]["Model"]["ModelName"])
                for each in self._resources.tagged("Model")
                for mark in each["Model"]["Model"].get("Tags", ())
                if mark["Key"] == codec.ENDPOINT_TAG and mark["Value"] not in names
            }
        return (*found, *(self._half_made(name, model) for name, model in left.items()))

    def _half_made(self, name: str, model: str) -> EndpointStatus:
        return EndpointStatus(
            ref=self._ref(name),
            state=JobState.FAILED,
            message=f"half made: the model {model} is there and no endpoint; deploy it again, or delete it",
            hourly=Money(amount=Decimal(0)),
        )

    def _status(self, there: Reply, scaling: str | None = None) -> EndpointStatus:
        name = str(there["EndpointName"])
        config = self._resources.find("endpoint_config", str(there["EndpointConfigName"]))
        versions = codec.versions_of(there, config)
        return EndpointStatus(
            ref=self._ref(name, scaling),
            state=codec.state_of(there),
            message=there.get("FailureReason"),
            versions=versions,
            hourly=codec.cost(versions, self._prices(versions)),
            created=when(there.get("CreationTime")),
        )

    def _prices(self, versions: Sequence[EndpointVersion]) -> Mapping[str, Money | None]:
        from cloudai.training.machines import machine_for
        from cloudai.types.custom import Accelerator

        region = self._region
        kinds = {version.instance for version in versions if version.instance is not None}
        return {
            kind: machine_for("aws", region, Accelerator(instance=kind), operation="custom.deploy").hourly
            for kind in kinds
        }

    # --- changing and deleting -----------------------------------------------------------------------

    def set_traffic(self, endpoint: EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        """New weights where all versions stand; else a new configuration, with models that deployments left."""
        client = self._clients("sagemaker")
        with within(call.timeout):
            there = self._resources.get("endpoint", endpoint.id)
            config = self._resources.get("endpoint_config", str(there["EndpointConfigName"]))
            standing = [codec.variant_of(each, 0) for each in config["ProductionVariants"]]
            if set(traffic) <= {one.version for one in standing}:
                shares = [
                    {"VariantName": one.version, "DesiredWeight": float(traffic.get(one.version, 0))}
                    for one in standing
                ]
                client.update_endpoint_weights_and_capacities(
                    EndpointName=endpoint.id, DesiredWeightsAndCapacities=shares
                )
                return
            self._taken_back(endpoint.id, standing, traffic)

    def _taken_back(self, name: str, standing: Sequence[codec.Variant], traffic: Mapping[str, int]) -> None:
        """Versions that stood before, on machines as those that stand."""
        known = {one.version: one for one in standing}
        for version in traffic:
            model = codec.model_name(name, version)
            if version not in known:
                if self._resources.find("model", model) is None:
                    raise InvalidInput(f"{name} has no version {version}: deploy it", code=ErrorCode.NOT_FOUND)
                known[version] = replace(standing[0], version=version, model=model)
        variants = tuple(replace(known[version], weight=share) for version, share in sorted(traffic.items()))
        body = codec.encode_config(codec.config_name(name, variants), variants, codec.tags(name, {}))
        self._resources.put("endpoint_config", str(body["EndpointConfigName"]), body)
        self._clients("sagemaker").update_endpoint(
            EndpointName=name, EndpointConfigName=body["EndpointConfigName"], RetainAllVariantProperties=False
        )

    def delete(self, endpoint: EndpointRef, call: Call) -> None:
        """The endpoint before the rest: with it the costs end. Then what its deployments left, by our tag."""
        name = endpoint.id
        self._warm("s3", "sagemaker", "application-autoscaling")
        with within(call.timeout):
            configs = self._resources.ours("endpoint_config", name)
            for config in configs:
                self._unscale_all(name, config)
            if self._resources.find("endpoint", name) is not None:
                self._resources.delete("endpoint", name)
            for config in configs:
                self._resources.delete("endpoint_config", config)
            for model in self._resources.ours("model", name):
                self._resources.delete("model", model)
            if self._settings.staging_bucket is not None:
                self._objects.remove_all(self._objects.address(f"models/{name}/"))

    def _scale(self, name: str, scaling: str) -> None:
        """The same twice is the same."""
        client = self._clients("application-autoscaling")
        for step, body in _scaling_steps(name, scaling):
            (client.register_scalable_target if step == "RegisterScalableTarget" else client.put_scaling_policy)(**body)

    def _unscale_all(self, name: str, config: str, *, but: Sequence[str] = ()) -> None:
        """A version that goes is scaled no more: AWS asks for that before it goes."""
        found = self._resources.find("endpoint_config", config) or {}
        for variant in found.get("ProductionVariants", ()):
            if variant["VariantName"] not in but and "InstanceType" in variant:
                self._unscale(name, str(variant["VariantName"]))

    def _unscale(self, name: str, version: str) -> None:
        from botocore.exceptions import ClientError

        try:
            self._clients("application-autoscaling").deregister_scalable_target(**codec.scaling_target(name, version))
        except ClientError as error:
            if code_of(error) != "ObjectNotFoundException":
                raise

    # --- looking -------------------------------------------------------------------------------------

    def _ref(self, name: str, scaling: str | None = None) -> EndpointRef:
        details = (("region", self._region),)
        more = () if scaling is None else ((SCALING, scaling),)
        return EndpointRef(backend=self._backend, id=name, name=name, details=(*details, *more))


def _scaling_steps(name: str, scaling: str) -> tuple[tuple[str, Params], tuple[str, Params]]:
    version, least, most, target = scaling.split(":")
    registered = {**codec.scaling_target(name, version), "MinCapacity": int(least), "MaxCapacity": int(most)}
    return (
        ("RegisterScalableTarget", registered),
        ("PutScalingPolicy", codec.scaling_policy(name, version, float(target))),
    )


def _doubt(error: Exception, made: Made) -> ServiceError:
    names = ", ".join([*(name for _, name, _ in made.parts()), str(made.endpoint["EndpointName"])])
    return ServiceError(
        f"no answer ({error}); there may be {names}: deploy the same model again, which finds them, or delete it",
        code=ErrorCode.UNAVAILABLE,
    )


def _package(request: DeployRequest) -> Package:
    from cloudai.serving.packaging import package_model

    return package_model(request.model, name=request.name)


def _version_of(address: str) -> str:
    from cloudai.training.package import digest

    return digest([(address,)])[:12]
