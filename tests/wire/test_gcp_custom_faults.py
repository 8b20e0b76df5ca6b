"""What Vertex AI refuses, operation by operation: the code, Google's words, how often it was asked, what is left."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from gcp_client import config
from test_gcp_custom_batches import wanting
from test_gcp_custom_endpoints import wanted
from test_gcp_custom_training import CALL, failure, job, opened, settings
from vertex_custom_server import Refused, VertexServer, vertex_server

from cloudai import Client
from cloudai.errors import CloudAIError, Delivery, ErrorCode
from cloudai.types.custom import PredictRequest
from cloudai.types.tensor import Tensor
from cloudai_gcp.driver import GcpDriver

Ask = Callable[[GcpDriver, Path], Any]
STATUSES = {
    401: ("UNAUTHENTICATED", ErrorCode.UNAUTHENTICATED),
    403: ("PERMISSION_DENIED", ErrorCode.PERMISSION_DENIED),
    404: ("NOT_FOUND", ErrorCode.NOT_FOUND),
    409: ("ABORTED", ErrorCode.CONFLICT),
    429: ("RESOURCE_EXHAUSTED", ErrorCode.QUOTA_EXHAUSTED),
    500: ("INTERNAL", ErrorCode.OUTCOME_UNKNOWN),
    503: ("UNAVAILABLE", ErrorCode.OUTCOME_UNKNOWN),
}
"""HTTP status -> Google's code and, for a method that starts machines, ours. 5xx is no proof that nothing was done."""
STARTS: dict[str, Ask] = {
    "customJobs.create": lambda driver, folder: driver.train(job(folder), CALL),
    "endpoints.deployModel": lambda driver, folder: driver.deploy(wanted(folder), CALL),
    "batchPredictionJobs.create": lambda driver, folder: driver.batch_predict(wanting(folder), CALL),
}
MAKES: dict[str, Ask] = {
    "endpoints.create": STARTS["endpoints.deployModel"],
    "models.upload": STARTS["endpoints.deployModel"],
}
ASKS: dict[str, Ask] = {
    "customJobs.list": STARTS["customJobs.create"],
    "batchPredictionJobs.list": STARTS["batchPredictionJobs.create"],
    "endpoints.list": lambda driver, folder: driver.list_endpoints(CALL),
}


def refusal(status: int) -> Refused:
    return Refused(status, STATUSES[status][0], f"said at {status}")


def left(server: VertexServer) -> tuple[int, ...]:
    """Without the sources of jobs, which are kept for the next one that has them."""
    objects = [uri for uri in server.objects if "/vertex/sources/" not in uri]
    return tuple(len(each) for each in (server.jobs, server.batches, server.endpoints, server.models, objects))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("step", STARTS)
def test_machines_that_are_refused_leave_nothing_and_are_asked_for_once(tmp_path: Path, step: str, status: int) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse[step] = refusal(status)
        with pytest.raises(Exception, match=f"said at {status}") as caught:
            STARTS[step](driver, tmp_path)
        fault = failure(driver, caught.value)
        looked = status == 503 and step == "endpoints.deployModel"
        assert fault.code is (ErrorCode.UNAVAILABLE if looked else STATUSES[status][1])
        assert len(server.asked(step)) == 1
        if status < 500 or looked:
            assert left(server) == (0, 0, 0, 0, 0)
        else:
            assert fault.delivery is Delivery.REFUSED
            assert fault.retryable is False


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("step", MAKES)
def test_a_step_that_is_refused_leaves_nothing_and_is_asked_for_once(tmp_path: Path, step: str, status: int) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse[step] = refusal(status)
        with pytest.raises(Exception, match=f"said at {status}") as caught:
            MAKES[step](driver, tmp_path)
        special = {429: ErrorCode.RATE_LIMITED, 503: ErrorCode.UNAVAILABLE}
        assert failure(driver, caught.value).code is special.get(status, STATUSES[status][1])
        assert len(server.asked(step)) == 1
        if status != 500:
            assert left(server) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("step", ASKS)
def test_a_question_that_is_refused_makes_nothing(tmp_path: Path, step: str, status: int) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse[step] = refusal(status)
        with pytest.raises(Exception, match=f"said at {status}") as caught:
            ASKS[step](driver, tmp_path)
        special = {429: ErrorCode.RATE_LIMITED, 500: ErrorCode.INTERNAL, 503: ErrorCode.UNAVAILABLE}
        assert failure(driver, caught.value).code is special.get(status, STATUSES[status][1])
        assert left(server) == (0, 0, 0, 0, 0)
        assert not any(".create" in method or method == "storage.POST" for method, _ in server.requests)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_prediction_that_is_refused_has_the_containers_words_or_googles(tmp_path: Path, status: int) -> None:
    codes = {400: ErrorCode.INVALID_INPUT, 429: ErrorCode.RATE_LIMITED, 500: ErrorCode.INTERNAL}
    codes |= {503: ErrorCode.UNAVAILABLE}
    with opened(tmp_path) as (driver, server):
        driver.deploy(wanted(tmp_path), CALL)
        request = PredictRequest(model="twice", tensors={"x": Tensor(np.zeros((1, 4), np.float32))})
        server.serve = lambda body, kind: (b'{"error": "said by Triton"}', f"error:{status}")
        with pytest.raises(Exception, match="said by Triton") as caught:
            driver.predict(request, CALL)
        assert failure(driver, caught.value).code is (codes.get(status) or STATUSES[status][1])


def test_a_token_that_is_refused_is_said_to_be_the_credentials(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse["customJobs.list"] = refusal(401)
        with pytest.raises(Exception, match="credentials_file") as caught:
            driver.train(job(tmp_path), CALL)
        assert failure(driver, caught.value).code is ErrorCode.UNAUTHENTICATED


def test_requests_that_are_too_many_are_not_machines_that_are_too_few(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        told = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}
        server.refuse["customJobs.create"] = Refused(429, "RESOURCE_EXHAUSTED", "60 a minute", details=[told])
        with pytest.raises(Exception, match="60 a minute") as caught:
            driver.train(job(tmp_path), CALL)
        assert failure(driver, caught.value).code is ErrorCode.RATE_LIMITED


@pytest.mark.parametrize("status", [500, 503])
def test_a_client_that_may_try_three_times_asks_for_one_job(tmp_path: Path, status: int) -> None:
    with vertex_server() as server:
        values = settings(server, tmp_path).model_dump(mode="json", exclude_none=True)
        server.refuse["customJobs.create"] = refusal(status)
        with Client(config(values, max_attempts=3)) as client:
            with pytest.raises(CloudAIError) as caught:
                client.custom.train(job(tmp_path))
            assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
            assert len(server.asked("customJobs.create")) == 1
            assert client.custom.train(job(tmp_path)).run is not None
        assert len(server.jobs) == 1


def test_a_question_is_asked_again(tmp_path: Path) -> None:
    with vertex_server() as server:
        values = settings(server, tmp_path).model_dump(mode="json", exclude_none=True)
        server.refuse["endpoints.list"] = refusal(503)
        with Client(config(values, max_attempts=3)) as client:
            assert client.custom.endpoints() == ()
        assert len(server.asked("endpoints.list")) == 2
