"""Equivalence: the rule on plain facts, the written table against what providers declare, known pairs."""

from __future__ import annotations

from datetime import date

import pytest

from cloudai.lockin.equivalence import compiled
from cloudai_pricing.equivalence import COMPILED, Floor, Offer, match, table

SOON, LATER = date(2027, 1, 1), date(2030, 1, 1)


def test_written_table_is_what_the_providers_declare() -> None:
    assert COMPILED.read_text(encoding="utf-8") == compiled(), "run python -m cloudai.lockin.equivalence"


@pytest.mark.parametrize(
    ("here", "there", "kind"),
    [
        (Offer(support="yes"), Offer(support="yes"), 1),
        (Offer(support="yes"), None, 4),
        (Offer(support="yes"), Offer(support="no"), 4),
        (Offer(support="yes"), Offer(support="partial"), 3),
        (Offer(support="yes"), Offer(support="preview"), 3),
        (Offer(support="yes"), Offer(support="gated"), 3),
        (Offer(support="yes", forms=("percent", "none", "none", "none")), Offer(support="yes"), 2),
        (Offer(support="yes"), Offer(support="yes", forms=("percent", "none", "none", "none")), 1),
        (Offer(support="yes", modes=("sync",)), Offer(support="yes", modes=("job",)), 2),
        (Offer(support="yes", modes=("sync", "job")), Offer(support="yes", modes=("job",)), 2),
        (Offer(support="yes", modes=("job",)), Offer(support="yes", modes=("sync", "job")), 1),
    ],
)  # fmt: skip
def test_rule_of_the_classes(here: Offer, there: Offer | None, kind: int) -> None:
    found = match(here, there, until=SOON)
    assert found.kind == kind
    assert found.why


def test_retirement_within_the_horizon_counts_as_none_and_beyond_it_by_its_forms() -> None:
    ending = Offer(support="retiring", retires=date(2028, 9, 25))
    assert match(Offer(support="yes"), ending, until=LATER).kind == 4
    assert match(Offer(support="yes"), ending, until=date(2028, 9, 25)).kind == 4
    assert match(Offer(support="yes"), ending, until=SOON).kind == 1
    assert match(Offer(support="yes"), Offer(support="retiring"), until=SOON).kind == 4


def test_a_judged_floor_holds_and_says_why() -> None:
    found = match(Offer(support="yes"), Offer(support="yes"), Floor(2, "own names"), until=SOON)
    assert (found.kind, found.why) == (2, ("own names",))


@pytest.mark.parametrize(
    ("source", "target", "operation", "until", "kind"),
    [
        ("aws", "gcp", "vision.detect_labels", SOON, 2),  # 0-100 against 0-1
        ("aws", "azure", "vision.detect_labels", SOON, 2),
        ("aws", "azure", "vision.detect_labels", LATER, 4),  # retires 2028-09-25
        ("gcp", "azure", "translation.translate", SOON, 1),  # BCP 47 on both sides
        ("azure", "gcp", "translation.translate", SOON, 2),  # only Azure tells how sure it is of a detected language
        ("aws", "gcp", "vision.detect_faces", SOON, 3),  # attributes in part
        ("aws", "gcp", "vision.caption", SOON, 4),
        ("aws", "gcp", "vision.compare_faces", SOON, 4),
        ("aws", "azure", "vision.compare_faces", SOON, 3),  # Limited Access
        ("azure", "aws", "video.detect_labels", SOON, 2),
        ("aws", "gcp", "video.detect_labels", LATER, 4),  # shutdown 2027-09-14
        ("aws", "local", "vision.moderate", SOON, 4),
        ("aws", "local", "vision.read_text", SOON, 2),
    ],
)
def test_classes_of_known_pairs(source: str, target: str, operation: str, until: date, kind: int) -> None:
    assert table().match(source, target, operation, until=until).kind == kind


def test_a_feature_that_is_not_had_leaves_a_work_around() -> None:
    found = table().worst("aws", "gcp", "speech.transcribe", ["diarization", "pii_redaction"], until=SOON)
    assert found.kind == 3
    assert any("pii_redaction" in why for why in found.why)


def test_every_declared_fact_has_a_public_source_and_a_date() -> None:
    for provider, offers in table().offers.items():
        for key, offer in offers.items():
            assert offer.source.startswith("https://"), (provider, key)
            assert offer.as_of, (provider, key)
