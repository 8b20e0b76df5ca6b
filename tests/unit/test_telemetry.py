"""What is told of each call: spans, metrics, log lines and a user's hook; figures and codes, never payloads."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from cloudai import AsyncClient, Client, CloudAIError, ErrorCode, ServiceError
from cloudai.calls import telemetry
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.ledger import CallRecord
from cloudai.testing import FakeBackend
from cloudai.types.results import Usage
from cloudai.types.translation import TranslateResult, Translation

HERE = Origin(place="test")
SECRET = "the text of nobody else"


def routed(*names: str, telemetry: bool = True) -> Config:
    return Config(
        source=None,
        backends={
            name: BackendConfig(name=name, provider=name, values={"region": "r-1"}, origin=HERE) for name in names
        },
        routes=(Route(pattern="*", backends=names, origin=HERE),),
        policy=Policy(backoff=0.001, max_backoff=0.002),
        opentelemetry=telemetry,
    )


@pytest.fixture(scope="module")
def providers() -> Iterator[tuple[InMemorySpanExporter, InMemoryMetricReader]]:
    """OpenTelemetry takes its providers once in a process."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracing, metering = TracerProvider(), MeterProvider([reader])
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(metering)
    yield spans, reader
    tracing.shutdown()
    metering.shutdown()


@pytest.fixture
def spans(providers: tuple[InMemorySpanExporter, InMemoryMetricReader]) -> InMemorySpanExporter:
    providers[0].clear()
    return providers[0]


def only(spans: InMemorySpanExporter) -> tuple[ReadableSpan, dict[str, Any]]:
    (span,) = spans.get_finished_spans()
    return span, dict(span.attributes or {})


def test_a_call_is_one_span_with_its_figures(spans: InMemorySpanExporter) -> None:
    fake = FakeBackend(name="a").answer("translation.translate", ConnectionError("reset"))
    with Client(routed("a"), providers=(fake,)) as client:
        client.translation.translate(SECRET, target="de", tag="team")
    span, seen = only(spans)
    assert (span.name, span.kind) == ("translation.translate", SpanKind.CLIENT)
    assert (seen["cloudai.operation"], seen["cloudai.backend"], seen["cloud.region"]) == (span.name, "a", "r-1")
    assert seen["cloudai.attempts"] == 2
    assert seen["cloudai.retry_tokens.left"] == 500
    parts = sum(seen[f"cloudai.duration.{part}"] for part in ("queue", "overhead", "upstream"))
    assert parts == pytest.approx(seen["cloudai.duration.operation"], abs=1e-5)
    assert [dict(event.attributes or {}).get("error.type") for event in span.events] == ["unavailable", None]
    assert SECRET not in span.to_json()


def test_a_failed_call_has_its_code_and_no_message(spans: InMemorySpanExporter) -> None:
    error = ServiceError(f"refused: {SECRET}", code=ErrorCode.INVALID_INPUT)
    with Client(routed("a"), providers=(FakeBackend(name="a").answer("vision.moderate", error),)) as client:
        with pytest.raises(CloudAIError):
            client.translation.translate(SECRET, target="de", timeout=1.0, backend="nobody")
        fake = client.backends["a"].entry.provider
        assert isinstance(fake, FakeBackend)
        fake.answer("translation.translate", error)
        with pytest.raises(CloudAIError):
            client.translation.translate(SECRET, target="de")
    unknown, failed = spans.get_finished_spans()
    assert dict(failed.attributes or {})["error.type"] == "invalid_input"
    assert failed.status.status_code is StatusCode.ERROR
    assert dict(unknown.attributes or {})["error.type"] == "not_found"
    assert SECRET not in failed.to_json()


def test_the_async_client_has_the_same_span_under_the_callers(spans: InMemorySpanExporter) -> None:
    async def run() -> None:
        async with AsyncClient(routed("a"), providers=(FakeBackend(name="a"),)) as client:
            with trace.get_tracer("program").start_as_current_span("request"):
                await asyncio.gather(*(client.translation.translate("x", target="de") for _ in range(3)))

    asyncio.run(run())
    *calls, request = spans.get_finished_spans()
    assert len(calls) == 3
    assert {call.parent.span_id for call in calls if call.parent} == {request.context.span_id}


def test_metrics_have_durations_attempts_and_cost(
    providers: tuple[InMemorySpanExporter, InMemoryMetricReader],
) -> None:
    with Client(routed("local"), providers=(FakeBackend(name="local"),)) as client:
        client.translation.translate("x", target="de")
    data = providers[1].get_metrics_data()
    assert data is not None
    names = {metric.name for each in data.resource_metrics for scope in each.scope_metrics for metric in scope.metrics}
    wanted = {f"cloudai.client.{part}.duration" for part in ("operation", "queue", "overhead", "upstream")}
    assert names >= wanted | {"cloudai.client.attempts", "cloudai.client.retry_tokens"}


def test_a_hook_gets_the_record_of_each_call() -> None:
    seen: list[CallRecord] = []
    config = replace(routed("a", "b", telemetry=False))
    bad = FakeBackend(name="a").answer("translation.translate", ServiceError("no", code=ErrorCode.QUOTA_EXHAUSTED))
    with Client(config, providers=(bad, FakeBackend(name="b")), on_call=seen.append) as client:
        client.translation.translate("hällo", target="de", tag="team-a")
    (call,) = seen
    assert (call.operation, call.outcome, call.backend, call.tag) == ("translation.translate", "ok", "b", "team-a")
    assert (call.attempts, call.input_bytes) == (2, 6)
    assert call.latency >= (call.upstream or 0) >= 0
    assert call.language


def test_a_hook_that_fails_does_not_take_the_answer_with_it(caplog: pytest.LogCaptureFixture) -> None:
    def hook(_: CallRecord) -> None:
        raise RuntimeError("mine")

    with Client(routed("a", telemetry=False), providers=(FakeBackend(name="a"),), on_call=hook) as client:
        assert client.translation.translate("x", target="de").backend == "a"
    assert "the on_call hook failed" in caplog.text


def test_the_log_says_how_calls_went_and_nothing_of_what_was_in_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="cloudai.calls")
    error = ServiceError(f"no: {SECRET}", code=ErrorCode.PERMISSION_DENIED)
    scripted = FakeBackend(name="a")
    with Client(routed("a", telemetry=False), providers=(scripted,)) as client:
        client.translation.translate(SECRET, target="de")
        scripted.answer("translation.translate", error)
        with pytest.raises(CloudAIError):
            client.translation.translate(SECRET, target="de")
    lines = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "cloudai.calls"]
    assert [level for level, _ in lines] == ["DEBUG", "INFO"]
    assert "translation.translate at a: ok after" in lines[0][1]
    assert "translation.translate at a: permission_denied after" in lines[1][1]
    assert SECRET not in caplog.text


def test_the_attributes_are_those_that_are_documented(spans: InMemorySpanExporter) -> None:
    """Of a call that has everything: a fallback, a price, a model."""
    documented = (telemetry.__doc__ or "").partition("one event")[2].partition("metrics")[0]
    names = set(re.findall(r"(?:cloudai|cloud|error)\.[a-z_.]+[a-z]", documented))
    answer = TranslateResult(
        translations=(Translation(text="hallo", source="en"),), target="de", model="m-1",
        usage=(Usage(meter="translation.translate", unit="character", quantity=Decimal(5), variant="standard"),),
    )  # fmt: skip
    dead = FakeBackend(name="dead").answer("translation.translate", ConnectionError("reset"), always=True)
    alive = FakeBackend(name="gcp").answer("translation.translate", answer)
    config = routed("dead", "gcp")
    places = {name: replace(one, values={"region": "us-central1"}) for name, one in config.backends.items()}
    with Client(replace(config, backends=places), providers=(dead, alive)) as client:
        client.translation.translate("hello", source="en", target="de")
    _, seen = only(spans)
    assert set(seen) == names - {"error.type"}
    assert (seen["cloudai.cost"], seen["cloudai.fallbacks"], seen["cloudai.cached"]) == (0.0001, 1, False)
