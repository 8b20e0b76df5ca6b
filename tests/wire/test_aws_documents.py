"""Documents of several pages: a job of Textract, through S3, within the call's seconds; nothing stays behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import ANALYSIS, aws, pages_of_text
from aws_client import config, opened, ready
from aws_jobs import DocumentJobs
from aws_pages import pdf, png, tiff
from aws_server import Broken, Failure, StrictServer

from cloudai import Client
from cloudai.config import Origin, Route
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, TooLarge, Unsupported


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


@pytest.fixture
def jobs(server: StrictServer) -> DocumentJobs:
    return DocumentJobs(server, pages_of_text(3), ANALYSIS["Blocks"]).answer()


@pytest.fixture
def client(server: StrictServer, jobs: DocumentJobs) -> Iterator[Client]:
    with opened(server) as one:
        yield one


# --- the way of a document -----------------------------------------------------------------------


@pytest.mark.parametrize("document", [pdf(3), tiff(3)], ids=["pdf", "tiff"])
def test_several_pages_are_staged_read_in_parts_and_tidied_up(
    server: StrictServer, client: Client, document: bytes
) -> None:
    result = client.vision.read_document(document)
    assert [page.number for page in result.pages] == [1, 2, 3]
    assert result.text == "Page 1\n\nPage 2\n\nPage 3"
    get = "GetDocumentTextDetection"
    assert server.operations() == ["PutObject", "StartDocumentTextDetection", get, get, get, get, get, "DeleteObject"]
    assert server.objects == {}
    assert [(used.unit, used.quantity, used.features) for used in result.usage] == [("page", Decimal(3), ())]
    assert result.cost is not None
    assert result.cost.amount == Decimal("0.0045")


def test_the_document_goes_to_the_bucket_under_the_calls_own_name(server: StrictServer, client: Client) -> None:
    document = pdf(2)
    client.vision.read_document(document)
    put, start = server.params("PutObject"), server.params("StartDocumentTextDetection")
    assert put["Body"] == document
    assert put["Bucket"] == "staging"
    assert put["Key"].startswith("cloudai/cloudai-")
    assert put["Key"].endswith(".pdf")
    assert start["DocumentLocation"] == {"S3Object": {"Bucket": "staging", "Name": put["Key"]}}
    assert put["Key"] == f"cloudai/{start['ClientRequestToken']}.pdf"


def test_features_are_an_analysis_and_questions_are_for_all_pages(server: StrictServer, client: Client) -> None:
    """Textract asks its questions of the first page when no pages are given."""
    options = {"aws": {"adapters": [["adapter0000001", "1"]]}}
    result = client.vision.read_document(pdf(2), features=["tables", "forms"], queries=["Total?"], options=options)
    assert server.params("StartDocumentAnalysis") == {
        "DocumentLocation": server.params("StartDocumentAnalysis")["DocumentLocation"],
        "ClientRequestToken": server.params("StartDocumentAnalysis")["ClientRequestToken"],
        "FeatureTypes": ["TABLES", "FORMS", "QUERIES"],
        "QueriesConfig": {"Queries": [{"Text": "Total?", "Pages": ["*"]}]},
        "AdaptersConfig": {"Adapters": [{"AdapterId": "adapter0000001", "Version": "1", "Pages": ["*"]}]},
    }
    assert result.tables[0].to_rows() == [["Total", ""], ["7.50", ""]], "blocks of several parts know each other"
    assert (result.key_values[0].key, result.answers[0].answer) == ("Total", "7.50")
    assert result.usage[0].features == ("tables", "forms", "queries")


def test_one_page_is_one_request_also_as_a_pdf(server: StrictServer, client: Client) -> None:
    client.vision.read_document(pdf(1))
    assert server.operations() == ["DetectDocumentText"]


def test_one_page_is_a_job_when_that_is_asked_for(server: StrictServer, client: Client) -> None:
    client.vision.read_document(pdf(1), options={"aws": {"job": True}})
    assert "StartDocumentTextDetection" in server.operations()


def test_a_document_in_s3_is_read_where_it_is_and_left_there(server: StrictServer, client: Client) -> None:
    server.objects["papers", "2026/a b.PDF"] = pdf(3)
    assert len(client.vision.read_document("s3://papers/2026/a b.PDF").pages) == 3
    location = server.params("StartDocumentTextDetection")["DocumentLocation"]
    assert location == {"S3Object": {"Bucket": "papers", "Name": "2026/a b.PDF"}}
    assert ("papers", "2026/a b.PDF") in server.objects
    assert "PutObject" not in server.operations()
    client.vision.read_document("s3://papers/scan.png")
    assert server.operations()[-1] == "DetectDocumentText"


def test_pages_that_were_not_asked_for_are_left_out_and_billed(server: StrictServer, client: Client) -> None:
    result = client.vision.read_document(pdf(3), pages="1,3", queries=["Total?"])
    assert server.params("StartDocumentAnalysis")["QueriesConfig"]["Queries"][0]["Pages"] == ["1", "3"]
    result = client.vision.read_document(pdf(3), pages="2-3")
    assert [page.number for page in result.pages] == [2, 3]
    assert result.usage[0].quantity == 3
    assert "all 3 pages" in result.warnings[-1].message


@pytest.mark.parametrize("pages", ["0", "3-1", "1;2", "a", "1-", ""])
def test_pages_of_another_form_are_refused(client: Client, pages: str) -> None:
    with pytest.raises(InvalidInput, match="1-3,7"):
        client.vision.read_document(pdf(3), pages=pages)


def test_what_could_not_be_read_is_a_warning_once(client: Client, jobs: DocumentJobs) -> None:
    jobs.states = ["PARTIAL_SUCCESS"]
    jobs.more = {"Warnings": [{"ErrorCode": "UNREADABLE", "Pages": [2, 3]}]}
    result = client.vision.read_document(pdf(3))
    assert [(each.code, each.message) for each in result.warnings] == [
        ("partial", "Textract could not read pages 2, 3: UNREADABLE")
    ]
    jobs.more = {}
    assert [each.code for each in client.vision.read_document(pdf(3)).warnings] == ["partial"]


def test_the_raw_answer_is_every_part(client: Client) -> None:
    raw = client.vision.read_document(pdf(3), raw=True).raw
    assert isinstance(raw, list)
    assert sum(len(part["Blocks"]) for part in raw) == len(pages_of_text(3))


# --- limits --------------------------------------------------------------------------------------


def test_ten_mebibytes_are_one_request_and_a_byte_more_of_pdf_is_a_job(server: StrictServer, client: Client) -> None:
    limit = 10_485_760
    client.vision.read_document(pdf(1, limit))
    assert server.operations() == ["DetectDocumentText"]
    client.vision.read_document(pdf(1, limit + 1))
    assert server.operations()[1:3] == ["PutObject", "StartDocumentTextDetection"]


def test_a_picture_may_have_ten_mebibytes_and_no_job_takes_more(server: StrictServer, client: Client) -> None:
    limit = 10_485_760
    client.vision.read_document(png(limit))
    before = server.requests
    with pytest.raises(TooLarge, match="max_bytes"):
        client.vision.read_document(png(limit + 1))
    assert server.requests == before


def test_three_thousand_pages_are_read_and_one_more_is_not(server: StrictServer, client: Client) -> None:
    client.vision.read_document(pdf(3_000))
    before = server.requests
    with pytest.raises(TooLarge, match="max_pages"):
        client.vision.read_document(pdf(3_001))
    assert server.requests == before


def test_five_hundred_mebibytes_are_the_most_of_a_job() -> None:
    """Held against the declaration: nobody sends half a gigabyte in a test."""
    from cloudai.calls.limits import fit
    from cloudai.registry import Registry
    from cloudai.types.media import Media, MediaKind
    from cloudai_aws.codec_document import by_job

    declared = Registry.installed().get("aws").capabilities.operation("vision.read_document")
    assert declared is not None
    for size, fits in ((524_288_000, True), (524_288_001, False)):
        media = Media(kind=MediaKind.DOCUMENT, data=_Sized(size), content_type="application/pdf", pages=2)
        assert by_job(media, asked=False, staging=True)
        if fits:
            fit(media, limits=declared.limits, content_types=declared.content_types, whose="aws", resize=False)
        else:
            with pytest.raises(TooLarge, match="max_bytes"):
                fit(media, limits=declared.limits, content_types=declared.content_types, whose="aws", resize=False)


class _Sized(bytes):
    """Bytes that say they are many."""

    def __new__(cls, size: int) -> _Sized:
        made = super().__new__(cls)
        made.size = size
        return made

    size: int

    def __len__(self) -> int:
        return self.size


@pytest.mark.parametrize(("document", "most"), [(pdf(1), 15), (pdf(2), 30)], ids=["request", "job"])
def test_questions_have_a_number(server: StrictServer, client: Client, document: bytes, most: int) -> None:
    client.vision.read_document(document, queries=["Total?"] * most)
    before = server.operations().count("StartDocumentAnalysis") + server.operations().count("AnalyzeDocument")
    with pytest.raises(TooLarge, match="questions"):
        client.vision.read_document(document, queries=["Total?"] * (most + 1))
    assert server.operations().count("StartDocumentAnalysis") + server.operations().count("AnalyzeDocument") == before
    assert server.objects == {}


def test_without_a_bucket_several_pages_have_to_be_in_s3(server: StrictServer) -> None:
    with opened(server, staging_bucket=None) as client, pytest.raises(Unsupported, match="staging_bucket"):
        client.vision.read_document(pdf(2))
    assert server.requests == 0


def test_two_backends_may_share_a_bucket(server: StrictServer, jobs: DocumentJobs) -> None:
    """The same call at both, one after the other fails: neither takes the other's document for its own."""
    origin = Origin(place="test")
    one = config(server).backends["aws"]
    backends = {name: replace(one, name=name) for name in ("first", "second")}
    routes = (Route(pattern="*", backends=("first", "second"), origin=origin),)
    server.next_faults.extend([None, Failure(code="AccessDeniedException")])
    with Client(replace(config(server), backends=backends, routes=routes)) as client:
        assert client.vision.read_document(pdf(3)).backend == "second"
    puts = [each.params["Key"] for each in server.received if each.operation == "PutObject"]
    assert len(set(puts)) == len(puts) == 2
    assert all(len(token) <= 64 for token in jobs.jobs)
    assert server.objects == {}


# --- faults --------------------------------------------------------------------------------------


def failing(server: StrictServer, *, attempts: int = 1, timeout: float = 20.0) -> CloudAIError:
    """Reads two pages, in vain."""
    with Client(config(server, attempts=attempts, timeout=timeout)) as client:
        ready(client, "s3", "textract")
        with pytest.raises(CloudAIError) as caught:
            client.vision.read_document(pdf(2))
    assert server.objects == {}, "the staged document was left behind"
    return caught.value


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("INVALID_REQUEST_PARAMETERS", ErrorCode.INVALID_INPUT), ("The moon is full", ErrorCode.UNSUPPORTED)],
)
def test_a_failed_job_says_why(server: StrictServer, jobs: DocumentJobs, reason: str, expected: ErrorCode) -> None:
    jobs.states, jobs.more = ["IN_PROGRESS", "FAILED"], {"StatusMessage": reason}
    error = failing(server, attempts=3)
    assert (error.code, error.attempts) == (expected, 1)
    assert reason in error.message


def test_a_job_that_takes_too_long_is_not_begun_again(server: StrictServer, jobs: DocumentJobs) -> None:
    jobs.states = ["IN_PROGRESS"]
    error = failing(server, attempts=3, timeout=2.0)
    assert error.code is ErrorCode.DEADLINE_EXCEEDED
    assert "longer timeout" in error.message
    assert server.operations().count("StartDocumentTextDetection") == 1


@pytest.mark.parametrize("step", ["the upload", "the start"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Failure(code="ThrottlingException"), ErrorCode.RATE_LIMITED),
        (Failure(code="InternalServerError", status=500), ErrorCode.UNAVAILABLE),
        (Failure(code="ServiceUnavailable", status=503), ErrorCode.UNAVAILABLE),
        (Failure(code="AccessDenied", status=403), ErrorCode.PERMISSION_DENIED),
        (Failure(code="InvalidClientTokenId", status=401), ErrorCode.UNAUTHENTICATED),
        (Broken(kind="reset"), ErrorCode.UNAVAILABLE),
        (Broken(kind="reset-after-headers"), ErrorCode.UNAVAILABLE),
        (Broken(kind="html"), ErrorCode.UNAVAILABLE),
        (Broken(kind="lost"), ErrorCode.UNAVAILABLE),
        (Broken(kind="hang", seconds=20.0), ErrorCode.DEADLINE_EXCEEDED),
        (Broken(kind="drip", seconds=20.0), ErrorCode.DEADLINE_EXCEEDED),
    ],
    ids=str,
)
def test_a_fault_on_the_way_has_its_code_and_leaves_nothing(
    server: StrictServer, jobs: DocumentJobs, step: str, fault: Failure | Broken, expected: ErrorCode
) -> None:
    server.next_faults.extend([fault] if step == "the upload" else [None, fault])
    error = failing(server, timeout=1.5 if expected is ErrorCode.DEADLINE_EXCEEDED else 20.0)
    assert error.code is expected


@pytest.mark.parametrize(
    "fault",
    [
        Failure(code="ProvisionedThroughputExceededException"),
        Failure(code="InternalServerError", status=500),
        Broken(kind="reset"),
        Broken(kind="truncated"),
        Broken(kind="html"),
    ],
    ids=str,
)
def test_a_look_that_fails_for_the_moment_is_followed_by_the_next(
    server: StrictServer, client: Client, fault: Failure | Broken
) -> None:
    """Also between the parts of the answer: nothing is begun again and billed twice."""
    server.next_faults.extend([None, None, fault, None, None, None, fault, None])
    result = client.vision.read_document(pdf(3))
    assert (len(result.pages), result.attempts) == (3, 1)
    assert server.operations().count("StartDocumentTextDetection") == 1


def test_a_look_that_is_forbidden_ends_it(server: StrictServer, jobs: DocumentJobs) -> None:
    server.answers["GetDocumentTextDetection"] = lambda _: Failure(code="AccessDeniedException")
    assert failing(server).code is ErrorCode.PERMISSION_DENIED


def test_a_second_attempt_finds_the_job_of_the_first(server: StrictServer, jobs: DocumentJobs) -> None:
    """The answer to the first start is lost; the token is the same, so Textract answers with the same job."""
    server.next_faults.extend([None, Broken(kind="lost")])
    with Client(config(server, attempts=2)) as client:
        result = client.vision.read_document(pdf(3))
    assert (len(result.pages), result.attempts) == (3, 2)
    assert len(jobs.jobs) == 1
    assert server.objects == {}


def test_starts_on_the_wire_are_the_attempts_configured(server: StrictServer, jobs: DocumentJobs) -> None:
    server.answers["StartDocumentTextDetection"] = lambda _: Failure(code="LimitExceededException")
    error = failing(server, attempts=3)
    assert (error.code, error.attempts) == (ErrorCode.RATE_LIMITED, 3)
    assert server.operations().count("StartDocumentTextDetection") == 3


def test_what_can_not_be_deleted_is_logged_by_its_key_alone(
    server: StrictServer, jobs: DocumentJobs, caplog: pytest.LogCaptureFixture
) -> None:
    jobs.states = ["SUCCEEDED"]
    jobs.part = 100
    server.next_faults.extend([None, None, None, Failure(code="AccessDenied", status=403)])
    with opened(server) as client:
        assert len(client.vision.read_document(pdf(3)).pages) == 3
    assert "was not deleted: AccessDenied" in caplog.text
    assert len(server.objects) == 1
