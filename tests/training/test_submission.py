"""kill -9 at 50 random points of a submission: one run for each job, and nothing left beside it."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from cloudai import Client
from cloudai.errors import BudgetExceeded, CloudAIError
from cloudai.training.job_file import read_job
from cloudai.training.register import SUBMITTED, Register
from cloudai.training.submission import submit
from cloudai.types.results import Money
from cloudai.types.speech import JobState

POINTS = 50
SCRIPT = """
import os
from pathlib import Path
from cloudai.training import model_dir
with open(os.environ["STARTS"], "a") as file:
    file.write(Path(os.environ["CLOUDAI_RUN_FOLDER"]).name + "\\n")
(model_dir() / "m").write_text("1")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDAI_STATE", str(tmp_path / "state"))
    (tmp_path / "cloudai.toml").write_text(
        '[backends.here]\nprovider = "local"\nruns = "runs"\nhourly_price = "1"\n[routes]\n"*" = "here"\n'
    )
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(SCRIPT)
    (tmp_path / "job.toml").write_text(
        f'name = "kill"\nscript = "train.py"\nsource = "src"\nenvironment = {{ STARTS = "{tmp_path}/starts" }}\n'
    )
    return tmp_path


def test_a_submission_that_is_killed_anywhere_starts_one_run(folder: Path) -> None:
    config = folder / "cloudai.toml"
    command = [sys.executable, str(Path(__file__).with_name("submitter.py")), str(config), str(folder / "job.toml")]
    done = subprocess.run([*command, "7", str(POINTS)], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = Counter(done.stdout.split())
    assert outcomes["killed"] >= POINTS // 2, outcomes
    with Client(config) as client:
        refs = client.custom.runs()
        assert len(refs) == POINTS + 1
        for ref in refs:
            assert client.custom.run(ref).wait(interval=0.02, timeout=60).state is JobState.SUCCEEDED
    starts = Counter((folder / "starts").read_text().split())
    assert starts == {ref.name: 1 for ref in refs}
    entries = Register.of_runs().entries()
    assert {entry.name for entry in entries} == set(starts)
    assert {entry.state for entry in entries} == {SUBMITTED}
    assert sorted(path.name for path in (folder / "runs").iterdir()) == sorted(starts)


def test_what_was_refused_is_not_in_the_register(folder: Path) -> None:
    with Client(folder / "cloudai.toml") as client:
        job = read_job(folder / "job.toml").job
        limited = job.model_copy(update={"max_cost": Money(amount="0.1")})
        with pytest.raises(BudgetExceeded, match="lower the time limit"):
            submit(client, limited, plan=client.custom.plan_training(limited), register=Register.of_runs())
        plan = client.custom.plan_training(job)
        (folder / "runs").write_text("a file where a folder should be")
        with pytest.raises(CloudAIError):
            submit(client, job, plan=plan, register=Register.of_runs())
        (folder / "runs").unlink()
    assert [entry.state for entry in Register.of_runs().entries()] in ([], ["intent"])


def test_an_intent_that_nobody_can_settle_is_listed_as_unknown(folder: Path) -> None:
    job = read_job(folder / "job.toml").job
    Register.of_runs().intend("here", "kill-0123456789", job, {})
    listed = subprocess.run(
        [sys.executable, "-m", "cloudai", "runs", "list", "--config", str(folder / "cloudai.toml")],
        capture_output=True, text=True, env=os.environ, check=True,
    )  # fmt: skip
    assert "kill-0123456789" in listed.stdout
    assert "unknown" in listed.stdout


def test_many_processes_submit_one_job_once(folder: Path) -> None:
    command = [sys.executable, "-m", "cloudai", "train", str(folder / "job.toml"), "--config"]
    many = [
        subprocess.Popen([*command, str(folder / "cloudai.toml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert [process.wait() for process in many] == [0] * 4
    with Client(folder / "cloudai.toml") as client:
        (ref,) = client.custom.runs()
        assert client.custom.run(ref).wait(interval=0.05).state is JobState.SUCCEEDED
    time.sleep(0.1)
    assert len((folder / "starts").read_text().split()) == 1


def test_the_register_keeps_no_secret(folder: Path) -> None:
    with (folder / "job.toml").open("a") as file:
        file.write('[environment]\nAPI_TOKEN = "tok-of-mine"\nMODE = "fast"\n')
    text = (folder / "job.toml").read_text().replace(f'environment = {{ STARTS = "{folder}/starts" }}\n', "")
    (folder / "job.toml").write_text(text + f'STARTS = "{folder}/starts"\n')
    job = read_job(folder / "job.toml").job
    with Client(folder / "cloudai.toml") as client:
        result = submit(client, job, plan=client.custom.plan_training(job), register=Register.of_runs())
        assert result.run is not None
        client.custom.run(result.run).wait(interval=0.05)
    assert b"tok-of-mine" not in b"".join(path.read_bytes() for path in (folder / "state").iterdir())
    (entry,) = Register.of_runs().entries()
    assert entry.job is not None
    assert entry.job.environment["MODE"] == "fast"


def test_a_row_of_another_version_hides_no_other(folder: Path) -> None:
    register = Register.of_runs()
    job = read_job(folder / "job.toml").job
    for name in ("a", "b"):
        register.intend("local", name, job, {})
    with contextlib.closing(sqlite3.connect(register.path)) as file, file:
        file.execute("UPDATE runs SET job = ?, ref = ? WHERE name = 'a'", ('{"shape": "new"}', "{}"))
    assert [(entry.name, entry.job, entry.ref) for entry in register.entries()] == [
        ("b", job, None), ("a", None, None)
    ]  # fmt: skip
