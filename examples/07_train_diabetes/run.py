"""Trains the regression, serves it, asks it over HTTP, and reports its errors on people it has not seen.

python examples/07_train_diabetes/run.py [FOLDER]
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.model_selection import train_test_split

from cloudai import Client
from cloudai.calls.runs import must_have_succeeded
from cloudai.training.job_file import read_job

HERE = Path(__file__).parent
CONFIG = '[backends.here]\nprovider = "local"\nruns = "runs"\n[routes]\n"*" = "here"\n'


def main(folder: Path) -> None:
    model = train(folder)
    rows, target = load_diabetes(return_X_y=True)
    _, rows, train_target, target = train_test_split(rows, target, test_size=0.3, random_state=0)
    with served(model.parent) as address:
        answers = ask(address, rows.astype(np.float32))
    mean = np.full_like(target, train_target.mean())
    print(f"{'':>15} {'RMSE':>7} {'MAE':>7}   on {len(target)} held-out people")
    for name, predicted in (("the model", answers), ("always the mean", mean)):
        rmse, mae = root_mean_squared_error(target, predicted), mean_absolute_error(target, predicted)
        print(f"{name:>15} {rmse:>7.2f} {mae:>7.2f}")


def train(folder: Path) -> Path:
    config = folder / "cloudai.toml"
    config.write_text(CONFIG)
    with Client(config) as client:
        result = client.custom.train(read_job(HERE / "job.toml").job)
        run = client.custom.run(result.run)
        status = run.wait(interval=0.5)
        must_have_succeeded(run.ref, status)
        print(next(line for line in run.logs() if line.startswith("exported")))
        return run.fetch(folder / "models" / "diabetes")


@contextmanager
def served(models: Path) -> Iterator[str]:
    """`cloudai serve` on a free port, until it is done with."""
    command = [sys.executable, "-m", "cloudai", "serve", str(models), "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def ask(address: str, rows: np.ndarray) -> np.ndarray:
    tensor = {"name": "rows", "datatype": "FP32", "shape": list(rows.shape), "data": rows.ravel().tolist()}
    answer = httpx.post(f"{address}/v2/models/diabetes/infer", json={"inputs": [tensor]}, timeout=30).raise_for_status()
    return np.array(answer.json()["outputs"][0]["data"])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        main(Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as scratch:
            main(Path(scratch))
