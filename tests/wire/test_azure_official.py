"""The official clients and ours, given the same input, send the same request and read the same answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.ai.contentsafety import ContentSafetyClient
from azure.ai.contentsafety.models import AnalyzeImageOptions, ImageData
from azure.ai.documentintelligence import DocumentIntelligenceClient
from azure.ai.documentintelligence.models import AnalyzeDocumentRequest
from azure.ai.transcription import TranscriptionClient
from azure.ai.transcription.models import TranscriptionContent, TranscriptionDiarizationOptions, TranscriptionOptions
from azure.ai.translation.document import SingleDocumentTranslationClient
from azure.ai.translation.document.models import DocumentTranslateContent
from azure.ai.translation.text import TextTranslationClient
from azure.ai.translation.text.models import TranslateInputItem, TranslationTarget
from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.models import VisualFeatures
from azure.core.credentials import AzureKeyCredential

sys.path.insert(0, str(Path(__file__).parent))

from azure_bodies import Received
from azure_client import opened
from azure_server import KEY, REGION

from cloudai import Client
from cloudai.testing.samples import picture, tone

CREDENTIAL = AzureKeyCredential(KEY)
OPERATIONS = ["vision.detect_labels", "vision.detect_objects", "vision.read_text", "vision.caption"]


def essence(received: Received) -> dict[str, Any]:
    """A request without what differs by taste: order, the client's name, a form's boundary, defaults left out."""
    query = dict(received.query)
    if "features" in query:
        query["features"] = ",".join(sorted(query["features"].split(",")))
    body: Any = received.json if received.json is not None else received.body
    if received.files:
        body = {**received.files, "definition": received.json}
    headers = {
        name: received.headers.get(name) for name in ("ocp-apim-subscription-key", "ocp-apim-subscription-region")
    }
    return {"method": received.method, "path": received.path, "query": query, "headers": headers, "body": body}


def both(official: Callable[[str], Any], ours: Callable[[Client], Any]) -> tuple[Any, Any, list[Received]]:
    """What each reads, and what they sent: theirs first."""
    with opened() as (client, server):
        theirs = official(server.url)
        count = len(server.requests)
        mine = ours(client)
        assert len(server.requests) == 2 * count
        return theirs, mine, server.requests


def images(url: str, features: list[str], **more: Any) -> Any:
    with ImageAnalysisClient(endpoint=url, credential=CREDENTIAL) as client:
        return client.analyze(picture(), [VisualFeatures(feature) for feature in features], **more)


def test_image_analysis() -> None:
    theirs, mine, (first, second) = both(
        lambda url: images(url, ["tags", "objects", "read", "caption"]),
        lambda client: client.vision.analyze(picture(), operations=OPERATIONS),
    )
    assert essence(first) == essence(second)
    assert [tag.name for tag in theirs.tags.list] == [label.vendor_name for label in mine.labels.labels]
    assert theirs.caption.text == mine.caption.text
    assert [line.text for block in theirs.read.blocks for line in block.lines] == [
        line.text for page in mine.text.pages for line in page.lines
    ]
    box = theirs.objects.list[0].bounding_box
    assert mine.objects.objects[0].box.to_pixels(theirs.metadata.width, theirs.metadata.height) == pytest.approx(
        (box.x, box.y, box.width, box.height)
    )


def test_a_caption_with_all_its_options() -> None:
    theirs, mine, (first, second) = both(
        lambda url: images(url, ["caption", "denseCaptions"], gender_neutral_caption=True, model_version="latest"),
        lambda client: client.vision.caption(
            picture(), dense=True, gender_neutral=True, options={"azure": {"model_version": "latest"}}
        ),
    )
    assert essence(first) == essence(second)
    assert theirs.caption.confidence == mine.captions[0].confidence


def test_content_safety() -> None:
    def official(url: str) -> Any:
        with ContentSafetyClient(endpoint=url, credential=CREDENTIAL) as client:
            options = AnalyzeImageOptions(image=ImageData(content=picture()), output_type="FourSeverityLevels")
            return client.analyze_image(options)

    theirs, mine, (first, second) = both(official, lambda client: client.vision.moderate(picture()))
    assert essence(first) == essence(second)
    found = {each.category: each.severity for each in theirs.categories_analysis if each.severity}
    assert {label.vendor_name: label.level for label in mine.labels} == {
        name: f"severity {severity}" for name, severity in found.items()
    }


def test_document_intelligence() -> None:
    def official(url: str) -> Any:
        with DocumentIntelligenceClient(endpoint=url, credential=CREDENTIAL, polling_interval=0) as client:
            client.begin_analyze_document(
                "prebuilt-layout",
                AnalyzeDocumentRequest(bytes_source=picture()),
                features=["keyValuePairs"],
                string_index_type="unicodeCodePoint",
                pages="1-2",
                polling=False,
            )

    with opened() as (client, server):
        official(server.url)
        client.vision.read_document(picture(), features=["tables", "forms"], pages="1-2")
        first, second, *_ = server.requests
    assert essence(first) == essence(second)


def test_face() -> None:
    from azure.ai.vision.face import FaceClient

    def official(url: str) -> Any:
        with FaceClient(endpoint=url, credential=CREDENTIAL, api_version="v1.2") as client:
            return client._detect(
                picture(),
                detection_model="detection_03",
                return_face_id=False,
                return_face_landmarks=True,
                return_face_attributes=["headPose"],
            )

    theirs, mine, (first, second) = both(official, lambda client: client.vision.detect_faces(picture()))
    assert essence(first) == essence(second)
    assert theirs[1].face_rectangle.width == mine.faces[0].box.w * 480
    assert theirs[1].face_attributes.head_pose.yaw == mine.faces[0].pose.yaw


def test_translator() -> None:
    def official(url: str) -> Any:
        with TextTranslationClient(endpoint=url, credential=CREDENTIAL, region=REGION) as client:
            target = TranslationTarget(language="de", profanity_action="Marked", profanity_marker="Asterisk")
            items = [
                TranslateInputItem(text=text, language="en", text_type="Plain", targets=[target])
                for text in ("Hello", "Grüße 🌍")
            ]
            return client.translate(body=items)

    theirs, mine, (first, second) = both(
        official,
        lambda client: client.translation.translate(["Hello", "Grüße 🌍"], source="en", target="de", profanity="mask"),
    )
    assert essence(first) == essence(second)
    assert [item.translations[0].text for item in theirs] == [each.text for each in mine.translations]


def test_languages() -> None:
    def official(url: str) -> Any:
        with TextTranslationClient(endpoint=url, credential=CREDENTIAL, region=REGION) as client:
            return client.get_supported_languages(scope="translation", accept_language="en")

    theirs, mine, (first, second) = both(official, lambda client: client.translation.languages())
    assert essence(first) == essence(second)
    assert len(theirs.translation) == len(mine.languages)


def test_fast_transcription() -> None:
    def official(url: str) -> Any:
        with TranscriptionClient(endpoint=url, credential=CREDENTIAL) as client:
            options = TranscriptionOptions(
                locales=["en-US"],
                profanity_filter_mode="Masked",
                diarization_options=TranscriptionDiarizationOptions(max_speakers=3),
            )
            return client.transcribe(TranscriptionContent(definition=options, audio=("audio.wav", tone())))

    theirs, mine, (first, second) = both(
        official,
        lambda client: client.speech.transcribe(
            tone(), language="en-US", diarization=True, max_speakers=3, profanity="mask"
        ),
    )
    asked = essence(second)
    # the package takes `enabled` for the service's own to tell and never sends it; the documentation's requests have it
    assert asked["body"]["definition"]["diarization"].pop("enabled") is True
    assert essence(first) == asked
    assert [phrase.text for phrase in theirs.phrases] == [segment.text for segment in mine.segments]
    assert theirs.phrases[0].offset_milliseconds == mine.segments[0].start * 1000


def test_document_translation() -> None:
    content = b"Good morning.\n"

    def official(url: str) -> Any:
        with SingleDocumentTranslationClient(endpoint=url, credential=CREDENTIAL) as client:
            body = DocumentTranslateContent(document=("document.txt", content, "text/plain"))
            return client.translate(body=body, target_language="de", source_language="en")

    with opened() as (client, server):
        theirs = official(server.url)
        mine = client.translation.translate_document(content, source="en", target="de")
        first, second = (essence(request) for request in server.requests)
    for each in (first, second):
        del each["headers"]
    assert first == second
    read = theirs if isinstance(theirs, bytes) else b"".join(theirs)
    assert read == mine.document


def test_an_error_is_read_as_the_official_client_reads_it() -> None:
    from azure.core.exceptions import HttpResponseError
    from azure_server import Failure

    from cloudai.errors import CloudAIError

    inner = {"code": "InvalidImageSize", "message": "Image size is too large."}
    body = {"error": {"code": "InvalidRequest", "message": "Bad.", "innererror": inner}}
    with opened() as (client, server):
        server.troubles.extend([Failure(status=400, body=body)] * 2)
        with pytest.raises(HttpResponseError) as theirs:
            images(server.url, ["tags"])
        with pytest.raises(CloudAIError) as mine:
            client.vision.detect_labels(picture())
    assert theirs.value.error is not None
    assert theirs.value.error.innererror["code"] in mine.value.message
