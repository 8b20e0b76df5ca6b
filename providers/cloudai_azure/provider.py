"""The entry point of `azure`: what it implements, its settings and options. Imports no SDK and no pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudai.settings import BackendSettings, OptionsModel
    from cloudai_azure.async_driver import AsyncAzureDriver
    from cloudai_azure.driver import AzureDriver
    from cloudai_azure.settings import AzureSettings

IMPLEMENTS = frozenset(
    {
        "vision.detect_labels",
        "vision.detect_objects",
        "vision.detect_faces",
        "vision.read_text",
        "vision.read_document",
        "vision.moderate",
        "vision.detect_landmarks",
        "vision.detect_logos",
        "vision.caption",
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


class AzureProvider:
    """`provider = "azure"`: Vision, Face, Content Safety, Document Intelligence, Speech, Translator over REST."""

    @property
    def name(self) -> str:
        return "azure"

    @property
    def implements(self) -> frozenset[str]:
        """The operations the drivers have code for."""
        return IMPLEMENTS

    @property
    def settings(self) -> type[BackendSettings]:
        from cloudai_azure.settings import AzureSettings

        return AzureSettings

    @property
    def options(self) -> Mapping[str, type[OptionsModel]]:
        """Operation -> its options."""
        from cloudai_azure import settings

        return {
            "vision.detect_labels": settings.ImageOptions,
            "vision.detect_objects": settings.ImageOptions,
            "vision.read_text": settings.ImageOptions,
            "vision.caption": settings.ImageOptions,
            "vision.detect_faces": settings.FaceOptions,
            "vision.moderate": settings.ModerationOptions,
            "vision.read_document": settings.DocumentOptions,
            "translation.translate": settings.TranslateOptions,
            "translation.translate_document": settings.TranslateDocumentOptions,
            "speech.transcribe": settings.TranscribeOptions,
            "speech.synthesize": settings.SynthesizeOptions,
            "custom.batch_predict": settings.BatchOptions,
        }

    def open(self, settings: BackendSettings, *, backend: str) -> AzureDriver:
        """A driver for one backend. Credentials are looked for by the first call, not here."""
        from cloudai_azure.driver import AzureDriver

        return AzureDriver(_checked(settings, backend), backend=backend)

    def open_async(self, settings: BackendSettings, *, backend: str) -> AsyncAzureDriver:
        """The same for an event loop."""
        checked = _checked(settings, backend)
        _needs("aiohttp", backend)
        from cloudai_azure.async_driver import AsyncAzureDriver

        return AsyncAzureDriver(checked, backend=backend)


def _checked(settings: BackendSettings, backend: str) -> AzureSettings:
    """Raises `ConfigError` for settings that contradict each other, `MissingDependency` without azure-identity where
    no key is set."""
    from cloudai.errors import ConfigError
    from cloudai.http import check_cleartext
    from cloudai_azure.auth import key_of
    from cloudai_azure.settings import AzureSettings

    if not isinstance(settings, AzureSettings):
        settings = AzureSettings.model_validate(settings.model_dump())
    for name, address in settings.endpoints.items():
        check_cleartext(address, backend=backend, name=name)
    if settings.api_key is not None and settings.client_secret is not None:
        raise ConfigError(f"[backends.{backend}] has api_key and client_secret: keep one of them")
    if settings.client_secret is not None and None in (settings.tenant_id, settings.client_id):
        raise ConfigError(f"[backends.{backend}] client_secret needs tenant_id and client_id")
    _check_staging(settings, backend)
    if settings.region is None and not settings.endpoints:
        raise ConfigError(f"[backends.{backend}] azure needs endpoint_url (the resource's address) or region")
    if key_of(settings) is None:
        _needs("azure.identity", backend)
    return settings


def _check_staging(settings: AzureSettings, backend: str) -> None:
    """Raises `ConfigError` for what is no container's address, and for credentials that contradict each other."""
    from cloudai.errors import ConfigError
    from cloudai.http import check_cleartext
    from cloudai_azure.storage import container_of, is_key

    key, token = settings.staging_account_key, settings.staging_sas_token
    where = f"[backends.{backend}]"
    if settings.staging is None:
        if key is not None or token is not None:
            raise ConfigError(
                f"{where} staging_account_key and staging_sas_token need staging, the container's address"
            )
        return
    if "?" in settings.staging:
        raise ConfigError(f"{where} staging has a signature in it: put what is behind the ? in staging_sas_token")
    check_cleartext(settings.staging, backend=backend, name="staging")
    if container_of(settings.staging) is None:
        form = "https://ACCOUNT.blob.core.windows.net/CONTAINER"
        raise ConfigError(f"{where} staging is the address of a container: {form}")
    if key is not None and token is not None:
        raise ConfigError(f"{where} has staging_account_key and staging_sas_token: keep one of them")
    if key is not None and not is_key(key.get_secret_value()):
        raise ConfigError(f"{where} staging_account_key is no key of a storage account: those are base64")
    if key is None and token is None:
        _needs("azure.identity", backend)


def _needs(module: str, backend: str) -> None:
    from importlib.util import find_spec

    from cloudai.errors import MissingDependency

    try:
        found = find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is not there
        found = False
    if not found:
        text = f"the azure driver needs the package {module.replace('.', '-')}"
        raise MissingDependency(text, install="pip install 'cloudai[azure]'", provider="azure", backend=backend)


PROVIDER = AzureProvider()
