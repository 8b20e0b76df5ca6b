"""For tests of code that uses cloudai, and for those who write providers.

- `FakeBackend`: a provider with scripted answers, and the pytest fixture `fake_backend`.
- `faults`: a server that speaks a provider's wire and misbehaves on script, and the pytest fixture `fault_server`.
- `DriverConformance` and `Harness`: the suite that every driver runs, third parties' included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudai.testing import faults
    from cloudai.testing.conformance import DriverConformance, Harness
    from cloudai.testing.fake import FakeBackend, FakeCall

__all__ = ["DriverConformance", "FakeBackend", "FakeCall", "Harness", "faults"]


def __getattr__(name: str) -> object:
    """pytest is imported only by those who ask for the suite."""
    import importlib

    if name == "faults":
        return importlib.import_module("cloudai.testing.faults")
    if name in ("DriverConformance", "Harness"):
        return getattr(importlib.import_module("cloudai.testing.conformance"), name)
    if name in ("FakeBackend", "FakeCall"):
        return getattr(importlib.import_module("cloudai.testing.fake"), name)
    raise AttributeError(f"module 'cloudai.testing' has no attribute {name!r}")
