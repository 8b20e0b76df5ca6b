"""How far a failed request got, at real sockets: what was refused costs nothing, what was lost counts at its bound, and
what creates something is sent again only where nothing of it has left."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from cloudai.calls.lane import Lanes
from cloudai.calls.policy import CREATES, may_fall_back, settle, turn
from cloudai.config import Config, Policy
from cloudai.delivery import mark, marked, submitted, unsent
from cloudai.errors import CloudAIError, Delivery, ErrorCode
from cloudai.http import AsyncTransport, HttpSettings, Transport, WireRequest, transport_fault
from cloudai.ledger import BudgetSettings, Limit, State, micro, open_store
from cloudai.ledger.periods import Every
from cloudai.testing import faults
from cloudai.testing.faults import (
    Always,
    Close,
    FaultServer,
    Garbage,
    Hang,
    Html,
    Redirect,
    ResetAfterHeaders,
    ResetBefore,
    Slow,
    Status,
    Truncated,
)
from cloudai.testing.faults.script import Step
from cloudai.testing.faults.wire import Wire
from cloudai.testing.faults.wire_plain import PlainWire
from cloudai.testing.samples import tone

WIRES: dict[str, Callable[[], str | Wire]] = {
    "aws": lambda: "aws",
    "gcp": lambda: "gcp",
    "azure": lambda: "azure",
    "plain": lambda: PlainWire("aws", region="us-east-1"),
}
KINDS = ("sync", "async")
FAR = 2**60
Ask = Callable[..., Any]


def kept(config: Config, folder: Path, amount: int = 10_000_000) -> Config:
    """With books."""
    limit = Limit(every=Every.MONTH, amount=amount)
    return replace(config, budget=BudgetSettings(limits=(limit,), ledger=str(folder / "ledger.sqlite")))


def booked(config: Config) -> dict[State, int]:
    """Micro-USD by what is known of them, once the last answer has been written."""
    assert config.budget is not None
    store = open_store(config.budget)
    try:
        while store.rows(State.RESERVED, 0, FAR):
            time.sleep(0.005)
        return {state: sum(row.cost or 0 for row in store.rows(state, 0, FAR)) for state in State}
    finally:
        store.close()


@contextmanager
def asking(kind: str, server: FaultServer, config: Config) -> Iterator[Ask]:
    """Translates a text, sync or async."""

    def text(client: Any, **options: Any) -> Any:
        return client.translation.translate("hello there", source="en", target="de", **options)

    if kind == "sync":
        with server.client(config) as client:
            yield partial(text, client)
        return
    with asyncio.Runner() as runner:
        aclient = server.async_client(config)

        async def once(**options: Any) -> Any:
            return await text(aclient, **options)

        yield lambda **options: runner.run(once(**options))
        runner.run(aclient.close())


# --- the ledger against the bill -------------------------------------------------------------------

REFUSED: dict[str, Step] = {
    "503": Status(503),
    "500": Status(500),
    "429": Status(429),
    "400": Status(400),
    "401": Status(401),
    "a proxy's page": Html(503),
    "redirect": Redirect("http://127.0.0.1:9/elsewhere"),
}
LOST: dict[str, Step] = {
    "504": Status(504),
    "a gateway's page": Html(502),
    "reset": ResetBefore(),
    "reset, and done": ResetBefore(billed=True),
    "reset after the headers": ResetAfterHeaders(),
    "closed": Close(),
    "closed, and done": Close(billed=True),
    "hung": Hang(),
    "hung, and done": Hang(billed=True),
    "hung after the headers": Hang(after_headers=True, billed=True),
    "cut": Truncated(),
    "cut, and said so": Truncated(whole_length=False),
    "dripping": Slow(30),
    "no HTTP": Garbage(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("provider", WIRES)
def test_the_ledger_has_the_bill_and_at_most_what_is_unknown_besides(provider: str, kind: str, tmp_path: Path) -> None:
    with faults.serve(WIRES[provider]()) as server:
        config = kept(server.config(max_attempts=1, breaker_failures=1000), tmp_path)
        with asking(kind, server, config) as ask:
            ask()
            one = micro(server.bill.cost or 0)  # type: ignore[arg-type]
            assert one > 0
            for name, step in {**REFUSED, **LOST}.items():
                before, billed = booked(config), server.bill.requests
                server.play(Always(step))
                with pytest.raises(CloudAIError) as caught:
                    ask(timeout=0.5 if isinstance(step, Hang | Slow) else 20.0)
                now = booked(config)
                unknown = now[State.UNKNOWN] - before[State.UNKNOWN]
                spent = unknown + now[State.SETTLED] - before[State.SETTLED]
                true = (server.bill.requests - billed) * one
                assert true <= spent <= true + unknown, name
                assert caught.value.delivery is (Delivery.REFUSED if name in REFUSED else Delivery.UNKNOWN), name
                assert (unknown > 0) is (name in LOST), name
                assert now[State.RESERVED] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("provider", WIRES)
def test_a_refused_connection_costs_nothing(provider: str, kind: str, tmp_path: Path) -> None:
    with faults.serve(WIRES[provider]()) as server:
        pass
    config = kept(server.config(max_attempts=2, backoff=0.001), tmp_path)
    with asking(kind, server, config) as ask, pytest.raises(CloudAIError) as caught:
        ask()
    assert (caught.value.code, caught.value.delivery) == (ErrorCode.UNAVAILABLE, Delivery.NOT_SENT)
    assert caught.value.attempts == 2
    assert sum(booked(config).values()) == 0


@pytest.mark.parametrize("provider", WIRES)
def test_after_200_times_503_the_budget_is_untouched(provider: str, tmp_path: Path) -> None:
    with faults.serve(WIRES[provider](), Always(Status(503))) as server:
        config = kept(server.config(max_attempts=2, backoff=0.0001, max_backoff=0.0001), tmp_path, amount=1000)
        with asking("sync", server, config) as ask:
            while server.count() < 200:
                with pytest.raises(CloudAIError, match="unavailable"):
                    ask()
    assert sum(booked(config).values()) == 0


# --- flows of several requests ---------------------------------------------------------------------


def once(kind: str, server: FaultServer, config: Config, call: Callable[[Any], Any]) -> None:
    """One call of a client of its own, sync or async."""

    async def ask() -> None:
        async with server.async_client(config) as client:
            await call(client)

    if kind == "async":
        asyncio.run(ask())
        return
    with server.client(config) as client:
        call(client)


def transcribed(script: Any, folder: Path, kind: str) -> tuple[CloudAIError, Config, FaultServer]:
    with faults.serve("aws", script) as server:
        config = kept(server.config(max_attempts=1), folder)

        with pytest.raises(CloudAIError) as caught:
            once(kind, server, config, lambda client: client.speech.transcribe(tone(), language="en-US"))
    return caught.value, config, server


@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_that_fails_comes_before_what_is_billed(kind: str, tmp_path: Path) -> None:
    error, config, server = transcribed({"PutObject": Always(ResetBefore())}, tmp_path, kind)
    assert (server.count("PutObject"), server.count("StartTranscriptionJob")) == (1, 0)
    assert error.delivery is Delivery.NOT_SENT
    assert sum(booked(config).values()) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_that_was_refused_costs_nothing(kind: str, tmp_path: Path) -> None:
    error, config, _ = transcribed({"StartTranscriptionJob": Always(Status(503))}, tmp_path, kind)
    assert error.delivery is Delivery.REFUSED
    assert sum(booked(config).values()) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_once_the_job_was_accepted_a_refused_look_is_no_refusal_of_it(kind: str, tmp_path: Path) -> None:
    error, config, server = transcribed({"GetTranscriptionJob": Always(Status(400))}, tmp_path, kind)
    assert server.count("StartTranscriptionJob") == 1
    assert (error.code, error.delivery) == (ErrorCode.INVALID_INPUT, Delivery.UNKNOWN)
    assert booked(config)[State.UNKNOWN] > 0


@pytest.mark.parametrize("provider", ["aws", "azure"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_after_a_part_was_answered_is_of_unknown_outcome(
    provider: str, kind: str, tmp_path: Path
) -> None:
    """AWS takes one text a request, Azure a thousand; both drivers send the parts of one list within one attempt."""
    texts = ["hello"] * (2 if provider == "aws" else 1001)
    with faults.serve(provider, [faults.Ok(), Status(503)]) as server:
        config = kept(server.config(max_attempts=1), tmp_path)
        with pytest.raises(CloudAIError) as caught:
            once(kind, server, config, lambda client: client.translation.translate(texts, source="en", target="de"))
    assert server.count() == 2
    true, found = micro(server.bill.cost or 0), booked(config)  # type: ignore[arg-type]
    assert true <= found[State.UNKNOWN] + found[State.SETTLED]
    assert caught.value.delivery is Delivery.UNKNOWN or found[State.SETTLED] == true


# --- what creates something ------------------------------------------------------------------------


def submitting(server: FaultServer, config: Config) -> Any:
    with server.client(config) as client:
        for backend in config.backends:
            for service in (
                "s3",
                "transcribe",
            ):  # boto3 reads their descriptions: no part of the deadline that is tested
                client.driver(backend).client(service)
        return client.speech.transcribe_job(tone(), language="en-US")


def test_a_job_goes_to_the_next_backend_where_nothing_has_left() -> None:
    with faults.serve("aws") as dead:
        pass
    with faults.serve("aws") as alive:
        config = faults.config(dead.backend("dead"), alive.backend("alive"), backoff=0.001, max_backoff=0.001)
        handle = submitting(alive, config)
        assert (handle.ref.backend, alive.count("StartTranscriptionJob")) == ("alive", 1)


@pytest.mark.parametrize("step", [ResetBefore(), Close(), Status(503), Status(504), Hang(), Garbage()])
def test_a_job_that_may_have_been_made_is_not_made_again_here_or_elsewhere(step: Step) -> None:
    with faults.serve("aws", {"StartTranscriptionJob": Always(step)}) as first, faults.serve("aws") as second:
        deadline = 6.0 if isinstance(step, Hang) else 60.0
        config = faults.config(first.backend("first"), second.backend("second"), deadline=deadline)
        with pytest.raises(CloudAIError) as caught:
            submitting(first, config)
        assert (first.count("StartTranscriptionJob"), second.count()) == (1, 0)
    assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
    assert not caught.value.retryable
    said = str(caught.value)
    assert "at first" in said
    sent = [each for each in first.requests if each.call == "StartTranscriptionJob"]
    assert len(sent) == 1


def test_the_error_names_what_the_job_was_called() -> None:
    with faults.serve("aws", {"StartTranscriptionJob": Always(ResetBefore())}, keep=True) as server:
        with pytest.raises(CloudAIError) as caught:
            submitting(server, server.config())
        (sent,) = [each.asked for each in server.requests if each.call == "StartTranscriptionJob"]
    assert sent is not None
    key = str(caught.value).partition("look for ")[2].split()[0]
    assert len(key) == 32
    assert key in sent.body.decode()


def failure(code: ErrorCode, delivery: Delivery) -> CloudAIError:
    return CloudAIError("it failed", code=code, delivery=delivery, backend="there")


@pytest.mark.parametrize("code", [ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.INTERNAL])
@pytest.mark.parametrize("operation", sorted(CREATES))
def test_only_what_never_left_is_created_elsewhere(operation: str, code: ErrorCode) -> None:
    for delivery in Delivery:
        error = failure(code, delivery)
        never = delivery is Delivery.NOT_SENT
        assert may_fall_back(error, operation) is never
        assert may_fall_back(failure(code, delivery), "vision.detect_labels")
        settled = settle(error, operation, key="abc")
        assert settled.code is (code if never else ErrorCode.OUTCOME_UNKNOWN)
        assert ("at there: look for " in str(settled)) is not never


def test_a_refusal_that_is_sure_is_no_doubt_about_what_was_created() -> None:
    error = failure(ErrorCode.INVALID_INPUT, Delivery.REFUSED)
    assert settle(error, "custom.train", key="abc").code is ErrorCode.INVALID_INPUT


def test_a_creation_is_tried_again_only_where_nothing_has_left() -> None:
    lane = Lanes(Policy()).lane("there", "custom.train")
    for delivery in Delivery:
        mine = turn(
            Policy(backoff=0.0001),
            ends=time.monotonic() + 60,
            timeout=5,
            backends_left=1,
            operation="custom.train",
            lane=lane,
        )

        def attempt(timeout: float, delivery: Delivery = delivery) -> None:
            raise failure(ErrorCode.UNAVAILABLE, delivery)

        with pytest.raises(CloudAIError):
            mine.run(attempt)
        assert mine.attempts == (3 if delivery is Delivery.NOT_SENT else 1)


# --- connections -----------------------------------------------------------------------------------


def failure_of(url: str, *, kind: str, timeout: float = 0.3, connections: int = 1) -> Delivery | None:
    """What the transport says of a request to an address."""
    settings = HttpSettings(provider="plain", endpoint_url=url, max_connections=connections)
    request = WireRequest(method="POST", url=url, body=b"{}")

    async def ask() -> None:
        transport = AsyncTransport(settings)
        try:
            await transport.send(request, timeout=timeout)
        finally:
            await transport.close()

    try:
        if kind == "async":
            asyncio.run(ask())
        else:
            transport = Transport(settings)
            try:
                transport.send(request, timeout=timeout)
            finally:
                transport.close()
    except Exception as error:
        fault = transport_fault(error)
        assert fault is not None
        return marked(error) or fault.delivery
    raise AssertionError("it was answered")


@contextmanager
def full() -> Iterator[str]:
    """A port whose queue of connections is full: connecting to it hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first:
        first.connect(listener.getsockname())
        others = [socket.socket() for _ in range(4)]
        for each in others:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            for each in others:
                each.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_that_does_not_come_about_was_not_sent_over(kind: str) -> None:
    with full() as url:
        assert failure_of(url, kind=kind) is Delivery.NOT_SENT


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_does_not_resolve_was_not_sent_to(kind: str) -> None:
    assert failure_of("http://nobody.invalid/", kind=kind, timeout=5.0) is Delivery.NOT_SENT


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_that_is_not_trusted_was_sent_nothing(kind: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            talk, _ = listener.accept()
            with talk, pytest.raises((ssl.SSLError, OSError)):
                context.wrap_socket(talk, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        found = failure_of(f"https://127.0.0.1:{listener.getsockname()[1]}/", kind=kind, timeout=5.0)
        thread.join()
    assert found is Delivery.NOT_SENT


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_does_not_answer_may_have_done_it(kind: str) -> None:
    with faults.serve("plain", Always(Hang())) as server:
        assert failure_of(f"{server.url}/v1/vision.detect_labels", kind=kind) is Delivery.UNKNOWN
        assert server.count() == 1


# --- marks -----------------------------------------------------------------------------------------


def test_what_was_accepted_is_never_taken_back() -> None:
    error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError), unsent(), submitted(), unsent():
        raise error
    assert marked(error) is Delivery.UNKNOWN
    mark(error, Delivery.NOT_SENT)
    assert marked(error) is Delivery.UNKNOWN


def test_a_cause_says_it_for_what_is_raised_instead() -> None:
    inner, outer = ValueError(), KeyError()
    mark(inner, Delivery.NOT_SENT)
    outer.__cause__ = inner
    assert marked(outer) is Delivery.NOT_SENT
    inner.__cause__ = outer  # a circle ends
    assert marked(ValueError()) is None
