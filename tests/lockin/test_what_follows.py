"""What is said of the finds: equals elsewhere, shares, coupled lines, retirements, models; numbers worked out anew."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

import cloudai_aws
import cloudai_azure
import cloudai_gcp
import cloudai_local
from cloudai.lockin import Scan, facts, scan

PACKAGES = {"aws": cloudai_aws, "gcp": cloudai_gcp, "azure": cloudai_azure, "local": cloudai_local}


def declared(provider: str) -> dict[str, dict[str, object]]:
    file = Path(str(PACKAGES[provider].__file__)).with_name("capabilities.toml")
    return {row["name"]: row for row in tomllib.loads(file.read_text(encoding="utf-8"))["operation"]}


def test_shares_are_counts_of_calls_by_class(applications: Scan) -> None:
    for target, share in applications.shares.items():
        levels = [
            call.levels[target] for used in applications.operations if used.provider != target for call in used.calls
        ]
        assert share.calls == len(levels)
        assert share.levels == tuple(Fraction(levels.count(level), len(levels)) for level in (1, 2, 3, 4))
        assert share.portable == share.levels[0] + share.levels[1]
        assert sum(share.levels) == 1


def test_no_operation_is_had_where_the_target_declares_that_it_is_not(applications: Scan) -> None:
    for used in applications.operations:
        for target, fit in used.fits.items():
            row = declared(target).get(used.operation)
            if row is not None and row["support"] == "no":
                assert (fit.level, fit.source) == (4, row["source"]), (used.label, target)
            if row is not None and row["support"] in ("partial", "preview", "gated"):
                assert fit.level >= 3, (used.label, target)


def test_every_class_but_the_first_has_a_reason_and_declared_ones_a_source(applications: Scan) -> None:
    for used in applications.operations:
        for target, fit in used.fits.items():
            assert fit.reasons
            assert all(fit.reasons)
            if used.operation in declared(target):
                assert fit.source.startswith("https://")
                assert fit.as_of


def test_a_target_that_ends_within_the_horizon_counts_as_none_and_beyond_it_does_not(corpus: Path) -> None:
    day = date(2026, 11, 21)
    near = scan(corpus / "apps" / "ocr", as_of=day, horizon_months=36)
    far = scan(corpus / "apps" / "ocr", as_of=day, horizon_months=12)
    (labels,) = (used for used in near.operations if used.operation == "vision.detect_labels")
    assert labels.fits["azure"].level == 4
    assert labels.fits["azure"].retires == date(2028, 9, 25)
    (labels,) = (used for used in far.operations if used.operation == "vision.detect_labels")
    assert labels.fits["azure"].level < 4


def test_calls_through_cloudai_are_portable_and_their_options_are_not(scanned: Callable[..., Scan]) -> None:
    found = scanned(
        plain='import cloudai\ncloudai.Client().vision.read_text("a.png")\n',
        bound='import cloudai\ncloudai.Client().speech.synthesize("a", options={"aws": {"Engine": "neural"}})\n',
    )
    levels = {used.operation: {t: fit.level for t, fit in used.fits.items()} for used in found.operations}
    assert levels["vision.read_text"]["gcp"] == 1
    assert all(level >= 3 for level in levels["speech.synthesize"].values())
    assert found.neutral_share == Fraction(1, 2)
    assert found.providers == ("aws",)


def test_a_call_without_facts_is_a_work_around_that_says_so(scanned: Callable[..., Scan]) -> None:
    found = scanned(a='import boto3\nboto3.client("comprehend").detect_sentiment(Text="a", LanguageCode="en")\n')
    (used,) = found.operations
    assert used.label == "text.sentiment"
    assert used.fits["gcp"].level == 3
    assert "no facts" in used.fits["gcp"].reasons[0]


def test_features_that_are_used_are_held_against_the_targets_too(corpus: Path) -> None:
    found = scan(corpus / "apps" / "ocr", as_of=date(2026, 11, 21))
    (used,) = (u for u in found.operations if u.operation == "translation.translate")
    (glossary,) = used.features
    assert glossary.name == "glossary"
    assert glossary.fits["aws"].level <= 2
    assert glossary.fits["azure"].level == 3
    assert used.fits["azure"].level == 3


def test_coupled_lines_are_the_lines_that_name_a_vendor(scanned: Callable[..., Scan]) -> None:
    found = scanned(
        a="""\
import boto3

rek = boto3.client("rekognition")


def labels(data):
    answer = rek.detect_labels(
        Image={"Bytes": data},
        MaxLabels=3,
    )
    return [label["Name"] for label in answer["Labels"]]
"""
    )
    (used,) = found.operations
    assert {line.line for line in found.coupling if line.operation} == {7, 8, 9, 11}
    assert used.coupled_lines == 4
    assert {line.line for line in found.coupling if not line.operation} == {1, 3}
    assert found.shared_lines("aws") == 2


def test_retirements_are_those_of_what_is_used(corpus: Path) -> None:
    found = scan(corpus / "apps" / "speech", as_of=date(2026, 11, 21))
    (retirement,) = found.retirements
    assert (retirement.provider, retirement.ends, retirement.in_range) == ("azure", "2028-09-25", True)
    assert retirement.days == (date(2028, 9, 25) - date(2026, 11, 21)).days
    assert {place.file for place in retirement.places} == {"screens.py"}
    assert scan(corpus / "apps" / "moderation").retirements == ()


def test_a_part_of_a_service_that_ends_is_told_by_its_methods(scanned: Callable[..., Scan]) -> None:
    found = scanned(
        a='import boto3\nrek = boto3.client("rekognition")\nrek.start_person_tracking(Video={})\nrek.detect_text()\n',
        b="from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient\n"
        'CustomVisionTrainingClient("e", None).create_project("p")\n',
    )
    told = {(r.provider, r.feature): (r.ends, [str(place) for place in r.places]) for r in found.retirements}
    assert told["aws", "People Pathing (Start/GetPersonTracking)"] == ("2025-10-31", ["a.py:3"])
    assert told["azure", "whole service"] == ("2028-09-25", ["b.py:2"])


def test_custom_models_say_whether_they_can_leave(applications: Scan) -> None:
    told = {(model.provider, model.service): model.exportable for model in applications.models}
    assert told["aws", "Rekognition face collections / moderation adapters"] == "no"
    assert told["aws", "SageMaker training jobs"] == "yes"
    assert told["gcp", "Translation glossary"] == "data-only"
    for model in applications.models:
        assert model.places
        assert model.source.startswith("https://")


@pytest.mark.parametrize(
    ("day", "months", "after"),
    [
        (date(2026, 11, 21), 36, date(2029, 11, 21)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2023, 1, 31), 1, date(2023, 2, 28)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
        (date(2026, 11, 21), 0, date(2026, 11, 21)),
    ],
)
def test_a_month_after_the_end_of_a_longer_one_is_its_last_day(day: date, months: int, after: date) -> None:
    assert facts.months_after(day, months) == after


def test_the_same_files_give_the_same_scan(corpus: Path, applications: Scan) -> None:
    assert scan(corpus / "apps", as_of=applications.as_of) == applications
