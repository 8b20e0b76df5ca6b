"""Trains the classifier, serves it, asks it over HTTP, and reports how good it is on digits it has not seen.

    python examples/06_train_digits/run.py [FOLDER]

FOLDER keeps the run and the model; without it they go when the report is printed.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.model_selection import train_test_split

from cloudai import Client
from cloudai.calls.runs import must_have_succeeded
from cloudai.training.job_file import read_job

HERE = Path(__file__).parent
CONFIG = '[backends.here]\nprovider = "local"\nruns = "runs"\n[routes]\n"*" = "here"\n'


def main(folder: Path) -> None:
    model = train(folder)
    images, classes, groups = held_out()
    with served(model.parent) as address:
        answers = ask(address, images)
    report(classes, answers, groups)


def train(folder: Path) -> Path:
    config = folder / "cloudai.toml"
    config.write_text(CONFIG)
    with Client(config) as client:
        result = client.custom.train(read_job(HERE / "job.toml").job)
        run = client.custom.run(result.run)
        status = run.wait(interval=0.5)
        must_have_succeeded(run.ref, status)
        print(next(line for line in run.logs() if line.startswith("exported")))
        return run.fetch(folder / "models" / "digits")


def held_out() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The digits that train.py did not train on, and how bold each is written: its group."""
    digits = load_digits()
    _, test = train_test_split(range(len(digits.images)), test_size=0.3, random_state=0, stratify=digits.target)
    images = digits.images[test].astype(np.float32)[:, None] / 16
    ink = images.mean(axis=(1, 2, 3))
    groups = np.array(["thin", "medium", "bold"])[np.digitize(ink, np.quantile(ink, [1 / 3, 2 / 3]))]
    return images, digits.target[test], groups


@contextmanager
def served(models: Path) -> Iterator[str]:
    """`cloudai serve` on a free port, until it is done with."""
    command = [sys.executable, "-m", "cloudai", "serve", str(models), "--port", "0", "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def ask(address: str, images: np.ndarray) -> np.ndarray:
    """The Open Inference Protocol: the same request to an endpoint on any cloud."""
    tensor = {"name": "image", "datatype": "FP32", "shape": list(images.shape), "data": images.ravel().tolist()}
    answer = httpx.post(f"{address}/v2/models/digits/infer", json={"inputs": [tensor]}, timeout=30).raise_for_status()
    logits = answer.json()["outputs"][0]
    return np.array(logits["data"]).reshape(logits["shape"]).argmax(axis=1)


def report(classes: np.ndarray, answers: np.ndarray, groups: np.ndarray) -> None:
    print(f"accuracy {accuracy_score(classes, answers):.3f} on {len(classes)} held-out digits")
    print(f"{'class':>8} {'precision':>9} {'recall':>7} {'F1':>6} {'digits':>7}")
    for digit, *row in zip(range(10), *precision_recall_fscore_support(classes, answers), strict=True):
        print(f"{digit:>8} {row[0]:>9.3f} {row[1]:>7.3f} {row[2]:>6.3f} {row[3]:>7}")
    print(f"{'group':>8} {'precision':>9} {'recall':>7} {'F1':>6} {'digits':>7}  (means over the classes)")
    for group in ("thin", "medium", "bold"):
        mine = groups == group
        row = precision_recall_fscore_support(classes[mine], answers[mine], average="macro", zero_division=0)
        print(f"{group:>8} {row[0]:>9.3f} {row[1]:>7.3f} {row[2]:>6.3f} {mine.sum():>7}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        main(Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as scratch:
            main(Path(scratch))
