"""The kit's own tests, and one of what the program really reads."""

from __future__ import annotations

from cloudai import Client
from cloudai.testing import DriverConformance, Harness
from cloudai.testing.samples import picture


class TesseractHarness(Harness):
    provider = "tesseract"


class TestTesseract(DriverConformance):
    harness = TesseractHarness()

    def test_it_reads(self) -> None:
        with Client(self.harness.config()) as client:
            assert client.vision.read_text(picture()).text.strip() == "Hello World 42"
