"""An exhausted quota or a billing stop, over the wire: the backend is left alone for long, then tried by one call."""

from __future__ import annotations

import time

import pytest

from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing import faults
from cloudai.testing.faults import Always, Ok, Status
from cloudai.testing.samples import picture

STOPS = {
    "aws": Status(400, code="ServiceQuotaExceededException"),
    "azure": Status(403, code="QuotaExceeded"),
    "plain": Status(403, code="quota_exhausted"),
}


@pytest.mark.parametrize("provider", STOPS)
def test_one_call_learns_of_it_and_all_others_go_to_the_fallback(provider: str) -> None:
    with faults.serve(provider, Always(STOPS[provider])) as first, faults.serve(provider) as second:
        config = faults.config(first.backend("first"), second.backend("second"), breaker_cooldown=0.001)
        with first.client(config) as client:
            answers = [client.vision.detect_labels(picture()) for _ in range(50)]
        assert (first.count(), second.count()) == (1, 50)
    assert {answer.backend for answer in answers} == {"second"}


@pytest.mark.parametrize("provider", STOPS)
def test_after_the_cool_down_one_call_finds_it_well_again(provider: str) -> None:
    with faults.serve(provider, [STOPS[provider], Always(Ok())]) as first, faults.serve(provider) as second:
        config = faults.config(first.backend("first"), second.backend("second"), quota_cooldown=0.3)
        with first.client(config) as client:
            assert client.vision.detect_labels(picture()).backend == "second"
            time.sleep(0.35)
            assert client.vision.detect_labels(picture()).backend == "first"
        assert (first.count(), second.count()) == (2, 1)


def test_alone_it_is_an_error_that_is_not_repeated() -> None:
    with faults.serve("aws", Always(STOPS["aws"])) as server:
        with server.client() as client, pytest.raises(CloudAIError) as caught:
            client.vision.detect_labels(picture())
        assert (caught.value.code, caught.value.retryable) == (ErrorCode.QUOTA_EXHAUSTED, False)
        assert server.count() == 1


def test_throttling_of_every_call_opens_no_breaker() -> None:
    """As many refusals as would open it three times over: the backend is asked again as soon as it has said."""
    with faults.serve("plain", [*[Status(429, retry_after=0.01)] * 15, Always(Ok())]) as server:
        config = server.config(max_attempts=1, breaker_failures=5, breaker_cooldown=60.0)
        with server.client(config) as client:
            for _ in range(15):
                with pytest.raises(CloudAIError, match="rate_limited"):
                    client.vision.detect_labels(picture())
            assert client.vision.detect_labels(picture()).attempts == 1
        assert server.count() == 16
