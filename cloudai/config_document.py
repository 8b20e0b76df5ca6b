"""One config file, parsed: what stands in it, and on which line. Typed by `cloudai.config` and `cloudai.routes`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudai.errors import ConfigError

if TYPE_CHECKING:
    from cloudai_pricing.tomlfile import TomlFile

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a value came from: `cloudai.toml:12`, `environment CLOUDAI_ROUTES` or `default`."""

    place: str
    line: int | None = None

    def __str__(self) -> str:
        return self.place if self.line is None else f"{self.place}:{self.line}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A parsed file that knows on which line a key stands."""

    path: Path
    root: Mapping[str, Any]
    prefix: tuple[str, ...]
    file: TomlFile

    @classmethod
    def read(cls, path: Path) -> Document:
        from cloudai_pricing.tomlfile import TomlError, TomlFile

        if not path.exists():
            raise ConfigError(f"config file {path} does not exist: run `cloudai config init` to make one")
        try:
            file = TomlFile.load(path)
        except TomlError as error:
            raise ConfigError(str(error)) from error
        prefix = ("tool", "cloudai") if path.name == "pyproject.toml" else ()
        root: Any = file.data
        for key in prefix:
            root = root.get(key, {})
        return cls(path=path, root=root, prefix=prefix, file=file)

    def line(self, *keys: str | int) -> int | None:
        return self.file.line_of((*self.prefix, *keys))

    def origin(self, *keys: str | int) -> Origin:
        return Origin(place=str(self.path), line=self.line(*keys))

    def at(self, *keys: str | int) -> str:
        return str(self.origin(*keys))

    def table(self, *keys: str) -> Mapping[str, Any]:
        value: Any = self.root
        for depth, key in enumerate(keys):
            value = value.get(key, {})
            if not isinstance(value, dict):
                raise ConfigError(f"{self.at(*keys[: depth + 1])}: [{'.'.join(keys)}] must be a table")
        table: Mapping[str, Any] = value
        return table

    def expect_keys(self, keys: tuple[str, ...], known: Sequence[str]) -> None:
        for key in self.table(*keys):
            if key not in known:
                where = f" in [{'.'.join(keys)}]" if keys else ""
                raise ConfigError(f"{self.at(*keys, key)}: unknown key {key!r}{where}{nearest(key, known)}")


def parse_count(value: object, where: str, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{where}: {key} is a whole number of 1 or more, not {value!r}")
    return value


def parse_duration(value: object, *, where: str) -> float:
    """Seconds of `"20s"`, `"500ms"`, `"2m"`, `"1h"`."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or (seconds := float(match[1]) * _SECONDS[match[2]]) <= 0:
        raise ConfigError(f'{where}: {value!r} is not a duration such as "20s", "500ms", "2m" or "1h"')
    return seconds


def nearest(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'x'?`, or the list of what is known when nothing is near."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f": did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""
