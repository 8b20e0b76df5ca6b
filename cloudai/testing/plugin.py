"""The pytest plugin: the fixture `fake_backend`. Loaded by pytest through its entry point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cloudai.testing.fake import FakeBackend


@pytest.fixture
def fake_backend() -> Iterator[FakeBackend]:
    """A fresh `FakeBackend`; at the end of the test no scripted answer may be left unasked."""
    from cloudai.testing.fake import FakeBackend

    fake = FakeBackend()
    yield fake
    assert not fake.unasked, f"scripted answers that nobody asked for: {', '.join(fake.unasked)}"
