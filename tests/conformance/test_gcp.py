"""The Google Cloud provider passes the kit over a server that holds it to Google's own descriptions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

from gcp_answers import ANSWERS, settings
from gcp_server import KEY, google

from cloudai.testing import DriverConformance, Harness
from cloudai.testing.samples import Sample

NOT_YET = frozenset({"custom.train", "custom.deploy", "custom.predict", "custom.batch_predict"})
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"  # noqa: E501
SAMPLES = {
    "speech.synthesize": Sample(
        service="speech", verb="synthesize", first="Hello, world.", arguments={"voice": "en-US-Neural2-A"}
    ),
    "translation.translate_document": Sample(
        service="translation", verb="translate_document", first=PDF, arguments={"source": "en", "target": "es"}
    ),
}


class GcpHarness(Harness):
    provider = "gcp"
    values: ClassVar[dict[str, Any]] = {}
    timeout = 20.0
    not_yet = NOT_YET
    samples: ClassVar = SAMPLES


class GcpByKeyHarness(GcpHarness):
    """An API key: older versions of two services, and two operations less."""

    values: ClassVar[dict[str, Any]] = {}

    @property
    def implements(self) -> tuple[str, ...]:
        return tuple(
            name
            for name in super().implements
            if name not in ("vision.read_document", "translation.translate_document")
        )


@pytest.fixture(autouse=True, scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with google(ANSWERS) as server:
        GcpHarness.values = settings(server, tmp_path_factory.mktemp("gcp"))
        GcpByKeyHarness.values = {"endpoint_url": server.url, "api_key": KEY}
        yield


class TestGcp(DriverConformance):
    harness = GcpHarness()


class TestGcpByKey(DriverConformance):
    harness = GcpByKeyHarness()
    _answers: ClassVar = {}
