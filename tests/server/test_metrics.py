"""Metrics of finished runs."""

from __future__ import annotations

from orch.server.metrics import Metrics
from orch.types import Attempt
from tests.support.journal_file import answered_run


def test_a_fallback_is_counted_with_the_model_that_failed_and_the_one_that_took_over() -> None:
    metrics = Metrics()
    attempts = (Attempt("a", "p", "failed", code="cut"), Attempt("b", "p", "ok"))
    metrics.record(answered_run("1", 1.0)._replace(model="b", attempts=attempts))
    lines = metrics.render().decode().splitlines()
    counted = [line for line in lines if line.startswith("orch_fallbacks_total{")]
    assert counted == ['orch_fallbacks_total{failed_model="a",model="b",task_type="simple"} 1.0']
