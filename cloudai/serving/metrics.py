"""What `/metrics` shows, in Prometheus' form: latency, queue, runs, batch sizes, errors, per model and version.

p50, p90 and p99 come from the histogram: `histogram_quantile(0.99, sum by (le, model)
(rate(cloudai_serve_request_seconds_bucket[5m])))`. Its buckets grow by half, so a quantile is off by less than that.

The four histograms are counted on the event loop's thread alone and handed to prometheus-client when it asks: its own
take a lock and walk their buckets, 4 us each, which four times per request is a fifth of what a request costs here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

SECONDS = tuple(round(0.0001 * 1.5**step, 7) for step in range(33))
"""0.1 ms to 43 s."""
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
_LABELS = ("model", "version")


class Histogram:
    """Counts by bucket; the last is for what is above all bounds. For one thread."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus has them: each counts all below it too."""
        found, below = [], 0
        for bound, count in zip((*map(repr, self.bounds), "+Inf"), self.counts, strict=True):
            below += count
            found.append((bound, float(below)))
        return found


class ModelMeters:
    """One model's."""

    __slots__ = ("queue", "request", "rows", "run")

    def __init__(self) -> None:
        self.request = Histogram(SECONDS)
        self.queue = Histogram(SECONDS)
        self.run = Histogram(SECONDS)
        self.rows = Histogram(ROWS)


_HELP = {
    "request": ("cloudai_serve_request_seconds", "from a request's head to its answer"),
    "queue": ("cloudai_serve_queue_seconds", "waiting for the engine"),
    "run": ("cloudai_serve_run_seconds", "one run of the engine"),
    "rows": ("cloudai_serve_batch_rows", "rows of one run"),
}


class _Histograms(Collector):
    """What prometheus-client asks at each look."""

    def __init__(self, models: dict[tuple[str, str], ModelMeters]) -> None:
        self._models = models

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """All models' histograms."""
        for attribute, (name, words) in _HELP.items():
            family = HistogramMetricFamily(name, words, labels=_LABELS)
            for key, meters in self._models.items():
                histogram: Histogram = getattr(meters, attribute)
                family.add_metric(key, histogram.buckets(), histogram.total)
            yield family


class Meters:
    """One server's. Names of models that are not here are not counted by name: anybody could invent them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._models: dict[tuple[str, str], ModelMeters] = {}
        self.registry.register(_Histograms(self._models))
        self.ready = Gauge("cloudai_serve_model_ready", "1: answers requests", _LABELS, registry=self.registry)
        self.waiting = Gauge("cloudai_serve_requests_waiting", "in the queue", _LABELS, registry=self.registry)
        self.inflight = Gauge("cloudai_serve_requests_in_flight", "being answered", registry=self.registry)
        self.errors = Counter(
            "cloudai_serve_errors", "answers of 400 and above", (*_LABELS, "status"), registry=self.registry
        )
        self.reloads = Counter(
            "cloudai_serve_loads", "models loaded, and those that could not be", ("model", "outcome"),
            registry=self.registry,
        )  # fmt: skip

    def of(self, model: str, version: str) -> ModelMeters:
        """The histograms of one model; a reloaded one goes on counting."""
        return self._models.setdefault((model, version), ModelMeters())

    def forget(self, model: str, version: str) -> None:
        """A model that is gone is not waiting and not ready; what it has served stays counted."""
        for gauge in (self.ready, self.waiting):
            gauge.remove(model, version)

    def text(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)
