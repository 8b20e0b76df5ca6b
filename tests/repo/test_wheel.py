"""The wheel, built from the sdist: what is in it, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in the wheel."""
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.glob("*.whl")
    with zipfile.ZipFile(built) as file:
        return file.namelist()


def test_only_our_packages_are_at_its_top(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    packages = {"cloudai", "cloudai_aws", "cloudai_azure", "cloudai_gcp", "cloudai_local", "cloudai_pricing"}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages


def test_data_files_travel(wheel: list[str]) -> None:
    for provider in ("aws", "gcp", "azure", "local"):
        assert f"cloudai_{provider}/capabilities.toml" in wheel
        assert f"cloudai_{provider}/py.typed" in wheel
    assert "cloudai_pricing/operations.toml" in wheel
    assert any(name.startswith("cloudai_pricing/book/") for name in wheel)


def test_the_licence_travels_and_no_test_does(wheel: list[str]) -> None:
    assert any(name.endswith("/licenses/LICENSE") for name in wheel)
    assert not [name for name in wheel if "test_" in name.rsplit("/", 1)[-1] or "conftest" in name]
