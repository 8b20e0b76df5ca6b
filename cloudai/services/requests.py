"""Requests that take more than one line to build from what a caller passes; shared by sync and async."""

from __future__ import annotations

from collections.abc import Sequence

from cloudai.types import vision as v
from cloudai.types.media import Media


def document_request(
    media: Media,
    features: Sequence[v.DocumentFeature | str],
    pages: str | None,
    languages: Sequence[str],
    queries: Sequence[str],
) -> v.ReadDocumentRequest:
    return v.ReadDocumentRequest(
        document=media,
        features=tuple(v.DocumentFeature(feature) for feature in features),
        pages=pages,
        languages=tuple(languages),
        queries=tuple(queries),
    )


def analyze_request(
    media: tuple[Media, ...], operations: Sequence[str], max_results: int | None, min_confidence: float | None
) -> v.AnalyzeRequest:
    return v.AnalyzeRequest(
        images=media,
        operations=tuple(dict.fromkeys(operations)),
        max_results=max_results,
        min_confidence=min_confidence,
    )


def operation_of(operations: Sequence[str]) -> str:
    """The first operation, checked: all of them must be ones that `analyze` takes."""
    from cloudai.config_document import nearest
    from cloudai.errors import InvalidInput

    for operation in operations:
        if operation not in v.ANALYSIS_FIELDS:
            raise InvalidInput(f"analyze can't do {operation!r}{nearest(operation, v.ANALYSIS_FIELDS)}")
    if not operations:
        raise InvalidInput(f"analyze needs operations: {', '.join(v.ANALYSIS_FIELDS)}")
    return operations[0]


def texts_of(text: str | Sequence[str]) -> tuple[str, ...]:
    """One text or several, as several. Raises `InvalidInput` for anything else, and for none at all."""
    if isinstance(text, str):
        return (text,)
    texts = tuple(text)
    if not texts or not all(isinstance(item, str) for item in texts):
        from cloudai.errors import InvalidInput

        raise InvalidInput("give a text or a list of texts")
    return texts
