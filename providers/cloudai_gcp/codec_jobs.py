"""Speech-to-Text v2 `batchRecognize`: long audio as an operation that outlives the process. Pure.

https://cloud.google.com/speech-to-text/v2/docs/reference/rest/v2/projects.locations.recognizers/batchRecognize
The transcript comes back inside the operation (`inlineResponseConfig`): nothing is left in a bucket.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Final

from cloudai.errors import ErrorCode, Fault, InvalidInput, Unsupported
from cloudai.types import speech as s
from cloudai.types.media import Media, MediaKind
from cloudai.wirejson import JsonNode
from cloudai_gcp.codec_speech import MODEL, check_samples, config_v2, ignored, transcript, variant_of
from cloudai_gcp.errors import GoogleError, error_of_status
from cloudai_gcp.settings import TranscribeOptions
from cloudai_gcp.values import exact_seconds
from cloudai_gcp.wire import Answer, Plan, Target, Wire, one

_NAME = re.compile(r"projects/[^/]+/locations/(?P<location>[^/]+)/operations/[^/]+")
_CANCELLED: Final = 1
"""google.rpc.Code"""


def submit(
    request: s.TranscribeRequest,
    target: Target,
    options: TranscribeOptions,
    *,
    backend: str,
    staged: str | None = None,
) -> Plan[s.JobRef]:
    """`staged` is where the audio was put. Raises `Unsupported` for a key, `InvalidInput` for another storage's."""
    if target.by_key:
        raise Unsupported("transcription jobs need Speech-to-Text v2, which takes no API key: use credentials")
    if request.grammar is not None:
        raise Unsupported("Speech-to-Text takes no grammar: give phrases")
    check_samples(request.audio)
    uri = staged or request.audio.uri or ""
    if not uri.startswith("gs://"):
        raise InvalidInput("Google's transcription jobs read Cloud Storage only: upload the audio and pass gs://...")
    location = target.location or "global"
    body: dict[str, object] = {
        "config": config_v2(request, options.model or MODEL),
        "files": [{"uri": uri}],
        "recognitionOutputConfig": {"inlineResponseConfig": {}},
    }
    if options.dynamic_batching:
        body["processingStrategy"] = "DYNAMIC_BATCHING"
    path = f"/v2/projects/{target.project}/locations/{location}/recognizers/{target.recognizer}:batchRecognize"

    def decode(answer: Answer) -> s.JobRef:
        name = answer.json.text("name")
        if _NAME.fullmatch(name) is None:
            answer.json.fail("no name of an operation")
        kept = request.model_dump_json(exclude={"audio"}, exclude_defaults=True)
        variant = "dynamic-batch" if options.dynamic_batching else variant_of(options.model or MODEL)
        details = (("uri", uri), ("request", kept), ("variant", variant), ("model", options.model or MODEL))
        return s.JobRef(
            operation="speech.transcribe",
            backend=backend,
            id=name,
            submitted=datetime.now(UTC).isoformat(timespec="seconds"),
            details=(*details, ("staged", staged)) if staged else details,
        )

    return one(Wire(service=_host(location), path=path, body=body), decode)


def status(job: s.JobRef) -> Plan[s.JobStatus]:
    """Queued until Google reports progress."""
    return one(_operation(job), lambda answer: _status(answer.json))


def _status(node: JsonNode) -> s.JobStatus:
    percent = node.at("metadata").integer("progressPercent")
    error = node.at("error")
    if error:
        state = s.JobState.CANCELLED if error.integer("code") == _CANCELLED else s.JobState.FAILED
        return s.JobStatus(state=state, message=str(error_of_status(error)))
    if node.flag("done"):
        return s.JobStatus(state=s.JobState.SUCCEEDED, progress=1.0)
    state = s.JobState.RUNNING if percent else s.JobState.QUEUED
    return s.JobStatus(state=state, progress=min(1.0, percent / 100))


def result(job: s.JobRef, *, raw: bool) -> Plan[s.TranscribeResult]:
    """The transcript of an operation that has ended. Raises `GoogleError` for a file that could not be read."""
    details = dict(job.details)
    audio = Media(kind=MediaKind.AUDIO, uri=details["uri"])
    request = _request(details["request"], audio)

    def decode(answer: Answer) -> s.TranscribeResult:
        node = answer.json
        if node.at("error"):
            raise error_of_status(node.at("error"), final=True)
        if not node.flag("done"):
            raise GoogleError(Fault(code=ErrorCode.UNAVAILABLE, message="the job has not ended"))
        file = _file(node, details["uri"])
        inline = file.at("inlineResult").at("transcript")
        body = inline if inline else file.at("transcript")
        billed = exact_seconds(file.at("metadata").at("totalBilledDuration"))
        if billed is None:
            billed = exact_seconds(node.at("response").at("totalBilledDuration"))
        made = transcript(body, request, by_key=False, variant=details["variant"], billed=billed)
        update = {"model": details["model"], "warnings": ignored(request), "raw": node.value if raw else None}
        return made.model_copy(update=update)

    return one(_operation(job), decode)


def _file(node: JsonNode, uri: str) -> JsonNode:
    results = dict(node.at("response").at("results").members()) if node.at("response").at("results") else {}
    found = results.get(uri)
    if found is None:
        node.fail("no result for the file that was submitted")
    if found.at("error") and found.at("error").integer("code"):
        raise error_of_status(found.at("error"), final=True)
    return found


def _request(kept: str, audio: Media) -> s.TranscribeRequest:
    return s.TranscribeRequest.model_validate({**json.loads(kept), "audio": audio})


def cancel(job: s.JobRef) -> Plan[None]:
    """Asks for it; one that has ended stays as it is."""
    known = _operation(job)
    return one(Wire(service=known.service, path=f"{known.path}:cancel", body={}), lambda _: None)


def _operation(job: s.JobRef) -> Wire:
    match = _NAME.fullmatch(job.id)
    if match is None:
        raise InvalidInput(f"{job.id[:80]!r} is no job of Google's")
    return Wire(service=_host(match["location"]), method="GET", path=f"/v2/{job.id}")


def _host(location: str) -> str:
    return "speech" if location == "global" else f"{location}-speech"
