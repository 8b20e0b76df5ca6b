"""Outages, dead primaries, flapping and stragglers: counted at the sockets of servers that misbehave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import median

import pytest

from cloudai import AsyncClient, Client
from cloudai.calls.latencies import ENOUGH
from cloudai.config import Config
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing import faults
from cloudai.testing.faults import Always, FaultServer, First, Flapping, Ok, Share, Status

CALLS = 1000


def routed(servers: Sequence[FaultServer], strategy: str = "ordered", **policy: float) -> Config:
    """To `s0`, `s1`, ... in this order."""
    made = faults.config(*(server.backend(f"s{number}") for number, server in enumerate(servers)), **policy)
    (route,) = made.routes
    return replace(made, routes=(replace(route, strategy=strategy),))


def translate(client: Client) -> str:
    return client.translation.translate("hello", source="en", target="de").backend


def failed(client: Client) -> float:
    """Seconds until the error."""
    begun = time.perf_counter()
    with pytest.raises(CloudAIError) as caught:
        translate(client)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    return time.perf_counter() - begun


def test_an_outage_is_not_multiplied_by_retries() -> None:
    with faults.serve(script=Always(Status(503))) as server, server.client(routed([server], backoff=0.01)) as client:
        for _ in range(CALLS):
            failed(client)
        assert CALLS <= server.count() <= 1.10 * CALLS


def test_an_outage_of_all_backends_is_told_without_asking() -> None:
    with faults.serve(script=Always(Status(503))) as one, faults.serve(script=Always(Status(503))) as other:
        config = routed([one, other], backoff=0.01, breaker_cooldown=30.0)
        with one.client(config) as client:
            seconds = [failed(client) for _ in range(CALLS)]
            assert one.count() + other.count() <= 0.02 * CALLS
            assert client.backends.keys() == {"s0", "s1"}
    assert median(seconds[50:]) < median(seconds[:4]), "an error that asks nobody is quicker than one that asks both"


def test_an_outage_that_is_over_is_noticed() -> None:
    with faults.serve(script=First(8, Status(503))) as one, faults.serve(script=First(8, Status(503))) as other:
        config = routed([one, other], backoff=0.001, breaker_cooldown=0.05)
        with one.client(config) as client:
            ends = time.monotonic() + 20
            while time.monotonic() < ends:
                try:
                    translate(client)
                    break
                except CloudAIError as error:
                    time.sleep(min(0.1, error.retry_after or 0.0))
            else:
                pytest.fail("it was never asked again")
            assert [translate(client) for _ in range(5)]


@pytest.mark.parametrize("callers", [1, 8])
def test_a_dead_primary_costs_nothing_but_a_few_requests(callers: int) -> None:
    with faults.serve(script=Always(Status(503))) as dead, faults.serve() as healthy:
        config = routed([dead, healthy], backoff=0.001)
        with dead.client(config) as client, ThreadPoolExecutor(callers) as threads:
            backends = list(threads.map(lambda _: translate(client), range(CALLS)))
        assert backends == ["s1"] * CALLS
        assert dead.count() <= 0.03 * CALLS
        assert healthy.count() == CALLS


def test_one_bad_of_three_is_passed_over() -> None:
    with faults.serve(script=Always(Status(500))) as bad, faults.serve() as one, faults.serve() as other:
        config = routed([one, bad, other], strategy="weighted", backoff=0.001)
        with bad.client(config) as client:
            backends = [translate(client) for _ in range(CALLS)]
        assert len(backends) == CALLS
        assert "s1" not in backends
        assert bad.count() <= 0.03 * CALLS
        assert min(backends.count("s0"), backends.count("s2")) > 0.3 * CALLS


def test_flapping_is_not_noticed_by_callers() -> None:
    """Half a second of service, half a second of 503, over and over."""
    with faults.serve(script=Flapping(up=0.5, down=0.5)) as flapping, faults.serve() as steady:
        config = routed([flapping, steady], backoff=0.001, breaker_cooldown=0.2)
        answered = begun = 0
        ends = time.monotonic() + 4.0
        with flapping.client(config) as client:
            while time.monotonic() < ends:
                begun += 1
                answered += bool(translate(client))
        assert answered >= 0.999 * begun
        assert flapping.count() > 10, "it is used again when it is up"


def test_a_hung_primary_is_left_after_its_share_and_then_left_alone() -> None:
    from cloudai.testing.faults import Hang

    with faults.serve(script=Always(Hang())) as hung, faults.serve() as healthy:
        config = routed([hung, healthy], timeout=0.5, deadline=60.0, backoff=0.001, breaker_cooldown=60.0)
        with hung.client(config) as client:
            assert [translate(client) for _ in range(100)] == ["s1"] * 100
        assert hung.count() <= 6


def test_throttling_moves_callers_to_the_fallback_and_opens_no_breaker() -> None:
    with faults.serve(script=First(1, Status(429, retry_after=0.3))) as busy, faults.serve() as other:
        with busy.client(routed([busy, other])) as client:
            first = [translate(client) for _ in range(50)]
            time.sleep(0.35)
            after = translate(client)
        assert set(first[1:]) <= {"s0", "s1"}
        assert after == "s0", "as soon as its time is over it is first again"
        early = [arrival for arrival in busy.requests[1:] if arrival.at < busy.requests[0].at + 0.3]
        assert early == []


# --- hedging -----------------------------------------------------------------------------------------

SLOW = Share(0.05, Ok(slower=10))


def test_hedging_asks_few_times_more_and_cancels_the_losers() -> None:
    """What it takes off the tail is measured in the bench: here the machine is shared."""
    with faults.serve(script=SLOW, latency=0.02) as server:

        async def run() -> None:
            async with server.async_client(routed([server], strategy="hedged")) as client:
                await asyncio.gather(*(some(client) for _ in range(16)))

        async def some(client: AsyncClient) -> None:
            for _ in range(60):
                await client.translation.translate("hello", source="en", target="de")

        asyncio.run(run())
        assert 960 < server.count() <= 1.06 * 960
        assert server.abandoned > 0.8 * (server.count() - 960), "a loser's connection is closed"


def test_there_are_no_hedges_in_an_outage() -> None:
    with faults.serve(script=Always(Status(503)), latency=0.01) as server:

        async def run() -> None:
            async with server.async_client(routed([server], strategy="hedged", max_attempts=1)) as client:
                for _ in range(100):
                    with pytest.raises(CloudAIError):
                        await client.translation.translate("hello", source="en", target="de")

        asyncio.run(run())
        assert server.count() == 100


def test_a_sync_client_hedges_too() -> None:
    with faults.serve(script=SLOW, latency=0.01) as server:
        with server.client(routed([server], strategy="hedged")) as client, ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: translate(client), range(400)))
        assert 400 <= server.count() <= 1.06 * 400 + 1


def test_the_hedge_goes_to_the_next_backend() -> None:
    with faults.serve(latency=0.005) as first, faults.serve() as second:
        with first.client(routed([first, second], strategy="hedged")) as client:
            for _ in range(ENOUGH):  # none of these is hedged, however late it is: nobody knows yet what is usual
                translate(client)
            first.play(Always(Ok(delay=5.0)))
            assert translate(client) == "s1"
        assert second.count() == 1


# --- rates -------------------------------------------------------------------------------------------


def test_a_rate_is_kept_by_all_threads_together() -> None:
    with faults.serve() as server:
        config = replace(routed([server]), rates={"s0": {"translation.*": 50.0}})
        with server.client(config) as client, ThreadPoolExecutor(16) as threads:
            begun = time.monotonic()
            list(threads.map(lambda _: translate(client), range(120)))
        times = sorted(arrival.at for arrival in server.requests)
    assert len(times) == 120
    early = [number for number, at in enumerate(times, 1) if number > 50 + 50 * (at - begun)]
    assert early == [], "a burst of a second's calls, then the rate"


def test_a_call_that_would_wait_past_its_deadline_is_not_sent() -> None:
    with faults.serve() as server:
        config = replace(routed([server], deadline=20.0), rates={"s0": {"*": 0.01}})
        with server.client(config) as client:
            translate(client)
            with pytest.raises(CloudAIError, match="not sent") as caught:
                translate(client)
        assert caught.value.code is ErrorCode.RATE_LIMITED
        assert server.count() == 1
