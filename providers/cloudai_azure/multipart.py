"""`multipart/form-data` (RFC 7578), as the speech and document services take files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part. `filename` makes it a file; names and types here are ours, never the caller's."""

    name: str
    content: bytes = field(repr=False)
    content_type: str
    filename: str | None = None


def form(parts: Sequence[Part]) -> tuple[bytes, str]:
    """Body and content type. The boundary is made of the content, so that one request is one sequence of bytes."""
    seed = hashlib.sha256()
    for part in parts:
        seed.update(part.content)
    boundary = f"cloudai-{seed.hexdigest()}"
    chunks = list[bytes]()
    for part in parts:
        file = f'; filename="{part.filename}"' if part.filename else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"{file}\r\n'
        chunks += [f"{head}Content-Type: {part.content_type}\r\n\r\n".encode(), part.content, b"\r\n"]
    chunks.append(f"--{boundary}--\r\n".encode())
    return b"".join(chunks), f"multipart/form-data; boundary={boundary}"
