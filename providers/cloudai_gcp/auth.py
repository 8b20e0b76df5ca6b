"""Who asks: an API key, a credentials file, or Application Default Credentials. Tokens are renewed before they end.

google-auth is imported by the first call that needs a token. Its own HTTP goes over our transport, so that proxy, CA
and timeouts are the backend's. Service accounts sign their own tokens (AIP-4111): no request at all.
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cloudai.errors import ConfigError
from cloudai.http import METADATA, Transport, WireRequest, is_loopback, transport_fault

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from cloudai_gcp.settings import GcpSettings

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
TOKEN_TIMEOUT: Final = 15.0
"""Seconds for one request to a token service."""


class Auth:
    """Headers for one backend. Safe for many threads: one renews, the others go on with a token that is still good."""

    def __init__(self, settings: GcpSettings) -> None:
        self._settings = settings
        self._key = settings.api_key.get_secret_value() if settings.api_key else None
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None
        self._project = settings.project or os.environ.get("GOOGLE_CLOUD_PROJECT")
        self._opening = threading.Lock()
        self._transport: Transport | None = None

    @property
    def by_key(self) -> bool:
        """Whether an API key is used."""
        return self._key is not None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no message: the key, the token."""
        token = getattr(self._credentials, "token", None)
        return tuple(each for each in (self._key, token) if each)

    def ready(self) -> Mapping[str, str] | None:
        """The headers where nothing has to be waited for; `None`: ask `headers`."""
        if self._key is not None:
            return self._with_quota({"x-goog-api-key": self._key})
        credentials = self._credentials
        if credentials is None or credentials.token_state.name != "FRESH":
            return None
        return self._bearer(credentials)

    def headers(self) -> Mapping[str, str]:
        """The headers, after a token was got where there is none. Blocks; raises google-auth's exceptions."""
        found = self.ready()
        if found is not None:
            return found
        credentials = self._credentials
        stale = credentials is not None and credentials.token_state.name == "STALE"
        if not self._lock.acquire(blocking=not stale):
            assert credentials is not None  # it is stale
            return self._bearer(credentials)  # another thread renews it, and it is still good
        try:
            credentials = self._loaded()
            if credentials.token_state.name != "FRESH":
                self._renew(credentials, stale=stale)
            return self._bearer(credentials)
        finally:
            self._lock.release()

    def project(self) -> str:
        """The project of the requests. Reads the credentials where it is not set. Raises `ConfigError` for none."""
        if self._project is None and not self.by_key:
            with self._lock:
                self._loaded()
        if self._project is None:
            raise ConfigError("Google needs a project: set project in the backend, or GOOGLE_CLOUD_PROJECT")
        return self._project

    @property
    def known_project(self) -> str | None:
        """The same without looking for it."""
        return self._project

    def close(self) -> None:
        """Closes the connections to token services."""
        if self._transport is not None:
            self._transport.close()

    def _bearer(self, credentials: Credentials) -> Mapping[str, str]:
        quota = self._settings.quota_project or credentials.quota_project_id
        return self._with_quota({"authorization": f"Bearer {credentials.token}"}, quota)

    def _with_quota(self, headers: dict[str, str], quota: str | None = None) -> Mapping[str, str]:
        quota = quota or self._settings.quota_project
        return {**headers, "x-goog-user-project": quota} if quota else headers

    def _renew(self, credentials: Credentials, *, stale: bool) -> None:
        from google.auth.exceptions import GoogleAuthError

        try:
            credentials.refresh(self._request())
        except GoogleAuthError:
            if not stale:
                raise

    def _loaded(self) -> Credentials:
        if self._credentials is None:
            self._credentials, project = self._found()
            self._project = self._project or project
        return self._credentials

    def _found(self) -> tuple[Credentials, str | None]:
        if self._settings.credentials_file is not None:
            return from_file(str(self._settings.credentials_file))
        import google.auth

        found, project = google.auth.default(scopes=SCOPES, request=self._request())
        return _self_signed(found), project

    def transport(self) -> Transport:
        """The blocking transport to token services; opened by its first use."""
        with self._opening:
            if self._transport is None:
                self._transport = Transport(self._settings)
            return self._transport

    def _request(self) -> Any:
        return TokenRequest(self.transport())


def from_file(path: str) -> tuple[Credentials, str | None]:
    """Credentials and their project. Raises `ConfigError` for a file that is none; its content is in no message."""
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2 import credentials as user
    from google.oauth2 import service_account

    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  # google-auth's own wants a path as well
            known = json.load(file)
        if known.get("type") == "service_account":
            made = service_account.Credentials.from_service_account_info(known, scopes=SCOPES)
            return _self_signed(made), known.get("project_id")
        if known.get("type") == "authorized_user":
            return user.Credentials.from_authorized_user_info(known, scopes=SCOPES), known.get("quota_project_id")
        import google.auth

        with warnings.catch_warnings():  # it warns of files of unknown origin: this one is the user's own
            warnings.simplefilter("ignore", DeprecationWarning)
            loaded, project = google.auth.load_credentials_from_file(path, scopes=SCOPES)
        return loaded, project
    except (OSError, ValueError, AttributeError, KeyError, GoogleAuthError) as error:
        raise ConfigError(f"credentials_file {path} can't be used: {type(error).__name__}") from None


def _self_signed(found: Any) -> Credentials:
    """A service account signs its own tokens; all other credentials are as they are."""
    with_jwt = getattr(found, "with_always_use_jwt_access", None)
    made: Credentials = with_jwt(True) if with_jwt is not None else found
    return made


class TokenReply:
    """`google.auth.transport.Response`."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


class TokenRequest:
    """`google.auth.transport.Request` over our transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> TokenReply:
        """Raises `TransportError` for what the network did: google-auth knows what to do then."""
        from google.auth.exceptions import TransportError

        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback(parts.hostname) and parts.hostname not in METADATA:
            raise ConfigError(f"the credentials name a token service on plain http ({parts.hostname}): use https")
        content = body.encode() if isinstance(body, str) else body or b""
        request = WireRequest(method=method, url=url, headers=headers or {}, body=content)
        try:
            reply = self._transport.send(request, timeout=timeout or TOKEN_TIMEOUT)
        except Exception as error:
            fault = transport_fault(error)
            if fault is None:
                raise
            raise TransportError(fault.message) from error
        return TokenReply(reply.status, reply.headers, reply.body)
