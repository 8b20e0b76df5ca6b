"""Which way a recording goes: fast transcription, or a batch where Azure finds it too long for that.

One that is here is measured before it is sent, and goes as a job where it is too long (`cloudai.calls.jobs`); the
length of a stored one is known to Azure alone.
"""

from __future__ import annotations

from cloudai.errors import ErrorCode
from cloudai.types import speech as s
from cloudai_azure import codec_batch, codec_speech
from cloudai_azure.errors import AzureError
from cloudai_azure.settings import TranscribeOptions
from cloudai_azure.staging import Staging
from cloudai_azure.wire import Flow


def transcribe(
    request: s.TranscribeRequest, options: TranscribeOptions, staging: Staging, *, key: str, raw: bool
) -> Flow[s.TranscribeResult]:
    """Within the call's seconds, either way."""
    try:
        return (yield from codec_speech.transcribe(request, options, raw=raw))
    except AzureError as error:
        if request.audio.uri is None or error.fault.code is not ErrorCode.TOO_LARGE:
            raise
    return (yield from codec_batch.transcribe(request, options, staging, key=key, raw=raw))
