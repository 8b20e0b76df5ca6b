"""Which container runs a job or serves a model: the user's own, the backend's setting, or AWS's of the region."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from cloudai.errors import InvalidInput

Table = Mapping[str, Mapping[str, Mapping[str, str]]]


def training_image(framework: str | None, region: str, *, gpu: bool, settings: Mapping[str, str]) -> str:
    """The address of a framework's container. Raises `InvalidInput` for one that is not known."""
    if framework is None:
        raise InvalidInput(f"SageMaker needs a container: framework = one of {_known(settings)}, or image = ...")
    if framework in settings:
        return settings[framework]
    if framework not in _table()["training"]:
        raise InvalidInput(
            f"no container is known for framework {framework!r}, only for {_known(settings)}: "
            "give image = ..., or training_images in the backend"
        )
    return _address("training", framework, region, gpu=gpu)


def serving_image(region: str, *, gpu: bool, own: str | None) -> str:
    """Triton's, unless the backend names another."""
    return own or _address("serving", "triton", region, gpu=gpu)


def _known(settings: Mapping[str, str]) -> str:
    return ", ".join(sorted({*_table()["training"], *settings}))


def _address(kind: str, name: str, region: str, *, gpu: bool) -> str:
    found = _table()[kind][name]
    tag = found.get("gpu" if gpu else "cpu")
    if tag is None:
        raise InvalidInput(f"AWS's {name} container has no GPU: give image = ..., or no accelerator")
    account = _table()["registries"][found["registry"]].get(region)
    if account is None:
        setting = "training_images" if kind == "training" else "serving_image"
        raise InvalidInput(f"AWS's {name} container is not known in {region}: give image = ..., or {setting}")
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{domain}/{found['repository']}:{tag}"


@cache
def _table() -> Table:
    text = files("cloudai_aws").joinpath("sagemaker_images.toml").read_text(encoding="utf-8")
    found: Table = tomllib.loads(text)
    return found
