"""Regions that are unknown, another provider's, or without a price: what is said of them."""

from __future__ import annotations

import json
from importlib import resources

import botocore.session
import pytest

from cloudai.cli import main
from cloudai_pricing import PlanError
from cloudai_pricing.regions import area_of, neighbours, neutral_regions, own_regions, region_of

SHEET = ["vision.read_document=3k pages", "storage=3 TB", "translation.translate=1M characters"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("us-eats-1", "us-east-1"),
        ("westeurop", "westeurope"),
        ("usa", "us"),
        ("Europe", "eu"),
        ("africa", "south-africa"),
    ],
)
def test_an_unknown_region_with_a_near_one_asks_whether_that_was_meant(written, meant):
    with pytest.raises(PlanError, match=f"Did you mean '{meant}'"):
        region_of(written, "aws")


def test_an_unknown_region_with_none_near_lists_the_neutral_ones(capsys, tmp_path):
    assert main(["estimate", "vision.detect_labels=3M images", "--region", "mars"]) == 2
    said = capsys.readouterr().err
    assert "Did you mean" not in said
    assert all(name in said for name in neutral_regions())
    assert len(said) < 400
    path = tmp_path / "w.toml"
    path.write_text('region = "mars"\n[[line]]\noperation = "vision.detect_labels"\nvolume = "3 images"\n')
    assert main(["estimate", str(path)]) == 2
    assert f"{path}:1: unknown region 'mars'. Take a neutral one (us," in capsys.readouterr().err


def test_another_providers_region_is_told_with_the_one_in_the_same_place(capsys):
    assert main(["estimate", "vision.detect_labels=3M images", "--region", "westeurope", "--provider", "aws"]) == 2
    assert "'westeurope' is not a region of aws. There it is 'eu-west-1'" in capsys.readouterr().err


@pytest.mark.parametrize("provider", ["aws", "azure"])
def test_a_region_without_a_price_names_those_that_have_one_for_each_line(capsys, provider):
    arguments = [*SHEET, "--provider", provider, "--region", "south-africa", "--format", "json"]
    assert main(["estimate", *arguments]) == 4
    (option,) = json.loads(capsys.readouterr().out)["options"]
    unpriced = [line["notes"][0] for line in option["lines"] if line["cost"] is None]
    assert unpriced
    assert all(f"no price in {option['region']} is known; there is one in " in note for note in unpriced)


def test_a_machine_without_a_price_in_a_region_names_those_that_have_one(capsys, tmp_path):
    path = tmp_path / "w.toml"
    path.write_text('region = "africa-south1"\n[[line]]\noperation = "custom.train"\naccelerator = "L4"\nhours = 3\n')
    assert main(["estimate", str(path), "--provider", "gcp"]) == 4
    assert "no price in africa-south1 is known; there is one in europe-west4" in capsys.readouterr().out


def test_neighbours_come_in_the_order_of_their_parts_of_the_world():
    names = ["us-east-1", "ap-south-1", "eu-west-1", "eu-central-1", "sa-east-1"]
    assert neighbours("eu-west-2", names) == ("eu-central-1", "eu-west-1", "us-east-1", "ap-south-1", "sa-east-1")
    assert neighbours("australiaeast", ["uksouth", "japaneast", "westus"]) == ("japaneast", "westus", "uksouth")


def test_every_region_in_the_table_is_in_some_part_of_the_world():
    for neutral in neutral_regions():
        for provider in ("aws", "azure", "gcp"):
            region = region_of(neutral, provider)
            assert region is None or area_of(region), region


def test_a_mix_of_nothing_priced_is_unknown_and_no_zero(capsys):
    assert main(["estimate", "vision.read_document=3k pages", "--region", "mexico", "--exclude", "gcp"]) == 4
    assert "Least mix: unknown" in capsys.readouterr().out


# The table against the providers' own lists

ABSENT = {("ireland", "gcp"), ("uae", "gcp")}
"""Countries in which a provider has no region."""


def test_every_neutral_region_is_one_of_each_provider_where_the_provider_is_there():
    pairs = {(neutral, provider) for neutral in neutral_regions() for provider in ("aws", "azure", "gcp")}
    assert {(neutral, provider) for neutral, provider in pairs if region_of(neutral, provider) is None} == ABSENT
    assert {"us", "eu", "asia"} <= set(neutral_regions())


def test_the_regions_of_aws_are_those_of_botocore():
    session = botocore.session.get_session()
    named = {
        region
        for partition in ("aws", "aws-us-gov")
        for region in session.get_available_regions("ec2", partition_name=partition)
    }
    assert own_regions("aws") == named


def test_the_regions_of_google_are_locations_of_its_endpoints():
    documents = resources.files("googleapiclient").joinpath("discovery_cache", "documents")
    named = set()
    for service in ("aiplatform.v1.json", "storage.v1.json", "run.v2.json", "logging.v2.json"):
        document = json.loads(documents.joinpath(service).read_text(encoding="utf-8"))
        named |= {endpoint["location"] for endpoint in document.get("endpoints", ())}
    assert len(named) > 40
    assert own_regions("gcp") <= named
