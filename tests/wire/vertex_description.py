"""What Google says of Vertex AI and Cloud Logging: their methods by the discovery documents, and the form of errors."""

from __future__ import annotations

from functools import cache
from typing import Any

from gcp_description import Discovery, Method
from gcp_server import PROJECT

PARENT = f"projects/{PROJECT}/locations/us-central1"
PAGE = 2
"""Resources on a page: every list has to follow its pages."""
Json = dict[str, Any]


class Refused(Exception):
    """An error as Google sends it."""

    def __init__(self, status: int, code: str, message: str, *, details: list[Json] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.details = status, code, details


def missing(what: str) -> Refused:
    return Refused(404, "NOT_FOUND", f"{what} does not exist")


@cache
def methods() -> tuple[Method, ...]:
    found = [each for name in ("aiplatform.v1", "logging.v2") for each in Discovery(name).methods()]
    return tuple(sorted(found, key=lambda each: each.path.pattern.count("[^/]+")))


@cache
def find(verb: str, path: str) -> Method | None:
    return next((each for each in methods() if each.verb == verb and each.path.fullmatch(path)), None)


def named(body: Any) -> Any:
    """Enums by their names: Google's clients send their numbers, and Google takes both."""
    from google.cloud import aiplatform_v1

    kinds = {"acceleratorType": aiplatform_v1.AcceleratorType, "strategy": aiplatform_v1.Scheduling.Strategy}
    if isinstance(body, list):
        return [named(each) for each in body]
    if not isinstance(body, dict):
        return body
    return {k: kinds[k](v).name if k in kinds and isinstance(v, int) else named(v) for k, v in body.items()}
