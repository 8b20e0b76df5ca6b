"""Ways of billing that vendors publish, each written as an overlay and held to a total that is worked out by hand.

Lambda's first example: https://aws.amazon.com/lambda/pricing/ (1.1M GB-s x 0.00001667 + 2M requests = 18.74).
"""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from cloudai.cli import main

LAMBDA = """
[[price]]
provider = "aws"
service = "Lambda"
sku = "compute"
operations = ["other.lambda_compute"]
region = "global"
unit = "GB-second"
tiers = [{ price = "0.00001667" }]
free = { quantity = "400_000", per = "month", kind = "always" }
[[price]]
provider = "aws"
service = "Lambda"
sku = "requests"
operations = ["other.lambda_requests"]
region = "global"
unit = "request"
tiers = [{ price = "0.0000002" }]
free = { quantity = "1_000_000", per = "month", kind = "always" }
"""


def price(operation: str, unit: str, terms: str) -> str:
    return f'[[price]]\nprovider = "acme"\noperations = ["{operation}"]\nregion = "global"\nunit = "{unit}"\n{terms}\n'


SHAPES: dict[str, tuple[str, str, str]] = {
    "serverless: GB-seconds and requests, each with its allowance": (
        LAMBDA,
        ('[[line]]\nname = "a"\noperation = "other.lambda_compute"\nvolume = "1.5M GB-seconds"\n'
        '[[line]]\nname = "b"\noperation = "other.lambda_requests"\nvolume = "3M requests"\n'),
        "18.737",
    ),
    "two functions share one allowance": (
        LAMBDA,
        ('[[line]]\nname = "a"\noperation = "other.lambda_compute"\nvolume = "300k GB-seconds"\n'
        '[[line]]\nname = "b"\noperation = "other.lambda_compute"\nvolume = "200k GB-seconds"\n'),
        "1.667",
    ),
    "blocks of 100 characters, at least 3, per request": (
        price("other.text", "character", 'tiers = [{ price = "0.000001" }]\n'
              'rounding = { increment = "100", minimum = "300" }'),
        ('[[line]]\nname = "long"\noperation = "other.text"\nvolume = "5.5M characters"\nrequest = "550 characters"\n'
        '[[line]]\nname = "short"\noperation = "other.text"\nvolume = "200k characters"\nrequest = "20 characters"\n'),
        "9",
    ),
    "blocks of 15 seconds": (
        price("speech.transcribe", "minute", 'tiers = [{ price = "0.024" }]\n'
              'rounding = { unit = "second", increment = "15", minimum = "15" }'),
        '[[line]]\noperation = "speech.transcribe"\nvolume = "70000 seconds"\nrequest = "7 seconds"\n',
        "60",
    ),
    "a whole document is 1,000 characters at least": (
        price("other.document", "character", 'tiers = [{ up_to = "5_000_000", price = "0" }, { up_to = '
              '"1_000_000_000", price = "0.000001" }, { price = "0.0000005" }]\n'
              'rounding = { increment = "1000", minimum = "1000" }'),
        '[[line]]\noperation = "other.document"\nvolume = "490M characters"\nrequest = "350 characters"\n',
        "1195",
    ),
    "a monthly minimum, not reached": (
        price("other.search", "query", 'commitment = { fee = "50", included = "10_000", overage = "0.005" }'),
        '[[line]]\noperation = "other.search"\nvolume = "400 queries"\n',
        "50",
    ),
    "a monthly minimum, passed": (
        price("other.search", "query", 'commitment = { fee = "50", included = "10_000", overage = "0.005" }'),
        '[[line]]\noperation = "other.search"\nvolume = "12k queries"\n',
        "60",
    ),
    "capacity reserved by the hour, used or not": (
        price("other.throughput", "instance-hour", 'commitment = { fee = "1.5", per = "hour", included = "730" }'),
        '[[line]]\noperation = "other.throughput"\nvolume = "200 instance-hours"\n',
        "1095",
    ),
    "a contract of a year, with overage": (
        price("other.seats", "seat", 'commitment = { fee = "12_000", per = "year", included = "100", overage = "15" }'),
        '[[line]]\noperation = "other.seats"\nvolume = "110 seats"\n',
        "1150",
    ),
    "a flat fee": (
        price("other.index", "month", 'tiers = [{ price = "810" }]'),
        '[[line]]\noperation = "other.index"\nvolume = "1 month"\n',
        "810",
    ),
    "a unit of the vendor's own": (
        price("other.cpu", "vCPU-second", 'tiers = [{ price = "0.000024" }]\n'
              'free = { quantity = "180_000", per = "month", kind = "always" }'),
        '[[line]]\noperation = "other.cpu"\nvolume = "1M vCPU-seconds"\n',
        "19.68",
    ),
    "a price in exponent form, as feeds print it": (
        price("other.get", "request", "tiers = [{ price = 4e-7 }]"),
        '[[line]]\noperation = "other.get"\nvolume = "1M requests"\n',
        "0.4",
    ),
    "two services on one ladder": (
        price("other.one", "image",
              'sku = "one"\npool = "p"\ntiers = [{ up_to = "1000", price = "2" }, { price = "1" }]')
        + price("other.two", "image",
                'sku = "two"\npool = "p"\ntiers = [{ up_to = "1000", price = "2" }, { price = "1" }]'),
        ('[[line]]\nname = "a"\noperation = "other.one"\nvolume = "800 images"\n'
        '[[line]]\nname = "b"\noperation = "other.two"\nvolume = "700 images"\n'),
        "2500",
    ),
    "an add-on on top of the base": (
        price("speech.transcribe", "hour", 'sku = "base"\ntiers = [{ price = "1" }]')
        + price("speech.transcribe", "hour", 'sku = "more"\nkind = "addon"\nfeatures = ["diarization"]\n'
                'tiers = [{ price = "0.3" }]'),
        '[[line]]\noperation = "speech.transcribe"\nvolume = "10 hours"\nfeatures = ["diarization"]\n',
        "13",
    ),
    "storage and what leaves it, in the units of each": (
        price("storage", "GB-month", 'tiers = [{ up_to = "1024", price = "0.02" }, { price = "0.01" }]')
        + price("egress", "GB", 'tiers = [{ price = "0.1" }]\nfree = { quantity = "100", kind = "always" }'),
        '[[line]]\noperation = "storage"\nvolume = "3 TB"\n[[line]]\noperation = "egress"\nvolume = "0.5 TiB"\n',
        "82.16",
    ),
    "one rate for all that is not named": (
        price("other.*", "unit", 'tiers = [{ price = "2" }]')
        + price("other.special", "unit", 'tiers = [{ price = "3" }]'),
        (
            '[[line]]\nname = "a"\noperation = "other.special"\nvolume = "10 units"\n'
            '[[line]]\nname = "b"\noperation = "other.plain"\nvolume = "10 units"\n'
        ),
        "50",
    ),
    "one rate for all that looks at a picture": (
        price("vision.*", "image", 'tiers = [{ price = "0.5" }]'),
        (
            '[[line]]\nname = "a"\noperation = "vision.detect_labels"\nvolume = "10 images"\n'
            '[[line]]\nname = "b"\noperation = "vision.moderate"\nvolume = "10 images"\n'
        ),
        "10",
    ),
    "a machine by name": (
        price("custom.deploy", "instance-hour", 'instance = "big.8x"\ntiers = [{ price = "1.515" }]'),
        '[[line]]\noperation = "custom.deploy"\ninstance = "big.8x"\nhours = "160 hours/month"\n',
        "242.4",
    ),
}  # fmt: skip


def estimate(tmp_path: Path, shape: str, *more: str) -> int:
    overlay, workload, _ = SHAPES[shape]
    (tmp_path / "own.toml").write_text(overlay, encoding="utf-8")
    (tmp_path / "workload.toml").write_text(f"months = 1\n{workload}", encoding="utf-8")
    provider = "aws" if "Lambda" in overlay else "acme"
    arguments = [str(tmp_path / "workload.toml"), "--prices", str(tmp_path / "own.toml"), "--provider", provider]
    return main(["estimate", *arguments, *more])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_published_way_of_billing_gives_the_total_of_its_own_arithmetic(capsys, tmp_path, shape):
    assert estimate(tmp_path, shape, "--format", "json") == 0
    (option,) = json.loads(capsys.readouterr().out)["options"]
    assert Decimal(option["total"]["likely"]) == Decimal(SHAPES[shape][2])
    assert all(piece["overridden"] for line in option["lines"] for piece in line["slices"])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_form_of_it_adds_up_to_the_same_total(capsys, tmp_path, shape):
    for form, column in (("csv", "cost"), ("focus", "BilledCost")):
        assert estimate(tmp_path, shape, "--format", form) == 0
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert sum(Decimal(row[column]) for row in rows) == Decimal(SHAPES[shape][2])
