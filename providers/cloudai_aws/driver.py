"""The driver of `aws`: encode, send once, decode. The codecs are in `codec_*.py`, the sending in `wire.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from cloudai.driver import (
    Call,
    DetectFaces,
    DetectLabels,
    DetectLandmarks,
    DetectObjects,
    Driver,
    Moderate,
    ReadDocument,
    ReadText,
)
from cloudai.errors import Fault
from cloudai.settings import OptionsModel
from cloudai.types import vision as v
from cloudai.types.results import Notice, Result
from cloudai_aws import codec_document, codec_vision
from cloudai_aws.clients import Clients
from cloudai_aws.faults import fault_of
from cloudai_aws.reply import Params, Reply, raw, request_id
from cloudai_aws.settings import AwsSettings, DocumentOptions, LabelOptions, ModerationOptions
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R", bound=Result)
O = TypeVar("O", bound=OptionsModel)  # noqa: E741


class AwsDriver(Driver, DetectLabels, DetectObjects, DetectFaces, ReadText, ReadDocument, Moderate, DetectLandmarks):
    """One AWS account and region."""

    def __init__(self, settings: AwsSettings) -> None:
        self._clients = Clients(settings)

    @property
    def client(self) -> Callable[[str], Any]:
        """`driver.client("rekognition")`: boto3's client of a service, with this backend's settings."""
        return self._clients

    def unavailable(self) -> Mapping[str, str]:
        """Nothing is missing on this machine once boto3 is there."""
        return {}

    def classify(self, error: Exception) -> Fault | None:
        """By AWS's error code."""
        return fault_of(error)

    def close(self) -> None:
        """Close the connections."""
        self._clients.close()

    # --- vision ----------------------------------------------------------------------------------

    def detect_labels(self, request: v.DetectLabelsRequest, call: Call) -> v.DetectLabelsResult:
        params = codec_vision.encode_labels(request, _options(call, LabelOptions))
        reply = self._ask("rekognition", "detect_labels", params, call)
        result = codec_vision.decode_labels(reply)
        return _told(result, reply, call, codec_vision.label_notices(request.language))

    def detect_objects(self, request: v.DetectObjectsRequest, call: Call) -> v.DetectObjectsResult:
        params = codec_vision.encode_labels(request, _options(call, LabelOptions))
        reply = self._ask("rekognition", "detect_labels", params, call)
        result = codec_vision.decode_objects(reply, request)
        return _told(result, reply, call, codec_vision.label_notices(request.language))

    def detect_landmarks(self, request: v.DetectLandmarksRequest, call: Call) -> v.DetectLandmarksResult:
        only = LabelOptions(include_categories=(codec_vision.LANDMARKS_CATEGORY,))
        reply = self._ask("rekognition", "detect_labels", codec_vision.encode_labels(request, only), call)
        return _told(codec_vision.decode_landmarks(reply, request), reply, call)

    def detect_faces(self, request: v.DetectFacesRequest, call: Call) -> v.DetectFacesResult:
        reply = self._ask("rekognition", "detect_faces", codec_vision.encode_faces(request), call)
        return _told(codec_vision.decode_faces(reply, request), reply, call)

    def moderate(self, request: v.ModerateRequest, call: Call) -> v.ModerateResult:
        options = _options(call, ModerationOptions)
        params = codec_vision.encode_moderation(request, options)
        reply = self._ask("rekognition", "detect_moderation_labels", params, call)
        return _told(codec_vision.decode_moderation(reply, options), reply, call)

    def read_text(self, request: v.ReadTextRequest, call: Call) -> v.ReadTextResult:
        """Rekognition for text in a scene, Textract for dense text."""
        notices = codec_vision.text_notices(request.languages)
        if request.dense:
            asked = v.ReadDocumentRequest(document=request.image)
            params = codec_document.encode_document(asked, DocumentOptions())
            reply = self._ask("textract", "detect_document_text", params, call)
            return _told(codec_document.decode_dense_text(reply), reply, call, notices)
        reply = self._ask("rekognition", "detect_text", codec_vision.encode_text(request), call)
        return _told(codec_vision.decode_text(reply, request), reply, call, notices)

    def read_document(self, request: v.ReadDocumentRequest, call: Call) -> v.ReadDocumentResult:
        params = codec_document.encode_document(request, _options(call, DocumentOptions))
        method = "analyze_document" if "FeatureTypes" in params else "detect_document_text"
        reply = self._ask("textract", method, params, call)
        result = codec_document.decode_document(reply, codec_document.features_of(request))
        return _told(result, reply, call, codec_document.document_notices(request))

    def _ask(self, service: str, method: str, params: Params, call: Call) -> Reply:
        """One request, within the call's seconds."""
        with within(call.timeout):
            reply: Reply = getattr(self._clients(service), method)(**params)
        return reply


def _options(call: Call, kind: type[O]) -> O:
    return call.options if isinstance(call.options, kind) else kind()


def _told(result: R, reply: Reply, call: Call, notices: tuple[Notice, ...] = ()) -> R:
    """The result with what the envelope takes from the answer."""
    update: dict[str, object] = {"request_id": request_id(reply), "warnings": (*result.warnings, *notices)}
    if call.raw:
        update["raw"] = raw(reply)
    return result.model_copy(update=update)
