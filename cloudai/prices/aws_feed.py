"""AWS Price List: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html

Bulk: public offer files without credentials, an index of services, one of the service's regions, then one file per
region, all current on the day that the index was published. Query: the same products one by one as JSON in text, by
boto3 with the user's own credentials. Only prices on demand are read; tiers are the price dimensions of one term.
Range ends are named `beginRange`/`endRange` in what the feed sends and `startingRange`/`endingRange` in its
documentation: both are taken.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.prices.feed import FeedPrice, Request, Step
from cloudai.prices.mapping import Group, Meters
from cloudai.prices.reading import Malformed, day, items, number, parse, table, text
from cloudai.prices.transport import Transport
from cloudai_pricing.book import Book
from cloudai_pricing.entries import Tier
from cloudai_pricing.regions import GLOBAL, own_regions

BASE = "https://pricing.us-east-1.amazonaws.com"
INDEX = "/offers/v1.0/aws/index.json"
QUERY_REGION = "us-east-1"
"""The query API is there in a few regions only."""
_PREFIX = re.compile(r"[A-Z]{2,4}[0-9]{0,2}-|Global-")
"""Of a usage type: `USE1-`, `EUC1-`, `EU-` (Ireland), `APN1-`, none in us-east-1 of the oldest services."""


def read(request: Request, meters: Meters, today: str, step: Step) -> Iterator[FeedPrice]:
    """All prices on demand of the mapped services. Raises `ServiceError`."""
    if request.aws_api == "query":
        yield from _query(request, meters, today, step)
        return
    in_bulk = [group for group in meters.groups if not group.attributes]
    if not in_bulk:
        raise InvalidInput("this service is too large to be read in bulk: ask for it with --api query")
    with Transport(request.bases.get("aws", BASE), provider="aws", sleep=request.sleep) as transport:
        address = transport.url(INDEX)
        index = transport.get(address)
        step()
        with transport.reading(address):
            as_of = min(today, day(table(index, "the index"), "publicationDate"))
        for code in dict.fromkeys(product for group in in_bulk for product in group.products):
            with transport.reading(address):
                offers = table(table(index, "the index").get("offers"), "offers")
                offer = table(offers.get(code), f"offer {code!r}")
                regions = transport.follow(text(offer, "currentRegionIndexUrl"), address)
            wanted = _regions(request, in_bulk, code)
            yield from _service(transport, regions, wanted, as_of=as_of, today=today, step=step)


def _regions(request: Request, groups: Iterable[Group], code: str) -> frozenset[str] | None:
    """Those asked for; of services with files of many MiB those that the book has; else None: all we know."""
    if request.regions is not None:
        return request.regions
    services = {group.service for group in groups if code in group.products and group.big}
    if not services:
        return None
    return frozenset(str(row["region"]) for row in Book.shipped().rows() if row["service"] in services)


def _service(
    transport: Transport, address: str, wanted: frozenset[str] | None, *, as_of: str, today: str, step: Step
) -> Iterator[FeedPrice]:
    index = transport.get(address)
    step()
    with transport.reading(address):
        regions = table(table(index, "the region index").get("regions"), "regions")
        files = {
            region: transport.follow(text(table(entry, region), "currentVersionUrl"), address)
            for region, entry in regions.items()
            if region in (own_regions("aws") if wanted is None else wanted)
        }
    for region, file in files.items():
        document = transport.get(file)
        step()
        with transport.reading(file):
            found = offer_file(document, region=region, source=file, as_of=as_of, today=today)
        yield from found


# Shapes


def offer_file(document: object, *, region: str, source: str, as_of: str, today: str) -> list[FeedPrice]:
    """The prices of one offer file: `products` and `terms` apart, terms one level deeper than in a query's element."""
    file = table(document, "the offer file")
    code = text(file, "offerCode")
    on_demand = table(table(file.get("terms"), "terms").get("OnDemand", {}), "OnDemand")
    found: list[FeedPrice] = []
    for sku, product in table(file.get("products"), "products").items():
        attributes = table(table(product, sku).get("attributes", {}), "attributes")
        terms = table(on_demand.get(sku, {}), sku)
        found += _prices(code, sku, attributes, terms, region=region, as_of=as_of, source=source, today=today)
    return found


def element(listed: str, *, source: str, today: str, having: Mapping[str, str] | None = None) -> list[FeedPrice]:
    """The prices of one `PriceList` element of GetProducts, which is JSON in a text; of a product with attributes.

    Raises `Malformed`.
    """
    row = table(parse(listed), "an element of PriceList")
    product = table(row.get("product"), "product")
    attributes = table(product.get("attributes", {}), "attributes")
    if any(attributes.get(name) != value for name, value in (having or {}).items()):
        return []
    terms = table(table(row.get("terms"), "terms").get("OnDemand", {}), "OnDemand")
    code, sku, region = text(row, "serviceCode"), text(product, "sku"), text(attributes, "regionCode", "")
    return _prices(code, sku, attributes, terms, region=region, as_of=today, source=source, today=today)


def _prices(
    code: str,
    sku: str,
    attributes: Mapping[str, object],
    terms: Mapping[str, object],
    *,
    region: str,
    as_of: str,
    source: str,
    today: str,
) -> list[FeedPrice]:
    """One price per term in force: the latest; several of one day are kept, for the match to refuse."""
    usage = text(attributes, "usagetype", "")
    dated = {name: table(term, name) for name, term in terms.items()}
    begun = {name: term for name, term in dated.items() if day(term, "effectiveDate") <= today}
    latest = max((day(term, "effectiveDate") for term in begun.values()), default="")
    found: list[FeedPrice] = []
    for name, term in begun.items():
        ladder = _ladder(term) if usage and day(term, "effectiveDate") == latest else None
        if ladder is not None:
            unit, tiers = ladder
            found.append(
                FeedPrice(
                    provider="aws",
                    product=code,
                    meter=_PREFIX.sub("", usage, count=1) if _PREFIX.match(usage) else usage,
                    region=text(attributes, "regionCode", region) or GLOBAL,
                    unit=unit,
                    tiers=tiers,
                    effective_from=latest,
                    as_of=as_of,
                    source=source,
                    id=name,
                    description=text(attributes, "usagetype", ""),
                )
            )
    return found


def _ladder(term: Mapping[str, object]) -> tuple[str, tuple[Tier, ...]] | None:
    """Unit and tiers of a term; None where it is not priced in USD (China) or its tiers don't start at 0."""
    rows: list[tuple[Decimal, Decimal | None, Decimal]] = []
    unit = ""
    for name, value in table(term.get("priceDimensions", {}), "priceDimensions").items():
        dimension = table(value, name)
        prices = table(dimension.get("pricePerUnit"), "pricePerUnit")
        if "USD" not in prices:
            return None
        unit = text(dimension, "unit", "")
        begin, end = ("beginRange", "endRange") if "beginRange" in dimension else ("startingRange", "endingRange")
        upper = None if dimension.get(end, "Inf") == "Inf" else number(dimension, end)
        rows.append((number(dimension, begin, "0"), upper, number(prices, "USD")))
    rows.sort(key=lambda row: row[0])
    if not rows or rows[0][0] != 0:
        return None
    for (_, upper, _), (start, _, _) in itertools.pairwise(rows):
        if upper != start:
            raise Malformed(f"tiers have a gap or overlap at {start}: {', '.join(sorted(map(str, rows)))[:200]}")
    return unit, tuple(Tier(up_to=upper, price=price) for _, upper, price in rows)


# The query API


def _query(request: Request, meters: Meters, today: str, step: Step) -> Iterator[FeedPrice]:
    """By boto3, which brings credentials, endpoints and its own retries; asked only when the user has it."""
    import importlib

    boto3 = importlib.import_module("boto3")
    exceptions = importlib.import_module("botocore.exceptions")
    base = request.bases.get("aws")
    client = boto3.client("pricing", region_name=QUERY_REGION, endpoint_url=base)
    source = base or f"https://api.pricing.{QUERY_REGION}.amazonaws.com"
    try:
        for code, attributes in _asked(meters.groups):
            wanted = _regions(request, meters.groups, code)
            for page in _pages(client, code, wanted, attributes):
                step()
                for listed in items(table(page, "the answer").get("PriceList"), "PriceList"):
                    yield from element(str(listed), source=source, today=today, having=attributes)
    except (exceptions.BotoCoreError, exceptions.ClientError) as error:
        raise ServiceError(f"AWS Price List: {error}", code=ErrorCode.UNAVAILABLE, provider="aws") from error
    except Malformed as error:
        raise ServiceError(f"{source}: the feed is malformed: {error}", code=ErrorCode.INTERNAL) from error


def _asked(groups: Iterable[Group]) -> list[tuple[str, Mapping[str, str]]]:
    """Service codes with the attributes to ask for, each once."""
    asked: list[tuple[str, Mapping[str, str]]] = []
    for group in groups:
        asked += [(code, group.attributes) for code in group.products if (code, group.attributes) not in asked]
    return asked


def _pages(client: Any, code: str, regions: frozenset[str] | None, attributes: Mapping[str, str]) -> Iterator[object]:
    """The pages of GetProducts for a service, for each region asked for or for all at once."""
    for region in sorted(regions) if regions is not None else [None]:
        fields = {**attributes, **({} if region is None else {"regionCode": region})}
        filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]
        pages = client.get_paginator("get_products").paginate(
            ServiceCode=code, FormatVersion="aws_v1", Filters=filters, PaginationConfig={"PageSize": 100}
        )
        yield from pages
