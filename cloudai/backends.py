"""Opened backends, and for each operation which of them serve it: decided once, when a client opens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cloudai.config import Config, Route
from cloudai.config_document import nearest
from cloudai.delivery import marked
from cloudai.driver import OwnLimits
from cloudai.errors import CloudAIError, ConfigError, ErrorCode, Fault, ServiceError, Unsupported
from cloudai.traces import forget_locals
from cloudai.types.results import Notice

if TYPE_CHECKING:
    from cloudai.capabilities import Capabilities, Operation
    from cloudai.registry import ProviderEntry, Registry
    from cloudai.settings import BackendSettings, OptionsModel
    from cloudai.types.results import Model

Opener = Callable[["ProviderEntry", "BackendSettings", str], Any]
"""Makes a driver (sync or async) from a provider, its typed settings and the backend's name."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One configured and opened instance of a provider."""

    name: str
    entry: ProviderEntry
    settings: BackendSettings
    driver: Any
    """A `Driver`; its methods are `async` when it came from an `AsyncProvider`."""
    asynchronous: bool = False

    @property
    def provider(self) -> str:
        """`aws`, `gcp`, `azure`, `local`, or a third party's name."""
        return self.entry.name

    @property
    def region(self) -> str | None:
        """As configured."""
        return self.settings.region

    @property
    def capabilities(self) -> Capabilities:
        """What the provider declares."""
        return self.entry.capabilities

    @cached_property
    def unavailable(self) -> Mapping[str, str]:
        """What the driver has code for but can't do here, with the reasons."""
        found: Mapping[str, str] = self.driver.unavailable()
        return found

    @cached_property
    def billed_as(self) -> Callable[[str, Model], frozenset[str]] | None:
        """The driver's own, of the SKUs that it has a request billed by; `None`: it does not say."""
        found: Callable[[str, Model], frozenset[str]] | None = getattr(self.driver, "billed_as", None)
        return found

    def gap(self, operation: str) -> str | None:
        """Why this backend can't serve an operation; `None`: it can."""
        declared = self.capabilities.operation(operation)
        if declared is None:
            return f"{self.provider} does not declare {operation}"
        if declared.support == "no":
            return declared.reason
        if operation not in self.entry.provider.implements:
            return f"{declared.service or self.provider} offers it; this version's {self.provider} driver does not"
        return self.unavailable.get(operation)

    def barred(self, operation: str, route: Route) -> str | None:
        """Why a route's conditions keep this backend out; `None`: they don't."""
        if route.residency is not None:
            from cloudai.residency import outside

            if (why := outside(route.residency, provider=self.provider, region=self.region)) is not None:
                return why
        if route.data_class is not None and route.data_class not in self.settings.data_classes:
            return f'not cleared for "{route.data_class}": its data_classes don\'t have it'
        declared = self.capabilities.operation(operation)
        features = declared.features if declared is not None else {}
        for need in route.needs:
            feature = features.get(need)
            if feature is None or feature.support == "no":
                return f"lacks {need}: {feature.reason if feature else 'not declared'}"
        return None

    def options(self, operation: str, given: Mapping[str, Mapping[str, Any]] | None) -> OptionsModel | None:
        """This provider's part of `options=`, typed. Raises `ConfigError` for an unknown or wrong one."""
        mine = (given or {}).get(self.provider)
        if mine is None:
            return None
        from pydantic import ValidationError

        model = self.entry.provider.options.get(operation)
        if model is None:
            raise Unsupported(f"{self.provider} has no options for {operation}", operation=operation, backend=self.name)
        try:
            return model.model_validate(mine)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            hint = nearest(key, model.model_fields) if first["type"] == "extra_forbidden" else f": {first['msg']}"
            raise ConfigError(f"options[{self.provider!r}].{key}{hint}", operation=operation) from None

    def error(self, error: Exception, operation: str) -> CloudAIError:
        """What a driver's exception means to the caller: raise it `from` that exception.

        The backend's own secrets are taken out of the message, and local variables out of the traceback.
        """
        forget_locals(error)
        forget_locals(sys.exception())
        if isinstance(error, CloudAIError):
            error.provider = error.provider or self.provider
            error.backend = error.backend or self.name
            error.operation = error.operation or operation
            error.delivery = marked(error) or error.delivery
            return error
        fault: Fault | None = self.driver.classify(error)
        if fault is None:
            fault = Fault(
                code=ErrorCode.INTERNAL, message=f"{self.provider} driver failed: {type(error).__name__}: {error}"
            )
        return ServiceError(
            self._without_secrets(fault.message or f"{type(error).__name__}: {error}"),
            code=fault.code,
            provider=self.provider,
            backend=self.name,
            operation=operation,
            retryable=fault.retryable,
            retry_after=fault.retry_after,
            request_id=fault.request_id,
            delivery=marked(error) or fault.delivery,
        )

    def _without_secrets(self, message: str) -> str:
        secret = self.settings.api_key.get_secret_value() if self.settings.api_key else ""
        return message.replace(secret, "***") if secret else message


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A backend that can serve one operation."""

    backend: Backend
    method: Callable[..., Any]
    declared: Operation
    notices: tuple[Notice, ...]
    """Said with each result: partial, preview, gated or retiring support."""

    def calling(self, method: Callable[..., Any]) -> Candidate:
        """The same backend asked through another method of its driver."""
        return replace(self, method=method)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How one operation is served: candidates in order, and who was skipped and why."""

    operation: str
    route: Route | None
    candidates: tuple[Candidate, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    """(backend, reason)."""

    def refuse(self) -> Unsupported:
        """The error for an operation that nobody can serve."""
        if self.route is None:
            return Unsupported(f"no route for {self.operation}: add it to [routes]", operation=self.operation)
        reasons = "; ".join(f"{backend}: {reason}" for backend, reason in self.skipped)
        return Unsupported(f"no backend can serve it: {reasons}", operation=self.operation)


def open_backends(config: Config, registry: Registry, opener: Opener) -> Mapping[str, Backend]:
    """Opens every backend that a route names. On failure those already open are closed again."""
    opened: dict[str, Backend] = {}
    try:
        for name in config.used_backends:
            opened[name] = open_backend(config, registry, name, opener)
    except BaseException as error:
        forget_locals(error)
        for backend in opened.values():
            if not backend.asynchronous:
                backend.driver.close()
        raise
    return opened


def open_backend(config: Config, registry: Registry, name: str, opener: Opener) -> Backend:
    """One backend by name, typed by its provider."""
    written = config.backends[name]
    entry = registry.get(written.provider, where=written.where("provider"))
    settings = entry.settings(written)
    try:
        driver = opener(entry, settings, name)
    except CloudAIError as error:
        error.provider, error.backend = error.provider or entry.name, error.backend or name
        raise
    asynchronous = getattr(driver, "asynchronous", False)
    return Backend(name=name, entry=entry, settings=settings, driver=driver, asynchronous=bool(asynchronous))


def plan(operation: str, verb: str, config: Config, opened: Mapping[str, Backend]) -> Plan:
    """Raises `Unsupported` when an exact route names a backend that can't; a wildcard route skips it."""
    route = config.route(operation)
    if route is None:
        return Plan(operation=operation, route=None)
    candidates, skipped = [], []
    for name in route.backends:
        gap = opened[name].gap(operation) or opened[name].barred(operation, route)
        if gap is None:
            candidates.append(candidate(opened[name], operation, verb))
        elif route.wildcard:
            skipped.append((name, gap))
        else:
            raise Unsupported(
                f"{route.origin}: the route names {name}, which can't serve it: {gap}",
                operation=operation,
                backend=name,
            )
    return Plan(operation=operation, route=route, candidates=tuple(candidates), skipped=tuple(skipped))


def candidate(backend: Backend, operation: str, verb: str) -> Candidate:
    """A backend that was found able."""
    declared = backend.capabilities.operation(operation)
    assert declared is not None  # gap() said so
    if isinstance(backend.driver, OwnLimits):
        declared = replace(declared, limits=backend.driver.limits(operation, declared.limits))
    notices = tuple[Notice, ...]()
    if declared.support != "yes":
        notices = (Notice(code=declared.support, message=f"{backend.provider}: {declared.reason}"),)
    return Candidate(backend=backend, method=getattr(backend.driver, verb), declared=declared, notices=notices)
