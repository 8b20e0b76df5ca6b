from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Detector(Protocol):
    def detect_faces(self, image: bytes) -> list[str]: ...


class Fake:
    def detect_faces(self, image: bytes) -> list[str]:
        return ["one"]


def count(d: Detector) -> int:
    return len(d.detect_faces(b""))


print(count(Fake()))
