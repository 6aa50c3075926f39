"""One answer moves a model's estimate a little at its own type, less at the others, and by the same
for every model; the fitted model is stored and reused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.config.spec import ModelSpec
from orch.quality import QualityModel
from orch.quality.estimator import RERUN_STEP, QualityEstimator, apply_rating, fit_quality_model
from orch.routing.model_state import ModelState
from orch.routing.priors import prior_from_rating
from orch.storage.feedback import GradedAnswer, Rating
from orch.storage.journal import Journal
from orch.text.redact import Redactor
from orch.types import ModelKey, Prior, Reason, TaskType

OWN, OTHERS = 0.25, 0.15
"""The most that one answer may move a model's estimate at the type of the answer, and at the
others."""
MODELS = ("a", "b", "c")
WORDS = ("sort", "a list", "a poem", "write", "why", "cat", "mutex", "of")
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
SCORES = {
    "good": ("word", 1.0),
    "bad": ("word", 0.0),
    "better": ("better", 0.9),
    "worse": ("better", 0.3),
    "rerun": ("rerun", 0.4),
}
Priors = Mapping[str, float]
Shares = Mapping[str, float]


def name(model: str) -> str:
    return f"p/{model}"


def rating(number: int, text: str, model: str, word: str) -> Rating:
    """A rating of an answer by the user."""
    kind, score = SCORES[word]
    return Rating(number, text, None, model, "p", score, kind)


def graded(number: int, text: str, model: str, score: float) -> GradedAnswer:
    """An answer graded by a suite."""
    return GradedAnswer(
        0.0, f"t{number}", "h", "coding", "en", text, model, "p", "d", score=score, how="graded"
    )


def expected(
    model: QualityModel, text: str, task_type: TaskType, priors: Priors
) -> dict[str, float]:
    """The expected quality of every model at a forced type; without evidence its prior."""
    forced = QualityModel.from_bytes(model.to_bytes(), lambda _: {task_type: 1.0})
    estimates = forced.predict(text)
    return {
        each: estimates[each].mean if each in estimates else prior for each, prior in priors.items()
    }


ANSWERS = st.lists(
    st.tuples(TEXTS, st.sampled_from(MODELS), st.sampled_from(sorted(SCORES))), max_size=12
)
GRADES = st.lists(
    st.tuples(TEXTS, st.sampled_from(MODELS), st.sampled_from([0.0, 0.5, 1.0])), max_size=12
)
PRIORS = st.fixed_dictionaries({name(model): st.floats(0, 1) for model in MODELS})
TYPES = st.sampled_from(list(TaskType))


@settings(max_examples=40, deadline=None)
@given(
    before=ANSWERS,
    grades=GRADES,
    priors=PRIORS,
    new=st.tuples(TEXTS, st.sampled_from(MODELS), st.sampled_from(sorted(SCORES))),
    data=st.data(),
)
def test_one_answer_moves_a_model_by_a_quarter_at_most_and_elsewhere_by_less(
    before: list[tuple[str, str, str]],
    grades: list[tuple[str, str, float]],
    priors: Priors,
    new: tuple[str, str, str],
    data: st.DataObject,
) -> None:
    shares = DrawnShares(data)
    ratings, suite = (
        [rating(at, *each) for at, each in enumerate(before)],
        [graded(at, *each) for at, each in enumerate(grades)],
    )
    text, model, word = new
    newest = rating(len(before), text, model, word)
    old = fit_quality_model(suite, ratings, priors, shares)
    online = QualityModel.from_bytes(old.to_bytes(), shares)
    online.meet(name(model), priors[name(model)])
    apply_rating(online, newest)
    own, other = max(shares(text), key=lambda each: shares(text)[each]), data.draw(TYPES)
    for task_type in {TaskType(own), other, *(TaskType(each) for each in shares(text))}:
        then = expected(old, text, task_type, priors)
        for now in (
            expected(each, text, task_type, priors)
            for each in (fit_quality_model(suite, [*ratings, newest], priors, shares), online)
        ):
            assert max(abs(now[each] - then[each]) for each in priors) <= (
                OWN if task_type == own else OTHERS
            )


class DrawnShares:
    """A classifier: each text is of one type, or of two, and keeps its shares."""

    def __init__(self, data: st.DataObject) -> None:
        self._data, self._shares = data, dict[str, Shares]()

    def __call__(self, text: str) -> Shares:
        if text not in self._shares:
            first, second = self._data.draw(st.lists(TYPES, min_size=2, max_size=2, unique=True))
            share = self._data.draw(st.sampled_from([1.0, 0.9, 0.7, 0.51]))
            self._shares[text] = {str(first): share, str(second): 1 - share}
        return self._shares[text]


@pytest.mark.parametrize("share", [0.51, 0.7, 1.0])
@pytest.mark.parametrize(("prior", "word"), [(1.0, "bad"), (0.0, "good")])
def test_the_first_answer_moves_no_further_where_its_type_is_uncertain(
    share: float, prior: float, word: str
) -> None:
    model = fit_quality_model(
        [],
        [rating(1, "why", "a", word)],
        {"p/a": prior},
        lambda _: {"coding": share, "creative": 1 - share},
    )
    own, second, third = (
        abs(expected(model, "why", each, {"p/a": prior})["p/a"] - prior)
        for each in (TaskType.CODING, TaskType.CREATIVE, TaskType.SIMPLE)
    )
    assert OWN >= own > second >= third > 0
    assert second <= OTHERS


# ---------------------------------------------------------------- a rerun


@given(prior=st.floats(0, 1), reruns=st.integers(1, 4), word=st.sampled_from(sorted(SCORES)))
@settings(max_examples=25, deadline=None)
def test_a_rerun_never_raises_a_model_and_counts_less_than_bad(
    prior: float, reruns: int, word: str
) -> None:
    priors, one = {"p/a": prior}, dict.fromkeys(["coding"], 1.0)
    evidence = [rating(0, "sort a list", "a", word)]

    def after(kind: str, count: int) -> float:
        more = [rating(at + 1, "why", "a", kind) for at in range(count)]
        return (
            fit_quality_model([], [*evidence, *more], priors, lambda _: one)
            .predict("why")["p/a"]
            .mean
        )

    assert after("bad", reruns) - 0.01 <= after("rerun", reruns) <= after("rerun", 0)


def test_the_stored_score_of_a_rerun_of_an_earlier_version_is_ignored() -> None:
    priors = {"p/small": 0.1}
    kept = Rating(1, "why", None, "small", "p", 0.4, "rerun")
    assert (
        fit_quality_model([], [kept], priors, lambda _: {"simple": 1.0})
        .predict("why")["p/small"]
        .mean
        < 0.1
    )


# ---------------------------------------------------------------- the stored model


def state(model: str, quality: float | None, *, unlisted: bool = True) -> ModelState:
    """A model with a quality from 0 to 10: guessed from its size, or rated in models.yaml."""
    prior = (
        None
        if quality is None
        else prior_from_rating(quality, Reason("size" if unlisted else "rated_by_user"))
    )
    return ModelState(
        ModelSpec(id=model, provider="p", quality_rating=None if unlisted else quality),
        unlisted=unlisted,
        prior=prior,
    )


class Estimates:
    """An estimator over a journal of its own, for tasks about code."""

    def __init__(self, folder: Path, listed: Sequence[ModelState] = ()) -> None:
        self.journal = Journal(folder / "journal.sqlite3", Redactor({}))
        self.estimator = QualityEstimator(
            self.journal.feedback,
            [each.spec for each in listed],
            lambda text: {TaskType.CODING: 1.0},
        )

    def rate(self, model: str, score: float, kind: str = "word") -> None:
        """Records a rating of an answer to `sort a list`."""
        run = {"run_id": f"{model}{score}{kind}", "task": "sort a list", "task_type": "coding"}
        assert self.journal.feedback.set_ratings(run, {ModelKey("p", model): score}, kind)

    def of(
        self,
        states: Sequence[ModelState],
        task_type: TaskType = TaskType.CODING,
        text: str = "sort a list",
    ) -> dict[str, float]:
        """The expected quality of each model with evidence."""
        estimates = self.estimator.estimates(text, {task_type: 1.0}, states)
        return {model: round(each.mean, 4) for (_, model), each in estimates.items()}

    @property
    def stored(self) -> object:
        """The stored model, and what it was fitted to."""
        return self.journal.feedback.load_learned("quality")


@pytest.fixture
def known(tmp_path: Path) -> Estimates:
    return Estimates(tmp_path)


@pytest.mark.parametrize("quality", [1.1, 5.0, 9.5])
@pytest.mark.parametrize(("kind", "score"), SCORES.values())
def test_an_unlisted_model_moves_as_far_as_a_listed_one(
    tmp_path: Path, quality: float, kind: str, score: float
) -> None:
    moved = []
    for listed in (True, False):
        (tmp_path / str(listed)).mkdir()
        states = [state("m", quality, unlisted=not listed)]
        estimates = Estimates(tmp_path / str(listed), states if listed else ())
        estimates.rate("m", score, kind)
        moved.append([estimates.of(states, each) for each in TaskType])
    assert moved[0] == moved[1]


def test_a_model_without_evidence_has_no_estimate(known: Estimates) -> None:
    known.rate("small", 1.0)
    assert known.of([state("small", 1.1), state("large", 8.8)]).keys() == {"small"}


def test_other_models_that_come_and_go_do_not_refit(known: Estimates) -> None:
    known.rate("small", 1.0)
    small = known.of([state("small", 1.1)])
    stored = known.stored
    assert known.of([state("small", 1.1), state("new", 9.0)]) == known.of([]) == small
    assert known.stored == stored


def test_a_changed_prior_of_a_model_with_evidence_refits_at_once(known: Estimates) -> None:
    known.rate("m", 1.0)
    low = known.of([state("m", 2.0)])["m"]
    assert known.of([state("m", 6.0)])["m"] > low + 0.2
    assert known.of([state("m", 2.0)])["m"] == low


def test_a_rerun_after_the_fit_is_learned_once_at_its_own_type(known: Estimates) -> None:
    states = [state("m", 8.0), state("other", 7.0)]
    known.rate("other", 1.0)
    known.of(states)
    known.rate("m", 0.4, "rerun")
    creative, coding = known.of(states, TaskType.CREATIVE, "a poem")["m"], known.of(states)["m"]
    assert 0.8 - RERUN_STEP / 4 < coding < creative < 0.8
    stored = known.stored
    assert (known.of(states)["m"], known.stored) == (coding, stored)


def test_without_evidence_there_are_no_estimates_and_nothing_is_stored(known: Estimates) -> None:
    assert known.of([state("small", 1.1)]) == {}
    assert known.stored is None


def test_a_new_grade_refits_and_a_new_rating_is_stored(known: Estimates) -> None:
    states = [state("m", 5.0)]
    known.rate("m", 1.0)
    once, first = known.of(states)["m"], known.stored
    known.rate("m", 1.0, "better")
    twice, second = known.of(states)["m"], known.stored
    known.journal.feedback.add_grades([graded(1, "sort a list", "m", 0.0)])
    third = known.of(states)["m"]
    assert twice > third > once  # the grade is moved to the prior
    assert first != second != known.stored


def test_a_damaged_stored_model_is_fitted_again(known: Estimates) -> None:
    known.rate("m", 1.0)
    states = [state("m", 5.0)]
    before, stored = known.of(states), known.journal.feedback.load_learned("quality")
    assert stored is not None
    known.journal.feedback.save_learned("quality", stored[0], b"damaged")
    assert known.of(states) == before
    assert known.stored == stored


@pytest.mark.parametrize(
    ("code", "source"),
    [
        ("benchmarks", "measured and benchmarked (n=1)"),
        ("own_file", "measured and benchmarked (n=1)"),
        ("unknown_size", "measured and guessed (n=1)"),
        ("rated_by_user", "measured and rated (n=1)"),
    ],
)
def test_an_estimate_with_little_evidence_names_the_source_of_its_prior(
    known: Estimates, code: str, source: str
) -> None:
    known.rate("m", 1.0)
    prior = Prior(dict.fromkeys(TaskType, 0.5), "", origin=(Reason(code),))
    states = [state("m", 5.0)._replace(prior=prior)]
    shares = {TaskType.CODING: 1.0}
    estimates = known.estimator.estimates("sort a list", shares, states)
    assert [each.source for each in estimates.values()] == [source]


def test_grades_are_moved_to_the_scale_of_the_priors() -> None:
    """A suite tells how models differ, not how good they are."""
    suite = [
        graded(at, f"task {at}", m, s) for at in range(40) for m, s in (("a", 0.2), ("b", 0.4))
    ]
    priors = {"p/a": 0.8, "p/b": 0.8}
    estimates = fit_quality_model(suite, [], priors, lambda _: {"coding": 1.0}).predict("task")
    a, b = (estimates[each].mean for each in priors)
    assert (a + b) / 2 == pytest.approx(0.8, abs=0.01)
    assert 0.1 < b - a < 0.2
