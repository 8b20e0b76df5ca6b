"""Live tests are left out unless `CLOUDAI_LIVE` names their provider; what they cost is said and held to a limit
before the first one starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import live_run
from cost_guard import Refused, allow


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselected, not skipped: nothing was missing."""
    try:
        wanted = live_run.asked().providers
    except Refused as error:
        raise pytest.UsageError(str(error)) from error
    left_out = [item for item in items if _provider(item) not in (None, *wanted)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _provider(item) in (None, *wanted)]


def pytest_collection_finish(session: pytest.Session) -> None:
    """The estimate, before the first call; a refused run ends here."""
    providers = tuple(dict.fromkeys(name for item in session.items if (name := _provider(item)) is not None))
    if not providers:
        return
    try:
        asked, plans = live_run.asked(), [live_run.plan_of(name) for name in providers]
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        for line in (line for each in plans for line in each.report()):
            if reporter is not None:
                reporter.write_line(line)
        allow(plans, asked.budget, allow_unpriced=asked.allow_unpriced)
    except Refused as error:
        raise pytest.UsageError(str(error)) from error


def _provider(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("live")
    return None if marker is None else str(marker.args[0])


@pytest.fixture(autouse=True)
def _accounts(request: pytest.FixtureRequest, _own_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live test sees the credentials that the suite's conftest hides from all others."""
    if request.node.get_closest_marker("live") is not None:
        for name, value in live_run.hidden().items():
            monkeypatch.setenv(name, value)
