"""The runner in each platform's documented environment: one script, the same artefact, byte for byte."""

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cloudai.training import metrics_of, outcome_of
from cloudai.training.package import SHIPPED, prepare
from cloudai.types.custom import TrainingJob

SCRIPT = """
import json, os
from cloudai.training import checkpoint_dir, hparams, input_dir, log_metric, model_dir, rank, world_size
rows = [float(line) for line in (input_dir("train-set") / "rows.csv").read_text().split()]
weight = 0.0
for step in range(hparams()["steps"]):
    for row in rows:
        weight += hparams()["rate"] * (row - weight)
    log_metric("loss", sum((row - weight) ** 2 for row in rows), step=step)
(checkpoint_dir() / "at.txt").write_text(str(step))
torch_sees = {name: os.environ[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")}
print("torch", json.dumps(torch_sees), rank(), world_size(), flush=True)
(model_dir() / "weights.bin").write_bytes(repr(weight).encode())
(model_dir() / "nested").mkdir()
(model_dir() / "nested" / "parameters.json").write_text(json.dumps(hparams(), sort_keys=True))
"""
HYPERPARAMETERS = {"rate": 0.125, "steps": 3, "name": "5", "flag": True}
PLATFORMS = ("sagemaker", "sagemaker-plain", "vertex", "azureml", "local")

DANGLING = "import os\nfrom cloudai.training import model_dir\nos.symlink('nowhere', model_dir() / 'weights')\n"


class Place:
    """A platform's folders and variables, as its documentation gives them, below a folder of the test's own."""

    def __init__(self, root: Path, platform: str, *, script: str = SCRIPT) -> None:
        self.root = root
        source = root / "user"
        source.mkdir()
        (source / "train.py").write_text(script)
        self.source = root / "code"
        prepare(TrainingJob(name="x", script="train.py", source=str(source))).package.unpack(self.source)
        self.arguments: list[str] = []
        self.environ: dict[str, str] = {}
        self.model = root / "model"
        self.checkpoints = root / "checkpoints"
        self.data = root / "data"
        getattr(self, platform.replace("-", "_"))()
        self.data.mkdir(parents=True)
        (self.data / "rows.csv").write_text("1\n2\n4.5\n")

    def sagemaker(self) -> None:
        """A framework container: sagemaker-training-toolkit, ENVIRONMENT_VARIABLES.md."""
        ml = self.root / "opt" / "ml"
        self.data, self.model, self.checkpoints = ml / "input/data/train-set", ml / "model", ml / "checkpoints"
        self.environ = {
            "SM_MODEL_DIR": str(self.model),
            "SM_CHANNELS": '["train-set"]',
            "SM_CHANNEL_TRAIN-SET": str(self.data),
            "SM_HPS": json.dumps({**HYPERPARAMETERS, "sagemaker_program": "cloudai_runner.py"}),
            "SM_HOSTS": '["algo-1"]',
            "SM_CURRENT_HOST": "algo-1",
            "SM_NUM_GPUS": "0",
            "SM_OUTPUT_DIR": str(ml / "output"),
            "CLOUDAI_ML_ROOT": str(ml),
        }
        self.arguments = ["--rate", "0.125", "--steps", "3", "--name", "5", "--flag", "True"]
        self.failure = ml / "output" / "failure"

    def sagemaker_plain(self) -> None:
        """Any other container: only the files below /opt/ml."""
        ml = self.root / "opt" / "ml"
        self.data, self.model, self.checkpoints = ml / "input/data/train-set", ml / "model", ml / "checkpoints"
        config = ml / "input" / "config"
        config.mkdir(parents=True)
        written = {name: json.dumps(value) for name, value in HYPERPARAMETERS.items()}
        (config / "hyperparameters.json").write_text(json.dumps(written))
        (config / "resourceconfig.json").write_text('{"current_host": "algo-1", "hosts": ["algo-1"]}')
        (config / "inputdataconfig.json").write_text('{"train-set": {"TrainingInputMode": "File"}}')
        self.environ = {"CLOUDAI_ML_ROOT": str(ml), "TRAINING_JOB_NAME": "x-1"}
        self.arguments = ["train"]

    def vertex(self) -> None:
        """cloud.google.com/vertex-ai/docs/training/code-requirements: gs:// addresses, mounted below /gcs."""
        gcs = self.root / "gcs"
        self.data, self.model = gcs / "bucket/data", gcs / "bucket/out/model"
        self.checkpoints = gcs / "bucket/out/checkpoints"
        self.environ = {
            "AIP_MODEL_DIR": "gs://bucket/out/model/",
            "AIP_CHECKPOINT_DIR": "gs://bucket/out/checkpoints/",
            "AIP_TENSORBOARD_LOG_DIR": "gs://bucket/out/logs/",
            "CLOUD_ML_PROJECT_ID": "p",
            "CLUSTER_SPEC": json.dumps(
                {"cluster": {"workerpool0": ["127.0.0.1:2222"]}, "environment": "cloud",
                 "task": {"type": "workerpool0", "index": 0}}
            ),
            "CLOUDAI_INPUT_TRAIN_SET": "gs://bucket/data",
            "CLOUDAI_HPARAMS": json.dumps(HYPERPARAMETERS),
            "CLOUDAI_GCS_ROOT": str(gcs),
        }  # fmt: skip

    def azureml(self) -> None:
        """A command job: mounted paths as arguments, a PyTorch distribution of one process."""
        mounts = self.root / "mnt"
        self.data, self.model, self.checkpoints = mounts / "train", mounts / "model", mounts / "checkpoints"
        self.environ = {
            "AZUREML_RUN_ID": "x-1", "AZUREML_NODE_COUNT": "1", "MASTER_ADDR": "10.0.0.4", "MASTER_PORT": "6105",
            "NODE_RANK": "0", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1",
            "AZ_BATCH_MASTER_NODE": "10.0.0.4:6000",
        }  # fmt: skip
        given = {"input": f"train-set={self.data}", "model-dir": self.model, "checkpoint-dir": self.checkpoints}
        given["hparams"] = json.dumps(HYPERPARAMETERS)
        self.arguments = [word for name, value in given.items() for word in (f"--{name}", str(value))]

    def local(self) -> None:
        self.environ = {
            "CLOUDAI_INPUT_TRAIN_SET": str(self.data), "CLOUDAI_MODEL_DIR": str(self.model),
            "CLOUDAI_CHECKPOINT_DIR": str(self.checkpoints), "CLOUDAI_HPARAMS": json.dumps(HYPERPARAMETERS),
        }  # fmt: skip

    def command(self, python: str = sys.executable) -> list[str]:
        return [python, str(self.source / "cloudai_runner.py"), *self.arguments]

    def run(self, python: str = sys.executable, **more: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.root), **self.environ, **more}
        return subprocess.run(
            self.command(python), env=environ, capture_output=True, text=True, cwd=self.root, check=False
        )

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.model.rglob("*") if path.is_file())
        return {path.relative_to(self.model).as_posix(): path.read_bytes() for path in found}


def test_the_same_script_leaves_the_same_bytes_everywhere(tmp_path: Path) -> None:
    left = {}
    for platform in PLATFORMS:
        (tmp_path / platform).mkdir()
        place = Place(tmp_path / platform, platform)
        done = place.run()
        assert done.returncode == 0, (platform, done.stderr)
        assert (place.checkpoints / "at.txt").read_text() == "2", platform
        outcome = outcome_of(done.stdout.splitlines())
        assert outcome is not None
        left[platform] = (place.files(), outcome.model, [m[:3] for m in metrics_of(done.stdout.splitlines())])
    assert all(found == left["local"] for found in left.values()), left
    assert json.loads(left["local"][0]["nested/parameters.json"]) == HYPERPARAMETERS
    assert len(left["local"][2]) == 3


def test_the_script_needs_nothing_installed(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = str(bare / "bin" / "python")
    seen = subprocess.run([python, "-c", "import cloudai"], capture_output=True, cwd=tmp_path, check=False)
    assert seen.returncode != 0
    place = Place(tmp_path, "local")
    done = place.run(python)
    assert done.returncode == 0, done.stderr
    assert len(place.files()) == 2


def test_what_ships_is_older_pythons_language() -> None:
    """3.8's grammar, by its parser's own rules: what a platform's oldest container can still read."""
    import cloudai.training

    for name in ("runner.py", *SHIPPED):
        text = (Path(cloudai.training.__file__).parent / name).read_text()
        ast.parse(text, feature_version=(3, 8))


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        (
            "sagemaker",
            {"SM_HOSTS": '["algo-2", "algo-1", "algo-3"]', "SM_CURRENT_HOST": "algo-2"},
            {"RANK": "1", "WORLD_SIZE": "3", "MASTER_ADDR": "algo-1", "MASTER_PORT": "29500"},
        ),
        (
            "vertex",
            {
                "CLUSTER_SPEC": json.dumps(
                    {
                        "cluster": {"workerpool0": ["head:2222"], "workerpool1": ["w0:2222", "w1:2222"]},
                        "task": {"type": "workerpool1", "index": 1},
                    }
                )
            },
            {"RANK": "2", "WORLD_SIZE": "3", "MASTER_ADDR": "head", "MASTER_PORT": "2222"},
        ),
        (
            "azureml",
            {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "NODE_RANK": "1", "AZUREML_NODE_COUNT": "2"},
            {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "10.0.0.4", "MASTER_PORT": "6105"},
        ),
    ],
)
def test_ranks_and_the_rendezvous_are_those_of_the_platform(
    tmp_path: Path, platform: str, variables: dict[str, str], expected: dict[str, str]
) -> None:
    done = Place(tmp_path, platform).run(**variables)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("torch"))
    seen = json.loads(line[len("torch ") : line.index("}") + 1])
    assert expected.items() <= seen.items()
    assert line.endswith(f" {expected['RANK']} {expected['WORLD_SIZE']}")


def test_what_is_said_on_standard_error_never_lands_inside_a_metric(tmp_path: Path) -> None:
    """As with `python -u`, which writes a line in pieces."""
    script = """
import json, os, sys
for step in range(500):
    line = json.dumps({"cloudai_metric": {"name": "a", "value": step, "step": step}})
    os.write(1, line[:20].encode())
    os.write(2, b"progress\\n")
    os.write(1, (line[20:] + "\\n").encode())
print("x" * 100_000, end="")
"""
    place = Place(tmp_path, "local", script=script)
    done = subprocess.run(
        place.command(), env={**os.environ, **place.environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    assert [metric.step for metric in metrics_of(done.stdout.splitlines())] == list(range(500))
    assert done.stdout.count("x" * 1000) == 100
    assert done.stdout.count("progress\n") == 500


def test_a_stop_signal_reaches_the_script_and_the_exit_code_says_so(tmp_path: Path) -> None:
    script = """
import signal, sys, time
from cloudai.training import checkpoint_dir
def stop(number, frame):
    (checkpoint_dir() / "saved").write_text("yes")
    sys.exit(3)
signal.signal(signal.SIGTERM, stop)
print("waiting", flush=True)
time.sleep(60)
"""
    place = Place(tmp_path, "local", script=script)
    with subprocess.Popen(place.command(), env={**os.environ, **place.environ}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert any(b"waiting" in line for line in iter(process.stdout.readline, b""))
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 3
    assert (place.checkpoints / "saved").read_text() == "yes"


@pytest.mark.parametrize(
    ("variables", "script", "code", "words"),
    [
        ({"CLOUDAI_INPUT_OTHER": "/nowhere"}, SCRIPT, 66, "input channel other: /nowhere is not there"),
        ({"CLOUDAI_HPARAMS": "{"}, SCRIPT, 64, "CLOUDAI_HPARAMS is not JSON"),
        ({"CLOUDAI_GPUS": "2", "CUDA_VISIBLE_DEVICES": "0"}, SCRIPT, 78, "2 GPUs asked for, 1 found here"),
        ({}, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", 137, "ended by signal 9"),
        ({}, "print('x')", 73, "nothing is in CLOUDAI_MODEL_DIR"),
        ({}, DANGLING, 73, "weights in CLOUDAI_MODEL_DIR is no file, nor a link to one: write the file itself"),
        ({}, DANGLING + "raise SystemExit(5)", 5, "the script ended with exit code 5"),
    ],
)
def test_what_goes_wrong_has_a_code_and_a_sentence(
    tmp_path: Path, variables: dict[str, str], script: str, code: int, words: str
) -> None:
    done = Place(tmp_path, "local", script=script).run(**variables)
    outcome = outcome_of(done.stdout.splitlines())
    assert outcome is not None
    assert (done.returncode, outcome.code) == (code, code)
    assert words in (outcome.message or "")
    assert words in done.stderr


def test_sagemaker_is_told_why_in_its_failure_file(tmp_path: Path) -> None:
    place = Place(tmp_path, "sagemaker", script="raise SystemExit(9)")
    assert place.run().returncode == 9
    assert place.failure.read_text() == "the script ended with exit code 9"
