"""`cloudai train` and `cloudai runs`: job files with their mistakes, dry runs, sweeps, differences, MLflow."""

import contextlib
import json
import math
import os
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudai.cli import main
from cloudai.errors import InvalidInput
from cloudai.training.job_file import read_job, read_sweep
from cloudai.training.register import SUBMITTED, Register
from cloudai.training.sweep import Range, Sweep, jobs_of
from cloudai.types.custom import Accelerator, Metric, TrainingJob

SCRIPT = """
from cloudai.training import hparams, log_metric, model_dir
rate = hparams().get("rate", 0.5)
if rate > 5:
    raise SystemExit("rate is too high")
log_metric("error", (rate - 0.3) ** 2, step=1)
print("rate was", rate)
(model_dir() / "m.txt").write_text(str(rate))
"""
JOB = """\
name = "cli"
script = "train.py"
source = "src"
accelerator = "none"
max_time = "1h"
hyperparameters = { rate = 0.5 }
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDAI_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cloudai.toml").write_text(
        '[backends.here]\nprovider = "local"\nruns = "runs"\nhourly_price = "2"\n[routes]\n"*" = "here"\n'
    )
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(SCRIPT)
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


@pytest.fixture
def cloudai(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def name_in(output: str) -> str:
    return next(word for word in output.split() if word.startswith("cli-"))


def test_a_run_from_submission_to_model(cloudai: Run, folder: Path) -> None:
    code, out, err = cloudai("train", "job.toml", "--wait", "--interval", "0.05", "--fetch", "model")
    assert code == 0, err
    assert "rate was 0.5" in out
    assert "2 USD an hour, 2 USD at the time limit" in err
    assert (folder / "model" / "m.txt").read_text() == "0.5"
    name = name_in(out)
    code, out, _ = cloudai("runs", "list", "--json")
    (listed,) = json.loads(out)
    assert (listed["run"], listed["state"]) == (name, "succeeded")
    code, out, _ = cloudai("runs", "show", name[:6], "--json")
    shown = json.loads(out)
    assert shown["status"]["state"] == "succeeded"
    assert shown["metrics"][0]["name"] == "error"
    assert shown["cost"]["currency"] == "USD"
    assert "rate was 0.5" in cloudai("runs", "logs", name)[1]
    assert cloudai("runs", "wait", name, "--interval", "0.05")[0] == 0
    assert cloudai("runs", "fetch", name, "again")[0] == 0
    assert (folder / "again" / "m.txt").exists()
    code, out, err = cloudai("train", "job.toml")
    assert (code, name_in(out)) == (0, name)
    assert "--again makes a new one" in err
    assert name_in(cloudai("train", "job.toml", "--again")[1]) != name


def test_the_program_of_the_guide_runs(cloudai: Run, folder: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    (program,) = [block for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "read_job" in block]
    exec(program, {})
    assert (folder / "model" / "m.txt").read_text() == "0.5"


def test_a_dry_run_prints_what_would_be_sent_and_sends_nothing(cloudai: Run, folder: Path) -> None:
    code, out, _ = cloudai("train", "job.toml", "--dry-run")
    assert code == 0
    assert '"CLOUDAI_HPARAMS": "{\\"rate\\": 0.5}"' in out
    plan = json.loads(cloudai("train", "job.toml", "--dry-run", "--json")[1])
    assert plan["at_limit"]["amount"] == "2"
    assert not (folder / "runs").exists()
    assert not (folder / "state").exists()


def test_a_cost_limit_refuses_with_exit_code_3(cloudai: Run) -> None:
    code, _, err = cloudai("train", "job.toml", "--max-cost", "1.99 USD")
    assert code == 3
    assert "3600 s cost 2 USD, and max_cost is 1.99 USD" in err
    assert cloudai("train", "job.toml", "--max-cost", "cheap")[0] == 2
    code, out, _ = cloudai("train", "job.toml", "--max-cost", "1.99 USD", "--dry-run")
    assert (code, '"call": "start"' in out) == (3, True)


@pytest.mark.parametrize("interval", ["-1", "0", "nan", "inf", "soon"])
def test_a_time_that_is_none_is_refused_before_anything_is_sent(cloudai: Run, interval: str) -> None:
    for words in (("train", "job.toml", "--wait"), ("runs", "wait", "cli-"), ("batches", "submit", "a", "b", "c")):
        code, _, err = cloudai(*words, f"--interval={interval}")
        assert (code, f"'{interval}' is not a time such as 20s" in err) == (2, True)
    assert "no runs" in cloudai("runs", "list")[1]


def test_a_failed_run_is_exit_code_1_with_the_reason(cloudai: Run, folder: Path) -> None:
    (folder / "job.toml").write_text(JOB.replace("0.5", "9"))
    code, out, _ = cloudai("train", "job.toml", "--wait", "--interval", "0.05")
    assert code == 1
    assert "rate is too high" in out
    assert "the script ended with exit code 1" in out
    assert cloudai("runs", "wait", "cli-", "--interval", "0.05")[0] == 1


def test_a_run_can_be_cancelled_and_an_unknown_one_is_said_to_be(cloudai: Run, folder: Path) -> None:
    (folder / "src" / "train.py").write_text("import time\ntime.sleep(60)\n")
    name = name_in(cloudai("train", "job.toml")[1])
    code, _, err = cloudai("runs", "cancel", name)
    assert (code, err.strip()) == (0, f"{name}: cancelled")
    assert cloudai("runs", "show", "nothing")[0] == 2


def test_no_name_is_no_run_although_there_is_one_alone(cloudai: Run, folder: Path) -> None:
    cloudai("train", "job.toml", "--wait", "--interval", "0.05")
    code, _, err = cloudai("runs", "cancel", "")
    assert (code, "no run ''" in err) == (2, True)


def test_a_download_needs_a_folder(cloudai: Run, folder: Path) -> None:
    name = name_in(cloudai("train", "job.toml", "--wait", "--interval", "0.05")[1].split("run ")[-1])
    code, _, err = cloudai("runs", "fetch", name, "job.toml")
    assert (code, "job.toml is a file: name a folder" in err) == (2, True)
    assert (folder / "job.toml").read_text() == JOB


def test_diff_tells_what_changed_between_two_runs(cloudai: Run, folder: Path) -> None:
    first = name_in(cloudai("train", "job.toml", "--wait", "--interval", "0.05")[1].split("run ")[-1])
    same = name_in(cloudai("train", "job.toml", "--wait", "--interval", "0.05", "--again")[1].split("run ")[-1])
    assert "nothing differs" in cloudai("runs", "diff", first, same)[1]
    (folder / "job.toml").write_text(JOB.replace("0.5", "0.25"))
    (folder / "src" / "extra.py").write_text("A = 1\n")
    other = name_in(cloudai("train", "job.toml", "--wait", "--interval", "0.05")[1].split("run ")[-1])
    rows = json.loads(cloudai("runs", "diff", first, other, "--json")[1])
    assert {(row["part"], row["name"]) for row in rows} == {
        ("hash", "source"), ("hash", "hyperparameters"), ("hyperparameter", "rate"), ("model", "m.txt")
    }  # fmt: skip
    assert next(row for row in rows if row["name"] == "rate") == {
        "part": "hyperparameter", "name": "rate", "before": "0.5", "after": "0.25"
    }  # fmt: skip


def test_diff_reads_a_run_that_was_submitted_elsewhere_from_its_log(cloudai: Run, folder: Path) -> None:
    first = name_in(cloudai("train", "job.toml", "--wait", "--interval", "0.05")[1].split("run ")[-1])
    (folder / "job.toml").write_text(JOB.replace("0.5", "0.25"))
    (folder / "src" / "extra.py").write_text("A = 1\n")
    other = name_in(cloudai("train", "job.toml", "--wait", "--interval", "0.05")[1].split("run ")[-1])
    ref = json.dumps(json.loads(cloudai("runs", "show", other, "--json")[1])["run"])
    whole = json.loads(cloudai("runs", "diff", first, other, "--json")[1])
    (folder / "state" / "runs.sqlite").unlink()  # as on another machine
    for one, two in ((first, other), (first, ref)):
        code, out, err = cloudai("runs", "diff", one, two, "--json")
        assert (code, json.loads(out)) == (0, whole)
        assert f"{first} was submitted elsewhere" in err
    assert "nothing differs" in cloudai("runs", "diff", first, first)[1]


def test_diff_says_so_when_nothing_is_known_of_a_run(cloudai: Run, folder: Path) -> None:
    (folder / "job.toml").write_text(JOB + 'requirements = "none.txt"\n')
    (folder / "src" / "none.txt").write_text("no such package at all !!\n")
    name = name_in(cloudai("train", "job.toml", "--wait", "--interval", "0.05")[1].split("run ")[-1])
    (folder / "state" / "runs.sqlite").unlink()
    code, _, err = cloudai("runs", "diff", name, name)
    assert code == 2
    assert "its log does not say what it was made of" in err
    assert cloudai("runs", "diff", "{}", "{}")[0] == 2


def test_a_sweep_finds_the_best_within_its_limits(cloudai: Run, folder: Path) -> None:
    (folder / "sweep.toml").write_text(
        'parallel = 2\nmetric = "error"\ngoal = "min"\nmax_cost = "9 USD"\n[parameters]\nrate = [0.1, 0.31, 0.9, 6]\n'
    )
    code, out, _ = cloudai("train", "job.toml", "--sweep", "sweep.toml", "--interval", "0.05", "--json")
    assert code == 1  # one of them failed
    rows = json.loads(out)
    assert [row["state"] for row in rows] == ["succeeded", "succeeded", "succeeded", "failed"]
    code, out, err = cloudai("train", "job.toml", "--sweep", "sweep.toml", "--interval", "0.05")
    assert "best: " in out
    assert "rate=0.31" in out.split("best: ")[1]
    assert "found: it was submitted before" in err
    (folder / "sweep.toml").write_text("parallel = 4\n[parameters]\nrate = [0.11, 0.12, 0.13]\n")
    asked = ("train", "job.toml", "--sweep", "sweep.toml", "--interval", "0.05")
    rows = json.loads(cloudai(*asked, "--max-cost", "2.00001 USD", "--json")[1])
    assert [row["state"].partition(":")[0] for row in rows] == ["succeeded", "skipped", "skipped"]
    assert "above its 2.00001 USD" in rows[1]["state"]
    assert rows[1]["cost"] == "-"


def test_a_sweep_waits_for_room_below_its_limit(cloudai: Run, folder: Path) -> None:
    (folder / "sweep.toml").write_text('max_cost = "3 USD"\nparallel = 4\n[parameters]\nrate = [0.11, 0.12, 0.13]\n')
    code, out, err = cloudai("train", "job.toml", "--sweep", "sweep.toml", "--interval", "0.05", "--json")
    assert [row["state"] for row in json.loads(out)] == ["succeeded"] * 3
    assert code == 0
    assert [line.rpartition(": ")[2] for line in err.splitlines()] == ["started", "succeeded"] * 3


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("1.99 USD", "one run may cost 2 USD, and max_cost of the sweep is 1.99 USD"),
        ("9 EUR", "max_cost is in EUR, prices are in USD"),
    ],
)
def test_a_sweep_of_which_nothing_fits_is_exit_code_3_and_starts_nothing(
    cloudai: Run, folder: Path, limit: str, words: str
) -> None:
    (folder / "sweep.toml").write_text("[parameters]\nrate = [0.11, 0.12]\n")
    code, out, err = cloudai("train", "job.toml", "--sweep", "sweep.toml", "--max-cost", limit)
    assert (code, out) == (3, "")
    assert words in err
    assert "no runs" in cloudai("runs", "list")[1]


def test_a_dry_run_of_a_sweep_says_what_all_of_it_may_cost(cloudai: Run, folder: Path) -> None:
    (folder / "sweep.toml").write_text("[parameters]\nrate = [0.11, 0.12]\n")
    asked = ("train", "job.toml", "--sweep", "sweep.toml", "--dry-run")
    assert "2 runs: 4 USD at their time limits" in cloudai(*asked)[1]
    plans = json.loads(cloudai(*asked, "--json")[1])
    assert [plan["at_limit"]["amount"] for plan in plans] == ["2", "2"]


def test_a_model_is_fetched_of_one_run_that_is_waited_for(cloudai: Run, folder: Path) -> None:
    (folder / "sweep.toml").write_text("[parameters]\nrate = [0.11, 0.12]\n")
    for words in ((), ("--wait", "--sweep", "sweep.toml")):
        code, _, err = cloudai("train", "job.toml", "--fetch", "model", *words)
        assert (code, "--fetch goes with --wait" in err) == (2, True)


def test_what_is_waited_for_is_the_same_json_as_what_is_shown(cloudai: Run, folder: Path) -> None:
    waited = json.loads(cloudai("train", "job.toml", "--wait", "--interval", "0.05", "--json")[1])
    shown = json.loads(cloudai("runs", "show", waited["run"]["name"], "--json")[1])
    assert waited == shown


def test_a_log_is_what_the_script_printed(cloudai: Run, folder: Path) -> None:
    cloudai("train", "job.toml", "--wait", "--interval", "0.05")
    lines = cloudai("runs", "logs", "cli-")[1].splitlines()
    assert [line[:18] for line in lines] == ['{"cloudai_metric":', "rate was 0.5"]


def test_a_metric_that_is_nan_is_json(cloudai: Run, folder: Path) -> None:
    (folder / "src" / "train.py").write_text(
        'from cloudai.training import log_metric\nlog_metric("loss", float("nan"))\n'
    )
    code, out, _ = cloudai("train", "job.toml", "--wait", "--interval", "0.05", "--json")

    def refused(word: str) -> float:
        raise AssertionError(f"{word} is no JSON")

    found = json.loads(out, parse_constant=refused)
    assert (code, found["status"]["message"]) == (1, "loss ended as nan")
    (metric,) = found["metrics"]
    assert metric["value"] == "NaN"
    assert math.isnan(Metric.model_validate(metric).value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (JOB.replace("script =", "scirpt ="), "job.toml:2: unknown key 'scirpt': did you mean 'script'?"),
        (JOB.replace('"cli"', '"1 cli"'), "job.toml:1: name: 1 to 63 letters, digits and hyphens, the first a letter"),
        (JOB.replace('"none"', '"4 y L4"'), 'job.toml:4: \'4 y L4\' is no accelerator such as "L4" or "4 x L4"'),
        (JOB.replace('"1h"', '"soon"'), "job.toml:5: max_time: 'soon' is not a duration"),
        (JOB + 'max_cost = "much"\n', "job.toml:7: 'much' is no amount such as \"5 USD\""),
        (JOB + "nodes = 0\n", "job.toml:7: nodes: input should be greater than or equal to 1"),
        (
            JOB.replace('"none"', "4"),
            'job.toml:4: accelerator is "L4", "4 x L4", "none" or { instance = "..." }, not 4',
        ),
        (JOB + "epochs = 3\n", "max_time"),
        (JOB + '[environment]\nCLOUDAI_MODEL_DIR = "/"\n', "the runner sets CLOUDAI_MODEL_DIR: take it out"),
        (JOB + '[environment]\nCLOUDAI_INPUT_A = "/"\n', "the runner sets CLOUDAI_INPUT_A: take it out"),
        (JOB + '[environment]\n"A B" = "1"\n', "'A B' is no name of a variable"),
        (JOB + '[environment]\nA = "1\\u0000"\n', "the value of A has a NUL character"),
        (JOB.replace("0.5", "nan"), "hyperparameters: rate is nan: JSON has finite numbers only"),
        (JOB + "[sweep]\nmethod = 'grid'\n[sweep.parameters]\nrate = { min = 1, max = 2 }\n", "a grid takes lists"),
        (JOB + "[sweep]\n[sweep.parameters]\n", "job.toml:7: sweep: parameters name at least one hyperparameter"),
        (JOB + "[sweep]\nmethods = 'grid'\n", "did you mean 'method'?"),
        (JOB + "[tracking]\nurl = 'x'\n", "unknown key 'tracking.url': did you mean 'uri'?"),
        (JOB + "x =", "job.toml:7"),
    ],
)
def test_a_mistake_in_a_job_file_has_its_line(folder: Path, text: str, message: str) -> None:
    (folder / "job.toml").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        read_job("job.toml")
    assert message in str(caught.value)


def test_a_job_file_says_accelerators_times_and_places_in_short(folder: Path) -> None:
    (folder / "job.toml").write_text(
        JOB.replace('"none"', '"4 x L4"') + 'max_cost = "5 USD"\ninputs = { train = "data", test = "s3://b/x" }\n'
    )
    job = read_job(folder / "job.toml").job
    assert job.accelerator == Accelerator(name="L4", count=4)
    assert (job.max_seconds, str(job.max_cost)) == (3600, "5 USD")
    assert job.inputs == {"train": str(folder / "data"), "test": "s3://b/x"}
    assert job.source == str(folder / "src")


def test_each_again_is_a_run_of_its_own(cloudai: Run, folder: Path) -> None:
    outs = [cloudai("train", "job.toml", "--again", *more)[1] for more in ((), (), (), ("mine",), ("mine",))]
    names = [name_in(out.split("run ")[-1]) for out in outs]
    assert len(set(names)) == 4
    assert names[3] == names[4]  # a text of one's own names one
    for file in (folder / "state").glob("runs.sqlite*"):
        file.unlink()  # as on another machine
    assert name_in(cloudai("train", "job.toml", "--again")[1].split("run ")[-1]) not in names
    planned = json.loads(cloudai("train", "job.toml", "--again", "--dry-run", "--json")[1])
    assert name_in(cloudai("train", "job.toml", "--again")[1].split("run ")[-1]) == planned["name"]


def test_an_again_that_was_interrupted_is_done_again(cloudai: Run, folder: Path) -> None:
    first, second = (name_in(cloudai("train", "job.toml", *more)[1].split("run ")[-1]) for more in ((), ("--again",)))
    with contextlib.closing(sqlite3.connect(folder / "state" / "runs.sqlite")) as file, file:
        file.execute("UPDATE runs SET state = 'intent', ref = NULL WHERE name = ?", (second,))
    code, out, err = cloudai("train", "job.toml", "--again")
    assert (code, name_in(out.split("run ")[-1])) == (0, second)
    assert "interrupted after it had submitted" in err
    assert name_in(cloudai("train", "job.toml", "--again")[1].split("run ")[-1]) not in (first, second)


def test_each_again_of_a_sweep_is_a_sweep_of_its_own(cloudai: Run, folder: Path) -> None:
    (folder / "sweep.toml").write_text("parallel = 2\n[parameters]\nrate = [0.1, 0.2]\n")
    asked = ("train", "job.toml", "--sweep", "sweep.toml", "--interval", "0.05", "--json")
    given: tuple[tuple[str, ...], ...] = ((), (), ("--again",), ("--again",), ("--again", "mine"), ("--again", "mine"))
    names = [[row["run"] for row in json.loads(cloudai(*asked, *more)[1])] for more in given]
    assert names[0] == names[1]
    assert names[4] == names[5]
    assert len({name for each in names for name in each}) == 8


def test_a_sweep_runs_each_set_of_hyperparameters_once(folder: Path) -> None:
    job = TrainingJob(name="x", script="t.py")
    for sweep in (
        Sweep(parameters={"a": (1, 1, 2, 1.0)}),
        Sweep(method="random", runs=50, parameters={"a": (1, 2, 1.0)}),
        Sweep(method="random", runs=3, parameters={"a": (1, 2, 1.0)}),
    ):
        points = [one.hyperparameters["a"] for one in jobs_of(job, sweep)]
        assert sorted(map(repr, points)) == ["1", "1.0", "2"]


@pytest.mark.parametrize("words", [("--wait",), ("--sweep", "sweep.toml")])
def test_what_is_interrupted_says_what_goes_on(cloudai: Run, folder: Path, words: tuple[str, ...]) -> None:
    (folder / "sweep.toml").write_text("[parameters]\nrate = [0.1, 0.2]\n")
    (folder / "src" / "train.py").write_text("import time\ntime.sleep(300)\n")

    def interrupt() -> None:
        while not any(entry.state == SUBMITTED for entry in Register.of_runs().entries()):
            time.sleep(0.1)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    code, _, err = cloudai("train", "job.toml", *words, "--interval", "0.05")
    thread.join()
    name = name_in(err)
    assert code == 130, err
    assert err.count("goes on, and costs") == 1
    assert f"{name} goes on, and costs: `cloudai runs cancel {name}` stops it" in err
    assert cloudai("runs", "cancel", name)[0] == 0


def test_a_metric_that_no_run_logs_is_told(cloudai: Run, folder: Path) -> None:
    (folder / "sweep.toml").write_text('metric = "errors"\n[parameters]\nrate = [0.1]\n')
    code, out, err = cloudai("train", "job.toml", "--sweep", "sweep.toml", "--interval", "0.05")
    assert (code, "best:" in out) == (0, False)
    assert "no run ended well with a value of the metric 'errors': does the script log it by this name?" in err


def test_a_random_search_is_the_same_each_time_and_stays_in_its_ranges() -> None:
    job = TrainingJob(name="x", script="t.py", hyperparameters={"kept": 1})
    sweep = Sweep(
        method="random",
        runs=50,
        seed=3,
        parameters={
            "rate": Range(min=1e-4, max=1e-1, scale="log"),
            "units": Range(min=1, max=9, integer=True),
            "k": (1, 2),
        },
    )
    points = [one.hyperparameters for one in jobs_of(job, sweep)]
    assert points == [one.hyperparameters for one in jobs_of(job, sweep)]
    assert all(1e-4 <= float(p["rate"]) <= 1e-1 and p["units"] in range(1, 10) and p["k"] in (1, 2) for p in points)
    assert {p["kept"] for p in points} == {1}
    middle = sorted(math.log10(float(p["rate"])) for p in points)[25]
    assert -3.2 < middle < -1.8
    with pytest.raises(InvalidInput, match="more than 1000 runs"):
        jobs_of(job, Sweep(parameters={name: tuple(range(11)) for name in "abc"}))


def test_a_sweep_file_may_be_a_table(folder: Path) -> None:
    (folder / "s.toml").write_text("[sweep]\nparallel = 3\n[sweep.parameters]\nrate = [1]\n")
    assert read_sweep(folder / "s.toml").parallel == 3


@pytest.mark.filterwarnings("ignore")  # MLflow's own, of the libraries below it
def test_runs_are_written_to_mlflow_once(cloudai: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{folder}/mlflow.sqlite"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (folder / "job.toml").write_text(JOB + '[tracking]\nexperiment = "tries"\nregister_model = "cli-model"\n')
    for _ in range(2):
        code, out, err = cloudai("train", "job.toml", "--wait", "--interval", "0.05")
        assert code == 0, err
        assert "tracked in sqlite" in err, err
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("tries")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params == {"rate": "0.5"}
    assert run.data.metrics["error"] == pytest.approx(0.04)
    assert run.data.tags["cloudai.run"] == name_in(out.split("run ")[-1])
    assert len(run.data.tags["cloudai.sha256.source"]) == 64
    assert [file.path for file in client.list_artifacts(run.info.run_id, "model")] == ["model/m.txt"]
    (version,) = client.search_model_versions("name = 'cli-model'")
    assert version.run_id == run.info.run_id


def test_a_tracker_that_is_away_fails_no_run(cloudai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.setenv(variable, "")  # put back at the end
        monkeypatch.delenv(variable)
    for address in ("nonsense://nowhere", "http://127.0.0.1:9"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        code, _, err = cloudai("train", "job.toml", "--wait", "--interval", "0.05")
        assert code == 0
        assert "not tracked" in err
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "2"  # MLflow's own seven take minutes
