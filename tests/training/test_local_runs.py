"""Training on this machine: runs that end, fail, are cancelled, limited, killed and resumed."""

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudai.driver import Call
from cloudai.errors import CloudAIError, Delivery, ErrorCode, InvalidInput, Unsupported
from cloudai.training import environment_of, metrics_of, outcome_of
from cloudai.types.custom import Accelerator, RunRef, RunStatus, TrainingJob
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_local.driver import LocalDriver
from cloudai_local.run_folder import RunFolder
from cloudai_local.settings import LocalSettings

CALL = Call(timeout=30)
ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
GOOD = """
from cloudai.training import checkpoint_dir, hparams, input_dir, log_metric, model_dir
for step in range(3):
    log_metric("loss", hparams()["rate"] / (step + 1), step=step)
(model_dir() / "weights.txt").write_text((input_dir("train-set") / "rows.csv").read_text() * hparams()["times"])
"""
COUNTS = """
import os, signal, time
from cloudai.training import checkpoint_dir, model_dir
at = checkpoint_dir() / "at.txt"
begun = int(at.read_text()) if at.exists() else 0
for step in range(begun, 6):
    at.write_text(str(step + 1))
    print("step", step, flush=True)
    if step == 2 and begun == 0:
        (checkpoint_dir() / "waiting").touch()
        time.sleep(300)
(model_dir() / "m.txt").write_text(f"resumed at {begun}")
"""
SLEEPS = """
import subprocess, sys, time
print("begun", flush=True)
subprocess.run([sys.executable, "-c", "import time; time.sleep(300)"])
"""


class Bench:
    """A backend with its runs in a folder of the test's own."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        written = {"provider": "local", "runs": self.runs, **settings}
        self.driver = LocalDriver(LocalSettings.model_validate(written), backend="here")

    def job(self, text: str, **fields: object) -> TrainingJob:
        source = self.folder / "source"
        source.mkdir(exist_ok=True)
        (source / "train.py").write_text(text)
        return TrainingJob.model_validate({"name": "t", "script": "train.py", "source": str(source)} | fields)

    def start(self, text: str, **fields: object) -> RunRef:
        run = self.driver.train(self.job(text, **fields), CALL).run
        assert run is not None
        return run

    def ended(self, run: RunRef, seconds: float = 120) -> RunStatus:
        ends = time.monotonic() + seconds
        while (status := self.driver.run_status(run, CALL)).state not in ENDED:
            assert time.monotonic() < ends, self.lines(run)
            time.sleep(0.05)
        return status

    def lines(self, run: RunRef) -> tuple[str, ...]:
        return self.driver.run_logs(run, None, CALL).lines

    def wait_for(self, path: Path) -> None:
        self.until(path.exists)

    def until(self, true: Callable[[], bool]) -> None:
        ends = time.monotonic() + 60
        while not true():
            assert time.monotonic() < ends, "it never came to it"
            time.sleep(0.02)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for run in made.driver.list_runs(CALL):
        made.driver.cancel_run(run, CALL)
    made.driver.close()


def test_a_run_gets_its_inputs_and_parameters_and_leaves_a_model(bench: Bench) -> None:
    data = bench.folder / "data"
    data.mkdir()
    (data / "rows.csv").write_text("1,2\n")
    run = bench.start(GOOD, inputs={"train-set": str(data)}, hyperparameters={"rate": 0.5, "times": 2})
    status = bench.ended(run)
    assert (status.state, status.exit_code, status.restarts, status.message) == (JobState.SUCCEEDED, 0, 0, None)
    bench.driver.fetch_run(run, bench.folder / "out", CALL)
    assert (bench.folder / "out" / "weights.txt").read_text() == "1,2\n1,2\n"
    lines = bench.lines(run)
    assert [(m.name, m.value, m.step) for m in metrics_of(lines)] == [
        ("loss", 0.5, 0), ("loss", 0.25, 1), ("loss", 0.5 / 3, 2)
    ]  # fmt: skip
    outcome, around = outcome_of(lines), environment_of(lines)
    assert outcome is not None
    assert list(outcome.model) == ["weights.txt"]
    assert around is not None
    assert "pydantic" in around.packages


def test_the_same_job_twice_is_one_run_and_a_changed_one_is_another(bench: Bench) -> None:
    script = "from cloudai.training import model_dir\n(model_dir() / 'm').write_text('1')\n"
    first = bench.driver.train(bench.job(script), CALL)
    second = bench.driver.train(bench.job(script), CALL)
    assert (first.found, second.found) == (False, True)
    assert first.run == second.run
    changed = bench.driver.train(bench.job(script, hyperparameters={"rate": 1}), CALL)
    again = bench.driver.train(bench.job(script, tags={"cloudai-again": "2"}), CALL)
    names = {result.run.name for result in (first, changed, again) if result.run is not None}
    assert len(names) == 3
    assert {run.name for run in bench.driver.list_runs(CALL)} == names


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("print('nothing written')", 73, "nothing is in CLOUDAI_MODEL_DIR"),
        ("raise SystemExit(7)", 7, "exit code 7"),
        (
            (
                "from cloudai.training import *\nlog_metric('train_loss', float('nan'), 4)\n"
                "(model_dir() / 'm').write_text('1')"
            ),
            65,
            "train_loss ended as nan at step 4",
        ),
    ],
)
def test_a_run_that_is_no_success_says_why(bench: Bench, script: str, code: int, message: str) -> None:
    status = bench.ended(bench.start(script))
    assert (status.state, status.exit_code) == (JobState.FAILED, code)
    assert message in (status.message or "")
    with pytest.raises(CloudAIError) as caught:
        bench.driver.fetch_run(bench.driver.list_runs(CALL)[0], bench.folder / "out", CALL)
    assert caught.value.code is ErrorCode.CONFLICT


def test_a_nan_on_the_way_is_forgiven_when_the_loss_ends_finite(bench: Bench) -> None:
    script = (
        "from cloudai.training import *\nlog_metric('loss', float('nan'), 1)\nlog_metric('loss', 0.1, 2)\n"
        "(model_dir() / 'm').write_text('1')"
    )
    assert bench.ended(bench.start(script)).state is JobState.SUCCEEDED


def test_cancelling_ends_every_process_of_the_run(bench: Bench) -> None:
    run = bench.start(SLEEPS)
    folder = RunFolder(Path(run.id))
    bench.until(lambda: len(folder.processes()) >= 3 and "begun" in bench.lines(run))
    bench.driver.cancel_run(run, CALL)
    assert bench.driver.run_status(run, CALL).state is JobState.CANCELLED
    assert folder.processes() == []
    bench.driver.cancel_run(run, CALL)  # one that has ended stays as it is


def test_the_time_limit_ends_a_run(bench: Bench) -> None:
    run = bench.start(SLEEPS, max_seconds=1)
    status = bench.ended(run)
    assert status.state is JobState.FAILED
    assert "longer than its limit of 1 s" in (status.message or "")
    assert RunFolder(Path(run.id)).processes() == []


def test_the_cost_limit_is_a_time_limit_at_the_machines_price(tmp_path: Path) -> None:
    bench = Bench(tmp_path, hourly_price="3.60")
    job = bench.job(SLEEPS, max_seconds=100, max_cost=Money(amount="0.099"))
    with pytest.raises(CloudAIError, match=r"100 s cost 0\.1 USD, and max_cost is 0\.099 USD"):
        bench.driver.train(job, CALL)
    plan = bench.driver.plan_training(job, CALL)
    assert (str(plan.hourly), str(plan.at_limit)) == ("3.60 USD", "0.1 USD")
    bench.driver.close()


def test_a_killed_spot_run_goes_on_from_its_checkpoint(bench: Bench) -> None:
    run = bench.start(COUNTS, spot=True)
    folder = RunFolder(Path(run.id))
    bench.wait_for(folder.path / "checkpoints" / "waiting")
    group = folder.state().group
    assert group is not None
    os.killpg(group, signal.SIGKILL)
    status = bench.ended(run)
    assert (status.state, status.restarts) == (JobState.SUCCEEDED, 1)
    assert (folder.model / "m.txt").read_text() == "resumed at 3"
    assert [line for line in bench.lines(run) if line.startswith("step")] == [f"step {n}" for n in range(6)]


def test_a_killed_run_without_spot_has_failed(bench: Bench) -> None:
    run = bench.start(COUNTS)
    folder = RunFolder(Path(run.id))
    bench.wait_for(folder.path / "checkpoints" / "waiting")
    group = folder.state().group
    assert group is not None
    os.killpg(group, signal.SIGKILL)
    status = bench.ended(run)
    assert (status.state, status.message) == (JobState.FAILED, "ended by signal 9")


def test_a_run_whose_supervisor_was_killed_is_resumed_by_the_same_job(bench: Bench) -> None:
    run = bench.start(COUNTS)
    folder = RunFolder(Path(run.id))
    bench.wait_for(folder.path / "checkpoints" / "waiting")
    orphans = folder.processes()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"cloudai_local.supervisor" in words and str(folder.path).encode() in words:
            os.kill(int(process.name), signal.SIGKILL)
    bench.until(lambda: not folder.supervised())
    status = bench.driver.run_status(run, CALL)
    assert status.state is JobState.FAILED
    assert "submit the same job again" in (status.message or "")
    again = bench.driver.train(bench.job(COUNTS), CALL)
    assert again.found
    status = bench.ended(run)
    assert (status.state, status.restarts) == (JobState.SUCCEEDED, 1)
    assert (folder.model / "m.txt").read_text() == "resumed at 3"
    assert not set(orphans) & set(folder.processes())


def test_log_pages_add_up_to_the_log(bench: Bench) -> None:
    run = bench.start("for n in range(3000): print(n, 'x' * 1000)\nraise SystemExit(1)")
    bench.ended(run)
    lines: list[str] = []
    cursor = None
    while True:
        page = bench.driver.run_logs(run, cursor, CALL)
        if not page.lines:
            break
        lines += page.lines
        cursor = page.next
    numbered = [line.split()[0] for line in lines if line.endswith("x")]
    assert numbered == [str(n) for n in range(3000)]


def test_requirements_that_do_not_resolve_fail_the_run_with_pips_words(bench: Bench) -> None:
    job = bench.job("print('never')", requirements="requirements.txt")
    (bench.folder / "source" / "requirements.txt").write_text("./no-such-package\n")
    run = bench.driver.train(job, CALL).run
    assert run is not None
    status = bench.ended(run)
    assert (status.state, status.exit_code) == (JobState.FAILED, 69)
    assert "requirements.txt could not be installed" in (status.message or "")
    assert "never" not in bench.lines(run)


def test_requirements_are_installed_in_an_environment_of_the_runs_own(bench: Bench) -> None:
    job = bench.job(
        "import little_thing\nfrom cloudai.training import model_dir\n"
        "(model_dir() / 'm').write_text(little_thing.WORD)",
        requirements="requirements.txt",
    )
    package = bench.folder / "source" / "little"
    package.mkdir()
    (package / "little_thing.py").write_text("WORD = 'hello'\n")
    (package / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'little'\nversion = '1'\n"
    )
    (package / "backend.py").write_text(BACKEND)
    (bench.folder / "source" / "requirements.txt").write_text("./little\n")
    run = bench.driver.train(job, CALL).run
    assert run is not None
    status = bench.ended(run, 120)
    assert status.state is JobState.SUCCEEDED, bench.lines(run)
    assert (Path(run.id) / "model" / "m").read_text() == "hello"
    around = environment_of(bench.lines(run))
    assert around is not None
    assert "little" in around.packages
    assert "torch" not in around.packages


@pytest.mark.parametrize("ending", ["cancel", "limit"])
def test_an_installation_that_never_ends_is_stopped_and_leaves_no_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    programs = bench.folder / "bin"
    programs.mkdir()
    uv = programs / "uv"
    uv.write_text("#!/bin/sh\necho $$ > $SEEN\nsleep 300\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    source = bench.folder / "source"
    source.mkdir()
    (source / "requirements.txt").write_text("little\n")
    seen = bench.folder / "seen"
    limit = {"max_seconds": 1} if ending == "limit" else {}
    run = bench.start("pass", requirements="requirements.txt", environment={"SEEN": str(seen)}, **limit)
    bench.wait_for(seen)
    if ending == "cancel":
        bench.driver.cancel_run(run, CALL)
    status = bench.ended(run)
    expected = {"cancel": (JobState.CANCELLED, "cancelled"), "limit": (JobState.FAILED, "longer than its limit of 1 s")}
    assert status.state is expected[ending][0]
    assert expected[ending][1] in (status.message or "")
    bench.until(lambda: not Path("/proc", seen.read_text().strip()).exists())


def test_a_run_that_can_not_be_started_says_why(bench: Bench) -> None:
    run = bench.start("pass", environment={"LONG": "x" * 200_000})  # more than Linux takes of a variable
    status = bench.ended(run)
    assert status.state is JobState.FAILED
    assert "it could not be run: [Errno 7] Argument list too long" in (status.message or "")


BACKEND = """
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "little-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.write("little_thing.py")
        wheel.writestr("little-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: little\\nVersion: 1\\n")
        wheel.writestr("little-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("little-1.dist-info/RECORD", "")
    return name
"""


def test_what_this_machine_cannot_do_is_refused_before_anything_starts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    gpu = Accelerator(name="L4", count=2)
    for fields, kind, words in (
        ({"accelerator": gpu}, Unsupported, "2 x L4 asked for, and this machine has no GPU"),
        ({"image": "x/y:1"}, Unsupported, "not containers"),
        ({"inputs": {"train": "s3://bucket/x"}}, Unsupported, "download s3://bucket/x first"),
        ({"inputs": {"train": "/nowhere"}}, InvalidInput, "input train: /nowhere is not there"),
        ({"script": "other.py"}, InvalidInput, "the script other.py is not in"),
        ({"requirements": "r.txt"}, InvalidInput, "the requirements file r.txt is not in"),
        ({"source": "/nowhere"}, InvalidInput, "the source folder /nowhere is not there"),
        ({"nodes": 2}, Unsupported, 'framework = "pytorch"'),
        ({"inputs": {"a-b": "x", "a_b": "y"}}, InvalidInput, "inputs a-b and a_b are both CLOUDAI_INPUT_A_B"),
    ):
        with pytest.raises(kind, match=words):
            bench.driver.train(bench.job("pass", **fields), CALL)
    assert bench.driver.list_runs(CALL) == ()


def test_secrets_of_the_environment_are_neither_in_the_plan_nor_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame-of-mine")
    job = bench.job("raise SystemExit(1)", environment={"API_TOKEN": "tok-123", "MODE": "fast"})
    plan = bench.driver.plan_training(job, CALL).model_dump_json()
    assert "tok-123" not in plan
    assert "fast" in plan
    run = bench.driver.train(job, CALL).run
    assert run is not None
    bench.ended(run)
    kept = b"".join(path.read_bytes() for path in Path(run.id).rglob("*") if path.is_file())
    assert b"sesame-of-mine" not in kept
    assert Path(run.id).stat().st_mode & 0o077 == 0


def test_a_run_that_can_not_be_written_says_why_and_is_not_there(bench: Bench) -> None:
    job = bench.job(GOOD)
    (Path(job.source) / "weights.bin").write_bytes(bytes(range(256)) * 2000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # as on a disk that is full
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            bench.driver.train(job, CALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    fault = bench.driver.classify(caught.value)
    assert fault is not None
    assert (fault.code, fault.delivery) == (ErrorCode.INTERNAL, Delivery.NOT_SENT)
    assert "File too large" in str(fault.message)
    assert list(bench.driver.list_runs(CALL)) == []
    assert not list((bench.folder / "runs").glob("*"))


@pytest.mark.parametrize("name", ["run.json", "state.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"shape": 1}'])
def test_a_run_with_a_damaged_file_is_listed_beside_the_others(bench: Bench, name: str, text: str) -> None:
    whole, damaged = bench.start(GOOD), bench.start("print('another')")
    for run in (whole, damaged):
        bench.ended(run)
    (Path(damaged.id) / name).write_text(text)
    assert {run.name for run in bench.driver.list_runs(CALL)} == {whole.name, damaged.name}
    assert bench.driver.run_status(damaged, CALL).state is JobState.FAILED
