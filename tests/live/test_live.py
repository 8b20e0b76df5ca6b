"""The conformance kit against real accounts: docs/live-tests.md says how to ask for it and what it costs."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from live_run import live_config

from cloudai import Client
from cloudai.config import Config
from cloudai.testing import DriverConformance, Harness
from cloudai.testing.samples import Sample, picture


def page() -> bytes:
    """A PDF of one page, with the kit's picture on it."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture())).save(buffer, "PDF")
    return buffer.getvalue()


class LiveHarness(Harness):
    """The kit's, on the backend of `CLOUDAI_LIVE_CONFIG`; jobs have minutes."""

    timeout = 300.0
    not_yet = frozenset[str]()

    @property
    def implements(self) -> tuple[str, ...]:
        """Without custom models: they make machines that cost by the hour."""
        return tuple(name for name in super().implements if not name.startswith("custom."))

    def config(self, **more: Any) -> Config:
        return live_config(self.provider, super().config(), more)


class AwsHarness(LiveHarness):
    provider = "aws"


DEAR = "translation.translate_document"
"""At Google 0.08 USD a page: called once, by a test of its own."""


class GcpHarness(LiveHarness):
    provider = "gcp"

    @property
    def implements(self) -> tuple[str, ...]:
        return tuple(name for name in super().implements if name != DEAR)

    samples: ClassVar = {
        "speech.synthesize": Sample(
            service="speech", verb="synthesize", first="Hello, world.", arguments={"voice": "en-US-Neural2-A"}
        ),
        "translation.translate_document": Sample(
            service="translation", verb="translate_document", first=page, arguments={"source": "en", "target": "es"}
        ),
    }


class AzureHarness(LiveHarness):
    provider = "azure"


@pytest.mark.live("aws")
class TestLiveAws(DriverConformance):
    harness = AwsHarness()
    _answers: ClassVar = {}


@pytest.mark.live("gcp")
class TestLiveGcp(DriverConformance):
    harness = GcpHarness()
    _answers: ClassVar = {}


@pytest.mark.live("gcp")
def test_a_document_is_translated_at_google() -> None:
    harness = GcpHarness()
    with Client(harness.config()) as client:
        answer = harness.sample(DEAR)(client)
    assert answer.document.startswith(b"%PDF")
    assert (answer.target, answer.usage[0].quantity) == ("es", 1)
    assert answer.cost is not None


@pytest.mark.live("azure")
class TestLiveAzure(DriverConformance):
    harness = AzureHarness()
    _answers: ClassVar = {}
