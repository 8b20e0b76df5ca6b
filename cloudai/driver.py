"""What a provider implements: the whole contract, on one page.

A *provider* is a small object named by an entry point in the group `cloudai.providers`; its package has a
`capabilities.toml` beside `__init__.py`. Opened with the settings of one backend, it gives a *driver*.
A driver has one method per operation it serves, named by the operation's verb, and does four things only:
encode the request, send it once, decode the answer, say what an exception means. Retries, deadlines,
fallbacks, limits, budgets and prices are the caller's: a driver never retries and switches its SDK's retries off.

A result comes back with payload, `usage`, `warnings`, `request_id`, `model` (and `raw` when `call.raw`);
the client fills in the rest of the envelope.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    from cloudai.capabilities import Limits
    from cloudai.errors import Fault
    from cloudai.settings import BackendSettings, OptionsModel
    from cloudai.types import custom, results, speech, translation, vision


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One attempt at one backend."""

    timeout: float
    """Seconds this attempt may take: the driver's socket and process timeouts."""
    idempotency_key: str = ""
    """The same for every attempt of one call: for requests that create something."""
    raw: bool = False
    """Keep the provider's own answer in `result.raw`."""
    options: OptionsModel | None = None
    """This provider's options for this operation, already validated; `None`: none given."""


class Driver(Protocol):
    """One open backend. Methods are called from many threads at once."""

    @property
    def client(self) -> object:
        """The vendor's own client: the escape hatch."""
        ...

    def unavailable(self) -> Mapping[str, str]:
        """Operations this driver has code for but can't serve *here and now* (a missing engine, model or
        program): operation -> reason with the exact install line. Cheap; looked at when a client opens."""
        ...

    def classify(self, error: Exception) -> Fault | None:
        """What a vendor exception means, from its code; `None`: not the vendor's."""
        ...

    def close(self) -> None:
        """Release everything. Called once."""
        ...


@runtime_checkable
class OwnLimits(Protocol):
    """Optional: limits that come from a backend's settings (an older version of the service, an API key)."""

    def limits(self, operation: str, declared: Limits) -> Limits:
        """What holds for this backend, from what `capabilities.toml` declares."""
        ...


class Provider(Protocol):
    """The entry point's object. Its module imports no SDK; `open` may."""

    @property
    def name(self) -> str: ...

    @property
    def implements(self) -> frozenset[str]:
        """The operations its driver has code for: within what `capabilities.toml` declares."""
        ...

    @property
    def settings(self) -> type[BackendSettings]:
        """What `[backends.NAME]` may hold for this provider."""
        ...

    @property
    def options(self) -> Mapping[str, type[OptionsModel]]:
        """Operation -> model of `options={provider: {...}}`."""
        ...

    def open(self, settings: BackendSettings, *, backend: str) -> Driver:
        """A driver for one backend. Raises `MissingDependency` with the install line, never ImportError."""
        ...


@runtime_checkable
class AsyncProvider(Protocol):
    """A provider with a true async path.

    Its async driver has `asynchronous = True` and the same methods, declared `async def`, `close` too;
    `unavailable` and `classify` stay plain.
    """

    def open_async(self, settings: BackendSettings, *, backend: str) -> Any:
        """An async driver. Providers without this method are run in threads."""
        ...


# One Protocol per operation. A driver class names those it serves as its bases.


class DetectLabels(Protocol):
    def detect_labels(self, request: vision.DetectLabelsRequest, call: Call) -> vision.DetectLabelsResult: ...


class DetectObjects(Protocol):
    def detect_objects(self, request: vision.DetectObjectsRequest, call: Call) -> vision.DetectObjectsResult: ...


class DetectFaces(Protocol):
    def detect_faces(self, request: vision.DetectFacesRequest, call: Call) -> vision.DetectFacesResult: ...


class ReadText(Protocol):
    def read_text(self, request: vision.ReadTextRequest, call: Call) -> vision.ReadTextResult: ...


class ReadDocument(Protocol):
    def read_document(self, request: vision.ReadDocumentRequest, call: Call) -> vision.ReadDocumentResult: ...


class Moderate(Protocol):
    def moderate(self, request: vision.ModerateRequest, call: Call) -> vision.ModerateResult: ...


class DetectLandmarks(Protocol):
    def detect_landmarks(self, request: vision.DetectLandmarksRequest, call: Call) -> vision.DetectLandmarksResult: ...


class DetectLogos(Protocol):
    def detect_logos(self, request: vision.DetectLogosRequest, call: Call) -> vision.DetectLogosResult: ...


class CaptionImage(Protocol):
    def caption(self, request: vision.CaptionRequest, call: Call) -> vision.CaptionResult: ...


@runtime_checkable
class Analyze(Protocol):
    """Optional: several operations on several images in one request."""

    def analyze(self, request: vision.AnalyzeRequest, call: Call) -> Sequence[vision.Analysis]:
        """One answer per image, in order; a failure of one image is in its `errors`."""
        ...


@runtime_checkable
class BilledAs(Protocol):
    """Optional: which SKUs a request can be billed by, so that a budget holds no more for it than it can cost."""

    def billed_as(self, operation: str, request: results.Model) -> frozenset[str]:
        """Variants of the price book, for a request without provider options; empty: any. Nothing is sent."""
        ...


class Transcribe(Protocol):
    def transcribe(self, request: speech.TranscribeRequest, call: Call) -> speech.TranscribeResult: ...


@runtime_checkable
class TranscribeJobs(Protocol):
    """Optional: long audio as a job that outlives the process. Submitting is never repeated without a token."""

    def submit_transcription(self, request: speech.TranscribeRequest, call: Call) -> speech.JobRef: ...

    def transcription_status(self, job: speech.JobRef, call: Call) -> speech.JobStatus: ...

    def transcription_result(self, job: speech.JobRef, call: Call) -> speech.TranscribeResult: ...

    def cancel_transcription(self, job: speech.JobRef, call: Call) -> None: ...


@runtime_checkable
class StagesAudio(Protocol):
    """Optional, with `TranscribeJobs`: jobs take audio that is not in the provider's storage yet."""

    @property
    def stages_audio(self) -> bool:
        """Whether the settings name a place to put it; the driver deletes it there when the job has ended."""
        ...


class Synthesize(Protocol):
    def synthesize(self, request: speech.SynthesizeRequest, call: Call) -> speech.SynthesizeResult: ...


class Voices(Protocol):
    def voices(self, request: speech.VoicesRequest, call: Call) -> speech.VoicesResult: ...


class Translate(Protocol):
    """Takes a list; the driver sends it in as many requests as its provider needs."""

    def translate(self, request: translation.TranslateRequest, call: Call) -> translation.TranslateResult: ...


class DetectLanguage(Protocol):
    def detect_language(
        self, request: translation.DetectLanguageRequest, call: Call
    ) -> translation.DetectLanguageResult: ...


class Languages(Protocol):
    def languages(self, request: translation.LanguagesRequest, call: Call) -> translation.LanguagesResult: ...


class TranslateDocument(Protocol):
    def translate_document(
        self, request: translation.TranslateDocumentRequest, call: Call
    ) -> translation.TranslateDocumentResult: ...


class Train(Protocol):
    """Submits under a name derived from the job (`request.name` and a hash), so that a second submission finds the
    first. Where the platform takes no such name, a label is searched before creating, and a doubt is
    `outcome_unknown`."""

    def train(self, request: custom.TrainingJob, call: Call) -> custom.TrainResult: ...


@runtime_checkable
class TrainingRuns(Protocol):
    """With `train`: what a submission would be, and what became of one."""

    def plan_training(self, request: custom.TrainingJob, call: Call) -> custom.TrainingPlan:
        """Nothing is sent."""
        ...

    def run_status(self, run: custom.RunRef, call: Call) -> custom.RunStatus: ...

    def run_logs(self, run: custom.RunRef, cursor: str | None, call: Call) -> custom.LogPage: ...

    def cancel_run(self, run: custom.RunRef, call: Call) -> None: ...

    def fetch_run(self, run: custom.RunRef, folder: Path, call: Call) -> None:
        """Downloads the artefact's files into `folder`."""
        ...

    def list_runs(self, call: Call) -> Sequence[custom.RunRef]:
        """Those that cloudai submitted there, newest first."""
        ...


class Deploy(Protocol):
    def deploy(self, request: custom.DeployRequest, call: Call) -> custom.DeployResult: ...


@runtime_checkable
class Endpoints(Protocol):
    """With `deploy`: what a deployment would be, and the endpoints that stand."""

    def plan_deployment(self, request: custom.DeployRequest, call: Call) -> custom.DeployPlan:
        """Nothing is sent."""
        ...

    def endpoint_status(self, endpoint: custom.EndpointRef, call: Call) -> custom.EndpointStatus: ...

    def list_endpoints(self, call: Call) -> Sequence[custom.EndpointStatus]:
        """Those that cloudai made there."""
        ...

    def set_traffic(self, endpoint: custom.EndpointRef, traffic: Mapping[str, int], call: Call) -> None:
        """Percent by version; they add up to 100."""
        ...

    def delete_endpoint(self, endpoint: custom.EndpointRef, call: Call) -> None:
        """With all that belongs to it. One that is gone already is no error."""
        ...


class Predict(Protocol):
    def predict(self, request: custom.PredictRequest, call: Call) -> custom.PredictResult: ...


class BatchPredict(Protocol):
    """Submits, and answers with `batch`: under a name derived from the request (`cloudai.serving.batches`), so that a
    second submission finds the first. It does not wait for the job's end."""

    def batch_predict(self, request: custom.BatchPredictRequest, call: Call) -> custom.BatchPredictResult: ...


@runtime_checkable
class BatchPrediction(Protocol):
    """With `batch_predict`: what a submission would be, and what became of one."""

    def plan_batch(self, request: custom.BatchPredictRequest, call: Call) -> custom.BatchPlan:
        """Nothing is created; which model stands behind a name may be looked up."""
        ...

    def batch_status(self, batch: custom.BatchRef, call: Call) -> custom.BatchStatus: ...

    def cancel_batch(self, batch: custom.BatchRef, call: Call) -> None:
        """One that has ended stays as it is."""
        ...

    def fetch_batch(self, batch: custom.BatchRef, folder: Path, call: Call) -> None:
        """Puts the results into `folder`: for each input file one of the same name, whose line N is the response to
        line N or `{"error": "..."}`. Raises `conflict` where there are none yet."""
        ...

    def list_batches(self, call: Call) -> Sequence[custom.BatchRef]:
        """Those that cloudai submitted there, newest first."""
        ...


@runtime_checkable
class FetchesObjects(Protocol):
    """Optional: reads stored objects with this backend's credentials, for backends that can't be given an address."""

    @property
    def fetches(self) -> frozenset[str]:
        """Schemes: `s3`, `gs`, `azure-blob`."""
        ...

    def fetch(self, uri: str, *, max_bytes: int, call: Call) -> bytes:
        """The object's bytes; raises `TooLarge` past `max_bytes`."""
        ...
