"""Blob storage: the same signatures and requests as azure-storage-blob's; tokens; objects read for other backends."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from azure.storage.blob import BlobClient, BlobSasPermissions, generate_blob_sas
from azure.storage.blob._shared.constants import X_MS_VERSION
from hypothesis import given
from hypothesis import strategies as some

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import Batches, azure, settings
from azure_client import HERE, config
from azure_storage import ACCOUNT, ACCOUNT_KEY, CONTAINER, DELEGATED_VALUE, STORAGE_TOKEN, Storage, official, storing
from test_azure_auth import Entra, entra

from cloudai import AsyncClient, Client
from cloudai.config import BackendConfig, Config, Policy, Route
from cloudai.errors import CloudAIError, ErrorCode, MissingDependency, TooLarge
from cloudai.http import WireReply
from cloudai.testing import FakeBackend
from cloudai.testing.samples import picture, tone
from cloudai_azure import storage as ours
from cloudai_azure.auth import Auths
from cloudai_azure.errors import error_of
from cloudai_azure.settings import AzureSettings
from cloudai_azure.wire import Answer

both = pytest.mark.parametrize("kind", ["sync", "async"])
PLACE = ours.Container(base=f"https://{ACCOUNT}.blob.core.windows.net", account=ACCOUNT, name=CONTAINER)
DELEGATED = ours.DelegatedKey(
    oid="00000000-0000-0000-0000-00000000000a",
    tid="00000000-0000-0000-0000-00000000000b",
    start="2026-11-21T08:00:00Z",
    expiry="2026-11-24T08:00:00Z",
    service="b",
    version="2021-12-02",
    value=DELEGATED_VALUE,
)
NAMES = some.text(min_size=1, max_size=40).filter(lambda name: not any(0xD800 <= ord(each) < 0xE000 for each in name))


# --- the same as the official client -----------------------------------------------------------------


@given(blob=NAMES, permissions=some.sampled_from(["r", "cw", "d"]), delegated=some.booleans())
def test_a_signature_is_the_official_clients(blob: str, permissions: str, delegated: bool) -> None:
    expires = datetime(2026, 11, 22, tzinfo=UTC)
    made = ours.signature(PLACE, blob, permissions, expires, DELEGATED if delegated else ACCOUNT_KEY)
    members = dict(parse_qsl(made, strict_parsing=True))
    assert members["sig"] == official(members, f"{CONTAINER}/{blob}")


def test_a_signature_has_the_members_of_the_official_clients() -> None:
    expires = datetime(2026, 11, 22, tzinfo=UTC)
    theirs = generate_blob_sas(
        ACCOUNT,
        CONTAINER,
        "a b/ü.wav",
        account_key=ACCOUNT_KEY,
        permission=BlobSasPermissions(create=True, write=True),
        expiry=expires,
        protocol="https",
    )
    mine = dict(parse_qsl(ours.signature(PLACE, "a b/ü.wav", "cw", expires, ACCOUNT_KEY)))
    read = dict(parse_qsl(theirs))
    assert read.pop("sv") == X_MS_VERSION
    assert mine.pop("sv") == ours.VERSION
    del read["sig"], mine["sig"]  # they hold the version
    assert mine == read


def test_requests_are_those_of_the_official_client() -> None:
    with storing() as storage:
        place = ours.container_of(storage.url)
        assert place is not None
        expires = datetime.now(UTC) + timedelta(hours=1)
        signed = {each: ours.signature(place, "ü b.wav", each, expires, ACCOUNT_KEY) for each in ("cw", "r", "d")}
        for permission in signed:
            client = BlobClient(storage.account_url, CONTAINER, "ü b.wav", credential=signed[permission])
            if permission == "cw":
                client.upload_blob(b"x" * 10, overwrite=True)
            elif permission == "r":
                assert client.download_blob().readall() == b"x" * 10
            else:
                client.delete_blob(delete_snapshots="include")
        theirs, storage.requests = storage.requests, []
        url = place.url("ü b.wav", signed["cw"])
        with Client(config({"region": "eastus", "api_key": "k"})) as opened:
            driver: Any = opened.driver("z")
            (put,) = ours.upload_wires(url, b"x" * 10, "audio/wav")
            get = ours.download_wire(place.url("ü b.wav", signed["r"]))
            delete = ours.delete_wire(place.url("ü b.wav", signed["d"]), grace=0)
            for wire in (put, get, delete):
                driver._step(wire, 10.0)
        mine = storage.requests
    for first, second in zip(theirs, mine, strict=True):
        assert (first.method, first.path, first.query, first.body) == (
            second.method, second.path, second.query, second.body,
        )  # fmt: skip
        for name in ("x-ms-blob-type", "x-ms-delete-snapshots"):
            assert first.headers.get(name) == second.headers.get(name)


def test_a_large_recording_goes_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MOST_AT_ONCE", 1_000)
    monkeypatch.setattr(ours, "BLOCK", 400)
    for size, methods in ((1_000, 1), (1_001, 4)):
        with storing() as storage, Client(config({"region": "eastus", "api_key": "k"})) as client:
            place = ours.container_of(storage.url)
            assert place is not None
            signed = ours.signature(place, "b", "cw", datetime.now(UTC) + timedelta(hours=1), ACCOUNT_KEY)
            content = bytes(range(250)) * 5
            driver: Any = client.driver("z")
            for wire in ours.upload_wires(place.url("b", signed), content[:size], "audio/wav"):
                driver._step(wire, 10.0)
            assert storage.blobs == {f"{CONTAINER}/b": content[:size]}
            assert storage.types == {f"{CONTAINER}/b": "audio/wav"}
            assert len(storage.requests) == methods


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://acme.blob.core.windows.net/c", ("acme", "c", "")),
        ("https://acme.blob.core.windows.net/c/a/b/", ("acme", "c", "a/b/")),
        ("https://acme.z1.blob.storage.azure.net/c", ("acme", "c", "")),
        ("http://127.0.0.1:10000/devstoreaccount1/c/a", ("devstoreaccount1", "c", "a/")),
        ("http://127.0.0.1:10000/devstoreaccount1", None),
        ("https://acme.blob.core.windows.net/", None),
        ("https://acme.blob.core.windows.net/c?sig=x", None),
    ],
)
def test_a_containers_address_is_read(address: str, expected: tuple[str, str, str] | None) -> None:
    found = ours.container_of(address)
    assert (None if found is None else (found.account, found.name, found.prefix)) == expected


@pytest.mark.parametrize("body", [b"", b"<html>", b"<a/>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><UserDelegationKey/>"])
def test_what_is_no_delegated_key_is_said(body: bytes) -> None:
    from cloudai.wirejson import Malformed

    with pytest.raises(Malformed):
        ours.delegated_of(Answer(body=body))


# --- who signs ---------------------------------------------------------------------------------------


def by_identity(login: Entra, server: Any, storage: Storage) -> dict[str, Any]:
    return {**login.values(server), "region": "eastus", "staging": f"{storage.url}/folder"}


def test_entras_identity_signs_by_a_delegated_key_that_is_asked_for_once(tmp_path: Path) -> None:
    batches = Batches(reads=True)
    with storing() as storage, azure(batches=batches) as server, entra(tmp_path) as login:
        batches.url = server.url
        login.tokens["https://storage.azure.com/.default"] = STORAGE_TOKEN
        with Client(config(by_identity(login, server, storage))) as client:
            for _ in range(2):
                client.speech.transcribe_job(tone(), language="en").result(interval=0.01)
        assert batches.heard == [tone(), tone()]
        assert storage.blobs == {}
        assert [request.query.get("comp") for request in storage.requests].count("userdelegationkey") == 1
        assert all("folder/cloudai-" in request.path for request in storage.requests[1:])
        signed = server.requests[0].json["contentUrls"][0]
        assert "skoid=oid" in signed
        assert "sp=r&" in signed
        assert not any(STORAGE_TOKEN in str(request.headers) for request in server.requests)


def test_a_delegated_key_that_ends_soon_is_asked_for_anew(tmp_path: Path) -> None:
    batches = Batches(reads=True)
    with storing() as storage, azure(batches=batches) as server, entra(tmp_path) as login:
        batches.url, storage.key_hours = server.url, 47.0
        login.tokens["https://storage.azure.com/.default"] = STORAGE_TOKEN
        with Client(config(by_identity(login, server, storage))) as client:
            client.speech.transcribe_job(tone(), language="en").cancel()
        assert [request.query.get("comp") for request in storage.requests].count("userdelegationkey") == 2
        assert storage.blobs == {}


def test_an_identity_without_the_role_is_told_which(tmp_path: Path) -> None:
    with storing() as storage, azure() as server, entra(tmp_path) as login:
        client = Client(config(by_identity(login, server, storage)))
        with client, pytest.raises(CloudAIError, match="Storage Blob Data Contributor") as caught:
            client.speech.transcribe_job(tone(), language="en")
        assert server.requests == []
    assert caught.value.code is ErrorCode.UNAUTHENTICATED


def test_a_containers_own_signature_is_used_as_it_is() -> None:
    batches = Batches(reads=True)
    with storing() as storage, azure(batches=batches) as server:
        batches.url, storage.sas_token = server.url, "sv=2021-12-02&sr=c&sp=rcwd&se=2030-01-01&sig=own%2Bsecret"
        values = settings(server, staging=storage.url, staging_sas_token=f"?{storage.sas_token}")
        with Client(config(values)) as client:
            client.speech.transcribe_job(tone(), language="en").result(interval=0.01)
            assert "own" not in repr(client.driver("z")) + repr(vars(client.driver("z"))["_settings"])
        assert batches.heard == [tone()]
        assert storage.blobs == {}


def test_a_signature_that_storage_echoes_is_in_no_message() -> None:
    values = {"region": "eastus", "staging": "https://a.blob.core.windows.net/c", "api_key": "k"}
    made = AzureSettings.model_validate({"provider": "azure", **values, "staging_sas_token": "sv=1&sig=own%2Bsecret"})
    body = json.dumps({"error": {"code": "x", "message": "sv=1&sig=own%2Bsecret, own%2Bsecret or own+secret?"}})
    message = str(error_of(WireReply(status=403, body=body.encode()), Auths(made).secrets))
    assert "own" not in message


def test_without_azure_identity_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with storing() as storage:
        values = {"region": "eastus", "api_key": "k", "blob_endpoint": storage.account_url}
        with pytest.raises(MissingDependency, match=r"pip install 'cloudai\[azure\]'"):
            read("sync", routed(values), stored(storage))


# --- objects that are stored -------------------------------------------------------------------------

NAME = "pictures/tower +ü.png"


def routed(values: dict[str, Any]) -> Config:
    """Vision goes to the fake, which reads bytes only; Azure is there with its credentials."""
    backends = {
        "f": BackendConfig(name="f", provider="fake", values={"provider": "fake"}, origin=HERE),
        "z": BackendConfig(name="z", provider="azure", values={"provider": "azure", **values}, origin=HERE),
    }
    routes = (
        Route(pattern="vision.*", backends=("f",), origin=HERE),
        Route(pattern="*", backends=("z",), origin=HERE),
    )
    return Config(source=None, backends=backends, routes=routes, policy=Policy(max_attempts=1))


def stored(storage: Storage, query: str = "") -> str:
    """The address that the caller gives; `blob_endpoint` sends it to the loopback."""
    from urllib.parse import quote

    storage.blobs[f"{CONTAINER}/{NAME}"] = picture()
    return f"https://{ACCOUNT}.blob.core.windows.net/{CONTAINER}/{quote(NAME)}{'?' if query else ''}{query}"


def read(kind: str, made: Config, address: str) -> bytes:
    fake = FakeBackend()
    if kind == "sync":
        with Client(made, providers=(fake,)) as client:
            client.vision.read_text(address)
    else:

        async def once() -> None:
            async with AsyncClient(made, providers=(fake,)) as client:
                await client.vision.read_text(address)

        asyncio.run(once())
    found: bytes = fake.calls[0].request.image.content
    return found


@both
def test_an_object_is_read_by_the_signature_in_its_address(kind: str) -> None:
    with storing() as storage:
        place = ours.container_of(storage.url)
        assert place is not None
        query = ours.signature(place, NAME, "r", datetime.now(UTC) + timedelta(hours=1), ACCOUNT_KEY)
        values = {"region": "eastus", "api_key": "k", "blob_endpoint": storage.account_url}
        assert read(kind, routed(values), stored(storage, query)) == picture()
        assert "authorization" not in storage.requests[0].headers


@both
def test_an_object_in_stagings_account_is_read_by_its_key(kind: str) -> None:
    with storing() as storage:
        values = {"region": "eastus", "api_key": "k", "blob_endpoint": storage.account_url}
        values |= {"staging": storage.url, "staging_account_key": ACCOUNT_KEY}
        assert read(kind, routed(values), stored(storage)) == picture()


@both
def test_an_object_is_read_with_entras_token(kind: str, tmp_path: Path) -> None:
    with storing() as storage, azure() as server, entra(tmp_path) as login:
        login.tokens["https://storage.azure.com/.default"] = STORAGE_TOKEN
        values = {**login.values(server), "region": "eastus", "blob_endpoint": storage.account_url}
        assert read(kind, routed(values), stored(storage)) == picture()
        assert storage.requests[0].headers["authorization"] == f"Bearer {STORAGE_TOKEN}"
        assert "x-ms-date" in storage.requests[0].headers


def test_an_object_that_is_not_there_is_not_found() -> None:
    with storing() as storage:
        values = {"region": "eastus", "api_key": "k", "blob_endpoint": storage.account_url}
        values |= {"staging": storage.url, "staging_account_key": ACCOUNT_KEY}
        address = stored(storage)
        storage.blobs.clear()
        with pytest.raises(CloudAIError, match="BlobNotFound") as caught:
            read("sync", routed(values), address)
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert caught.value.request_id == "blob-request"


def test_an_object_over_the_bound_is_too_large_and_not_read_on() -> None:
    from dataclasses import replace

    from cloudai.config import InputSettings

    with storing() as storage:
        values = {"region": "eastus", "api_key": "k", "blob_endpoint": storage.account_url}
        values |= {"staging": storage.url, "staging_account_key": ACCOUNT_KEY}
        address = stored(storage)
        storage.blobs[f"{CONTAINER}/{NAME}"] = picture() + bytes(100_000)
        made = replace(routed(values), inputs=InputSettings(max_bytes=50_000))
        with pytest.raises(TooLarge, match="50,000"):
            read("sync", made, address)
