"""S3 as SageMaker uses it: source and data put in under names of their content, artefacts taken out in ranges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cloudai.errors import TooLarge, Unsupported
from cloudai_aws.reply import s3_address

if TYPE_CHECKING:
    from cloudai_aws.clients import Clients
    from cloudai_aws.settings import AwsSettings

MAX_PUT = 5 * 1024**3
"""Of one request: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
RANGE = 32 * 1024 * 1024
"""Bytes of an artefact that are in memory at a time."""


class Objects:
    """One backend's staging bucket, and whatever else its jobs name."""

    def __init__(self, clients: Clients, settings: AwsSettings) -> None:
        self._clients = clients
        self._settings = settings

    def address(self, path: str) -> str:
        """`s3://bucket/prefix/path`. Raises `Unsupported` without a bucket."""
        bucket = self._settings.staging_bucket
        if bucket is None:
            raise Unsupported("SageMaker reads source, data and models from S3: set staging_bucket in the backend")
        return f"s3://{bucket}/{self._settings.staging_prefix}{path}"

    def put(self, address: str, data: bytes) -> None:
        """Unless an object of that size is there: names are of contents."""
        bucket, key = s3_address(address)
        if dict(self._listed(bucket, key)).get(key) != len(data):
            self._clients("s3").put_object(Bucket=bucket, Key=key, Body=data)

    def put_file(self, address: str, file: BinaryIO) -> None:
        """A file from its start, unless an object of that size is there: names are of contents."""
        bucket, key = s3_address(address)
        size = file.seek(0, 2)
        file.seek(0)
        if size > MAX_PUT:
            raise TooLarge(f"{key} is larger than 5 GiB, S3's bound on one request")
        if dict(self._listed(bucket, key)).get(key) != size:
            self._clients("s3").put_object(Bucket=bucket, Key=key, Body=file)

    def remove_all(self, address: str) -> None:
        """Objects below an address that ends in a slash."""
        bucket, prefix = s3_address(address + "x")
        for key, _ in list(self._listed(bucket, prefix[:-1])):
            self._clients("s3").delete_object(Bucket=bucket, Key=key)

    def put_folder(self, address: str, files: Mapping[str, Path]) -> None:
        """Files below an address that ends in a slash: those that are not there in that size."""
        bucket, prefix = s3_address(address + "x")
        prefix = prefix[:-1]
        there = dict(self._listed(bucket, prefix))
        for name, path in files.items():
            size = path.stat().st_size
            if there.get(prefix + name) == size:
                continue
            if size > MAX_PUT:
                raise TooLarge(f"{path} is larger than 5 GiB: put it into S3 (aws s3 cp), and give its s3:// address")
            with path.open("rb") as body:
                self._clients("s3").put_object(Bucket=bucket, Key=prefix + name, Body=body)

    def keys(self, address: str) -> dict[str, int]:
        """Keys below an address -> bytes."""
        bucket, prefix = s3_address(address)
        return dict(self._listed(bucket, prefix))

    def save(self, address: str, file: BinaryIO) -> None:
        """A whole object, of one version, into an open file."""
        bucket, key = s3_address(address)
        client = self._clients("s3")
        head = client.head_object(Bucket=bucket, Key=key)
        size, tag = int(head["ContentLength"]), str(head["ETag"])
        for first in range(0, size, RANGE):
            last = min(first + RANGE, size) - 1
            part = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={first}-{last}", IfMatch=tag)
            file.write(part["Body"].read())

    def _listed(self, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
        token: dict[str, str] = {}
        while True:
            reply = self._clients("s3").list_objects_v2(Bucket=bucket, Prefix=prefix, **token)
            for found in reply.get("Contents", ()):
                yield str(found["Key"]), int(found["Size"])
            if not reply.get("IsTruncated"):
                return
            token = {"ContinuationToken": str(reply["NextContinuationToken"])}
