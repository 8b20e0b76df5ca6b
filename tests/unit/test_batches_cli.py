"""`cloudai batches` and `cloudai custom batch-predict`, on this machine: what they print, and their exit codes."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from served import scale

from cloudai.cli import main

Say = Callable[..., tuple[int, str, str]]
ROW = '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}\n'


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Runs a command with a config of its own: exit code, output, notes."""
    monkeypatch.setenv("CLOUDAI_STATE", str(tmp_path / "state"))
    scale(tmp_path / "twice", 2.0)
    (tmp_path / "rows.jsonl").write_text(ROW * 3)
    (tmp_path / "cloudai.toml").write_text(
        f'[backends.here]\nprovider = "local"\nbatches = "{tmp_path}/batches"\nhourly_price = "0.25"\n'
        '[routes]\n"custom.*" = ["here"]\n'
    )

    def run(*words: str) -> tuple[int, str, str]:
        code = main([*words, "--config", str(tmp_path / "cloudai.toml")])
        found = capsys.readouterr()
        return code, found.out, found.err

    return run


def given(folder: Path, *more: str) -> tuple[str, ...]:
    return (str(folder / "twice"), str(folder / "rows.jsonl"), str(folder / "out"), *more)


def test_a_job_is_planned_submitted_shown_waited_for_and_fetched(say: Say, tmp_path: Path) -> None:
    code, out, _ = say("batches", "submit", *given(tmp_path, "--dry-run"))
    assert (code, "0.25 USD an hour, 6 USD at the time limit" in out, '"call": "start"' in out) == (0, True, True)
    assert "no batch jobs" in "".join(say("batches", "list")[1:])
    code, out, err = say("batches", "submit", *given(tmp_path, "--json"))
    assert code == 0
    ref = json.loads(out)
    assert err == ""
    code, out, _ = say("batches", "wait", ref["name"][:8], "--interval", "0.05")
    assert (code, "3 of 3, 0 failed" in out, str(tmp_path / "out") in out) == (0, True, True)
    (row,) = json.loads(say("batches", "list", "--json")[1])
    assert (row["job"], row["state"]) == (ref["name"], "succeeded")
    assert json.loads(say("batches", "show", json.dumps(ref), "--json")[1])["status"]["total"] == 3
    assert "3 of 3" in say("batches", "fetch", ref["name"], str(tmp_path / "copy"))[1]
    assert (tmp_path / "copy" / "rows.jsonl").read_bytes() == (tmp_path / "out" / "rows.jsonl").read_bytes()
    assert say("batches", "cancel", ref["name"])[2].strip().endswith("succeeded")


def test_waiting_at_once_shows_the_result_and_again_makes_another_job(say: Say, tmp_path: Path) -> None:
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write("no request\n")
    code, out, _ = say("batches", "submit", *given(tmp_path, "--wait", "--interval", "0.05"))
    assert code == 0
    assert "3 of 4, 1 failed" in out
    assert "why it failed" in out
    assert "submitted before" in say("batches", "submit", *given(tmp_path))[2]
    again = ("--wait", "--interval", "0.05", "--again", "--json")
    assert json.loads(say("batches", "submit", *given(tmp_path, *again))[1])["status"]["failed"] == 1
    assert len(json.loads(say("batches", "list", "--json")[1])) == 2
    assert say("batches", "show", "twice-")[0] == 2


def test_each_again_is_a_job_of_its_own_and_one_that_was_interrupted_is_done_again(say: Say, tmp_path: Path) -> None:
    def submitted(*more: str) -> str:
        return str(json.loads(say("batches", "submit", *given(tmp_path, "--json", *more))[1])["name"])

    names = [submitted(*more) for more in ((), (), ("--again",), ("--again",), ("--again", "me"), ("--again", "me"))]
    assert names[0] == names[1]
    assert names[4] == names[5]
    assert len(set(names)) == 4
    register = tmp_path / "state" / "batches.sqlite"
    with contextlib.closing(sqlite3.connect(register)) as file, file:
        file.execute("UPDATE runs SET state = 'intent', ref = NULL WHERE name = ?", (names[3],))
    assert submitted("--again") == names[3]
    register.unlink()  # as on another machine
    assert submitted("--again") not in names
    assert len(json.loads(say("batches", "list", "--json")[1])) == 5


def test_a_job_that_fails_is_exit_code_1(say: Say, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("nothing\n")
    code, out, _ = say("batches", "submit", *given(tmp_path, "--wait", "--interval", "0.05"))
    assert (code, "all 1 lines failed" in out) == (1, True)


def test_the_operation_itself_waits_and_shows_the_counts(say: Say, tmp_path: Path) -> None:
    code, out, _ = say("custom", "batch-predict", *given(tmp_path, "--batch-size", "2"))
    assert code == 0
    assert "3 of 3, 0 failed" in out
    assert json.loads(say("custom", "batch-predict", *given(tmp_path, "--json"))[1])["succeeded"] == 3


def test_what_may_cost_too_much_is_exit_code_3(say: Say, tmp_path: Path) -> None:
    code, _, err = say("batches", "submit", *given(tmp_path, "--max-cost", "1 USD"))
    assert (code, "max_cost is 1 USD" in err) == (3, True)
    code, out, _ = say("batches", "submit", *given(tmp_path, "--max-cost", "1 USD", "--dry-run"))
    assert (code, '"call": "start"' in out) == (3, True)


def test_a_graph_that_is_damaged_is_told_where_the_user_has_it(say: Say, tmp_path: Path) -> None:
    graph = tmp_path / "twice" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-20])
    code, _, err = say("batches", "submit", *given(tmp_path))
    assert (code, f"{graph} is not an ONNX model" in err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ("batches", "show", "nobody"),
        ("batches", "cancel", "{}"),
        ("batches", "submit", "./nowhere", "./nowhere", "./out"),
        ("batches", "submit", "./nowhere", "./nowhere", "./out", "--max-failed", "-1"),
    ],
)
def test_wrong_input_is_exit_code_2(say: Say, words: tuple[str, ...]) -> None:
    code, out, err = say(*words)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err


def test_results_never_replace_their_input(say: Say, tmp_path: Path) -> None:
    before = (tmp_path / "rows.jsonl").read_bytes()
    code, _, err = say("batches", "submit", str(tmp_path / "twice"), str(tmp_path / "rows.jsonl"), str(tmp_path))
    assert (code, "the results would replace the input rows.jsonl: name another folder" in err) == (2, True)
    name = json.loads(say("batches", "submit", *given(tmp_path, "--wait", "--interval", "0.05", "--json"))[1])["batch"]
    code, _, err = say("batches", "fetch", json.dumps(name), str(tmp_path))
    assert (code, "rows.jsonl holds requests, which the results would replace" in err) == (2, True)
    assert (tmp_path / "rows.jsonl").read_bytes() == before
    code, _, err = say("batches", "fetch", json.dumps(name), str(tmp_path / "cloudai.toml"))
    assert (code, "cloudai.toml is a file: name a folder" in err) == (2, True)
    for _ in range(2):  # results may be fetched again
        assert say("batches", "fetch", json.dumps(name), str(tmp_path / "out"))[0] == 0


@pytest.mark.parametrize("output", ["rows.jsonl", "rows.jsonl/deeper"])
def test_an_output_that_is_a_file_is_refused(say: Say, tmp_path: Path, output: str) -> None:
    code, _, err = say("batches", "submit", *given(tmp_path)[:2], str(tmp_path / output))
    assert (code, f"{tmp_path / 'rows.jsonl'} is a file: name a folder" in err) == (2, True)
