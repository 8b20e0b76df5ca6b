"""Every example does what it says; the third party's is built, installed and discovered as its own distribution."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cloudai.testing.samples import picture
from cloudai.types.vision import ReadTextResult

pytestmark = pytest.mark.program("tesseract")


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, env={**os.environ, **environ}, check=False
    )


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `cloudai-tesseract` installed from its wheel, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("third-party")
    source = Path(__file__).parents[2] / "examples" / "04_third_party_provider"
    flags = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    done = run("-m", "pip", "install", *flags, "--target", folder, source)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def sign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PNG with `Hello World 42`."""
    path = tmp_path_factory.mktemp("sign") / "sign.png"
    path.write_bytes(picture())
    return path


@pytest.mark.parametrize("name", ["local", "fake", "tesseract"])
def test_the_same_program_reads_the_same_with_three_configs(
    name: str, examples: Path, third_party: Path, sign: Path
) -> None:
    folder = examples / "03_swap_backends"
    config = str(folder / f"{name}.toml")
    done = run(folder / "read_sign.py", sign, CLOUDAI_CONFIG=config, PYTHONPATH=str(third_party))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "Hello World 42"
    assert re.search(r"3 words from [678]% of the width; used 1 image; cost not known", done.stderr)


@pytest.mark.parametrize("name", ["local", "fake", "tesseract"])
def test_three_backends_answer_in_the_same_types_and_units(
    name: str, examples: Path, third_party: Path, sign: Path
) -> None:
    config = str(examples / "03_swap_backends" / f"{name}.toml")
    command = ("-m", "cloudai", "vision", "read-text", sign, "--json")
    done = run(*command, CLOUDAI_CONFIG=config, PYTHONPATH=str(third_party))
    assert done.returncode == 0, done.stderr
    result = ReadTextResult.model_validate_json(done.stdout)
    assert result.text == "Hello World 42"
    assert [(used.meter, used.unit, str(used.quantity)) for used in result.usage] == [
        ("vision.read_text", "image", "1")
    ]
    for word in (word for page in result.pages for line in page.lines for word in line.words):
        assert word.region is not None
        assert 0 <= word.region.box.x <= 1
        assert word.confidence is not None
        assert 0.5 <= word.confidence <= 1
    assert json.loads(done.stdout)["operation"] == "vision.read_text"


def test_a_third_partys_distribution_is_discovered_and_passes_the_kit(examples: Path, third_party: Path) -> None:
    folder = examples / "04_third_party_provider"
    done = run(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        folder,
        folder / "tests",
        PYTHONPATH=str(third_party),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
