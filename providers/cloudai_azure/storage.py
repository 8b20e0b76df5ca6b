"""Blob storage over REST, as far as cloudai needs it: signatures of one blob, uploads, deletions. Pure.

Wire: https://learn.microsoft.com/rest/api/storageservices/put-blob, .../put-block, .../put-block-list,
.../delete-blob, .../get-user-delegation-key. Every request carries a shared access signature (SAS) of its one blob,
made here from the account's key or from a key that Microsoft Entra ID delegates, or given as the container's own:
https://learn.microsoft.com/rest/api/storageservices/create-service-sas and .../create-user-delegation-sas.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from cloudai.http import is_loopback
from cloudai.wirejson import Malformed
from cloudai_azure.wire import Answer, Flow, Wire

VERSION = "2021-12-02"
"""Of the REST API and of the signatures: any account, sovereign cloud and emulator of today has it."""
SCOPE = "https://storage.azure.com/.default"
"""Of a token of Microsoft Entra ID."""
MOST_AT_ONCE = 256 << 20
"""Bytes that go in one Put Blob; more go in blocks."""
BLOCK = 64 << 20
_OBJECT_HEADERS = {"x-ms-version": VERSION}


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A container, or a folder in it, by its address."""

    base: str
    """`https://ACCOUNT.blob.core.windows.net`; an emulator's has the account in its path."""
    account: str
    name: str
    prefix: str = ""
    """Ends with a slash unless it is empty."""

    def url(self, blob: str, signature: str = "") -> str:
        """The address of a blob, with a signature behind it."""
        path = quote(f"{self.name}/{self.prefix}{blob}", safe="/~")
        return f"{self.base}/{path}{'?' if signature else ''}{signature}"

    @property
    def protocol(self) -> str:
        """What a signature allows: https alone, but for an emulator on this machine."""
        return "https" if self.base.startswith("https") else "https,http"


def container_of(address: str) -> Container | None:
    """`https://ACCOUNT.blob.core.windows.net/CONTAINER[/FOLDER]`, or `http://127.0.0.1:10000/ACCOUNT/CONTAINER`;
    `None`: neither."""
    parts = urlsplit(address)
    host, names = parts.hostname or "", [name for name in parts.path.split("/") if name]
    base = f"{parts.scheme}://{parts.netloc}"
    account = host.partition(".")[0]
    if is_loopback(host):
        account = names.pop(0) if names else ""
        base = f"{base}/{account}"
    if not account or not names or parts.query or parts.fragment or parts.username:
        return None
    prefix = "".join(f"{name}/" for name in names[1:])
    return Container(base=base, account=account, name=names[0], prefix=prefix)


# --- signatures --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class DelegatedKey:
    """A key for signatures that Microsoft Entra ID's identity was given by the account, for a while."""

    oid: str
    tid: str
    start: str
    expiry: str
    service: str
    version: str
    value: str = field(repr=False)

    @property
    def ends(self) -> datetime:
        """When the account stops taking its signatures."""
        return datetime.fromisoformat(self.expiry)


def signature(container: Container, blob: str, permissions: str, expires: datetime, key: str | DelegatedKey) -> str:
    """The SAS of one blob, a query string. `permissions` in Azure's order: `r`, `cw`, `d`; `key`: the account's in
    base64, or a delegated one."""
    delegated = key if isinstance(key, DelegatedKey) else None
    members = {"sp": permissions, "se": stamp(expires), "spr": container.protocol, "sv": VERSION, "sr": "b"}
    if delegated is not None:
        members |= {
            "skoid": delegated.oid,
            "sktid": delegated.tid,
            "skt": delegated.start,
            "ske": delegated.expiry,
            "sks": delegated.service,
            "skv": delegated.version,
        }
    secret = delegated.value if delegated is not None else str(key)
    signed = to_sign(members, f"/blob/{container.account}/{container.name}/{container.prefix}{blob}")
    digest = hmac.new(base64.b64decode(secret), signed.encode(), hashlib.sha256).digest()
    return urlencode({**members, "sig": base64.b64encode(digest).decode()}, quote_via=quote)


def is_key(text: str) -> bool:
    """Whether this can be an account's key."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def to_sign(members: dict[str, str], resource: str) -> str:
    """The text that is signed: each member on its line, in the order of the version, empty where there is none."""
    if "skoid" in members:
        identity = ["skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid"]
    else:
        identity = ["si"]
    before, after = ["sp", "st", "se"], ["sip", "spr", "sv", "sr", "snapshot", "ses"]
    headers = ["rscc", "rscd", "rsce", "rscl", "rsct"]
    lines = [*(members.get(name, "") for name in before), resource]
    return "\n".join([*lines, *(members.get(name, "") for name in (*identity, *after, *headers))])


def stamp(moment: datetime) -> str:
    """`2026-11-21T15:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def delegation_wire(container: Container, start: datetime, end: datetime, *, grace: float = 0.0) -> Wire:
    """Asks the account for a key, with a token of Microsoft Entra ID."""
    span = f"<Start>{stamp(start)}</Start><Expiry>{stamp(end)}</Expiry>"
    body = f"<?xml version='1.0' encoding='utf-8'?>\n<KeyInfo>{span}</KeyInfo>"
    return Wire(
        service="blob",
        path="",
        url=f"{container.base}/?restype=service&comp=userdelegationkey",
        headers=dated(start),
        body=body.encode(),
        content_type="application/xml",
        by_token=True,
        grace=grace,
    )


def dated(now: datetime) -> dict[str, str]:
    """Headers of a request with a token."""
    return {**_OBJECT_HEADERS, "x-ms-date": format_datetime(now.astimezone(UTC), usegmt=True)}


def delegated_of(answer: Answer) -> DelegatedKey:
    """Raises `Malformed`."""
    if b"<!" in answer.body:
        raise Malformed("the delegated key is no plain XML")
    try:
        root = ElementTree.fromstring(answer.body)  # noqa: S314  # without a DTD there is nothing to expand
        found = {child.tag: child.text or "" for child in root}
        return DelegatedKey(
            oid=found["SignedOid"],
            tid=found["SignedTid"],
            start=found["SignedStart"],
            expiry=found["SignedExpiry"],
            service=found["SignedService"],
            version=found["SignedVersion"],
            value=found["Value"],
        )
    except (ElementTree.ParseError, KeyError) as error:
        raise Malformed("the account gave no delegated key") from error


# --- blobs -------------------------------------------------------------------------------------------


def upload_wires(url: str, content: bytes, content_type: str) -> Flow[None]:
    """One Put Blob, or blocks and their list."""
    if len(content) <= MOST_AT_ONCE:
        headers = {**_OBJECT_HEADERS, "x-ms-blob-type": "BlockBlob", "x-ms-blob-content-type": content_type}
        yield _put(url, content, headers)
        return
    names = list[str]()
    for number, start in enumerate(range(0, len(content), BLOCK)):
        names.append(base64.b64encode(f"{number:08}".encode()).decode())
        query = urlencode({"comp": "block", "blockid": names[-1]})
        yield _put(f"{url}&{query}", content[start : start + BLOCK], _OBJECT_HEADERS)
    blocks = "".join(f"<Latest>{name}</Latest>" for name in names)
    listed = f"<?xml version='1.0' encoding='utf-8'?>\n<BlockList>{blocks}</BlockList>"
    headers = {**_OBJECT_HEADERS, "x-ms-blob-content-type": content_type}
    yield _put(f"{url}&comp=blocklist", listed.encode(), headers, content_type="application/xml")


def _put(url: str, body: bytes, headers: dict[str, str], content_type: str = "application/octet-stream") -> Wire:
    return Wire(service="blob", method="PUT", path="", url=url, headers=headers, body=body, content_type=content_type)


def download_wire(url: str) -> Wire:
    """A whole blob."""
    return Wire(service="blob", method="GET", path="", url=url, headers=_OBJECT_HEADERS)


def delete_wire(url: str, *, grace: float) -> Wire:
    """Deletes a blob with its snapshots."""
    headers = {**_OBJECT_HEADERS, "x-ms-delete-snapshots": "include"}
    return Wire(service="blob", method="DELETE", path="", url=url, headers=headers, grace=grace)
