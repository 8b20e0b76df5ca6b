"""Between Vertex AI's batch predictions and Triton: runs in a batch job's container, on Python's own library alone.

Vertex AI hands a container `{"instances": [...]}` and takes `{"predictions": [...]}`, one for each instance:
https://cloud.google.com/vertex-ai/docs/predictions/get-batch-predictions (read 2026-11-21). Triton reads requests of
the Open Inference Protocol, one at a time. So an instance is `{"request": "..."}`, the request as text, and its
prediction is the response as text: numbers go through Vertex AI unread. What Triton refuses is `{"error": "..."}`.
"""

import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TRITON = int(os.environ.get("CLOUDAI_TRITON_PORT", "8090"))
AT_ONCE = 64
"""Requests that Triton has at a time: it batches them as the model's configuration says."""


class NotReady(Exception):
    """Triton does not answer: Vertex AI asks again."""


def ask(method: str, path: str, body: bytes = b"") -> "tuple[int, bytes]":
    """Status and body. Raises `NotReady`."""
    connection = http.client.HTTPConnection("127.0.0.1", TRITON, timeout=600)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException) as error:
        raise NotReady(str(error)) from error
    finally:
        connection.close()


def model() -> str:
    """The one model of the repository."""
    status, body = ask("POST", "/v2/repository/index", b"{}")
    found = json.loads(body) if status == 200 else []
    if len(found) != 1:
        raise NotReady("the repository holds " + str(len(found)) + " models, not one")
    return str(found[0]["name"])


def answer(instance: object, name: str) -> str:
    """The response to one instance, or why there is none, as text."""
    text = instance.get("request") if isinstance(instance, dict) else None
    if not isinstance(text, str):
        return json.dumps({"error": "an instance without a request"})
    status, body = ask("POST", "/v2/models/" + name + "/infer", text.encode())
    if status == 503:
        raise NotReady("Triton is not ready")
    said = body.decode("utf-8", "replace")
    return said if status == 200 else json.dumps(refusal(text, said, status))


def refusal(request: str, said: str, status: int) -> "dict[str, str]":
    """An error of the protocol, with the request's `id` where it has one."""
    try:
        message = str(json.loads(said)["error"])
    except (ValueError, KeyError, TypeError):
        message = "HTTP " + str(status)
    try:
        known = json.loads(request)["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        known = None
    return {**({"id": known} if isinstance(known, str) else {}), "error": message}


class Bridge(BaseHTTPRequestHandler):
    """`GET`: whether the model is ready. `POST`: predictions."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the base class
        """Silent: lines in the log cost."""

    def do_GET(self) -> None:
        try:
            status, _ = ask("GET", "/v2/health/ready")
        except NotReady:
            status = 503
        self.reply(status, b"{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            instances = json.loads(body)["instances"]
            name = model()
            with ThreadPoolExecutor(min(AT_ONCE, max(1, len(instances)))) as threads:
                made = list(threads.map(lambda each: answer(each, name), instances))
            self.reply(200, json.dumps({"predictions": made}).encode())
        except NotReady as error:
            self.reply(503, json.dumps({"error": str(error)}).encode())
        except (ValueError, KeyError, TypeError) as error:
            self.reply(400, json.dumps({"error": "no instances: " + str(error)}).encode())

    def reply(self, status: int, body: bytes) -> None:
        """One answer as JSON."""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    """Ends when Triton ends, with its status."""
    flags = ["--allow-vertex-ai=false", "--allow-grpc=false", "--allow-metrics=false", "--allow-http=true"]
    where = ["--model-repository=" + os.environ["AIP_STORAGE_URI"], "--http-port=" + str(TRITON)]
    program = shutil.which("tritonserver") or "/opt/tritonserver/bin/tritonserver"
    triton = subprocess.Popen([program, *where, *flags])
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer(("", int(os.environ.get("AIP_HTTP_PORT", "8080"))), Bridge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        return triton.wait()
    finally:
        triton.kill()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    sys.exit(main())
