"""One entry of the price book of what a feed says: the book's own entry of the SKU with the feed's price in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, cast

from cloudai.prices.feed import FeedPrice
from cloudai.prices.mapping import Target
from cloudai_pricing.entries import Row, Tier
from cloudai_pricing.entry_check import check
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import PRICE_PLACES, cut, exactly, plain

CONFIDENCE = "official_feed"
WHERE = "snapshot"
JUMP = 10
"""A price that is so many times what it was, or so small a part, may be a change of units: someone has to look."""
_OF_A_READING = frozenset({"until", "where", "own", "tiers", "effective_from", "as_of", "source", "confidence", "note"})
"""Keys of an entry that belong to one reading of a price; the others say what the SKU is."""

Ladder = tuple[Tier, ...]
Found = tuple[FeedPrice, Target]


class Remark(NamedTuple):
    """Why a feed price was not taken. `wrong`: the feed, the mapping and the book contradict, someone has to decide."""

    text: str
    wrong: bool = False


def entry(name: str, region: str, found: Sequence[Found], known: Sequence[Row]) -> Row | Remark:
    """The entry of one SKU in one region, or why there is none. `known`: the book's entries of the SKU."""
    ladders: dict[Ladder, FeedPrice] = {}
    for price, target in found:
        ladders.setdefault(in_book_units(price.tiers, target.size), price)
    if len(ladders) > 1:
        return Remark(f"{name}: several prices fit: {' and '.join(map(str, ladders.values()))}", wrong=True)
    template = next((row for row in known if row["region"] == region), known[0])
    if "tiers" not in template:
        return Remark(f"{name}: fees of commitments are not read from feeds")
    ((ladder, price),) = ladders.items()
    jump = _jump(ladder, template)
    if jump:
        return Remark(f"{name}: {jump}. Look at the unit: {price}", wrong=True)
    dated = max(found, key=lambda pair: (pair[0].as_of, pair[0].effective_from))[0]
    row = {key: value for key, value in template.items() if key not in _OF_A_READING and value is not None}
    row |= _priced(ladder, template) | {
        "region": region,
        "effective_from": dated.effective_from,
        "as_of": dated.as_of,
        "source": dated.source,
        "confidence": CONFIDENCE,
        "note": _one_line(
            f"{dated.product} / {dated.meter}" + (f" ({dated.description})" if dated.description else "")
        ),
    }
    try:
        return check(row, where=WHERE)
    except PlanError as error:
        return Remark(f"{name}: {error} ({price})", wrong=True)


def _one_line(text: str) -> str:
    """A feed's own words, with nothing in them that a terminal would obey."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def in_book_units(tiers: Ladder, size: Decimal) -> Ladder:
    """A ladder per unit of the feed as one per unit of the book, of which `size` are one of the feed."""
    with exactly():
        return tuple(
            Tier(
                up_to=None if tier.up_to is None else tier.up_to * size,
                price=cut(tier.price / size, PRICE_PLACES),
            )
            for tier in tiers
        )


def _priced(ladder: Ladder, template: Row) -> dict[str, object]:
    """`tiers` and `free`: a first tier that costs nothing is an allowance, which the book keeps apart."""
    if ladder[0].price or len(ladder) == 1:
        return {"tiers": [_tier(tier) for tier in ladder]}
    quantity = plain(ladder[0].up_to or Decimal(0))
    free = cast("Mapping[str, object]", template.get("free") or {"kind": "always"})
    return {"tiers": [_tier(tier) for tier in ladder[1:]], "free": {**free, "quantity": quantity}}


def _tier(tier: Tier) -> dict[str, str]:
    price = {"price": plain(tier.price)}
    return price if tier.up_to is None else {"up_to": plain(tier.up_to), **price}


def _jump(ladder: Ladder, template: Row) -> str:
    """What is odd about the price of the first paid unit; nothing where it is within reason."""
    tiers = cast("Sequence[Mapping[str, str]]", template["tiers"])
    before = Decimal(tiers[0]["price"])
    now = next((tier.price for tier in ladder if tier.price), Decimal(0))
    if before and (now > before * JUMP or now * JUMP < before):
        return f"{plain(now)} per {template['unit']} after {plain(before)}"
    return ""
