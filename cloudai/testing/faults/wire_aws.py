"""AWS as the fault server speaks it: Rekognition, Translate, Polly, and Transcribe with the S3 that it reads from.

Answers are in the forms of the services' own descriptions (botocore's models, which tests/faults holds them to).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from cloudai.testing.faults.wire import Asked, Refusal, Reply, Wanted, seconds_of, silence

_AMZ: Final = "application/x-amz-json-1.1"
_BOX: Final = {"Width": 0.5, "Height": 0.5, "Left": 0.25, "Top": 0.25}
_CORNERS: Final = [{"X": x, "Y": y} for x, y in ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))]
_PLACE: Final = {"BoundingBox": _BOX, "Polygon": _CORNERS}
_LABELS: Final = {
    "Labels": [
        {
            "Name": "Car",
            "Confidence": 98.5,
            "Instances": [{"BoundingBox": _BOX, "Confidence": 97.0}],
            "Parents": [{"Name": "Vehicle"}],
            "Aliases": [{"Name": "Automobile"}],
            "Categories": [{"Name": "Vehicles and Automotive"}],
        }
    ],
    "LabelModelVersion": "3.0",
}
_TEXT: Final = {
    "TextDetections": [
        {"Id": 0, "Type": "LINE", "DetectedText": "Hello", "Confidence": 99.1, "Geometry": _PLACE},
        {"Id": 1, "ParentId": 0, "Type": "WORD", "DetectedText": "Hello", "Confidence": 99.1, "Geometry": _PLACE},
    ],
    "TextModelVersion": "3.0",
}
_WORD: Final = {"confidence": "0.99", "content": "Hello"}
_TRANSCRIPT: Final = {
    "jobName": "job",
    "accountId": "111122223333",
    "status": "COMPLETED",
    "results": {
        "transcripts": [{"transcript": "Hello."}],
        "items": [
            {"type": "pronunciation", "start_time": "0.04", "end_time": "0.41", "alternatives": [_WORD]},
            {"type": "punctuation", "alternatives": [{"confidence": "0.0", "content": "."}]},
        ],
    },
}
_FIXED: Final[Mapping[str, bytes]] = {
    "DetectLabels": json.dumps(_LABELS).encode(),
    "DetectText": json.dumps(_TEXT).encode(),
    "DescribeVoices": json.dumps({"Voices": []}).encode(),
}
_OPERATIONS: Final[Mapping[str, str]] = {
    "DetectLabels": "vision.detect_labels",
    "DetectText": "vision.read_text",
    "TranslateText": "translation.translate",
    "SynthesizeSpeech": "speech.synthesize",
    "StartTranscriptionJob": "speech.transcribe",
    "GetTranscriptionJob": "speech.transcribe",
    "DeleteTranscriptionJob": "speech.transcribe",
    "PutObject": "speech.transcribe",
    "GetObject": "speech.transcribe",
    "DeleteObject": "speech.transcribe",
}
_S3: Final[Mapping[str, str]] = {"PUT": "PutObject", "GET": "GetObject", "DELETE": "DeleteObject"}
_CODES: Final[Mapping[int, str]] = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerError",
    503: "ServiceUnavailableException",
}
_ONE: Final = Decimal(1)


class AwsWire:
    """One account in `us-east-1`."""

    provider = "aws"

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._jobs: dict[str, Mapping[str, object]] = {}
        self._answers: Mapping[str, Callable[[Mapping[str, object]], Mapping[str, object]]] = {
            "TranslateText": _translated,
            "StartTranscriptionJob": self._started,
            "GetTranscriptionJob": self._looked_at,
            "DeleteTranscriptionJob": self._deleted,
        }

    def settings(self, url: str) -> Mapping[str, object]:
        """With keys of nobody."""
        return {
            "provider": "aws",
            "region": "us-east-1",
            "endpoint_url": url,
            "access_key_id": "AKIAFAULTSERVER00000",
            "secret_access_key": "fault-server-secret",
            "staging_bucket": "staging",
            "poll_seconds": 0.01,
        }

    def read(self, asked: Asked) -> Wanted:
        target = asked.headers.get("x-amz-target", "")
        if target:
            call = target.rpartition(".")[2]
            return self._measured(call, asked)
        if asked.path == "/v1/speech":
            return self._measured("SynthesizeSpeech", asked)
        if asked.path == "/v1/voices":
            return Wanted("DescribeVoices", "speech.voices")
        if asked.path.startswith("/transcripts/"):
            return Wanted("GetTranscript", "speech.transcribe")
        call = _S3.get(asked.method, asked.method)
        return Wanted(call, _OPERATIONS.get(call, ""))

    def _measured(self, call: str, asked: Asked) -> Wanted:
        operation = _OPERATIONS.get(call, "")
        if operation.startswith("vision."):
            return Wanted(call, operation, "image", _ONE)
        if call in ("TranslateText", "SynthesizeSpeech"):
            given = _object(asked.body)
            engine = str(given.get("Engine", "standard")) if call == "SynthesizeSpeech" else None
            return Wanted(call, operation, "character", Decimal(len(str(given.get("Text", "")))), engine)
        if call == "StartTranscriptionJob":
            return Wanted(call, operation, "second", seconds_of(self._sound(_object(asked.body))))
        return Wanted(call, operation)

    def answer(self, asked: Asked, wanted: Wanted) -> Reply:
        headers = {"x-amzn-RequestId": str(uuid.uuid4())}
        if wanted.call in _FIXED:
            return Reply(content_type=_AMZ, headers=headers, body=_FIXED[wanted.call])
        if wanted.call in self._answers:
            if wanted.call == "GetTranscriptionJob" and _name(_object(asked.body)) not in self._jobs:
                return self.refuse(asked, wanted, Refusal(status=400, code="NotFoundException", message="no such job"))
            found = self._answers[wanted.call](_object(asked.body))
            return Reply(content_type=_AMZ, headers=headers, body=json.dumps(found).encode() if found else b"")
        if wanted.call == "SynthesizeSpeech":
            return _spoken(_object(asked.body), headers)
        if wanted.call == "GetTranscript":
            return Reply(headers=headers, body=json.dumps(_TRANSCRIPT).encode())
        if wanted.call in _S3.values():
            return self._stored(asked, wanted)
        return self.refuse(asked, wanted, Refusal(status=404, code="UnknownOperationException", message="no such call"))

    def _stored(self, asked: Asked, wanted: Wanted) -> Reply:
        if wanted.call == "PutObject":
            self._objects[asked.path] = _unchunked(asked)
            return Reply(content_type="application/xml", headers={"ETag": '"0"'})
        if wanted.call == "DeleteObject":
            self._objects.pop(asked.path, None)
            return Reply(status=204, content_type="application/xml")
        if asked.path not in self._objects:
            return self.refuse(asked, wanted, Refusal(status=404, code="NoSuchKey", message="no such key"))
        return Reply(content_type="application/octet-stream", body=self._objects[asked.path])

    def _sound(self, given: Mapping[str, object]) -> bytes:
        media = given.get("Media")
        address = str(media.get("MediaFileUri", "")) if isinstance(media, Mapping) else ""
        return self._objects.get("/" + address.removeprefix("s3://"), b"")

    def _started(self, given: Mapping[str, object]) -> Mapping[str, object]:
        self._jobs[_name(given)] = given
        return {"TranscriptionJob": {"TranscriptionJobName": _name(given), "TranscriptionJobStatus": "IN_PROGRESS"}}

    def _looked_at(self, given: Mapping[str, object]) -> Mapping[str, object]:
        name = _name(given)
        address = f"https://s3.us-east-1.amazonaws.com/transcripts/{name}.json?X-Amz-Signature=abc"
        job = {
            "TranscriptionJobName": name,
            "TranscriptionJobStatus": "COMPLETED",
            "LanguageCode": self._jobs[name].get("LanguageCode", "en-US"),
            "Transcript": {"TranscriptFileUri": address},
        }
        return {"TranscriptionJob": job}

    def _deleted(self, given: Mapping[str, object]) -> Mapping[str, object]:
        self._jobs.pop(_name(given), None)
        return {}

    def refuse(self, asked: Asked, wanted: Wanted, refusal: Refusal) -> Reply:
        """JSON for the services, XML for S3. AWS's own form of waiting is a header in milliseconds."""
        code = refusal.code or _CODES.get(refusal.status, "InternalServerError")
        wait = {} if refusal.wait is None else {"x-amz-retry-after": str(round(refusal.wait * 1000))}
        if wanted.call in _S3.values():
            text = _escaped(refusal.message)
            body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
            return Reply(status=refusal.status, content_type="application/xml", headers=wait, body=body.encode())
        headers = {"x-amzn-RequestId": str(uuid.uuid4()), "x-amzn-ErrorType": code, **wait}
        body = json.dumps({"__type": code, "message": refusal.message})
        return Reply(status=refusal.status, content_type=_AMZ, headers=headers, body=body.encode())


def _translated(given: Mapping[str, object]) -> Mapping[str, object]:
    source = given.get("SourceLanguageCode")
    return {
        "TranslatedText": f"[{given.get('TargetLanguageCode')}] {given.get('Text')}",
        "SourceLanguageCode": "en" if source == "auto" else source,
        "TargetLanguageCode": given.get("TargetLanguageCode"),
    }


def _spoken(given: Mapping[str, object], headers: Mapping[str, str]) -> Reply:
    form, rate = str(given.get("OutputFormat", "pcm")), int(str(given.get("SampleRate") or 16000))
    marks = form == "json"
    body = b'{"time":6,"type":"word","start":0,"end":5,"value":"Hello"}\n' if marks else silence(rate)
    return Reply(
        content_type="application/x-json-stream" if marks else f"audio/{form}",
        headers={**headers, "x-amzn-RequestCharacters": str(len(str(given.get("Text", ""))))},
        body=body,
    )


def _object(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _name(given: Mapping[str, object]) -> str:
    return str(given.get("TranscriptionJobName", ""))


def _unchunked(asked: Asked) -> bytes:
    """boto3 may send an object in signed chunks (`aws-chunked`): size, content, size, content."""
    if "aws-chunked" not in asked.headers.get("content-encoding", ""):
        return asked.body
    parts, rest = list[bytes](), asked.body
    while rest:
        head, _, rest = rest.partition(b"\r\n")
        size = int(head.split(b";")[0] or b"0", 16)
        if not size:
            break
        parts.append(rest[:size])
        rest = rest[size + 2 :]
    return b"".join(parts)


def _escaped(text: str) -> str:
    from xml.sax.saxutils import escape

    return escape(text)
