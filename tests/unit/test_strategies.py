"""Who is asked first: the order of a route's backends, its conditions, and what they say when they keep one out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from cloudai import Client, CloudAIError, ErrorCode, Unsupported
from cloudai.calls.job import begin
from cloudai.calls.policy import CREATES
from cloudai.capabilities import Capabilities
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.residency import areas, outside
from cloudai.testing import FakeBackend
from cloudai.types.results import Result
from cloudai.types.translation import TranslateResult, Translation

HERE = Origin(place="test")
OK = TranslateResult(translations=(Translation(text="hallo", source="en"),), target="de")


def routed(
    names: tuple[str, ...],
    pattern: str = "translation.*",
    values: Mapping[str, Mapping[str, Any]] | None = None,
    **route: Any,
) -> Config:
    backends = {
        name: BackendConfig(name=name, provider=name, values=(values or {}).get(name, {}), origin=HERE)
        for name in names
    }
    return Config(
        source=None,
        backends=backends,
        routes=(Route(pattern=pattern, backends=names, origin=HERE, **route),),
        policy=Policy(backoff=0.001, max_backoff=0.002),
    )


def opened(config: Config) -> Client:
    fakes = (FakeBackend(name=name) for name in config.backends)
    return Client(config, providers=tuple(fake.answer("translation.translate", OK, always=True) for fake in fakes))


def served(client: Client, count: int, **call: Any) -> Counter[str]:
    return Counter(client.translation.translate("hello", target="de", **call).backend for _ in range(count))


# --- weighted ----------------------------------------------------------------------------------------


def test_weights_are_shares() -> None:
    with opened(routed(("a", "b", "c"), strategy="weighted", weights={"a": 7.0, "b": 2.0})) as client:
        share = served(client, 3000)
    assert 0.65 < share["a"] / 3000 < 0.75
    assert 0.15 < share["b"] / 3000 < 0.25
    assert 0.07 < share["c"] / 3000 < 0.13


def test_a_key_stays_with_its_backend() -> None:
    config = routed(("a", "b"), strategy="weighted")
    with opened(config) as client, opened(config) as another:
        for key in ("anna", "bert", "carla", "dora"):
            assert len(served(client, 20, key=key) + served(another, 20, key=key)) == 1
        keys = [next(iter(served(client, 1, key=str(number)))) for number in range(400)]
    assert 120 < keys.count("a") < 280


def test_a_new_weight_moves_only_the_keys_that_it_must() -> None:
    def where(weight: float) -> list[str]:
        with opened(routed(("a", "b"), strategy="weighted", weights={"a": weight})) as client:
            return [next(iter(served(client, 1, key=str(number)))) for number in range(400)]

    before, after = where(1.0), where(3.0)
    assert all(now == "a" for was, now in zip(before, after, strict=True) if was == "a")
    assert after.count("a") > before.count("a")


def test_a_weight_of_nothing_is_a_fallback_only() -> None:
    with opened(routed(("a", "b"), strategy="weighted", weights={"a": 0.0})) as client:
        assert served(client, 200) == {"b": 200}


# --- fastest, cheapest ---------------------------------------------------------------------------------


def taking(seconds: float) -> Callable[[object], Result]:
    def answer(_: object) -> Result:
        time.sleep(seconds)
        return OK

    return answer


def test_the_fastest_gets_nearly_all_and_the_other_is_looked_at_now_and_then() -> None:
    slow = FakeBackend(name="slow").answer("translation.translate", taking(0.03), always=True)
    quick = FakeBackend(name="quick").answer("translation.translate", taking(0.001), always=True)
    with Client(routed(("slow", "quick"), strategy="fastest"), providers=(slow, quick)) as client:
        served(client, 60)  # both are measured
        share = served(client, 400)
    assert share["quick"] > 0.9 * 400
    assert share["slow"] >= 1


def test_a_backend_that_got_faster_is_found_again() -> None:
    first = FakeBackend(name="first").answer("translation.translate", taking(0.004), always=True)
    second = FakeBackend(name="second").answer("translation.translate", taking(0.001), always=True)
    with Client(routed(("first", "second"), strategy="fastest"), providers=(first, second)) as client:
        served(client, 100)
        second.answer("translation.translate", taking(0.04), always=True)
        served(client, 250)
        assert served(client, 50)["first"] > 40


# --- conditions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "region", "inside"),
    [
        ("aws", "eu-west-1", True),
        ("aws", "eu-west-2", False),
        ("aws", "eu-central-2", False),
        ("gcp", "europe-west4", True),
        ("gcp", "europe-west6", False),
        ("gcp", "eu", True),
        ("azure", "westeurope", True),
        ("azure", "WestEurope", True),
        ("azure", "norwayeast", False),
        ("aws", "us-east-1", False),
        ("aws", None, False),
        ("acme", "eu-west-1", False),
        ("local", None, True),
    ],
)
def test_the_european_union_is_its_member_states(provider: str, region: str | None, inside: bool) -> None:
    assert (outside("eu", provider=provider, region=region) is None) is inside


def test_every_region_that_prices_know_is_in_one_country() -> None:
    from cloudai_pricing.regions import neutral_regions, region_of

    countries = {name: places for name, places in areas().items() if name not in ("eu", "eea")}
    for neutral in neutral_regions():
        for provider in ("aws", "gcp", "azure"):
            region = region_of(neutral, provider)
            if region is not None:
                assert [name for name, places in countries.items() if (provider, region) in places], (provider, region)
    placed = [place for places in countries.values() for place in places]
    assert len(placed) == len(set(placed))


def test_an_exact_route_refuses_a_backend_outside_its_residency_when_it_opens() -> None:
    config = routed(("a", "b"), pattern="translation.translate", residency="eu")
    with pytest.raises(Unsupported, match="residency eu: this backend has no region"):
        opened(config)


def test_a_wildcard_passes_over_a_backend_outside_and_says_why() -> None:
    values = {"a": {"region": "us-east-1"}, "b": {}}
    fake_local = FakeBackend(name="fake").answer("translation.translate", OK, always=True)
    config = routed(("a", "fake"), residency="eu", values=values)
    with Client(config, providers=(FakeBackend(name="a"), fake_local)) as client:
        assert served(client, 3) == {"fake": 3}
        (skipped,) = client.explain("translation.translate").skipped
        assert "residency eu: us-east-1 is not known to lie there" in skipped.reason
        with pytest.raises(Unsupported, match="residency eu"):
            client.translation.translate("hello", target="de", backend="a")


def test_data_of_a_class_goes_only_where_it_is_cleared() -> None:
    config = routed(("a", "b"), data_class="personal", values={"b": {"data_classes": ["public", "personal"]}})
    with opened(config) as client:
        assert served(client, 3) == {"b": 3}
        assert 'not cleared for "personal"' in client.explain("translation.translate").skipped[0].reason


def priced(*backends: tuple[str, str], **route: Any) -> Config:
    """Fakes that the price book knows as `gcp` or `aws`, with a region."""
    config = routed(tuple(name for name, _ in backends), pattern="*", **route)
    made = {name: replace(config.backends[name], values={"region": region}) for name, region in backends}
    return replace(config, backends=made)


class Billed(FakeBackend):
    """A fake of somebody who wants to be paid."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, auth="api key")


def priced_client(config: Config) -> Client:
    return Client(config, providers=tuple(Billed(name=name) for name in config.backends))


def test_a_backend_that_lacks_a_needed_feature_is_not_asked() -> None:
    config = routed(("fake", "gcp"), pattern="translation.translate", needs=("formality",))
    gcp = replace(config.backends["gcp"], values={"region": "us-central1", "project": "p", "api_key": "k"})
    config = replace(config, backends={**config.backends, "gcp": gcp})
    with pytest.raises(Unsupported, match="lacks formality"):
        Client(replace(config, routes=(replace(config.routes[0], backends=("gcp",)),)))


def test_the_cheapest_is_by_what_this_request_costs() -> None:
    """Amazon Translate takes 15 USD per million characters, Google 20, Azure 10 (list prices of the book)."""
    places = (("gcp", "us-central1"), ("aws", "us-east-1"), ("azure", "eastus"))
    with priced_client(priced(*places, strategy="cheapest")) as client:
        assert client.translation.translate("hello there", source="en", target="de").backend == "azure"
    with priced_client(priced(*places[:2], strategy="cheapest")) as client:
        assert client.translation.translate("hello there", source="en", target="de").backend == "aws"


def test_a_price_that_is_not_known_is_never_the_cheapest() -> None:
    with priced_client(priced(("acme", "x-1"), ("gcp", "us-central1"), strategy="cheapest")) as client:
        assert client.translation.translate("hello there", source="en", target="de").backend == "gcp"


def test_the_cheapest_looks_at_this_months_tier() -> None:
    from cloudai_pricing.callcost import tier_ratio

    def ratio(used: int, operation: str = "vision.detect_labels") -> Decimal | None:
        mine = "vision.detect_labels"
        return tier_ratio(provider="aws", operation=mine, region="us-east-1", used={operation: Decimal(used)})

    assert ratio(0) == 1
    assert ratio(999_999) == 1
    assert ratio(1_000_000) == Decimal("0.8")
    assert ratio(6_000_000, "vision.moderate") == Decimal("0.6"), "operations of one pool climb together"
    assert ratio(6_000_000, "translation.translate") == 1
    unknown = tier_ratio(provider="acme", operation="vision.detect_labels", region="x", used={})
    assert unknown is None


def test_a_call_that_may_cost_too_much_is_not_sent() -> None:
    with priced_client(priced(("gcp", "us-central1"), max_cost=Decimal("0.001"))) as client:
        client.translation.translate("x" * 50, source="en", target="de")
        with pytest.raises(CloudAIError, match=r"may cost 0.001020 USD, and max_cost is 0.001 USD") as caught:
            client.translation.translate("x" * 51, source="en", target="de")
        assert caught.value.code is ErrorCode.BUDGET_EXCEEDED


def test_a_call_whose_cost_nobody_knows_is_not_sent_under_a_bound() -> None:
    config = priced(("acme", "x-1"), max_cost=Decimal("5"))
    with priced_client(config) as client, pytest.raises(CloudAIError, match="what it costs is not known"):
        client.translation.translate("hello", source="en", target="de")


def test_too_dear_here_goes_to_the_next() -> None:
    config = priced(("gcp", "us-central1"), ("aws", "us-east-1"), max_cost=Decimal("0.0016"))
    with priced_client(config) as client:
        assert client.translation.translate("x" * 70, source="en", target="de").backend == "gcp"
        assert client.translation.translate("x" * 100, source="en", target="de").backend == "aws"


# --- hedged ------------------------------------------------------------------------------------------


def test_what_creates_something_is_never_hedged() -> None:
    with opened(routed(("a", "b"), pattern="*", strategy="hedged")) as client:
        assert begin(client._engine, "vision.detect_labels", {}).hedges
        assert not any(begin(client._engine, operation, {}).hedges for operation in CREATES)
