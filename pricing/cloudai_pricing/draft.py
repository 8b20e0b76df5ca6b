"""A workload before it is checked: plain data from a file or the quick form, and `--set` on top of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TypeVar, cast

from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.tomlfile import KeyPath, TomlError, TomlFile

T = TypeVar("T")
_TRY = 'Try vision.detect_labels="3M images"'
TOP_KEYS = ("name", "region", "months", "local", "exit", "plan", "line")
LINE_KEYS = (
    "name", "operation", "volume", "growth", "range", "low", "high", "request", "features", "variant", "sku",
    "channels", "targets", "chinese", "markup", "region", "needs",
    "instance", "accelerator", "count", "hours", "runs", "spot", "replicas",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A workload as plain data with the places of its keys, before it is checked; `with_set` changes one key."""

    name: str
    data: Mapping[str, object]
    file: TomlFile | None = None
    changed: Mapping[KeyPath, str] = field(default_factory=dict)
    """Key -> the `--set` that changed it."""

    def place(self, path: KeyPath) -> tuple[str, int | None]:
        """The file and line of a key, or the flag it came from. A line may be given by its name."""
        if len(path) > 1 and path[0] == "line" and isinstance(path[1], str):
            path = ("line", self._line_number(path[1], path[1]), *path[2:])
        for length in range(len(path), 0, -1):
            if path[:length] in self.changed:
                return self.changed[path[:length]], None
        return self.name, self.file.line_of(path) if self.file else None

    def with_set(self, text: str, *, flag: str = "--set") -> Draft:
        """`LINE.key=value` or `key=value`; LINE is a line's name or operation, or `line` where there is only one."""
        flag = f"{flag} {text!r}"
        target, equals, value = text.partition("=")
        name, _, key = target.strip().rpartition(".")
        if not equals or not key:
            raise PlanError(f"{flag} is not LINE.key=value", fix="Write it like --set 'photos.volume=3M images/month'")
        data = deepcopy(dict(self.data))
        path: KeyPath = (key,)
        table = data
        known: tuple[str, ...] = LINE_KEYS if name else TOP_KEYS
        if name == "local" and isinstance(data.get("local"), dict):
            from cloudai_pricing.local import KEYS

            path, table, known = ("local", key), cast("dict[str, object]", data["local"]), KEYS
        elif name == "exit" and not self._has_line("exit"):
            from cloudai_pricing.exit_settings import known_keys

            path, table, known = ("exit", key), cast("dict[str, object]", data.setdefault("exit", {})), known_keys()
        elif name:
            number = self._line_number(name, flag)
            path = ("line", number, key)
            table = cast("list[dict[str, object]]", data["line"])[number]
        if key not in known or key == "line":
            raise PlanError(f"{flag}: unknown key {key!r}", fix=nearest(key, known))
        table[key] = _plain(value.strip(), key)
        return Draft(name=self.name, data=data, file=self.file, changed={**self.changed, path: flag})

    def _has_line(self, name: str) -> bool:
        lines = self.data.get("line")
        return isinstance(lines, list) and any(isinstance(one, Mapping) and one.get("name") == name for one in lines)

    def _line_number(self, name: str, flag: str) -> int:
        lines = self.data.get("line")
        tables = [table for table in lines if isinstance(table, Mapping)] if isinstance(lines, list) else []
        for key in ("name", "operation"):
            found = [number for number, table in enumerate(tables) if table.get(key) == name]
            if len(found) == 1:
                return found[0]
        if name == "line" and len(tables) == 1:
            return 0
        names = [str(table.get("name", table.get("operation"))) for table in tables]
        raise PlanError(f"{flag}: there is no one line {name!r}", fix=nearest(name, names))


class Table:
    """One table of a draft: reads keys by a parser and puts the place on what the parser says."""

    def __init__(self, draft: Draft, path: KeyPath, data: object, known: Sequence[str]) -> None:
        self._draft = draft
        self._path = path
        if not isinstance(data, Mapping):
            raise self.error(PlanError("a line is a table", fix="Write [[line]] above it"))
        self.data = cast("Mapping[str, object]", data)
        for key in self.data:
            if key not in known:
                raise self.error(PlanError(f"unknown key {key!r}", fix=nearest(key, known)), key)

    def error(self, error: PlanError, key: str | None = None) -> PlanError:
        """With the place of a key of this table."""
        return error.at(*self._draft.place(self._path if key is None else (*self._path, key)))

    def read(self, key: str, parser: Callable[[object], T], default: T) -> T:
        """The parsed value of a key."""
        if key not in self.data:
            return default
        try:
            return parser(self.data[key])
        except PlanError as error:
            wrong = PlanError(f"{key}: {error.message}", fix=error.fix) if key not in error.message else error
            raise self.error(wrong, key) from error


def _plain(value: str, key: str) -> object:
    """A value as the file would have it: whole numbers, true and false, lists for `features`, text otherwise."""
    if key in ("features", "needs"):
        return [item.strip() for item in value.split(",") if item.strip()]
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.isdigit() and len(value) < 10 else value


def read_file(path: str | Path) -> Draft:
    """A workload file as a draft. Raises `PlanError`."""
    try:
        file = TomlFile.load(path, parse_float=Decimal)
    except TomlError as error:
        raise PlanError(error.reason, file=error.name, line=error.line) from error
    return Draft(name=file.name, data=file.data, file=file)


def quick(items: Sequence[str]) -> Draft:
    """`vision.detect_labels=3M images` ... as a draft. Raises `PlanError`."""
    lines: list[dict[str, object]] = []
    seen: dict[str, int] = {}
    for item in items:
        operation, equals, volume = item.partition("=")
        if not equals:
            raise PlanError(
                f"{item!r} is neither a file nor OPERATION=QUANTITY", fix='Try vision.detect_labels="3M images"'
            )
        operation = operation.strip()
        seen[operation] = seen.get(operation, 0) + 1
        name = operation if seen[operation] == 1 else f"{operation} {seen[operation]}"
        schedule = operation == "custom.deploy" and volume.strip() in ("24/7", "office")
        lines.append({"name": name, "operation": operation, "hours" if schedule else "volume": volume.strip()})
    return Draft(name="command line", data={"name": "quick estimate", "line": lines})
