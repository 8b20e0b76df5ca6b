"""The runner: ships with each job's source and is its entry point on every platform. Standard library, Python 3.8+.

    python cloudai_runner.py [--input NAME=PATH ...] [--model-dir PATH] [--checkpoint-dir PATH] [--hparams JSON]

It finds what the platform gives, sets the contract's variables, installs the requirements, runs the script and checks
that there is a model:

    CLOUDAI_INPUT_<CHANNEL>   folder of an input channel (upper case, other characters are _)
    CLOUDAI_MODEL_DIR         where the model goes
    CLOUDAI_CHECKPOINT_DIR    where checkpoints go, and are again when an interrupted run resumes
    CLOUDAI_HPARAMS           the hyperparameters as JSON
    CLOUDAI_RANK, CLOUDAI_WORLD_SIZE; MASTER_ADDR, MASTER_PORT, RANK, WORLD_SIZE, LOCAL_RANK for torch

What is read (all looked up on 2026-11-21):
  SageMaker  SM_MODEL_DIR, SM_CHANNELS, SM_CHANNEL_*, SM_HPS, SM_HOSTS, SM_CURRENT_HOST, SM_NUM_GPUS of the framework
             containers; in any other container {hyperparameters,resourceconfig,inputdataconfig}.json of
             /opt/ml/input/config and /opt/ml/{model,input/data,checkpoints,output/failure}. Its arguments (they are
             the hyperparameters) are not read.
             https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md
             https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
             https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html
  Vertex AI  AIP_MODEL_DIR and AIP_CHECKPOINT_DIR (gs:// addresses, mounted below /gcs), CLUSTER_SPEC, TF_CONFIG; inputs
             and hyperparameters as CLOUDAI_INPUT_* and CLOUDAI_HPARAMS of the container's environment, gs:// allowed.
             https://cloud.google.com/vertex-ai/docs/training/code-requirements
             https://cloud.google.com/vertex-ai/docs/training/distributed-training
  Azure ML   the arguments above (mounted paths), AZUREML_RUN_ID; MASTER_ADDR, MASTER_PORT, NODE_RANK, RANK,
             LOCAL_RANK, WORLD_SIZE of a PyTorch distribution, AZ_BATCH_MASTER_NODE and AZ_BATCHAI_MPI_MASTER_NODE
             with OMPI_COMM_WORLD_* of an MPI one.
             https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu
  here       CLOUDAI_* as set by the local backend, or the arguments.

Besides CLOUDAI_HPARAMS: CLOUDAI_PROCESSES (processes per machine; more than one are started by torch's launcher),
CLOUDAI_GPUS (as many must be there), CLOUDAI_INSTALL=0 (the requirements are there already).

Exit codes, beside the script's own:
  64 the job is wrong: its script or its description is not there      69 the requirements could not be installed
  65 a loss ended as NaN or infinite                                   73 the script ended well and wrote no model
  66 an input channel is not there                                     78 a GPU was asked for and there is none
  128+N the script was ended by signal N (143: asked to stop)
The last line on standard output says it as JSON: {"cloudai_outcome": {"code", "message", "model"}}.
"""

# A script of its own: paths are plain strings, and what it says it prints.
# ruff: noqa: PTH100, PTH103, PTH109, PTH110, PTH113, PTH118, PTH120, PTH123, T201

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import IO, Any

    Losses = dict[str, tuple[float, int | None]]

JOB = "cloudai_job.json"
USAGE, NOT_FINITE, NO_INPUT, NO_REQUIREMENTS, NO_MODEL, NO_GPU = 64, 65, 66, 69, 73, 78
EXIT_CODES = {
    USAGE: "the job is wrong",
    NOT_FINITE: "a loss ended as NaN or infinite",
    NO_INPUT: "an input channel is not there",
    NO_REQUIREMENTS: "the requirements could not be installed",
    NO_MODEL: "no model was written",
    NO_GPU: "a GPU was asked for and there is none",
}
HERE = os.path.dirname(os.path.abspath(__file__))


class Stop(Exception):
    """The run ends here; `code` is the process's exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Place:
    """What one platform gives, in the contract's words."""

    def __init__(self) -> None:
        self.platform = "local"
        self.inputs: dict[str, str] = {}
        self.model_dir = os.environ.get("CLOUDAI_MODEL_DIR") or os.path.join(os.getcwd(), "model")
        self.checkpoint_dir = os.environ.get("CLOUDAI_CHECKPOINT_DIR") or ""
        self.hparams: dict[str, object] = {}
        self.node_rank = 0
        self.nodes = 1
        self.master: tuple[str, int] = ("127.0.0.1", 29500)
        self.failure_file: str | None = None

    def finish(self, arguments: argparse.Namespace) -> Place:
        """The submission's own variables and arguments go before what the platform gives."""
        for key, value in os.environ.items():
            if key.startswith("CLOUDAI_INPUT_"):
                self.inputs[key[len("CLOUDAI_INPUT_") :]] = mounted(value)
        self.hparams.update(json_object(os.environ.get("CLOUDAI_HPARAMS"), "CLOUDAI_HPARAMS"))
        for given in arguments.input:
            name, _, path = given.partition("=")
            self.inputs[variable(name)] = mounted(path)
        self.hparams.update(json_object(arguments.hparams, "--hparams"))
        self.model_dir = mounted(arguments.model_dir or self.model_dir)
        self.checkpoint_dir = mounted(arguments.checkpoint_dir or self.checkpoint_dir)
        self.checkpoint_dir = self.checkpoint_dir or os.path.join(tempfile.gettempdir(), "cloudai-checkpoints")
        if os.environ.get("MASTER_ADDR"):
            self.master = (os.environ["MASTER_ADDR"], int(os.environ.get("MASTER_PORT") or 29500))
        return self


# --- what each platform gives ------------------------------------------------------------------------------


def find_place(arguments: argparse.Namespace) -> Place:
    root = os.environ.get("CLOUDAI_ML_ROOT") or "/opt/ml"
    if "SM_MODEL_DIR" in os.environ or os.path.exists(os.path.join(root, "input/config/resourceconfig.json")):
        return sagemaker(root).finish(parsed([]))
    if "AIP_MODEL_DIR" in os.environ or "CLUSTER_SPEC" in os.environ:
        return vertex().finish(arguments)
    if any(key.startswith(("AZUREML_", "AZ_BATCH")) for key in os.environ):
        return azure().finish(arguments)
    return Place().finish(arguments)


def sagemaker(root: str) -> Place:
    place = Place()
    place.platform = "sagemaker"
    config = os.path.join(root, "input/config")
    resources = read_json(os.path.join(config, "resourceconfig.json"))
    channels = read_json(os.path.join(config, "inputdataconfig.json"))
    place.inputs = {variable(name): os.path.join(root, "input/data", name) for name in channels}
    for name in json.loads(os.environ.get("SM_CHANNELS") or "[]"):
        place.inputs[variable(name)] = os.environ["SM_CHANNEL_" + name.upper()]
    if "SM_HPS" in os.environ:
        given = json_object(os.environ["SM_HPS"], "SM_HPS")
    else:
        given = {name: decoded(text) for name, text in read_json(os.path.join(config, "hyperparameters.json")).items()}
    place.hparams = {name: value for name, value in given.items() if not name.startswith("sagemaker_")}
    place.model_dir = os.environ.get("SM_MODEL_DIR") or os.path.join(root, "model")
    place.checkpoint_dir = place.checkpoint_dir or os.path.join(root, "checkpoints")
    place.failure_file = os.path.join(os.environ.get("SM_OUTPUT_DIR") or os.path.join(root, "output"), "failure")
    hosts = json.loads(os.environ.get("SM_HOSTS") or json.dumps(resources.get("hosts") or ["localhost"]))
    current = os.environ.get("SM_CURRENT_HOST") or resources.get("current_host") or hosts[0]
    hosts = sorted(hosts)
    place.nodes, place.node_rank = len(hosts), hosts.index(current)
    place.master = (hosts[0] if len(hosts) > 1 else "127.0.0.1", 29500)
    return place


def vertex() -> Place:
    place = Place()
    place.platform = "vertex"
    place.model_dir = os.environ.get("AIP_MODEL_DIR") or place.model_dir
    place.checkpoint_dir = place.checkpoint_dir or os.environ.get("AIP_CHECKPOINT_DIR") or ""
    spec = json_object(os.environ.get("CLUSTER_SPEC") or os.environ.get("TF_CONFIG"), "CLUSTER_SPEC")
    pools, task = spec.get("cluster") or {}, spec.get("task") or {}
    order = sorted(pools, key=lambda name: (name not in ("chief", "master"), name))  # workerpool0 is the primary
    members = [(pool, index) for pool in order for index in range(len(pools[pool]))]
    if members:
        place.nodes = len(members)
        place.node_rank = members.index((task.get("type"), int(task.get("index") or 0)))
        host, _, port = pools[order[0]][0].partition(":")
        place.master = (host, int(port or 2222)) if place.nodes > 1 else place.master
    return place


def azure() -> Place:
    place = Place()
    place.platform = "azureml"
    place.nodes = int(os.environ.get("AZUREML_NODE_COUNT") or os.environ.get("OMPI_COMM_WORLD_SIZE") or 1)
    place.node_rank = int(os.environ.get("NODE_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or 0)
    master = os.environ.get("AZ_BATCH_MASTER_NODE") or os.environ.get("AZ_BATCHAI_MPI_MASTER_NODE") or ""
    if master and place.nodes > 1:
        place.master = (master.partition(":")[0], 29500)
    return place


def mounted(address: str) -> str:
    """`gs://bucket/path` where Vertex AI mounts it; any other path as it is."""
    if address.startswith("gs://"):
        return os.path.join(os.environ.get("CLOUDAI_GCS_ROOT") or "/gcs", address[len("gs://") :])
    return address


def variable(channel: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in channel).upper()


def decoded(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def json_object(text: str | None, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise Stop(USAGE, f"{where} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Stop(USAGE, f"{where} is not a JSON object")
    return found


def read_json(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
            return found
    except FileNotFoundError:
        return {}


# --- before the script -------------------------------------------------------------------------------------


def contract(place: Place) -> dict[str, str]:
    """The child's environment. A launcher's own RANK and WORLD_SIZE are kept."""
    set_by_launcher = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    made = dict(os.environ)
    for name, path in place.inputs.items():
        made["CLOUDAI_INPUT_" + name] = path
    made["CLOUDAI_MODEL_DIR"], made["CLOUDAI_CHECKPOINT_DIR"] = place.model_dir, place.checkpoint_dir
    made["CLOUDAI_HPARAMS"] = json.dumps(place.hparams, sort_keys=True)
    made.setdefault("MASTER_ADDR", place.master[0])
    made.setdefault("MASTER_PORT", str(place.master[1]))
    if not set_by_launcher:
        made.update(RANK=str(place.node_rank), WORLD_SIZE=str(place.nodes), LOCAL_RANK="0")
    made.setdefault("LOCAL_RANK", "0")
    made["CLOUDAI_RANK"], made["CLOUDAI_WORLD_SIZE"] = made["RANK"], made["WORLD_SIZE"]
    made.setdefault("PYTHONUNBUFFERED", "1")
    made.setdefault("PYTHONHASHSEED", "0")
    paths = [made.get("PYTHONPATH"), HERE, os.path.join(HERE, ".cloudai")]
    made["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return made


def check(place: Place, job: dict[str, Any]) -> None:
    if not os.path.isfile(os.path.join(HERE, job["script"])):
        raise Stop(USAGE, f"the script {job['script']} is not in the source")
    for name in sorted(place.inputs):
        if not os.path.exists(place.inputs[name]):
            raise Stop(NO_INPUT, f"input channel {name.lower()}: {place.inputs[name]} is not there")
    wanted = int(os.environ.get("CLOUDAI_GPUS") or 0)
    if wanted and gpus() < wanted:
        raise Stop(NO_GPU, f"{wanted} GPU{'s' * (wanted > 1)} asked for, {gpus()} found here")
    for folder in (place.model_dir, place.checkpoint_dir):
        os.makedirs(folder, exist_ok=True)


def gpus() -> int:
    if os.environ.get("SM_NUM_GPUS"):
        return int(os.environ["SM_NUM_GPUS"])
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"],  # noqa: S607  # where the driver put it
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return len([line for line in listed.stdout.splitlines() if line.startswith(b"GPU ")])


def install(requirements: str, environment: dict[str, str]) -> None:
    """Once per machine: the other processes of a launcher wait for the first."""
    path = os.path.join(HERE, requirements)
    if not os.path.isfile(path):
        raise Stop(USAGE, f"the requirements file {requirements} is not in the source")
    mark = os.path.join(tempfile.gettempdir(), f"cloudai-{file_hash(path)[:16]}-{os.getppid()}")
    if environment["LOCAL_RANK"] != "0":
        wait_for(mark)
        return
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-r", path]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=HERE, check=False)
    text = done.stdout.decode("utf-8", "replace")
    print(text, end="", flush=True)
    if done.returncode:
        said = [line for line in text.splitlines() if line.startswith("ERROR")] or text.splitlines()[-2:]
        raise Stop(NO_REQUIREMENTS, f"{requirements} could not be installed: {' '.join(said)[:800]}")
    with open(mark, "w", encoding="utf-8"):
        pass


def wait_for(mark: str) -> None:
    ends = time.monotonic() + 3600
    while not os.path.exists(mark):
        if time.monotonic() > ends:
            raise Stop(NO_REQUIREMENTS, "the first process of this machine did not install the requirements")
        time.sleep(0.5)


def tell_environment(job: dict[str, Any], hparams: str) -> None:
    """What the script runs in and was made of: one line of JSON, for `cloudai runs diff`."""
    try:
        from importlib.metadata import distributions

        packages = {str(found.metadata["Name"]): str(found.version) for found in distributions()}
    except Exception as error:  # noqa: BLE001  # a broken distribution must not end a run
        packages = {"unreadable": str(error)}
    made = {"python": platform.python_version(), "platform": platform.platform(), "packages": packages}
    made["sha256"] = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    made["submission"] = {
        "script": job["script"],
        "hashes": job.get("hashes", {}),
        "hyperparameters": json.loads(hparams or "{}"),
    }
    say({"cloudai_environment": made})


# --- the script --------------------------------------------------------------------------------------------


def command_of(job: dict[str, Any], place: Place) -> list[str]:
    """The script itself, or torch's launcher with this file as its worker."""
    script = os.path.join(HERE, job["script"])
    each = int(os.environ.get("CLOUDAI_PROCESSES") or 1)
    if each == 1 or "RANK" in os.environ:
        return [sys.executable, script]
    return [
        sys.executable, "-m", "torch.distributed.run",
        f"--nnodes={place.nodes}", f"--node-rank={place.node_rank}", f"--nproc-per-node={each}",
        f"--master-addr={place.master[0]}", f"--master-port={place.master[1]}",
        os.path.abspath(__file__), "--worker", script,
    ]  # fmt: skip


def worker(script: str) -> None:
    """One of several processes: the launcher has set its rank."""
    os.environ["CLOUDAI_RANK"], os.environ["CLOUDAI_WORLD_SIZE"] = os.environ["RANK"], os.environ["WORLD_SIZE"]
    os.execv(sys.executable, [sys.executable, script])  # noqa: S606


def run(command: list[str], environment: dict[str, str]) -> tuple[int, Losses]:
    """The script's exit code, its stop signal passed on, and the metrics that ended as no number."""
    losses: Losses = {}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=HERE, env=environment)

    def pass_on(number: int, frame: object) -> None:
        if child.poll() is None:
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    reader = threading.Thread(target=copy, args=(child.stdout, losses), daemon=True)
    reader.start()
    code = child.wait()
    reader.join(2)  # a grandchild may hold the pipe open
    return code, {name: value for name, value in losses.items() if not math.isfinite(value[0])}


def copy(stream: IO[bytes], losses: Losses) -> None:
    """The script's output to ours, line by line: what it says on standard error never lands inside one.

    A line without an end is passed on at 64 KiB, and when the script ends.
    """
    rest = b""
    for chunk in iter(lambda: os.read(stream.fileno(), 65536), b""):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            note(line, losses)
        if len(rest) > 65536:
            lines, rest = [*lines, rest], b""
            pass_through(b"\n".join(lines))
        elif lines:
            pass_through(b"\n".join(lines) + b"\n")
    pass_through(rest)


def pass_through(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def note(line: bytes, losses: Losses) -> None:
    if b'"cloudai_metric"' not in line:
        return
    try:
        found = json.loads(line)["cloudai_metric"]
        if "loss" in found["name"].lower():
            losses[found["name"]] = (float(found["value"]), found.get("step"))
    except (ValueError, KeyError, TypeError):
        return


# --- after the script --------------------------------------------------------------------------------------


def judge(code: int, losses: Losses, model: object) -> None:
    """Raises `Stop` where the run is no success."""
    if code < 0:
        raise Stop(128 - code, f"the script was ended by signal {-code}")
    if code:
        raise Stop(code, f"the script ended with exit code {code}")
    for name in sorted(losses):
        value, step = losses[name]
        raise Stop(NOT_FINITE, f"{name} ended as {value}" + ("" if step is None else f" at step {step}"))
    if not model:
        raise Stop(NO_MODEL, "the script ended well, but nothing is in CLOUDAI_MODEL_DIR")


def model_files(folder: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for base, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(base, name)
            if not os.path.isfile(path):
                raise Stop(
                    NO_MODEL, f"{name} in CLOUDAI_MODEL_DIR is no file, nor a link to one: write the file itself"
                )
            found[os.path.relpath(path, folder).replace(os.sep, "/")] = file_hash(path)
    return found


def file_hash(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def say(what: dict[str, object]) -> None:
    print(json.dumps(what, sort_keys=True), flush=True)


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cloudai_runner", allow_abbrev=False)
    parser.add_argument("--input", action="append", default=[], metavar="NAME=PATH")
    for name in ("--model-dir", "--checkpoint-dir", "--hparams"):
        parser.add_argument(name)
    return parser.parse_known_args(argv)[0]


def trained(place: Place) -> dict[str, str]:
    """Runs the job in its place; the model's files with their hashes."""
    job = read_json(os.path.join(HERE, JOB))
    if not job.get("script"):
        raise Stop(USAGE, f"{JOB} is not beside the runner, or names no script")
    environment = contract(place)
    check(place, job)
    if job.get("requirements") and os.environ.get("CLOUDAI_INSTALL") != "0":
        install(job["requirements"], environment)
    first = environment["RANK"] == "0"
    if first:
        tell_environment(job, environment.get("CLOUDAI_HPARAMS", ""))
    code, losses = run(command_of(job, place), environment)
    model = model_files(place.model_dir) if first and not code else {}
    judge(code, losses, model or not first)
    return model


def main(argv: list[str]) -> int:
    if argv[:1] == ["--worker"]:
        worker(argv[1])
    place: Place | None = None
    model: dict[str, str] = {}
    code, message = 0, ""
    try:
        place = find_place(parsed(argv))
        model = trained(place)
    except Stop as stop:
        code, message = stop.code, str(stop)
        print(f"cloudai: {message}", file=sys.stderr, flush=True)
        if place is not None and place.failure_file:
            os.makedirs(os.path.dirname(place.failure_file), exist_ok=True)
            with open(place.failure_file, "w", encoding="utf-8") as file:
                file.write(message[:1024])
    say({"cloudai_outcome": {"code": code, "message": message or None, "model": model}})
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
