"""What drivers implement is within what their providers declare; what is declared and not implemented is listed."""

from __future__ import annotations

import pytest

from cloudai.registry import Registry

OPERATIONS_NOT_YET: dict[str, frozenset[str]] = {
    "gcp": frozenset({"custom.batch_predict"}),
}
"""Offered, and not in the driver of this version. May only shrink."""


@pytest.mark.parametrize("name", ["aws", "gcp", "azure", "local", "fake"])
def test_implemented_is_within_declared(name: str) -> None:
    entry = Registry.installed().get(name)
    offered = {operation.name for operation in entry.capabilities.operations.values() if operation.support != "no"}
    assert entry.provider.implements <= offered
    assert offered - entry.provider.implements == OPERATIONS_NOT_YET.get(name, frozenset())


def test_no_other_provider_is_registered_by_this_distribution() -> None:
    mine = [name for name in Registry.installed().names if Registry.installed().get(name).distribution == "cloudai"]
    assert mine == ["aws", "azure", "fake", "gcp", "local"]
