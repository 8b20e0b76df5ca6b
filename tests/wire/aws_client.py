"""A client with one AWS backend, on the strict server."""

from __future__ import annotations

from typing import Any

from aws_answers import settings
from aws_server import StrictServer

from cloudai import Client
from cloudai.config import BackendConfig, Config, Origin, Policy, Route


def config(server: StrictServer, *, attempts: int = 1, timeout: float = 20.0, **more: Any) -> Config:
    """Everything routed to it, with little backoff. A setting that is `None` is left out."""
    origin = Origin(place="test")
    values = {name: value for name, value in settings(server, **more).items() if value is not None}
    backend = BackendConfig(name="aws", provider="aws", values=values, origin=origin)
    return Config(
        source=None,
        backends={"aws": backend},
        routes=(Route(pattern="*", backends=("aws",), origin=origin),),
        policy=Policy(timeout=timeout, deadline=3 * timeout, max_attempts=attempts, backoff=0.01, max_backoff=0.02),
    )


def opened(server: StrictServer, **more: Any) -> Client:
    """A client of it."""
    return Client(config(server, **more))


def ready(client: Client, *services: str) -> None:
    """Has boto3 read what it must of these services: a second on a slow machine, and no part of a short timeout."""
    for service in services:
        client.driver("aws").client(service)
