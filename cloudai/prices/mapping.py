"""Which meter of a feed is which SKU of the price book: `mapping.toml`, and files of the user's own in its form.

A meter is named exactly; nothing is guessed from its words. One meter may be several SKUs of the book (one counter,
several operations); a product may have had several names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple, cast

from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.tomlfile import TomlError, TomlFile

SHIPPED = Path(__file__).with_name("mapping.toml")
PROVIDERS = ("aws", "azure", "gcp")
_GROUP_KEYS = ("provider", "product", "service", "seen", "big", "attributes", "meters")
_METER_KEYS = ("meter", "unit", "size", "skus")
INSTANCE = "{instance}"
"""In a meter and a SKU: any name of a machine, the same in both."""


class Target(NamedTuple):
    """The SKU that a meter is (`""`: known, and not used). `size`: how many units of the book one of the feed is."""

    service: str
    sku: str
    unit: str | None
    size: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Meters of one product, under all the names that it has had, that belong to one service of the book."""

    provider: str
    products: tuple[str, ...]
    service: str
    meters: Mapping[str, tuple[Target, ...]]
    """Meter name in small letters -> what it is."""
    big: bool = False
    """Its documents have many MiB each: read only where the book has prices, unless a region is asked for."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """AWS: only products that have these, which only the query API is asked for."""

    def targets(self, meter: str) -> tuple[Target, ...]:
        """What a meter is; nothing: not mapped."""
        name = meter.casefold()
        if name in self.meters:
            return self.meters[name]
        for pattern, targets in self.meters.items():
            head, found, tail = pattern.partition(INSTANCE)
            if found and name.startswith(head) and name.endswith(tail):
                machine = meter[len(head) : len(meter) - len(tail)]
                return tuple(target._replace(sku=target.sku.replace(INSTANCE, machine)) for target in targets)
        return ()


class Meters(NamedTuple):
    """All groups."""

    groups: tuple[Group, ...]

    def targets(self, provider: str, product: str, meter: str) -> tuple[Target, ...]:
        """The SKUs that a meter is, of all groups."""
        return tuple(
            target
            for group in self.groups
            if group.provider == provider and product in group.products
            for target in group.targets(meter)
        )

    def of(self, provider: str, services: Sequence[str] = ()) -> tuple[Group, ...]:
        """The groups of a provider; of the services that have one of the words in their name, if any are given."""
        words = [word.casefold() for word in services]
        return tuple(
            group
            for group in self.groups
            if group.provider == provider
            and (not words or any(word in f"{group.service} {group.products}".casefold() for word in words))
        )


def load(paths: Iterable[str | Path] = ()) -> Meters:
    """The shipped mapping and further files. Raises `PlanError` with file and line."""
    groups: list[Group] = []
    for path in (SHIPPED, *paths):
        try:
            file = TomlFile.load(path, name="mapping.toml" if path is SHIPPED else str(path), parse_float=str)
        except TomlError as error:
            raise PlanError(error.reason, file=error.name, line=error.line) from error
        _only(file.data, ("map",), "a mapping", file, ())
        tables = file.data.get("map", [])
        if not isinstance(tables, list):
            raise PlanError("map is not a list of tables", fix="Write [[map]]", file=file.name)
        groups += [_group(file, number, table) for number, table in enumerate(tables)]
    return Meters(groups=tuple(groups))


def _group(file: TomlFile, number: int, table: object) -> Group:
    place = ("map", number)
    row = _only(table, _GROUP_KEYS, "[[map]]", file, place)
    provider = _text(row, "provider", file, place)
    if provider not in PROVIDERS:
        raise _wrong(file, (*place, "provider"), f"unknown provider {provider!r}", nearest(provider, PROVIDERS))
    service = _text(row, "service", file, place)
    meters: dict[str, tuple[Target, ...]] = {}
    for entry in _list(row, "meters", file, place) if row.get("meters") != [] else ():
        meter = _only(entry, _METER_KEYS, "a meter", file, (*place, "meters"))
        name = _text(meter, "meter", file, place).casefold()
        unit = _text(meter, "unit", file, place) if "unit" in meter else None
        size = _size(meter, file, place)
        if meter.get("skus") == []:
            ignored = Target(service=service, sku="", unit=unit, size=size)
            meters[name] = (*meters.get(name, ()), ignored)
            continue
        skus = _texts(meter, "skus", file, place)
        meters[name] = meters.get(name, ()) + tuple(
            Target(service=service, sku=sku, unit=unit, size=size) for sku in skus
        )
    products = tuple(_texts(row, "product", file, place))
    big = row.get("big") is True
    attributes = _attributes(row, file, place)
    return Group(provider=provider, products=products, service=service, meters=meters, big=big, attributes=attributes)


def _attributes(row: Mapping[str, object], file: TomlFile, place: tuple[str | int, ...]) -> Mapping[str, str]:
    table = row.get("attributes", {})
    if not isinstance(table, Mapping) or not all(isinstance(value, str) for value in table.values()):
        raise _wrong(file, (*place, "attributes"), "attributes is not a table of texts", 'Write { tenancy = "Shared" }')
    return table


def _size(meter: Mapping[str, object], file: TomlFile, place: tuple[str | int, ...]) -> Decimal:
    value = meter.get("size", "1")
    try:
        size = Decimal(str(value).replace("_", ""))
    except InvalidOperation:
        size = Decimal(0)
    if not size.is_finite() or size <= 0:
        raise _wrong(file, place, f"size = {value!r} is not a number above 0", 'Write it like size = "1_000"')
    return size


def _only(
    table: object, known: Sequence[str], what: str, file: TomlFile, place: tuple[str | int, ...]
) -> Mapping[str, object]:
    if not isinstance(table, Mapping):
        raise _wrong(file, place, f"{what} is not a table", f"Known keys: {', '.join(known)}")
    for key in table:
        if key not in known:
            raise _wrong(file, (*place, key), f"unknown key {key!r} in {what}", nearest(str(key), known))
    return table


def _text(row: Mapping[str, object], key: str, file: TomlFile, place: tuple[str | int, ...]) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise _wrong(file, (*place, key), f"{key} = {value!r} is not a text", f'Write {key} = "..."')
    return value


def _list(row: Mapping[str, object], key: str, file: TomlFile, place: tuple[str | int, ...]) -> Sequence[object]:
    value = row.get(key)
    if not isinstance(value, list) or not value:
        raise _wrong(file, (*place, key), f"{key} is not a list, or empty", f"Write {key} = [...]")
    return cast("Sequence[object]", value)


def _texts(row: Mapping[str, object], key: str, file: TomlFile, place: tuple[str | int, ...]) -> list[str]:
    values = _list(row, key, file, place)
    return [_text({key: value}, key, file, place) for value in values]


def _wrong(file: TomlFile, place: tuple[str | int, ...], message: str, fix: str) -> PlanError:
    return PlanError(message, fix=fix, file=file.name, line=file.line_of(place))
