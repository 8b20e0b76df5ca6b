"""What is declared of the things found: equals elsewhere, retirements, and whether custom models can leave.

The facts are those of the providers' `capabilities.toml` and of the planner's table of equivalence, each with source
and date; nothing is judged here beyond the rules in the docstrings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase

from cloudai.capabilities import Capabilities, Lifecycle, builtin_capabilities
from cloudai.lockin.catalog import Service, services
from cloudai.lockin.scanned import NEUTRAL, OTHER, Find, Fit, Level, Place, Retirement, UsedModel
from cloudai_pricing.equivalence import Match, table

_CUSTOM_LABELS = "Rekognition Custom Labels"
_ADAPTERS = "Rekognition face collections / moderation adapters"
_CUSTOM_SPEECH = "Custom speech"
_CUSTOM_VOICE = "Custom (professional) voice"
_QUIET = frozenset({"none_found", "unclear", "maintenance"})


def months_after(day: date, months: int) -> date:
    """The same day so many months later, or the month's last."""
    year, month = divmod(day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(day.year + year, month + 1, last)
        except ValueError:
            continue
    raise ValueError(f"{day} + {months} months")


def known_to_nobody(operation: str) -> bool:
    """Whether no provider declares anything of an operation or topic."""
    return not any((operation, "") in offers for offers in table().offers.values())


def fit(
    provider: str,
    target: str,
    operation: str,
    *,
    topic: str,
    features: Sequence[str],
    options: Sequence[str],
    until: date,
) -> Fit:
    """How an operation, with the features and options that are used, is had at a target.

    Through cloudai the adapter is there already: classes 1 and 2 are 1. Options that only one vendor has leave a
    work-around at best. What nobody declares is taken for a work-around, and says so.
    """
    name = topic if operation == OTHER else operation
    if operation == OTHER and known_to_nobody(name):
        why = (f"no facts about {name}: count on writing it anew",)
        return Fit(target=target, level=3, reasons=why)
    found = table().worst(provider, target, name, features, until=until)
    level, reasons = found.kind, found.why
    if provider == NEUTRAL and level <= 2:
        level, reasons = 1, ("through cloudai: the same call",)
    if options and level < 3:
        level, reasons = 3, (f"options that only one vendor has: {', '.join(options)}", *reasons)
    return _fit(target, found, level, reasons)


def feature_fit(provider: str, target: str, operation: str, feature: str, *, until: date) -> Fit:
    """How one feature is had at a target."""
    found = table().match(provider, target, operation, feature, until=until)
    return _fit(target, found, found.kind, found.why)


def _fit(target: str, found: Match, level: Level, reasons: tuple[str, ...]) -> Fit:
    return Fit(
        target=target, level=level, reasons=reasons, api=found.api, source=found.source, as_of=found.as_of,
        retires=found.retires,
    )  # fmt: skip


# --- retirements ----------------------------------------------------------------------------------------------


def retirements(finds: Sequence[Find], *, modules: Iterable[str], as_of: date, until: date) -> tuple[Retirement, ...]:
    """Announced changes of what is used: by operation, by method, or by service where the whole of it goes."""
    found: list[Retirement] = []
    imported = tuple(modules)
    for provider, declared in builtin_capabilities().items():
        own = [find for find in finds if find.provider == provider]
        for event in declared.lifecycle if own else ():
            places = _concerned(event, own, imported)
            if places and event.event not in _QUIET:
                found.append(_retirement(provider, event, places, as_of, until))
    return tuple(sorted(found, key=lambda r: (r.ends_on or date.max, r.provider, r.service, r.feature)))


def _concerned(event: Lifecycle, finds: Sequence[Find], modules: tuple[str, ...]) -> tuple[Place, ...]:
    places: set[Place] = set()
    for service in {services().get((find.provider, find.service)) for find in finds}:
        if service is None or event.service not in service.declared:
            continue
        own = [find for find in finds if find.service == service.id]
        places |= {Place(file=f.file, line=f.line) for f in own if _names(event, service, f)}
        for pattern, feature in service.retiring_modules.items():
            if fnmatchcase(event.feature, feature) and any(fnmatchcase(name, pattern) for name in modules):
                places |= {Place(file=f.file, line=f.line) for f in own}
    return tuple(sorted(places))


def _names(event: Lifecycle, service: Service, find: Find) -> bool:
    if find.kind in ("operation", "iac") and find.operation in event.operations:
        return True
    key = f"{find.operation}:{find.topic}" if find.topic else find.operation
    for pattern, feature in service.retiring.items():
        if fnmatchcase(event.feature, feature) and (
            (pattern == "*" and find.kind in ("client", "operation", "iac"))
            or (find.kind == "operation" and (fnmatchcase(find.name, pattern) or pattern == key))
        ):
            return True
    return False


def _retirement(provider: str, event: Lifecycle, places: tuple[Place, ...], as_of: date, until: date) -> Retirement:
    ends_on = last_day(event.ends)
    return Retirement(
        provider=provider, service=event.service, feature=event.feature, event=event.event, ends=event.ends,
        ends_on=ends_on, days=None if ends_on is None else (ends_on - as_of).days,
        in_range=ends_on is not None and ends_on <= until, closed_to_new=event.closed_to_new,
        replacement=event.replacement, operations=event.operations, places=places, source=event.source,
        as_of=event.as_of, notes=event.notes,
    )  # fmt: skip


def last_day(text: str) -> date | None:
    """The day to plan with: the first of a month or year of which no day is known; None: no date."""
    parts = text.split("-")
    try:
        year, month, day = (int(parts[i]) if i < len(parts) else 1 for i in range(3))
        return date(year, month, day)
    except ValueError:
        return None


# --- models ---------------------------------------------------------------------------------------------------


def models(finds: Sequence[Find]) -> tuple[UsedModel, ...]:
    """Custom models in use, by provider and kind, with what is declared of their export.

    Where a service declares several kinds and the code does not say which, the worst counts.
    """
    kinds: dict[tuple[str, str], list[Find]] = {}
    for find in finds:
        kind = find.model or _model_of_id(find)
        if kind:
            kinds.setdefault((find.provider, kind), []).append(find)
    voices = [find for find in kinds.get(("azure", _CUSTOM_SPEECH), ()) if _only_speaks(find.file, finds)]
    if voices:
        kinds["azure", _CUSTOM_VOICE] = voices
        heard = [find for find in kinds.pop(("azure", _CUSTOM_SPEECH)) if find not in voices]
        kinds |= {("azure", _CUSTOM_SPEECH): heard} if heard else {}
    adapters, labels = ("aws", _ADAPTERS), ("aws", _CUSTOM_LABELS)
    if adapters in kinds and all(find.kind == "resource_id" for find in kinds.get(labels, ())):
        kinds[adapters] += kinds.pop(labels, [])  # both have names of one form
    return tuple(_model(provider, kind, own) for (provider, kind), own in sorted(kinds.items()))


def _only_speaks(file: str, finds: Sequence[Find]) -> bool:
    """Custom speech and custom voice are both set by an endpoint's id: what the file calls tells which it is."""
    calls = {find.operation for find in finds if find.file == file and find.service == "speech"} - {""}
    return bool(calls) and calls <= {"speech.synthesize", "speech.voices"}


def _model_of_id(find: Find) -> str:
    if find.kind != "resource_id":
        return ""
    name = find.name
    if name.startswith("arn:aws:rekognition") and ":project/" in name:
        return _CUSTOM_LABELS
    if name.startswith("arn:aws:comprehend") and ("classifier" in name or "recognizer" in name):
        return "Comprehend custom"
    if "/glossaries/" in name:
        return "Translation glossary"
    return ""


def _model(provider: str, kind: str, finds: Sequence[Find]) -> UsedModel:
    declared: Mapping[str, Capabilities] = builtin_capabilities()
    rows = [row for row in declared[provider].model_exports if row.service == kind] if provider in declared else []
    order = {"no": 0, "data-only": 1, "yes": 2}
    row = min(rows, key=lambda each: order[each.exportable], default=None)
    ids = sorted({find.name for find in finds if find.kind == "resource_id"})
    places = tuple(sorted({Place(file=find.file, line=find.line) for find in finds}))
    if row is None:
        return UsedModel(provider=provider, service=kind, model_kind="", name="", exportable="unknown", places=places)
    return UsedModel(
        provider=provider, service=kind, model_kind=row.model_kind, name=ids[0] if ids else "",
        exportable=row.exportable, formats=row.formats, conditions=row.conditions, keeps=row.keeps, places=places,
        source=row.source, as_of=row.as_of,
    )  # fmt: skip
