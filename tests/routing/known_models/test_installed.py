"""The best of the installed models: measured, rated or known by name, on one scale."""

from __future__ import annotations

import pytest

from orch.routing.recommendations.installed import (
    BENCHMARK_SD,
    GUESS_SD,
    InstalledQuality,
    counts,
    expected,
)
from orch.types import Elimination, Estimate, EstimateBasis, Prior, Reason, TaskType
from tests.support.scoring import state

CODING = TaskType.CODING


def prior(quality: float, code: str) -> Prior:
    return Prior(dict.fromkeys(TaskType, quality), code, origin=(Reason(code),))


def known(name: str) -> Prior:
    return prior({"small": 0.5, "large": 0.8}[name], "benchmarks")


def test_the_error_of_a_prior_is_that_of_where_it_comes_from() -> None:
    assert expected(prior(0.7, "benchmarks"), CODING, "a").sd == BENCHMARK_SD[CODING]
    assert expected(prior(0.7, "size_and_date"), CODING, "a").sd == GUESS_SD
    assert expected(prior(0.7, "rated_by_user"), CODING, "a").sd == 0
    assert expected(Prior(dict.fromkeys(TaskType, 0.7), ""), CODING, "a").sd == GUESS_SD


def test_ratings_that_orch_ships_give_way_to_what_is_known_of_the_model() -> None:
    rated = state("large", prior=prior(0.9, "rated"))
    found = InstalledQuality({}, known, shift=1.4).of(rated, CODING)
    assert found.value == pytest.approx(8.0)


def test_a_persons_rating_and_a_prior_are_brought_to_the_scale_of_the_known_models() -> None:
    rated = state("large", prior=prior(0.9, "rated_by_user"))
    assert InstalledQuality({}, known, shift=1.0).of(rated, CODING).value == pytest.approx(8.0)


def test_what_was_graded_here_counts_before_what_is_expected() -> None:
    large = state("large", prior=prior(0.8, "benchmarks"))
    estimate = Estimate(0.55, 0.05, 12, EstimateBasis.MEASURED)
    found = InstalledQuality({CODING: {large.key: estimate}}, known).of(large, CODING)
    assert found.value == pytest.approx(5.5)
    assert (found.sd, found.is_measured) == (0.5, True)
    without = Estimate(0.1, 0.05, 0, EstimateBasis.RATED)
    assert InstalledQuality({CODING: {large.key: without}}, known).of(large, CODING).value == 8.0


def test_the_best_is_told_by_type_with_its_name() -> None:
    small = state("small", prior=prior(0.5, "benchmarks"))
    large = state("large", prior=prior(0.8, "benchmarks"))
    graded = Estimate(0.95, 0.02, 9, EstimateBasis.MEASURED)
    best = InstalledQuality({CODING: {small.key: graded}}, known).best([small, large])
    assert (best[CODING].model, best[TaskType.WRITING].model) == ("small", "large")
    assert InstalledQuality({}, known).best([]) == {}


@pytest.mark.parametrize(
    "other",
    [
        state("away", unavailable=Elimination("not_installed")),
        state("embeds", capabilities=frozenset({"embedding"})),
        state("resort", facts={"last_resort": True}),
        state("cloud", remote_host="ollama.com"),
    ],
    ids=lambda each: each.spec.id,
)
def test_what_does_not_answer_here_is_no_model_to_compare_with(other: object) -> None:
    assert not counts(other)  # type: ignore[arg-type]
    assert counts(state("mine"))
