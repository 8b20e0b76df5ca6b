"""Trains the regression, deploys it, asks it over HTTP, and reports its errors on people it has not seen.

python examples/07_train_diabetes/run.py [FOLDER]
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
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
    rows, target = load_diabetes(return_X_y=True)
    _, rows, train_target, target = train_test_split(rows, target, test_size=0.3, random_state=0)
    with Client(config) as client:
        answers = ask(client, train(client, folder / "model"), rows.astype(np.float32))
    mean = np.full_like(target, train_target.mean())
    print(f"{'':>15} {'RMSE':>7} {'MAE':>7}   on {len(target)} held-out people")
    for name, predicted in (("the model", answers), ("always the mean", mean)):
        rmse, mae = root_mean_squared_error(target, predicted), mean_absolute_error(target, predicted)
        print(f"{name:>15} {rmse:>7.2f} {mae:>7.2f}")


def train(client: Client, folder: Path) -> Path:
    result = client.custom.train(read_job(HERE / "job.toml").job)
    run = client.custom.run(result.run)
    must_have_succeeded(run.ref, run.wait(interval=0.5))
    print(next(line for line in run.logs() if line.startswith("exported")))
    return run.fetch(folder)


def ask(client: Client, model: Path, rows: np.ndarray) -> np.ndarray:
    """Deployed as an endpoint that speaks the Open Inference Protocol over HTTP: on a cloud the lines are the same."""
    found = client.custom.deploy(DeployRequest(model=str(model), name="diabetes"))
    endpoint = client.custom.endpoint(found.endpoint)
    try:
        endpoint.wait(interval=1)
        answer = endpoint.predict(tensors={"rows": rows})
    finally:
        endpoint.delete()
    return answer.outputs["variable"].array.ravel()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        main(Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as scratch:
            main(Path(scratch))
