"""SageMaker's models, configurations and endpoints for the strict server, with Application Auto Scaling and inference.

An endpoint is `Creating` or `Updating` at the first look, then `InService`. Inference is Triton's: requests are read as
the Open Inference Protocol has them, by Triton's own client where it can, and every input comes back doubled.
"""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

from aws_sagemaker import ARN, EPOCH, place

if TYPE_CHECKING:
    from aws_server import Answer, Params, StrictServer

BINARY = "application/vnd.sagemaker-triton.binary+json;json-header-size="


class HostingService:
    """What stands, by kind and name."""

    def __init__(self, server: StrictServer) -> None:
        self.server = server
        self.models: dict[str, Params] = {}
        self.configs: dict[str, Params] = {}
        self.endpoints: dict[str, Params] = {}
        self.targets: dict[str, Params] = {}
        self.policies: dict[str, Params] = {}
        self.chosen: list[str | None] = []
        """Variants that requests named."""

    def answer(self) -> HostingService:
        for kind, kept in (("Model", self.models), ("EndpointConfig", self.configs), ("Endpoint", self.endpoints)):
            self.server.answers |= {
                f"Create{kind}": lambda params, kind=kind, kept=kept: self.create(kind, kept, params),
                f"Describe{kind}": lambda params, kind=kind, kept=kept: self.describe(kind, kept, params),
                f"Delete{kind}": lambda params, kind=kind, kept=kept: self.delete(kind, kept, params),
            }
        self.server.answers |= {
            "UpdateEndpoint": self.update,
            "UpdateEndpointWeightsAndCapacities": self.weigh,
            "ListModels": lambda params: self.listed("Model", self.models, params),
            "ListEndpointConfigs": lambda params: self.listed("EndpointConfig", self.configs, params),
            "ListTags": self.tags,
            "Search": self.search,
            "RegisterScalableTarget": self.register,
            "PutScalingPolicy": self.put_policy,
            "DeregisterScalableTarget": self.deregister,
            "InvokeEndpoint": self.invoke,
        }
        return self

    def stand(self, name: str) -> None:
        """An endpoint that has been there for long."""
        variant = {"VariantName": "a", "ModelName": f"{name}-a", "InitialVariantWeight": 1.0, "InitialInstanceCount": 1}
        self.models[f"{name}-a"] = {"ModelName": f"{name}-a"}
        self.configs[name] = {"EndpointConfigName": name, "ProductionVariants": [variant]}
        self.endpoints[name] = {"EndpointName": name, "EndpointConfigName": name}
        self._settle(name)

    @property
    def left(self) -> set[str]:
        """Names of all that is there."""
        return {*self.models, *self.configs, *self.endpoints, *self.targets}

    # --- by kind -------------------------------------------------------------------------------------

    def create(self, kind: str, kept: dict[str, Params], params: Params) -> Answer:
        name = params[f"{kind}Name"]
        if name in kept:
            return refused(f"Cannot create already existing {kind} {name}")
        if wrong := self._missing(kind, params):
            return refused(wrong)
        kept[name] = {**params, "looks": 0}
        if kind == "Endpoint":
            self._settle(name)
        return {f"{kind}Arn": arn(kind, name)}

    def _missing(self, kind: str, params: Params) -> str | None:
        """What is named and not there."""
        if kind == "Model":
            address = params["PrimaryContainer"]["ModelDataUrl"]
            return None if place(address) in self.server.objects else f"Could not find model data at {address}"
        if kind == "EndpointConfig":
            names = [variant["ModelName"] for variant in params["ProductionVariants"]]
            return next((f"Could not find model {name}" for name in names if name not in self.models), None)
        config = params["EndpointConfigName"]
        return None if config in self.configs else f"Could not find endpoint configuration {config}"

    def _settle(self, name: str) -> None:
        """Weights and counts as the configuration has them."""
        config = self.configs[self.endpoints[name]["EndpointConfigName"]]
        self.endpoints[name]["weights"] = {
            each["VariantName"]: each["InitialVariantWeight"] for each in config["ProductionVariants"]
        }
        self.endpoints[name]["looks"] = 0

    def describe(self, kind: str, kept: dict[str, Params], params: Params) -> Answer:
        name = params[f"{kind}Name"]
        if name not in kept:
            return refused(f"Could not find {kind} {name}")
        if kind == "Endpoint":
            return self._endpoint(name)
        found = {key: value for key, value in kept[name].items() if key not in ("Tags", "looks")}
        return {**found, f"{kind}Arn": arn(kind, name), "CreationTime": EPOCH}

    def _endpoint(self, name: str) -> Params:
        there = self.endpoints[name]
        status = there.get("status") or ("InService" if there["looks"] else there.get("first", "Creating"))
        there["looks"] += 1
        config = self.configs[there["EndpointConfigName"]]
        variants = [
            {
                "VariantName": each["VariantName"],
                "CurrentWeight": there["weights"][each["VariantName"]],
                **({} if "ServerlessConfig" in each else {"CurrentInstanceCount": each["InitialInstanceCount"]}),
            }
            for each in config["ProductionVariants"]
        ]
        return {
            "EndpointName": name,
            "EndpointArn": arn("Endpoint", name),
            "EndpointConfigName": there["EndpointConfigName"],
            "EndpointStatus": status,
            "ProductionVariants": variants,
            "CreationTime": EPOCH,
            "LastModifiedTime": EPOCH + datetime.timedelta(minutes=1),
            **({"FailureReason": "the container did not answer its health check"} if status == "Failed" else {}),
        }

    def delete(self, kind: str, kept: dict[str, Params], params: Params) -> Answer:
        if kept.pop(params[f"{kind}Name"], None) is None:
            return refused(f"Could not find {kind}")
        return {}

    # --- changes -------------------------------------------------------------------------------------

    def update(self, params: Params) -> Answer:
        name, config = params["EndpointName"], params["EndpointConfigName"]
        if name not in self.endpoints or config not in self.configs:
            return refused("Could not find it")
        self.endpoints[name] |= {"EndpointConfigName": config, "first": "Updating"}
        self._settle(name)
        return {"EndpointArn": arn("Endpoint", name)}

    def weigh(self, params: Params) -> Answer:
        there = self.endpoints[params["EndpointName"]]
        for each in params["DesiredWeightsAndCapacities"]:
            if each["VariantName"] not in there["weights"]:
                return refused("Could not find variant")
            there["weights"][each["VariantName"]] = each["DesiredWeight"]
        return {"EndpointArn": arn("Endpoint", params["EndpointName"])}

    # --- lists ---------------------------------------------------------------------------------------

    def listed(self, kind: str, kept: dict[str, Params], params: Params) -> Answer:
        names = sorted(name for name in kept if params["NameContains"] in name)
        first = int(params.get("NextToken", "0"))
        found = [
            {f"{kind}Name": name, f"{kind}Arn": arn(kind, name), "CreationTime": EPOCH}
            for name in names[first : first + 1]
        ]
        return {f"{kind}s": found, **({"NextToken": str(first + 1)} if first + 1 < len(names) else {})}

    def tags(self, params: Params) -> Answer:
        kind, name = params["ResourceArn"].rpartition(":")[2].split("/")
        kept = {"model": self.models, "endpoint-config": self.configs, "endpoint": self.endpoints}[kind]
        return {"Tags": kept[name].get("Tags", [])}

    def search(self, params: Params) -> Answer:
        key = params["SearchExpression"]["Filters"][0]["Name"].removeprefix("Tags.")
        kept = self.endpoints if params["Resource"] == "Endpoint" else self.models
        ours = [name for name, each in kept.items() if key in {tag["Key"] for tag in each.get("Tags", [])}]
        if params["Resource"] == "Endpoint":
            return {"Results": [{"Endpoint": self._endpoint(name)} for name in ours]}
        found = [{"Model": {"Model": {"ModelName": name, "Tags": self.models[name]["Tags"]}}} for name in ours]
        return {"Results": found}

    # --- scaling -------------------------------------------------------------------------------------

    def register(self, params: Params) -> Answer:
        _, name, _, variant = params["ResourceId"].split("/")
        there = self.endpoints.get(name)
        if there is None or variant not in there["weights"] or not there["looks"]:
            return refused("No scalable target: the endpoint is not in service")
        self.targets[params["ResourceId"]] = params
        return {"ScalableTargetARN": f"{ARN}:scalable-target/1"}

    def put_policy(self, params: Params) -> Answer:
        from aws_server import Failure

        if params["ResourceId"] not in self.targets:
            return Failure(code="ObjectNotFoundException", message="no target")
        self.policies[params["PolicyName"]] = params
        return {"PolicyARN": f"{ARN}:policy/1"}

    def deregister(self, params: Params) -> Answer:
        from aws_server import Failure

        if self.targets.pop(params["ResourceId"], None) is None:
            return Failure(code="ObjectNotFoundException", message="no target")
        return {}

    # --- inference -----------------------------------------------------------------------------------

    def invoke(self, params: Params) -> Answer:
        """Triton's own client reads the request and writes the answer."""
        from aws_server import Failure

        if params["EndpointName"] not in self.endpoints:
            return Failure(code="ValidationError", message="Endpoint of account 1 not found.")
        self.chosen.append(params.get("TargetVariant"))
        content, kind = params["Body"], params["ContentType"]
        split = int(kind.removeprefix(BINARY)) if kind.startswith(BINARY) else len(content)
        request = json.loads(content[:split])
        outputs, raw = [], b""
        for given in request["inputs"]:
            size = given["parameters"]["binary_data_size"]
            part, content = content[split : split + size], content[:split] + content[split + size :]
            array = doubled(given, part)
            outputs.append({**given, "name": f"{given['name']}2"})
            raw += array
        text = json.dumps({"model_name": "m", "model_version": "1", "outputs": outputs}).encode()
        return {
            "Body": text + raw,
            "ContentType": f"{BINARY}{len(text)}",
            "InvokedProductionVariant": params.get("TargetVariant") or "a",
        }


def doubled(given: Params, part: bytes) -> bytes:
    import numpy as np
    from tritonclient.utils import triton_to_np_dtype

    array: Any = np.frombuffer(part, triton_to_np_dtype(given["datatype"])).reshape(given["shape"])
    found: bytes = (array * 2).astype(array.dtype).tobytes()
    return found


def refused(words: str) -> Any:
    from aws_server import Failure

    return Failure(code="ValidationException", message=words)


def arn(kind: str, name: str) -> str:
    return f"{ARN}:{ {'Model': 'model', 'EndpointConfig': 'endpoint-config', 'Endpoint': 'endpoint'}[kind] }/{name}"
