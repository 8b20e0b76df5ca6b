"""Objects in S3: audio and documents on their way, transcripts, and inputs that are addressed by `s3://`."""

from __future__ import annotations

import logging
import uuid
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from cloudai.errors import TooLarge, Unsupported
from cloudai_aws.faults import code_of
from cloudai_aws.reply import s3_address
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai_aws.clients import Clients
    from cloudai_aws.settings import AwsSettings

_LOG = logging.getLogger(__name__)
CLEANUP_SECONDS = 1.0
"""For each deletion of what a call leaves behind, after its own time is over."""


class Storage:
    """S3 as this backend uses it."""

    def __init__(self, clients: Clients, settings: AwsSettings, *, backend: str) -> None:
        self._clients = clients
        self._settings = settings
        self._backend = f"{zlib.crc32(backend.encode()):08x}"

    def name(self, call: Call) -> str:
        """Of what a call makes: the same for all its attempts at this backend, another one's at any other, which may
        share the bucket. At most 64 letters, digits and hyphens."""
        return f"cloudai-{call.idempotency_key or uuid.uuid4().hex}-{self._backend}"

    @property
    def staging(self) -> bool:
        """Whether there is a bucket to put things into."""
        return self._settings.staging_bucket is not None

    def place(self, name: str, why: str) -> tuple[str, str]:
        """Bucket and key of an object to stage. Raises `Unsupported`, with the reason, without a bucket."""
        bucket = self._settings.staging_bucket
        if bucket is None:
            raise Unsupported(f"{why}: set staging_bucket in the backend, or pass an s3:// address")
        return bucket, f"{self._settings.staging_prefix}{name}"

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """A whole object."""
        self._clients("s3").put_object(Bucket=bucket, Key=key, Body=data)

    def read(self, bucket: str, key: str) -> bytes:
        """A whole object."""
        body: bytes = self._clients("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def fetch(self, uri: str, *, max_bytes: int, seconds: float) -> bytes:
        """At most `max_bytes`; one more is asked for, to see whether there is more. Raises `TooLarge`."""
        from botocore.exceptions import ClientError

        bucket, key = s3_address(uri)
        try:
            with within(seconds):
                reply = self._clients("s3").get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{max_bytes}")
                body: bytes = reply["Body"].read()
        except ClientError as error:
            if code_of(error) == "InvalidRange":  # an empty object has no first byte
                return b""
            raise
        if len(body) > max_bytes:
            raise TooLarge(f"the object has more than {max_bytes:,} bytes, the bound on inputs (max_bytes)")
        return body

    def remove(self, bucket: str, key: str) -> None:
        """Deletes an object. Never raises: what is left behind is logged, by its key alone."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        try:
            with within(CLEANUP_SECONDS):
                self._clients("s3").delete_object(Bucket=bucket, Key=key)
        except (BotoCoreError, ClientError, HTTPError, TimeoutError) as error:
            _LOG.warning("the staging object %s was not deleted: %s", key, type(error).__name__)


def quietly_delete_job(clients: Clients, name: str) -> None:
    """Deletes a transcription job; one that is gone, or was never made, is as good."""
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    with suppress(BotoCoreError, ClientError, HTTPError, TimeoutError), within(CLEANUP_SECONDS):
        clients("transcribe").delete_transcription_job(TranscriptionJobName=name)
