"""`cloudai batches submit --again` on each cloud's strict server: a new job each time, but after an interruption."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from azureml_batches import inputs
from served import scale
from test_creations import MACHINES, counting, values

from cloudai.cli import main

Submit = Callable[..., str]


@pytest.fixture(params=["aws", "gcp", "azure"])
def cloud(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[tuple[Submit, Callable[[], dict[str, int]]]]:
    """Submits one request with the flags that are given: the job's name. And what there is."""
    provider = str(request.param)
    with ExitStack() as stack:
        known, _, server = values(provider, stack, tmp_path)
        counted = counting(server)
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in known.items() if value is not None)
        (tmp_path / "cloudai.toml").write_text(f'[backends.it]\n{lines}[routes]\n"custom.*" = "it"\n')
        monkeypatch.setenv("CLOUDAI_CONFIG", str(tmp_path / "cloudai.toml"))
        monkeypatch.setenv("CLOUDAI_STATE", str(tmp_path / "state"))
        places = (str(scale(tmp_path / "twice", 2.0)), str(inputs(tmp_path)), str(tmp_path / "out"))

        def submit(*flags: str) -> str:
            capsys.readouterr()
            assert main(["batches", "submit", *places, "--instance", MACHINES[provider], "--json", *flags]) == 0
            return str(json.loads(capsys.readouterr().out)["name"])

        yield submit, counted


def test_each_again_is_a_job_of_its_own_and_one_that_was_interrupted_is_done_again(
    cloud: tuple[Submit, Callable[[], dict[str, int]]], tmp_path: Path
) -> None:
    submit, counted = cloud
    names = [submit(*flags) for flags in ((), (), ("--again",), ("--again",), ("--again", "me"), ("--again", "me"))]
    assert names[0] == names[1]
    assert names[4] == names[5]
    assert len(set(names)) == counted()["jobs"] == 4
    assert submit("--again", "--dry-run") not in names
    register = tmp_path / "state" / "batches.sqlite"
    with contextlib.closing(sqlite3.connect(register)) as file, file:
        file.execute("UPDATE runs SET state = 'intent', ref = NULL WHERE name = ?", (names[3],))
    assert submit("--again") == names[3]
    assert counted()["jobs"] == 4
    register.unlink()  # as on another machine
    assert submit("--again") not in names
    assert counted()["jobs"] == 5
