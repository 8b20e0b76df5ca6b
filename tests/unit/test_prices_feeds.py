"""Feeds of the three providers, read from servers that follow their descriptions, into entries of the book's form."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import botocore
import pytest

from cloudai.errors import InvalidInput
from cloudai.prices.aws_feed import element
from cloudai.prices.changes import price_of
from cloudai.prices.feed import Request
from cloudai.prices.mapping import load
from cloudai.prices.refresh import Outcome, refresh
from cloudai_pricing import Book
from cloudai_pricing.entries import Row

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

from price_servers import (
    Json,
    aws,
    aws_offer,
    aws_query,
    aws_term,
    azure,
    azure_item,
    google,
    google_sku,
    serving,
)

TODAY = "2026-11-25"
IN_BULK = dict.fromkeys(code for group in load().of("aws") for code in group.products if not group.attributes)
"""The services whose offer files are read."""


def read(request: Request, previous: Iterable[Row] = ()) -> Outcome:
    return refresh(request, load(), list(previous), today=TODAY, step=lambda: None)


def read_azure(rows: list[Json], *, page: int = 1000, services: tuple[str, ...] = ("Speech",)) -> Outcome:
    with serving(azure(rows, page=page)) as feed:
        return read(Request(providers=("azure",), services=services, bases={"azure": feed.url}))


def read_google(services: dict[str, list[Json]], *, page: int = 2) -> Outcome:
    with serving(google(services, key="a key", page=page)) as feed:
        return read(Request(providers=("gcp",), bases={"gcp": feed.url}, google_api_key="a key"))


def read_aws(offers: dict[str, dict[str, Json]], regions: frozenset[str] | None = None) -> Outcome:
    with serving(aws({**{code: {} for code in IN_BULK}, **offers})) as feed:
        return read(Request(providers=("aws",), bases={"aws": feed.url}, regions=regions))


def entry(outcome: Outcome, sku: str, region: str) -> Row:
    """The newest entry of a SKU."""
    found = [row for row in outcome.rows if (row["sku"], row["region"]) == (sku, region)]
    return max(found, key=lambda row: str(row["as_of"]))


def tiers(row: Row) -> list[tuple[str | None, str]]:
    return [(None if tier.up_to is None else str(tier.up_to), f"{tier.price:f}") for tier in price_of(row).tiers]


# Azure


def test_azure_prices_are_exact_decimals_of_one_unit_of_the_book() -> None:
    row = azure_item("Azure Speech", "S1 Neural Text To Speech Characters", 16.1, unit="1M")
    found = entry(read_azure([row]), "S0 neural voices", "eastus")
    assert price_of(found).tiers[0].price == Decimal("0.0000161")


def test_azure_tiers_are_counted_in_blocks_and_come_in_any_order() -> None:
    ladder = [(10000.0, 0.7), (0.0, 1.1), (1000.0, 0.9)]
    rows = [
        azure_item("Azure Vision", "Image Analysis Group 1 Transactions", price, tier=start, unit="1K")
        for start, price in ladder
    ]
    found = entry(read_azure(rows, services=("AI Vision",)), "S1 Image Analysis Group 1", "eastus")
    assert tiers(found) == [("1000000", "0.0011"), ("10000000", "0.0009"), (None, "0.0007")]


def test_an_entry_keeps_what_the_book_says_of_its_sku_and_takes_the_rest_from_the_feed() -> None:
    row = azure_item("Azure Speech", "S1 Speech to Text Batch", 0.2, since="2026-11-01")
    found = entry(read_azure([row]), "S0 batch transcription", "eastus")
    book = next(
        row for row in Book.shipped().rows() if (row["sku"], row["region"]) == ("S0 batch transcription", "eastus")
    )
    meaning = ("operations", "variant", "default", "unit", "pool", "rounding", "includes", "free", "kind")
    assert [found.get(key) for key in meaning] == [book.get(key) for key in meaning]
    assert (found["effective_from"], found["as_of"], found["confidence"]) == ("2026-11-01", TODAY, "official_feed")
    assert str(found["source"]).endswith("/api/retail/prices")


def test_every_page_is_read_and_each_only_once() -> None:
    rows = [azure_item("Azure Speech", f"Meter {number}", 1.0) for number in range(25)]
    with serving(azure(rows, page=10)) as feed:
        request = Request(providers=("azure",), services=("Speech",), bases={"azure": feed.url})
        outcome = read(request)
        asked = [(one.query["$filter"].split("'")[1], one.query.get("$skip", "0")) for one in feed.asked]
    assert len(outcome.unmapped) == 25
    assert asked == [("Azure Speech", "0"), ("Azure Speech", "10"), ("Azure Speech", "20"), ("Speech", "0")]


def test_a_product_is_found_under_the_name_it_had_before() -> None:
    outcome = read_azure([azure_item("Speech", "Fast Transcription Speech To Text", 0.4)])
    assert tiers(entry(outcome, "S0 fast transcription", "eastus")) == [(None, "0.4")]


def test_of_several_rows_of_one_tier_the_latest_that_is_in_force_counts() -> None:
    dates = {"2024-05-01": 0.18, "2026-06-01": 0.19, "2027-01-01": 0.5}
    rows = [azure_item("Azure Speech", "S1 Speech to Text Batch", price, since=day) for day, price in dates.items()]
    found = entry(read_azure(rows), "S0 batch transcription", "eastus")
    assert (tiers(found), found["effective_from"]) == ([(None, "0.19")], "2026-06-01")


def test_two_prices_of_one_meter_are_an_error_that_names_both_and_change_nothing() -> None:
    rows = [
        azure_item("Azure Speech", "S1 Speech to Text Batch", 0.2, meterId="first"),
        azure_item("Azure Speech", "S1 Speech to Text Batch", 0.3, meterId="second"),
    ]
    outcome = read_azure(rows)
    (remark,) = [remark for remark in outcome.remarks if remark.wrong]
    assert "first" in remark.text
    assert "second" in remark.text
    assert outcome.changes == ()


def test_one_meter_with_two_prices_for_one_tier_and_day_is_an_error_too() -> None:
    rows = [azure_item("Azure Speech", "S1 Speech to Text Batch", price) for price in (0.2, 0.3)]
    outcome = read_azure(rows)
    assert [remark.wrong for remark in outcome.remarks] == [True]
    assert outcome.rows == ()


def test_a_meter_in_another_unit_is_an_error_and_not_scaled() -> None:
    outcome = read_azure([azure_item("Azure Speech", "S1 Speech to Text Batch", 0.003, unit="1 Minute")])
    (remark,) = outcome.remarks
    assert remark.wrong
    assert "'1 Minute'" in remark.text
    assert "'1 Hour'" in remark.text
    assert outcome.rows == ()


def test_a_price_ten_times_as_high_is_held_back_until_someone_has_looked() -> None:
    outcome = read_azure([azure_item("Azure Speech", "S1 Speech to Text Batch", 3.0)])
    (remark,) = outcome.remarks
    assert remark.wrong
    assert "after 0.18" in remark.text


def test_a_region_gets_no_other_variant_before_the_default_one_is_known_there() -> None:
    fast = azure_item("Azure Speech", "Fast Transcription Speech To Text", 0.36, region="polandcentral")
    outcome = read_azure([fast])
    assert outcome.rows == ()
    assert "without the default of speech.transcribe in polandcentral" in outcome.remarks[0].text
    batch = azure_item("Azure Speech", "S1 Speech to Text Batch", 0.18, region="polandcentral")
    both = read_azure([fast, batch])
    assert {row["sku"] for row in both.rows if row["region"] == "polandcentral"} == {
        "S0 fast transcription",
        "S0 batch transcription",
    }


def test_regions_that_the_planner_does_not_know_are_left_out_unless_asked_for() -> None:
    row = azure_item("Azure Speech", "S1 Speech to Text Batch", 0.2, region="usgovvirginia")
    assert read_azure([row]).rows == ()
    with serving(azure([row])) as feed:
        request = Request(
            providers=("azure",), bases={"azure": feed.url}, services=("Speech",), regions=frozenset({"usgovvirginia"})
        )
        assert tiers(entry(read(request), "S0 batch transcription", "usgovvirginia")) == [(None, "0.2")]


def test_what_the_feed_lacks_and_what_the_book_lacks_are_both_told() -> None:
    outcome = read_azure([azure_item("Azure Speech", "Video Translation Input Audio", 5.0)])
    assert [price.meter for price in outcome.unmapped] == ["Video Translation Input Audio"]
    assert any(name.endswith("/ fast transcription speech to text") for name in outcome.missing)


def test_a_service_that_is_not_mapped_is_wrong_input() -> None:
    with pytest.raises(InvalidInput, match="no service"):
        read(Request(providers=("azure",), services=("Quantum",)))


# Google


def test_google_prices_are_units_and_nanos_and_a_free_first_tier_is_the_allowance() -> None:
    sku = google_sku("FEBD-04B6-769B", "Neural2", {"0": ("0", 0), "2000000": ("0", 17_500)})
    found = entry(read_google({"Cloud Text-to-Speech API": [sku]}), "Neural2 voices", "global")
    price = price_of(found)
    assert tiers(found) == [(None, "0.0000175")]
    assert price.free is not None
    assert (price.free.quantity, price.free.kind) == (Decimal(2_000_000), "always")


def test_google_storage_is_one_sku_per_region() -> None:
    sku = google_sku("01C0-1EAA-23AD", "Standard Storage Hong Kong", {"0": ("0", 24_000_000)}, unit="GiBy.mo")
    outcome = read_google({"Cloud Storage": [sku | {"serviceRegions": ["asia-east2"]}]})
    assert tiers(entry(outcome, "standard", "asia-east2")) == [(None, "0.024")]


def test_whole_units_and_nanos_add_up() -> None:
    sku = google_sku("A247-37D7-C094", "custom", {"0": ("1", 500_000_000)})
    outcome = read_google({"Cloud Text-to-Speech API": [sku]})
    assert "1.5 per character" in outcome.remarks[0].text  # held back: no voice costs that much


def test_google_pages_are_followed_by_token_and_services_found_by_name() -> None:
    skus = [google_sku(f"AAAA-AAAA-{number:04d}", "x", {"0": ("0", 1)}) for number in range(5)]
    services: dict[str, list[Json]] = {"Compute Engine": [], "BigQuery": [], "Cloud Text-to-Speech API": skus}
    outcome = read_google(services)
    assert [price.meter for price in outcome.unmapped] == [sku["skuId"] for sku in skus]


def test_a_google_sku_may_be_two_entries_of_the_book() -> None:
    sku = google_sku("9D01-5995-B545", "Standard and WaveNet", {"0": ("0", 0), "4000000": ("0", 5000)})
    outcome = read_google({"Cloud Text-to-Speech API": [sku]})
    changed = {change.price.sku: change.percent for change in outcome.changes}
    assert changed == {"Standard voices": Decimal("25.0"), "WaveNet voices": Decimal("25.0")}


def test_the_api_key_goes_in_a_header_and_into_no_address() -> None:
    with serving(google({"Cloud Text-to-Speech API": []}, key="a key")) as feed:
        read(Request(providers=("gcp",), bases={"gcp": feed.url}, google_api_key="a key"))
        assert {one.headers["X-Goog-Api-Key"] for one in feed.asked} == {"a key"}
        assert all("key" not in one.query for one in feed.asked)


def test_the_api_key_is_in_no_repr() -> None:
    assert "secret" not in repr(Request(providers=("gcp",), google_api_key="secret"))


def test_azure_storage_is_per_month_and_operations_per_ten_thousand() -> None:
    rows = [
        azure_item("Blob Storage", "Hot LRS Data Stored", 0.021, unit="1 GB/Month", skuName="Hot LRS"),
        azure_item("Blob Storage", "Hot LRS Data Stored", 0.0202, unit="1 GB/Month", skuName="Hot LRS", tier=51200),
        azure_item("Blob Storage", "Hot LRS Write Operations", 0.051, unit="10K", region="westus"),
    ]
    outcome = read_azure(rows, services=("Blob",))
    assert tiers(entry(outcome, "hot lrs", "eastus")) == [("51200", "0.021"), (None, "0.0202")]
    assert tiers(entry(outcome, "hot lrs write operations", "westus")) == [(None, "0.0000051")]


# AWS


def test_aws_bulk_tiers_are_sorted_and_their_ends_read_in_both_names() -> None:
    rates = {"0": "0.0011000000", "1000000": "0.0009000000", "5000000": "0.0007000000"}
    for named in ("begin", "starting"):
        term = aws_term("R2", rates, unit="Images", named=named)
        offer = aws_offer("AmazonRekognition", "eu-west-1", {"EU-Group2-ImagesProcessed": term})
        outcome = read_aws({"AmazonRekognition": {"eu-west-1": offer}})
        found = entry(outcome, "Group 2 image APIs", "eu-west-1")
        assert tiers(found) == [("1000000", "0.0011"), ("5000000", "0.0009"), (None, "0.0007")]
        assert str(found["source"]).endswith("/AmazonRekognition/20260911201432/eu-west-1/index.json")


def test_a_usage_type_is_matched_whole_without_its_region() -> None:
    usage = {
        "USE1-TranscribeAudio": aws_term("T1", {"0": "0.0002"}, unit="second"),
        "USE1-CallAnalyticsTranscribeAudio": aws_term("T2", {"0": "0.0005"}, unit="second"),
        "USE1-ToxicityTranscribeAudio": aws_term("T3", {"0": "0.0009"}, unit="second"),
    }
    outcome = read_aws({"transcribe": {"us-east-1": aws_offer("transcribe", "us-east-1", usage)}})
    assert tiers(entry(outcome, "Standard batch", "us-east-1")) == [(None, "0.0002")]
    assert [price.description for price in outcome.unmapped] == ["USE1-ToxicityTranscribeAudio"]


def test_two_usage_types_of_one_sku_with_one_ladder_are_no_contradiction() -> None:
    usage = {
        "EUC1-Group2-ImagesProcessed": aws_term("R1", {"0": "0.0013"}, unit="Images"),
        "EUC1-Group2-AsyncImagesProcessed": aws_term("R2", {"0": "0.0013"}, unit="Images"),
    }
    offer = aws_offer("AmazonRekognition", "eu-central-1", usage)
    outcome = read_aws({"AmazonRekognition": {"eu-central-1": offer}})
    assert tiers(entry(outcome, "Group 2 image APIs", "eu-central-1")) == [(None, "0.0013")]
    assert outcome.remarks == ()


def test_the_name_of_a_machine_is_the_same_in_the_feed_and_in_the_book() -> None:
    usage = {
        "USE1-Host:ml.g5.xlarge": aws_term("H", {"0": "1.5"}, unit="Hrs"),
        "USE1-Train:ml.g5.xlarge": aws_term("T", {"0": "1.6"}, unit="Hrs"),
        "USE1-Host:ml.made.up": aws_term("M", {"0": "1"}, unit="Hrs"),
    }
    outcome = read_aws({"AmazonSageMaker": {"us-east-1": aws_offer("AmazonSageMaker", "us-east-1", usage)}})
    costs = {(row["service"], row["sku"]): tiers(row) for row in outcome.rows if row["as_of"] == "2026-11-20"}
    assert costs == {
        ("SageMaker hosting", "ml.g5.xlarge"): [(None, "1.5")],
        ("SageMaker training", "ml.g5.xlarge"): [(None, "1.6")],
    }
    assert [price.meter for price in outcome.unmapped] == ["Host:ml.made.up"]


def test_storage_is_read_by_its_usage_types_and_requests_one_by_one() -> None:
    usage = {
        "EUC1-TimedStorage-ByteHrs": aws_term("S", {"0": "0.0246", "51200": "0.0235"}, unit="GB-Mo"),
        "EUC1-Requests-Tier1": aws_term("P", {"0": "0.0000055"}, unit="Requests"),
        "EUC1-TimedStorage-INT-FA-ByteHrs": aws_term("I", {"0": "0.02"}, unit="GB-Mo"),
    }
    outcome = read_aws({"AmazonS3": {"eu-central-1": aws_offer("AmazonS3", "eu-central-1", usage)}})
    assert tiers(entry(outcome, "standard", "eu-central-1")) == [("51200", "0.0246"), (None, "0.0235")]
    assert tiers(entry(outcome, "PUT, COPY, POST, LIST requests", "eu-central-1")) == [(None, "0.0000055")]
    assert [price.meter for price in outcome.unmapped] == ["TimedStorage-INT-FA-ByteHrs"]


def test_transfer_out_keeps_its_allowance_which_the_feed_has_as_a_meter_of_its_own() -> None:
    usage = {
        "EU-DataTransfer-Out-Bytes": aws_term("O", {"0": "0.095", "10240": "0.085"}, unit="GB"),
        "EU-DataTransfer-Regional-Bytes": aws_term("Z", {"0": "0.011"}, unit="GB"),
    }
    everywhere = aws_term("F", {"0": "0", "100": "0.095"}, unit="GB")
    offers = {
        "eu-west-1": aws_offer("AWSDataTransfer", "eu-west-1", usage),
        "us-east-1": aws_offer("AWSDataTransfer", "", {"Global-DataTransfer-Out-Bytes": everywhere}),
    }
    del offers["us-east-1"]["products"]["F"]["attributes"]["regionCode"]
    outcome = read_aws({"AWSDataTransfer": offers}, regions=frozenset({"eu-west-1"}))
    found = entry(outcome, "Out to the internet", "eu-west-1")
    assert tiers(found) == [("10240", "0.095"), (None, "0.085")]
    free = price_of(found).free
    assert free is not None
    assert (free.quantity, free.kind) == (100, "always")
    assert tiers(entry(outcome, "Between zones of a region", "eu-west-1")) == [(None, "0.011")]


def test_textract_calls_that_wait_and_jobs_are_one_sku() -> None:
    term = {"0": "0.0016", "1000000": "0.0007"}
    usage = {
        "EU-SyncTextPagesProcessed": aws_term("S", term, unit="Pages"),
        "EU-AsyncTextPagesProcessed": aws_term("A", term, unit="Pages"),
    }
    outcome = read_aws({"AmazonTextract": {"eu-west-1": aws_offer("AmazonTextract", "eu-west-1", usage)}})
    assert tiers(entry(outcome, "DetectDocumentText", "eu-west-1")) == [("1000000", "0.0016"), (None, "0.0007")]
    assert outcome.remarks == ()


def test_only_the_regions_asked_for_are_fetched() -> None:
    offers = {
        region: aws_offer("AmazonPolly", region, {}) for region in ("us-east-1", "eu-west-1", "us-gov-west-1", "xx-1")
    }
    with serving(aws({**{code: {} for code in IN_BULK}, "AmazonPolly": offers})) as feed:
        read(Request(providers=("aws",), bases={"aws": feed.url}, regions=frozenset({"eu-west-1"})))
        fetched = [one.path.split("/")[-2] for one in feed.asked if "/20260911201432/" in one.path]
    assert fetched == ["eu-west-1"]


def test_prices_in_another_currency_or_by_reservation_are_no_prices_on_demand() -> None:
    term = aws_term("P", {"0": "0.00002"}, unit="Characters")
    offer = aws_offer("AmazonPolly", "us-east-1", {"SynthesizeSpeechNeural-Characters": term})
    offer["terms"]["Reserved"] = offer["terms"]["OnDemand"]
    offer["terms"]["OnDemand"] = {}
    assert read_aws({"AmazonPolly": {"us-east-1": offer}}).rows == ()
    dimension = next(iter(term["P.JRTCKXETXF"]["priceDimensions"].values()))
    dimension["pricePerUnit"] = {"CNY": "0.0001"}
    offer["terms"]["OnDemand"] = offer["terms"]["Reserved"]
    assert read_aws({"AmazonPolly": {"us-east-1": offer}}).rows == ()


def test_the_query_api_gives_what_the_bulk_files_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDLOOPBACK")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "loopback")
    term = aws_term("P", {"0": "0.0000170000"}, unit="Characters")
    offer = aws_offer("AmazonPolly", "us-east-1", {"USE1-SynthesizeSpeechNeural-Characters": term})
    listed = json.dumps(
        {
            "product": offer["products"]["P"],
            "serviceCode": "AmazonPolly",
            "terms": {"OnDemand": term},
            "version": offer["version"],
            "publicationDate": offer["publicationDate"],
        }
    )
    with serving(aws_query([listed, listed])) as feed:
        request = Request(
            providers=("aws",),
            services=("Polly",),
            bases={"aws": feed.url},
            aws_api="query",
            regions=frozenset({"us-east-1"}),
        )
        outcome = read(request)
        (first, second) = feed.asked
    assert tiers(entry(outcome, "Neural voices", "us-east-1")) == [(None, "0.000017")]
    assert json.loads(first.body)["Filters"] == [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"}]
    assert json.loads(second.body)["NextToken"] == "1"


def _machine(sku: str, price: str, **attributes: str) -> str:
    """An element of a machine in us-east-1 as GetProducts lists it."""
    term = aws_term(sku, {"0": price}, unit="Hrs")
    offer = aws_offer("AmazonEC2", "us-east-1", {"BoxUsage:g5.xlarge": term})
    offer["products"][sku]["attributes"] |= {
        "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used",
    } | attributes  # fmt: skip
    return json.dumps({"product": offer["products"][sku], "serviceCode": "AmazonEC2", "terms": {"OnDemand": term}})


def test_machines_are_asked_for_with_linux_shared_and_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDLOOPBACK")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "loopback")
    listed = [_machine("L", "1.1"), _machine("W", "1.9", operatingSystem="Windows")]
    with serving(aws_query(listed, page=2)) as feed:
        request = Request(
            providers=("aws",),
            services=("EC2",),
            bases={"aws": feed.url},
            aws_api="query",
            regions=frozenset({"us-east-1"}),
        )
        outcome = read(request)
        (asked,) = feed.asked
    assert tiers(entry(outcome, "g5.xlarge", "us-east-1")) == [(None, "1.1")]
    filters = {one["Field"]: one["Value"] for one in json.loads(asked.body)["Filters"]}
    assert filters == {
        "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used",
        "regionCode": "us-east-1",
    }  # fmt: skip


def test_machines_are_not_asked_for_in_bulk_and_the_message_says_how() -> None:
    with serving(aws({})) as feed, pytest.raises(InvalidInput, match="--api query"):
        read(Request(providers=("aws",), services=("EC2",), bases={"aws": feed.url}))


def test_the_recorded_element_of_aws_itself_is_read() -> None:
    """https://github.com/boto/botocore, botocore/data/pricing/2017-10-15/examples-1.json"""
    path = Path(botocore.__file__).parent / "data" / "pricing" / "2017-10-15" / "examples-1.json"
    recorded = json.loads(path.read_text(encoding="utf-8"))["examples"]["GetProducts"][0]["output"]["PriceList"]
    (price,) = element(recorded[0], source="botocore", today=TODAY)
    assert (price.product, price.meter, price.unit) == ("AmazonEC2", "EBS:VolumeUsage.piops", "GB-Mo")
    assert [(tier.up_to, tier.price) for tier in price.tiers] == [(None, Decimal("0.138"))]
    assert price.effective_from == "2017-08-01"
