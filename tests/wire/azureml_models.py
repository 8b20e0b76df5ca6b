"""Requests and answers of Azure Machine Learning held to azure-ai-ml's own REST models, with their discriminators."""

from __future__ import annotations

import typing
import warnings
from functools import cache
from typing import Any

import azure_schema
from jsonschema import Draft202012Validator

with warnings.catch_warnings():  # azure-ai-ml uses what marshmallow will not have any more
    warnings.simplefilter("ignore")
    from azure.ai.ml._restclient.arm_ml_service import models
    from azure.ai.ml._restclient.runhistory import models as history

Json = dict[str, Any]


class _Models(azure_schema._Builder):
    """With the subclasses that a discriminator chooses."""

    def of(self, kind: Any) -> Json:
        if typing.get_origin(kind) is typing.Literal:
            return {"enum": [getattr(each, "value", each) for each in typing.get_args(kind)]}
        made: Json = super().of(kind)
        return made

    def model(self, kind: type) -> Json:
        own = vars(kind).get("__mapping__") or {}
        if own and kind.__name__ not in self.defs:
            self.defs[kind.__name__] = {}
            self.defs[kind.__name__] = {"anyOf": [self.model(each) for each in own.values()]}
        made: Json = super().model(kind)
        return made


@cache
def validator(name: str) -> Draft202012Validator:
    kind = getattr(history, name, None) or getattr(models, name)
    builder = _Models(kind)
    return Draft202012Validator({**builder.root, "$defs": builder.defs})


def faults(name: str, value: object, *, answer: bool = False) -> list[str]:
    """What is wrong by the models. What only Azure sets is not asked of a request."""
    found: list[str] = []
    for error in validator(name).iter_errors(value):
        found += [
            each.message[:200] for each in _deepest(error) if answer or "is a required property" not in each.message
        ]
    return found


def _deepest(error: Any) -> list[Any]:
    """Of alternatives, those that got furthest: the discriminator's own."""
    if not error.context:
        return [error]
    branches: dict[Any, list[Any]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [each for each in branches.values() if not any("enum" in list(inner.schema_path) for inner in each)]
    chosen = min(fitting or list(branches.values()), key=len)
    return [each for inner in chosen for each in _deepest(inner)]
