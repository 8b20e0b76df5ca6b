"""Keys out of tracebacks: the local variables of a failed request are forgotten before its error reaches the caller.

Error reporters show the local variables of every frame (`traceback.TracebackException(capture_locals=True)`, rich,
Sentry). Those of a driver and of the libraries below it hold keys, signed headers and the user's data. Lines and names
of the frames stay.
"""

from __future__ import annotations

import traceback


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
