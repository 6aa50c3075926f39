"""Keeps one QualityModel fitted to what was graded and what the user said, and asks it about a task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orch.config.spec import ModelSpec
from orch.judgements import Judgements
from orch.types import Estimate, ModelKey, TaskType

if TYPE_CHECKING:
    from orch.grades import Graded, Rating
    from orch.quality import QualityModel

NAME = "quality"
Shares = Mapping[TaskType, float]
"""P(task type | text)."""


class JudgedQuality:
    """What is known of each model's quality on this machine. The fitted model is kept beside the evidence, and fitted anew when that has changed.

    Grades of a suite and ratings in models.yaml are on scales of their own. A suite tells how models differ, not how good they are: the graded models'
    mean grade is moved to their mean rating.
    """

    def __init__(self, judgements: Judgements, specs: Sequence[ModelSpec], shares: Callable[[str], Shares]) -> None:
        self._judgements, self._shares = judgements, shares
        self._rated = {name_of((spec.provider, spec.id)): spec.quality_rating / 10 for spec in specs if spec.quality_rating is not None}

    def estimates(self, text: str, shares: Shares) -> dict[ModelKey, Estimate]:
        """What each model of which something is known would be worth for a text of these types; empty while nothing was graded or rated."""
        graded, rated = self._judgements.marks()
        if not graded and not rated:
            return {}
        model, stamp = self._kept(graded, shares) or self.fit(shares)
        for rating in self._judgements.ratings(after=stamp["ratings"]):
            name = name_of((rating.provider, rating.model))
            if name in stamp["models"]:
                model.update(rating.task, name, rating.score)
        return moved_estimates(model, stamp["move"], text)

    def _kept(self, graded: int, shares: Shares) -> tuple[QualityModel, dict[str, Any]] | None:
        """The model that was fitted before; None where the evidence or the ratings of models.yaml are others now."""
        from orch.quality import QualityModel  # only where something is known

        kept = self._judgements.kept(NAME)
        if kept is None:
            return None
        stamp: dict[str, Any] = json.loads(kept[0])
        if stamp["graded"] != graded or stamp["rated"] != self._digest() or stamp["counted"] != self._judgements.ratings_up_to(stamp["ratings"]):
            return None
        try:
            return QualityModel.from_bytes(kept[1], lambda _: _plain(shares)), stamp
        except ValueError:
            return None

    def fit(self, shares: Shares | None = None) -> tuple[QualityModel, dict[str, Any]]:
        """Fits a model to all evidence and keeps it."""
        from orch.quality import QualityModel

        marks = self._judgements.marks()
        model, move = fitted(self._judgements.graded(), self._judgements.ratings(), self._rated, self._shares)
        stamp = {
            "graded": marks[0],
            "ratings": marks[1],
            "counted": self._judgements.ratings_up_to(marks[1]),
            "rated": self._digest(),
            "models": sorted(model.models),
            "move": move,
        }
        data = model.to_bytes()
        self._judgements.keep(NAME, json.dumps(stamp), data)
        return QualityModel.from_bytes(data, lambda text: _plain(shares if shares is not None else self._shares(text))), stamp

    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self._rated, sort_keys=True).encode()).hexdigest()[:16]


def fitted(graded: Sequence[Graded], ratings: Sequence[Rating], rated: Mapping[str, float], shares: Callable[[str], Shares]) -> tuple[QualityModel, float]:
    """A model of PROVIDER/MODEL names from evidence, and what is to be added to its estimates. `rated` are ratings from 0 to 1."""
    from orch.grades import is_evidence
    from orch.quality import QualityModel

    answered = [each for each in graded if is_evidence(each)]
    rows = [(each.prompt, each.task_type, name_of((each.provider, each.model)), float(each.score or 0.0)) for each in answered]
    rows += [(each.task, each.task_type or "", name_of((each.provider, each.model)), each.score) for each in ratings]
    models = sorted({row[2] for row in rows})
    move = _move(answered, rated)
    priors = {name: min(max(rated[name] - move, 0.0), 1.0) for name in models if name in rated}
    return QualityModel.fit(rows, models, priors, kinds=lambda text: _plain(shares(text))), move


def moved_estimates(model: QualityModel, move: float, text: str) -> dict[ModelKey, Estimate]:
    """The model's estimates on the scale of ratings, by provider and model."""
    return {_key(name): replace(each, mean=min(max(each.mean + move, 0.0), 1.0)) for name, each in model.predict(text).items()}


def _move(graded: Sequence[Graded], rated: Mapping[str, float]) -> float:
    """What is added to grades so that the graded models' mean is that of their ratings; 0 where no graded model is rated."""
    by_model: dict[str, list[float]] = {}
    for each in graded:
        by_model.setdefault(name_of((each.provider, each.model)), []).append(float(each.score or 0.0))
    both = [name for name in by_model if name in rated]
    return _mean([rated[name] for name in both]) - _mean([_mean(by_model[name]) for name in both]) if both else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _plain(shares: Shares) -> dict[str, float]:
    return {str(kind): share for kind, share in shares.items()}


def name_of(key: ModelKey) -> str:
    """Provider and model as one word."""
    return "/".join(key)


def _key(name: str) -> ModelKey:
    provider, _, model = name.partition("/")
    return provider, model
