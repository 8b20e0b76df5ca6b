"""What an import loads: counted in modules and sockets, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

VENDORS = (
    "boto3",
    "botocore",
    "google.auth",  # a distribution of Google's makes `google` itself when Python starts
    "google.api_core",
    "google.protobuf",
    "azure.core",
    "onnxruntime",
    "numpy",
    "PIL",
    "cv2",
    "rapidocr",
    "ctranslate2",
    "lingua",
)
LATE = ("pydantic", "httpx", "tenacity", "importlib.metadata", "rich")

PROBE = """
import json, socket, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(event) if event.startswith("socket.") else None)
{statement}
loaded = [name for name in {names!r} if name in sys.modules]
print("\\n" + json.dumps([loaded, opened]))
"""


def probe(statement: str, names: tuple[str, ...], **environ: str) -> tuple[list[str], list[str]]:
    code = PROBE.format(statement=statement, names=names)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environ}, check=True
    )
    loaded, opened = json.loads(done.stdout.splitlines()[-1])
    return loaded, opened


def test_import_cloudai_loads_nothing_heavy_and_opens_no_socket() -> None:
    assert probe("import cloudai", VENDORS + LATE) == ([], [])


def test_import_of_the_planner_loads_nothing_heavy() -> None:
    assert probe("import cloudai_pricing", VENDORS + LATE) == ([], [])


def test_the_client_loads_pydantic_and_no_sdk() -> None:
    assert probe("from cloudai import Client, AsyncClient", (*VENDORS, "httpx", "tenacity", "rich")) == ([], [])


def test_an_open_local_client_has_loaded_no_engine() -> None:
    loaded, opened = probe("from cloudai import Client; Client(backend='local')", (*VENDORS, "httpx", "tenacity"))
    assert (loaded, opened) == ([], [])


@pytest.mark.parametrize("form", ["json", "csv", "markdown"])
def test_an_estimate_loads_nothing_heavy_and_opens_no_socket(form: str) -> None:
    arguments = ["estimate", "vision.detect_labels=3M images", "--format", form]
    statement = f"from cloudai.cli import main; main({arguments!r})"
    assert probe(statement, VENDORS + LATE) == ([], [])


def test_listing_what_can_be_done_opens_no_socket() -> None:
    _, opened = probe("from cloudai.cli import main; main(['operations'])", VENDORS)
    assert opened == []


def test_reading_capabilities_imports_no_provider() -> None:
    statement = "from cloudai.capabilities import builtin_capabilities; builtin_capabilities()"
    packages = ("cloudai_aws", "cloudai_gcp", "cloudai_azure", "cloudai_local")
    assert probe(statement, packages) == ([], [])


def test_the_package_is_found_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import cloudai, cloudai_local, cloudai_pricing"], cwd=tmp_path, check=False
    )
    assert done.returncode == 0
