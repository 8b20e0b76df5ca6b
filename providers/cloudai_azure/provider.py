"""The entry point of the `azure` provider."""

from __future__ import annotations

from cloudai.declared import DeclaredProvider
from cloudai.driver import Provider

PROVIDER: Provider = DeclaredProvider(name="azure")
