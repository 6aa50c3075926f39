"""Prometheus metrics: by model and task type, counted as each run is recorded."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from orch.server.scheduling.scheduler import Scheduler
from orch.storage.journal import RunRecord

LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
RATE_BUCKETS = (1, 2, 5, 10, 20, 40, 80, 160, 320, 640)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._runs = Counter(
            "orch_runs",
            "Runs by status.",
            ("model", "task_type", "status", "face", "client"),
            registry=registry,
        )
        self._errors = Counter(
            "orch_errors",
            "Failed model calls, by code.",
            ("model", "task_type", "code"),
            registry=registry,
        )
        self._fallbacks = Counter(
            "orch_fallbacks",
            "Times that model was asked after failed_model had failed.",
            ("model", "task_type", "failed_model"),
            registry=registry,
        )
        self._cached = Counter(
            "orch_cache_hits",
            "Runs answered from the cache.",
            ("model", "task_type"),
            registry=registry,
        )
        self._tokens = Counter(
            "orch_tokens",
            "Tokens as counted by the model servers.",
            ("model", "task_type", "kind"),
            registry=registry,
        )
        self._ttft = Histogram(
            "orch_ttft_seconds",
            "Seconds to the first token.",
            ("model", "task_type"),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self._rate = Histogram(
            "orch_tokens_per_second",
            "Answer tokens per second.",
            ("model", "task_type"),
            buckets=RATE_BUCKETS,
            registry=registry,
        )

    def record(self, run: RunRecord) -> None:
        """Counts a finished run."""
        task_type = run.task_type or ("chore" if run.chore else "")
        labels = (run.model or "", task_type)
        self._runs.labels(*labels, run.status, run.face, run.client).inc()
        if run.source == "cache":
            self._cached.labels(*labels).inc()
        for number, attempt in enumerate(run.attempts):
            labels = (attempt.model, task_type)
            if attempt.code:
                self._errors.labels(*labels, attempt.code).inc()
            if number:
                self._fallbacks.labels(*labels, run.attempts[number - 1].model).inc()
            self._tokens.labels(*labels, "prompt").inc(attempt.prompt_tokens)
            self._tokens.labels(*labels, "completion").inc(attempt.completion_tokens)
            if attempt.ttft_s is not None:
                self._ttft.labels(*labels).observe(attempt.ttft_s)
            if attempt.decode_s and attempt.completion_tokens:
                self._rate.labels(*labels).observe(attempt.completion_tokens / attempt.decode_s)

    def observe_scheduler(self, scheduler: Scheduler) -> None:
        """Reads queue lengths and resident models from the scheduler at each scrape."""
        self.registry.register(_Gauges(scheduler))

    def render(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _Gauges:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def collect(self) -> Iterator[Metric]:
        status = self._scheduler.status()
        waiting = GaugeMetricFamily(
            "orch_queue_waiting", "Requests waiting for a provider.", labels=("provider",)
        )
        running = GaugeMetricFamily(
            "orch_queue_running", "Requests that a provider is serving.", labels=("provider",)
        )
        resident = GaugeMetricFamily(
            "orch_resident_bytes", "Memory of each loaded model.", labels=("provider", "model")
        )
        for name, queue in status["providers"].items():
            waiting.add_metric((name,), len(queue["waiting"]))
            running.add_metric((name,), len(queue["running"]))
        for model in status["memory"]["resident"]:
            resident.add_metric((model["provider"], model["model"]), model["gb"] * 1e9)
        yield from (waiting, running, resident)
