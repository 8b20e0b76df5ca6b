"""Which SKUs a request to Google can be billed by, before it is sent: what a budget holds for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudai.types.speech import SynthesizeRequest, TranscribeRequest
from cloudai.types.vision import ReadDocumentRequest
from cloudai_gcp.codec_document import parser_for
from cloudai_gcp.codec_speech import MODEL, variant_of
from cloudai_gcp.codec_synthesis import family_of
from cloudai_gcp.sending import target_of

if TYPE_CHECKING:
    from cloudai.types.results import Model
    from cloudai_gcp.auth import Auth
    from cloudai_gcp.settings import GcpSettings


def variants(request: Model, settings: GcpSettings, auth: Auth) -> frozenset[str]:
    """Empty: any. A voice that Google chooses can be of any family."""
    if isinstance(request, ReadDocumentRequest):
        return frozenset({parser_for(request, target_of(settings, auth, "")).variant})
    if isinstance(request, SynthesizeRequest) and request.voice is not None:
        return frozenset({family_of(request.voice)})
    if isinstance(request, TranscribeRequest):
        return frozenset({"v1" if auth.by_key else variant_of(MODEL)})
    return frozenset()
