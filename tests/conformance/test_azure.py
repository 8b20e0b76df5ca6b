"""The Azure provider passes the kit over a server that holds each request and answer to Azure's own descriptions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

from azure_answers import azure, settings

from cloudai.testing import DriverConformance, Harness


class AzureHarness(Harness):
    provider = "azure"
    values: ClassVar[dict[str, Any]] = {}
    timeout = 20.0
    not_yet = frozenset({"custom.train", "custom.deploy", "custom.predict", "custom.batch_predict"})


@pytest.fixture(autouse=True, scope="module")
def _server() -> Iterator[None]:
    with azure() as server:
        AzureHarness.values = {name: value for name, value in settings(server).items() if name != "provider"}
        yield


class TestAzure(DriverConformance):
    harness = AzureHarness()
