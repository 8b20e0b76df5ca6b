"""The examples that train: one command each, and the figures they promise."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name / "run.py"), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_digits_are_trained_served_and_measured_per_class_and_group(tmp_path: Path) -> None:
    said = run("06_train_digits", tmp_path)
    accuracy = re.search(r"accuracy (0\.\d+) on 540 held-out digits", said)
    assert accuracy is not None, said
    assert float(accuracy[1]) > 0.96
    rows = re.findall(r"^ +(\w+) +([\d.]+) +([\d.]+) +([\d.]+) +(\d+)", said, re.MULTILINE)
    assert [row[0] for row in rows] == [*map(str, range(10)), "thin", "medium", "bold"]
    assert all(float(score) > 0.9 for row in rows for score in row[1:4]), said
    assert sum(int(row[4]) for row in rows[:10]) == sum(int(row[4]) for row in rows[10:]) == 540
    difference = re.search(r"largest difference ([\d.e+-]+)", said)
    assert difference is not None
    assert float(difference[1]) < 1e-4
    assert (tmp_path / "model" / "model.toml").exists()


def test_the_regression_beats_the_mean(tmp_path: Path) -> None:
    said = run("07_train_diabetes", tmp_path)
    rows = dict(re.findall(r"^ *(the model|always the mean) +([\d.]+)", said, re.MULTILINE))
    assert float(rows["the model"]) < 60 < float(rows["always the mean"]), said
