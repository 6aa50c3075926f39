"""The figures of a speed bench: medians, throughput, and who measured the times."""

from __future__ import annotations

from orch.bench.speed_plan import (
    plan_cells,
)
from orch.bench.speed_summary import median_figure, timing_note
from tests.support.bench_samples import ONE, TWO, benched_lines, row


def test_a_figure_is_the_median_with_half_the_distance_between_the_quartiles() -> None:
    found = median_figure([10.0, None, 14.0, 12.0, 11.0, 13.0])
    assert found is not None
    assert (found.median, found.spread, found.n, str(found)) == (12.0, 1.0, 5, "12.0 ± 1.0")
    assert str(median_figure([0.25])) == "0.250"
    assert median_figure([None]) is None


def test_answers_at_once_are_counted_together() -> None:
    assert [str(line.tokens_per_s) for line in benched_lines("m")] == ["64.0", "64.0", "128"]


def test_the_note_says_who_measured_the_times() -> None:
    mine, other = (
        row(cell) for cell in plan_cells([ONE, TWO], ["short"], 1, [1], frozenset({ONE, TWO}))
    )
    assert "TTFT and total by the clock (one:1b); all by the clock" in timing_note(
        [mine, other._replace(timed_by="clock")]
    )
