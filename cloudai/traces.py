"""Keys out of tracebacks and of other libraries' logs: what a failed request leaves in frames is forgotten before its
error reaches the caller, and what is written at DEBUG is masked.

Error reporters show the local variables of every frame (`traceback.TracebackException(capture_locals=True)`, rich,
Sentry). Those of a driver and of the libraries below it hold keys, signed headers and the user's data. Lines and names
of the frames stay.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass


def forget_locals(error: BaseException | None) -> None:
    """Clears the finished frames of an exception and of those it came from; frames that still run are left alone."""
    seen = set[int]()
    left = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        traceback.clear_frames(each.__traceback__)
        left += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions


@dataclass(frozen=True, slots=True)
class Masked:
    """A filter that keeps every record. Group 1 of the pattern stays, what follows it within the match does not."""

    pattern: re.Pattern[str]

    def __call__(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if self.pattern.search(text):
            record.msg, record.args = self.pattern.sub(r"\1***", text), ()
        return True


def mask(loggers: Iterable[str], pattern: re.Pattern[str]) -> None:
    """Takes what the pattern finds out of the records of these loggers. Masking twice is masking once."""
    for name in loggers:
        logging.getLogger(name).addFilter(Masked(pattern))
