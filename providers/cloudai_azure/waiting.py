"""Jobs that a call waits for: looked at again and again until they have ended."""

from __future__ import annotations

from collections.abc import Callable

from cloudai.errors import ErrorCode
from cloudai.http import retry_after
from cloudai_azure.errors import fault_of
from cloudai_azure.wire import Answer, Flow, Pause


def until(
    look: Callable[[], Flow[Answer]],
    *,
    ended: Callable[[Answer], bool],
    every: float,
    first: float | None = None,
) -> Flow[Answer]:
    """The look at which it has `ended`. Between two looks are the seconds that the service names, else `every`.

    A look that did not get through is not the job's end: the job goes on, and submitting it again would be paid again.
    """
    wait = first
    while True:
        yield Pause(seconds=every if wait is None else wait)
        try:
            answer = yield from look()
        except Exception as error:  # noqa: BLE001  # _again raises what is not worth another look
            wait = _again(error)
            continue
        if ended(answer):
            return answer
        wait = retry_after(answer.headers)


def _again(error: Exception) -> float | None:
    fault = fault_of(error)
    if fault is None or fault.code not in (ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE):
        raise error
    return fault.retry_after
