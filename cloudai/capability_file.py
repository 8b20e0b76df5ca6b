"""The reader of `capabilities.toml`: strict, with file, line and key in every error.

Kept apart from `cloudai.capabilities` because only those who load a file need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TypeVar, cast

from cloudai.capabilities import (
    EVENTS,
    EVIDENCE,
    EXPORTABLE,
    FEATURES,
    LIMITS,
    MODES,
    SCHEMA,
    SEMANTICS,
    SOURCES,
    SUPPORT,
    Capabilities,
    CapabilityError,
    Credentials,
    Exportable,
    Feature,
    Lifecycle,
    Limits,
    ModelExport,
    Operation,
    Semantics,
    Support,
)
from cloudai_pricing.errors import nearest
from cloudai_pricing.operations import operations
from cloudai_pricing.tomlfile import KeyPath, TomlError, TomlFile

T = TypeVar("T")
_ISO = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_KINDS: Mapping[type, str] = {str: "text", int: "a whole number", list: "a list", dict: "a table"}


class _Table:
    """One table of the file: takes keys one by one, then `done()` refuses those that nobody took."""

    def __init__(self, file: TomlFile, path: KeyPath, data: Mapping[str, object]) -> None:
        self.file, self.path, self.data = file, path, data
        self.taken: set[str] = set()

    def fail(self, key: str, message: str) -> CapabilityError:
        path = (*self.path, key) if key else self.path
        words = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        return CapabilityError(self.file.name, "".join(words).lstrip("."), message, line=self.file.line_of(path))

    def take(self, key: str, kind: type[T]) -> T | None:
        self.taken.add(key)
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.fail(key, f"must be {_KINDS[kind]}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self.take(key, str)
        if value is None and default is None:
            raise self.fail(key, "is missing")
        return value.strip() if value is not None else default or ""

    def word(self, key: str, known: Iterable[str], default: str | None = None) -> str:
        return self._known(key, self.text(key, default), known)

    def words(self, key: str, known: Iterable[str] | None = None) -> tuple[str, ...]:
        found = []
        for item in self.take(key, list) or ():
            if not isinstance(item, str) or not item:
                raise self.fail(key, "must be a list of texts")
            found.append(item if known is None else self._known(key, item, known))
        return tuple(found)

    def _known(self, key: str, value: str, known: Iterable[str]) -> str:
        if value not in known:
            raise self.fail(key, f"unknown {value!r}. {nearest(value, known)}")
        return value

    def day(self, key: str, default: str | None = None) -> str:
        """An ISO date to the day, month or year."""
        value = self.text(key, default)
        if value and not _ISO.fullmatch(value):
            raise self.fail(key, f"{value!r} is not YYYY-MM-DD, YYYY-MM or YYYY")
        return value

    def table(self, key: str) -> _Table:
        return _Table(self.file, (*self.path, key), self.take(key, dict) or {})

    def tables(self, key: str) -> list[_Table]:
        rows = self.take(key, list) or []
        if not all(isinstance(row, dict) for row in rows):
            raise self.fail(key, f"must be tables: [[{key}]]")
        return [_Table(self.file, (*self.path, key, number), row) for number, row in enumerate(rows)]

    def source(self, inherited: tuple[str, str] = ("", "")) -> tuple[str, str]:
        """`source` and `as_of`, its own or those of the table that holds it."""
        source, as_of = self.text("source", inherited[0]), self.day("as_of", inherited[1])
        if not source or not as_of:
            missing = "as_of" if source else "source"
            raise self.fail(missing, "is missing: every fact has a public URL and the date it was read")
        if not source.startswith("https://"):
            raise self.fail("source", "must be a public https:// address")
        return source, as_of

    def done(self) -> None:
        for key in self.data:
            if key not in self.taken:
                raise self.fail(key, f"unknown key. {nearest(key, self.taken)}")


def read(path: Path) -> Capabilities:
    """One file. Raises `CapabilityError` for what is missing, unknown or contradicts itself."""
    try:
        file = TomlFile.load(path, name=f"{path.parent.name}/{path.name}")
    except TomlError as error:
        raise CapabilityError(error.name, "", error.reason, line=error.line) from error
    return _capabilities(_Table(file, (), file.data))


def _capabilities(root: _Table) -> Capabilities:
    if root.text("schema") != SCHEMA:
        raise root.fail("schema", f"must be {SCHEMA!r}")
    found: dict[str, Operation] = {}
    for row in root.tables("operation"):
        operation = _operation(row)
        if operation.name in found:
            raise row.fail("name", f"{operation.name} is declared twice")
        found[operation.name] = operation
    if not found:
        raise root.fail("operation", "is missing: declare at least one [[operation]]")
    capabilities = Capabilities(
        provider=root.text("provider"),
        title=root.text("title"),
        auth=root.text("auth", ""),
        credentials=_credentials(root.table("credentials")),
        extra=root.text("extra", "") or None,
        operations=found,
        model_exports=tuple(_model_export(row) for row in root.tables("model_export")),
        lifecycle=tuple(_lifecycle(row) for row in root.tables("lifecycle")),
    )
    root.done()
    return capabilities


def _operation(row: _Table) -> Operation:
    name = row.word("name", operations())
    support, reason = _support(row)
    source, as_of = row.source()
    operation = Operation(
        name=name,
        support=support,
        reason=reason,
        service=row.text("service", ""),
        api=row.text("api", ""),
        meter=row.text("meter", ""),
        mode=row.words("mode", MODES),
        sources=row.words("sources", SOURCES),
        content_types=row.words("content_types"),
        semantics=_semantics(row.table("semantics")),
        notes=row.text("notes", ""),
        source=source,
        as_of=as_of,
        evidence=row.word("evidence", EVIDENCE, "A"),
        retires=_retires(row),
        replacement=row.text("replacement", ""),
        limits=_limits(row.table("limits"), (source, as_of)),
        job_limits=_limits(row.table("job_limits"), (source, as_of)),
        features=_features(row.table("features"), name, (source, as_of)),
    )
    row.done()
    return _consistent(row, operation)


def _consistent(row: _Table, operation: Operation) -> Operation:
    if operation.support == "no":
        offered = [f.name for f in operation.features.values() if f.support != "no"]
        if offered or operation.mode or operation.limits.known:
            raise row.fail("support", 'is "no": an operation that is not offered has no modes, limits or features')
    elif not operation.mode:
        raise row.fail("mode", "is missing: sync, job or stream")
    if operation.support == "retiring" and operation.retires is None:
        raise row.fail("retires", "is missing: from which day on calls fail")
    return operation


def _support(row: _Table) -> tuple[Support, str]:
    support = row.word("support", SUPPORT)
    reason = row.text("reason", "")
    if support != "yes" and not reason:
        raise row.fail("reason", f"is missing: support is {support!r}, say in words why")
    return cast("Support", support), reason


def _retires(row: _Table) -> date | None:
    value = row.text("retires", "")
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise row.fail("retires", f"{value!r} is not a day, YYYY-MM-DD") from None


def _semantics(row: _Table) -> Semantics:
    found = Semantics(**{key: row.word(key, known, "none") for key, known in SEMANTICS.items()})
    row.done()
    return found


def _limits(row: _Table, inherited: tuple[str, str]) -> Limits:
    if not row.data:
        return Limits()
    source, as_of = row.source(inherited)
    values: dict[str, int] = {}
    for key in LIMITS:
        value = row.take(key, int)
        if value is not None and value < 1:
            raise row.fail(key, "must be 1 or more; leave out what is not known")
        if value is not None:
            values[key] = value
    quota_source, quota_as_of = _quota_source(row)
    row.done()
    return Limits(**values, source=source, as_of=as_of, quota_source=quota_source, quota_as_of=quota_as_of)


def _quota_source(row: _Table) -> tuple[str, str]:
    """Of the requests per minute, where another page tells them."""
    source, as_of = row.text("quota_source", ""), row.day("quota_as_of", "")
    if bool(source) is not bool(as_of):
        raise row.fail("quota_source", "goes with quota_as_of: every fact has a public URL and the date it was read")
    if source and not source.startswith("https://"):
        raise row.fail("quota_source", "must be a public https:// address")
    return source, as_of


def _features(table: _Table, operation: str, inherited: tuple[str, str]) -> Mapping[str, Feature]:
    known = FEATURES.get(operation, ())
    found = {}
    for name in table.data:
        if name not in known:
            raise table.fail(name, f"unknown feature of {operation}. {nearest(name, known)}")
        found[name] = _feature(table.table(name), name, inherited)
    return found


def _feature(row: _Table, name: str, inherited: tuple[str, str]) -> Feature:
    support, reason = _support(row)
    source, as_of = row.source(inherited)
    feature = Feature(
        name=name,
        support=support,
        reason=reason,
        api=row.text("api", ""),
        notes=row.text("notes", ""),
        source=source,
        as_of=as_of,
        evidence=row.word("evidence", EVIDENCE, "A"),
    )
    row.done()
    return feature


def _credentials(row: _Table) -> Credentials:
    found = Credentials(env=row.words("env"), files=row.words("files"))
    row.done()
    return found


def _model_export(row: _Table) -> ModelExport:
    source, as_of = row.source()
    export = ModelExport(
        service=row.text("service"),
        model_kind=row.text("model_kind"),
        exportable=cast("Exportable", row.word("exportable", EXPORTABLE)),
        formats=row.words("formats"),
        conditions=row.text("conditions", ""),
        keeps=row.text("keeps", ""),
        source=source,
        as_of=as_of,
        evidence=row.word("evidence", EVIDENCE, "A"),
        notes=row.text("notes", ""),
    )
    row.done()
    return export


def _lifecycle(row: _Table) -> Lifecycle:
    source, as_of = row.source()
    change = Lifecycle(
        service=row.text("service"),
        feature=row.text("feature"),
        event=row.word("event", EVENTS),
        announced=row.day("announced", ""),
        closed_to_new=row.day("closed_to_new", ""),
        ends=row.day("ends", ""),
        replacement=row.text("replacement", ""),
        operations=row.words("operations", operations()),
        source=source,
        as_of=as_of,
        evidence=row.word("evidence", EVIDENCE, "A"),
        notes=row.text("notes", ""),
    )
    row.done()
    return change
