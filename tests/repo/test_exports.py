"""The public surface: sorted, complete, and each name is there."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("name", ["cloudai", "cloudai.testing", "cloudai_pricing"])
def test_exports_are_sorted_and_can_be_had(name: str) -> None:
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(module.__all__)
    for export in module.__all__:
        assert getattr(module, export) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    import cloudai

    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = cloudai.Klient
