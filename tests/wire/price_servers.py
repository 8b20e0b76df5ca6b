"""Loopback servers of the three price feeds, each held to its provider's own description.

Azure: the envelope of the Retail Prices documentation. Google: replies are checked against the discovery document of
cloudbilling.v1 before they are sent. AWS: the bulk files' shape, and for the query API botocore's own description.
A fault in `faults` is sent instead of the next answer.
"""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import loopback_http

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What to send. `announced`: a Content-Length that is not the body's."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int | None = None

    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it came."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


class Feed(loopback_http.Server):
    """One price feed. `answer` says what to send to a request; wrong requests are noted in `violations`."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.answer = answer
        self.asked: list[Asked] = []
        self.faults: deque[Reply] = deque()
        self.violations: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Exchange(loopback_http.Talk):
    server: Feed

    def answer_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        asked = Asked(path=url.path, query=query, headers=dict(self.headers), body=body)
        self.server.asked.append(asked)
        try:
            reply = self.server.faults.popleft() if self.server.faults else self.server.answer(asked)
        except AssertionError as wrong:
            self.server.violations.append(f"{self.command} {self.path}: {wrong}")
            reply = Reply(status=400, body={"error": str(wrong)})
        raw = reply.raw()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(reply.announced or len(raw)))
        self.end_headers()
        self.wfile.write(raw)
        if reply.announced:
            self.close_connection = True

    do_GET = do_POST = answer_any  # noqa: N815  # http.server's names


@contextmanager
def serving(answer: Callable[[Asked], Reply]) -> Iterator[Feed]:
    """A running feed; at the end it demands that no request was wrong."""
    feed = Feed(answer)
    thread = threading.Thread(target=feed.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield feed
    finally:
        feed.shutdown()
        feed.server_close()
        thread.join()
    assert feed.violations == []


# Azure: https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices

AZURE_FIELDS = {
    "currencyCode", "tierMinimumUnits", "retailPrice", "unitPrice", "armRegionName", "location", "effectiveStartDate",
    "meterId", "meterName", "productId", "skuId", "productName", "skuName", "serviceName", "serviceId",
    "serviceFamily", "unitOfMeasure", "type", "isPrimaryMeterRegion", "armSkuName",
}  # fmt: skip
_FILTER = re.compile(r"productName eq '((?:[^']|'')+)' and priceType eq 'Consumption'")


def azure_item(product: str, meter: str, price: float, **more: Any) -> Json:
    """A row as the feed has it; `region`, `unit`, `tier`, `since` and any field of its own may be given."""
    region = more.pop("region", "eastus")
    item = {
        "currencyCode": "USD",
        "tierMinimumUnits": more.pop("tier", 0.0),
        "retailPrice": price,
        "unitPrice": price,
        "armRegionName": region,
        "location": region.upper(),
        "effectiveStartDate": f"{more.pop('since', '2026-11-01')}T00:00:00Z",
        "meterId": f"id of {product} {meter} {more.get('unitOfMeasure', '')}",
        "meterName": meter,
        "productId": "DZH318Z0BPJG",
        "skuId": "DZH318Z0BPJG/0006",
        "productName": product,
        "skuName": "S1",
        "serviceName": "Foundry Tools",
        "serviceId": "DZH31600VF1F",
        "serviceFamily": "AI + Machine Learning",
        "unitOfMeasure": more.pop("unit", "1 Hour"),
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": "",
    }
    assert item.keys() == AZURE_FIELDS
    return item | more


def azure(rows: Sequence[Json], *, page: int = 1000) -> Callable[[Asked], Reply]:
    """Pages of the rows that the filter lets through. Names in filters are compared with their capitals."""

    def answer(asked: Asked) -> Reply:
        assert asked.path == "/api/retail/prices", "unknown path"
        assert asked.query.keys() <= {"api-version", "currencyCode", "$filter", "$skip"}, f"query {asked.query}"
        assert asked.query.get("currencyCode", "'USD'") == "'USD'", "the currency stands in quotes"
        found = _FILTER.fullmatch(asked.query["$filter"])
        assert found, f"filter {asked.query['$filter']}"
        fit = [
            row for row in rows if row["productName"] == found[1].replace("''", "'") and row["type"] == "Consumption"
        ]
        skip = int(asked.query.get("$skip", "0"))
        link = None
        if skip + page < len(fit):
            host = asked.headers["Host"]
            link = f"http://{host}/api/retail/prices?$filter={quote(asked.query['$filter'])}&$skip={skip + page}"
        return Reply(body=azure_page(fit[skip : skip + page], link))

    return answer


def azure_page(rows: Sequence[Json], link: str | None = None) -> Json:
    """The documented envelope."""
    return {
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": list(rows),
        "NextPageLink": link,
        "Count": len(rows),
    }


# Google: the discovery document, as google-api-python-client ships it


class Discovery:
    """A discovery document's schemas as JSON Schema, with closed objects."""

    def __init__(self, name: str) -> None:
        spec = importlib.util.find_spec("googleapiclient")
        assert spec is not None
        assert spec.origin is not None
        path = Path(spec.origin).parent / "discovery_cache" / "documents" / f"{name}.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        self.methods = document["resources"]
        self._schemas = {schema: _converted(shape) for schema, shape in document["schemas"].items()}

    def check(self, schema: str, value: object) -> None:
        """Raises `AssertionError` where a value is not of the schema."""
        from jsonschema import Draft202012Validator

        validator = Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": self._schemas})
        wrong = [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(value)]
        assert wrong == []


def _converted(shape: Json) -> Json:
    if "$ref" in shape:
        return {"$ref": f"#/$defs/{shape['$ref']}"}
    kind = shape.get("type")
    if kind == "object":
        properties = {name: _converted(each) for name, each in shape.get("properties", {}).items()}
        more = _converted(shape["additionalProperties"]) if "additionalProperties" in shape else not properties
        return {"type": "object", "properties": properties, "additionalProperties": more}
    if kind == "array":
        return {"type": "array", "items": _converted(shape["items"])}
    if kind == "string" and shape.get("format") in ("int64", "uint64"):
        return {"type": "string", "pattern": r"^-?\d+$"}
    if kind == "string" and "enum" in shape:
        return {"enum": shape["enum"]}
    return {"type": kind} if kind and kind != "any" else {}


def google_sku(sku: str, description: str, rates: Mapping[str, tuple[str, int]], **more: Any) -> Json:
    """A SKU as the catalog has it, zero fields left out: `rates` are start -> (units, nanos)."""
    since = more.pop("since", "2026-11-01")
    expression = {
        "usageUnit": more.pop("unit", "count"),
        "displayQuantity": 1000000,
        "baseUnit": "count",
        "baseUnitConversionFactor": 1,
        "tieredRates": [
            {
                **({"startUsageAmount": float(start)} if float(start) else {}),
                "unitPrice": {
                    "currencyCode": "USD",
                    **({"units": units} if units != "0" else {}),
                    **({"nanos": nanos} if nanos else {}),
                },
            }
            for start, (units, nanos) in rates.items()
        ],
    }
    return {
        "name": f"services/X/skus/{sku}",
        "skuId": sku,
        "description": description,
        "category": {"resourceFamily": "ApplicationServices", "usageType": "OnDemand"},
        "serviceRegions": more.pop("regions", ["global"]),
        "serviceProviderName": "Google",
        "pricingInfo": [{"effectiveTime": f"{since}T07:00:00Z", "pricingExpression": expression}],
        **more,
    }


def google(services: Mapping[str, Sequence[Json]], *, key: str, page: int = 2) -> Callable[[Asked], Reply]:
    """A catalog of services by display name; pages are tokens of numbers."""
    document = Discovery("cloudbilling.v1")
    ids = {name: f"{number:04X}-0000-0000" for number, name in enumerate(services)}

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("X-Goog-Api-Key") != key:
            error = {"code": 403, "message": "The request is missing a valid API key.", "status": "PERMISSION_DENIED"}
            return Reply(status=403, body={"error": error})
        listing = document.methods["services"]
        if asked.path == "/v1/services":
            rows: list[Json] = [
                {"name": f"services/{ids[name]}", "serviceId": ids[name], "displayName": name} for name in services
            ]
            what, schema, parameters = "services", "ListServicesResponse", listing["methods"]["list"]["parameters"]
        else:
            found = next((name for name in ids if asked.path == f"/v1/services/{ids[name]}/skus"), None)
            assert found, f"unknown path {asked.path}"
            rows = list(services[found])
            method = listing["resources"]["skus"]["methods"]["list"]
            what, schema, parameters = "skus", "ListSkusResponse", method["parameters"]
        assert asked.query.keys() <= parameters.keys(), f"unknown query {asked.query}"
        start = int(asked.query.get("pageToken", "0"))
        body: Json = {what: rows[start : start + page]}
        if start + page < len(rows):
            body["nextPageToken"] = str(start + page)
        document.check(schema, body)
        return Reply(body=body)

    return answer


# AWS: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api.html

VERSION = "20260911201432"


def aws_term(sku: str, rates: Mapping[str, str], *, unit: str, since: str = "2026-11-20", named: str = "begin") -> Json:
    """A term on demand as the feed has it: `rates` are start -> USD. `named`: `begin` or, as documented, `starting`."""
    starts = list(rates)
    low, high = ("beginRange", "endRange") if named == "begin" else ("startingRange", "endingRange")
    dimensions = {
        f"{sku}.JRTCKXETXF.{number:010d}": {
            "rateCode": f"{sku}.JRTCKXETXF.{number:010d}",
            "description": f"${rates[start]} per {unit}",
            low: start,
            high: starts[number + 1] if number + 1 < len(starts) else "Inf",
            "unit": unit,
            "pricePerUnit": {"USD": rates[start]},
            "appliesTo": [],
        }
        for number, start in enumerate(starts)
    }
    return {
        f"{sku}.JRTCKXETXF": {
            "offerTermCode": "JRTCKXETXF",
            "sku": sku,
            "effectiveDate": f"{since}T00:00:00Z",
            "priceDimensions": dict(reversed(dimensions.items())),
            "termAttributes": {},
        }
    }


def aws_offer(code: str, region: str, usage: Mapping[str, Json], *, published: str = "2026-09-11T20:14:32Z") -> Json:
    """An offer file: `usage` is usage type -> term."""
    skus = {next(iter(term)).partition(".")[0]: name for name, term in usage.items()}
    return {
        "formatVersion": "v1.0",
        "disclaimer": "This pricing list is for informational purposes only.",
        "offerCode": code,
        "version": VERSION,
        "publicationDate": published,
        "products": {
            sku: {
                "sku": sku,
                "productFamily": "API Request",
                "attributes": {"servicecode": code, "regionCode": region, "usagetype": name, "operation": ""},
            }
            for sku, name in skus.items()
        },
        "terms": {"OnDemand": {sku: usage[name] for sku, name in skus.items()}, "Reserved": {}},
        "attributesList": {},
    }


def aws(offers: Mapping[str, Mapping[str, Json]]) -> Callable[[Asked], Reply]:
    """The index, the region indexes and the offer files, by service code and region. Addresses in them are relative."""

    def answer(asked: Asked) -> Reply:
        root = "/offers/v1.0/aws"
        pages: dict[str, object] = {
            f"{root}/index.json": {
                "formatVersion": "v1.0",
                "disclaimer": "",
                "publicationDate": "2026-11-20T20:00:00Z",
                "offers": {
                    code: {
                        "offerCode": code,
                        "versionIndexUrl": f"{root}/{code}/index.json",
                        "currentVersionUrl": f"{root}/{code}/current/index.json",
                        "currentRegionIndexUrl": f"{root}/{code}/current/region_index.json",
                    }
                    for code in offers
                },
            }
        }
        for code, regions in offers.items():
            pages[f"{root}/{code}/current/region_index.json"] = {
                "formatVersion": "v1.0",
                "disclaimer": "",
                "publicationDate": "2026-09-11T20:14:32Z",
                "regions": {
                    region: {"regionCode": region, "currentVersionUrl": f"{root}/{code}/{VERSION}/{region}/index.json"}
                    for region in regions
                },
            }
            for region, offer in regions.items():
                pages[f"{root}/{code}/{VERSION}/{region}/index.json"] = offer
        assert asked.path in pages, "unknown path"
        return Reply(body=pages[asked.path])

    return answer


def aws_query(elements: Sequence[str], *, page: int = 1) -> Callable[[Asked], Reply]:
    """GetProducts: requests and answers are held to botocore's description of the service."""
    import botocore.session
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model("pricing")

    def answer(asked: Asked) -> Reply:
        service, _, name = asked.headers["X-Amz-Target"].partition(".")
        assert service == model.metadata["targetPrefix"]
        operation = model.operation_model(name)
        params = json.loads(asked.body)
        wrong = ParamValidator().validate(params, operation.input_shape)
        assert not wrong.has_errors(), wrong.generate_report()
        start = int(params.get("NextToken", "0"))
        body: Json = {"FormatVersion": "aws_v1", "PriceList": list(elements[start : start + page])}
        if start + page < len(elements):
            body["NextToken"] = str(start + page)
        wrong = ParamValidator().validate(body, operation.output_shape)
        assert not wrong.has_errors(), wrong.generate_report()
        return Reply(body=body, headers={"Content-Type": "application/x-amz-json-1.1"})

    return answer
