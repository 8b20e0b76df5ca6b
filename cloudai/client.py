"""`Client` and `AsyncClient`: what users hold. Concrete and portable; drivers stay behind them."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cloudai.backends import Backend, Opener, open_backends, plan
from cloudai.calls.engine import Engine
from cloudai.calls.lane import Lanes
from cloudai.calls.rates import rates_of
from cloudai.calls.run import AsyncRunner, Runner
from cloudai.config import Config, load_config
from cloudai.registry import ProviderEntry, Registry
from cloudai_pricing.operations import operations

if TYPE_CHECKING:
    from types import TracebackType

    from cloudai.calls.records import OnCall
    from cloudai.calls.redaction import Redact
    from cloudai.calls.watching import Watcher
    from cloudai.driver import Driver, Provider
    from cloudai.ledger import Books
    from cloudai.services.custom import Custom
    from cloudai.services.custom_async import AsyncCustom
    from cloudai.services.speech import Speech
    from cloudai.services.speech_async import AsyncSpeech
    from cloudai.services.translation import Translation
    from cloudai.services.translation_async import AsyncTranslation
    from cloudai.services.vision import Vision
    from cloudai.services.vision_async import AsyncVision
    from cloudai.settings import BackendSettings
    from cloudai_pricing import UnitPrice


class ConfigWarning(UserWarning):
    """Something in the config works but should be changed, such as a secret that stands in the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One backend's fitness for an operation."""

    backend: str
    provider: str
    region: str | None
    support: str
    """`yes`, `partial`, `preview`, `gated`, `retiring`, or `no`."""
    reason: str
    """Why not, or what to know; empty when there is nothing to say."""
    lacks: tuple[str, ...]
    """Features of the operation that it does not have, each with the reason."""
    price: UnitPrice | None
    """First paid tier; `None`: not in the price book, which is not the same as free."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Which backend would serve an operation, and why."""

    operation: str
    route: str
    """The route's pattern and where it was set."""
    choices: tuple[Choice, ...]
    """In the order they are asked."""
    skipped: tuple[Choice, ...]

    @property
    def backend(self) -> str | None:
        """Who is asked first; `None`: nobody can serve it."""
        return self.choices[0].backend if self.choices else None

    def __str__(self) -> str:
        lines = [f"{self.operation}: {self.backend or 'no backend can serve it'} (route {self.route})"]
        for choice in self.choices:
            price = f"{choice.price.price} USD per {choice.price.unit}" if choice.price else "price not known"
            lines.append(f"  {choice.backend} ({choice.provider}): {choice.support}, {price}")
            if choice.reason:
                lines.append(f"    {choice.reason}")
            lines += [f"    lacks {lack}" for lack in choice.lacks]
        lines += [f"  {choice.backend} ({choice.provider}) is skipped: {choice.reason}" for choice in self.skipped]
        return "\n".join(lines)


def open_engine(
    config: Config | str | os.PathLike[str] | None,
    backend: str | None,
    providers: tuple[Provider, ...],
    opener: Opener,
    redact: Redact | None = None,
    on_call: OnCall | None = None,
) -> Engine:
    """Reads the config, opens the backends that routes name, and decides who serves what."""
    from cloudai.calls.media import InputGuard

    loaded = config if isinstance(config, Config) else load_config(config)
    if backend is not None:
        loaded = loaded.only(backend)
    for warning in loaded.warnings:
        warnings.warn(warning, ConfigWarning, stacklevel=3)
    registry = Registry.installed()
    if providers:
        registry = registry.with_providers(providers)
    opened = open_backends(loaded, registry, opener)
    verbs = {operation.name: operation.verb for operation in operations().values()}
    bounds = loaded.inputs
    try:
        plans = {name: plan(name, verb, loaded, opened) for name, verb in verbs.items()}
    except BaseException:
        _close_all(opened)
        raise
    guard = InputGuard(
        max_bytes=bounds.max_bytes,
        max_pixels=bounds.max_pixels,
        max_seconds=bounds.max_seconds,
        allow_hosts=bounds.allow_hosts,
    )
    return Engine(
        config=loaded,
        backends=opened,
        plans=plans,
        verbs=verbs,
        guard=guard,
        lanes=Lanes(loaded.policy, rates_of(loaded, opened, verbs)),
        redact=redact,
        books=_books(loaded),
        watchers=_watchers(loaded),
        on_call=on_call,
    )


def _watchers(config: Config) -> tuple[Watcher, ...]:
    """OpenTelemetry, where it is asked for."""
    if not config.opentelemetry:
        return ()
    from cloudai.calls.telemetry import OpenTelemetry

    return (OpenTelemetry(),)


def _books(config: Config) -> Books | None:
    """Those of `[budget]`."""
    if config.budget is None:
        return None
    from cloudai.ledger import open_books

    return open_books(config.budget, folder=config.source.absolute().parent if config.source is not None else None)


def _close_all(opened: Mapping[str, Backend]) -> None:
    for backend in opened.values():
        if not backend.asynchronous:
            backend.driver.close()


class _Opened:
    """What both clients have: the engine, and questions about it that ask no backend."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._engine.config

    @property
    def backends(self) -> Mapping[str, Backend]:
        """The open backends by name."""
        return self._engine.backends

    def explain(self, operation: str) -> Explanation:
        """Which backend would serve `operation`, why, what it lacks, its price per unit. Nothing is sent."""
        from cloudai.config_document import nearest
        from cloudai.errors import InvalidInput

        if operation not in self._engine.plans:
            raise InvalidInput(f"unknown operation {operation!r}{nearest(operation, self._engine.plans)}")
        made = self._engine.plans[operation]
        route = f"{made.route.pattern!r} from {made.route.origin}" if made.route else "none"
        return Explanation(
            operation=operation,
            route=route,
            choices=tuple(choice_of(chosen.backend, operation, "") for chosen in made.candidates),
            skipped=tuple(choice_of(self.backends[name], operation, reason) for name, reason in made.skipped),
        )

    def _close_once(self) -> bool:
        """Whether this call is the one that closes."""
        with self._lock:
            first = not self._engine.closed
            if first:
                self._engine.close()
            return first


def choice_of(backend: Backend, operation: str, reason: str) -> Choice:
    """A backend's fitness for an operation; `reason` says why it is skipped, empty when it is not."""
    from cloudai_pricing import unit_price

    declared = backend.capabilities.operation(operation)
    features = declared.features if declared else {}
    lacks = [f"{name}: {known.reason}" for name, known in features.items() if known.support not in ("yes", "partial")]
    return Choice(
        backend=backend.name,
        provider=backend.provider,
        region=backend.region,
        support=declared.support if declared else "no",
        reason=reason or (declared.reason if declared else ""),
        lacks=tuple(lacks),
        price=unit_price(provider=backend.provider, operation=operation, region=backend.region),
    )


class Client(_Opened):
    """One configuration, open: `client.vision`, `client.speech`, `client.translation`, `client.custom`.

    Safe to use from many threads at once. Use it as a context manager, or call `close()`.

    `config` is a path, a `Config`, or `None` for the one that `cloudai config show` shows; `backend` sends every
    operation to one backend; `providers` are provider objects given in code (a fake in a test);
    `redact` is given every text before it leaves and answers the text that may; `on_call` is given the figures
    (`CallRecord`) of every call that ended, in its thread.

    Raises `ConfigError` for a wrong config, `MissingDependency` when a backend needs something installed, and
    `Unsupported` when a route names a backend that can't serve its operation: when it opens, not at the first call.
    """

    def __init__(
        self,
        config: Config | str | os.PathLike[str] | None = None,
        *,
        backend: str | None = None,
        providers: tuple[Provider, ...] = (),
        redact: Redact | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        super().__init__(open_engine(config, backend, providers, open_sync, redact, on_call))
        self._run = Runner(self._engine)

    @cached_property
    def vision(self) -> Vision:
        """Pictures and documents."""
        from cloudai.services.vision import Vision

        return Vision(self._run)

    @cached_property
    def speech(self) -> Speech:
        """Audio to text and text to audio."""
        from cloudai.services.speech import Speech

        return Speech(self._run)

    @cached_property
    def translation(self) -> Translation:
        """Text from one language to another."""
        from cloudai.services.translation import Translation

        return Translation(self._run)

    @cached_property
    def custom(self) -> Custom:
        """Models of the user's own."""
        from cloudai.services.custom import Custom

        return Custom(self._run)

    def driver(self, backend: str) -> Driver:
        """A backend's driver; its `client` is the vendor's own: the escape hatch."""
        driver: Driver = self._engine.backend(backend).driver
        return driver

    def close(self) -> None:
        """Closes every backend. May be called again."""
        if self._close_once():
            _close_all(self.backends)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Opened):
    """`Client` for asyncio: the same methods with `await`.

    Providers with an async driver run on the event loop; calls of the others run in threads.
    """

    def __init__(
        self,
        config: Config | str | os.PathLike[str] | None = None,
        *,
        backend: str | None = None,
        providers: tuple[Provider, ...] = (),
        redact: Redact | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        super().__init__(open_engine(config, backend, providers, open_async, redact, on_call))
        self._run = AsyncRunner(self._engine)

    @cached_property
    def vision(self) -> AsyncVision:
        """Pictures and documents."""
        from cloudai.services.vision_async import AsyncVision

        return AsyncVision(self._run)

    @cached_property
    def speech(self) -> AsyncSpeech:
        """Audio to text and text to audio."""
        from cloudai.services.speech_async import AsyncSpeech

        return AsyncSpeech(self._run)

    @cached_property
    def translation(self) -> AsyncTranslation:
        """Text from one language to another."""
        from cloudai.services.translation_async import AsyncTranslation

        return AsyncTranslation(self._run)

    @cached_property
    def custom(self) -> AsyncCustom:
        """Models of the user's own."""
        from cloudai.services.custom_async import AsyncCustom

        return AsyncCustom(self._run)

    def driver(self, backend: str) -> Any:
        """A backend's driver, async or not; its `client` is the vendor's own."""
        return self._engine.backend(backend).driver

    async def close(self) -> None:
        """Closes every backend. May be called again."""
        if not self._close_once():
            return
        _close_all(self.backends)
        for backend in self.backends.values():
            if backend.asynchronous:
                await backend.driver.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def open_sync(entry: ProviderEntry, settings: BackendSettings, name: str) -> Any:
    """A driver that is called in threads."""
    return entry.provider.open(settings, backend=name)


def open_async(entry: ProviderEntry, settings: BackendSettings, name: str) -> Any:
    """An async driver where the provider has one."""
    from cloudai.driver import AsyncProvider

    provider = entry.provider
    if isinstance(provider, AsyncProvider):
        return provider.open_async(settings, backend=name)
    return provider.open(settings, backend=name)
