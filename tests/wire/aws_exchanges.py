"""Everything that the driver asks and is told, as AWS's descriptions have it; and boto3's own client beside it."""

from __future__ import annotations

from typing import Any

import aws_model
import boto3
from aws_answers import Jobs, aws, transcribing
from aws_client import opened
from aws_pages import pdf
from aws_server import ACCESS_KEY, REGION, SECRET_KEY, StrictServer
from botocore.config import Config as BotoConfig

from cloudai.testing.samples import picture, tone


def plain(server: StrictServer, service: str, *, checks: bool = False, **more: Any) -> Any:
    """boto3's own client; it checks nothing itself unless asked to."""
    session = boto3.Session(ACCESS_KEY, more.pop("secret", SECRET_KEY), region_name=REGION)
    config = BotoConfig(retries={"total_max_attempts": 1}, parameter_validation=checks, s3={"addressing_style": "path"})
    return session.client(service, endpoint_url=server.url, config=config)


def exchanged() -> list[tuple[str, str, Any, Any]]:
    """Service, operation, request and answer of everything that the driver asks."""
    kept: list[tuple[str, str, Any, Any]] = []
    with aws() as server:
        transcribing(server, Jobs(server))
        for name, answer in list(server.answers.items()):
            server.answers[name] = lambda params, name=name, answer=answer: _kept(kept, name, params, answer(params))
        with opened(server) as client:
            client.vision.detect_labels(picture(), max_results=5, min_confidence=0.5, options=LABEL_OPTIONS)
            client.vision.detect_faces(picture(), attributes=True)
            client.vision.read_text(picture(), min_confidence=0.5)
            client.vision.moderate(picture(), min_confidence=0.5)
            client.vision.read_document(picture())
            client.vision.read_document(picture(), features=["tables", "forms"], queries=["Total?"])
            client.speech.synthesize("Hello, world.", language="en-US", speech_marks=True)
            client.speech.voices()
            client.speech.synthesize("Hello, world. " * 300, language="en-US", speech_marks=True)
            client.vision.read_document(pdf(3))
            client.vision.read_document(pdf(3), features=["tables"], queries=["Total?"], pages="1-2")
            client.speech.transcribe(tone(), language="en-US", diarization=True, alternatives=3)
            client.speech.transcribe(tone(), languages=["en-US", "de-DE"], options={"aws": {"redact_pii": ["NAME"]}})
            client.translation.translate("Hi", source="en", target="es", formality="formal", glossary="g")
            client.translation.translate("<b>Hi</b>", source="en", target="es", format="html")
            client.translation.translate_document(b"Hi", source="en", target="es")
            client.translation.detect_language("Hi")
            client.translation.detect_language(["Hi", "there"])
            client.translation.languages()
    return kept


LABEL_OPTIONS = {"aws": {"include": ["Car"], "exclude": ["Wheel"]}}
SERVICE_OF = {
    name: service
    for service in ("rekognition", "textract", "transcribe", "translate", "comprehend", "polly")
    for name in aws_model.service(service).operation_names
}


def _kept(kept: list[tuple[str, str, Any, Any]], name: str, params: Any, answer: Any) -> Any:
    kept.append((SERVICE_OF[name], name, params, answer))
    return answer
