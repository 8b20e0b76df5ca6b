"""Blob storage on loopback, as an emulator has it (the account in the path), for the tests of staging.

A signature is worked out again by azure-storage-blob's own code, for the version and the members that the request
has, and has to allow what is asked. A token has to be for storage. Nothing is forgiven: `violations` has to be empty.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import loopback_http
from azure.storage.blob import UserDelegationKey
from azure.storage.blob._shared import sign_string
from azure.storage.blob._shared_access_signature import _BlobSharedAccessHelper

ACCOUNT, CONTAINER = "loopback", "staging"
ACCOUNT_KEY = base64.b64encode(b"an account's key of 64 bytes, as storage has them, for loopback!").decode()
DELEGATED_VALUE = base64.b64encode(b"a delegated key, for a while only").decode()
STORAGE_TOKEN = "loopback.storage.token"
RESET, HANG = -1, -2
_NEWER_LINES = (("2026-04-06", 21), ("2025-07-05", 13))
"""Version, and where it has put two more lines into the text of a delegated signature; the last one first."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Refused(Exception):
    """Status and code."""


def official(query: Mapping[str, str], resource: str) -> str:
    """The signature that azure-storage-blob makes for these members."""
    helper = _BlobSharedAccessHelper()
    for name, value in query.items():
        if name != "sig":
            helper._add_query(name, value)
    if "skoid" not in query:
        helper.add_resource_signature(ACCOUNT, ACCOUNT_KEY, resource)
        return str(helper.query_dict["sig"])
    key = UserDelegationKey()
    key.signed_oid, key.signed_tid, key.value = query["skoid"], query["sktid"], DELEGATED_VALUE
    key.signed_start, key.signed_expiry = query["skt"], query["ske"]
    key.signed_service, key.signed_version = query["sks"], query["skv"]
    helper.add_resource_signature(ACCOUNT, ACCOUNT_KEY, resource, user_delegation_key=key)
    return sign_string(DELEGATED_VALUE, as_of(query["sv"], helper.string_to_sign))


def as_of(version: str, text: str) -> str:
    """The text to sign of the client's own version, as an older one has it: without the lines that came later."""
    lines = text.split("\n")
    for since, start in _NEWER_LINES:
        if version < since:
            assert lines[start : start + 2] == ["", ""]
            del lines[start : start + 2]
    return "\n".join(lines)


class Storage:
    """Blobs by `CONTAINER/NAME`; `troubles` are statuses that are answered before anything else, by method.

    `RESET` is a connection that is closed, `HANG` one that says nothing for a while.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.blocks: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.requests: list[Asked] = []
        self.violations: list[str] = []
        self.troubles: dict[str, list[int]] = {}
        self.sas_token = ""
        self.key_hours = 72.0
        self.seen = set[str]()
        """Every name that was ever there."""
        self.http = loopback_http.Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def account_url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/{ACCOUNT}"

    @property
    def url(self) -> str:
        """What `staging` is set to."""
        return f"{self.account_url}/{CONTAINER}"

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        """Raises `Refused`."""
        if (waiting := self.troubles.get(asked.method)) and (status := waiting.pop(0)):
            raise Refused(status, "ServerBusy" if status == 503 else "AuthorizationFailure")
        if not re.fullmatch(r"20\d\d-\d\d-\d\d", asked.headers.get("x-ms-version", asked.query.get("sv", ""))):
            raise Refused(400, "MissingRequiredHeader")
        if {"ocp-apim-subscription-key"} & asked.headers.keys():
            self.violations.append("the AI services' key was sent to storage")
        account, _, name = unquote(asked.path).lstrip("/").partition("/")
        if account != ACCOUNT:
            raise Refused(404, "ResourceNotFound")
        if asked.query.get("comp") == "userdelegationkey":
            return 200, self.delegated(asked)
        self.allowed(asked, name)
        return self.act(asked, name)

    def delegated(self, asked: Asked) -> bytes:
        if asked.headers.get("authorization") != f"Bearer {STORAGE_TOKEN}":
            raise Refused(401, "NoAuthenticationInformation")
        if "x-ms-date" not in asked.headers or asked.query.get("restype") != "service" or asked.method != "POST":
            raise Refused(400, "InvalidQueryParameterValue")
        wanted = {child.tag: child.text or "" for child in ElementTree.fromstring(asked.body)}
        assert wanted.keys() == {"Start", "Expiry"}
        start = datetime.fromisoformat(wanted["Start"])
        assert start < datetime.fromisoformat(wanted["Expiry"]) <= start + timedelta(days=7)
        expiry = (datetime.now(UTC) + timedelta(hours=self.key_hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        members = {"SignedOid": "oid", "SignedTid": "tid", "SignedStart": wanted["Start"], "SignedExpiry": expiry}
        members |= {"SignedService": "b", "SignedVersion": "2021-12-02", "Value": DELEGATED_VALUE}
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
        text = f'<?xml version="1.0" encoding="utf-8"?><UserDelegationKey>{inner}</UserDelegationKey>'
        return b"\xef\xbb\xbf" + text.encode()

    def allowed(self, asked: Asked, name: str) -> None:
        """By its signature, the container's SAS or a token."""
        if asked.headers.get("authorization") == f"Bearer {STORAGE_TOKEN}":
            return
        signed = {key: value for key, value in asked.query.items() if key not in ("comp", "blockid")}
        if self.sas_token and signed == dict(parse_qsl(self.sas_token)):
            return
        if official(signed, name) != signed.get("sig"):
            raise Refused(403, "AuthenticationFailed")
        if datetime.fromisoformat(signed["se"]) < datetime.now(UTC) or signed["sr"] != "b":
            raise Refused(403, "AuthenticationFailed")
        needed = {"GET": "r", "PUT": "cw", "DELETE": "d"}[asked.method]
        if not set(needed) & set(signed["sp"]):
            raise Refused(403, "AuthorizationPermissionMismatch")

    def act(self, asked: Asked, name: str) -> tuple[int, bytes]:
        if asked.method == "PUT":
            return 201, self.put(asked, name)
        if name not in self.blobs:
            raise Refused(404, "BlobNotFound")
        if asked.method == "DELETE":
            del self.blobs[name]
            return 202, b""
        return 200, self.blobs[name]

    def put(self, asked: Asked, name: str) -> bytes:
        self.seen.add(name)
        if asked.query.get("comp") == "block":
            base64.b64decode(asked.query["blockid"], validate=True)
            self.blocks[asked.query["blockid"]] = asked.body
            return b""
        self.types[name] = asked.headers.get("x-ms-blob-content-type", "")
        if asked.query.get("comp") == "blocklist":
            ids = [block.text or "" for block in ElementTree.fromstring(asked.body)]
            self.blobs[name] = b"".join(self.blocks.pop(each) for each in ids)
        elif asked.headers.get("x-ms-blob-type") != "BlockBlob":
            raise Refused(400, "MissingRequiredHeader")
        else:
            self.blobs[name] = asked.body
        return b""


def _handler(storage: Storage) -> type[loopback_http.Talk]:
    class Handler(loopback_http.Talk):
        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(method=self.command, path=parts.path, query=query, headers=headers, body=body)
            storage.requests.append(asked)
            if (waiting := storage.troubles.get(asked.method)) and waiting[0] in (RESET, HANG):
                if waiting.pop(0) == HANG:
                    time.sleep(3.0)
                self.close_connection = True
                return
            try:
                status, content = storage.answer(asked)
                ranged = status == 200 and "x-ms-range" in asked.headers  # the official client asks for ranges
                last = len(content)
                more = {"Content-Range": f"bytes 0-{last - 1}/{last}", "ETag": '"1"'} if ranged else {}
                kind = "application/octet-stream" if asked.method == "GET" else "application/xml"
                self.send(206 if ranged else status, content, {"Content-Type": kind, **more})
            except Refused as refused:
                status, code = refused.args
                text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>no</Message></Error>'
                self.send(status, b"\xef\xbb\xbf" + text.encode(), {"x-ms-error-code": code})

        do_GET = do_PUT = do_POST = do_DELETE = do_any  # noqa: N815

        def send(self, status: int, content: bytes, headers: dict[str, Any]) -> None:
            self.send_response(status)
            for name, value in {
                "x-ms-request-id": "blob-request",
                "Content-Type": "application/xml",
                **headers,
            }.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


@contextmanager
def storing() -> Iterator[Storage]:
    """An account for a block; nothing may have been wrong, and the caller says what may be left."""
    storage = Storage()
    try:
        yield storage
    finally:
        storage.close()
    assert storage.violations == []
