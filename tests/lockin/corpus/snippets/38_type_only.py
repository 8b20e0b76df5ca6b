from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.cloud.vision import AnnotateImageResponse, ImageAnnotatorClient


def count(response: dict) -> int:
    return len(response)
