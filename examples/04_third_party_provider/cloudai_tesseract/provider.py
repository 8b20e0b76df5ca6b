"""The entry point: imported when a backend of this provider is opened."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from cloudai.driver import Driver, Provider
from cloudai.settings import BackendSettings, OptionsModel


class TesseractSettings(BackendSettings):
    """`[backends.NAME]`: `program` is the executable's name or path."""

    program: str = "tesseract"


class TesseractOptions(OptionsModel):
    """`options={"tesseract": {"psm": 6}}`: the page segmentation mode, 0..13, of tesseract(1)."""

    psm: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class TesseractProvider:
    name: str = "tesseract"
    implements: frozenset[str] = frozenset({"vision.read_text"})
    settings: type[BackendSettings] = TesseractSettings

    @property
    def options(self) -> Mapping[str, type[OptionsModel]]:
        return {"vision.read_text": TesseractOptions}

    def open(self, settings: BackendSettings, *, backend: str) -> Driver:
        from cloudai_tesseract.driver import TesseractDriver

        assert isinstance(settings, TesseractSettings)
        return TesseractDriver(program=settings.program, found=shutil.which(settings.program))


PROVIDER: Provider = TesseractProvider()
