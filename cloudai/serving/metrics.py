"""What `/metrics` shows, in Prometheus' form: latency, queue, runs, batch sizes, errors, per model and version.

p50, p90 and p99 come from the histogram: `histogram_quantile(0.99, sum by (le, model)
(rate(cloudai_serve_request_seconds_bucket[5m])))`. Its buckets grow by half, so a quantile is off by less than that.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

SECONDS = tuple(round(0.0001 * 1.5**step, 7) for step in range(33))
"""0.1 ms to 43 s."""
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_LABELS = ("model", "version")


class Meters:
    """One server's. Names of models that are not here are not counted by name: anybody could invent them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._request = Histogram(
            "cloudai_serve_request_seconds",
            "from the request's first byte to its answer",
            buckets=SECONDS,
            labelnames=_LABELS,
            registry=self.registry,
        )
        self._queue = Histogram(
            "cloudai_serve_queue_seconds",
            "waiting for the engine",
            buckets=SECONDS,
            labelnames=_LABELS,
            registry=self.registry,
        )
        self._run = Histogram(
            "cloudai_serve_run_seconds",
            "one run of the engine",
            buckets=SECONDS,
            labelnames=_LABELS,
            registry=self.registry,
        )
        self._rows = Histogram(
            "cloudai_serve_batch_rows", "rows of one run", buckets=ROWS, labelnames=_LABELS, registry=self.registry
        )
        self.ready = Gauge(
            "cloudai_serve_model_ready", "1: answers requests", labelnames=_LABELS, registry=self.registry
        )
        self.errors = Counter(
            "cloudai_serve_errors", "answers of 400 and above", ("model", "version", "status"), registry=self.registry
        )
        self.reloads = Counter(
            "cloudai_serve_reloads", "models loaded while serving", ("model", "outcome"), registry=self.registry
        )
        self.inflight = Gauge("cloudai_serve_requests_in_flight", "requests being answered", registry=self.registry)
        self.waiting = Gauge(
            "cloudai_serve_requests_waiting", "requests in the queue", labelnames=_LABELS, registry=self.registry
        )

    def of(self, model: str, version: str) -> ModelMeters:
        """The histograms of one model, looked up once."""
        return ModelMeters(self, model, version)

    def forget(self, model: str, version: str) -> None:
        """A model that is gone is not waiting and not ready; what it has served stays counted."""
        for gauge in (self.ready, self.waiting):
            gauge.remove(model, version)

    def text(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)


class ModelMeters:
    """One model's."""

    def __init__(self, meters: Meters, model: str, version: str) -> None:
        self.request = meters._request.labels(model, version)
        self.queue = meters._queue.labels(model, version)
        self.run = meters._run.labels(model, version)
        self.rows = meters._rows.labels(model, version)
