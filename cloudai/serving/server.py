"""One process that serves: opens the models, listens with uvicorn, looks at the folder, and ends without dropping work.

SIGTERM or SIGINT: readiness is denied at once; after `drain_delay` (time for a load balancer to notice) no connection
is taken any more, requests in progress are answered, and the process ends with 0. A second signal ends it now.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import uvicorn

from cloudai.errors import CloudAIError, InvalidInput
from cloudai.serving.app import App
from cloudai.serving.connection import Connection
from cloudai.serving.guard import check_settings
from cloudai.serving.metrics import Meters
from cloudai.serving.models import Models
from cloudai.serving.settings import ServeSettings

if TYPE_CHECKING:
    from cloudai.serving.engine import ModelSource

log = logging.getLogger("cloudai.serve")


class _Server(uvicorn.Server):
    """uvicorn's, whose signals are ours, and which says when it listens."""

    def __init__(self, config: uvicorn.Config, opened: Callable[[], None]) -> None:
        super().__init__(config)
        self._opened = opened

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._opened()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(settings: ServeSettings, source: ModelSource, *, opened: Callable[[str], None]) -> None:
    """Serves until a signal. `opened` is called with the address when the first request can come.

    Raises `ConfigError` for settings that are not safe, `InvalidInput` when a model can't be loaded, `OSError` when the
    port is taken.
    """
    check_settings(settings)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(settings, source, opened=opened))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # `cloudai[serve]` alone, or Windows
        return None
    return uvloop.new_event_loop


async def serve(settings: ServeSettings, source: ModelSource, *, opened: Callable[[str], None]) -> None:
    """The same within a running event loop."""
    async with application(settings, source) as app:
        with listen(settings) as listener:
            address = "http://{}:{}".format(*_host_and_port(listener.getsockname()))
            server = _Server(_config(app, settings), lambda: opened(address))
            with _stopping(server, app, settings):
                await server.serve(sockets=[listener])


@contextlib.asynccontextmanager
async def application(settings: ServeSettings, source: ModelSource) -> AsyncIterator[App]:
    """The ASGI callable with its models loaded and its folder looked at, for any ASGI server.

    Raises `InvalidInput` when a model of the folder can't be loaded: a server that lacks a model is not started.
    """
    meters = Meters()
    models = Models(source, meters, max_json=settings.max_json)
    watcher: asyncio.Task[None] | None = None
    try:
        await models.refresh()
        if models.problems:
            raise InvalidInput("\n".join(models.problems))
        if not models.states():
            raise InvalidInput(f"{settings.folder} has no models: see docs/serve.md")
        app = App(models, meters, settings)
        if settings.reload > 0:
            watcher = asyncio.create_task(_watch(models, settings.reload))
        app.state.started = True
        yield app
    finally:
        if watcher is not None:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
        await models.close()


async def _watch(models: Models, seconds: float) -> None:
    """Hot reload. What goes wrong with a look is told once, and the next one is taken all the same."""
    told = ""
    while True:
        await asyncio.sleep(seconds)
        try:
            await models.refresh(settled=True)
            told = ""
        except (CloudAIError, OSError) as error:
            if str(error) != told:
                log.error("the model folder can't be looked at: %s", error)
            told = str(error)


def _config(app: App, settings: ServeSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        host=settings.host,
        port=settings.port,
        backlog=2048,
        log_config=None,
        access_log=settings.access_log,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, int(settings.drain_timeout)),
    )


def listen(settings: ServeSettings) -> socket.socket:
    """A socket bound to the settings' address. Raises `InvalidInput` when it can't be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio looks at it for TCP_NODELAY
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise InvalidInput(f"can't listen on {settings.host}:{settings.port}: {error.strerror or error}") from error
    return listener


def _host_and_port(address: tuple[str, int] | tuple[str, int, int, int]) -> tuple[str, int]:
    return (f"[{address[0]}]" if ":" in address[0] else address[0]), address[1]


@contextlib.contextmanager
def _stopping(server: _Server, app: App, settings: ServeSettings) -> Iterator[None]:
    """Signals of this process while it serves."""
    loop = asyncio.get_running_loop()
    pending: list[asyncio.TimerHandle] = []

    def stop() -> None:
        if app.state.draining:
            server.should_exit = server.force_exit = True
            return
        app.state.draining = True
        log.info("stopping: no new connections in %g s, then requests in progress are answered", settings.drain_delay)
        pending.append(loop.call_later(settings.drain_delay, setattr, server, "should_exit", True))

    if sys.platform == "win32":  # its event loop takes no signal handlers: uvicorn's default is a KeyboardInterrupt
        yield
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        for handle in pending:
            handle.cancel()
