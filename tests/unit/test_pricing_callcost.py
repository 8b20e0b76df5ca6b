"""What one call costs: at list price, rounded as the provider rounds, and unknown where it is unknown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cloudai_pricing import Book, price_call, unit_price
from cloudai_pricing.operations import operations


def cost(
    provider: str, operation: str, quantity: str, unit: str, *, region: str | None = "us", **more
) -> Decimal | None:
    return price_call(
        provider=provider, operation=operation, region=region, quantity=Decimal(quantity), unit=unit, **more
    ).amount


@pytest.mark.parametrize(
    ("provider", "operation", "quantity", "unit", "amount"),
    [
        ("aws", "vision.detect_labels", "1", "image", "0.001"),
        ("gcp", "vision.detect_labels", "1", "image", "0.0015"),
        ("azure", "translation.translate", "1000", "character", "0.01"),
        ("aws", "speech.transcribe", "60", "second", "0.006"),
        ("aws", "speech.transcribe", "1", "minute", "0.006"),
        ("aws", "speech.transcribe", "0.2", "second", "0.0001"),
        ("azure", "speech.transcribe", "10.4", "second", "0.00055"),
        ("aws", "translation.detect_language", "10", "character", "0.0003"),
        ("aws", "translation.detect_language", "301", "character", "0.0004"),
    ],
)
def test_the_first_paid_tier_with_rounding_per_request(provider, operation, quantity, unit, amount):
    assert cost(provider, operation, quantity, unit) == Decimal(amount)


def test_a_price_names_its_row():
    found = price_call(
        provider="aws", operation="vision.detect_labels", region="us-east-1", quantity=Decimal(1), unit="image"
    )
    (ref,) = found.refs
    assert ref.service == "Rekognition Image"
    assert ref.region == "us-east-1"
    assert ref.source.startswith("https://")
    assert ref.as_of
    assert ref.confidence


@pytest.mark.parametrize(
    ("provider", "operation", "unit", "region", "says"),
    [
        ("local", "vision.detect_labels", "image", None, "no price of local"),
        ("aws", "vision.detect_labels", "image", None, "no price in global"),
        ("aws", "vision.detect_labels", "image", "sa-east-1", "there is one in"),
        ("aws", "vision.detect_labels", "image", "atlantis", "unknown region"),
        ("aws", "vision.detect_labels", "page", "us", "priced per image"),
        ("aws", "vision.detect_labels", "parsec", "us", "no price is per parsec"),
        ("aws", "vision.no_such_thing", "image", "us", "no price of aws"),
        ("aws", "custom.deploy", "instance-hour", "us", "priced by instance"),
    ],
)
def test_an_unknown_price_is_none_with_the_reason_and_never_zero(provider, operation, unit, region, says):
    found = price_call(provider=provider, operation=operation, region=region, quantity=Decimal(1), unit=unit)
    assert found.amount is None
    assert found.refs == ()
    assert found.reason is not None
    assert says in found.reason


def test_an_operation_that_nobody_bills_costs_nothing():
    for operation in operations().values():
        if operation.free:
            assert cost("aws", operation.name, "1", "request") == 0
            assert cost("local", operation.name, "1", "request", region=None) == 0


def test_features_and_variants_change_the_price():
    assert cost("aws", "vision.read_document", "1", "page", features=("tables", "forms")) == Decimal("0.065")
    assert cost("aws", "speech.synthesize", "1000000", "character", variant="standard") == 4
    assert cost("aws", "speech.transcribe", "60", "second", features=("pii_redaction",)) == Decimal("0.0084")
    assert cost("aws", "speech.transcribe", "60", "second", features=("telepathy",)) is None


def test_the_unit_price_is_that_of_the_book():
    found = unit_price(provider="gcp", operation="speech.transcribe", region=None)
    assert found is not None
    assert (found.price, found.unit) == (Decimal("0.016"), "minute")
    (entry,) = [price for price in Book.shipped().prices("speech.transcribe") if price.sku == found.sku]
    assert (entry.source, entry.as_of, entry.confidence) == (found.source, found.as_of, found.confidence)
    assert unit_price(provider="local", operation="speech.transcribe", region=None) is None
    assert unit_price(provider="aws", operation="speech.voices", region="us-east-1") is None
