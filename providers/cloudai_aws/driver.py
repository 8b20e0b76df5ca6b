"""The driver of `aws`: encode, send once, decode. The codecs are in `codec_*.py`, the sending in `wire.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from cloudai.delivery import submitted
from cloudai.driver import (
    Analyze,
    BatchPredict,
    Call,
    Deploy,
    DetectFaces,
    DetectLabels,
    DetectLandmarks,
    DetectLanguage,
    DetectObjects,
    Driver,
    Endpoints,
    FetchesObjects,
    Languages,
    Moderate,
    OwnLimits,
    Predict,
    ReadDocument,
    ReadText,
    Synthesize,
    Train,
    TrainingRuns,
    Transcribe,
    TranscribeJobs,
    Translate,
    TranslateDocument,
    Voices,
)
from cloudai.errors import Fault
from cloudai.languages import normalise
from cloudai.settings import OptionsModel
from cloudai.types import custom as c
from cloudai.types import speech as s
from cloudai.types import translation as t
from cloudai.types import vision as v
from cloudai_aws import codec_document, codec_polly, codec_text, codec_vision, sagemaker_inference
from cloudai_aws.analyzing import analyze
from cloudai_aws.batches import Batches
from cloudai_aws.clients import Clients
from cloudai_aws.endpoints import Hoster
from cloudai_aws.faults import fault_of
from cloudai_aws.reading import DocumentReader
from cloudai_aws.reply import Params, Reply, told, told_all
from cloudai_aws.settings import (
    AwsSettings,
    DocumentOptions,
    LabelOptions,
    ModerationOptions,
    SynthesizeOptions,
    TranslateOptions,
)
from cloudai_aws.speaking import Speaker
from cloudai_aws.storage import Storage
from cloudai_aws.training import Trainer
from cloudai_aws.transcribing import Transcriber
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudai.capabilities import Limits

O = TypeVar("O", bound=OptionsModel)  # noqa: E741


class AwsDriver(
    Driver,
    DetectLabels,
    DetectObjects,
    DetectFaces,
    ReadText,
    ReadDocument,
    Moderate,
    DetectLandmarks,
    Analyze,
    Translate,
    DetectLanguage,
    Languages,
    TranslateDocument,
    Synthesize,
    Voices,
    Transcribe,
    TranscribeJobs,
    Train,
    TrainingRuns,
    Deploy,
    Endpoints,
    Predict,
    BatchPredict,
    FetchesObjects,
    OwnLimits,
):
    """One AWS account and region."""

    def __init__(self, settings: AwsSettings, *, backend: str) -> None:
        self._clients = Clients(settings)
        self._storage = Storage(self._clients, settings, backend=backend)
        self._reader = DocumentReader(self._clients, self._storage, settings)
        self._speaker = Speaker(self._clients, self._storage, settings)
        self._transcriber = Transcriber(self._clients, settings, backend=backend)
        self._trainer = Trainer(self._clients, settings, backend=backend)
        self._hoster = Hoster(self._clients, settings, backend=backend)
        self._batches = Batches(self._clients, settings, backend=backend)

    @property
    def client(self) -> Callable[[str], Any]:
        """`driver.client("rekognition")`: boto3's client of a service, with this backend's settings."""
        return self._clients

    def limits(self, operation: str, declared: Limits) -> Limits:
        """With a bucket Polly speaks a long text in one piece, as a task; without one it is cut into requests."""
        if operation == "speech.synthesize" and self._storage.staging:
            return replace(declared, max_characters=codec_polly.TASK_BILLED)
        return declared

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
        reply = self.ask("rekognition", "detect_labels", params, call)
        result = codec_vision.decode_labels(reply)
        return told(result, reply, call, codec_vision.label_notices(request.language))

    def detect_objects(self, request: v.DetectObjectsRequest, call: Call) -> v.DetectObjectsResult:
        params = codec_vision.encode_labels(request, _options(call, LabelOptions))
        reply = self.ask("rekognition", "detect_labels", params, call)
        result = codec_vision.decode_objects(reply, request)
        return told(result, reply, call, codec_vision.label_notices(request.language))

    def detect_landmarks(self, request: v.DetectLandmarksRequest, call: Call) -> v.DetectLandmarksResult:
        only = LabelOptions(include_categories=(codec_vision.LANDMARKS_CATEGORY,))
        reply = self.ask("rekognition", "detect_labels", codec_vision.encode_labels(request, only), call)
        return told(codec_vision.decode_landmarks(reply, request), reply, call)

    def detect_faces(self, request: v.DetectFacesRequest, call: Call) -> v.DetectFacesResult:
        reply = self.ask("rekognition", "detect_faces", codec_vision.encode_faces(request), call)
        return told(codec_vision.decode_faces(reply, request), reply, call)

    def moderate(self, request: v.ModerateRequest, call: Call) -> v.ModerateResult:
        options = _options(call, ModerationOptions)
        params = codec_vision.encode_moderation(request, options)
        reply = self.ask("rekognition", "detect_moderation_labels", params, call)
        return told(codec_vision.decode_moderation(reply, options), reply, call)

    def read_text(self, request: v.ReadTextRequest, call: Call) -> v.ReadTextResult:
        """Rekognition for text in a scene, Textract for dense text."""
        notices = codec_vision.text_notices(request.languages)
        if request.dense:
            asked = v.ReadDocumentRequest(document=request.image)
            params = codec_document.encode_document(asked, DocumentOptions())
            reply = self.ask("textract", "detect_document_text", params, call)
            return told(codec_document.decode_dense_text(reply), reply, call, notices)
        reply = self.ask("rekognition", "detect_text", codec_vision.encode_text(request), call)
        return told(codec_vision.decode_text(reply, request), reply, call, notices)

    def read_document(self, request: v.ReadDocumentRequest, call: Call) -> v.ReadDocumentResult:
        """One request for one page; a job through S3 for more."""
        options = _options(call, DocumentOptions)
        if codec_document.by_job(request.document, asked=options.job, staging=self._storage.staging):
            return self._reader.read(request, options, call)
        params = codec_document.encode_document(request, options)
        method = "analyze_document" if "FeatureTypes" in params else "detect_document_text"
        reply = self.ask("textract", method, params, call)
        result = codec_document.decode_document(reply, codec_document.features_of(request))
        return told(result, reply, call, codec_document.document_notices(request))

    def analyze(self, request: v.AnalyzeRequest, call: Call) -> Sequence[v.Analysis]:
        return analyze(self, request, call)

    # --- translation -----------------------------------------------------------------------------

    def translate(self, request: t.TranslateRequest, call: Call) -> t.TranslateResult:
        """One request for each text; HTML goes as documents."""
        codec_text.check_model(request.model)
        html = request.format is t.TextFormat.HTML
        encode = codec_text.encode_html if html else codec_text.encode_text
        asked = [encode(text, request, _options(call, TranslateOptions)) for text in request.texts]
        method = "translate_document" if html else "translate_text"
        replies = self._ask_each("translate", [(method, params) for params in asked], call)
        result = t.TranslateResult(
            translations=tuple(codec_text.decode_text(reply, request) for reply in replies),
            target=normalise(request.target),
            usage=codec_text.translate_usage(request, asked),
        )
        return told_all(result, replies, call, codec_text.translate_notices(request, replies))

    def detect_language(self, request: t.DetectLanguageRequest, call: Call) -> t.DetectLanguageResult:
        asked = list(codec_text.detect_requests(request.texts))
        replies = self._ask_each("comprehend", [(method, params) for method, params, _ in asked], call)
        found: dict[int, t.LanguageDetection] = {}
        for reply, (_, _, indexes) in zip(replies, asked, strict=True):
            found |= codec_text.decode_detections(reply, indexes)
        return told_all(codec_text.detections_in_order(found, request.texts), replies, call)

    def languages(self, request: t.LanguagesRequest, call: Call) -> t.LanguagesResult:
        params, notices = codec_text.encode_languages(request)
        replies = self._ask_pages("translate", "list_languages", params, call)
        return told_all(codec_text.decode_languages(replies), replies, call, notices)

    def translate_document(self, request: t.TranslateDocumentRequest, call: Call) -> t.TranslateDocumentResult:
        reply = self.ask("translate", "translate_document", codec_text.encode_document(request), call)
        return told(codec_text.decode_document(reply, request), reply, call)

    # --- speech ----------------------------------------------------------------------------------

    def synthesize(self, request: s.SynthesizeRequest, call: Call) -> s.SynthesizeResult:
        return self._speaker.synthesize(request, _options(call, SynthesizeOptions), call)

    def voices(self, request: s.VoicesRequest, call: Call) -> s.VoicesResult:
        replies = self._ask_pages("polly", "describe_voices", {"IncludeAdditionalLanguageCodes": True}, call)
        return told_all(codec_polly.decode_voices(replies, request), replies, call)

    def transcribe(self, request: s.TranscribeRequest, call: Call) -> s.TranscribeResult:
        return self._transcriber.transcribe(request, call)

    def submit_transcription(self, request: s.TranscribeRequest, call: Call) -> s.JobRef:
        return self._transcriber.submit(request, call)

    def transcription_status(self, job: s.JobRef, call: Call) -> s.JobStatus:
        return self._transcriber.status(job, call)

    def transcription_result(self, job: s.JobRef, call: Call) -> s.TranscribeResult:
        return self._transcriber.result(job, call)

    def cancel_transcription(self, job: s.JobRef, call: Call) -> None:
        self._transcriber.cancel(job, call)

    # --- custom models ---------------------------------------------------------------------------

    def train(self, request: c.TrainingJob, call: Call) -> c.TrainResult:
        return self._trainer.train(request, call)

    def plan_training(self, request: c.TrainingJob, call: Call) -> c.TrainingPlan:
        return self._trainer.plan(request, call)

    def run_status(self, run: c.RunRef, call: Call) -> c.RunStatus:
        return self._trainer.status(run, call)

    def run_logs(self, run: c.RunRef, cursor: str | None, call: Call) -> c.LogPage:
        return self._trainer.logs(run, cursor, call)

    def cancel_run(self, run: c.RunRef, call: Call) -> None:
        self._trainer.cancel(run, call)

    def fetch_run(self, run: c.RunRef, folder: Path, call: Call) -> None:
        self._trainer.fetch(run, folder, call)

    def list_runs(self, call: Call) -> Sequence[c.RunRef]:
        return self._trainer.list(call)

    def deploy(self, request: c.DeployRequest, call: Call) -> c.DeployResult:
        return self._hoster.deploy(request, call)

    def plan_deployment(self, request: c.DeployRequest, call: Call) -> c.DeployPlan:
        return self._hoster.plan(request, call)

    def endpoint_status(self, endpoint: c.EndpointRef, call: Call) -> c.EndpointStatus:
        return self._hoster.status(endpoint, call)

    def list_endpoints(self, call: Call) -> Sequence[c.EndpointStatus]:
        return self._hoster.list(call)

    def set_traffic(self, endpoint: c.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        self._hoster.set_traffic(endpoint, traffic, call)

    def delete_endpoint(self, endpoint: c.EndpointRef, call: Call) -> None:
        self._hoster.delete(endpoint, call)

    def predict(self, request: c.PredictRequest, call: Call) -> c.PredictResult:
        return sagemaker_inference.predict(self._clients, request, call)

    def batch_predict(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPredictResult:
        return self._batches.submit(request, call)

    def plan_batch(self, request: c.BatchPredictRequest, call: Call) -> c.BatchPlan:
        return self._batches.plan(request, call)

    def batch_status(self, batch: c.BatchRef, call: Call) -> c.BatchStatus:
        return self._batches.status(batch, call)

    def cancel_batch(self, batch: c.BatchRef, call: Call) -> None:
        self._batches.cancel(batch, call)

    def fetch_batch(self, batch: c.BatchRef, folder: Path, call: Call) -> None:
        self._batches.fetch(batch, folder, call)

    def list_batches(self, call: Call) -> Sequence[c.BatchRef]:
        return self._batches.list(call)

    # --- objects ---------------------------------------------------------------------------------

    @property
    def fetches(self) -> frozenset[str]:
        """`s3://`, for other backends as well."""
        return frozenset({"s3"})

    def fetch(self, uri: str, *, max_bytes: int, call: Call) -> bytes:
        return self._storage.fetch(uri, max_bytes=max_bytes, seconds=call.timeout)

    # --- one request and several -----------------------------------------------------------------

    def ask(self, service: str, method: str, params: Params, call: Call) -> Reply:
        """One request, within the call's seconds."""
        client = self._clients(service)
        with within(call.timeout):
            reply: Reply = getattr(client, method)(**params)
        return reply

    def _ask_each(self, service: str, asked: Sequence[tuple[str, Params]], call: Call) -> list[Reply]:
        """Several requests, all within the seconds of one attempt."""
        client = self._clients(service)
        with within(call.timeout):
            (method, params), *more = asked
            replies = [getattr(client, method)(**params)]
            with submitted():
                replies += [getattr(client, method)(**params) for method, params in more]
        return replies

    def _ask_pages(self, service: str, method: str, params: Params, call: Call) -> list[Reply]:
        """All pages of a list."""
        replies = list[Reply]()
        ask = getattr(self._clients(service), method)
        with within(call.timeout):
            token: str | None = ""
            while token is not None:
                replies.append(ask(**params, **({"NextToken": token} if token else {})))
                token = replies[-1].get("NextToken") or None
        return replies


def _options(call: Call, kind: type[O]) -> O:
    return call.options if isinstance(call.options, kind) else kind()
