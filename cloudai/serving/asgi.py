"""The endpoint as an ASGI application with a lifespan, for another server than ours: Ray Serve, Hypercorn, Gunicorn.

    app = endpoint(ServeSettings(folder=Path("models"), key=os.environ["CLOUDAI_SERVE_KEY"]))

It can be pickled until it is started: models are opened by the process that serves them.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from cloudai.errors import CloudAIError
from cloudai.serving.settings import ServeSettings
from cloudai.serving.sources import open_source

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from cloudai.serving.app import App


def endpoint(settings: ServeSettings) -> Endpoint:
    """`settings.host` and `settings.port` are the other server's business, and so is the drain."""
    return Endpoint(settings)


class Endpoint:
    """An ASGI callable. Models are loaded when its lifespan begins and let go when it ends."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is None:
            raise RuntimeError("this application needs a server that runs the ASGI lifespan")
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        from cloudai.serving.server import application

        await receive()
        async with AsyncExitStack() as stack:
            try:
                source = open_source(self._settings)
                self._app = await stack.enter_async_context(application(self._settings, source))
            except CloudAIError as error:
                await send({"type": "lifespan.startup.failed", "message": error.message})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self._app.state.draining = True
        self._app = None
        await send({"type": "lifespan.shutdown.complete"})
