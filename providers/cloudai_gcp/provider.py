"""The entry point of `gcp`: what it implements, its settings and options. Imports no SDK and no pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudai.settings import BackendSettings, OptionsModel
    from cloudai_gcp.async_driver import AsyncGcpDriver
    from cloudai_gcp.driver import GcpDriver
    from cloudai_gcp.settings import GcpSettings

VISION = (
    "vision.detect_labels",
    "vision.detect_objects",
    "vision.detect_faces",
    "vision.read_text",
    "vision.moderate",
    "vision.detect_landmarks",
    "vision.detect_logos",
)
IMPLEMENTS = frozenset(
    {
        *VISION,
        "vision.read_document",
        "speech.transcribe",
        "speech.synthesize",
        "speech.voices",
        "translation.translate",
        "translation.detect_language",
        "translation.languages",
        "translation.translate_document",
        "custom.train",
        "custom.deploy",
        "custom.predict",
        "custom.batch_predict",
    }
)


class GcpProvider:
    """`provider = "gcp"`: Google Cloud over its REST interfaces, sync and async."""

    @property
    def name(self) -> str:
        return "gcp"

    @property
    def implements(self) -> frozenset[str]:
        return IMPLEMENTS

    @property
    def settings(self) -> type[BackendSettings]:
        from cloudai_gcp.settings import GcpSettings

        return GcpSettings

    @property
    def options(self) -> Mapping[str, type[OptionsModel]]:
        """The model of a Vision feature, and the model of a transcription."""
        from cloudai_gcp.settings import TranscribeOptions, VisionOptions

        return {**dict.fromkeys(VISION, VisionOptions), "speech.transcribe": TranscribeOptions}

    def open(self, settings: BackendSettings, *, backend: str) -> GcpDriver:
        """A driver for one backend. Credentials are looked for by the first call, not here."""
        from cloudai_gcp.driver import GcpDriver

        return GcpDriver(_checked(settings, backend, asynchronous=False), backend=backend)

    def open_async(self, settings: BackendSettings, *, backend: str) -> AsyncGcpDriver:
        """The same for an event loop."""
        from cloudai_gcp.async_driver import AsyncGcpDriver

        return AsyncGcpDriver(_checked(settings, backend, asynchronous=True), backend=backend)


def _checked(settings: BackendSettings, backend: str, *, asynchronous: bool) -> GcpSettings:
    """Raises `ConfigError` for settings that contradict each other, `MissingDependency` for what is not installed."""
    from cloudai.errors import ConfigError, MissingDependency
    from cloudai.http import check_cleartext
    from cloudai_gcp.settings import GcpSettings

    if not isinstance(settings, GcpSettings):
        settings = GcpSettings.model_validate(settings.model_dump())
    if settings.api_key is not None and settings.credentials_file is not None:
        raise ConfigError(f"[backends.{backend}] has api_key and credentials_file: keep one of them")
    if settings.endpoint_url is not None:
        check_cleartext(settings.endpoint_url, backend=backend)
    needed = (*(("aiohttp",) if asynchronous else ()), *(("google.auth",) if settings.api_key is None else ()))
    for module in needed:
        if not _found(module):
            text = f"the gcp driver needs the package {module.replace('.', '-')}"
            raise MissingDependency(text, install="pip install 'cloudai[gcp]'", provider="gcp", backend=backend)
    return settings


def _found(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is not there
        return False


PROVIDER = GcpProvider()
"""The `gcp` provider: Google Cloud. Its capabilities stand in `capabilities.toml` beside this file."""
