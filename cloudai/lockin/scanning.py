"""One scan from end to end: files, finds, and what follows from them for leaving."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

from cloudai.errors import InvalidInput
from cloudai.lockin import facts
from cloudai.lockin.catalog import makes_clients
from cloudai.lockin.python_source import find_in, import_lines
from cloudai.lockin.reading import Reader
from cloudai.lockin.scanned import (
    NEUTRAL,
    Call,
    CoupledLine,
    Find,
    Fit,
    Level,
    Place,
    PortableShare,
    Scan,
    UsedFeature,
    UsedOperation,
)  # fmt: skip
from cloudai.lockin.walking import Walk

TARGETS = ("aws", "gcp", "azure", "local")
_Key = tuple[str, str, str, str]


def scan(
    path: Path, *, as_of: date | None, horizon_months: int, targets: tuple[str, ...],
    progress: Callable[[int, int], None] | None,
) -> Scan:  # fmt: skip
    """See `cloudai.lockin.scan`."""
    if horizon_months < 0:
        raise InvalidInput(f"a horizon of {horizon_months} months is negative")
    for target in targets:
        if target not in TARGETS:
            raise InvalidInput(f"unknown target {target!r}: use {', '.join(TARGETS)}")
    day = as_of if as_of is not None else datetime.now(UTC).date()
    walk, reader = Walk(path), Reader()
    with _collection_paused():
        reader.read(walk.candidates(), progress)
        modules = {name for source in reader.sources for name, _ in source.imports}
        finds = _kept((*reader.finds, *find_in(reader.sources)), modules)
    until = facts.months_after(day, horizon_months)
    used = _operations(finds, targets, until)
    coupling = _coupling(finds, reader)
    return Scan(
        root=str(path), as_of=day, horizon_months=horizon_months, targets=targets, files=reader.files, finds=finds,
        operations=_with_lines(used, coupling), coupling=coupling, shares=_shares(used, targets),
        retirements=facts.retirements(finds, modules=modules, as_of=day, until=until), models=facts.models(finds),
        skipped=tuple(sorted({*walk.skipped, *reader.skipped}, key=lambda s: (s.file, s.line or 0))),
    )  # fmt: skip


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Syntax trees are many objects without cycles: going through them again and again takes longer than parsing."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def _kept(finds: Iterable[Find], modules: set[str]) -> tuple[Find, ...]:
    """An SDK for everything counts where an AI service is used through it."""
    found = sorted(finds, key=lambda f: (f.file, f.line, f.kind, f.provider, f.service, f.name, f.operation))
    used = {find.provider for find in found if find.service}
    return tuple(
        f for f in found
        if f.service or (f.kind != "dependency" and (f.kind != "exception" or f.provider in used))
        or (f.kind == "dependency" and f.provider in used and makes_clients(f.name, modules))
    )  # fmt: skip


# --- operations -----------------------------------------------------------------------------------------------


def _key(find: Find) -> _Key:
    return find.provider, find.service, find.operation, find.topic


def _operations(finds: Sequence[Find], targets: tuple[str, ...], until: date) -> tuple[UsedOperation, ...]:
    groups: dict[_Key, list[Find]] = {}
    for find in finds:
        if find.kind == "operation":
            groups.setdefault(_key(find), []).append(find)
    return tuple(_used(key, calls, finds, targets, until) for key, calls in sorted(groups.items()))


def _used(
    key: _Key, calls: Sequence[Find], finds: Sequence[Find], targets: tuple[str, ...], until: date
) -> UsedOperation:
    provider, service, operation, topic = key
    sites = {find.site for find in calls}
    own = [f for f in finds if f.kind != "operation" and (f.site in sites if f.site else _key(f) == key)]
    own = [f for f in own if f.operation in ("", operation)]
    elsewhere = tuple(target for target in targets if target != provider)
    features = sorted({f.feature for f in (*calls, *own) if f.feature})
    options = sorted({f.name for f in own if f.kind == "option"})
    return UsedOperation(
        provider=provider, service=service, operation=operation, topic=topic,
        methods=tuple(sorted({find.name for find in calls})),
        calls=tuple(_call(find, own, provider, elsewhere, until) for find in calls),
        coupled_lines=0,
        parameters=tuple(sorted({f.name for f in own if f.kind == "parameter"})),
        options=tuple(options),
        result_fields=tuple(sorted({f.name for f in own if f.kind == "result_field"})),
        features=tuple(_feature(name, (*calls, *own), provider, operation, elsewhere, until) for name in features),
        fits=_fits(provider, operation, topic, features, options, elsewhere, until),
    )  # fmt: skip


def _call(find: Find, own: Sequence[Find], provider: str, targets: tuple[str, ...], until: date) -> Call:
    mine = [f for f in own if f.site and f.site == find.site]
    features = sorted({f.feature for f in (find, *mine) if f.feature})
    options = sorted({f.name for f in mine if f.kind == "option"})
    fits = _fits(provider, find.operation, find.topic, features, options, targets, until)
    return Call(
        place=Place(file=find.file, line=find.line), name=find.name, options=tuple(options), features=tuple(features),
        levels={target: fit.level for target, fit in fits.items()},
    )  # fmt: skip


def _fits(
    provider: str, operation: str, topic: str, features: Sequence[str], options: Sequence[str],
    targets: tuple[str, ...], until: date,
) -> Mapping[str, Fit]:  # fmt: skip
    return {
        target: facts.fit(
            provider, target, operation, topic=topic, features=features, options=options, until=until
        )
        for target in targets
    }  # fmt: skip


def _feature(
    name: str, finds: Sequence[Find], provider: str, operation: str, targets: tuple[str, ...], until: date
) -> UsedFeature:
    places = sorted({Place(file=find.file, line=find.line) for find in finds if find.feature == name})
    fits = {target: facts.feature_fit(provider, target, operation, name, until=until) for target in targets}
    return UsedFeature(name=name, places=tuple(places), fits=fits)


# --- lines ----------------------------------------------------------------------------------------------------


def _coupling(finds: Sequence[Find], reader: Reader) -> tuple[CoupledLine, ...]:
    """Each line once per operation; a line that names an operation is not also counted as shared."""
    lines = {
        CoupledLine(
            file=f.file, line=f.line, provider=f.provider, service=f.service, operation=f.operation, topic=f.topic
        )
        for f in finds if f.provider != NEUTRAL
    }  # fmt: skip
    by_file: dict[str, set[str]] = {}
    for find in finds:
        by_file.setdefault(find.file, set()).add(find.provider)
    for source in reader.sources:
        lines |= set(import_lines(source, frozenset(by_file.get(source.file, set()) - {NEUTRAL})))
    owned = {(line.file, line.line, line.provider) for line in lines if line.operation}
    kept = [line for line in lines if line.operation or (line.file, line.line, line.provider) not in owned]
    shared: dict[tuple[str, int, str], CoupledLine] = {}
    for line in sorted(kept):
        if not line.operation:
            key = (line.file, line.line, line.provider)
            shared[key] = max(shared.get(key, line), line, key=lambda each: each.service)
    return tuple(sorted([*(line for line in kept if line.operation), *shared.values()]))


def _with_lines(used: Sequence[UsedOperation], coupling: Sequence[CoupledLine]) -> tuple[UsedOperation, ...]:
    counted: dict[_Key, set[tuple[str, int]]] = {}
    for line in coupling:
        key = (line.provider, line.service, line.operation, line.topic)
        counted.setdefault(key, set()).add((line.file, line.line))
    return tuple(
        replace(each, coupled_lines=len(counted.get((each.provider, each.service, each.operation, each.topic), ())))
        for each in used
    )


# --- shares ---------------------------------------------------------------------------------------------------


def _shares(used: Sequence[UsedOperation], targets: tuple[str, ...]) -> Mapping[str, PortableShare]:
    return {target: _share(used, target) for target in targets}


def _share(used: Sequence[UsedOperation], target: str) -> PortableShare:
    """F_q, weighted by calls: what is at the target already does not leave, and is not counted."""
    levels: list[Level] = [call.levels[target] for each in used for call in each.calls if target in call.levels]
    if not levels:
        return PortableShare(target=target, calls=0, levels=None)
    one, two, three, four = (Fraction(levels.count(level), len(levels)) for level in (1, 2, 3, 4))
    return PortableShare(target=target, calls=len(levels), levels=(one, two, three, four))
