"""Writes the async services from the sync ones: one text, two forms, so that they can't drift apart.

    python tests/repo/async_twins.py --write

`test_async_twins.py` holds that what is checked in is what this writes.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SERVICES = Path(__file__).parents[2] / "cloudai" / "services"
NAMES = ("vision", "speech", "translation", "custom")
HEADER = '"""`AsyncClient`\'s form of `{name}.py`, written from it by `tests/repo/async_twins.py`: edit that file."""\n'
REWRITES = (
    (r"\bdef (?!__init__|job\(|run\(|batch\()", "async def "),
    (r"\bself\._run\(", "await self._run("),
    (r"\bself\._run\.media\(", "await self._run.media("),
    (r"\bself\.analyze_batch\(", "await self.analyze_batch("),
    (r"\banalyze\(self\._run", "await analyze_async(self._run"),
    (r"import analyze$", "import analyze_async"),
    (r"\b(submit|transcribe)\(self\._run", r"await \1_async(self._run"),
    (r"import TranscriptionJob, submit, transcribe$", "import AsyncTranscriptionJob, submit_async, transcribe_async"),
    (r"\bTranscriptionJob\b", "AsyncTranscriptionJob"),
    (r"\b(plan|listing|train)\(self\._run", r"await \1_async(self._run"),
    (
        r"import TrainingRun, listing, plan, train$",
        "import AsyncTrainingRun, listing_async, plan_async, train_async",
    ),
    (r"\bTrainingRun\b", "AsyncTrainingRun"),
    (r"\b(plan_deployment|standing|named)\(self\._run", r"await \1_async(self._run"),
    (
        r"import Endpoint, named, plan_deployment, request_of, standing$",
        "import AsyncEndpoint, named_async, plan_deployment_async, request_of, standing_async",
    ),
    (r"\bEndpoint\b", "AsyncEndpoint"),
    (r"\b(all_batches|batch_predict|plan_batch|submit_batch)\(self\._run", r"await \1_async(self._run"),
    (
        r"import BatchRun, all_batches, batch_predict, batch_ref, plan_batch, submit_batch$",
        "import AsyncBatchRun, all_batches_async, batch_predict_async, batch_ref, plan_batch_async, submit_batch_async",
    ),
    (r"\bBatchRun\b", "AsyncBatchRun"),
    (r"\bRunner\b", "AsyncRunner"),
    (r"^class (\w+):", r"class Async\1:"),
)


def twin(name: str) -> str:
    """The async text of one service."""
    text = (SERVICES / f"{name}.py").read_text(encoding="utf-8")
    text = re.sub(r'\A""".*?"""\n', HEADER.format(name=name), text, flags=re.DOTALL)
    for pattern, replacement in REWRITES:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    target = str(SERVICES / f"{name}_async.py")
    return _ruff(_ruff(text, "check", "--fix", "--quiet", "--select=I", target=target), "format", target=target)


def _ruff(text: str, *arguments: str, target: str) -> str:
    command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", target, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def main() -> None:
    for name in NAMES:
        (SERVICES / f"{name}_async.py").write_text(twin(name), encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    main()
