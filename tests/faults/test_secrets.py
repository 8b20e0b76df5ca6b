"""Keys in five shapes, taken through everything that can go wrong: none is seen in any of eight sinks.

The server echoes whatever credentials and bodies it was sent. A site is one failure with one shape of secret.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from secret_sinks import everything_logged, sightings, sinks_of, spans, spans_kept

from cloudai.calls.media import InputGuard, load
from cloudai.cli import main
from cloudai.config import Config
from cloudai.errors import CloudAIError
from cloudai.testing import faults
from cloudai.testing.faults import (
    Always,
    Close,
    FaultServer,
    Garbage,
    Hang,
    Html,
    Ok,
    Redirect,
    ResetAfterHeaders,
    ResetBefore,
    Slow,
    Status,
    Truncated,
)
from cloudai.testing.faults.script import Step
from cloudai.testing.samples import picture, tone
from cloudai.types.media import MediaKind

AWS = {
    "access_key_id": "AKIAQHUSHHUSHHUSH123",
    "secret_access_key": "hushAWSsecret/K7MDENG+bPxRfiCYEXAMPLEKEY1",
    "session_token": "hushAWStokenIQoJb3JpZ2luX2VjEXAMPLE//////////",
}
GOOGLE_KEY, AZURE_KEY, BEARER = (
    "AIzaHushHushHushHushHushHushHushHush12",
    "hushazure0123456789abcdef01234567",
    "hushbearer-42",
)
PASSWORD, SIGNATURE = "hushp4ssword", "hushSASsignature%2Fabc%3D"


@cache
def private_key() -> str:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()).decode()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One kind of secret: the provider that has it, its settings, what must not be seen."""

    name: str
    provider: str
    values: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def settings(self, folder: Path) -> Mapping[str, str | None]:
        if self.name != "google account":
            return self.values
        path = folder / "account.json"
        account = {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "1",
            "private_key": private_key(),
            "client_email": "a@p.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": "http://127.0.0.1:1/token",
        }
        path.write_text(json.dumps(account))
        return {"credentials_file": str(path), "project": "p", "api_key": None}


SHAPES = (
    Shape(name="aws keys", provider="aws", values=AWS, secrets=tuple(AWS.values())[1:]),
    Shape(name="google key", provider="gcp", values={"api_key": GOOGLE_KEY}, secrets=(GOOGLE_KEY,)),
    Shape(name="google account", provider="gcp", values={}, secrets=()),
    Shape(name="azure key", provider="azure", values={"api_key": AZURE_KEY}, secrets=(AZURE_KEY,)),
    Shape(name="bearer", provider="plain", values={"api_key": BEARER}, secrets=(BEARER,)),
)
WIRE: Mapping[str, Step] = {
    "400 echo": Status(400, echo=True),
    "401 echo": Status(401, echo=True),
    "403 echo": Status(403, echo=True),
    "404 echo": Status(404, echo=True),
    "429 echo": Status(429, echo=True),
    "500 echo": Status(500, echo=True),
    "503 echo": Status(503, echo=True),
    "418 echo": Status(418, code="Strange", echo=True),
    "page echo": Html(502, echo=True),
    "page with 200": Html(200, echo=True),
    "redirect": Redirect("http://127.0.0.1:1/?elsewhere"),
    "reset": ResetBefore(),
    "reset after headers": ResetAfterHeaders(),
    "closed": Close(),
    "hang": Hang(),
    "hang after headers": Hang(after_headers=True),
    "drip": Slow(30),
    "cut": Truncated(),
    "cut json": Truncated(whole_length=False),
    "no http": Garbage(),
}
CALLS: Mapping[str, Callable[[Any], Any]] = {
    "translate": lambda client: client.translation.translate("hello", source="en", target="de"),
    "labels": lambda client: client.vision.detect_labels(picture()),
    "speak": lambda client: client.speech.synthesize("hello", language="en-US"),
    "transcribe": lambda client: client.speech.transcribe(tone(), language="en-US"),
}


def secrets_of(shape: Shape, *servers: FaultServer) -> list[str]:
    """What it was given, and the tokens that were made from it: as the server saw them."""
    found = [*shape.secrets, *(quote(secret, safe="") for secret in shape.secrets)]
    if shape.name == "google account":
        found += [line for line in private_key().splitlines() if "KEY" not in line and len(line) > 40]
        for server in servers:
            for arrival in server.requests:
                assert arrival.asked is not None
                found.append(arrival.asked.headers["authorization"].removeprefix("Bearer "))
    return list(dict.fromkeys(found))


@dataclass(frozen=True, kw_only=True)
class Site:
    """`run` fails, or tells of a failure, and returns what is left; `None` where it only prints."""

    name: str
    shape: Shape
    run: Callable[[Path], tuple[object, list[str]]]

    def __str__(self) -> str:
        return f"{self.shape.name}: {self.name}"


def config_of(shape: Shape, folder: Path, *servers: FaultServer, **policy: float) -> Config:
    backends = [server.backend(f"b{index}", **shape.settings(folder)) for index, server in enumerate(servers)]
    made = faults.config(*backends, **{"backoff": 0.001, "max_backoff": 0.002, "timeout": 5.0, **policy})
    return replace(made, opentelemetry=True)


def failed(kind: str, server: FaultServer, config: Config, call: Callable[[Any], Any]) -> object:
    """The error, as the user's program has it; the answer where there is one."""

    async def ask() -> object:
        async with server.async_client(config) as client:
            return await call(client)

    try:
        if kind == "async":
            return asyncio.run(ask())
        with server.client(config) as client:
            return call(client)
    except CloudAIError as error:
        return error


def on_the_wire(shape: Shape, step: Step, kind: str, call: str, folder: Path) -> tuple[object, list[str]]:
    slow = isinstance(step, Hang | Slow)
    with faults.serve(shape.provider, Always(step), keep=True) as server:
        config = config_of(shape, folder, server, max_attempts=2, timeout=0.3 if slow else 5.0)
        error = failed(kind, server, config, CALLS[call])
        assert isinstance(error, CloudAIError)
        return error, secrets_of(shape, server)


def refused(shape: Shape, kind: str, folder: Path) -> tuple[object, list[str]]:
    with faults.serve(shape.provider, keep=True) as server:
        server.stop()
        return failed(kind, server, config_of(shape, folder, server), CALLS["translate"]), secrets_of(shape)


def fallen_back(shape: Shape, kind: str, folder: Path) -> tuple[object, list[str]]:
    with ExitStack() as stack:
        first = stack.enter_context(faults.serve(shape.provider, Status(403, echo=True), keep=True))
        second = stack.enter_context(faults.serve(shape.provider, Ok(), keep=True))
        answer = failed(kind, first, config_of(shape, folder, first, second), CALLS["translate"])
        assert "did not answer" in repr(answer)
        return answer, secrets_of(shape, first, second)


def all_failed(shape: Shape, kind: str, folder: Path) -> tuple[object, list[str]]:
    with ExitStack() as stack:
        servers = [stack.enter_context(faults.serve(shape.provider, Status(503, echo=True), keep=True)) for _ in "ab"]
        error = failed(kind, servers[0], config_of(shape, folder, *servers), CALLS["labels"])
        assert isinstance(error, CloudAIError)
        return error, secrets_of(shape, *servers)


def wrong_options(shape: Shape, folder: Path) -> tuple[object, list[str]]:
    def call(client: Any) -> Any:
        return client.translation.translate("a", target="de", options={shape.provider: {"no_such": 1}})

    with faults.serve(shape.provider, keep=True) as server:
        return failed("sync", server, config_of(shape, folder, server), call), secrets_of(shape)


def wrong_input(shape: Shape, folder: Path) -> tuple[object, list[str]]:
    with faults.serve(shape.provider, keep=True) as server:
        config = config_of(shape, folder, server)
        return failed("sync", server, config, lambda client: client.vision.detect_labels(b"no image")), secrets_of(
            shape
        )


def closed_client(shape: Shape, folder: Path) -> tuple[object, list[str]]:
    with faults.serve(shape.provider, keep=True) as server:
        client = server.client(config_of(shape, folder, server))
        client.close()
        with pytest.raises(CloudAIError) as caught:
            client.vision.detect_labels(picture())
        return [caught.value, client, repr(client.config), *client.backends.values()], secrets_of(shape)


def job_failed(shape: Shape, folder: Path) -> tuple[object, list[str]]:
    def call(client: Any) -> Any:
        return client.speech.transcribe_job(tone(), language="en-US")

    with faults.serve(shape.provider, Status(403, echo=True), keep=True) as server:
        return failed("sync", server, config_of(shape, folder, server), call), secrets_of(shape, server)


def wrong_settings(shape: Shape, folder: Path, **wrong: object) -> tuple[object, list[str]]:
    with faults.serve(shape.provider, keep=True) as server:
        backend = server.backend("b", **{**shape.settings(folder), **wrong})
        with pytest.raises(CloudAIError) as caught:
            server.client(faults.config(backend))
        return [caught.value, repr(backend)], secrets_of(shape)


def settings_shown(shape: Shape, folder: Path) -> tuple[object, list[str]]:
    with faults.serve(shape.provider, keep=True) as server, server.client(config_of(shape, folder, server)) as client:
        backend = client.backends["b0"]
        shown = [backend, backend.settings, backend.driver, repr(client.config), repr(server.backend("b"))]
        return shown, secrets_of(shape)


def through_a_proxy(shape: Shape, kind: str, folder: Path) -> tuple[object, list[str]]:
    """The endpoint is no loopback name, so that the proxy is taken; nobody listens there, or it refuses."""
    with faults.serve(shape.provider, Status(407, echo=True), keep=True) as server:
        proxy = f"http://me:{PASSWORD}@127.0.0.1:{server.port}"
        values = {**shape.settings(folder), "proxy": proxy, "endpoint_url": "https://api.example"}
        config = faults.config(server.backend("b", **values), max_attempts=1, timeout=5.0)
        return failed(kind, server, config, CALLS["translate"]), [*secrets_of(shape), PASSWORD]


def from_an_address(name: str, folder: Path) -> tuple[object, list[str]]:
    """An input by its address, with a user or a signature in it: refused, or fetched from where it is broken."""
    with faults.serve("plain", ADDRESSES[name][1]) as server:
        address = ADDRESSES[name][0].replace("HOST", f"127.0.0.1:{server.port}")
        guard = InputGuard(allow_hosts=frozenset({f"127.0.0.1:{server.port}"}))
        held, address = [address], ""  # this frame is the user's own, and forgets it as well
        with pytest.raises(CloudAIError) as caught:
            load(held.pop(), MediaKind.IMAGE, guard=guard, timeout=1.0)
    return caught.value, [PASSWORD, SIGNATURE]


def on_the_command_line(shape: Shape, arguments: tuple[str, ...], folder: Path) -> tuple[object, list[str]]:
    """What a user sees of a refusal: stdout and stderr, `--debug` included."""
    with faults.serve(shape.provider, Status(401, echo=True), keep=True) as server:
        values = server.backend("b", **shape.settings(folder)).values
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        (folder / "cloudai.toml").write_text("\n".join(["[backends.b]", *lines, "[routes]", '"*" = "b"', ""]))
        out, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(errors), chdir(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a secret stands in the file is said, without the secret
            main(list(arguments))
        assert out.getvalue() + errors.getvalue()
        return [out.getvalue(), errors.getvalue()], secrets_of(shape, server)


ADDRESSES: Mapping[str, tuple[str, Step]] = {
    "user in an input's address": (f"https://me:{PASSWORD}@HOST/a.png", Ok()),
    "signature, not public": (f"https://10.0.0.1/a.png?sig={SIGNATURE}", Ok()),
    "signature, 403": (f"http://HOST/a.png?sv=1&sig={SIGNATURE}", Status(403, echo=True)),
    "signature, 500": (f"http://HOST/a.png?sv=1&sig={SIGNATURE}", Status(500, echo=True)),
    "signature, redirected inside": (f"http://HOST/a.png?sig={SIGNATURE}", Redirect(f"http://10.0.0.1/?s={SIGNATURE}")),
    "signature, reset": (f"http://HOST/a.png?sig={SIGNATURE}", ResetBefore()),
    "signature, hung": (f"http://HOST/a.png?sig={SIGNATURE}", Hang()),
    "signature, cut": (f"http://HOST/a.png?sig={SIGNATURE}", Truncated()),
    "signature, no http": (f"http://HOST/a.png?sig={SIGNATURE}", Garbage()),
}
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "cloudai translate": ("translate", "hello", "--to", "de"),
    "cloudai translate --debug": ("translate", "hello", "--to", "de", "--debug"),
    "cloudai config check": ("config", "check"),
    "cloudai config show": ("config", "show"),
    "cloudai backends --json": ("backends", "--json"),
    "cloudai doctor": ("doctor", "--no-calls"),
}
ADDRESS = Shape(name="address", provider="", values={}, secrets=(PASSWORD, SIGNATURE))


def sites() -> Iterator[Site]:
    for name in ADDRESSES:
        yield Site(name=name, shape=ADDRESS, run=partial(from_an_address, name))
    for shape in SHAPES:
        for name, arguments in COMMANDS.items():
            if shape.provider != "plain":  # it is handed to clients in code
                yield Site(name=name, shape=shape, run=partial(on_the_command_line, shape, arguments))
    yield from provider_sites()


def provider_sites() -> Iterator[Site]:
    for shape in SHAPES:
        kinds = ("sync", "async")
        for index, (name, step) in enumerate(WIRE.items()):
            kind = kinds[index % 2]
            call = list(CALLS)[index % 2]
            yield Site(name=f"{name}, {kind}", shape=shape, run=partial(on_the_wire, shape, step, kind, call))
        for call in ("speak", "transcribe"):
            for kind in kinds:
                run = partial(on_the_wire, shape, Status(401, echo=True), kind, call)
                yield Site(name=f"{call} refused, {kind}", shape=shape, run=run)
        for kind in kinds:
            yield Site(name=f"nobody listens, {kind}", shape=shape, run=partial(refused, shape, kind))
            yield Site(name=f"fallback, {kind}", shape=shape, run=partial(fallen_back, shape, kind))
            yield Site(name=f"all failed, {kind}", shape=shape, run=partial(all_failed, shape, kind))
        yield Site(name="wrong options", shape=shape, run=partial(wrong_options, shape))
        yield Site(name="wrong input", shape=shape, run=partial(wrong_input, shape))
        yield Site(name="closed client", shape=shape, run=partial(closed_client, shape))
        yield Site(name="job refused", shape=shape, run=partial(job_failed, shape))
        yield Site(name="settings shown", shape=shape, run=partial(settings_shown, shape))
        yield Site(name="unknown setting", shape=shape, run=partial(wrong_settings, shape, no_such=1))
        yield Site(name="plain http", shape=shape, run=partial(wrong_settings, shape, endpoint_url="http://a.example"))
        user = f"https://me:{PASSWORD}@a.example"
        if shape.provider != "aws":
            yield Site(name="user in address", shape=shape, run=partial(wrong_settings, shape, endpoint_url=user))
            for kind in kinds:
                yield Site(name=f"proxy, {kind}", shape=shape, run=partial(through_a_proxy, shape, kind))
        yield Site(name="wrong type", shape=shape, run=partial(wrong_settings, shape, region=["x"]))


ALL = tuple(sites())
NAMES = tuple(dict.fromkeys(site.name for site in ALL))


def chosen() -> Iterator[Site]:
    """Each failure once, with one shape after another: what every run has time for."""
    for index, name in enumerate(NAMES):
        same = [site for site in ALL if site.name == name]
        yield same[index % len(same)]


SITES = tuple(chosen())


def test_there_are_enough_sites_and_shapes() -> None:
    assert len(NAMES) >= 55
    assert len(ALL) >= 230
    assert {site.shape.name for site in SITES} == {*(shape.name for shape in SHAPES), "address"}


def unseen(site: Site, folder: Path) -> None:
    with spans_kept(), everything_logged() as log:
        specimen, secrets = site.run(folder)
    assert secrets
    assert sightings(sinks_of(specimen, log.getvalue(), spans()), secrets) == []


@pytest.mark.parametrize("site", SITES, ids=str)
def test_no_secret_is_seen(site: Site, tmp_path: Path) -> None:
    unseen(site, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("site", [site for site in ALL if site not in SITES], ids=str)
def test_no_secret_is_seen_with_any_other_shape(site: Site, tmp_path: Path) -> None:
    unseen(site, tmp_path)


def test_the_sinks_see_what_is_there() -> None:
    """Each of them finds a key that is left lying about."""

    def careless() -> None:
        key = BEARER
        logging.getLogger("somebody.else").debug("sent %s", key)
        raise ValueError(f"refused: {key}")

    with everything_logged() as log, pytest.raises(ValueError, match="refused") as caught:
        careless()
    found = sightings(sinks_of(caught.value, log.getvalue(), BEARER), [BEARER])
    assert {line.partition(":")[0] for line in found} == {
        "str", "repr", "traceback", "traceback with locals", "json", "pickle", "debug log", "span attributes",
    }  # fmt: skip


def test_the_spans_are_there(tmp_path: Path) -> None:
    spans()
    with spans_kept():
        on_the_wire(SHAPES[-1], Status(403, echo=True), "sync", "translate", tmp_path)
    assert "translation.translate" in spans()


def test_settings_are_not_pickled() -> None:
    with faults.serve("azure") as server, server.client() as client, pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(client.backends["azure"].settings)
