"""The loopback server is strict: a single wrong member of a request or an answer is caught. And the driver is firm:
a wrong answer is a typed error or a whole result, never anything else."""

from __future__ import annotations

import copy
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import azure_schema
from azure_answers import Batches, Documents, Translations, azure, settings
from azure_client import config, opened
from azure_routes import ROUTES, Wrong, matched
from azure_server import KEY, AzureServer, Reply
from azure_storage import ACCOUNT_KEY, Storage, storing

from cloudai import Client
from cloudai.errors import CloudAIError
from cloudai.testing.samples import picture, tone

Place = tuple[Any, ...]
BLOB = "https://acme.blob.core.windows.net/calls/call.wav?sig=x"
STORED = "https://acme.blob.core.windows.net/letters/brief.docx?sig=x"
GLOSSARY = "https://acme.blob.core.windows.net/letters/terms.csv?sig=x"


def calls(client: Client) -> list[tuple[str, Any]]:
    """Each operation with as many members as it has, by the route that it asks."""
    operations = ["vision.detect_labels", "vision.detect_objects", "vision.read_text", "vision.caption"]
    speech, vision, translation = client.speech, client.vision, client.translation
    return [
        ("images", lambda: vision.analyze(picture(), operations=operations)),
        ("images", lambda: vision.caption(picture(), dense=True)),
        ("images", lambda: vision.detect_labels(BLOB)),
        ("face", lambda: vision.detect_faces(picture(), attributes=True)),
        ("safety", lambda: vision.moderate(picture(), options={"azure": {"categories": ["Hate", "Violence"]}})),
        ("brands", lambda: vision.detect_logos(picture())),
        ("landmarks", lambda: vision.detect_landmarks(picture())),
        ("document.result", lambda: vision.read_document(picture(), features=["tables", "forms"], queries=["total"])),
        ("transcribe", lambda: speech.transcribe(
            tone(), languages=["en", "de"], diarization=True, max_speakers=2, channels=True, phrases=["x"],
            profanity="mask", word_timestamps=True,
        )),
        ("transcript", lambda: speech.transcribe_job(
            BLOB, languages=["en", "de"], diarization=True, channels=True, word_timestamps=True,
        ).result(interval=0.01)),
        ("translate", lambda: translation.translate(
            ["a", "b"], source="en", target="de", model="m", formality="formal", profanity="mask",
            options={"azure": {"allow_fallback": False}},
        )),
        ("translate", lambda: translation.translate("a", target="de")),
        ("detect-3", lambda: translation.detect_language("a")),
        ("languages", lambda: translation.languages()),
        ("voices", lambda: speech.voices()),
        ("translate-document", lambda: translation.translate_document(b"Good morning.\n", target="de", source="en")),
        ("batch", lambda: translation.translate_document(
            STORED, target="de", source="en", glossary=GLOSSARY, options={"azure": {"poll_interval": 0.001}},
        )),
        ("speak", lambda: speech.synthesize("Hi")),
    ]  # fmt: skip


def stored(storage: Storage, version: str) -> dict[str, Any]:
    """A backend with a place for what Azure reads and writes there."""
    return {
        "batches": Batches(),
        "translations": Translations(source=b"Good morning."),
        "translator_api_version": version,
        "staging": storage.url,
        "staging_account_key": ACCOUNT_KEY,
    }


@cache
def exchanges() -> tuple[tuple[str, Any], ...]:
    """(schema, body) of everything that is sent either way, and has one."""
    found: list[tuple[str, Any]] = []
    takes = {route.name: route.takes if "." in route.takes else "" for route in ROUTES} | {
        "transcribe": "transcribe.request",
        "images": "image-url.request",
    }
    gives = {route.name: route.gives if "." in route.gives else "" for route in ROUTES}

    def noting(name: str, answer: Any) -> Any:
        def noted(received: Any) -> Any:
            given = answer(received)
            body = given.body if isinstance(given, Reply) else given
            if takes[name] and received.json is not None:
                found.append((takes[name], copy.deepcopy(received.json)))
            if gives[name]:
                found.append((gives[name], copy.deepcopy(body)))
            return given

        return noted

    for version in ("2026-06-06", "3.0"):
        with storing() as storage, opened(**stored(storage, version)) as (client, server):
            server.handlers = {name: noting(name, answer) for name, answer in server.handlers.items()}
            for _, call in calls(client):
                call()
    return tuple(found)


# --- mutations ---------------------------------------------------------------------------------------


def described(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """A schema with its reference resolved."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def mutations(
    schema: dict[str, Any], value: Any, root: dict[str, Any], place: Place = ()
) -> Iterator[tuple[str, Place]]:
    """Every single change that the description forbids: what, and where."""
    schema = described(schema, root)
    if not schema:
        return
    yield "type", place
    if "enum" in schema:
        yield "enum", place
    if isinstance(value, dict):
        if schema.get("additionalProperties") is False:
            yield "unknown", place
        for name in schema.get("required", ()):
            yield "missing", (*place, name)
        for name, each in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            yield from mutations(inner, each, root, (*place, name))
    if isinstance(value, list):
        for index, each in enumerate(value[:2]):
            yield from mutations(schema["items"], each, root, (*place, index))


def mutated(kind: str, place: Place, value: Any) -> Any:
    """A copy with one thing wrong."""
    whole = [copy.deepcopy(value)]
    path = (0, *place)
    parent: Any = whole
    for step in path[:-1]:
        parent = parent[step]
    if kind == "missing":
        del parent[path[-1]]
    elif kind == "unknown":
        parent[path[-1]]["noSuchMember"] = 1
    elif kind == "enum":
        parent[path[-1]] = "noSuchWord"
    else:
        wrong = parent[path[-1]]
        parent[path[-1]] = 7 if isinstance(wrong, str | list | dict) else "wrong"
    return whole[0]


def all_mutations() -> list[tuple[str, str, Place, Any]]:
    found = []
    for name, body in exchanges():
        schema = azure_schema.schema(name)
        found += [(name, kind, place, body) for kind, place in mutations(schema, body, schema)]
    return found


def test_all_that_is_sent_is_allowed() -> None:
    assert {name for name, _ in exchanges()} >= {
        "images.reply", "face.reply", "safety.request", "document.request", "document.reply", "translate.request",
        "translate-3.request", "transcribe.request", "submit.request", "files.reply", "transcript.reply",
        "image-url.request", "voices.reply", "batches.request", "batch.reply",
    }  # fmt: skip
    assert [problem for name, body in exchanges() for problem in azure_schema.problems(name, body)] == []


def test_single_wrong_members_are_caught() -> None:
    every = all_mutations()
    missed = [(name, kind, place) for name, kind, place, body in every
              if not azure_schema.problems(name, mutated(kind, place, body))]  # fmt: skip
    print(f"{len(every) - len(missed)} of {len(every)} single-member mutations caught")
    assert len(every) > 1_000
    assert len(missed) <= 0.05 * len(every), missed[:20]


@pytest.mark.parametrize("route", [route for route in ROUTES if route.query], ids=lambda route: route.name)
def test_wrong_parameters_are_caught(route: Any) -> None:
    right = {"api-version": "2023-10-01", "features": "tags", "to": "de", "targetLanguage": "de", "sig": "s"}
    given = {name[:-1]: right[name[:-1]] for name in route.query if name.endswith("!")}
    if "api-version" in given:
        given["api-version"] = route.query["api-version!"].replace("\\", "")
    path = route.path.replace(r"[A-Za-z0-9._~-]+", "m").replace(r"[A-Za-z0-9-]+", "x").replace(".+", "x")
    assert matched(route.method, path, given).name == route.name
    wrong = [{**given, "noSuchParameter": "1"}]
    wrong += [{key: value for key, value in given.items() if key != name} for name in given]
    wrong += [{**given, "api-version": "1999-01-01"}]
    for query in wrong:
        with pytest.raises(Wrong):
            matched(route.method, path, query)


def raw(server: AzureServer, path: str, body: bytes, **headers: str) -> int:
    request = urllib.request.Request(server.url + path, data=body, headers={name.replace("_", "-"): value for name, value in headers.items()})  # fmt: skip  # noqa: E501
    try:
        with urllib.request.urlopen(request) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/computervision/imageanalysis:analyze?api-version=2023-10-01&features=tags", b"x",
         {"Content_Type": "image/png"}, 415),
        ("/computervision/imageanalysis:analyze?api-version=2023-10-01&features=tags,colour", b"x",
         {"Content_Type": "application/octet-stream"}, 400),
        ("/translate?api-version=2026-06-06", b"[]", {"Content_Type": "application/json"}, 400),
        ("/no/such/operation", b"", {}, 404),
        ("/cognitiveservices/v1", b"<speak/>", {"Content_Type": "application/ssml+xml"}, 400),
        ("/cognitiveservices/v1", b"<speak", {"Content_Type": "application/ssml+xml",
                                             "X_Microsoft_OutputFormat": "raw-8khz-8bit-mono-alaw"}, 400),
        ("/speechtotext/transcriptions:transcribe?api-version=2025-10-15", b"{}",
         {"Content_Type": "application/json"}, 415),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused_and_noted(path: str, body: bytes, headers: dict[str, str], status: int) -> None:
    with azure(strict=False) as server:
        assert raw(server, path, body, Ocp_Apim_Subscription_Key="wrong", **headers) == 401
        assert server.violations == []
        assert raw(server, path, body, Ocp_Apim_Subscription_Key=KEY, **headers) == status
        assert len(server.violations) == 1


# --- the driver --------------------------------------------------------------------------------------


def test_a_wrong_answer_is_a_typed_error_or_a_whole_result() -> None:
    """Each mutation of each answer that a driver reads: nothing but `CloudAIError`, and never a missing place taken
    for one at the origin."""
    batches = Batches()
    translations = Translations(source=b"Good morning.")
    with storing() as storage, azure(Documents(looks=1), batches, translations, strict=False) as server:
        batches.url = server.url
        more = {"staging": storage.url, "staging_account_key": ACCOUNT_KEY}
        with Client(config(settings(server, **more))) as client:
            counted, refused = _held(server, client)
    print(f"{counted} wrong answers: {refused} refused with a typed error, the others read as they are")
    assert counted > 300
    assert refused > counted / 3


def _held(server: AzureServer, client: Client) -> tuple[int, int]:
    """How many wrong answers were given, and how many of them refused."""
    counted = refused = 0
    for name, call in calls(client):
        original = server.handlers[name]
        body = _answer(server, name, call)
        schema_name = next(route.gives for route in ROUTES if route.name == name)
        if body is None or "." not in schema_name:
            continue
        schema = azure_schema.schema(schema_name)
        for kind, place in mutations(schema, body, schema):
            wrong = mutated(kind, place, body)
            server.handlers[name] = lambda _, wrong=wrong: wrong
            counted += 1
            try:
                call()
            except CloudAIError:
                refused += 1
        server.handlers[name] = original
    return counted, refused


def _answer(server: AzureServer, name: str, call: Any) -> Any:
    kept: list[Any] = []
    original = server.handlers[name]

    def keeping(received: Any) -> Any:
        given = original(received)
        kept.append(given.body if isinstance(given, Reply) else given)
        return given

    server.handlers[name] = keeping
    call()
    server.handlers[name] = original
    return copy.deepcopy(kept[-1]) if kept else None
