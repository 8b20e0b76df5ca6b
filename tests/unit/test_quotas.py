"""`"quota"` in `[rates]`: the provider's documented default, where there is one, with its source and date."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudai.calls.rates import rates_of
from cloudai.errors import ConfigError
from cloudai.registry import Registry
from cloudai.testing import faults

PROVIDERS = ("aws", "azure", "gcp", "local")
DOCUMENTED = {
    "vision.read_document": 900,
    "vision.moderate": 6_000,
    "speech.transcribe": 600,
    "speech.synthesize": 12_000,
}
"""Of Azure's tier S0."""


def declared(provider: str) -> dict[str, int]:
    """Operation -> requests a minute."""
    rows = Registry.installed().get(provider).capabilities.operations
    return {
        name: row.limits.requests_per_minute for name, row in rows.items() if row.limits.requests_per_minute is not None
    }


def rates(table: dict[str, float | None], *names: str) -> dict[tuple[str, str], float]:
    with faults.serve("azure") as server:
        config = replace(server.config(), rates={"azure": table})
        with server.client(config) as client:
            return dict(rates_of(config, client.backends, names))


def test_azures_quotas_are_those_of_its_documentation() -> None:
    assert declared("azure") == DOCUMENTED


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_quota_has_a_source_and_a_date(provider: str) -> None:
    for name, row in Registry.installed().get(provider).capabilities.operations.items():
        if row.limits.requests_per_minute is not None:
            assert row.limits.source.startswith("https://"), name
            assert row.limits.as_of, name


def test_a_quota_is_a_rate_of_requests_a_second() -> None:
    assert rates({"vision.read_document": None}, "vision.read_document") == {("azure", "vision.read_document"): 15.0}


def test_a_wildcard_holds_where_a_quota_is_documented() -> None:
    found = rates({"*": None}, *DOCUMENTED, "vision.detect_labels")
    assert found == {("azure", name): quota / 60 for name, quota in DOCUMENTED.items()}


def test_a_named_operation_without_a_documented_quota_is_refused() -> None:
    with pytest.raises(ConfigError, match="no quota of azure is known for it: give a rate"):
        rates({"vision.detect_labels": None}, "vision.detect_labels")
