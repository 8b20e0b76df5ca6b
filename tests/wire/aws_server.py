"""A loopback server that speaks AWS and forgives nothing: for the tests of the aws driver.

Requests are decoded by the service's own description and held to it (`aws_model`), signatures are checked, answers are
held to it before they are sent. What is wrong is noted in `violations`, which `serving` demands to be empty.
Objects of S3 are kept in memory, by `aws_storage`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import ssl
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import aws_model
import loopback_http
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import OperationModel, Shape

ACCESS_KEY, SECRET_KEY, REGION = "AKIDLOOPBACK", "loopback/secret", "us-east-1"
JSON_1_1 = "application/x-amz-json-1.1"
CLOSING = {"Connection": "close"}
"""Who closes a connection says so: else the next request goes into nothing."""
Params = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error as AWS sends it."""

    code: str
    status: int = 400
    message: str = "no"
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)
    """What else the error has."""


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Something that is no answer: see `_break`."""

    kind: str
    seconds: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as the service understood it."""

    service: str
    operation: str
    params: Params
    headers: Mapping[str, str]


Answer = Params | Failure
Handler = Callable[[Params], Answer]


class Violation(Exception):
    """The request is not what the description allows."""


class StrictServer(loopback_http.Server):
    """`answers`: operation name -> what to say to its params.

    `next_faults` come before any answer, one for each request; `None`: this one is answered.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.scheme = "https" if context else "http"
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.whole_addresses: list[str] = []
        """What was asked of it as a proxy."""
        self.answers: dict[str, Handler] = {}
        self.next_faults: deque[Failure | Broken | None] = deque()
        self.received: list[Received] = []
        self.requests = 0
        self.violations: list[str] = []
        self.objects: dict[tuple[str, str], bytes] = {}
        self.killing: tuple[int, int, str] | None = None
        """A process, the number of the request at which it is killed, and whether `before` or `after` the work."""
        self.public: dict[str, bytes] = {}
        """Path -> what an address with its own signature serves to anyone."""
        self.secrets: dict[str, str] = {ACCESS_KEY: SECRET_KEY}
        self.lock = threading.Lock()
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def operations(self) -> list[str]:
        """What was asked, in order."""
        return [each.operation for each in self.received]

    def forget(self) -> None:
        """As if nothing had been asked yet: for a server that several tests share."""
        with self.lock:
            self.received.clear()
            self.next_faults.clear()
            self.objects.clear()
            self.violations.clear()
            self.answers.clear()
            self.requests = 0
            self.killing = None

    def params(self, operation: str) -> Params:
        """The last request of an operation."""
        return next(each.params for each in reversed(self.received) if each.operation == operation)


class _Exchange(loopback_http.Talk):
    server: StrictServer

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):
            super().handle_one_request()

    def answer_any(self) -> None:
        body = self._body()
        if self.path.startswith("http://"):
            self.server.whole_addresses.append(self.path)
            self.path = "/" + self.path.split("/", 3)[3]
        url = urlsplit(self.path)
        with self.server.lock:
            self.server.requests += 1
            fault = self.server.next_faults.popleft() if self.server.next_faults else None
            kill = (
                self.server.killing if self.server.killing and self.server.killing[1] == self.server.requests else None
            )
        if kill is not None:
            return self._kill(kill, body)
        if isinstance(fault, Broken) and fault.kind == "lost":
            return self._lose(body)
        if isinstance(fault, Broken):
            return self._break(fault)
        if isinstance(fault, Failure):
            return self._fail(fault)
        if self.command == "GET" and url.path in self.server.public:
            return self._public(url.path)
        try:
            self._serve(body)
        except Violation as error:
            self.server.violations.append(f"{self.command} {self.path}: {error}")
            self._fail(Failure(code="ValidationException", message=str(error)))

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer_any  # noqa: N815  # http.server's names

    # --- the request -----------------------------------------------------------------------------

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _serve(self, body: bytes) -> None:
        self._check_signature(body)
        if target := self.headers.get("X-Amz-Target"):
            prefix, _, name = target.rpartition(".")
            if prefix not in aws_model.targets():
                raise Violation(f"no service {prefix}")
            operation = aws_model.targets()[prefix].operation_model(name)
            if (self.command, self.path, self.headers["Content-Type"]) != ("POST", "/", JSON_1_1):
                raise Violation("JSON 1.1 is a POST of application/x-amz-json-1.1 to /")
            return self._answer(operation, from_wire(operation.input_shape, _json(body)))
        if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return self._query(body)
        if urlsplit(self.path).path.startswith("/v1/"):
            return self._answer(*self._rest("polly", body))
        if urlsplit(self.path).path.startswith("/endpoints/"):
            return self._answer(*self._rest("sagemaker-runtime", body))
        import aws_storage

        return aws_storage.serve(self, body)

    def _rest(self, service: str, body: bytes) -> tuple[OperationModel, Params]:
        url = urlsplit(self.path)
        found = [
            (operation, match.groupdict())
            for method, pattern, operation in aws_model.routes(service)
            if method == self.command and (match := pattern.fullmatch(url.path))
        ]
        if len(found) != 1:
            raise Violation("no operation has this method and path")
        operation, places = found[0]
        shape, query = operation.input_shape, parse_qs(url.query, keep_blank_values=True)
        params, known = Params(), set[str]()
        payload = shape.serialization.get("payload")
        for name, member in shape.members.items():
            where, key = member.serialization.get("location"), member.serialization.get("name", name)
            if where == "uri":
                params[name] = unquote(places[key])
            elif where == "header" and key in self.headers:
                params[name] = self.headers[key]
            elif where == "querystring":
                known.add(key)
                if key in query:
                    params[name] = _from_text(member, query[key][0])
        if unknown := set(query) - known:
            raise Violation(f"unknown in the query: {sorted(unknown)}")
        if payload:
            params[payload] = body
        elif body:
            params |= from_wire(shape, _json(body))
        return operation, params

    def _query(self, body: bytes) -> None:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.pop("Version", "") != "2011-06-15":
            raise Violation("not the version of STS")
        operation = aws_model.service("sts").operation_model(form.pop("Action"))
        params = {name: int(text) if name == "DurationSeconds" else text for name, text in form.items()}
        answer = self._handled(operation, params)
        if isinstance(answer, Failure):
            return self._fail(answer)
        texts = {**answer["Credentials"], "Expiration": f"{answer['Credentials']['Expiration']:%Y-%m-%dT%H:%M:%SZ}"}
        inside = "".join(f"<{name}>{text}</{name}>" for name, text in texts.items())
        xml = f"<R><{operation.name}Result><Credentials>{inside}</Credentials></{operation.name}Result></R>"
        return self.reply(200, xml.encode(), "text/xml")

    def _check_signature(self, body: bytes) -> None:
        words = self.headers.get("Authorization", "").replace(",", " ").split()
        if not words or words[0] != "AWS4-HMAC-SHA256":
            raise Violation("no AWS4-HMAC-SHA256 authorization")
        parts = dict(word.split("=", 1) for word in words[1:])
        key, _, region, service, _ = parts["Credential"].split("/")
        if key not in self.server.secrets:
            raise Violation(f"unknown access key {key}")
        digest = self.headers.get("X-Amz-Content-SHA256", "")
        if len(digest) == 64 and digest != hashlib.sha256(body).hexdigest():
            raise Violation("X-Amz-Content-SHA256 is not that of the body")
        headers = {name: self.headers[name] for name in parts["SignedHeaders"].split(";")}
        url = f"http://{self.headers['Host']}{self.path}"
        request = AWSRequest(method=self.command, url=url, data=body, headers=headers)
        if digest and "X-Amz-Content-SHA256" not in request.headers:
            request.headers["X-Amz-Content-SHA256"] = digest
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        kind = S3SigV4Auth if service == "s3" else SigV4Auth
        auth = kind(Credentials(key, self.server.secrets[key]), service, region)
        expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        if expected != parts["Signature"]:
            raise Violation("the signature is wrong")

    # --- the answer ------------------------------------------------------------------------------

    def _handled(self, operation: OperationModel, params: Params) -> Answer:
        service = operation.service_model.service_name
        wrong = [*aws_model.problems(operation.input_shape, params)]
        wrong += aws_model.documented(service, operation.input_shape, params)
        if wrong:
            raise Violation("; ".join(wrong))
        received = Received(service=service, operation=operation.name, params=params, headers=dict(self.headers))
        with self.server.lock:
            self.server.received.append(received)
        if operation.name not in self.server.answers:
            raise Violation(f"nothing to say to {operation.name}")
        answer = self.server.answers[operation.name](params)
        if isinstance(answer, Failure) or operation.output_shape is None:
            return answer
        if wrong := [*aws_model.problems(operation.output_shape, answer)]:
            raise Violation(f"the answer of {operation.name} would not be allowed: {'; '.join(wrong)}")
        return answer

    def _answer(self, operation: OperationModel, params: Params) -> None:
        answer = self._handled(operation, params)
        if isinstance(answer, Failure):
            return self._fail(answer)
        shape = operation.output_shape
        if shape is None:
            return self.reply(200, b"", "application/x-amz-json-1.1")
        payload = shape.serialization.get("payload")
        headers = {
            shape.members[name].serialization["name"]: str(value)
            for name, value in answer.items()
            if shape.members[name].serialization.get("location") == "header"
        }
        content_type = headers.pop("Content-Type", "application/x-amz-json-1.1")
        body = answer[payload] if payload else json.dumps(to_wire(shape, answer)).encode()
        return self.reply(200, body, content_type, headers)

    def reply(self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """One whole answer."""
        self.send_response(status)
        for name, value in {"x-amzn-RequestId": str(uuid.uuid4()), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, failure: Failure) -> None:
        headers = {"x-amzn-ErrorType": failure.code, **failure.headers}
        text = json.dumps({"__type": failure.code, "message": failure.message, **failure.members}).encode()
        if not self.headers.get("X-Amz-Target") and not urlsplit(self.path).path.startswith(("/v1/", "/endpoints/")):
            text = f"<Error><Code>{failure.code}</Code><Message>{failure.message}</Message></Error>".encode()
            return self.reply(failure.status, text, "application/xml", failure.headers)
        return self.reply(failure.status, text, "application/x-amz-json-1.1", headers)

    def _public(self, path: str) -> None:
        if "Authorization" in self.headers:
            self.server.violations.append("credentials were sent to a presigned address")
        self.reply(200, self.server.public[path], "application/json")

    def _lose(self, body: bytes) -> None:
        """Does what was asked, and does not answer."""
        self.close_connection = True
        self.wfile = io.BytesIO()
        self._serve(body)
        self.connection.close()

    def _kill(self, kill: tuple[int, int, str], body: bytes) -> None:
        """kill -9 of whoever asked."""
        if kill[2] == "after":
            self._lose(body)
        os.kill(kill[0], signal.SIGKILL)
        self.close_connection = True

    def _break(self, broken: Broken) -> None:
        self.close_connection = True
        if broken.kind == "hang":
            self.server.stopping.wait(broken.seconds)
        elif broken.kind in ("html", "html-200"):
            status = 502 if broken.kind == "html" else 200
            self.reply(status, b"<html><body>Bad Gateway</body></html>", "text/html", CLOSING)
        elif broken.kind == "empty":
            self.reply(200, b"", JSON_1_1, CLOSING)
        elif broken.kind == "reset-after-headers":
            self._headers_for(100)
        elif broken.kind == "truncated":
            self.reply(200, b'{"Labels": [{"Na', JSON_1_1, CLOSING)
        elif broken.kind == "drip":
            self._headers_for(10_000)
            ends = time.monotonic() + broken.seconds
            while time.monotonic() < ends and not self.server.stopping.wait(0.05):
                self.wfile.write(b" ")
                self.wfile.flush()
        else:
            assert broken.kind == "reset", broken.kind
        self.connection.close()

    def _headers_for(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.flush()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise Violation(f"the body is no JSON: {error}") from error


def _from_text(shape: Shape, text: str) -> Any:
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return int(text) if shape.type_name in ("integer", "long") and text.lstrip("-").isdecimal() else text


def from_wire(shape: Any, value: Any) -> Any:
    """JSON as the description's types. What has the wrong type is left as it is: `problems` names it."""
    if shape is None:
        return value
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        return {
            names.get(key, key): from_wire(shape.members[names[key]] if key in names else None, item)
            for key, item in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [from_wire(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: from_wire(shape.value, item) for key, item in value.items()}
    if kind == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:
            raise Violation(f"{shape.name} is no base64") from None
    return value


def to_wire(shape: Any, value: Any) -> Any:
    """The other way."""
    kind = shape.type_name
    if kind == "structure":
        return {
            shape.members[name].serialization.get("name", name): to_wire(shape.members[name], item)
            for name, item in value.items()
            if "location" not in shape.members[name].serialization
        }
    if kind == "list":
        return [to_wire(shape.member, item) for item in value]
    if kind == "map":
        return {key: to_wire(shape.value, item) for key, item in value.items()}
    if kind == "blob":
        return base64.b64encode(value).decode()
    return value.timestamp() if kind == "timestamp" else value


@contextmanager
def serving(*, strict: bool = True, context: ssl.SSLContext | None = None) -> Iterator[StrictServer]:
    """A server for the time of a test; at its end nothing may have been violated."""
    server = StrictServer(context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
    assert not strict or not server.violations, server.violations
