"""The planner: operations and their meters, the price book, workloads, estimates. Imports nothing of `cloudai`.

Standard library only, names loaded at first use:

    workload = cloudai_pricing.load("portal.toml")
    result = cloudai_pricing.estimate(workload)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudai_pricing.book import Book
    from cloudai_pricing.callcost import CallPrice, PriceRef, UnitPrice, price_call, unit_price
    from cloudai_pricing.errors import PlanError
    from cloudai_pricing.estimator import estimate
    from cloudai_pricing.model import Estimate
    from cloudai_pricing.operations import Operation, billable
    from cloudai_pricing.overlay import Overlay
    from cloudai_pricing.overlay_file import load_overlay
    from cloudai_pricing.tomlfile import TomlError, TomlFile
    from cloudai_pricing.variant_totals import variants
    from cloudai_pricing.workload import Workload
    from cloudai_pricing.workload_file import load

_HOMES = {
    "Book": "book",
    "CallPrice": "callcost",
    "Estimate": "model",
    "Operation": "operations",
    "Overlay": "overlay",
    "PlanError": "errors",
    "PriceRef": "callcost",
    "TomlError": "tomlfile",
    "TomlFile": "tomlfile",
    "UnitPrice": "callcost",
    "Workload": "workload",
    "billable": "operations",
    "estimate": "estimator",
    "load": "workload_file",
    "load_overlay": "overlay_file",
    "price_call": "callcost",
    "unit_price": "callcost",
    "variants": "variant_totals",
}

__all__ = [
    "Book",
    "CallPrice",
    "Estimate",
    "Operation",
    "Overlay",
    "PlanError",
    "PriceRef",
    "TomlError",
    "TomlFile",
    "UnitPrice",
    "Workload",
    "billable",
    "estimate",
    "load",
    "load_overlay",
    "price_call",
    "unit_price",
    "variants",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
