"""The other servers of `bench_serve.py`: each a small program over the same graph, run in an environment of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SESSION = """
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
"""

BARE = (
    SESSION
    + """
import sys, orjson, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
session = onnxruntime.InferenceSession(sys.argv[1], options)

async def infer(request):
    given = PARSED["inputs"][0]
    x = np.asarray(given["data"], np.float32).reshape(given["shape"])
    y = session.run(None, {"x": x})[0]
    answer = {"outputs": [{"name": "y", "datatype": "FP32", "shape": y.shape, "data": y.ravel().tolist()}]}
    return WRITTEN

async def ready(request):
    return Response()

app = Starlette(routes=[Route("/infer", infer, methods=["POST"]), Route("/ready", ready)])
uvicorn.run(app, http="httptools", loop="uvloop", port=int(sys.argv[2]), log_level="warning", access_log=False)
"""
)
PLAIN = BARE.replace("PARSED", "(await request.json())").replace("WRITTEN", "JSONResponse(answer)")
PLAIN = PLAIN.replace("import Response", "import JSONResponse, Response")
FAST = BARE.replace("PARSED", "orjson.loads(await request.body())")
FAST = FAST.replace("WRITTEN", 'Response(orjson.dumps(answer), media_type="application/json")')

MLSERVER = (
    SESSION
    + """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Onnx(MLModel):
    async def load(self):
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        return True

    async def predict(self, payload):
        x = NumpyCodec.decode_input(payload.inputs[0])
        y = self.session.run(None, {"x": x})[0]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", y)])
"""
)

KSERVE = (
    SESSION
    + """
import sys
import kserve
from kserve import InferOutput, InferResponse

class Onnx(kserve.Model):
    def __init__(self):
        super().__init__("small")
        self.session = onnxruntime.InferenceSession(sys.argv.pop(1), options)
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        y = self.session.run(None, {"x": payload.inputs[0].as_numpy()})[0]
        out = InferOutput(name="y", shape=list(y.shape), datatype="FP32")
        out.set_data_from_numpy(y, binary_data=False)
        return InferResponse(response_id=payload.id or "1", model_name="small", infer_outputs=[out])

kserve.ModelServer(enable_grpc=False, access_log_format=None).start([Onnx()])
"""
)

LITSERVE = (
    SESSION
    + """
import sys
import litserve

class Onnx(litserve.LitAPI):
    def setup(self, device):
        self.session = onnxruntime.InferenceSession(sys.argv[1], options)

    def decode_request(self, request):
        return np.asarray(request["data"], np.float32).reshape(request["shape"])

    def predict(self, x):
        return self.session.run(None, {"x": x})[0]

    def encode_response(self, y):
        return {"shape": y.shape, "data": y.ravel().tolist()}

if __name__ == "__main__":
    server = litserve.LitServer(Onnx(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)
"""
)


def _program(name: str, text: str) -> Callable[[str, Path, Path, int], list[str]]:
    def command(python: str, folder: Path, model: Path, port: int) -> list[str]:
        file = folder / f"{name}.py"
        file.write_text(text)
        return [python, str(file), str(model), str(port)]

    return command


def _kserve(python: str, folder: Path, model: Path, port: int) -> list[str]:
    return [*_program("kserve_app", KSERVE)(python, folder, model, port)[:-1], f"--http_port={port}"]


def _mlserver(python: str, folder: Path, model: Path, port: int) -> list[str]:
    home = folder / "mlserver_home"
    home.mkdir(exist_ok=True)
    (home / "onnx_model.py").write_text(MLSERVER)
    ports = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2}
    (home / "settings.json").write_text(json.dumps({"parallel_workers": 0, "host": "127.0.0.1", **ports}))
    settings = {"name": "small", "implementation": "onnx_model.Onnx", "parameters": {"uri": str(model)}}
    (home / "model-settings.json").write_text(json.dumps(settings))
    return [python, "-c", "from mlserver.cli import main; main()", "start", str(home)]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another server."""

    name: str
    path: str
    ready: str
    command: Callable[[str, Path, Path, int], list[str]]
    body: Callable[[bytes], bytes] = bytes
    """What it is asked, made of the protocol's request."""


def _first_input(body: bytes) -> bytes:
    given = json.loads(body)["inputs"][0]
    return json.dumps({"shape": given["shape"], "data": given["data"]}).encode()


PEERS = (
    Peer(name="bare", path="/infer", ready="/ready", command=_program("bare", PLAIN)),
    Peer(name="bare, orjson", path="/infer", ready="/ready", command=_program("bare_orjson", FAST)),
    Peer(name="mlserver", path="/v2/models/small/infer", ready="/v2/health/ready", command=_mlserver),
    Peer(name="kserve", path="/v2/models/small/infer", ready="/v2/health/ready", command=_kserve),
    Peer(
        name="litserve",
        path="/predict",
        ready="/health",
        command=_program("litserve_app", LITSERVE),
        body=_first_input,
    ),
)
