"""What a fault server must know of a provider: how a request is read, answered, refused, and what it is billed as."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol, cast

from cloudai.errors import InvalidInput

JSON = "application/json"
EMPTY: Mapping[str, str] = {}


class Asked(NamedTuple):
    """One request as it came. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Wanted(NamedTuple):
    """One request as the provider understands it."""

    call: str
    """The provider's own name: `DetectLabels`, `POST /v1/images:annotate`."""
    operation: str = ""
    """cloudai's; empty for what belongs to none, such as a token."""
    unit: str = ""
    quantity: Decimal = Decimal(0)
    """Billable units when it is answered; 0: it is free."""
    variant: str | None = None
    """The SKU, as in `Usage.variant`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A whole answer."""

    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An error to be put into the provider's form. `wait` is given where the form has a place of its own for it."""

    status: int
    code: str | None
    message: str
    wait: float | None = None


class Wire(Protocol):
    """One provider's."""

    @property
    def provider(self) -> str: ...

    def settings(self, url: str) -> Mapping[str, object]:
        """`[backends.NAME]` for a server at `url`, `provider` included."""
        ...

    def read(self, asked: Asked) -> Wanted: ...

    def answer(self, asked: Asked, wanted: Wanted) -> Reply:
        """What the provider's own description allows."""
        ...

    def refuse(self, asked: Asked, wanted: Wanted, refusal: Refusal) -> Reply: ...


WIRES: Mapping[str, str] = {
    "aws": "cloudai.testing.faults.wire_aws:AwsWire",
    "gcp": "cloudai.testing.faults.wire_gcp:GcpWire",
    "azure": "cloudai.testing.faults.wire_azure:AzureWire",
    "plain": "cloudai.testing.faults.wire_plain:PlainWire",
}


def wire_of(provider: str) -> Wire:
    """A fresh one. Raises `InvalidInput` for a provider that has none."""
    if provider not in WIRES:
        raise InvalidInput(f"the fault server does not speak {provider!r}: it speaks {', '.join(WIRES)}")
    module, _, name = WIRES[provider].partition(":")
    return cast("Wire", getattr(importlib.import_module(module), name)())


def silence(rate: int, seconds: float = 0.1) -> bytes:
    """16-bit mono samples."""
    return bytes(2 * int(rate * seconds))


def wave_file(rate: int, seconds: float = 0.1) -> bytes:
    """The same as a WAV file."""
    import io
    import wave

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(silence(rate, seconds))
    return buffer.getvalue()


def seconds_of(sound: bytes) -> Decimal:
    """The length of a recording as far as its header says; 1 second otherwise."""
    from cloudai.calls.media import InputGuard, from_bytes
    from cloudai.types.media import MediaKind

    try:
        media = from_bytes(sound, MediaKind.AUDIO, guard=InputGuard())
    except InvalidInput:
        return Decimal(1)
    length = media.audio.duration if media.audio else None
    return Decimal(1) if length is None else Decimal(str(length))
