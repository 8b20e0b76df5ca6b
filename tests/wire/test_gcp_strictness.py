"""The loopback server is strict: a single wrong member of a request or an answer is caught. And the driver is firm:
a wrong answer is a typed error or a whole result, never anything else."""

from __future__ import annotations

import copy
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import gcp_description
from gcp_answers import ANSWERS, settings
from gcp_client import config, opened, with_key
from gcp_server import KEY, PROJECT, TOKEN, google
from test_gcp_cost import PDF

from cloudai import Client
from cloudai.errors import CloudAIError
from cloudai.testing.samples import picture, tone

Path_ = tuple[Any, ...]


def everything(client: Client, *, keyless: bool = True) -> None:
    """Each operation with as many members as it has."""
    operations = [f"vision.{name}" for name in ("detect_labels", "detect_objects", "detect_faces", "read_text")]
    operations += [f"vision.{name}" for name in ("moderate", "detect_landmarks", "detect_logos")]
    client.vision.analyze(picture(), operations=operations, max_results=5)
    client.vision.read_text(picture(), languages=["en"])
    client.speech.transcribe(
        tone(), language="en-US", diarization=True, channels=True, alternatives=2, phrases=["x"], profanity="mask"
    )
    client.speech.synthesize("hi", voice="en-US-Neural2-A", rate=1.5, pitch=1, volume=2, sample_rate=16_000)
    client.speech.voices()
    client.translation.translate(["a", "b"], source="en", target="de")
    client.translation.detect_language("a")
    client.translation.languages()
    if keyless:
        client.translation.translate("a", target="de", glossary="g")
        client.translation.translate_document(PDF, target="de")
        client.vision.read_document(picture(), features=["tables", "forms"], pages="1", languages=["en"])
        client.vision.read_document(picture(), features=["layout"])


@cache
def exchanges() -> tuple[tuple[gcp_description.Method, Any, Any], ...]:
    """(method, request body, answer) of everything that the driver sends."""
    found: list[tuple[gcp_description.Method, Any, Any]] = []
    by_id = {method.id: method for method in gcp_description.methods()}

    def noting(name: str) -> Any:
        def answer(body: Any, path: Any) -> Any:
            made = ANSWERS[name](body, path)
            found.append((by_id[name], copy.deepcopy(body), copy.deepcopy(made)))
            return made

        return answer

    with opened(Path(mkdtemp())) as (client, server):
        server.answers = {name: noting(name) for name in ANSWERS}
        everything(client)
    with with_key() as (client, server):
        server.answers = {name: noting(name) for name in ANSWERS}
        everything(client, keyless=False)
    return tuple(found)


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Every member of every object, and the first element of every list."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield (*path, name)
            yield from places(each, (*path, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def changed(body: Any, path: Path_, change: Any) -> Any:
    made = copy.deepcopy(body)
    at = made
    for step in path[:-1]:
        at = at[step]
    change(at, path[-1])
    return made


def rename(at: Any, name: str) -> None:
    at[name + "X"] = at.pop(name)


def to_snake(at: Any, name: str) -> None:
    at["".join("_" + c.lower() if c.isupper() else c for c in name)] = at.pop(name)


def retype(at: Any, name: str) -> None:
    at[name] = {"wrong": [1]} if not isinstance(at[name], dict) else "wrong"


def into_list(at: Any, name: str) -> None:
    at[name] = [at[name]] if not isinstance(at[name], list) else at[name][0] if at[name] else "x"


def mutations(body: Any) -> Iterator[tuple[str, Any]]:
    for path in places(body):
        for change in (rename, retype, into_list):
            yield f"{change.__name__} {'.'.join(map(str, path))}", changed(body, path, change)
        if any(letter.isupper() for letter in path[-1]):
            yield f"snake {'.'.join(map(str, path))}", changed(body, path, to_snake)


def test_a_request_with_one_wrong_member_is_caught() -> None:
    tried, missed = 0, []
    for method, body, _ in exchanges():
        for what, wrong in mutations(body) if body is not None else ():
            tried += 1
            if not method.faults_of_request(wrong, {}):
                missed.append(f"{method.id} {what}")
    print(f"{tried - len(missed)} of {tried} wrong requests caught; missed: {missed[:10]}")
    assert tried > 300
    assert len(missed) <= 0.05 * tried


def test_an_answer_with_one_wrong_member_is_caught() -> None:
    tried, missed = 0, []
    for method, _, answer in exchanges():
        for what, wrong in mutations(answer):
            tried += 1
            if not method.faults_of_answer(wrong):
                missed.append(f"{method.id} {what}")
    print(f"{tried - len(missed)} of {tried} wrong answers caught; missed: {missed[:10]}")
    assert tried > 500
    assert len(missed) <= 0.05 * tried


def test_a_required_member_that_is_missing_is_caught() -> None:
    bodies = {method.id: (method, body) for method, body, _ in exchanges()}
    for name, gone in (
        ("vision.v1:vision.images.annotate", ("requests",)),
        ("vision.v1:vision.images.annotate", ("requests", 0, "image")),
        ("vision.v1:vision.images.annotate", ("requests", 0, "features")),
        ("vision.v1:vision.images.annotate", ("requests", 0, "features", 0, "type")),
        ("vision.v1:vision.images.annotate", ("requests", 0, "image", "content")),
        ("translate.v3:translate.projects.locations.translateText", ("contents",)),
        ("translate.v3:translate.projects.locations.translateText", ("targetLanguageCode",)),
        ("translate.v3:translate.projects.locations.detectLanguage", ("content",)),
        ("translate.v3:translate.projects.locations.translateDocument", ("documentInputConfig",)),
        ("translate.v2:language.translations.translate", ("q",)),
        ("translate.v2:language.translations.translate", ("target",)),
        ("texttospeech.v1:texttospeech.text.synthesize", ("input",)),
        ("texttospeech.v1:texttospeech.text.synthesize", ("input", "text")),
        ("texttospeech.v1:texttospeech.text.synthesize", ("voice", "languageCode")),
        ("texttospeech.v1:texttospeech.text.synthesize", ("audioConfig", "audioEncoding")),
        ("speech.v1:speech.speech.recognize", ("config", "languageCode")),
        ("speech.v1:speech.speech.recognize", ("audio", "content")),
        ("speech.v2:Recognize", ("content",)),
        ("speech.v2:Recognize", ("config", "autoDecodingConfig")),
        ("documentai.v1:documentai.projects.locations.processors.process", ("rawDocument",)),
        ("documentai.v1:documentai.projects.locations.processors.process", ("rawDocument", "mimeType")),
    ):
        method, body = bodies[name]
        assert method.faults_of_request(changed(body, gone, lambda at, key: at.pop(key)), {}), (name, gone)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("vision.v1:vision.images.annotate", ("requests", 0, "features", 0, "type"), "NO_SUCH_DETECTION"),
        ("vision.v1:vision.images.annotate", ("requests", 0, "features", 0, "type"), 99),
        ("vision.v1:vision.images.annotate", ("requests", 0, "features", 0, "maxResults"), 2**31),
        ("vision.v1:vision.images.annotate", ("requests", 0, "image", "content"), "no base64!"),
        ("vision.v1:vision.images.annotate", ("requests", 0, "image", "content"), "YWJjZ"),
        ("texttospeech.v1:texttospeech.text.synthesize", ("audioConfig", "audioEncoding"), "FLAC"),
        ("speech.v1:speech.speech.recognize", ("config", "maxAlternatives"), 1.5),
        ("speech.v2:Recognize", ("config", "features", "multiChannelMode"), "BOTH"),
        ("speech.v2:Recognize", ("config", "features", "multiChannelMode"), 7),
        ("speech.v2:Recognize", ("content",), "no base64!"),
        ("speech.v2:Recognize", ("config", "languageCodes"), "en-US"),
    ],
)
def test_a_value_that_is_not_of_its_form_is_caught(name: str, path: Path_, value: object) -> None:
    method, body = {method.id: (method, body) for method, body, _ in exchanges()}[name]
    assert method.faults_of_request(body, {}) == []

    def put(at: Any, key: Any) -> None:
        at[key] = value

    assert method.faults_of_request(changed(body, path, put), {})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": TOKEN}, 200),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"X-Goog-Api-Key": KEY}, 401),
        ({"X-Goog-Api-Key": "wrong"}, 401),
    ],
)
def test_credentials_are_checked(headers: dict[str, str], status: int) -> None:
    with google(ANSWERS) as server:
        server.lenient = True
        url = f"{server.url}/v3/projects/{PROJECT}/locations/global:translateText"
        body = json.dumps({"contents": ["a"], "targetLanguageCode": "de"}).encode()
        asked = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
        assert answered(asked) == status


def answered(asked: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(asked) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def defect(client: Client, *, keyless: bool) -> str | None:
    """What the driver raised that is no typed error."""
    try:
        everything(client, keyless=keyless)
    except CloudAIError as error:
        return error.message if "driver failed" in error.message else None
    return None


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_a_wrong_answer_is_a_typed_error_or_a_whole_result(name: str, tmp_path: Path) -> None:
    """Every single-member mutation of an answer, through the driver."""
    answers = [answer for method, _, answer in exchanges() if method.id == name]
    with google(ANSWERS) as server:
        server.lenient = True
        by_key = name.startswith(("translate.v2", "speech.v1"))
        values = {"endpoint_url": server.url, "api_key": KEY} if by_key else settings(server, tmp_path)
        with Client(config(values)) as client:
            for _, wrong in list(mutations(answers[0]))[::3] if answers else ():
                server.answers[name] = lambda *_, wrong=wrong: wrong
                assert defect(client, keyless=not by_key) is None
