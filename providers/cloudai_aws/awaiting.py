"""Waiting for what AWS does in its own time: looked at until it has ended, or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from cloudai.errors import RETRYABLE, CloudAIError
from cloudai_aws.faults import fault_of
from cloudai_aws.wire import pause, within

T = TypeVar("T")


def awaited(look: Callable[[], T | None], *, ends: float, poll_seconds: float) -> T | None:
    """What `look` finds, when that is not `None`; `None` when the time is over.

    `ends` is monotonic time. A look that fails for the moment is followed by the next one: for that the job must not
    be begun again and billed twice.
    """
    while (left := ends - time.monotonic()) > 0:
        found = _asked(look, left)
        if found is not None:
            return found
        pause(min(poll_seconds, max(0.0, ends - time.monotonic())))
    return None


def _asked(look: Callable[[], T | None], seconds: float) -> T | None:
    """`None`: not now."""
    try:
        with within(seconds):
            return look()
    except CloudAIError as error:
        if error.retryable:
            return None
        raise
    except Exception as error:
        fault = fault_of(error)
        if fault is None or fault.code not in RETRYABLE:
            raise
        return None
