"""The fault server itself: what a script does to requests, what is counted, what is billed."""

from __future__ import annotations

import contextlib
import math
import re
import socket
import struct
import time
from collections.abc import Callable
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.errors import CloudAIError, ConfigError, ErrorCode, InvalidInput
from cloudai.testing import faults
from cloudai.testing.faults import (
    Always,
    Close,
    Cycle,
    First,
    Flapping,
    Garbage,
    Hang,
    Html,
    Ok,
    Redirect,
    ResetAfterHeaders,
    ResetBefore,
    Share,
    Slow,
    Status,
    Then,
    Truncated,
    load_script,
)
from cloudai.testing.faults.script import Step, pick, span, whole
from cloudai.testing.faults.server import FaultServer
from cloudai.testing.faults.wire_plain import PlainWire
from cloudai.testing.samples import picture

LABELS = "/v1/vision.detect_labels"
BODY = b'{"units": "1"}'


def ask(server: FaultServer, *, timeout: float = 5.0, path: str = LABELS) -> httpx.Response:
    """One request on a connection of its own."""
    with httpx.Client(timeout=timeout, trust_env=False) as client:
        return client.post(server.url + path, content=BODY)


def served(step: Step, count: int, *, elapsed: float = 0.0) -> list[object]:
    return [pick(step, number, elapsed) for number in range(count)]


# --- scripts ---------------------------------------------------------------------------------------


def test_a_list_is_played_once_and_then_requests_are_answered() -> None:
    assert served(whole([Status(503), Hang()]), 4) == [Status(503), Hang(), Ok(), Ok()]


def test_a_behaviour_on_its_own_is_for_every_request() -> None:
    assert served(whole(Status(503)), 3) == [Status(503)] * 3


def test_steps_follow_one_another_by_their_lengths() -> None:
    script = whole([First(2, Status(500)), Then([Close(), ResetBefore()]), Always(Html())])
    assert served(script, 6) == [Status(500), Status(500), Close(), ResetBefore(), Html(), Html()]


def test_a_cycle_comes_round() -> None:
    assert served(whole(Cycle([Ok(), First(2, Status(500))])), 7) == [
        Ok(), Status(500), Status(500), Ok(), Status(500), Status(500), Ok(),
    ]  # fmt: skip


@pytest.mark.parametrize("steps", [[], [Always(Ok())], [First(0, Ok())]])
def test_a_cycle_needs_steps_that_end(steps: list[Step]) -> None:
    with pytest.raises(ValueError, match="a cycle needs"):
        Cycle(steps)


def test_flapping_is_told_by_the_clock() -> None:
    script = Flapping(up=2, down=3)
    states = [pick(script, 0, seconds) for seconds in (0.0, 1.9, 2.0, 4.9, 5.0, 6.9, 7.0)]
    assert [state == Ok() for state in states] == [True, True, False, False, True, True, False]


@given(p=st.floats(0, 1), seed=st.integers())
def test_a_share_is_drawn_as_often_as_it_says_and_always_the_same(p: float, seed: int) -> None:
    script = Share(p, Status(500), seed=seed)
    drawn = served(script, 300)
    assert drawn == served(script, 300)
    assert abs(drawn.count(Status(500)) - 300 * p) <= 6 * math.sqrt(300 * p * (1 - p)) + 1


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_length_of_a_script_is_the_number_of_requests_it_is_for(first: int, second: int) -> None:
    script = Then([First(first, Status(500)), First(second, Status(503))])
    assert span(script) == first + second
    answers = served(script, first + second + 3)
    assert [answers.count(Status(500)), answers.count(Status(503)), answers.count(Ok())] == [first, second, 3]


# --- what becomes of a request ----------------------------------------------------------------------


def test_an_answer_is_an_answer() -> None:
    with faults.serve("plain") as server:
        assert ask(server).json() == {"id": "plain-1", "units": "1"}


def test_a_status_has_the_providers_form_and_the_headers_asked_for() -> None:
    script = [Status(429, message="slow down", retry_after=1.2, headers={"x-limit": "7"})]
    with faults.serve("plain", script) as server:
        reply = ask(server)
    assert (reply.status_code, reply.headers["retry-after"], reply.headers["x-limit"]) == (429, "2", "7")
    assert reply.json() == {"error": {"code": "rate_limited", "message": "slow down"}}


def test_a_date_to_wait_for_is_never_too_early_and_runs_by_the_servers_clock() -> None:
    with faults.serve("plain", [Status(503, retry_after=90, form="date")], clock_skew=3600) as server:
        before = math.floor(time.time())  # both headers are in whole seconds
        reply = ask(server)
        after = time.time()
    then, now = (parsedate_to_datetime(reply.headers[name]).timestamp() for name in ("retry-after", "date"))
    assert then - now >= 90
    assert before <= now - 3600 <= after


@pytest.mark.parametrize(
    ("provider", "where"),
    [
        ("aws", lambda reply: float(reply.headers["x-amz-retry-after"]) / 1000),
        ("azure", lambda reply: float(reply.headers["retry-after-ms"]) / 1000),
        ("gcp", lambda reply: float(reply.json()["error"]["details"][0]["retryDelay"].removesuffix("s"))),
        ("plain", lambda reply: reply.json()["error"]["retry_after"]),
    ],
)
def test_each_provider_has_its_own_form_of_waiting(provider: str, where: Callable[[httpx.Response], float]) -> None:
    with faults.serve(provider, [Status(429, retry_after=0.25, form="vendor")]) as server:
        reply = ask(server)
    assert where(reply) == 0.25
    assert "retry-after" not in reply.headers


def test_a_careless_service_repeats_the_credentials() -> None:
    with faults.serve("plain", [Status(401, echo=True), Html(502, echo=True)]) as server, httpx.Client() as client:
        for _ in range(2):
            reply = client.post(server.url + LABELS, headers={"authorization": "Bearer hush"}, content=BODY)
            assert "hush" in reply.text


def test_a_page_of_a_proxy_is_html() -> None:
    with faults.serve("aws", [Html(504)]) as server:
        reply = ask(server)
    assert (reply.status_code, reply.headers["content-type"]) == (504, "text/html")


def test_a_redirect_leads_away() -> None:
    with faults.serve("plain", [Redirect("http://127.0.0.1:1/elsewhere")]) as server:
        reply = ask(server)
    assert (reply.status_code, reply.headers["location"]) == (307, "http://127.0.0.1:1/elsewhere")


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (ResetBefore(), httpx.ReadError),
        (ResetAfterHeaders(), httpx.ReadError),
        (Close(), httpx.RemoteProtocolError),
        (Truncated(), httpx.RemoteProtocolError),
        (Garbage(), httpx.RemoteProtocolError),
        (Hang(0.01), httpx.RemoteProtocolError),
    ],
)
def test_a_broken_exchange_is_broken_in_the_way_it_says(step: Step, expected: type[Exception]) -> None:
    with faults.serve("plain", step) as server, pytest.raises(expected):
        ask(server)


def test_a_reset_before_the_answer_sends_nothing_and_one_after_the_headers_sends_those() -> None:
    request = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n" % LABELS.encode()
    with faults.serve("plain", [ResetBefore(), ResetAfterHeaders()]) as server:
        for begins in (b"", b"HTTP/1.1 200"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
                connection.sendall(request)
                came = b""
                with contextlib.suppress(ConnectionResetError):
                    while part := connection.recv(4096):
                        came += part
                assert came.startswith(begins)
                assert bool(came) == bool(begins)


def test_what_is_cut_with_its_length_is_whole_http_and_no_json() -> None:
    with faults.serve("plain", [Truncated(0.5, whole_length=False)]) as server:
        reply = ask(server)
    assert reply.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        reply.json()


@pytest.mark.parametrize("step", [Hang(), Hang(after_headers=True), Slow(60)])
def test_who_gives_up_is_counted_and_the_server_goes_on(step: Step) -> None:
    with faults.serve("plain", [step]) as server:
        with pytest.raises(httpx.ReadTimeout):
            ask(server, timeout=0.1)
        assert ask(server).status_code == 200
        ends = time.monotonic() + 30
        while not server.abandoned and time.monotonic() < ends:
            time.sleep(0.02)
        assert (server.abandoned, server.in_flight) == (1, 0)


def test_a_slow_body_is_whole_at_its_end() -> None:
    with faults.serve("plain", [Slow(0.05, pieces=5)]) as server:
        assert ask(server).json()["units"] == "1"


def test_latency_is_before_every_answer_and_a_straggler_has_more_of_it() -> None:
    with faults.serve("plain", [Ok(), Ok(slower=4)], latency=0.05) as server:
        times = []
        for _ in range(2):
            start = time.monotonic()
            ask(server)
            times.append(time.monotonic() - start)
    assert times[0] >= 0.05
    assert times[1] >= 0.2


def test_requests_on_one_connection_are_answered_in_turn() -> None:
    one = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 14\r\n\r\n" % LABELS.encode() + BODY
    with faults.serve("plain", [Ok(delay=0.05), Status(503), Close()]) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(one * 3)
            came = b""
            while part := connection.recv(4096):
                came += part
        assert (server.connections, server.count()) == (1, 3)
    assert re.findall(rb"HTTP/1.1 (\d+)", came) == [b"200", b"503"]


def test_what_is_no_http_is_refused_and_not_counted() -> None:
    with faults.serve("plain") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(b"\x16\x03\x01 what is this\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
        assert server.count() == 0


def test_a_client_that_resets_leaves_the_server_standing() -> None:
    with faults.serve("plain", [Hang()]) as server:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        connection.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n" % LABELS.encode())
        server.wait_for(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        assert ask(server).status_code == 200


# --- what is counted and billed ---------------------------------------------------------------------


def test_requests_are_counted_by_call_and_operation() -> None:
    with faults.serve("aws", [Status(503)], keep=True) as server, server.client() as client:
        client.vision.detect_labels(picture())
        client.translation.translate("hello", target="de")
    assert server.counts == {"DetectLabels": 2, "TranslateText": 1}
    assert server.count("vision.detect_labels") == server.count("DetectLabels") == 2
    assert [each.behaviour for each in server.requests] == [Status(503), Ok(), Ok()]
    assert b"hello" in server.requests[2].asked.body  # type: ignore[union-attr]
    assert server.requests[0].at < server.requests[1].at


def test_scripts_are_chosen_by_call_operation_or_for_the_rest() -> None:
    script = {"DetectText": Status(400), "vision.detect_labels": Status(404), "*": Status(401)}
    with faults.serve("aws", script) as server, server.client() as client:
        codes = []
        for call in (client.vision.read_text, client.vision.detect_labels, client.vision.moderate):
            with pytest.raises(CloudAIError) as caught:
                call(picture())
            codes.append(caught.value.code)
    assert codes == [ErrorCode.INVALID_INPUT, ErrorCode.NOT_FOUND, ErrorCode.UNAUTHENTICATED]


def test_another_script_begins_anew_and_counts_stay() -> None:
    with faults.serve("plain", [Status(500)]) as server:
        assert [ask(server).status_code for _ in range(2)] == [500, 200]
        server.play([Status(503)])
        assert [ask(server).status_code for _ in range(2)] == [503, 200]
        assert server.count() == 4
        server.forget()
        assert server.count() == 0


def test_only_work_that_was_done_is_billed() -> None:
    done = [Ok(), Slow(0.01), Truncated(), ResetAfterHeaders(), ResetBefore(billed=True)]
    script = [*done, Status(503), ResetBefore(), Close(), Html()]
    with faults.serve("plain", script, prices={"vision.detect_labels": "0.001"}) as server:
        for _ in script:
            with contextlib.suppress(httpx.TransportError):
                ask(server)
        bill = server.bill
    assert (bill.requests, bill.cost) == (len(done), Decimal("0.005"))
    assert bill.lines[0].quantity == 5


def test_a_price_that_is_not_known_is_not_zero() -> None:
    with faults.serve("plain", prices={"vision.read_text": "1"}) as server:
        ask(server)
        assert server.bill.cost is None


def test_the_plain_wire_can_be_billed_as_a_vendor() -> None:
    with faults.serve(PlainWire("aws", region="us-east-1")) as server, server.client() as client:
        result = client.vision.detect_labels(picture())
    assert result.cost is not None
    assert (result.provider, result.cost.amount) == ("aws", server.bill.cost)


def test_the_most_at_once_is_told() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with faults.serve("plain", Ok(delay=2.0)) as server:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: ask(server), range(4)))
        assert server.peak == 4


# --- its life ---------------------------------------------------------------------------------------


def test_counts_can_be_asked_for_after_the_end_and_ending_twice_is_ending_once() -> None:
    server = faults.serve("plain")
    ask(server)
    server.stop()
    server.stop()
    assert server.count() == 1
    with pytest.raises(httpx.ConnectError):
        ask(server)


def test_a_port_that_is_taken_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InvalidInput, match="port"):
        faults.serve("plain", port=taken.getsockname()[1])


def test_a_provider_that_it_does_not_speak_is_refused() -> None:
    with pytest.raises(InvalidInput, match="aws, gcp, azure, plain"):
        faults.serve("acme")


def test_waiting_for_requests_that_do_not_come_ends() -> None:
    with faults.serve("plain") as server, pytest.raises(TimeoutError, match="0 requests arrived"):
        server.wait_for(1, timeout=0.05)


def test_the_fixture_gives_servers_and_ends_them(fault_server: Callable[..., FaultServer]) -> None:
    first, second = fault_server("plain", [Status(503)]), fault_server("aws")
    assert (ask(first).status_code, second.wire.provider) == (503, "aws")


def test_a_fallback_is_one_config_of_two_servers() -> None:
    with faults.serve("plain", Status(503)) as bad, faults.serve("plain") as good:
        config = faults.config(bad.backend("bad"), good.backend("good"), max_attempts=1)
        with bad.client(config) as client:
            assert client.vision.detect_labels(picture()).backend == "good"
    assert (bad.count(), good.count()) == (1, 1)


# --- script files ----------------------------------------------------------------------------------

WRITTEN = """
provider = "aws"
latency = 0.05
clock_skew = -3600

[[script]]
do = "status"
status = 503
times = 3

[[script]]
do = "share"
p = 0.05
step = { do = "ok", slower = 10 }

[operations]
"speech.transcribe" = [{ do = "hang", seconds = 2 }, { do = "cycle", steps = [{ do = "ok" }, { do = "close" }] }]
DetectText = { do = "flapping", up = 2, down = 1.5, step = { do = "reset-before" } }

[prices]
"vision.detect_labels" = "0.001"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "script.toml"
    path.write_text(text)
    return path


def test_a_file_says_what_code_says(tmp_path: Path) -> None:
    loaded = load_script(written(tmp_path, WRITTEN))
    assert (loaded.provider, loaded.latency, loaded.clock_skew) == ("aws", 0.05, -3600)
    assert loaded.scripts == {
        "*": (First(3, Status(503)), Share(0.05, Ok(slower=10))),
        "speech.transcribe": (Hang(2), Cycle((Ok(), Close()))),
        "DetectText": (Flapping(2, 1.5, ResetBefore()),),
    }
    assert loaded.prices == {"vision.detect_labels": Decimal("0.001")}


def test_a_server_plays_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, '[[script]]\ndo = "status"\nstatus = 418\n')
    with faults.serve("plain", path) as server:
        assert [ask(server).status_code for _ in range(2)] == [418, 200]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("script = 3", r"script\[0\] is no table"),
        ('[[script]]\ndo = "explode"', "do = 'explode' is none of ok, status"),
        ('[[script]]\ndo = "status"', r"script\[0\]: .*missing.*status"),
        ('[[script]]\ndo = "status"\nstatus = "bad"', r"script\[0\]: .*integer"),
        ('[[script]]\ndo = "status"\nstatus = 500\nretry_afer = 1', "unknown key retry_afer.*retry_after"),
        ('[[script]]\ndo = "status"\nstatus = 500\nform = "weeks"', "seconds"),
        ('[[script]]\ndo = "first"\ncount = 1\nstep = { do = "nothing" }', r"script\[0\].step\[0\]: do"),
        ('[[script]]\ndo = "cycle"\nsteps = []', "a cycle needs"),
        ('[[script]]\ndo = "ok"\ntimes = 0', "times"),
        ("speed = 3", "unknown key speed"),
        ('latency = "1s"', "latency is no number"),
        ('[prices]\n"vision.caption" = "much"', "no price"),
        ("[operations", "table declaration"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_script(written(tmp_path, text))
    assert "script.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_script(tmp_path / "none.toml")
