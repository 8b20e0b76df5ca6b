"""The async services are exactly what their sync ones make."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

TWINS = runpy.run_path(str(Path(__file__).with_name("async_twins.py")))


@pytest.mark.parametrize("name", TWINS["NAMES"])
def test_async_service_is_written_from_the_sync_one(name: str) -> None:
    checked_in = (TWINS["SERVICES"] / f"{name}_async.py").read_text(encoding="utf-8")
    assert checked_in == TWINS["twin"](name), "run: python tests/repo/async_twins.py --write"
