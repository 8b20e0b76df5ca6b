"""The HTTP of the loopback Vertex AI: held to the descriptions both ways, objects of Cloud Storage, lost answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import loopback_http
from gcp_description import Method
from gcp_server import _signed
from vertex_description import PAGE, Refused, find, missing, named

if TYPE_CHECKING:
    from vertex_custom_server import VertexServer


class Http(loopback_http.Server):
    vertex: VertexServer


class Talk(loopback_http.Talk):
    server: Http

    def answer(self) -> None:
        vertex, url = self.server.vertex, urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        vertex.arrived += 1
        if loopback_http.killed(vertex.killing, vertex.arrived, "before"):
            return self.reset()
        path, query = unquote(url.path), dict(parse_qsl(url.query, keep_blank_values=True))
        mine = path.endswith(":rawPredict") or "/b/mine" in path or find(self.command, path) is not None
        if vertex.behind and not mine:
            return self._forwarded(vertex.behind, raw)
        if not _signed((self.headers.get("Authorization") or "").removeprefix("Bearer ")):
            return self._error(Refused(401, "UNAUTHENTICATED", "no token"))
        if path.startswith(("/storage/v1/", "/upload/storage/v1/")):
            return self._storage(url.path, query, raw)
        if path.endswith(":rawPredict"):
            return self._predict(path, raw)
        method = find(self.command, path)
        if method is None:
            vertex.violations.append(f"no method {self.command} {path}")
            return self._error(missing(path))
        body = json.loads(raw) if raw else None
        wrong = method.faults_of_request(body, query)
        if wrong:
            vertex.violations.append(f"{method.id}: {'; '.join(wrong)}")
            return self._error(Refused(400, "INVALID_ARGUMENT", "; ".join(wrong)))
        return self._worked(method, path, query, named(body))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

    def _worked(self, method: Method, path: str, query: Mapping[str, str], body: Any) -> None:
        vertex = self.server.vertex
        short = method.id.rpartition("locations.")[2] or method.id
        short = short.rpartition(":")[2] if short.startswith("logging") else short
        vertex.requests.append((short, body))
        if short in vertex.drop:
            vertex.drop.remove(short)
            return self.reset()
        found = method.path.fullmatch(path)
        assert found is not None
        try:
            if short in vertex.refuse:
                raise vertex.refuse.pop(short)
            made = vertex.do(short.replace("logging.", "logging_"), found.groupdict(), query, body)
        except Refused as error:
            return self._error(error)
        if short in vertex.lose:
            vertex.lose.remove(short)
            return self.reset()
        wrong = method.faults_of_answer(made)
        if wrong:
            vertex.violations.append(f"answer of {method.id}: {'; '.join(wrong)}")
        return self._send(200, json.dumps(made).encode())

    def _predict(self, path: str, raw: bytes) -> None:
        """The body goes to the container as it is, with its content type; Google adds which model answered."""
        vertex = self.server.vertex
        name = path.removeprefix("/v1/").removesuffix(":rawPredict")
        vertex.requests.append(("endpoints.rawPredict", raw))
        endpoint = vertex.endpoints.get(name)
        if endpoint is None or not endpoint.get("deployedModels"):
            return self._error(missing(name))
        assert vertex.serve is not None
        content, kind = vertex.serve(raw, self.headers.get("Content-Type", ""))
        if kind.startswith("error:"):
            return self._send(int(kind.removeprefix("error:")), content)
        return self._send(200, content, kind=kind)

    # --- Cloud Storage ----------------------------------------------------------------------------------

    def _storage(self, path: str, query: Mapping[str, str], raw: bytes) -> None:
        vertex = self.server.vertex
        vertex.requests.append((f"storage.{self.command}", path))
        if f"storage.{self.command}" in vertex.refuse:
            return self._error(vertex.refuse.pop(f"storage.{self.command}"))
        upload = re.fullmatch(r"/upload/storage/v1/b/([^/]+)/o", path)
        if upload and self.command == "POST":
            if set(query) != {"uploadType", "name"} or query["uploadType"] != "media":
                vertex.violations.append(f"an upload as {query}")
            vertex.objects[f"gs://{upload[1]}/{query['name']}"] = raw
            return self._send(200, json.dumps({"kind": "storage#object", "name": query["name"]}).encode())
        listing = re.fullmatch(r"/storage/v1/b/([^/]+)/o", path)
        if listing and self.command == "GET":
            return self._listed(listing[1], query)
        one = re.fullmatch(r"/storage/v1/b/([^/]+)/o/([^/]+)", path)
        uri = f"gs://{one[1]}/{unquote(one[2])}" if one else ""
        if uri not in vertex.objects:
            return self._error(missing(uri))
        if self.command == "DELETE":
            del vertex.objects[uri]
            return self._send(204, b"")
        if query != {"alt": "media"}:
            vertex.violations.append(f"a download as {query}")
        return self._send(200, vertex.objects[uri], kind="application/octet-stream")

    def _listed(self, bucket: str, query: Mapping[str, str]) -> None:
        vertex, start = self.server.vertex, f"gs://{bucket}/"
        if not set(query) <= {"prefix", "pageToken"}:
            vertex.violations.append(f"a listing as {query}")
        names = sorted(uri.removeprefix(start) for uri in vertex.objects if uri.startswith(start + query["prefix"]))
        first = int(query.get("pageToken", "0"))
        items = [
            {"name": name, "size": str(len(vertex.objects[start + name])), "generation": "1"}
            for name in names[first : first + PAGE]
        ]
        more = {"nextPageToken": str(first + PAGE)} if first + PAGE < len(names) else {}
        self._send(200, json.dumps({"kind": "storage#objects", "items": items, **more}).encode())

    # --- answers ----------------------------------------------------------------------------------------

    def _forwarded(self, base: str, raw: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        with httpx.Client(trust_env=False) as client:
            reply = client.request(self.command, base + self.path, content=raw, headers=headers)
        self._send(reply.status_code, reply.content, kind=reply.headers.get("content-type", ""))

    def _error(self, error: Refused) -> None:
        told = {"code": error.status, "message": str(error), "status": error.code}
        details = {"details": error.details} if error.details else {}
        self._send(error.status, json.dumps({"error": {**told, **details}}).encode())

    def _send(self, status: int, content: bytes, *, kind: str = "application/json; charset=UTF-8") -> None:
        if loopback_http.killed(self.server.vertex.killing, self.server.vertex.arrived, "after"):
            self.reset()
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
