"""`tritonserver` for tests: the model repository of a package, its HTTP interface as far as the bridge asks it.

The engine and the codec are those of `cloudai serve`. `--model-repository=gs://BUCKET/PATH` is read from a folder that
`VERTEX_OBJECTS` names, with the objects of the loopback server as files in it. Flags that Triton has not are refused:
https://github.com/triton-inference-server/server/blob/main/src/command_line_parser.cc (read 2026-11-21).
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cloudai.errors import InvalidInput
from cloudai.serving.engine import Engine
from cloudai.serving.protocol import Decoder, Encoder
from cloudai_local.onnx.serving import OnnxFolders

FLAGS = {"allow-vertex-ai": "false", "allow-grpc": "false", "allow-metrics": "false", "allow-http": "true"}


class Loaded:
    """The one model of a repository: `NAME/1/model.onnx` and `NAME/model.toml`."""

    def __init__(self, repository: Path) -> None:
        (folder,) = [path for path in repository.iterdir() if path.is_dir()]
        assert (folder / "config.pbtxt").is_file()
        self.name = folder.name
        version = folder / "1"
        if not (version / "model.toml").exists():
            (version / "model.toml").write_bytes((folder / "model.toml").read_bytes())
        source = OnnxFolders(version, device="cpu", threads=1)
        self.engine: Engine = source.load(next(iter(source.scan())))
        self.decoder, self.encoder = Decoder(self.engine, max_json=1 << 20), Encoder(self.engine)

    def infer(self, body: bytes) -> tuple[int, bytes]:
        try:
            request = self.decoder.decode(body, None)
        except InvalidInput as error:
            return 400, json.dumps({"error": error.message}).encode()
        _, content = self.encoder.encode(request, self.engine.run(request.outputs, request.feed))
        return 200, content


class Talk(BaseHTTPRequestHandler):
    """Triton's answers."""

    protocol_version = "HTTP/1.1"
    loaded: Loaded

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""

    def do_GET(self) -> None:
        self.reply(200 if self.path == "/v2/health/ready" else 404, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/v2/repository/index":
            found = [{"name": self.loaded.name, "version": "1", "state": "READY"}]
            self.reply(200, json.dumps(found).encode())
        elif self.path == f"/v2/models/{self.loaded.name}/infer":
            self.reply(*self.loaded.infer(body))
        else:
            self.reply(404, json.dumps({"error": f"no {self.path}"}).encode())

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    flags = dict(each.removeprefix("--").split("=", 1) for each in sys.argv[1:])
    repository, port = flags.pop("model-repository"), int(flags.pop("http-port"))
    assert flags == FLAGS, flags
    Talk.loaded = Loaded(Path(os.environ["VERTEX_OBJECTS"]) / repository.removeprefix("gs://"))
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", port), Talk).serve_forever()


if __name__ == "__main__":
    main()
