"""The container and the KServe manifest of the examples start the command with arguments that it has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from cloudai import __version__
from cloudai.cli.commands import root_parser
from cloudai.cli.serve import KEY, _settings
from cloudai.serving.guard import check_settings
from cloudai.serving.settings import ServeSettings


@pytest.fixture
def entrypoint(examples: Path) -> list[str]:
    text = (examples / "serve" / "Dockerfile").read_text()
    (line,) = re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)
    found: list[str] = json.loads(line)
    return found


def settings(arguments: list[str]) -> ServeSettings:
    return _settings(root_parser("serve").parse_args(arguments))


def test_the_container_installs_this_version_and_listens_beyond_itself_with_a_key_only(
    examples: Path, entrypoint: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f'"cloudai[serve]=={__version__}"' in (examples / "serve" / "Dockerfile").read_text()
    assert entrypoint[0] == "cloudai"
    monkeypatch.setenv(KEY, "a-key-of-some-thirty-two-characters")
    made = settings(entrypoint[1:])
    assert (made.host, str(made.folder), made.drain_delay) == ("0.0.0.0", "/models", 5.0)
    check_settings(made)


def test_the_manifest_runs_the_container_with_its_probes_key_and_folder(examples: Path, entrypoint: list[str]) -> None:
    service = yaml.safe_load((examples / "serve" / "kserve.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    predictor = service["spec"]["predictor"]
    (container,) = predictor["containers"]
    made = settings([*container["command"], *container["args"]][1:])
    assert str(made.folder) == "/mnt/models"  # where KServe's storage initializer copies STORAGE_URI to
    assert made.drain_delay + made.drain_timeout < predictor["terminationGracePeriodSeconds"]
    assert made.port == container["ports"][0]["containerPort"]
    environ = {variable["name"] for variable in container["env"]}
    assert {KEY, "STORAGE_URI"} <= environ
    for probe, path in (("readinessProbe", "/v2/health/ready"), ("livenessProbe", "/v2/health/live")):
        assert container[probe]["httpGet"] == {"path": path, "port": made.port}
