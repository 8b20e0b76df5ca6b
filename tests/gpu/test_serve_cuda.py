"""`cloudai serve` on a CUDA device: taken when asked for or left open, its answers those of the CPU.

Left out (by the marker) where ONNX Runtime has no CUDA.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

import served
from served import tensor

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_a_model_is_served_on_the_gpu_and_batched(tmp_path: Path, device: str) -> None:
    folder = served.scale(tmp_path / "double", 2)
    with served.serving(folder, "--device", device) as run, ThreadPoolExecutor(16) as pool:
        assert "double 1 on cuda:0" in run.log.read_text()
        rows = [[float(number)] * 4 for number in range(64)]
        answers = list(pool.map(lambda row: run.infer("double", tensor([row])), rows))
        assert [answer.json["outputs"][0]["data"] for answer in answers] == [[2 * x for x in row] for row in rows]
        assert run.metric('cloudai_serve_batch_rows_sum{model="double",version="1"}') == 64
