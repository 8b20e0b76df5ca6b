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
    from cloudai_pricing.operations import Operation, billable, operations
    from cloudai_pricing.tomlfile import TomlError, TomlFile

_HOMES = {
    "Book": "book",
    "CallPrice": "callcost",
    "Operation": "operations",
    "PlanError": "errors",
    "PriceRef": "callcost",
    "TomlError": "tomlfile",
    "TomlFile": "tomlfile",
    "UnitPrice": "callcost",
    "billable": "operations",
    "estimate": "estimate",
    "load": "workload_file",
    "operations": "operations",
    "price_call": "callcost",
    "unit_price": "callcost",
}

__all__ = [
    "Book",
    "CallPrice",
    "Operation",
    "PlanError",
    "PriceRef",
    "TomlError",
    "TomlFile",
    "UnitPrice",
    "billable",
    "operations",
    "price_call",
    "unit_price",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
