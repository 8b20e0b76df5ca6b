"""`cloudai stats` and its drift: exact percentiles, no alarm without a change, an alarm for each known one."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.cli import main
from cloudai.ledger import BudgetSettings, CallRecord, open_store
from cloudai.ledger.drift import LEAST, MAJOR, compared, findings
from cloudai.ledger.stats import percentile, tallied

DAY = 86_400_000_000
LABELS = "detect_labels"
OCTOBER = 1_790_812_800_000_000
"""2026-10-01, UTC."""


def call(**values: Any) -> CallRecord:
    known: dict[str, Any] = {"operation": "vision.detect_labels", "outcome": "ok", "backend": "aws", "latency": 1000}
    return CallRecord(**{**known, **values})


def usual(chance: random.Random, **values: Any) -> CallRecord:
    """A call of a workload that does not change."""
    names = [f"label {number}" for number in range(60)]
    weights = [1 / (number + 1) for number in range(60)]
    known: dict[str, Any] = {
        "model": "2024-06",
        "top_label": chance.choices(names, weights)[0],
        "confidence": chance.betavariate(8, 2),
        "language": chance.choices(["en", "de", "fr"], [8, 3, 1])[0],
        "input_bytes": int(chance.lognormvariate(12, 1)),
        "outcome": chance.choices(["ok", "rate_limited", "unavailable"], [97, 2, 1])[0],
    }
    return call(**{**known, **values})


def window(chance: random.Random, number: int, **values: Any) -> list[CallRecord]:
    return [usual(chance, **values) for _ in range(number)]


# --- percentiles -----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**9), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_time_that_so_many_calls_had(values: list[int], rank: int) -> None:
    found = percentile(values, rank)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= rank * len(values)
    assert sum(value < found for value in values) * 100 < rank * len(values)


def test_times_are_those_of_answers_and_shares_those_of_all_calls() -> None:
    calls = [call(latency=number, upstream=number, attempts=2) for number in range(1, 101)]
    calls += [call(latency=1, outcome="unavailable", attempts=3)] * 50 + [call(latency=1, cached=True, attempts=0)] * 50
    ((key, tally),) = tallied(calls).items()
    assert key == ("aws", "vision.detect_labels")
    assert [tally.percentile("latency", rank) for rank in (50, 90, 99)] == [50, 90, 99]
    assert tally.percentile("queue", 50) is None
    assert (tally.calls, tally.cached, tally.attempts) == (200, 50, 350)
    assert tally.errors == {"unavailable": 0.25}


# --- the measures ----------------------------------------------------------------------------------


def test_the_index_is_that_of_the_book() -> None:
    """Two bins, 50:50 to 80:20: (0.8 - 0.5) ln(0.8/0.5) + (0.2 - 0.5) ln(0.2/0.5) = 0.4159."""
    assert compared([50_000_000, 50_000_000], [80_000_000, 20_000_000]).psi == pytest.approx(0.41589, abs=1e-5)


def test_what_has_nothing_in_common_is_one_bit_apart() -> None:
    assert compared([10**9, 0], [0, 10**9]).js == pytest.approx(1.0, abs=1e-6)


counts = st.lists(st.integers(0, 10_000), min_size=2, max_size=20).filter(any)


@given(st.data())
def test_the_measures_have_their_ranges_and_do_not_care_which_window_comes_first(data: Any) -> None:
    size = data.draw(st.integers(2, 20))
    both = st.lists(st.integers(0, 10_000), min_size=size, max_size=size).filter(any)
    one, other = data.draw(both), data.draw(both)
    there, back = compared(one, other), compared(other, one)
    assert there.psi == pytest.approx(back.psi)
    assert there.js == pytest.approx(back.js)
    assert there.psi >= 0
    assert 0 <= there.js <= 1
    assert compared(one, one).psi == 0


@pytest.mark.parametrize("bins", [2, 5, 10, 21])
def test_chance_explains_what_chance_makes(bins: int) -> None:
    """99.9% of samples of one distribution are within what the formula says (of 1,000: fewer than 8 beyond)."""
    chance = random.Random(bins)
    weights = [chance.uniform(1, 3) for _ in range(bins)]
    beyond = 0
    for _ in range(1000):
        one, other = ([0] * bins for _ in range(2))
        for counted, number in ((one, 400), (other, 150)):
            for place in chance.choices(range(bins), weights, k=number):
                counted[place] += 1
        measure = compared(one, other)
        beyond += measure.psi > measure.chance
    assert beyond < 8


# --- drift -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(1500, 100), (500, 500), (150, 150)])
def test_what_has_not_changed_raises_no_alarm(before: int, after: int) -> None:
    """Six things in each of 30 pairs of windows; one alarm in a thousand would be chance."""
    chance = random.Random(before)
    alarms = 0
    for _ in range(30):
        found = findings(window(chance, before), window(chance, after))
        assert {each.what for each in found} == {"model", "label", "confidence", "language", "input_bytes", "outcome"}
        alarms += sum(each.level in ("moderate", "major") for each in found)
    assert alarms <= 2


SHIFTS: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "model": lambda chance: {"model": "2026-11" if chance.random() < 0.5 else "2024-06"},
    "label": lambda chance: {"top_label": f"label {chance.randrange(60)}"},
    "confidence": lambda chance: {"confidence": chance.betavariate(5, 3)},
    "language": lambda chance: {"language": chance.choices(["en", "de", "fr"], [3, 8, 1])[0]},
    "input_bytes": lambda chance: {"input_bytes": int(chance.lognormvariate(12.8, 1))},
    "outcome": lambda chance: {"outcome": "ok" if chance.random() < 0.7 else "rate_limited"},
}


@pytest.mark.parametrize("what", SHIFTS)
def test_a_change_is_found_and_nothing_else_is_blamed(what: str) -> None:
    chance = random.Random(what)
    for _ in range(5):
        new = [usual(chance, **SHIFTS[what](chance)) for _ in range(300)]
        found = {each.what: each for each in findings(window(chance, 1000), new)}
        assert found[what].level == "major"
        assert [name for name, each in found.items() if each.level == "major"] == [what]


def test_a_vendors_new_model_is_named() -> None:
    chance = random.Random(1)
    first = findings(window(chance, 500), window(chance, 200, model="2026-11"))[0]
    assert (first.what, first.level) == ("model", "major")
    assert {name for name, _, _ in first.moved} == {"2024-06", "2026-11"}


def test_too_few_calls_say_nothing() -> None:
    chance = random.Random(2)
    found = findings(window(chance, 5000), window(chance, LEAST // 2, model="another"))
    assert {each.level for each in found} == {"too few"}
    assert all(each.measure is None for each in found)


def test_labels_that_come_once_are_one_bin() -> None:
    before = [call(top_label=f"name {number}") for number in range(1000)]
    after = [call(top_label=f"other name {number}") for number in range(1000)]
    (label,) = [each for each in findings(before, after) if each.what == "label"]
    assert label.level == "none"


def test_hits_of_the_cache_are_no_answers_of_the_backend() -> None:
    chance = random.Random(6)
    cached = [usual(chance, cached=True, model="old", outcome="ok") for _ in range(400)]
    found = findings(window(chance, 400, outcome="ok"), [*window(chance, 400, outcome="ok"), *cached])
    assert {each.level for each in found} == {"none"}


# --- the command -----------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """October as usual; on November's first days a new model with other confidences. At two backends, one steady."""
    monkeypatch.chdir(tmp_path)
    chance, path = random.Random(4), str(tmp_path / "ledger.sqlite")
    store = open_store(BudgetSettings(ledger=path))
    for day in range(31):
        write(store, window(chance, 20), OCTOBER + day * DAY)
        write(store, window(chance, 20, backend="gcp"), OCTOBER + day * DAY)
    for day in range(31, 34):
        write(store, window(chance, 60, model="2026-11", tag="team-a"), OCTOBER + day * DAY)
        write(store, window(chance, 60, backend="gcp"), OCTOBER + day * DAY)
    store.close()
    return path


def write(store: Any, calls: Sequence[CallRecord], at: int) -> None:
    from dataclasses import replace

    for number, each in enumerate(calls):
        store.record(replace(each, at=at + number * 1_000_000))


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main([*arguments]) == code
    return capsys.readouterr().out


WINDOWS = ("--before", "2026-10-01..2026-10-31", "--after", "2026-11-01..2026-11-03")


def test_stats_are_printed_as_json_csv_and_a_table(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("stats", "--ledger", ledger, "--since", "2026-10-01", "--until", "2026-11-03", "--backend", "aws")
    document = json.loads(printed(capsys, *asked, "--format", "json"))
    (group,) = document["groups"]
    assert document["schema"] == "cloudai.stats/1"
    assert (group["calls"], group["seconds"]["latency"]["p99"]) == (31 * 20 + 3 * 60, 0.001)
    assert math.isclose(sum(group["errors"].values()), group["error_share"], abs_tol=1e-5)
    (row,) = csv.DictReader(io.StringIO(printed(capsys, *asked, "--format", "csv")))
    assert (row["backend"], row["latency_p50"], row["queue_p50"]) == ("aws", "0.001000", "")
    assert "vision.detect_labels" in printed(capsys, *asked)


def test_until_is_the_whole_day_and_a_tag_narrows(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("stats", "--ledger", ledger, "--since", "2026-11-01", "--until", "2026-11-01", "--tag", "team-a")
    (group,) = json.loads(printed(capsys, *asked, "--format", "json"))["groups"]
    assert (group["backend"], group["calls"]) == ("aws", 60)


def test_drift_between_two_windows_ends_with_3(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(printed(capsys, "stats", "drift", "--ledger", ledger, *WINDOWS, "--format", "json", code=3))
    major = [(each["backend"], each["what"]) for each in document["findings"] if each["level"] == "major"]
    assert (document["schema"], document["drift"], major) == ("cloudai.drift/1", True, [("aws", "model")])
    assert document["findings"][0]["psi"] > MAJOR


def test_without_drift_the_command_ends_with_0(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(capsys, "stats", "drift", "--ledger", ledger, *WINDOWS, "--backend", "gcp")
    assert "none" in shown
    assert "major" not in shown


def test_a_command_is_run_once_with_the_findings_on_its_stdin(
    ledger: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    told = tmp_path / "told.json"
    script = tmp_path / "tell.py"
    script.write_text("import sys, pathlib; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())")
    command = f"{sys.executable} {script} {told}"
    printed(capsys, "stats", "drift", "--ledger", ledger, *WINDOWS, "--on-drift", command, code=3)
    (finding,) = json.loads(told.read_bytes())["findings"]
    assert (finding["backend"], finding["what"]) == ("aws", "model")
    told.unlink()
    printed(capsys, "stats", "drift", "--ledger", ledger, *WINDOWS, "--backend", "gcp", "--on-drift", command)
    assert not told.exists()


def test_the_shell_is_asked_only_on_request(ledger: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ("stats", "drift", "--ledger", ledger, *WINDOWS, "--on-drift", f"touch {tmp_path}/b; true")
    main(list(asked))
    assert not (tmp_path / "b").exists()
    printed(capsys, *asked, "--shell", code=3)
    assert (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--before", "2026-10-01"), "not of the form"),
        (("--before", "2026-10-09..2026-10-01"), "ends before it begins"),
        (("--after", "2026-10-09..2026-10-10"), "needs --before"),
        (("--window", "soon"), "is not a time"),
        (("--window", "0d"), "is not a time"),
        (("--since", "yesterday"), None),
    ],
)
def test_wrong_windows_are_said(
    ledger: str, capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...], said: str | None
) -> None:
    if said is None:
        assert main(["stats", "--ledger", ledger, *wrong]) == 2
        assert "is not a day" in capsys.readouterr().err
        return
    assert main(["stats", "drift", "--ledger", ledger, *wrong]) == 2
    assert said in capsys.readouterr().err


def test_the_last_day_is_compared_with_the_time_before_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import time

    chance, path, now = random.Random(5), str(tmp_path / "ledger.sqlite"), time.time_ns() // 1000
    store = open_store(BudgetSettings(ledger=path))
    write(store, window(chance, 300), now - 3 * DAY)
    write(store, window(chance, 300, model="new"), now - DAY // 2)
    store.close()
    found = json.loads(printed(capsys, "stats", "drift", "--ledger", path, "--format", "json", code=3))["findings"][0]
    assert (found["what"], found["calls_before"], found["calls_after"]) == (
        "model", found["calls_before"], found["calls_after"]
    )  # fmt: skip
    assert 250 < found["calls_before"] <= 300
    assert 250 < found["calls_after"] <= 300
