"""Keeps a QualityModel fitted to grades and ratings, and estimates the quality of models for a
task."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from orch.config.spec import DEFAULT_RATING, ModelSpec
from orch.storage.feedback import RERUN, FeedbackStore
from orch.types import Estimate, EstimateBasis, ModelKey, TaskType

if TYPE_CHECKING:
    from orch import types
    from orch.quality import QualityModel
    from orch.quality.table import Prior
    from orch.storage.feedback import GradedAnswer, Rating

NAME = "quality"
UNKNOWN_PRIOR = DEFAULT_RATING / 10
"""The prior of a model with evidence that has no rating and is not installed now."""
RERUN_STEP = 0.3
"""How far below its expected quality an answer is scored whose task was run again with another
model, at most half: between as expected and bad. The user probably did not like it, and an absolute
score would raise a model with a lower expectation."""
_BASES = {
    **dict.fromkeys(("benchmarks", "own_file"), EstimateBasis.MEASURED_AND_BENCHMARKED),
    **dict.fromkeys(
        ("size_and_date", "size", "date", "unknown_size"), EstimateBasis.MEASURED_AND_GUESSED
    ),
}
"""The basis of an estimate from few grades, by the code of its prior's first reason; else the prior
is a rating."""
TypeShares = Mapping[TaskType, float]
"""P(task type | text)."""


class RatedModel(Protocol):
    """A model with a prior, as the registry reports it."""

    @property
    def key(self) -> ModelKey:
        """Provider and id."""
        ...

    @property
    def prior(self) -> types.Prior | None:
        """The expected quality without grades; None if its provider does not have it."""
        ...


class QualityEstimator:
    """The quality of each model as known on this machine. The fitted model is stored beside the
    evidence, and refitted when that changes.

    A rating in models.yaml, benchmarks and a guess are priors of equal weight. Only models with
    evidence are in the fit: other installed models don't change it.
    """

    def __init__(
        self,
        feedback: FeedbackStore,
        specs: Sequence[ModelSpec],
        shares: Callable[[str], TypeShares],
    ) -> None:
        self._feedback, self._shares = feedback, shares
        self._rated = {
            qualified_name(ModelKey(spec.provider, spec.id)): _uniform_prior(
                spec.quality_rating / 10
            )
            for spec in specs
            if spec.quality_rating is not None
        }

    def estimates(
        self, text: str, shares: TypeShares, states: Iterable[RatedModel]
    ) -> dict[ModelKey, Estimate]:
        """Estimates for each model with evidence, for a text of these types; empty without any
        evidence."""
        graded, rated = self._feedback.last_ids()
        if not graded and not rated:
            return {}

        def kinds(other: str) -> dict[str, float]:
            return _by_name(shares if other == text else self._shares(other))

        states = tuple(states)
        priors = self._rated | current_priors(states)
        model, stamp = self._stored(graded, priors, kinds) or self._fit(priors, kinds)
        self._catch_up(model, stamp, priors)
        return _with_prior_bases(by_key(model.predict(text)), states)

    def fit(self, states: Iterable[RatedModel]) -> None:
        """Fits a model to all evidence and stores it."""
        self._fit(self._rated | current_priors(states), lambda text: _by_name(self._shares(text)))

    def _stored(
        self, graded: int, priors: Mapping[str, Prior], kinds: Callable[[str], dict[str, float]]
    ) -> tuple[QualityModel, dict[str, Any]] | None:
        """The stored model; None if the evidence has changed, or the prior of a model with
        evidence."""
        from orch.quality import QualityModel  # only if there is evidence

        stored = self._feedback.load_learned(NAME)
        stamp: dict[str, Any] = json.loads(stored[0]) if stored else {}
        if (
            stored is None
            or stamp["graded"] != graded
            or "priors" not in stamp
            or stamp["counted"] != self._feedback.count_ratings_up_to(stamp["ratings"])
        ):
            return None
        if any(priors.get(name, prior) != prior for name, prior in stamp["priors"].items()):
            return None
        try:
            return QualityModel.from_bytes(stored[1], kinds), stamp
        except ValueError:
            return None

    def _fit(
        self, priors: Mapping[str, Prior], kinds: Callable[[str], dict[str, float]]
    ) -> tuple[QualityModel, dict[str, Any]]:
        from orch.quality import QualityModel

        stored, marks = self._feedback.load_learned(NAME), self._feedback.last_ids()
        # a model whose provider is down now keeps its earlier prior
        known = {**(json.loads(stored[0]).get("priors", {}) if stored else {}), **priors}
        model = fit_quality_model(
            self._feedback.graded_answers(),
            self._feedback.ratings(),
            known,
            lambda text: _by_name(self._shares(text)),
        )
        stamp = {
            "graded": marks[0],
            "priors": {name: known.get(name, UNKNOWN_PRIOR) for name in model.models},
        }
        return QualityModel.from_bytes(self._store(model, stamp, marks[1]), kinds), stamp

    def _catch_up(
        self, model: QualityModel, stamp: dict[str, Any], priors: Mapping[str, Prior]
    ) -> None:
        """Learns the ratings since the model was stored, and stores it again."""
        later = self._feedback.ratings(after=stamp["ratings"])
        for rating in later:
            name = qualified_name(ModelKey(rating.provider, rating.model))
            prior = stamp["priors"].setdefault(name, priors.get(name, UNKNOWN_PRIOR))
            model.meet(name, prior)
            apply_rating(model, rating)
        if later:
            self._store(model, stamp, later[-1].id)

    def _store(self, model: QualityModel, stamp: dict[str, Any], last: int) -> bytes:
        stamp |= {"ratings": last, "counted": self._feedback.count_ratings_up_to(last)}
        data = model.to_bytes()
        self._feedback.save_learned(NAME, json.dumps(stamp), data)
        return data


def current_priors(states: Iterable[RatedModel]) -> dict[str, Prior]:
    """The priors by task type, 0 to 1, of the models that their provider reports now."""
    return {
        qualified_name(state.key): _by_name(state.prior.quality)
        for state in states
        if state.prior is not None
    }


def fit_quality_model(
    graded: Sequence[GradedAnswer],
    ratings: Sequence[Rating],
    priors: Mapping[str, Prior],
    kinds: Callable[[str], Mapping[str, float]],
) -> QualityModel:
    """Fits a model of PROVIDER/MODEL names to the evidence, on the scale of the priors, 0 to 1.

    A suite tells how models differ, not how good they are: the mean grade of the graded models is
    moved to their mean prior at the graded types. Reruns come last, each relative to what the rest
    predicts.
    """
    from orch.quality import QualityModel
    from orch.storage.feedback import is_evidence

    answered = [each for each in graded if is_evidence(each)]
    words = [each for each in ratings if each.kind != RERUN]
    rows = [
        (
            each.prompt,
            each.task_type,
            qualified_name(ModelKey(each.provider, each.model)),
            float(each.score or 0.0),
        )
        for each in answered
    ]
    rows += [
        (
            each.task,
            each.task_type or "",
            qualified_name(ModelKey(each.provider, each.model)),
            each.score,
        )
        for each in words
    ]
    models = sorted({row[2] for row in rows})
    rated = {name: priors.get(name, UNKNOWN_PRIOR) for name in models}
    model = QualityModel.fit(
        rows, models, rated, kinds=kinds, moves=[_grade_offset(answered, priors)] * len(answered)
    )
    for each in (each for each in ratings if each.kind == RERUN):
        name = qualified_name(ModelKey(each.provider, each.model))
        model.meet(name, priors.get(name, UNKNOWN_PRIOR))
        apply_rating(model, each)
    return model


def apply_rating(model: QualityModel, rating: Rating) -> None:
    """Applies one more rating of a known model. The stored score of a rerun is ignored: earlier
    versions stored an absolute one."""
    name, score = qualified_name(ModelKey(rating.provider, rating.model)), rating.score
    if rating.kind == RERUN:
        expected = model.predict(rating.task)[name].mean
        score = expected - min(RERUN_STEP, expected / 2)
    model.update(rating.task, name, score)


def _with_prior_bases(
    estimates: dict[ModelKey, Estimate], states: Iterable[RatedModel]
) -> dict[ModelKey, Estimate]:
    """The estimates from few grades with the kind of each model's prior in their basis."""
    bases = {
        state.key: _BASES[state.prior.origin[0].code]
        for state in states
        if state.prior and state.prior.origin and state.prior.origin[0].code in _BASES
    }
    return {
        key: estimate._replace(basis=bases[key])
        if key in bases and estimate.basis == EstimateBasis.MEASURED_AND_RATED
        else estimate
        for key, estimate in estimates.items()
    }


def by_key(estimates: Mapping[str, Estimate]) -> dict[ModelKey, Estimate]:
    """Estimates by provider and model."""
    return {_key(name): each for name, each in estimates.items()}


def _grade_offset(graded: Sequence[GradedAnswer], priors: Mapping[str, Prior]) -> float:
    """What is added to grades so that the mean of the graded models equals that of their priors at
    these types; 0 if no graded model has a prior."""
    from orch.quality.table import prior_at

    distances: dict[str, list[float]] = {}
    for each in graded:
        name = qualified_name(ModelKey(each.provider, each.model))
        if name in priors:
            distances.setdefault(name, []).append(
                prior_at(priors[name], each.task_type) - float(each.score or 0.0)
            )
    return _mean([_mean(values) for values in distances.values()]) if distances else 0.0


def _uniform_prior(rating: float) -> Prior:
    """The prior of a rating: the same at every type."""
    return dict.fromkeys(map(str, TaskType), rating)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _by_name(shares: TypeShares) -> dict[str, float]:
    return {str(kind): share for kind, share in shares.items()}


def qualified_name(key: ModelKey) -> str:
    """Provider and model as one string."""
    return "/".join(key)


def _key(name: str) -> ModelKey:
    provider, _, model = name.partition("/")
    return ModelKey(provider, model)
