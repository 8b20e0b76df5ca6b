"""Who asks: keys, service accounts, users, default credentials; tokens renewed in time, by one thread."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_answers import ANSWERS, settings
from gcp_client import ask, config, with_key
from gcp_server import KEY, PROJECT, google

from cloudai import AsyncClient, Client
from cloudai.errors import CloudAIError, ConfigError, ErrorCode
from cloudai.testing.samples import picture

both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
def test_a_service_account_signs_its_own_token_and_asks_nobody(kind: str, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        ask(kind, config(settings(server, tmp_path)), "vision", "detect_labels", picture())
        assert server.received[0].headers["authorization"].startswith("Bearer ey")
        assert server.token_requests == []


@both
def test_a_users_token_is_got_once_and_used_again(kind: str, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        path = server.user_account(tmp_path)
        made = config({"endpoint_url": server.url, "credentials_file": str(path), "project": PROJECT})
        if kind == "sync":
            with Client(made) as client, ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda _: client.vision.detect_labels(picture()), range(16)))
        else:

            async def many() -> None:
                async with AsyncClient(made) as client:
                    await asyncio.gather(*[client.vision.detect_labels(picture()) for _ in range(16)])

            asyncio.run(many())
        assert len(server.token_requests) == 1
        assert len(server.received) == 16
        assert server.token_requests[0]["grant_type"] == "refresh_token"
        assert {got.headers["x-goog-user-project"] for got in server.received} == {PROJECT}


def test_a_token_is_renewed_before_it_ends(tmp_path: Path) -> None:
    """google-auth calls a token stale 3:45 minutes before its end: ours lives for 100 s, so each call renews it."""
    with google(ANSWERS) as server:
        server.token_life = 100
        path = server.user_account(tmp_path)
        made = config({"endpoint_url": server.url, "credentials_file": str(path), "project": PROJECT})
        with Client(made) as client:
            for _ in range(3):
                client.vision.detect_labels(picture())
        tokens = [got.headers["authorization"] for got in server.received]
        assert len(set(tokens)) == 3


def test_a_token_that_can_not_be_renewed_is_used_until_it_ends(tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.token_life = 100
        path = server.user_account(tmp_path)
        made = config({"endpoint_url": server.url, "credentials_file": str(path), "project": PROJECT})
        with Client(made) as client:
            client.vision.detect_labels(picture())
            server.token_down = True
            client.vision.detect_labels(picture())
            driver: Any = client.driver("g")
            driver._auth._credentials.expiry -= timedelta(seconds=200)
            with pytest.raises(CloudAIError) as caught:
                client.vision.detect_labels(picture())
        assert caught.value.code is ErrorCode.UNAVAILABLE
        assert len(server.received) == 2


def test_others_go_on_with_the_old_token_while_one_renews_it(tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.token_life = 100
        path = server.user_account(tmp_path)
        made = config({"endpoint_url": server.url, "credentials_file": str(path), "project": PROJECT})
        with Client(made) as client:
            client.vision.detect_labels(picture())
            lock: threading.Lock = client.driver("g")._auth._lock  # type: ignore[attr-defined]
            with lock:
                client.vision.detect_labels(picture())
        tokens = [got.headers["authorization"] for got in server.received]
        assert tokens[0] == tokens[1]


def test_default_credentials_are_found_with_their_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with google(ANSWERS) as server:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(server.service_account(tmp_path)))
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
        result = ask("sync", config({"endpoint_url": server.url}), "translation", "translate", "a", target="de")
        assert result.text == "<a>"
        assert server.received[0].path == {"parent": f"projects/{PROJECT}/locations/global"}


def test_the_project_of_the_environment_comes_before_the_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-the-environment")
    with google(ANSWERS) as server:
        made = config(settings(server, tmp_path, project=None))
        ask("sync", made, "translation", "translate", "a", target="de")
        assert server.received[0].path == {"parent": "projects/from-the-environment/locations/global"}


def test_no_credentials_say_how_to_get_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with google(ANSWERS) as server:
        with pytest.raises(CloudAIError, match="gcloud auth application-default login") as caught:
            ask("sync", config({"endpoint_url": server.url}), "vision", "detect_labels", picture())
        assert caught.value.code is ErrorCode.UNAUTHENTICATED
        assert server.arrived == 0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"type": "service_account", "private_key": "s3cret"}', "s3cret"])
def test_a_file_that_holds_no_credentials_is_named_and_not_repeated(content: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(content)
    with google(ANSWERS) as server:
        made = config({"endpoint_url": server.url, "credentials_file": str(path)})
        with pytest.raises(CloudAIError, match=r"wrong\.json") as caught:
            ask("sync", made, "vision", "detect_labels", picture())
        assert "s3cret" not in str(caught.value)


def test_a_key_and_credentials_at_once_are_refused(tmp_path: Path) -> None:
    with google(ANSWERS) as server, pytest.raises(ConfigError, match="keep one"):
        Client(config({**settings(server, tmp_path), "api_key": KEY}))


def test_credentials_are_not_sent_to_another_machine_in_the_clear() -> None:
    with pytest.raises(ConfigError, match="https"):
        Client(config({"endpoint_url": "http://10.1.2.3", "api_key": KEY}))


def test_opening_a_client_reads_no_credentials_and_opens_no_socket(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.json")
    with Client(config({"credentials_file": missing})) as client:
        assert client.explain("vision.detect_labels").backend == "g"


def test_a_refused_user_has_to_sign_in_again(tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        path = server.user_account(tmp_path)
        known = json.loads(path.read_text())
        path.write_text(json.dumps({**known, "token_url": f"{server.url}/v1/refuses"}))
        server.lenient = True
        made = config({"endpoint_url": server.url, "credentials_file": str(path), "project": PROJECT})
        with pytest.raises(CloudAIError) as caught:
            ask("sync", made, "vision", "detect_labels", picture())
        assert caught.value.code is ErrorCode.UNAUTHENTICATED


def test_the_key_is_in_no_repr_of_driver_or_settings() -> None:
    with with_key() as (client, _):
        driver = client.driver("g")
        assert KEY not in repr(driver) + repr(driver.__dict__) + repr(driver.settings)  # type: ignore[attr-defined]


def test_a_token_service_on_plain_http_gets_no_secret(tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        path = server.user_account(tmp_path)
        path.write_text(path.read_text().replace("127.0.0.1", "tokens.test"))
        made = config({"endpoint_url": server.url, "credentials_file": str(path), "project": PROJECT})
        with pytest.raises(ConfigError, match="plain http"):
            ask("sync", made, "vision", "detect_labels", picture())


def test_a_credentials_file_brings_its_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with google(ANSWERS) as server:
        made = config(settings(server, tmp_path, project=None))
        ask("async", made, "translation", "translate", "a", target="de")
        assert server.received[0].path == {"parent": f"projects/{PROJECT}/locations/global"}
