"""Which providers are installed: entry points of the group `cloudai.providers`, read at first use.

A provider's capabilities are read from its package's folder without importing it; its module is imported when a
backend of it is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from cloudai.capabilities import Capabilities, find_capabilities, load_capabilities
from cloudai.config import BackendConfig, expand
from cloudai.config_document import nearest
from cloudai.errors import ConfigError, MissingDependency

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from pydantic import ValidationError

    from cloudai.driver import Driver, Provider
    from cloudai.settings import BackendSettings

GROUP = "cloudai.providers"


@dataclass(frozen=True, kw_only=True)
class ProviderEntry:
    """One installed provider."""

    name: str
    distribution: str
    target: str
    """`package.module:OBJECT`."""
    given: Provider | None = None
    """A provider handed to the client in code instead of an entry point."""

    @property
    def package(self) -> str:
        """The package whose folder has `capabilities.toml`."""
        return self.target.split(":")[0].rpartition(".")[0] or self.target.split(":")[0]

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the provider declares. Raises `ConfigError` when the file is missing or wrong."""
        own: Capabilities | None = getattr(self.given, "capabilities", None)
        return own if own is not None else load_capabilities(find_capabilities(self.package))

    @cached_property
    def provider(self) -> Provider:
        """The entry point's object. Raises `MissingDependency` when its module can't be imported."""
        if self.given is not None:
            return self.given
        import importlib

        module, _, attribute = self.target.partition(":")
        try:
            found: Provider = getattr(importlib.import_module(module), attribute or "PROVIDER")
        except ImportError as error:
            raise MissingDependency(
                f"provider {self.name!r} can't be loaded: {error}", install=self._install_line(), provider=self.name
            ) from error
        except AttributeError:
            raise ConfigError(f"provider {self.name!r} of {self.distribution}: {self.target} does not exist") from None
        return found

    def _install_line(self) -> str:
        if self.distribution == "cloudai":
            return f"pip install 'cloudai[{self.name}]'"
        return f"pip install --upgrade {self.distribution}"

    def settings(self, backend: BackendConfig) -> BackendSettings:
        """The backend's table, typed by its provider. Raises `ConfigError` with file, line and nearest key."""
        from pydantic import ValidationError

        model = self.provider.settings
        try:
            values = {"provider": backend.provider, **expand(backend)}
            return model.model_validate(values, context={"folder": backend.folder})
        except ValidationError as error:
            raise ConfigError(_explain(error, backend, model)) from None

    def open(self, backend: BackendConfig) -> Driver:
        """A driver for one backend."""
        return self.provider.open(self.settings(backend), backend=backend.name)


def _explain(error: ValidationError, backend: BackendConfig, model: type[BackendSettings]) -> str:
    """The first problem in words; values are never shown, they may be secrets."""
    first = error.errors(include_input=False, include_url=False)[0]
    key = str(first["loc"][0]) if first["loc"] else ""
    where, name = backend.where(key), ".".join(str(part) for part in ("backends", backend.name, *first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown key {name}{nearest(key, model.model_fields)}"
    return f"{where}: {name}: {first['msg']}"


class Registry:
    """Providers by name."""

    def __init__(self, entries: Mapping[str, ProviderEntry]) -> None:
        self._entries = entries

    @classmethod
    def installed(cls) -> Registry:
        """From the entry points of this environment; scanned once per process."""
        return _installed()

    @classmethod
    def of(cls, found: list[ProviderEntry]) -> Registry:
        """Raises `ConfigError` when two distributions claim one name."""
        entries: dict[str, ProviderEntry] = {}
        for entry in found:
            other = entries.setdefault(entry.name, entry)
            if (other.distribution, other.target) != (entry.distribution, entry.target):
                raise ConfigError(
                    f"provider {entry.name!r} is claimed by two distributions: {other.distribution} and "
                    f"{entry.distribution}: uninstall one of them"
                )
        return cls(entries)

    def with_providers(self, providers: tuple[Provider, ...]) -> Registry:
        """The same with providers given in code, which take the place of installed ones of their names."""
        given = {
            provider.name: ProviderEntry(
                name=provider.name,
                distribution="given in code",
                target=f"{type(provider).__module__}:{type(provider).__name__}",
                given=provider,
            )
            for provider in providers
        }
        return Registry({**self._entries, **given})

    @property
    def names(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted(self._entries))

    def get(self, name: str, *, where: str = "") -> ProviderEntry:
        """Raises `ConfigError` with the nearest name when it is not installed."""
        if name not in self._entries:
            place = f"{where}: " if where else ""
            raise ConfigError(f"{place}unknown provider {name!r}{nearest(name, self.names)}")
        return self._entries[name]


@cache
def _installed() -> Registry:
    from importlib.metadata import entry_points

    return Registry.of([_entry(point) for point in entry_points(group=GROUP)])


def _entry(point: EntryPoint) -> ProviderEntry:
    distribution: Any = point.dist
    name = distribution.metadata["Name"] if distribution is not None else "an unknown distribution"
    return ProviderEntry(name=point.name, distribution=str(name), target=point.value)
