"""What a server measures of itself, for Prometheus."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from vlm.serving.served import Served

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Engines(Collector):
    """What engines do at this moment."""

    def __init__(self, models: Sequence[Served]) -> None:
        self.models = models

    def collect(self) -> list[GaugeMetricFamily]:
        """Return the gauges."""
        running = GaugeMetricFamily("vlm_running", "Answers that are being written", labels=["model"])
        waiting = GaugeMetricFamily("vlm_waiting", "Requests that wait for a place", labels=["model"])
        for model in self.models:
            running.add_metric([model.name], model.engine.num_running)
            waiting.add_metric([model.name], model.engine.num_waiting)
        return [running, waiting]


class Measures:
    """Counters and histograms of one server.

    Args:
        models: That it serves.
    """

    def __init__(self, models: Sequence[Served]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Engines(models))
        self.requests = Counter("vlm_requests", "Responses", ["path", "status"], registry=self.registry)
        self.prompt_tokens = Counter(
            "vlm_prompt_tokens", "Tokens read, pictures' among them", ["model"], registry=self.registry
        )
        self.completion_tokens = Counter(
            "vlm_completion_tokens", "Tokens written", ["model"], registry=self.registry
        )
        self.unfinished = Counter(
            "vlm_unfinished",
            "Answers that did not end: the client went away, or they failed",
            ["model"],
            registry=self.registry,
        )
        self.first_token = Histogram(
            "vlm_first_token_seconds", "From a request to its answer's first piece", ["model"],
            registry=self.registry, buckets=SECONDS,
        )  # fmt: skip
        self.seconds = Histogram(
            "vlm_request_seconds", "From a request to its response's end", ["path"],
            registry=self.registry, buckets=SECONDS,
        )  # fmt: skip

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self.registry)
