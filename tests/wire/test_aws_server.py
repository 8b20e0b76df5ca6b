"""The strict server is strict: every single thing that AWS's descriptions forbid is seen, in requests and answers."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

sys.path.insert(0, str(Path(__file__).parent))

import aws_answers
import aws_model
from aws_answers import aws
from aws_client import opened
from aws_exchanges import exchanged, plain

from cloudai.testing.samples import picture

# --- single mutations ----------------------------------------------------------------------------

Path_ = tuple[Any, ...]


def mutations(shape: Any, value: Any, path: Path_ = ()) -> Iterator[tuple[str, Path_, Any]]:
    """What is wrong, where, and the value to put there; `KeyError` as a value: to be left out."""
    kind = shape.type_name
    wrong_type: Any = 7 if kind in ("structure", "list", "map", "string", "blob", "timestamp", "boolean") else "seven"
    yield "type", path, wrong_type
    if kind == "structure":
        yield "unknown member", (*path, "NoSuchMember"), "x"
        for name in shape.required_members:
            if name in value:
                yield "required", (*path, name), KeyError
        for name, item in value.items():
            yield from mutations(shape.members[name], item, (*path, name))
    elif kind == "list":
        yield from _beyond(shape, path, lambda size: [value[0]] * size)
        for index, item in enumerate(value):
            yield from mutations(shape.member, item, (*path, index))
    elif kind in ("string", "blob"):
        if shape.metadata.get("enum"):
            yield "enum", path, "no-such-word"
        elif shape.metadata.get("pattern") and not aws_model.compiled(shape.metadata["pattern"]).fullmatch("\u2603 "):
            yield "pattern", path, "\u2603 "
        letter: Any = b"a" if kind == "blob" else "a"
        if not shape.metadata.get("enum"):
            yield from _beyond(shape, path, lambda size: letter * size)
    elif kind in ("integer", "long", "float", "double"):
        yield from _beyond(shape, path, lambda size: size)


def _beyond(shape: Any, path: Path_, make: Any) -> Iterator[tuple[str, Path_, Any]]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and (least > 0 or shape.type_name in ("integer", "float")):
        yield "min", path, make(least - 1)
    if most is not None and most < 20_000_000:
        yield "max", path, make(most + 1)


def mutated(value: Any, path: Path_, new: Any) -> Any:
    """A copy with one place changed."""
    if not path:
        return new
    whole = copy.deepcopy(value)
    place = whole
    for step in path[:-1]:
        place = place[step]
    if new is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return whole


def test_single_mutations_of_requests_and_answers_are_caught() -> None:
    """Counted over everything the driver asks and is told: none may pass."""
    tried = 0
    missed = list[str]()
    for service, name, request, answer in exchanged():
        operation = aws_model.service(service).operation_model(name)
        for shape, value in ((operation.input_shape, request), (operation.output_shape, answer)):
            if shape is None:
                continue
            for what, path, new in mutations(shape, value):
                tried += 1
                changed = mutated(value, path, new)
                wrong = [*aws_model.problems(shape, changed), *aws_model.documented(service, shape, changed)]
                if not wrong:
                    missed.append(f"{name}{list(path)}: {what}")
    assert tried > 900, tried
    assert missed == []


def test_what_only_the_documentation_demands_is_demanded() -> None:
    shape = aws_model.service("rekognition").operation_model("DetectLabels").input_shape
    assert list(aws_model.documented("rekognition", shape, {"Image": {}}))
    both = {"Image": {"Bytes": b"x", "S3Object": {"Bucket": "bucket", "Name": "n"}}}
    assert list(aws_model.documented("rekognition", shape, both))
    start = aws_model.service("transcribe").operation_model("StartTranscriptionJob").input_shape
    request = {"TranscriptionJobName": "n", "Media": {"MediaFileUri": "s3://b/k"}, "LanguageCode": "en-US"}
    assert not list(aws_model.documented("transcribe", start, request))
    assert list(aws_model.documented("transcribe", start, request | {"IdentifyLanguage": True}))
    assert list(aws_model.documented("transcribe", start, request | {"Settings": {"ShowSpeakerLabels": True}}))


# --- at the socket -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "method", "params"),
    [
        ("polly", "synthesize_speech", {"VoiceId": "NoSuch", "OutputFormat": "mp3", "Text": "x"}),
        ("polly", "describe_voices", {"Engine": "fast"}),
        ("rekognition", "detect_labels", {"Image": {"Bytes": b"x"}, "MinConfidence": 101.0}),
        ("rekognition", "detect_labels", {"Image": {}}),
        ("translate", "translate_text", {"Text": "", "SourceLanguageCode": "en", "TargetLanguageCode": "de"}),
        ("transcribe", "get_transcription_job", {"TranscriptionJobName": "bad name!!"}),
        ("comprehend", "batch_detect_dominant_language", {"TextList": []}),
        ("translate", "list_terminologies", {}),
    ],
)
def test_a_bad_request_is_refused_and_noted(service: str, method: str, params: dict[str, Any]) -> None:
    with aws(strict=False) as server:
        with pytest.raises(ClientError, match="ValidationException"):
            getattr(plain(server, service), method)(**params)
        assert len(server.violations) == 1


def test_a_wrong_signature_is_refused_for_json_rest_and_s3() -> None:
    with aws(strict=False) as server:
        for service, method, params in (
            ("rekognition", "detect_labels", {"Image": {"Bytes": b"x"}}),
            ("polly", "describe_voices", {}),
            ("s3", "put_object", {"Bucket": "bucket", "Key": "k", "Body": b"x"}),
        ):
            with pytest.raises(ClientError):
                getattr(plain(server, service, secret="other"), method)(**params)
        assert [violation.rpartition(": ")[2] for violation in server.violations] == ["the signature is wrong"] * 3


def test_an_answer_that_aws_would_not_give_is_a_violation() -> None:
    with aws(strict=False) as server:
        server.answers["DetectLabels"] = lambda _: {"Labels": [{"Name": "x", "Confidence": 0.99, "Score": 1}]}
        with pytest.raises(ClientError):
            plain(server, "rekognition").detect_labels(Image={"Bytes": b"x"})
        assert "Score: no member of Label" in server.violations[0]


def test_a_violation_fails_the_test_that_made_it() -> None:
    def broken() -> None:
        with aws() as server:
            server.answers["DetectLabels"] = lambda _: {"Nothing": 1}
            with pytest.raises(ClientError):
                plain(server, "rekognition").detect_labels(Image={"Bytes": b"x"})

    with pytest.raises(AssertionError, match="no member"):
        broken()


# --- our transport --------------------------------------------------------------------------------


def test_a_body_that_comes_in_parts_is_whole() -> None:
    with aws() as server, opened(server) as client:
        server.answers["DetectDocumentText"] = lambda _: {
            **aws_answers.DOCUMENT,
            "DetectDocumentTextModelVersion": "x" * 500_000,
        }
        assert client.vision.read_document(picture()).model == "x" * 500_000


def test_connections_are_kept_and_shared_by_all_services() -> None:
    with aws() as server, opened(server) as client:
        seen = set[Any]()
        finish = server.process_request

        def counting(request: Any, address: Any) -> None:
            seen.add(address)
            finish(request, address)

        server.process_request = counting  # type: ignore[method-assign]
        for _ in range(5):
            client.vision.detect_labels(picture())
            client.translation.translate("Hi", source="en", target="de")
            client.speech.voices()
        assert len(seen) == 1
