"""Every operation meets every fault: the right code, one request for each attempt, no hang, nothing left behind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import Jobs, aws, transcribing
from aws_client import config
from aws_pages import pdf
from aws_server import Broken, Failure, StrictServer

from cloudai import Client
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing.samples import picture, tone

FAULTS: dict[str, tuple[Failure | Broken, ErrorCode]] = {
    "429": (Failure(code="TooManyRequestsException", status=429, headers={"Retry-After": "1"}), ErrorCode.RATE_LIMITED),
    "throttling": (Failure(code="ThrottlingException"), ErrorCode.RATE_LIMITED),
    "500": (Failure(code="InternalFailure", status=500), ErrorCode.UNAVAILABLE),
    "503": (Failure(code="ServiceUnavailable", status=503), ErrorCode.UNAVAILABLE),
    "401": (Failure(code="InvalidClientTokenId", status=401), ErrorCode.UNAUTHENTICATED),
    "403": (Failure(code="AccessDeniedException", status=403), ErrorCode.PERMISSION_DENIED),
    "reset before headers": (Broken(kind="reset"), ErrorCode.UNAVAILABLE),
    "reset after headers": (Broken(kind="reset-after-headers"), ErrorCode.UNAVAILABLE),
    "truncated": (Broken(kind="truncated"), ErrorCode.UNAVAILABLE),
    "html": (Broken(kind="html"), ErrorCode.UNAVAILABLE),
    "html as 200": (Broken(kind="html-200"), ErrorCode.UNAVAILABLE),
    "hang": (Broken(kind="hang", seconds=20.0), ErrorCode.DEADLINE_EXCEEDED),
    "slow body": (Broken(kind="drip", seconds=20.0), ErrorCode.DEADLINE_EXCEEDED),
}
CALLS: dict[str, Callable[..., object]] = {
    "DetectLabels": lambda c, **o: c.vision.detect_labels(picture(), **o),
    "DetectFaces": lambda c, **o: c.vision.detect_faces(picture(), **o),
    "DetectText": lambda c, **o: c.vision.read_text(picture(), **o),
    "DetectModerationLabels": lambda c, **o: c.vision.moderate(picture(), **o),
    "DetectDocumentText": lambda c, **o: c.vision.read_text(picture(), dense=True, **o),
    "AnalyzeDocument": lambda c, **o: c.vision.read_document(picture(), features=["tables"], **o),
    "StartDocumentTextDetection": lambda c, **o: c.vision.read_document("s3://papers/a.pdf", **o),
    "StartDocumentAnalysis": lambda c, **o: c.vision.read_document("s3://papers/a.pdf", features=["forms"], **o),
    "StartTranscriptionJob": lambda c, **o: c.speech.transcribe("s3://tapes/a.wav", language="en-US", **o),
    "SynthesizeSpeech": lambda c, **o: c.speech.synthesize("Hello", language="en-US", **o),
    "DescribeVoices": lambda c, **o: c.speech.voices(**o),
    "TranslateText": lambda c, **o: c.translation.translate("Hello", source="en", target="de", **o),
    "TranslateDocument": lambda c, **o: c.translation.translate_document(b"Hello", source="en", target="de", **o),
    "ListLanguages": lambda c, **o: c.translation.languages(**o),
    "DetectDominantLanguage": lambda c, **o: c.translation.detect_language("Hello", **o),
    "BatchDetectDominantLanguage": lambda c, **o: c.translation.detect_language(["Hello", "Hallo"], **o),
    "PutObject of a document": lambda c, **o: c.vision.read_document(pdf(2), **o),
    "PutObject of audio": lambda c, **o: c.speech.transcribe(tone(), language="en-US", **o),
}
NOT_READ = ("truncated", "html as 200")
"""S3 says all there is to say of an upload in the status: bodies are not looked at."""
DISTINCT = [(call, fault) for fault in FAULTS for call in CALLS if not (call.startswith("Put") and fault in NOT_READ)]
TIMEOUT = 0.4


@pytest.fixture(scope="module")
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        strict.objects["papers", "a.pdf"] = pdf(3)
        strict.objects["tapes", "a.wav"] = tone()
        yield strict


@pytest.fixture(scope="module")
def clients(server: StrictServer) -> Iterator[Callable[[str], Client]]:
    """One for each fault: what a client learns of a backend from one fault is not to be seen in the next."""
    opened: dict[str, Client] = {}

    def client(fault: str) -> Client:
        if fault not in opened:
            opened[fault] = Client(config(server, attempts=1, timeout=20.0))
            for call in CALLS.values():  # what is made and asked by the first call only
                call(opened[fault])
        return opened[fault]

    yield client
    for one in opened.values():
        one.close()


@pytest.mark.parametrize(("call", "fault"), DISTINCT)
def test_a_fault_has_its_code(server: StrictServer, clients: Callable[[str], Client], call: str, fault: str) -> None:
    client, jobs, (broken, expected) = clients(fault), transcribing(server, Jobs(server)), FAULTS[fault]
    kept, seen, before = dict(server.objects), len(server.received), server.requests
    server.next_faults.append(broken)
    with pytest.raises(CloudAIError) as caught:
        CALLS[call](client, timeout=TIMEOUT if expected is ErrorCode.DEADLINE_EXCEEDED else 20.0)
    assert caught.value.code is expected
    assert caught.value.attempts == 1
    assert (server.objects, jobs.jobs) == (kept, {})
    tidied = [each.operation for each in server.received[seen:]]
    assert all(operation.startswith("Delete") for operation in tidied), tidied
    assert server.requests - before == 1 + len(tidied)
