"""The installed wheel, without extras, outside the tree: the interface, the planner and the command line work."""

import json
import subprocess
import sys
from pathlib import Path

import cloudai
import cloudai_pricing
from cloudai.testing import FakeBackend

home = Path(sys.prefix).resolve()
for module in (cloudai, cloudai_pricing):
    assert Path(module.__file__).resolve().is_relative_to(home), module.__file__

with FakeBackend().client() as client:
    assert client.translation.translate("hello", target="de").text == "[de] hello"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "cloudai", *arguments], capture_output=True, text=True, check=False
    )


assert run("--version").stdout.strip().endswith(cloudai.__version__)
assert run("operations").returncode == 0
estimate = run("estimate", "vision.detect_labels=3M images", "--provider", "aws", "--region", "us", "--format", "json")
assert estimate.returncode == 0, estimate.stderr
assert json.loads(estimate.stdout)["schema"] == "cloudai.estimate/1"
missing = run("vision", "read-text", __file__)
assert missing.returncode != 0
assert "Traceback" not in missing.stderr, missing.stderr
print(f"wheel works: cloudai {cloudai.__version__} from {home.name}")
