"""The pytest plugin: the fixtures `fake_backend` and `fault_server`. Loaded by pytest through its entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cloudai.testing.fake import FakeBackend
    from cloudai.testing.faults import FaultServer


@pytest.fixture
def fake_backend() -> Iterator[FakeBackend]:
    """A fresh `FakeBackend`; at the end of the test no scripted answer may be left unasked."""
    from cloudai.testing.fake import FakeBackend

    fake = FakeBackend()
    yield fake
    assert not fake.unasked, f"scripted answers that nobody asked for: {', '.join(fake.unasked)}"


@pytest.fixture
def fault_server() -> Iterator[Callable[..., FaultServer]]:
    """`fault_server("aws", script=[...])`: as `faults.serve`, stopped at the end of the test."""
    from cloudai.testing import faults

    with ExitStack() as stack:

        def started(*arguments: object, **options: object) -> FaultServer:
            serve: Callable[..., FaultServer] = faults.serve
            return stack.enter_context(serve(*arguments, **options))

        yield started
