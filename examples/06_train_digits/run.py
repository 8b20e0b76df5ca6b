"""Trains the classifier, deploys it, asks it over HTTP, and reports how good it is on digits it has not seen.

    python examples/06_train_digits/run.py [FOLDER]

FOLDER keeps the run and the model; without it they go when the report is printed.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.model_selection import train_test_split

from cloudai import Client
from cloudai.calls.runs import must_have_succeeded
from cloudai.training.job_file import read_job
from cloudai.types.custom import DeployRequest

HERE = Path(__file__).parent
CONFIG = """
[backends.here]
provider = "local"
runs = "runs"
endpoints = "endpoints"

[routes]
"*" = "here"
"""


def main(folder: Path) -> None:
    config = folder / "cloudai.toml"
    config.write_text(CONFIG)
    images, classes, groups = held_out()
    with Client(config) as client:
        answers = ask(client, train(client, folder / "model"), images)
    report(classes, answers, groups)


def train(client: Client, folder: Path) -> Path:
    result = client.custom.train(read_job(HERE / "job.toml").job)
    run = client.custom.run(result.run)
    must_have_succeeded(run.ref, run.wait(interval=0.5))
    print(next(line for line in run.logs() if line.startswith("exported")))
    return run.fetch(folder)


def held_out() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The digits that train.py did not train on, and how bold each is written: its group."""
    digits = load_digits()
    _, test = train_test_split(range(len(digits.images)), test_size=0.3, random_state=0, stratify=digits.target)
    images = digits.images[test].astype(np.float32)[:, None] / 16
    ink = images.mean(axis=(1, 2, 3))
    groups = np.array(["thin", "medium", "bold"])[np.digitize(ink, np.quantile(ink, [1 / 3, 2 / 3]))]
    return images, digits.target[test], groups


def ask(client: Client, model: Path, images: np.ndarray) -> np.ndarray:
    """Deployed as an endpoint that speaks the Open Inference Protocol over HTTP: on a cloud the lines are the same."""
    found = client.custom.deploy(DeployRequest(model=str(model), name="digits"))
    endpoint = client.custom.endpoint(found.endpoint)
    try:
        endpoint.wait(interval=1)
        answer = endpoint.predict(tensors={"image": images})
    finally:
        endpoint.delete()
    return answer.outputs["logits"].array.argmax(axis=1)


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
