"""Replies made to exhaust whoever reads them, from every provider's wire: a typed error, whatever was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from cloudai.errors import CloudAIError
from cloudai.testing import faults
from cloudai.testing.faults.wire import Asked, Reply, Wanted, wire_of
from cloudai.testing.samples import picture

BODIES = {
    "lists within lists": b"[" * 500_000,
    "objects within objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "an integer of 100,000 digits": b'{"responses": ' + b"9" * 100_000 + b"}",
    "no text": b"\xff\xfe\xfd",
}


class Hostile:
    """A provider's wire whose answers are something else."""

    def __init__(self, provider: str, body: bytes) -> None:
        self._wire = wire_of(provider)
        self._body = body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)

    def answer(self, asked: Asked, wanted: Wanted) -> Reply:
        proper = self._wire.answer(asked, wanted)
        return Reply(content_type=proper.content_type, headers=proper.headers, body=self._body)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("provider", ["aws", "gcp", "azure"])
def test_a_hostile_reply_is_a_typed_error(provider: str, body: str) -> None:
    with faults.serve(Hostile(provider, BODIES[body])) as server:
        with server.client(server.config(max_attempts=1)) as client, pytest.raises(CloudAIError) as caught:
            client.vision.read_text(picture(), raw=True)
        assert server.count() == 1
    assert len(str(caught.value)) < 600
