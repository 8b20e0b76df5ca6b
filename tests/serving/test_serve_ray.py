"""The Ray Serve example on a local Ray: the same folder, the same protocol, an independent client."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import served

CLIENT = """
import json, os, sys
sys.path.insert(0, os.environ["EXAMPLE"])
import numpy as np, ray, tritonclient.http as triton
from ray import serve
from ray_app import app

port = int(os.environ["PORT"])
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
serve.start(http_options={"host": "127.0.0.1", "port": port})
serve.run(app, name="models", route_prefix="/")
client = triton.InferenceServerClient(f"127.0.0.1:{port}")
# a new dictionary each time: the client writes into it
key = {"Authorization": f"Bearer {os.environ['CLOUDAI_SERVE_KEY']}"}
x = np.arange(8, dtype=np.float32).reshape(2, 4)
answers = []
for binary in (True, False):
    given = triton.InferInput("x", x.shape, "FP32")
    given.set_data_from_numpy(x, binary_data=binary)
    wanted = [triton.InferRequestedOutput("y", binary_data=binary)]
    answers.append(client.infer("double", [given], outputs=wanted, headers=dict(key)).as_numpy("y").tolist())
try:
    client.infer("double", [given])
except Exception as error:
    refused = str(error)
print("RESULT " + json.dumps({"answers": answers, "ready": client.is_server_ready(), "refused": refused}))
serve.shutdown()
ray.shutdown()
"""


def test_the_ray_example_serves_the_same_folder(examples: Path, tmp_path: Path) -> None:

    served.scale(tmp_path / "models" / "double", 2)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {
        **os.environ,
        "EXAMPLE": str(examples / "serve"),
        "PORT": str(port),
        "CLOUDAI_MODELS": str(tmp_path / "models"),
        "CLOUDAI_SERVE_KEY": "a-key-of-some-thirty-two-characters",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", CLIENT], capture_output=True, text=True, env=environ, timeout=240, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout[-2000:] + done.stderr[-4000:]
    result = json.loads(lines[0].removeprefix("RESULT "))
    doubled = [[0.0, 2.0, 4.0, 6.0], [8.0, 10.0, 12.0, 14.0]]
    assert result["answers"] == [doubled, doubled]
    assert result["ready"] is True
    assert "needs its API key" in result["refused"]
