"""A ledger for teams, in Redis: `ledger = "redis://host:6379/0"`. Needs the extra `redis`.

Each step is one Lua script (`redis.lua`), so one round trip, and atomic. A server without `appendonly yes` forgets what
it was told last when it dies: see docs/budget.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from cloudai.errors import MissingDependency
from cloudai.ledger.entries import Attempt, CallRecord, State
from cloudai.ledger.settings import without_credentials
from cloudai.ledger.sql import DAY, usage_of, usage_text
from cloudai.ledger.store import Booked, Ended, Group, LedgerFailure, Row, Standing, UsedGroup, Window

T = TypeVar("T")
SECONDS = 5.0
"""To connect, and for an answer."""
_PAGE = 1000


class RedisStore:
    """The operations of `Store`. The client pools connections, one for each thread that is asking."""

    def __init__(self, url: str, *, prefix: str = "{cloudai}") -> None:
        try:
            import redis
        except ImportError as error:
            raise MissingDependency(
                "a ledger in Redis needs its client", install="pip install 'cloudai[redis]'"
            ) from error
        self._url = url
        self._prefix = prefix
        self._error = redis.RedisError
        self._client: Any = redis.Redis.from_url(
            url, decode_responses=True, socket_timeout=SECONDS, socket_connect_timeout=SECONDS, retry=None
        )
        self._script: Any = self._client.register_script(
            Path(__file__).with_name("redis.lua").read_text(encoding="utf-8")
        )

    quick = False
    joins = False

    def together(self) -> AbstractContextManager[object]:
        """Each script is a transaction of its own."""
        return nullcontext()

    def now(self) -> AbstractContextManager[object] | None:
        """Never: there is a network to wait for."""
        return None

    def _do(self, step: str, *values: object) -> Any:
        return self._asked(lambda: self._script(keys=[self._prefix], args=[step, *values]))

    def _asked(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except (self._error, OSError) as error:
            raise LedgerFailure(f"{without_credentials(self._url)}: {error}") from None

    def reserve(self, attempt: Attempt, *, at: int, expires: int, windows: Sequence[Window], enforce: bool) -> Booked:
        ask = {
            "at": str(at), "expires": str(expires), "enforce": enforce, "windows": [_window(each) for each in windows],
            "operation": attempt.operation, "backend": attempt.backend, "provider": attempt.provider,
            "region": attempt.region or "", "tag": attempt.tag or "", "call_id": attempt.call_id,
            "attempt": str(attempt.attempt), "bound": _text(attempt.bound),
        }  # fmt: skip
        number, found = self._do("reserve", json.dumps(ask))
        before = _standings(windows, found)
        over = [standing for standing in before if not standing.has_room(attempt.bound)]
        return Booked(int(number) if number else None, before, over)

    def settle(self, ended: Ended, call: CallRecord | None = None) -> None:
        told = _call_text(call), call.at if call else 0
        self._do("settle", ended.id, int(ended.state), _text(ended.cost), *told)

    def record(self, call: CallRecord) -> None:
        self._do("record", _call_text(call), call.at)

    def expire(self, now: int) -> int:
        total = count = int(self._do("expire", now))
        while count:
            count = int(self._do("expire", now))
            total += count
        return total

    def tidy(self) -> None:
        """It is where it stays."""

    def adjust(self, number: int, cost: int) -> bool:
        return bool(self._do("adjust", number, cost))

    def first_time(self, window: Window, percent: int) -> bool:
        return bool(self._do("warned", json.dumps(_window(window)), percent))

    def standing(self, windows: Sequence[Window]) -> Sequence[Standing]:
        if not windows:
            return ()
        return _standings(windows, self._do("standing", json.dumps([_window(each) for each in windows])))

    def groups(self, since: int, until: int) -> Sequence[Group]:
        sums: dict[tuple[Any, ...], list[int]] = {}
        for row in self._attempts(since, until):
            key = (row.at // DAY, row.operation, row.backend, row.provider, row.region, row.tag, row.state)
            amount = row.bound if row.state is State.RESERVED else row.cost
            mine = sums.setdefault(key, [0, 0, 0])
            mine[0] += 1
            mine[1] += row.state is not State.RELEASED and amount is None
            mine[2] += amount or 0
        return [Group._make((*key, *sums[key])) for key in sorted(sums)]

    def used(self, since: int, until: int) -> Sequence[UsedGroup]:
        sums: dict[tuple[Any, ...], tuple[Decimal, int]] = {}
        for call in self.calls(since, until):
            for used in call.usage:
                key = (call.at // DAY, call.operation, call.backend, call.provider, call.region or "", call.tag or "",
                       used.meter, used.unit)  # fmt: skip
                units, count = sums.get(key, (Decimal(0), 0))
                sums[key] = (units + used.quantity, count + 1)
        return [UsedGroup._make((*key, *value)) for key, value in sums.items()]

    def rows(self, state: State, since: int, until: int) -> Sequence[Row]:
        return [row for row in self._attempts(since, until) if row.state is state]

    def _attempts(self, since: int, until: int) -> Iterator[Row]:
        for page in self._pages("at", since, until):
            with self._client.pipeline(transaction=False) as pipeline:
                for number in page:
                    pipeline.hgetall(f"{self._prefix}:a:{number}")
                found = self._asked(pipeline.execute)
            yield from (_row(int(number), entry) for number, entry in zip(page, found, strict=True) if entry)

    def calls(self, since: int, until: int) -> Iterator[CallRecord]:
        for page in self._pages("calls", since, until):
            yield from (_call(text.partition(" ")[2]) for text in page)

    def _pages(self, name: str, since: int, until: int) -> Iterator[list[str]]:
        """Members of a sorted set with since <= score < until, a thousand at a time."""
        start = 0
        while True:
            page: list[str] = self._asked(
                lambda start=start: self._client.zrangebyscore(  # type: ignore[misc]
                    f"{self._prefix}:{name}", since, f"({until}", start=start, num=_PAGE
                )
            )
            if not page:
                return
            start += len(page)
            yield page

    def prune(self, before: int) -> None:
        while self._do("prune", before):
            pass

    def close(self) -> None:
        self._client.close()


def _text(amount: int | None) -> str:
    return "" if amount is None else str(amount)


def _whole(text: str) -> int | None:
    return int(text) if text else None


def _window(window: Window) -> dict[str, str]:
    limit = window.limit
    return {
        "scope": limit.scope, "starts": str(window.starts), "ends": str(window.ends), "tag": limit.tag,
        "backend": limit.backend, "operation": limit.operation, "amount": str(limit.amount),
    }  # fmt: skip


def _standings(windows: Sequence[Window], found: Sequence[Sequence[str]]) -> list[Standing]:
    pairs = zip(windows, found, strict=True)
    return [Standing(window, int(spent), int(reserved)) for window, (spent, reserved) in pairs]


def _row(number: int, entry: dict[str, str]) -> Row:
    return Row(
        number, int(entry["at"]), entry["call_id"], int(entry["attempt"]), entry["operation"], entry["backend"],
        entry["provider"], entry["region"], entry["tag"], State(int(entry["state"])), _whole(entry["bound"]),
        _whole(entry["cost"]),
    )  # fmt: skip


def _call_text(call: CallRecord | None) -> str:
    if call is None:
        return ""
    return json.dumps(asdict(call) | {"usage": usage_text(call.usage)}, separators=(",", ":"))


def _call(text: str) -> CallRecord:
    fields = json.loads(text)
    return CallRecord(**fields | {"usage": usage_of(fields["usage"])})
