"""What all tests share: no config of the user's own is seen, GPU tests are left out where there is no GPU."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # how long an example takes says more of the machine than of what is tested


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl+C is ignored in a background job, and programs that tests start and interrupt would inherit that.

    Google's packages warn, from 90 days before its end of life on, that a Python is about to be left behind: a date
    is no reason for a test to fail.
    """
    config.addinivalue_line("filterwarnings", "ignore:You are using a .*Python version:FutureWarning")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("CLOUDAI_CACHE", str(home / "cache"))
    for name in [name for name in os.environ if name.startswith(("CLOUDAI_", "AWS_", "GOOGLE_", "AZURE_"))]:
        if name != "CLOUDAI_CACHE":
            monkeypatch.delenv(name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A GPU test is deselected, not skipped, where ONNX Runtime has no CUDA: it can't be run there.

    The long forms of tests are run when they are asked for.
    """
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        _leave_out("gpu", config, items)
    if "long" not in config.option.markexpr:
        _leave_out("long", config, items)


def _leave_out(marker: str, config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if item.get_closest_marker(marker)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker(marker)]


PROGRAMS = {
    "espeak-ng": "apt install espeak-ng",
    "apertium": "apt install apertium apertium-eng-spa",
    "tesseract": "apt install tesseract-ocr",
    "pg_ctlcluster": "apt install postgresql",
    "redis-server": "apt install redis-server",
    "chromium": "apt install chromium",
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.program(NAME)`: where it is missing the test is skipped with the install line; in CI it fails."""
    for marker in item.iter_markers("program"):
        name = marker.args[0]
        if shutil.which(name) is None:
            reason = f"{name} is not installed: {PROGRAMS[name]}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)  # pip can't bring the program to a newcomer's machine; in CI the line above fails


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failed run: an engine that nobody tried is not known to work."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("CI") and skipped:
        reporter.write_line(f"{len(skipped)} test(s) were skipped: CI must run them all", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def examples() -> Path:
    """The folder of examples."""
    return Path(__file__).parents[1] / "examples"
