"""Feeds that fail, lie, repeat themselves or never end: what was there before stays, to the byte."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cloudai.cli import main
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput
from cloudai.prices import snapshot
from cloudai.prices.feed import Request
from cloudai.prices.mapping import load
from cloudai.prices.refresh import Outcome, refresh
from cloudai.prices.transport import Transport

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

from price_servers import (
    Asked,
    Feed,
    Json,
    Reply,
    aws,
    aws_offer,
    aws_term,
    azure,
    azure_item,
    azure_page,
    google,
    google_sku,
    serving,
)

TODAY = "2026-11-25"
BATCH = azure_item("Azure Speech", "S1 Speech to Text Batch", 0.2)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of snapshots."""
    folder = tmp_path / "prices"
    monkeypatch.setenv("CLOUDAI_PRICES", str(folder))
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def read(feed: Feed, sleep: Callable[[float], None] = lambda _: None) -> Outcome:
    request = Request(providers=("azure",), services=("Speech",), bases={"azure": feed.url}, sleep=sleep)
    return refresh(request, load(), [], today=TODAY, step=lambda: None)


def failure(outcome: Outcome) -> CloudAIError:
    ((_, error),) = outcome.failures
    assert outcome.rows == ()
    return error


# Retries


def test_a_busy_feed_is_asked_again_after_the_time_it_says() -> None:
    waits: list[float] = []
    with serving(azure([BATCH])) as feed:
        feed.faults += [
            Reply(status=429, headers={"Retry-After": "7"}),
            Reply(status=503, headers={"Retry-After": "0"}),
        ]
        outcome = read(feed, waits.append)
    assert waits == [7.0, 0.0]
    assert outcome.fresh == 1


def test_a_time_to_retry_may_be_a_date() -> None:
    waits: list[float] = []
    with serving(azure([BATCH])) as feed:
        feed.faults.append(Reply(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}))
        assert read(feed, waits.append).fresh == 1
    assert waits == [0.0]


def test_without_a_time_the_wait_is_bounded() -> None:
    waits: list[float] = []
    with serving(azure([BATCH])) as feed:
        feed.faults += [Reply(status=500), Reply(status=502), Reply(status=500)]
        assert read(feed, waits.append).fresh == 1
    assert len(waits) == 3
    assert all(0 <= wait <= 20 for wait in waits)


def test_a_feed_that_stays_broken_is_given_up_after_four_attempts() -> None:
    with serving(lambda _: Reply(status=500)) as feed:
        error = failure(read(feed))
        assert len(feed.asked) == 4
    assert error.code is ErrorCode.UNAVAILABLE


def test_a_feed_that_asks_to_wait_for_an_hour_is_not_waited_for() -> None:
    with serving(lambda _: Reply(status=429, headers={"Retry-After": "3600"})) as feed:
        error = failure(read(feed))
        assert len(feed.asked) == 1
    assert (error.code, error.retry_after) == (ErrorCode.RATE_LIMITED, 3600)


def test_a_refusal_is_not_repeated() -> None:
    with serving(lambda _: Reply(status=403)) as feed:
        assert failure(read(feed)).code is ErrorCode.PERMISSION_DENIED
        assert len(feed.asked) == 1


def test_a_body_that_breaks_off_is_read_again() -> None:
    with serving(azure([BATCH])) as feed:
        feed.faults.append(Reply(body=b'{"Items": [', announced=5000))
        assert read(feed).fresh == 1


def test_nobody_listening_is_one_line() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        request = Request(
            providers=("azure",),
            bases={"azure": f"http://127.0.0.1:{unused.getsockname()[1]}"},
            sleep=lambda _: None,
        )
        outcome = refresh(request, load(), [], today=TODAY, step=lambda: None)
    error = failure(outcome)
    assert error.code is ErrorCode.UNAVAILABLE
    assert "\n" not in str(error)


# Where a feed leads


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/retail/prices?$skip=1000",
        "http://localhost:1/api/retail/prices",
        "//evil.example/x",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1",
    ],
)
def test_a_next_page_on_another_host_is_not_followed(link: str) -> None:
    with serving(lambda _: Reply(body=azure_page([BATCH], link))) as feed:
        error = failure(read(feed))
        assert len(feed.asked) == 1
    assert "on another host" in str(error)


def test_a_redirect_is_not_followed() -> None:
    with (
        serving(azure([BATCH])) as other,
        serving(lambda _: Reply(status=302, headers={"Location": other.url})) as feed,
    ):
        assert "302" in str(failure(read(feed)))
        assert other.asked == []


def test_pages_that_run_in_circles_end() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(body=azure_page([BATCH], f"http://{asked.headers['Host']}/api/retail/prices?$skip=1000"))

    with serving(answer) as feed:
        assert "in circles" in str(failure(read(feed)))
        assert len(feed.asked) == 2


def test_pages_without_end_end() -> None:
    def answer(asked: Asked) -> Reply:
        skip = int(asked.query.get("$skip", "0")) + 1
        return Reply(body=azure_page([], f"http://{asked.headers['Host']}/api/retail/prices?$skip={skip}"))

    with serving(answer) as feed:
        assert "more than 500 pages" in str(failure(read(feed)))


def test_a_google_token_that_comes_back_ends() -> None:
    reply = Reply(body={"services": [], "nextPageToken": "again"})
    with serving(lambda _: reply) as feed:
        request = Request(providers=("gcp",), bases={"gcp": feed.url}, google_api_key="key")
        outcome = refresh(request, load(), [], today=TODAY, step=lambda: None)
    assert "in circles" in str(failure(outcome))


def test_a_service_name_of_google_is_never_another_path() -> None:
    service = {"name": "services/../../v2/secrets", "displayName": "Cloud Text-to-Speech API"}
    with serving(lambda _: Reply(body={"services": [service]})) as feed:
        request = Request(providers=("gcp",), bases={"gcp": feed.url}, google_api_key="key")
        assert "not of a service" in str(failure(refresh(request, load(), [], today=TODAY, step=lambda: None)))
        assert len(feed.asked) == 1


def test_aws_addresses_stay_on_their_host() -> None:
    def answer(asked: Asked) -> Reply:
        offers = {"AmazonPolly": {"currentRegionIndexUrl": "https://evil.example/offers"}}
        return Reply(body={"publicationDate": "2026-09-11T00:00:00Z", "offers": offers})

    with serving(answer) as feed:
        request = Request(providers=("aws",), services=("Polly",), bases={"aws": feed.url})
        outcome = refresh(request, load(), [], today=TODAY, step=lambda: None)
    assert "on another host" in str(failure(outcome))


@pytest.mark.parametrize(
    "base", ["http://prices.example", "ftp://127.0.0.1", "https://user:pw@host", "x", "http://[::"]
)
def test_an_address_that_is_none_of_ours_is_wrong_input(base: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Transport(base, provider="azure")
    assert "pw" not in str(caught.value)


# Documents that are not what they should be

MALFORMED: dict[str, object] = {
    "truncated": json.dumps(azure_page([BATCH])).encode()[:-200],
    "empty": b"",
    "html": b"<html>maintenance</html>",
    "not utf-8": b'{"Items": ["\xff\xfe"]}',
    "a list": b"[]",
    "nested": b'{"Items":' + b"[" * 100_000,
    "nan": b'{"Items": [], "Count": NaN}',
    "no items": {"Count": 0},
    "items null and counted": {"Items": None, "Count": 3},
    "items of text": azure_page([]) | {"Items": ["x"], "Count": 1},
    "fewer rows than counted": azure_page([BATCH]) | {"Count": 2},
    "in euro": azure_page([BATCH]) | {"BillingCurrency": "EUR"},
    "a row in euro": azure_page([BATCH | {"currencyCode": "EUR"}]),
    "no price": azure_page([{key: value for key, value in BATCH.items() if key != "retailPrice"}]),
    "a price in words": azure_page([BATCH | {"retailPrice": "free"}]),
    "a negative price": azure_page([BATCH | {"retailPrice": -0.1}]),
    "an endless price": json.dumps(azure_page([BATCH])).replace("0.2", "1e400").encode(),
    "digits without end": json.dumps(azure_page([BATCH])).replace("0.2", "9" * 5000).encode(),
    "a price that is true": azure_page([BATCH | {"retailPrice": True}]),
    "a day that is none": azure_page([BATCH | {"effectiveStartDate": "soon"}]),
    "a link that is a number": azure_page([BATCH]) | {"NextPageLink": 7},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_document_is_one_line_and_no_price_of_the_feed_counts(name: str) -> None:
    with serving(lambda _: Reply(body=MALFORMED[name])) as feed:
        error = failure(read(feed))
    assert "the feed is malformed" in str(error)
    assert "\n" not in str(error)
    assert error.__class__.__name__ == "ServiceError"


def test_a_document_beyond_the_limit_is_cut_off() -> None:
    endless = Reply(body=b" " * 3_000_000)
    with (
        serving(lambda _: endless) as feed,
        Transport(feed.url, provider="azure", max_bytes=1_000_000) as transport,
        pytest.raises(CloudAIError) as caught,
    ):
        transport.get(feed.url)
    assert caught.value.code is ErrorCode.TOO_LARGE


@pytest.mark.parametrize("part", ["products", "terms", "offerCode", "priceDimensions", "a gap", "two zeros"])
def test_a_malformed_offer_file_is_one_line(part: str) -> None:
    term = aws_term("P", {"0": "0.00002", "1000": "0.00001"}, unit="Characters")
    offer = aws_offer("AmazonPolly", "us-east-1", {"SynthesizeSpeechNeural-Characters": term})
    dimensions = term["P.JRTCKXETXF"]["priceDimensions"]
    if part in offer:
        offer[part] = 7
    elif part == "priceDimensions":
        term["P.JRTCKXETXF"][part] = []
    elif part == "a gap":
        next(row for row in dimensions.values() if row["beginRange"] == "0")["endRange"] = "500"
    else:
        next(row for row in dimensions.values() if row["beginRange"] == "1000")["beginRange"] = "0"
    with serving(aws({"AmazonPolly": {"us-east-1": offer}})) as feed:
        request = Request(providers=("aws",), services=("Polly",), bases={"aws": feed.url})
        outcome = refresh(request, load(), [], today=TODAY, step=lambda: None)
    assert "the feed is malformed" in str(failure(outcome))


@pytest.mark.parametrize(
    "change",
    [
        {"pricingInfo": [{"effectiveTime": "2026-09-01T07:00:00Z"}]},
        {"pricingInfo": [{"effectiveTime": "never"}]},
        {"skuId": None},
        {"serviceRegions": "global"},
        {"category": []},
    ],
)
def test_a_malformed_sku_is_one_line(change: Json) -> None:
    sku = google_sku("FEBD-04B6-769B", "Neural2", {"0": ("0", 16_000)}) | change
    services = [{"name": "services/A", "displayName": "Cloud Text-to-Speech API"}]
    body: dict[str, Json] = {"/v1/services": {"services": services}, "/v1/services/A/skus": {"skus": [sku]}}
    with serving(lambda asked: Reply(body=body[asked.path])) as feed:
        request = Request(providers=("gcp",), bases={"gcp": feed.url}, google_api_key="key")
        outcome = refresh(request, load(), [], today=TODAY, step=lambda: None)
    assert "the feed is malformed" in str(failure(outcome))


# The command: what was there stays


def run(feed: Feed, *more: str) -> int:
    return main(["prices", "refresh", "--provider", "azure", "--service", "Speech", "--azure-url", feed.url, *more])


def test_a_feed_malformed_half_way_leaves_the_old_snapshot_as_it_was(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [BATCH | {"meterName": f"Meter {number}"} for number in range(19)] + [BATCH]
    with serving(azure(rows, page=10)) as feed:
        assert run(feed, "--yes") == 0
    before = contents(home)
    assert len(before) == 1
    dearer = [row | {"retailPrice": 0.25} for row in rows]
    whole = azure(dearer, page=10)

    def half_way(asked: Asked) -> Reply:
        reply = whole(asked)
        return Reply(body=reply.raw()[:-300]) if asked.query.get("$skip") == "10" else reply

    with serving(half_way) as feed:
        assert run(feed, "--yes") == 1
    assert contents(home) == before
    err = capsys.readouterr().err
    assert "the feed is malformed" in err
    assert "Traceback" not in err


def test_one_feed_that_fails_does_not_hold_up_another(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sku = google_sku("FEBD-04B6-769B", "Neural2", {"0": ("0", 0), "1000000": ("0", 17_000)})
    with (
        serving(lambda _: Reply(status=404)) as broken,
        serving(google({"Cloud Text-to-Speech API": [sku]}, key="k")) as fine,
    ):
        argv = ["--provider", "azure", "--provider", "gcp", "--azure-url", broken.url, "--gcp-url", fine.url]
        assert main(["prices", "refresh", *argv, "--google-api-key", "k", "--yes"]) == 1
    assert "azure: " in capsys.readouterr().err
    ((_, text),) = contents(home).items()
    assert b"0.000017" in text


def test_a_second_refresh_of_a_day_is_a_second_file(home: Path) -> None:
    for price in (0.2, 0.3):
        with serving(azure([BATCH | {"retailPrice": price}])) as feed:
            assert run(feed, "--yes") == 0
    first, second = snapshot.stored()
    assert second.id == f"{first.id}.2"


def test_nothing_is_written_without_leave(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(azure([BATCH])) as feed:
        assert run(feed) == 0
    out, err = capsys.readouterr()
    assert "+11.1%" in out
    assert "nothing was written" in err
    assert contents(home) == {}


def test_a_folder_that_can_not_be_written_is_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLOUDAI_PRICES", str(tmp_path / "file" / "prices"))
    with serving(azure([BATCH])) as feed:
        assert run(feed, "--yes") == 2
    assert "CLOUDAI_PRICES" in capsys.readouterr().err


def test_a_snapshot_that_was_spoilt_by_hand_is_named_with_its_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(azure([BATCH])) as feed:
        assert run(feed, "--yes") == 0
        (path,) = home.iterdir()
        path.write_text(path.read_text().replace('kind = "usage"', 'kind = "usaeg"', 1))
        spoilt = contents(home)
        assert run(feed, "--yes") == 2
    assert f"{path}:" in capsys.readouterr().err
    assert contents(home) == spoilt


def test_google_without_a_key_is_wrong_input_and_left_out_when_not_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["prices", "refresh", "--provider", "gcp"]) == 2
    assert "GOOGLE_API_KEY" in capsys.readouterr().err
    offers: dict[str, dict[str, Json]] = {code: {} for code in ("AmazonPolly",)}
    with serving(azure([])) as one, serving(aws(offers)) as other:
        argv = ["--service", "Polly", "--service", "Speech", "--azure-url", one.url, "--aws-url", other.url]
        assert main(["prices", "refresh", *argv]) == 0
    assert "gcp is left out" in capsys.readouterr().err


def test_the_query_api_without_boto3_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert main(["prices", "refresh", "--provider", "aws", "--api", "query"]) == 1
    assert "pip install 'cloudai[aws]'" in capsys.readouterr().err


def test_the_google_key_is_shown_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(lambda _: Reply(status=403, body={"error": {"message": "k-s3cr3t is wrong"}})) as feed:
        argv = ["prices", "refresh", "--provider", "gcp", "--gcp-url", feed.url, "--google-api-key", "k-s3cr3t"]
        assert main([*argv, "--debug"]) == 1
    out, err = capsys.readouterr()
    assert "s3cr3t" not in out + err


def test_on_a_terminal_it_counts_documents_and_asks_before_it_writes(home: Path) -> None:
    with serving(azure([BATCH])) as feed:
        argv = ["prices", "refresh", "--provider", "azure", "--service", "Speech", "--azure-url", feed.url]
        said = [at_a_terminal(argv, answer) for answer in ("n", "y")]
    assert all("documents read" in text and "[y/N]" in text for text in said)
    assert len(contents(home)) == 1


def at_a_terminal(argv: list[str], answer: str) -> str:
    """Runs the command with a terminal for its input and errors, types an answer, and returns what it said there."""
    ours, theirs = pty.openpty()
    code = f"import sys; from cloudai.cli import main; sys.exit(main({argv!r}))"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    said = b""
    with suppress(OSError):  # EIO: the other end of a terminal was closed
        while chunk := os.read(ours, 1000):
            said += chunk
            if b"[y/N]" in chunk:
                os.write(ours, f"{answer}\n".encode())
    os.close(ours)
    assert child.wait() == 0
    return said.decode()
