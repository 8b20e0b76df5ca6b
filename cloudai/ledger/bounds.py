"""The most that one request can cost, before it is sent: what a budget holds while the request is on its way.

Worked out of the request itself and the shipped price book: the dearest entry that such a request may be billed by,
for the most units that it can use. What a provider's driver counts in the end is never above it; a test holds that for
every provider. Where the request doesn't show how much it is (pages of a file that stays in a bucket), the provider's
own limit is taken; where there is none, or no price, the bound is unknown, which is not zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cloudai.ledger.entries import micro
from cloudai.operations import TYPES

if TYPE_CHECKING:
    from cloudai.capabilities import Capabilities, Limits
    from cloudai.types.custom import BatchPredictRequest, TrainingJob
    from cloudai.types.media import Media
    from cloudai.types.results import Model
    from cloudai.types.vision import AnalyzeRequest
    from cloudai_pricing.entries import Price

_ASIDE: Mapping[str, frozenset[str]] = {
    "vision.read_document": frozenset({"expense", "identity", "lending", "custom-extraction", "custom-extractor"}),
    "vision.moderate": frozenset({"custom"}),
    "speech.transcribe": frozenset(
        {
            "streaming", "custom-streaming", "call-analytics", "medical", "medical-dictation", "medical-conversation",
            "v1-medical", "logged", "v1-logged", "dynamic-batch", "conversation-multichannel",
        }
    ),
    "speech.synthesize": frozenset({"long-audio", "custom-hd", "personal"}),
    "translation.translate_document": frozenset({"batch", "batch-text"}),
}  # fmt: skip
"""SKUs that a call without provider options is never billed by: what is streamed, medical, or a model of one's own."""
_WIDE = 0x2E80
"""From here on a character may be billed as two: the first of the blocks of Chinese, Japanese and Korean."""
_DENSE = 2
"""Azure bills a caption with regions as two transactions."""


class Bound(NamedTuple):
    """`amount` in micro-USD, None: unknown, for the `reason`; `usage` by meter, in units of the operation."""

    amount: int | None
    usage: Mapping[str, Decimal]
    reason: str = ""


Sizes = tuple[Decimal, ...]
"""Units of one kind, apart where each is rounded by itself."""


class _Untold(Exception):
    """How much a request is can't be told before it is sent."""


class _Rate(NamedTuple):
    """Entries that may bill a meter: one of `bases`, and all of `addons`."""

    bases: tuple[Price, ...]
    addons: tuple[Price, ...]


def bound_of(
    capabilities: Capabilities,
    region: str | None,
    operation: str,
    request: Model,
    *,
    options: object = None,
    variants: frozenset[str] = frozenset(),
) -> Bound:
    """The bound of one call. `options`: the provider options that go with it; any can change the SKU. `variants`: the
    SKUs that the driver would have it billed by; empty: any of them."""
    declared = capabilities.operations.get(operation)
    if _free(operation) or (_needs_nobody(capabilities.auth) and (declared is None or not declared.meter)):
        return Bound(0, {})
    if operation.startswith("custom."):
        return _bound_of_custom(capabilities.provider, region, operation, request)
    asked = None if options is not None else _features(request)
    units = _units(operation, request, declared.limits if declared is not None else None)
    choices = tuple(_meters(capabilities.provider, operation, request))
    return _bound(capabilities.provider, region, operation, choices, asked, tuple(units.items()), variants)


@cache
def _free(operation: str) -> bool:
    """Whether nobody bills it."""
    from cloudai_pricing.operations import operations

    known = operations().get(operation)
    return known is not None and known.free


def _bound_of_custom(provider: str, region: str | None, operation: str, request: Model) -> Bound:
    """A job: the machines it asks for, until its time limit. An endpoint has none; what it costs, it costs by the hour,
    so that asking it costs nothing more where no price is of a prediction."""
    from cloudai.types.custom import BatchPredictRequest, TrainingJob

    if isinstance(request, TrainingJob | BatchPredictRequest):
        return _bound_of_job(provider, region, operation, request)
    if operation == "custom.deploy":
        return Bound(None, {}, "an endpoint costs by the hour until it is deleted")
    if _has_prices(provider, operation):
        return Bound(None, {}, f"some endpoints of {provider} bill each prediction by its seconds")
    if _has_prices(provider, "custom.deploy"):
        return Bound(0, {operation: Decimal(1)})
    return Bound(None, {}, f"no price of {provider} for {operation} is known")


def _bound_of_job(
    provider: str, region: str | None, operation: str, request: TrainingJob | BatchPredictRequest
) -> Bound:
    from cloudai.errors import InvalidInput
    from cloudai.training.machines import choose_machine, machine_for
    from cloudai.types.custom import TrainingJob

    try:
        if isinstance(request, TrainingJob):
            chosen = choose_machine(provider, region, request)
        else:
            chosen = machine_for(
                provider, region or "global", request.accelerator, copies=request.instances,
                seconds=request.max_seconds, operation=operation,
            )  # fmt: skip
    except InvalidInput as error:
        return Bound(None, {}, error.message)
    if chosen.at_limit is None:
        return Bound(None, {}, f"no price of {provider} for {chosen.instance} in {region} is known")
    hours = Decimal(request.max_seconds) * chosen.instances / 3600
    return Bound(micro(chosen.at_limit.amount), {operation: hours})


@cache
def _needs_nobody(auth: str) -> bool:
    """Declares `auth = "none"` (`none: why`): who does not know the caller can't bill him."""
    return auth.partition(":")[0].strip() == "none"


@lru_cache(maxsize=10_000)
def _bound(
    provider: str,
    region: str | None,
    operation: str,
    choices: tuple[tuple[str, ...], ...],
    asked: frozenset[str] | None,
    sizes: tuple[tuple[str, Sizes], ...],
    variants: frozenset[str],
) -> Bound:
    """Of all that a bound depends on, and so remembered: most calls of a program are alike."""
    from cloudai_pricing.operations import operations

    units, total, usage = dict(sizes), Decimal(0), dict[str, Decimal]()
    for choice in choices:
        dearest: Decimal | None = None
        for meter in choice:
            try:
                own = variants if meter == operation else frozenset[str]()
                cost = _dearest(provider, region, meter, asked, units, variants=own, plain=meter != operation)
            except _Untold as error:
                if meter == operation:
                    return Bound(None, {}, str(error))
                continue
            if cost is not None:
                dearest = max(cost, dearest or Decimal(0))
        if dearest is None and choice[0] == operation:
            return Bound(None, {}, f"no price of {provider} for {operation} in {region} is known")
        total += dearest or Decimal(0)
        known = operations().get(choice[0])
        usage[choice[0]] = sum(units.get(known.unit if known is not None else "", ()), Decimal(0))
    return Bound(micro(total), usage)


def bound_of_analysis(capabilities: Capabilities, region: str | None, request: AnalyzeRequest) -> Bound:
    """The bound of several operations on several images in one request: the sum of them all."""
    total, usage = 0, dict[str, Decimal]()
    for operation in request.operations:
        one = bound_of(capabilities, region, operation, _single(operation, request))
        if one.amount is None:
            return one
        total += one.amount * len(request.images)
        usage[operation] = Decimal(len(request.images))
    return Bound(total, usage)


def _single(operation: str, request: AnalyzeRequest) -> Model:
    return TYPES[operation].request.model_construct(image=request.images[0])


# --- what it is billed by ------------------------------------------------------------------------


def _meters(provider: str, operation: str, request: Model) -> Iterable[tuple[str, ...]]:
    """Each a choice of meters of which one is billed; all choices together are."""
    if operation == "vision.read_text" and getattr(request, "dense", False):
        yield (operation, "vision.read_document")
    elif operation == "translation.translate" and getattr(request, "format", "plain") == "html":
        yield (operation, "translation.translate_document")
    elif operation.startswith("vision.") and not _has_prices(provider, operation):
        yield (operation, *(name for name in TYPES if name.startswith("vision.") and name != "vision.read_document"))
    else:
        yield (operation,)
    if operation in ("translation.translate", "translation.translate_document") and _no_source(request):
        yield ("translation.detect_language",)


def _no_source(request: Model) -> bool:
    """Some bill the detection of the language by itself."""
    return getattr(request, "source", None) is None


@lru_cache(maxsize=1000)
def _has_prices(provider: str, operation: str) -> bool:
    from cloudai_pricing.book import Book

    return any(price.provider == provider for price in Book.shipped().prices(operation))


def _features(request: Model) -> frozenset[str]:
    """Those that the request names, in the words of the price book."""
    said = vars(request)
    found = {str(feature) for feature in said.get("features", ())}
    if said.get("queries"):
        found.add("queries")
    if said.get("model") is not None:
        found.add("custom_model")
    return frozenset(found)


@lru_cache(maxsize=10_000)
def _rate(provider: str, region: str | None, meter: str, asked: frozenset[str] | None, plain: bool) -> _Rate:
    """`asked` None: any feature and any variant."""
    from cloudai_pricing.book import Book
    from cloudai_pricing.errors import PlanError
    from cloudai_pricing.regions import GLOBAL, region_of

    book = Book.shipped()
    try:
        where = (
            GLOBAL
            if region is None
            else region_of(region, provider, {name: tuple(regions) for name, regions in book.regions.items()}) or region
        )
    except PlanError:
        return _Rate((), ())
    near = [
        price
        for price in book.prices(meter)
        if price.provider == provider
        and price.region in (where, GLOBAL)
        and price.instance is None
        and price.kind in ("usage", "addon")
    ]
    aside = _ASIDE.get(meter, frozenset()) if asked is not None else frozenset[str]()
    bases = [price for price in near if price.kind == "usage" and _may_bill(price, asked, aside)]
    if plain:
        bases = [price for price in bases if price.default or price.variant is None]
    addons = [price for price in near if price.kind == "addon" and (asked is None or asked & set(price.features))]
    return _Rate(tuple(bases), tuple(addons))


def _may_bill(price: Price, asked: frozenset[str] | None, aside: frozenset[str]) -> bool:
    return price.variant not in aside and (asked is None or asked >= frozenset(price.features))


def _dearest(
    provider: str,
    region: str | None,
    meter: str,
    asked: frozenset[str] | None,
    units: Mapping[str, Sizes],
    *,
    variants: frozenset[str],
    plain: bool,
) -> Decimal | None:
    """The most that a meter can come to; None: it has no price there. Raises `_Untold`.

    `plain`: the meter of another operation, which is then billed by its default SKU.
    """
    rate = _rate(provider, region, meter, asked, plain)
    if not rate.bases:
        return None
    bases = [price for price in rate.bases if price.variant in variants] or rate.bases
    costs = []
    for price in (*bases, *rate.addons):
        sizes = units.get("second" if price.unit in ("minute", "hour") else price.unit)
        if sizes is None:
            raise _Untold(f"how many {price.unit}s of {meter} it is can't be told before it is sent")
        costs.append(_cost(price, sizes))
    most = len(bases)
    return max(costs[:most]) + sum(costs[most:], Decimal(0))


def _cost(price: Price, sizes: Sizes) -> Decimal:
    """As a call is priced (`cloudai_pricing.callcost`), for each size by itself."""
    from cloudai_pricing.tiers import billed_of
    from cloudai_pricing.units import factor

    if price.rounding is None:
        return sum(sizes, Decimal(0)) * price.first_price / factor(price.unit)
    return sum((billed_of(price.rounding, one) for one in sizes), Decimal(0)) * price.first_price / factor(price.unit)


# --- how much it is ------------------------------------------------------------------------------


_ONE = (Decimal(1),)


def _units(operation: str, request: Model, limits: Limits | None) -> dict[str, Sizes]:
    """The most units of each kind that this request can be counted as."""
    types = TYPES[operation]
    units: dict[str, Sizes] = {"request": _ONE}
    if types.text is not None:
        given: str | tuple[str, ...] = getattr(request, types.text)
        times = 2 if vars(request).get("speech_marks") else 1  # Amazon Polly bills the marks like the sound
        texts = (given,) if isinstance(given, str) else given
        units["character"] = tuple([Decimal(times * _characters(text)) for text in texts])
    media: Media | None = getattr(request, types.media) if types.media is not None else None
    if media is None:
        return units
    units["image"] = (Decimal(_DENSE),) if operation == "vision.caption" and getattr(request, "dense", False) else _ONE
    if (pages := _pages(media, limits)) is not None:
        units["page"] = (Decimal(pages),)
    if (seconds := _seconds(media, request, limits)) is not None:
        units["second"] = (Decimal(seconds),)
    if media.data is not None and (media.content_type or "").startswith("text/"):
        units["character"] = (Decimal(len(media.data)),)
    return units


def _characters(text: str) -> int:
    """As many as any of the providers counts: code points, UTF-16 units, or Chinese ones twice."""
    return len(text) if text.isascii() else sum(2 if ord(character) >= _WIDE else 1 for character in text)


def _pages(media: Media, limits: Limits | None) -> int | None:
    if media.pages is not None:
        return max(1, media.pages)
    if media.image is not None:
        return max(1, media.image.frames)
    return limits.max_pages if limits is not None else None


def _seconds(media: Media, request: Model, limits: Limits | None) -> int | None:
    """Each channel's where they are transcribed apart."""
    length = media.audio.duration if media.audio is not None else None
    if length is None:
        length = limits.max_seconds if limits is not None else None
    if length is None:
        return None
    channels = (media.audio.channels if media.audio is not None else None) or 2
    return math.ceil(length) * (channels if getattr(request, "channels", False) else 1)
