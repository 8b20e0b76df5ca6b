"""The AWS provider passes the kit over a server that holds each request and answer to AWS's own descriptions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

from aws_answers import aws, settings

from cloudai.testing import DriverConformance, Harness


class AwsHarness(Harness):
    provider = "aws"
    values: ClassVar[dict[str, Any]] = {}
    timeout = 20.0
    not_yet = frozenset({"custom.train", "custom.deploy", "custom.predict", "custom.batch_predict"})


@pytest.fixture(autouse=True, scope="module")
def _server() -> Iterator[None]:
    with aws() as server:
        AwsHarness.values = {name: value for name, value in settings(server).items() if name != "provider"}
        yield


class TestAws(DriverConformance):
    harness = AwsHarness()
