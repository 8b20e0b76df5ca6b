"""Objects of Cloud Storage read for backends that can't be given their address."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_answers import ANSWERS, settings
from gcp_client import HERE
from gcp_server import google

from cloudai import AsyncClient, Client
from cloudai.config import BackendConfig, Config, InputSettings, Policy, Route
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing import FakeBackend
from cloudai.testing.samples import picture

URI = "gs://bucket/folder/tower+ü.png"


def routed(values: dict[str, Any]) -> Config:
    """Vision goes to the fake, which reads bytes only; Google is there with its credentials."""
    backends = {
        "f": BackendConfig(name="f", provider="fake", values={"provider": "fake"}, origin=HERE),
        "g": BackendConfig(name="g", provider="gcp", values={"provider": "gcp", **values}, origin=HERE),
    }
    routes = (
        Route(pattern="vision.*", backends=("f",), origin=HERE),
        Route(pattern="*", backends=("g",), origin=HERE),
    )
    return Config(source=None, backends=backends, routes=routes, policy=Policy(max_attempts=1))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_object_is_read_for_another_backend(kind: str, tmp_path: Path) -> None:
    fake = FakeBackend()
    with google(ANSWERS) as server:
        server.objects[URI] = picture()
        made = routed(settings(server, tmp_path))
        if kind == "sync":
            with Client(made, providers=(fake,)) as client:
                client.vision.read_text(URI)
        else:

            async def once() -> None:
                async with AsyncClient(made, providers=(fake,)) as client:
                    await client.vision.read_text(URI)

            asyncio.run(once())
    assert fake.calls[0].request.image.content == picture()


def failed(made: Config) -> CloudAIError:
    with Client(made, providers=(FakeBackend(),)) as client, pytest.raises(CloudAIError) as caught:
        client.vision.read_text(URI)
    return caught.value


def test_an_object_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        error = failed(routed(settings(server, tmp_path)))
        assert (error.code, server.arrived) == (ErrorCode.NOT_FOUND, 1)


def test_an_object_over_the_bound_is_too_large(tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.objects[URI] = picture() + bytes(100_000)
        made = replace(routed(settings(server, tmp_path)), inputs=InputSettings(max_bytes=50_000))
        assert failed(made).code is ErrorCode.TOO_LARGE
