"""The ASGI application: the infer path as it is, all other routes through Starlette."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from cloudai.errors import ErrorCode, InvalidInput, ServiceError, Unsupported
from cloudai.serving import openapi
from cloudai.serving.body import read_body
from cloudai.serving.guard import Guard
from cloudai.serving.inference import Inference, failure, target
from cloudai.serving.metrics import Meters
from cloudai.serving.protocol import error_body
from cloudai.serving.settings import ServeSettings

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from cloudai.serving.engine import Port
    from cloudai.serving.models import Models

EXTENSIONS = ["binary_tensor_data", "model_repository"]
SMALL = 64 * 1024
"""Bytes that a request to the repository may have."""


class State:
    """What the routes look at beside the models."""

    def __init__(self) -> None:
        self.started = False
        self.draining = False


class App:
    """The whole server as one ASGI callable."""

    def __init__(self, models: Models, meters: Meters, settings: ServeSettings) -> None:
        self.state = State()
        self._models, self._meters, self._settings, self._guard = models, meters, settings, Guard(settings)
        self._infer = Inference(models, self._guard, meters, settings)
        self._rest = self._starlette()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            found = target(scope["path"])
            if found is not None:
                await self._infer(*found, scope, receive, send)
                return
        await self._rest(scope, receive, send)

    def _starlette(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v2", self._open(self._server)),
                Route("/v2/health/live", self._live),
                Route("/v2/health/ready", self._ready),
                Route("/v2/models/{name}", self._open(self._metadata)),
                Route("/v2/models/{name}/ready", self._open(self._model_ready)),
                Route("/v2/models/{name}/versions/{version}", self._open(self._metadata)),
                Route("/v2/models/{name}/versions/{version}/ready", self._open(self._model_ready)),
                Route("/v2/repository/index", self._open(self._index), methods=["POST"]),
                Route("/v2/repository/models/{name}/load", self._open(self._load), methods=["POST"]),
                Route("/v2/repository/models/{name}/unload", self._open(self._unload), methods=["POST"]),
                Route("/metrics", self._open(self._metrics)),
                Route("/openapi.json", self._open(self._openapi)),
                Route("/docs", self._open(self._docs)),
            ],
            exception_handlers={HTTPException: _http_error, Exception: _error},
        )

    def _open(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The handler behind the guard, with our errors as answers of the protocol."""

        async def guarded(request: Request) -> Response:
            try:
                self._guard.check_caller(dict(request.scope["headers"]))
                return await handler(request)
            except Exception as error:  # noqa: BLE001  # the border: every error is an answer of the protocol
                return _error(request, error)

        return guarded

    # --- health and metadata ----------------------------------------------------------------------------

    async def _live(self, request: Request) -> Response:
        return Response(status_code=200)

    async def _ready(self, request: Request) -> Response:
        ready = self.state.started and not self.state.draining
        return Response(status_code=200 if ready else 503)

    async def _server(self, request: Request) -> Response:
        from cloudai import __version__

        return _json({"name": "cloudai", "version": __version__, "extensions": EXTENSIONS})

    async def _metadata(self, request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params.get("version")
        engine = self._models.find(name, version).engine
        return _json(
            {
                "name": engine.name,
                "versions": self._models.versions(name),
                "platform": engine.platform,
                "inputs": [_port(port) for port in engine.inputs],
                "outputs": [_port(port) for port in engine.outputs],
            }
        )

    async def _model_ready(self, request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params.get("version")
        engine = self._models.find(name, version).engine
        if self.state.draining:
            raise ServiceError("this server is being stopped", code=ErrorCode.UNAVAILABLE)
        return _json({"name": engine.name, "ready": True})

    # --- the repository ---------------------------------------------------------------------------------

    async def _index(self, request: Request) -> Response:
        only_ready = (await self._object(request)).get("ready") is True
        return _json(
            [
                {"name": model.name, "version": model.version, "state": model.state, "reason": model.reason}
                for model in self._models.states()
                if model.state == "READY" or not only_ready
            ]
        )

    async def _object(self, request: Request) -> dict[str, object]:
        body = await read_body(request.receive, limit=SMALL, seconds=self._settings.body_timeout)
        try:
            value = orjson.loads(body or b"{}")
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"the request is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise InvalidInput("the request is no JSON object")
        return value

    async def _load(self, request: Request) -> Response:
        if (await self._object(request)).get("parameters"):
            raise Unsupported("a model is loaded as its folder has it: no parameters are taken")
        await self._models.load(request.path_params["name"])
        return Response(status_code=200)

    async def _unload(self, request: Request) -> Response:
        await self._models.unload(request.path_params["name"])
        return Response(status_code=200)

    # --- for people and Prometheus ----------------------------------------------------------------------

    async def _metrics(self, request: Request) -> Response:
        self._meters.inflight.set(self._guard.requests)
        for key, waiting in self._models.waiting.items():
            self._meters.waiting.labels(*key).set(waiting)
        return Response(self._meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _openapi(self, request: Request) -> Response:
        return _json(openapi.document())

    async def _docs(self, request: Request) -> Response:
        headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(openapi.page(), headers=headers)


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


def _port(port: Port) -> dict[str, object]:
    return {"name": port.name, "datatype": port.datatype, "shape": port.wire_shape()}


def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)
    return Response(
        error_body(f"{request.method} {request.url.path[:200]}: {error.detail}"),
        status_code=error.status_code,
        headers=error.headers,
        media_type="application/json",
    )


def _error(request: Request, error: Exception) -> Response:
    status, headers, body = failure(error)
    response = Response(body, status_code=status)
    response.raw_headers = headers
    return response
