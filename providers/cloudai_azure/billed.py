"""Which SKUs a request to Azure can be billed by, before it is sent: what a budget holds for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudai.types.speech import SynthesizeRequest
from cloudai.types.vision import ReadDocumentRequest
from cloudai_azure.codec_document import model_of, variant_of_model
from cloudai_azure.codec_synthesis import variant_of_voice
from cloudai_azure.settings import DocumentOptions

if TYPE_CHECKING:
    from cloudai.types.results import Model


def variants(request: Model) -> frozenset[str]:
    """Empty: any. Whether audio goes as a request or as a job is decided later."""
    if isinstance(request, ReadDocumentRequest) and not request.queries:
        return frozenset({variant_of_model(model_of(request, DocumentOptions()))})
    if isinstance(request, SynthesizeRequest) and request.voice is not None:
        return frozenset({variant_of_voice(request.voice)})
    return frozenset()
