"""`"quota"` in `[rates]`: the provider's documented default, where there is one, with its source and date."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from cloudai.calls.rates import rates_of
from cloudai.errors import ConfigError
from cloudai.registry import Registry
from cloudai.testing import faults
from cloudai_pricing.operations import operations

PROVIDERS = ("aws", "azure", "gcp", "local")
DOCUMENTED = {
    "aws": {"speech.transcribe": 25 * 60, "speech.synthesize": 8 * 60},
    "azure": {
        "vision.read_document": 15 * 60,
        "vision.moderate": 6 * 1_000,
        "speech.transcribe": 600,
        "speech.synthesize": 200 * 60,
    },
    "gcp": {
        **dict.fromkeys(
            (
                "vision.detect_labels", "vision.detect_objects", "vision.detect_faces", "vision.read_text",
                "vision.moderate", "vision.detect_landmarks", "vision.detect_logos",
            ),
            1_800,
        ),
        "vision.read_document": 600,
        "speech.transcribe": 300,
        "speech.synthesize": 1_000,
    },
    "local": {},
}  # fmt: skip
"""Requests a minute, as the providers' pages have them (per second or per ten seconds, times as many). Amazon's are of
an account and region: StartTranscriptionJob, Polly's neural voices; those that stand in its console alone are not here.
Azure's are of tier S0, Google's of a project."""


def declared(provider: str) -> dict[str, int]:
    """Operation -> requests a minute."""
    rows = Registry.installed().get(provider).capabilities.operations
    return {
        name: row.limits.requests_per_minute for name, row in rows.items() if row.limits.requests_per_minute is not None
    }


def rates(
    table: dict[str, float | None], *names: str, provider: Literal["aws", "gcp", "azure"] = "azure"
) -> dict[tuple[str, str], float]:
    with faults.serve(provider) as server:
        config = replace(server.config(), rates={provider: table})
        with server.client(config) as client:
            return dict(rates_of(config, client.backends, names))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_quotas_are_those_of_the_providers_documentation(provider: str) -> None:
    assert declared(provider) == DOCUMENTED[provider]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_quota_has_a_source_and_a_date(provider: str) -> None:
    for name, row in Registry.installed().get(provider).capabilities.operations.items():
        limits = row.limits
        if limits.requests_per_minute is not None:
            assert (limits.quota_source or limits.source).startswith("https://"), name
            assert limits.quota_as_of or limits.as_of, name


def test_a_quota_is_a_rate_of_requests_a_second() -> None:
    assert rates({"vision.read_document": None}, "vision.read_document") == {("azure", "vision.read_document"): 15.0}


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_a_wildcard_holds_where_a_quota_is_documented(provider: Literal["aws", "gcp", "azure"]) -> None:
    found = rates({"*": None}, *operations(), provider=provider)
    assert found == {(provider, name): quota / 60 for name, quota in DOCUMENTED[provider].items()}


@pytest.mark.parametrize("name", ["vision.detect_labels", "translation.translate"])
def test_amazons_quotas_by_region_are_not_guessed(name: str) -> None:
    with pytest.raises(ConfigError, match="no quota of aws is known for it"):
        rates({name: None}, name, provider="aws")


def test_a_named_operation_without_a_documented_quota_is_refused() -> None:
    with pytest.raises(ConfigError, match="no quota of azure is known for it: give a rate"):
        rates({"vision.detect_labels": None}, "vision.detect_labels")
