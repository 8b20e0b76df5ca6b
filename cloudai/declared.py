"""A provider whose capabilities and prices are known and whose driver is not in this version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from cloudai.errors import Unsupported
from cloudai.settings import BackendSettings, OptionsModel


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredProvider:
    """It can be planned with, priced and compared; a backend of it can't be opened, and says so."""

    name: str
    settings: type[BackendSettings] = BackendSettings
    implements: frozenset[str] = frozenset()

    @property
    def options(self) -> Mapping[str, type[OptionsModel]]:
        """None: there is nothing to pass them to."""
        return {}

    def open(self, settings: BackendSettings, *, backend: str) -> NoReturn:
        """Raises `Unsupported`."""
        raise Unsupported(
            f"this version of cloudai has no {self.name} driver yet, so [backends.{backend}] can't be used; its "
            "capabilities and prices are there: `cloudai operations`, `cloudai estimate`",
            provider=self.name,
            backend=backend,
        )
