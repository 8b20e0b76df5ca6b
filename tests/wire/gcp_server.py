"""A loopback server that speaks Google Cloud and forgives nothing: for the tests of the gcp driver.

Requests are held to Google's descriptions (`gcp_description`), credentials are checked (a self-signed token by its
signature), documented limits are enforced, answers are held to the description before they are sent. What is wrong is
noted in `violations`, which `google` demands to be empty.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import gcp_description
import loopback_http
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

KEY, TOKEN, PROJECT = "AIzaLoopback-key", "ya29.loopback-token", "loop-project"
EMAIL = f"tester@{PROJECT}.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
KEYLESS = ("translate.v3", "speech.v2", "documentai.v1")
"""Services that take no API key: https://cloud.google.com/docs/authentication/api-keys-use"""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error as Google sends it."""

    status: int = 400
    code: str = "INVALID_ARGUMENT"
    message: str = "no"
    details: tuple[Mapping[str, Any], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Something that is no answer: `reset`, `reset after headers`, `hang`, `truncated`, `html`, `no json`, `drip`."""

    kind: str
    seconds: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as the service understood it."""

    method: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]


Handler = Callable[[Any, Mapping[str, str]], Any]


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _pem() -> tuple[str, str]:
    private = private_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = (
        private_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private.decode(), public.decode()


class GoogleServer:
    """`received` and `violations` are what tests look at; `answers` may be changed, `faults` come first."""

    def __init__(self, answers: Mapping[str, Handler]) -> None:
        self.answers = dict(answers)
        self.faults: deque[Failure | Broken] = deque()
        self.storage_faults: deque[Failure | Broken] = deque()
        self.received: list[Received] = []
        self.violations: list[str] = []
        self.refused: list[str] = []
        self.tokens: set[str] = {TOKEN}
        self.objects: dict[str, bytes] = {}
        self.token_life = 3600
        self.token_down = False
        self.token_requests: list[Mapping[str, str]] = []
        self.lenient = False
        """Wrong requests are refused and not noted: for tests of the server itself, and of official clients."""
        self.arrived = 0
        self.stopping = threading.Event()
        self._http = _Http(("127.0.0.1", 0), _Talk)
        self._http.google = self
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def service_account(self, folder: Path) -> Path:
        """A credentials file of a service account that this server knows."""
        path = folder / "service-account.json"
        known = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "1",
            "private_key": _pem()[0],
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }
        path.write_text(json.dumps(known))
        return path

    def user_account(self, folder: Path) -> Path:
        """A credentials file of a (federated) user, whose token is got from this server."""
        path = folder / "user.json"
        known = {
            "type": "external_account_authorized_user",
            "audience": "//iam.googleapis.com/locations/global/workforcePools/pool/providers/one",
            "client_id": "c",
            "client_secret": "s",
            "refresh_token": "r",
            "token_url": f"{self.url}/token",
            "quota_project_id": PROJECT,
        }
        path.write_text(json.dumps(known))
        return path

    def wrong(self, text: str) -> None:
        (self.refused if self.lenient else self.violations).append(text)


class _Http(loopback_http.Server):
    google: GoogleServer


class _Talk(loopback_http.Talk):
    server: _Http

    def answer(self) -> None:
        google = self.server.google
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        if url.path == "/token":
            return self._token(raw)
        google.arrived += 1
        if url.path.startswith(("/storage/v1/b/", "/upload/storage/v1/b/")):
            return self._stored(url.path, url.query, raw)
        method = gcp_description.find(self.command, unquote(url.path))
        if method is None:
            google.wrong(f"no method {self.command} {url.path}")
            return self._error(Failure(status=404, code="NOT_FOUND"))
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        refused = self._credentials(method)
        if refused is not None:
            return self._error(refused)
        body = self._json(raw)
        wrong = method.faults_of_request(body, query) + limits_of(method.id, body)
        google.received.append(
            Received(
                method=method.id,
                path=_matched(method, unquote(url.path)),
                query=query,
                body=body,
                headers={name.lower(): value for name, value in self.headers.items()},
            )
        )
        if wrong:
            google.wrong(f"{method.id}: {'; '.join(wrong)}")
            return self._error(Failure(message="; ".join(wrong)))
        return self._respond(method, google.faults.popleft() if google.faults else None, body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

    def _json(self, raw: bytes) -> Any:
        if not raw:
            return None
        if self.headers.get_content_type() != "application/json":
            self.server.google.wrong(f"content type {self.headers.get_content_type()}")
        try:
            return json.loads(raw)
        except ValueError:
            self.server.google.wrong("a body that is no JSON")
            return None

    def _credentials(self, method: gcp_description.Method) -> Failure | None:
        google, bearer, key = self.server.google, self.headers.get("Authorization"), self.headers.get("X-Goog-Api-Key")
        if bearer and key:
            google.wrong("a key and a token")
        if key is not None:
            if method.document.name in KEYLESS:
                google.wrong(f"{method.id} takes no API key")
                return Failure(status=401, code="UNAUTHENTICATED", message="API keys are not supported by this API.")
            if key != KEY:
                reason = {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                }
                return Failure(message=f"API key not valid: {key}", details=(reason,))
            return None
        token = (bearer or "").removeprefix("Bearer ")
        if token in google.tokens or _signed(token):
            return None
        return Failure(status=401, code="UNAUTHENTICATED", message=f"Request had invalid credentials: {token}")

    def _respond(self, method: gcp_description.Method, fault: Failure | Broken | None, body: Any) -> None:
        google = self.server.google
        if fault is None:
            handler = google.answers.get(method.id)
            if handler is None:
                google.wrong(f"no answer for {method.id}")
                return self._error(Failure(status=501, code="UNIMPLEMENTED"))
            made = handler(body, _matched(method, unquote(urlsplit(self.path).path)))
            if not isinstance(made, Failure | Broken):
                wrong = method.faults_of_answer(made)
                if wrong:
                    google.wrong(f"answer of {method.id}: {'; '.join(wrong)}")
                return self._send(200, json.dumps(made).encode())
            fault = made
        if isinstance(fault, Failure):
            return self._error(fault)
        return self._break(fault)

    def _error(self, fault: Failure) -> None:
        error: dict[str, Any] = {"code": fault.status, "message": fault.message, "status": fault.code}
        if fault.details:
            error["details"] = list(fault.details)
        if fault.errors:
            error["errors"] = list(fault.errors)
        self._send(fault.status, json.dumps({"error": error}).encode(), headers=fault.headers)

    def _send(
        self,
        status: int,
        content: bytes,
        *,
        kind: str = "application/json; charset=UTF-8",
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def _break(self, fault: Broken) -> None:
        self.close_connection = True
        page = b"<html><title>502 Bad Gateway</title></html>"
        match fault.kind:
            case "reset":
                self.reset()
            case "reset after headers":
                self._send(200, b'{"resp', length=1000)
                self.reset()
            case "hang":
                self.server.google.stopping.wait(fault.seconds)
            case "truncated":
                self._send(200, b'{"responses": [{"labelAnno')
            case "html":
                self._send(502, page, kind="text/html")
            case "no json":
                self._send(200, page, kind="text/html")
            case "drip":
                self._send(200, b"{", length=100_000)
                ends = time.monotonic() + fault.seconds
                with suppress(OSError):
                    while time.monotonic() < ends and not self.server.google.stopping.wait(0.05):
                        self.wfile.write(b" ")
                        self.wfile.flush()

    def _stored(self, path: str, query: str, content: bytes) -> None:
        """Objects of Cloud Storage: https://cloud.google.com/storage/docs/json_api/v1/objects."""
        google, token = self.server.google, (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if not (token in google.tokens or _signed(token) or self.headers.get("X-Goog-Api-Key") == KEY):
            return self._error(Failure(status=401, code="UNAUTHENTICATED"))
        fault = google.storage_faults.popleft() if google.storage_faults else None
        if fault is not None:
            return self._error(fault) if isinstance(fault, Failure) else self._break(fault)
        if self.command == "POST":
            return self._insert(path, query, content)
        if self.command == "GET" and path.endswith("/o"):
            return self._list(path, query)
        bucket, _, name = path.removeprefix("/storage/v1/b/").partition("/o/")
        if "/" in name or query != ("alt=media" if self.command == "GET" else ""):
            google.wrong(f"an object is asked for as {self.command} {path}?{query}")
        uri = f"gs://{bucket}/{unquote(name)}"
        if uri not in google.objects:
            return self._error(Failure(status=404, code="NOT_FOUND", message="No such object"))
        if self.command == "DELETE":
            del google.objects[uri]
            return self._send(204, b"")
        return self._send(200, google.objects[uri], kind="application/octet-stream")

    def _list(self, path: str, query: str) -> None:
        """https://cloud.google.com/storage/docs/json_api/v1/objects/list"""
        google, asked = self.server.google, dict(parse_qsl(query))
        bucket = path.removeprefix("/storage/v1/b/").removesuffix("/o")
        if set(asked) != {"prefix"} or not asked["prefix"] or "/" in bucket:
            google.wrong(f"objects are listed as {path}?{query}")
        found = [uri.removeprefix(f"gs://{bucket}/") for uri in google.objects if uri.startswith(f"gs://{bucket}/")]
        items = [{"kind": "storage#object", "name": name} for name in found if name.startswith(asked.get("prefix", ""))]
        made = {"kind": "storage#objects", **({"items": items} if items else {})}
        return self._send(200, json.dumps(made).encode())

    def _insert(self, path: str, query: str, content: bytes) -> None:
        """The simple upload of objects.insert: `mediaUpload.protocols.simple` of its discovery document."""
        google, asked = self.server.google, dict(parse_qsl(query))
        match = re.fullmatch(r"/upload/storage/v1/b/([^/]+)/o", path)
        kind = self.headers.get_content_type()
        if match is None or set(asked) != {"uploadType", "name"} or asked["uploadType"] != "media" or not content:
            google.wrong(f"an object is put as {path}?{query}")
            return self._error(Failure())
        if not kind.startswith(("audio/", "application/pdf", "image/")):
            google.wrong(f"an object is put as {kind}")
        google.objects[f"gs://{match[1]}/{asked['name']}"] = content
        made = {"kind": "storage#object", "bucket": match[1], "name": asked["name"], "size": str(len(content))}
        return self._send(200, json.dumps(made).encode())

    def _token(self, raw: bytes) -> None:
        google = self.server.google
        if google.token_down:
            self.close_connection = True
            return self.reset()
        google.token_requests.append({name: values[0] for name, values in parse_qs(raw.decode()).items()})
        token = f"ya29.issued-{len(google.token_requests)}"
        google.tokens.add(token)
        made = {"access_token": token, "expires_in": google.token_life, "token_type": "Bearer"}
        return self._send(200, json.dumps(made).encode())


def _signed(token: str) -> bool:
    """A token that the service account signed itself (AIP-4111)."""
    try:
        claims = jwt.decode(token, certs=_pem()[1].encode())
    except Exception:
        return False
    return bool(claims["iss"] == claims["sub"] == EMAIL and claims.get("scope") == SCOPE)


def _matched(method: gcp_description.Method, path: str) -> Mapping[str, str]:
    found = method.path.fullmatch(path)
    return found.groupdict() if found else {}


def limits_of(method: str, body: Any) -> list[str]:
    """Documented limits: https://cloud.google.com/vision/quotas, .../translate/quotas, .../text-to-speech/quotas,
    .../speech-to-text/docs/quotas."""
    body = body if isinstance(body, dict) else {}
    wrong = []
    if method.endswith("images.annotate"):
        if not 1 <= len(body.get("requests", ())) <= 16:
            wrong.append("1 to 16 images in a request")
        if len(json.dumps(body)) > 10 * 1024 * 1024:
            wrong.append("over 10 MB of JSON")
    if method.endswith("translateText"):
        texts = body.get("contents", ())
        if len(texts) > 1024 or sum(map(len, texts)) > 30_000:
            wrong.append("over 1,024 texts or 30,000 code points")
    if method.endswith("translations.translate") and len(body.get("q", ())) > 128:
        wrong.append("over 128 texts")
    if method.endswith("text.synthesize"):
        given = body.get("input", {})
        if len(str(given.get("text") or given.get("ssml") or "").encode()) > 5_000:
            wrong.append("over 5,000 bytes of text")
    return wrong


@contextmanager
def google(answers: Mapping[str, Handler]) -> Iterator[GoogleServer]:
    """A server whose violations, at the end, are a failure."""
    server = GoogleServer(answers)
    try:
        yield server
    finally:
        server.close()
    assert server.violations == []
