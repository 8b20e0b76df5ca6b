"""Who asks: a key, or a token of Microsoft Entra ID that is renewed before it ends.

azure-identity is imported by the first call that needs a token. It reads the environment, a managed identity, the
Azure CLI... in its own order; an application's secret in the settings goes before that.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote

from cloudai.errors import MissingDependency
from cloudai_azure.storage import SCOPE as STORAGE
from cloudai_azure.wire import KEY_HEADER

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

    from cloudai_azure.settings import AzureSettings
    from cloudai_azure.wire import Wire

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
EARLY: Final = 300.0
"""Seconds before its end that a token is renewed."""


class Auth:
    """Headers for one backend. Safe for many threads: one renews, the others go on with a token that is still good.

    A scope other than Azure's AI services is asked with tokens only: their key opens nothing else.
    """

    def __init__(self, settings: AzureSettings, *, scope: str = SCOPE) -> None:
        self._settings = settings
        self._scope = scope
        self._key = key_of(settings) if scope == SCOPE else None
        self._lock = threading.Lock()
        self._credential: TokenCredential | None = None
        self._token: AccessToken | None = None

    @property
    def by_key(self) -> bool:
        """Whether a key is used."""
        return self._key is not None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no message: the key, the application's secret, the token."""
        secret = self._settings.client_secret
        token = self._token
        known = (self._key, secret.get_secret_value() if secret else None, token.token if token else None)
        return tuple(each for each in known if each)

    def ready(self) -> Mapping[str, str] | None:
        """The headers where nothing has to be waited for; `None`: ask `headers`."""
        if self._key is not None:
            return {KEY_HEADER: self._key}
        token = self._token
        if token is None or token.expires_on - time.time() < EARLY:
            return None
        return {"Authorization": f"Bearer {token.token}"}

    def headers(self) -> Mapping[str, str]:
        """The headers, after a token was got where there is none. Blocks; raises azure-core's exceptions."""
        found = self.ready()
        if found is not None:
            return found
        old = self._token
        good = old is not None and old.expires_on > time.time() + 1
        if not self._lock.acquire(blocking=not good):
            assert old is not None  # it is good
            return {"Authorization": f"Bearer {old.token}"}
        try:
            found = self.ready()
            if found is not None:
                return found
            token = self._token = self._renewed(old if good else None)
            return {"Authorization": f"Bearer {token.token}"}
        finally:
            self._lock.release()

    def _renewed(self, old: AccessToken | None) -> AccessToken:
        """A new token; the old one while it is good and there is no new one."""
        from azure.core.exceptions import AzureError

        asked = self._credential = self._credential or credential(self._settings)
        try:
            return asked.get_token(self._scope)
        except AzureError:
            if old is None:
                raise
            return old

    def close(self) -> None:
        """Closes the credential's connections."""
        close = getattr(self._credential, "close", None)
        if close is not None:
            close()


class Auths:
    """Who asks the AI services, and who asks Blob storage."""

    def __init__(self, settings: AzureSettings) -> None:
        self.services = Auth(settings)
        self.storage = Auth(settings, scope=STORAGE)
        given = (settings.staging_account_key, settings.staging_sas_token)
        whole = [each.get_secret_value() for each in given if each]
        signatures = [value for each in whole for name, value in parse_qsl(each.lstrip("?")) if name == "sig"]
        self._given = (*whole, *signatures, *(quote(each, safe="") for each in signatures))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no message."""
        return (*self.services.secrets, *self.storage.secrets, *self._given)

    def of(self, wire: Wire) -> Auth | None:
        """`None`: a whole address, which has a signature of its own."""
        if wire.by_token:
            return self.storage
        return None if wire.url is not None else self.services

    def close(self) -> None:
        """Closes the credentials' connections."""
        self.services.close()
        self.storage.close()


def key_of(settings: AzureSettings) -> str | None:
    """The key: of the settings, else `AZURE_AI_KEY` unless the settings name an application."""
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    if settings.client_secret is not None or settings.client_id is not None:
        return None
    return os.environ.get("AZURE_AI_KEY") or None


def credential(settings: AzureSettings) -> TokenCredential:
    """azure-identity's credential of a backend. Its own retries are off: ours are the only ones.

    Raises `MissingDependency` where it is not installed: with a key it is needed for stored objects alone.
    """
    try:
        from azure.identity import ClientSecretCredential, DefaultAzureCredential
    except ModuleNotFoundError as error:
        text = "a token of Microsoft Entra ID needs the package azure-identity"
        raise MissingDependency(text, install="pip install 'cloudai[azure]'", provider="azure") from error

    shared: dict[str, Any] = {"retry_total": 0}
    if settings.authority is not None:
        shared |= {"authority": settings.authority, "disable_instance_discovery": True}
    if settings.ca_file is not None:
        shared["connection_verify"] = str(settings.ca_file)
    if settings.proxy is not None:
        shared["proxies"] = {"http": settings.proxy, "https": settings.proxy}
    if settings.client_secret is not None:
        assert settings.tenant_id is not None  # the provider has checked
        assert settings.client_id is not None
        secret = settings.client_secret.get_secret_value()
        return ClientSecretCredential(settings.tenant_id, settings.client_id, secret, **shared)
    if settings.client_id is not None:
        shared["managed_identity_client_id"] = settings.client_id
    return DefaultAzureCredential(**shared)
