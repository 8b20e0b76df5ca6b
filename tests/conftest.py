"""What all tests share: no config of the user's own is seen, GPU tests are left out where there is no GPU."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("CLOUDAI_CACHE", str(home / "cache"))
    for name in ("CLOUDAI_CONFIG", "CLOUDAI_ROUTES", "CLOUDAI_MODEL_HUB"):
        monkeypatch.delenv(name, raising=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A GPU test is deselected, not skipped, where ONNX Runtime has no CUDA: it can't be run there."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return
    left_out = [item for item in items if item.get_closest_marker("gpu")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("gpu")]


@pytest.fixture
def examples() -> Path:
    """The folder of examples."""
    return Path(__file__).parents[1] / "examples"
