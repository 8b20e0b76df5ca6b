"""The bridge in a batch prediction's container as Vertex AI meets it: a process, and its routes over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from vertex_batch_work import free_port

from cloudai_gcp.vertex_bodies import bridge_source

STAND_IN = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
flags = dict(each[2:].split("=", 1) for each in sys.argv[1:])
answers = json.loads(os.environ["STAND_IN"])
if "exit" in answers:
    sys.exit(answers["exit"])

class Talk(BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self): self.answer()
    def do_POST(self):
        self.body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.answer()
    def answer(self):
        status, body = answers.get(self.path, [404, ""])
        made = body.replace("BODY", getattr(self, "body", "")).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(made)))
        self.end_headers()
        self.wfile.write(made)

ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", int(flags["http-port"])), Talk).serve_forever()
"""
"""Triton's place: it says what `STAND_IN` has for each path."""
READY: dict[str, Any] = {
    "/v2/health/ready": [200, ""],
    "/v2/repository/index": [200, '[{"name": "m"}]'],
    "/v2/models/m/infer": [200, "BODY"],
}


@contextmanager
def bridge(folder: Path, answers: dict[str, Any]) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    program = folder / "tritonserver"
    program.write_text(f"#!{sys.executable}\n{STAND_IN}")
    program.chmod(0o755)
    port = free_port()
    variables = {
        "AIP_STORAGE_URI": "gs://b/m",
        "AIP_HTTP_PORT": str(port),
        "CLOUDAI_TRITON_PORT": str(free_port()),
        "STAND_IN": json.dumps(answers),
        "PATH": f"{folder}:{os.environ['PATH']}",
    }
    command = [sys.executable, "-c", bridge_source()]
    process = subprocess.Popen(command, env={**os.environ, **variables}, start_new_session=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            yield process, client
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.wait()


def health(client: httpx.Client, wanted: int) -> None:
    """Waits for the route to say so."""
    for _ in range(400):
        try:
            if client.get("/health").status_code == wanted:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"it never said {wanted}")


def asked(client: httpx.Client, *requests: object) -> httpx.Response:
    return client.post("/predict", json={"instances": [{"request": request} for request in requests]})


def test_predictions_are_as_many_as_instances_in_their_order(tmp_path: Path) -> None:
    with bridge(tmp_path, READY) as (_, client):
        health(client, 200)
        texts = [json.dumps({"id": str(number)}) for number in range(200)]
        assert asked(client, *texts).json() == {"predictions": texts}
        assert asked(client).json() == {"predictions": []}


def test_it_is_not_ready_before_triton_is(tmp_path: Path) -> None:
    with bridge(tmp_path, {**READY, "/v2/health/ready": [503, ""]}) as (_, client):
        health(client, 503)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"/v2/models/m/infer": [503, ""]}, "not ready"),
        ({"/v2/repository/index": [200, "[]"]}, "0 models"),
        ({"/v2/repository/index": [200, '[{"name": "a"}, {"name": "b"}]']}, "2 models"),
    ],
)
def test_what_may_pass_is_asked_again_by_vertex(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with bridge(tmp_path, {**READY, **change}) as (_, client):
        health(client, 200)
        reply = asked(client, "{}")
        assert reply.status_code == 503
        assert said in reply.json()["error"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [([400, '{"error": "no input x"}'], "no input x"), ([500, "oops"], "HTTP 500"), ([400, "[1]"], "HTTP 400")],
)
def test_what_triton_refuses_is_the_error_of_its_line(tmp_path: Path, answer: list[Any], error: str) -> None:
    with bridge(tmp_path, {**READY, "/v2/models/m/infer": answer}) as (_, client):
        health(client, 200)
        made = [json.loads(each) for each in asked(client, '{"id": "a"}', '{"id": 7}', "{no").json()["predictions"]]
        assert made == [{"id": "a", "error": error}, {"error": error}, {"error": error}]


def test_an_instance_that_is_none_of_ours_is_an_error_of_its_line(tmp_path: Path) -> None:
    with bridge(tmp_path, READY) as (_, client):
        health(client, 200)
        reply = client.post("/predict", json={"instances": [[1, 2], {"request": 3}, {"request": "{}"}]})
        first, second, third = reply.json()["predictions"]
        assert json.loads(first) == json.loads(second) == {"error": "an instance without a request"}
        assert third == "{}"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"instances": 3}', b'{"rows": []}'])
def test_a_body_without_instances_is_refused(tmp_path: Path, body: bytes) -> None:
    with bridge(tmp_path, READY) as (_, client):
        health(client, 200)
        assert client.post("/predict", content=body).status_code == 400


def test_the_container_ends_as_triton_ends(tmp_path: Path) -> None:
    with bridge(tmp_path, {"exit": 7}) as (process, _):
        assert process.wait(30) == 7
