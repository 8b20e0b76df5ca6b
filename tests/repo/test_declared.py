"""What drivers implement is what their providers declare."""

from __future__ import annotations

import pytest

from cloudai.registry import Registry


@pytest.mark.parametrize("name", ["aws", "gcp", "azure", "local", "fake"])
def test_implemented_is_what_is_declared(name: str) -> None:
    entry = Registry.installed().get(name)
    offered = {operation.name for operation in entry.capabilities.operations.values() if operation.support != "no"}
    assert entry.provider.implements == offered


def test_no_other_provider_is_registered_by_this_distribution() -> None:
    mine = [name for name in Registry.installed().names if Registry.installed().get(name).distribution == "cloudai"]
    assert mine == ["aws", "azure", "fake", "gcp", "local"]
