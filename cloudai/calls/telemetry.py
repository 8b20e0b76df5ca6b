"""OpenTelemetry: a span and metrics for each call. Figures and codes only, never payloads or secrets.

Opt-in by `[telemetry] opentelemetry = true`; needs `pip install 'cloudai[otel]'`. Where the spans go is decided by the
program (`opentelemetry.trace.set_tracer_provider`) or by the `OTEL_*` variables. The attributes:

    span `vision.detect_labels` (CLIENT), one event `attempt` for each request
        cloudai.operation, cloudai.backend, cloud.provider, cloud.region, cloudai.model, cloudai.attempts,
        cloudai.cost (USD, absent when unknown), cloudai.cached, cloudai.fallbacks, cloudai.retry_tokens.left,
        cloudai.duration.operation, cloudai.duration.queue, cloudai.duration.overhead, cloudai.duration.upstream
        (seconds), error.type
    metrics
        cloudai.client.operation.duration, .queue.duration, .overhead.duration, .upstream.duration    histograms, s
        cloudai.client.attempts                                                      counter of requests
        cloudai.client.cost                                                          counter, USD
        cloudai.client.retry_tokens                                                  histogram, tokens left
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from cloudai.calls.records import record
from cloudai.errors import MissingDependency

if TYPE_CHECKING:
    from cloudai.calls.job import Job, Step
    from cloudai.errors import CloudAIError
    from cloudai.types.results import Result

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds: those that the HTTP semantic conventions advise, and longer ones for jobs."""


class OpenTelemetry:
    """A `Watcher`. Raises `MissingDependency` without the extra."""

    def __init__(self) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            raise MissingDependency(
                "[telemetry] opentelemetry = true needs OpenTelemetry", install="pip install 'cloudai[otel]'"
            ) from error
        self._kind = trace.SpanKind.CLIENT
        self._failed = trace.StatusCode.ERROR
        self._current = trace.get_current_span
        self._tracer = trace.get_tracer("cloudai")
        meter = metrics.get_meter("cloudai")
        self._durations = {
            part: meter.create_histogram(
                f"cloudai.client.{part}.duration", unit="s", explicit_bucket_boundaries_advisory=_BUCKETS
            )
            for part in ("operation", "queue", "overhead", "upstream")
        }
        self._attempts = meter.create_counter("cloudai.client.attempts", unit="{request}")
        self._cost = meter.create_counter("cloudai.client.cost", unit="USD")
        self._tokens = meter.create_histogram("cloudai.client.retry_tokens", unit="{token}")

    def begun(self, job: Job) -> AbstractContextManager[object]:
        return self._span(job.operation)

    @contextmanager
    def _span(self, operation: str) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            operation,
            kind=self._kind,
            attributes={"cloudai.operation": operation},
            record_exception=False,  # its message may hold what a backend echoed
            set_status_on_exception=False,
        ):
            yield

    def attempted(self, job: Job, step: Step[Any], seconds: float, error: CloudAIError | None) -> None:
        backend = step.chosen.backend
        about: dict[str, str | float] = {"cloudai.backend": backend.name, "cloudai.duration": seconds}
        if error is not None:
            about["error.type"] = error.code.value
        self._current().add_event("attempt", about)
        self._attempts.add(1, _about(job.operation, backend.name, backend.provider, error))

    def ended(self, job: Job, result: Result | None, error: CloudAIError | None) -> None:
        call = record(job, result, error)
        about = _about(job.operation, call.backend, call.provider, error)
        seconds = {
            "operation": call.latency, "queue": call.queue, "overhead": call.overhead, "upstream": call.upstream
        }  # fmt: skip
        for part, micros in seconds.items():
            if micros is not None:
                self._durations[part].record(micros / 1e6, about)
        tokens = job.turns[-1].lane.tokens.left if job.turns else None
        if tokens is not None:
            self._tokens.record(tokens, {"cloudai.backend": call.backend})
        if call.cost is not None:
            self._cost.add(call.cost / 1e6, about)
        span = self._current()
        more: dict[str, Any] = {
            **about,
            "cloud.region": call.region,
            "cloudai.model": call.model,
            "cloudai.attempts": call.attempts,
            "cloudai.cost": None if call.cost is None else call.cost / 1e6,
            "cloudai.cached": call.cached,
            "cloudai.fallbacks": len(job.failures),
            "cloudai.retry_tokens.left": tokens,
            **{f"cloudai.duration.{part}": micros / 1e6 for part, micros in seconds.items() if micros is not None},
        }
        span.set_attributes({name: value for name, value in more.items() if value is not None})
        if error is not None:
            span.set_status(self._failed, error.code.value)


def _about(operation: str, backend: str, provider: str, error: CloudAIError | None) -> Mapping[str, str]:
    about = {"cloudai.operation": operation, "cloudai.backend": backend, "cloud.provider": provider}
    return about if error is None else {**about, "error.type": error.code.value}
