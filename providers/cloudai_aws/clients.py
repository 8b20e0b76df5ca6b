"""boto3's clients for one backend: each made once, by the first call that needs it."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from cloudai.delivery import unsent
from cloudai.errors import ConfigError
from cloudai.traces import mask
from cloudai_aws.settings import AwsSettings, is_safe

if TYPE_CHECKING:
    import boto3

    from cloudai_aws.wire import Wire


_TOKEN = re.compile(r"(x-amz-security-token['\"]?\s*[:=]\s*b?['\"]?)[^'\"\s,&]+", re.IGNORECASE)
"""The session token among the headers that botocore writes out at DEBUG."""
_TELLING = ("botocore.auth", "botocore.awsrequest", "botocore.endpoint", "botocore.hooks", "botocore.httpsession")


class Clients:
    """`clients("rekognition")` is boto3's client with our endpoint, one attempt per call, and one pool for all."""

    def __init__(self, settings: AwsSettings) -> None:
        from botocore.exceptions import BotoCoreError

        self._settings = settings
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        try:
            self.session = self._session()
            self.wire = self._wire()
        except BotoCoreError as error:
            raise ConfigError(f"boto3 can't open a session: {error}") from error
        if self.session.region_name is None:
            raise ConfigError("aws needs a region: region = 'eu-west-1' in the backend, AWS_REGION or the profile")
        if settings.role_arn is not None:
            self.session = self._assumed(settings.role_arn)

    def __call__(self, service: str) -> Any:
        """The client of one service; botocore's clients may be shared by threads, their making may not.

        Making one reads its description, for a tenth of a second or so: do it outside of `wire.within`.
        """
        found = self._clients.get(service)
        if found is not None:
            return found
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(self.session, service)
            return self._clients[service]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()
        self.wire.close()

    def _session(self) -> boto3.Session:
        import boto3
        import botocore.session

        core = botocore.session.Session(profile=self._settings.profile)
        key, secret = self._settings.access_key_id, self._settings.secret_access_key
        if key is not None and secret is not None:
            token = self._settings.session_token
            session_token = None if token is None else token.get_secret_value()
            core.set_credentials(key.get_secret_value(), secret.get_secret_value(), session_token)
        return boto3.Session(botocore_session=core, region_name=self._settings.region)

    def _wire(self) -> Wire:
        from cloudai_aws.wire import Wire

        given = (self._settings.secret_access_key, self._settings.session_token)
        return Wire(
            connections=self._settings.connections,
            ca_bundle=self.session._session.get_config_variable("ca_bundle"),
            secrets=tuple(secret.get_secret_value() for secret in given if secret is not None),
        )

    def _make(self, session: boto3.Session, service: str) -> Any:
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            user_agent_extra="cloudai",
            s3={"addressing_style": "path"} if self._settings.endpoint_url else {},
        )
        client = session.client(service, endpoint_url=self._settings.endpoint_url, config=config)
        if not is_safe(client.meta.endpoint_url):  # from the environment or the profile
            raise ConfigError(f"{client.meta.endpoint_url}: http:// is taken for this machine only; use https://")
        client.meta.events.register("before-send", self.wire.send)
        mask(_TELLING, _TOKEN)
        return client

    def _assumed(self, role_arn: str) -> boto3.Session:
        """A session that signs as the role: renewed by botocore before it expires, under botocore's lock."""
        import boto3
        import botocore.session
        from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials

        source, external_id = self.session, self._settings.role_external_id
        external = {} if external_id is None else {"ExternalId": external_id}

        def renew() -> dict[str, str]:
            client = self._make(source, "sts")
            with unsent():
                found = client.assume_role(RoleArn=role_arn, RoleSessionName="cloudai", **external)["Credentials"]
            return {
                "access_key": found["AccessKeyId"],
                "secret_key": found["SecretAccessKey"],
                "token": found["SessionToken"],
                "expiry_time": found["Expiration"].isoformat(),
            }

        class Role(CredentialProvider):  # type: ignore[misc, unused-ignore]  # botocore has no types
            METHOD = "assume-role"

            def load(self) -> Any:
                return DeferredRefreshableCredentials(renew, self.METHOD)

        core = botocore.session.Session(profile=self._settings.profile)
        core.register_component("credential_provider", CredentialResolver([Role()]))
        return boto3.Session(botocore_session=core, region_name=source.region_name)
