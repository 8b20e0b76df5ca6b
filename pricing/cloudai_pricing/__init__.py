"""The planner: operations and their meters, the price book, workloads, estimates. Imports nothing of `cloudai`.

Standard library only, names loaded at first use:

    workload = cloudai_pricing.load("portal.toml")
    result = cloudai_pricing.estimate(workload)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudai_pricing.errors import PlanError
    from cloudai_pricing.operations import Operation, billable, operations
    from cloudai_pricing.tomlfile import TomlError, TomlFile

_HOMES = {
    "Operation": "operations",
    "PlanError": "errors",
    "TomlError": "tomlfile",
    "TomlFile": "tomlfile",
    "billable": "operations",
    "operations": "operations",
}

__all__ = ["Operation", "PlanError", "TomlError", "TomlFile", "billable", "operations"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
