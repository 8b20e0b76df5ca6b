"""A client of the loopback Azure, for the tests of the azure driver."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azure_answers import Batches, Documents, Translations, azure, settings
from azure_server import AzureServer

from cloudai import AsyncClient, Client
from cloudai.config import BackendConfig, Config, Origin, Policy, Route

HERE = Origin(place="test")


def config(values: Mapping[str, Any], **policy: Any) -> Config:
    """One backend, asked once unless `policy` says more."""
    backend = BackendConfig(name="z", provider="azure", values={"provider": "azure", **values}, origin=HERE)
    return Config(
        source=None,
        backends={"z": backend},
        routes=(Route(pattern="*", backends=("z",), origin=HERE),),
        policy=Policy(**{"timeout": 10.0, "deadline": 30.0, "max_attempts": 1, "backoff": 0.01, **policy}),
    )


@contextmanager
def opened(
    *,
    documents: Documents | None = None,
    batches: Batches | None = None,
    translations: Translations | None = None,
    strict: bool = True,
    **more: Any,
) -> Iterator[tuple[Client, AzureServer]]:
    """With a key; the server's violations fail the test at the block's end."""
    batches = batches or Batches()
    with azure(documents, batches, translations, strict=strict) as server:
        batches.url = server.url
        with Client(config(settings(server, **more))) as client:
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
