"""Who asks: a key, or a token of Microsoft Entra ID, renewed in time and by one thread; never in the clear."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import azure, settings
from azure_client import ask, config
from azure_server import KEY, TOKEN

from cloudai import AsyncClient, Client
from cloudai.errors import CloudAIError, ConfigError, ErrorCode
from cloudai.testing.samples import picture
from cloudai_azure.auth import Auth
from cloudai_azure.settings import AzureSettings

both = pytest.mark.parametrize("kind", ["sync", "async"])
SECRET = "entra-secret-0123456789"
TENANT = "11111111-2222-3333-4444-555555555555"


@dataclass
class Entra:
    """Microsoft Entra ID on loopback, over TLS: azure-identity takes nothing else."""

    url: str = ""
    ca_file: str = ""
    lifetime: int = 3600
    refuses: bool = False
    requests: list[str] = field(default_factory=list)
    seconds: float = 0.0
    """Before it answers."""
    answering: threading.Event = field(default_factory=threading.Event)
    """Set: until it is cleared, an answer is given at once."""
    tokens: dict[str, str] = field(default_factory=dict)
    """By scope, where it is not Azure's AI services'."""

    def values(self, server: Any) -> dict[str, Any]:
        """A backend with an application's secret."""
        return {
            "endpoint_url": server.url,
            "tenant_id": TENANT,
            "client_id": "an-application",
            "client_secret": SECRET,
            "authority": self.url,
            "ca_file": self.ca_file,
        }


@contextmanager
def entra(tmp_path: Path) -> Iterator[Entra]:
    authority, found = trustme.CA(), Entra()
    found.answering.set()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    http.daemon_threads = True
    http.socket = context.wrap_socket(http.socket, server_side=True)
    found.url, found.ca_file = f"https://localhost:{http.server_port}", str(path)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield found
    finally:
        http.shutdown()
        http.server_close()


def _handler(state: Entra) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            base = f"{state.url}/{TENANT}"
            self.send(
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                }
            )

        def do_POST(self) -> None:
            state.requests.append(self.rfile.read(int(self.headers["content-length"])).decode())
            time.sleep(state.seconds)
            state.answering.wait(60)
            if state.refuses:
                text = f"AADSTS7000215: Invalid client secret {SECRET}"
                self.send({"error": "invalid_client", "error_description": text}, 401)
            else:
                scope = parse_qs(state.requests[-1])["scope"][0].split()[0]
                self.send(
                    {
                        "access_token": state.tokens.get(scope, TOKEN),
                        "token_type": "Bearer",
                        "expires_in": state.lifetime,
                    }
                )

        def send(self, body: Any, status: int = 200) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


@both
def test_a_token_is_sent_instead_of_a_key(kind: str, tmp_path: Path) -> None:
    with azure() as server, entra(tmp_path) as login:
        ask(kind, config(login.values(server)), "vision", "detect_labels", picture())
        assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "ocp-apim-subscription-key" not in server.requests[0].headers
    assert "cognitiveservices.azure.com" in login.requests[0]


def test_many_threads_get_one_token(tmp_path: Path) -> None:
    with azure() as server, entra(tmp_path) as login, Client(config(login.values(server))) as client:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: client.vision.detect_labels(picture()), range(16)))
        assert len(server.requests) == 16
    assert len(login.requests) == 1


def test_many_tasks_get_one_token_and_the_loop_goes_on_meanwhile(tmp_path: Path) -> None:
    async def ask_all(values: dict[str, Any]) -> int:
        async with AsyncClient(config(values)) as client:
            ticks = asyncio.create_task(ticking())
            await asyncio.gather(*(client.vision.detect_labels(picture()) for _ in range(16)))
            ticks.cancel()
            return len(beats)

    beats: list[float] = []

    async def ticking() -> None:
        while True:
            beats.append(time.monotonic())
            await asyncio.sleep(0.005)

    with azure() as server, entra(tmp_path) as login:
        login.seconds = 0.3
        assert asyncio.run(ask_all(login.values(server))) > 10
        assert len(server.requests) == 16
    assert len(login.requests) == 1


def test_while_one_thread_renews_the_others_go_on_with_the_token_they_have(tmp_path: Path) -> None:
    with azure() as server, entra(tmp_path) as login:
        auth = Auth(AzureSettings.model_validate({"provider": "azure", **login.values(server)}))
        first = auth.headers()
        assert auth._token is not None
        auth._token = auth._token._replace(expires_on=int(time.time()) + 60)
        auth._credential, login.tokens["https://cognitiveservices.azure.com/.default"] = None, "the.next.token"
        login.answering.clear()
        with ThreadPoolExecutor(4) as pool:
            renewing = pool.submit(auth.headers)
            while len(login.requests) == 1:
                time.sleep(0.01)
            others = [pool.submit(auth.headers) for _ in range(3)]
            assert [other.result(30) for other in others] == [first] * 3
            login.answering.set()
            assert renewing.result()["Authorization"] == "Bearer the.next.token"
        assert auth.ready() == {"Authorization": "Bearer the.next.token"}
        assert len(login.requests) == 2
        auth.close()


@both
def test_a_refused_secret_is_said_and_shown_nowhere(kind: str, tmp_path: Path) -> None:
    with azure() as server, entra(tmp_path) as login:
        login.refuses = True
        with pytest.raises(CloudAIError, match="az login") as caught:
            ask(kind, config(login.values(server)), "vision", "detect_labels", picture())
        assert server.requests == []
    assert caught.value.code is ErrorCode.UNAUTHENTICATED
    assert SECRET not in str(caught.value) + repr(caught.value)


def test_a_token_is_renewed_before_it_ends_and_the_old_one_serves_when_that_fails(tmp_path: Path) -> None:
    with azure() as server, entra(tmp_path) as login:
        made = AzureSettings.model_validate({"provider": "azure", **login.values(server)})
        auth = Auth(made)
        first = auth.headers()
        assert auth.ready() == first
        assert auth._token is not None
        auth._token = auth._token._replace(expires_on=int(time.time()) + 60)
        assert auth.ready() is None  # within five minutes of its end
        login.refuses = True
        auth._credential = None
        assert auth.headers() == first  # still good for a minute
        auth.close()


def test_translator_is_told_the_resource_of_a_token(tmp_path: Path) -> None:
    with azure() as server, entra(tmp_path) as login:
        values = {**login.values(server), "region": "eastus", "resource_id": "/subscriptions/s/accounts/a"}
        ask("sync", config(values), "translation", "languages")
        assert server.requests[0].headers["ocp-apim-resourceid"] == "/subscriptions/s/accounts/a"
        assert server.requests[0].headers["ocp-apim-subscription-region"] == "eastus"


def test_the_environments_key_is_used_where_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_AI_KEY", KEY)
    with azure() as server:
        ask("sync", config({"endpoint_url": server.url}), "vision", "detect_labels", picture())
        assert server.requests[0].headers["ocp-apim-subscription-key"] == KEY


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"endpoint_url": "http://acme.example", "api_key": KEY}, "plain http"),
        ({"region": "eastus", "api_key": KEY, "speech_endpoint": "http://acme.example"}, "plain http"),
        (
            {"endpoint_url": "http://acme.example", "client_secret": "x", "tenant_id": "t", "client_id": "c"},
            "plain http",
        ),
        ({"endpoint_url": "https://user:pw@acme.example", "api_key": KEY}, "without a user"),
        ({"api_key": KEY}, "endpoint_url"),
        ({"region": "eastus", "api_key": KEY, "client_secret": "x"}, "keep one"),
        ({"region": "eastus", "client_secret": "x"}, "tenant_id"),
        ({"region": "eastus", "api_key": KEY, "authority": "http://login.example"}, "authority"),
        ({"region": "eastus", "api_key": KEY, "translator_api_version": "2.0"}, "translator_api_version"),
    ],
)
def test_settings_that_can_not_be_are_refused_when_the_client_opens(values: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        Client(config(values))
    assert KEY not in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    made = AzureSettings.model_validate(
        {"provider": "azure", "region": "eastus", "tenant_id": "t", "client_id": "c", "client_secret": SECRET}
    )
    assert SECRET not in repr(made) + str(made) + made.model_dump_json()


@both
def test_a_wrong_key_is_unauthenticated(kind: str) -> None:
    with azure() as server:
        with pytest.raises(CloudAIError) as caught:
            ask(kind, config(settings(server) | {"api_key": "wrong-key"}), "speech", "voices")
        assert len(server.requests) == 1
    assert caught.value.code is ErrorCode.UNAUTHENTICATED


def test_entra_without_the_resources_address_says_what_it_can_not_serve() -> None:
    values = {"region": "eastus", "client_id": "a-managed-identity", "resource_id": "/subscriptions/s/accounts/a"}
    with Client(config(values)) as client:
        assert "endpoint_url" in client.explain("vision.caption").skipped[0].reason
        assert not client.explain("translation.translate").skipped
        assert not client.explain("speech.synthesize").skipped
