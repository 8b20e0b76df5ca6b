"""Google Cloud Billing Catalog v1: https://cloud.google.com/billing/docs/reference/rest/v1/services.skus/list

With an API key, which goes in a header and so into no log. Services are found by their display name, SKUs matched by
their id. A price is `units` + `nanos` / 10^9 per usage unit; `displayQuantity` is for display only and not in the
formula. proto3 JSON leaves out what is zero or empty, so every scalar may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from cloudai.prices.feed import FeedPrice, Request, Step, ladder
from cloudai.prices.mapping import Meters
from cloudai.prices.reading import Malformed, day, items, number, table, text
from cloudai.prices.transport import Transport
from cloudai_pricing.entries import Tier
from cloudai_pricing.regions import GLOBAL

BASE = "https://cloudbilling.googleapis.com"
SERVICES = "/v1/services"
PAGE_SIZE = "5000"
MAX_PAGES = 500
_NANO = Decimal("1e-9")


def read(request: Request, meters: Meters, today: str, step: Step) -> Iterator[FeedPrice]:
    """All SKUs on demand of the mapped services. Raises `ServiceError`."""
    headers = {"X-Goog-Api-Key": request.google_api_key or ""}
    wanted = {product for group in meters.groups for product in group.products}
    with Transport(request.bases.get("gcp", BASE), provider="gcp", headers=headers, sleep=request.sleep) as transport:
        for page, service in _listed(transport, SERVICES, "services", {}, step):
            with transport.reading(page):
                name, path = text(service, "displayName", ""), text(service, "name")
                if name not in wanted:
                    continue
                if not path.startswith("services/") or ".." in path:
                    raise Malformed(f"name = {path!r} is not of a service")
            yield from _skus(transport, name, f"/v1/{path}/skus", today, step)


def _skus(transport: Transport, product: str, path: str, today: str, step: Step) -> Iterator[FeedPrice]:
    for page, sku in _listed(transport, path, "skus", {"currencyCode": "USD"}, step):
        with transport.reading(page):
            found = _prices(sku, product, source=transport.url(path), today=today)
        yield from found


def _listed(
    transport: Transport, path: str, what: str, query: Mapping[str, str], step: Step
) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Each entry of a paged list with the address of its page; a token that comes back is an error."""
    token = ""
    seen: set[str] = set()
    while True:
        address = transport.url(path, {**query, "pageSize": PAGE_SIZE, **({"pageToken": token} if token else {})})
        document = transport.get(address)
        step()
        with transport.reading(address):
            page = table(document, "the page")
            found = [table(entry, what) for entry in items(page.get(what), what)]
            token = text(page, "nextPageToken", "")
            if token in seen or len(seen) >= MAX_PAGES:
                raise Malformed("its pages run in circles" if token in seen else f"more than {MAX_PAGES} pages")
        yield from ((address, entry) for entry in found)
        if not token:
            return
        seen.add(token)


def _prices(sku: Mapping[str, object], product: str, *, source: str, today: str) -> list[FeedPrice]:
    """The price of one SKU in each of its regions; nothing for prices that are not on demand or start later."""
    category = table(sku.get("category", {}), "category")
    if text(category, "usageType", "OnDemand") != "OnDemand":
        return []
    timeline = [table(info, "pricingInfo") for info in items(sku.get("pricingInfo"), "pricingInfo")]
    begun = [info for info in timeline if day(info, "effectiveTime") <= today]
    if not begun:
        return []
    info = max(begun, key=lambda one: text(one, "effectiveTime"))
    expression = table(info.get("pricingExpression"), "pricingExpression")
    tiers = _tiers(expression)
    if tiers is None:
        return []
    regions = [str(region) for region in items(sku.get("serviceRegions"), "serviceRegions")] or [GLOBAL]
    return [
        FeedPrice(
            provider="gcp",
            product=product,
            meter=text(sku, "skuId"),
            region=region,
            unit=text(expression, "usageUnit", ""),
            tiers=tiers,
            effective_from=day(info, "effectiveTime"),
            as_of=today,
            source=source,
            id=text(sku, "skuId"),
            description=text(sku, "description", ""),
        )
        for region in regions
    ]


def _tiers(expression: Mapping[str, object]) -> tuple[Tier, ...] | None:
    """The ladder; None where nothing starts at 0. Rates that follow one another at one price are one tier."""
    starts: dict[Decimal, Decimal] = {}
    for rate in items(expression.get("tieredRates"), "tieredRates"):
        row = table(rate, "tieredRates")
        money = table(row.get("unitPrice", {}), "unitPrice")
        if text(money, "currencyCode", "USD") != "USD":
            raise Malformed(f"a price is in {money['currencyCode']}, not in USD")
        start = number(row, "startUsageAmount", "0")
        if start in starts:
            raise Malformed(f"two rates start at {start}")
        starts[start] = number(money, "units", "0") + number(money, "nanos", "0") * _NANO
    return ladder(starts) if Decimal(0) in starts else None
