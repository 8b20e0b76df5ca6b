"""One program on aws, gcp, azure and local: only the config file differs, each cloud's strict server behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import aws_answers
import azure_answers
import gcp_answers
from gcp_server import google

from cloudai.testing.samples import picture

pytestmark = [pytest.mark.program("espeak-ng"), pytest.mark.program("apertium")]

PROGRAM = Path(__file__).parents[2] / "examples" / "03_swap_backends" / "support_desk.py"


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Mapping[str, object]]]:
    """`[backends.NAME]` of each provider."""
    with ExitStack() as stack:
        azure = azure_answers.settings(stack.enter_context(azure_answers.azure()))
        aws = aws_answers.settings(stack.enter_context(aws_answers.aws()))
        server = stack.enter_context(google(gcp_answers.ANSWERS))
        gcp = gcp_answers.settings(server, tmp_path_factory.mktemp("gcp"))
        yield {"aws": aws, "gcp": gcp, "azure": azure, "local": {}}


def toml(provider: str, values: Mapping[str, object]) -> str:
    """The config file of one backend; a JSON string is a TOML string."""
    shown = {"provider": provider, **values}
    lines = [
        f"{name} = {json.dumps(value if isinstance(value, (int, float)) else str(value))}"
        for name, value in shown.items()
    ]
    return "\n".join(["[backends.desk]", *lines, ""])


@pytest.mark.parametrize("provider", ["aws", "gcp", "azure", "local"])
def test_only_the_config_file_differs(
    provider: str, backends: Mapping[str, Mapping[str, object]], tmp_path: Path
) -> None:
    (tmp_path / "cloudai.toml").write_text(toml(provider, backends[provider]), encoding="utf-8")
    (tmp_path / "sign.png").write_bytes(picture())
    command = [sys.executable, str(PROGRAM), "sign.png", "answer.wav"]
    environ = {**os.environ, "CLOUDAI_CONFIG": str(tmp_path / "cloudai.toml")}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    *operations, summary = done.stdout.strip().splitlines()
    assert [line.split(":")[0] for line in operations] == [
        "vision.read_text",
        "translation.detect_language",
        "translation.translate",
        "speech.synthesize",
    ]
    assert all(f": {provider}, " in line for line in operations)
    assert operations[0].startswith(f"vision.read_text: {provider}, 1 image, cost ")
    assert summary.startswith("True en 2 ")
    assert (tmp_path / "answer.wav").read_bytes().startswith(b"RIFF")


@pytest.mark.parametrize("provider", ["aws", "gcp", "azure"])
def test_a_cloud_says_what_each_call_costs(
    provider: str, backends: Mapping[str, Mapping[str, object]], tmp_path: Path
) -> None:
    from cloudai import Client

    (tmp_path / "cloudai.toml").write_text(toml(provider, backends[provider]), encoding="utf-8")
    said = pytest.warns(match="stands in the file") if "key" in str(backends[provider]) else nullcontext()
    with said, Client(tmp_path / "cloudai.toml") as client:
        cost = client.vision.read_text(picture()).cost
    assert cost is not None
    assert cost.amount > 0
