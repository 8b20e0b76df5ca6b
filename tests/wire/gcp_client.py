"""A client of the loopback Google, for the tests of the gcp driver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gcp_answers import ANSWERS, settings
from gcp_server import KEY, GoogleServer, google

from cloudai import AsyncClient, Client
from cloudai.config import BackendConfig, Config, Origin, Policy, Route

HERE = Origin(place="test")


def config(values: Mapping[str, Any], **policy: Any) -> Config:
    """One backend, asked once unless `policy` says more."""
    backend = BackendConfig(name="g", provider="gcp", values={"provider": "gcp", **values}, origin=HERE)
    return Config(
        source=None,
        backends={"g": backend},
        routes=(Route(pattern="*", backends=("g",), origin=HERE),),
        policy=Policy(**{"timeout": 10.0, "deadline": 30.0, "max_attempts": 1, "backoff": 0.01, **policy}),
    )


@contextmanager
def opened(tmp_path: Path, **more: Any) -> Iterator[tuple[Client, GoogleServer]]:
    """With a service account."""
    with google(ANSWERS) as server, Client(config(settings(server, tmp_path, **more))) as client:
        yield client, server


@contextmanager
def with_key(**more: Any) -> Iterator[tuple[Client, GoogleServer]]:
    """With an API key."""
    with google(ANSWERS) as server, Client(config({"endpoint_url": server.url, "api_key": KEY, **more})) as client:
        yield client, server


def ask(kind: str, made: Config, service: str, verb: str, *args: Any, **arguments: Any) -> Any:
    """One call, `sync` or `async`."""
    if kind == "sync":
        with Client(made) as client:
            return getattr(getattr(client, service), verb)(*args, **arguments)

    async def once() -> Any:
        async with AsyncClient(made) as client:
            return await getattr(getattr(client, service), verb)(*args, **arguments)

    return asyncio.run(once())
