"""Azure Retail Prices: https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices

Public, without authentication. Pages of up to 1,000 rows, one row per meter, region and tier; the next page is where
`NextPageLink` says. `tierMinimumUnits` counts in the row's unit of measure. Rows carry the day from which they are
in force; of several for one tier the latest counts that is not in the future.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from cloudai.prices.feed import FeedPrice, Request, Step, ladder
from cloudai.prices.mapping import Meters
from cloudai.prices.reading import Malformed, day, items, number, table, text
from cloudai.prices.transport import Transport

BASE = "https://prices.azure.com"
PATH = "/api/retail/prices"
API_VERSION = "2023-01-01-preview"
MAX_PAGES = 500
"""The whole AI family has about 30; more means that the feed runs in circles."""


class _Key(NamedTuple):
    product: str
    meter: str
    region: str
    unit: str
    id: str


class _Row(NamedTuple):
    start: Decimal
    price: Decimal
    since: str


def read(request: Request, meters: Meters, today: str, step: Step) -> Iterator[FeedPrice]:
    """All pay-as-you-go prices of the mapped products, under each name that they have had. Raises `ServiceError`."""
    products = dict.fromkeys(product for group in meters.groups for product in group.products)
    with Transport(request.bases.get("azure", BASE), provider="azure", sleep=request.sleep) as transport:
        for product in products:
            yield from _product(transport, product, today=today, step=step)


def _product(transport: Transport, product: str, *, today: str, step: Step) -> Iterator[FeedPrice]:
    quoted = product.replace("'", "''")
    query = {
        "api-version": API_VERSION,
        "currencyCode": "'USD'",
        "$filter": f"productName eq '{quoted}' and priceType eq 'Consumption'",
    }
    address = transport.url(PATH, query)
    meters: dict[_Key, list[_Row]] = {}
    for page, found in _pages(transport, address, step):
        with transport.reading(page):
            for number_, item in enumerate(found):
                _collect(table(item, f"Items[{number_}]"), today, meters)
    for key, rows in meters.items():
        yield from _prices(key, rows, today=today, source=transport.url(PATH))


def _pages(transport: Transport, address: str, step: Step) -> Iterator[tuple[str, list[object]]]:
    """The rows of each page with its address; a page that was there already is an error, not an endless loop."""
    seen: set[str] = set()
    while True:
        if address in seen or len(seen) >= MAX_PAGES:
            with transport.reading(address):
                raise Malformed("its pages run in circles" if address in seen else f"more than {MAX_PAGES} pages")
        seen.add(address)
        document = transport.get(address)
        with transport.reading(address):
            page = table(document, "the page")
            found = list(items(page.get("Items", ""), "Items"))
            if page.get("Count", len(found)) != len(found):
                raise Malformed(f"Count says {page.get('Count')}, the page has {len(found)} rows")
            if text(page, "BillingCurrency", "USD") != "USD":
                raise Malformed(f"prices are in {page['BillingCurrency']}, not in USD")
            link = page.get("NextPageLink") or None
            if link is not None and not isinstance(link, str):
                raise Malformed("NextPageLink is not a text")
        step()
        yield address, found
        if link is None:
            return
        address = transport.follow(link, address)


def _collect(item: Mapping[str, object], today: str, meters: dict[_Key, list[_Row]]) -> None:
    if text(item, "type", "Consumption") != "Consumption":
        return
    if text(item, "currencyCode") != "USD":
        raise Malformed(f"currencyCode = {item['currencyCode']!r} is not USD")
    if item.get("effectiveEndDate") and day(item, "effectiveEndDate") <= today:
        return
    region = text(item, "armRegionName", "").lower()
    key = _Key(
        product=text(item, "productName"),
        meter=text(item, "meterName"),
        region=region or "global",
        unit=text(item, "unitOfMeasure"),
        id=f"{text(item, 'meterId')} {text(item, 'skuId', '')}".strip(),
    )
    row = _Row(
        start=number(item, "tierMinimumUnits", "0"),
        price=number(item, "retailPrice"),
        since=day(item, "effectiveStartDate"),
    )
    meters.setdefault(key, []).append(row)


def _prices(key: _Key, rows: list[_Row], *, today: str, source: str) -> Iterator[FeedPrice]:
    """The ladder in force today: none where nothing starts at 0 yet, two where the feed contradicts itself."""
    begun = sorted((row for row in rows if row.since <= today), key=lambda row: (row.since, row.price))
    dearest = {row.start: row for row in begun}
    cheapest = {row.start: row for row in sorted(begun, key=lambda row: (row.since, -row.price))}
    for latest in (dearest, cheapest) if dearest != cheapest else (dearest,):
        if Decimal(0) in latest:
            yield FeedPrice(
                provider="azure",
                product=key.product,
                meter=key.meter,
                region=key.region,
                unit=key.unit,
                tiers=ladder({row.start: row.price for row in latest.values()}),
                effective_from=max(row.since for row in latest.values()),
                as_of=today,
                source=source,
                id=key.id,
            )
