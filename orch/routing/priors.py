"""The expected quality of each model before any grade: from a person's rating, else from
benchmarks, else from size and date.

Ratings and the qualities of known models are two scales. The latter are shifted by the mean
difference over the rated models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from orch.config.spec import ModelSpec
from orch.routing.known_models.identity import Identity
from orch.routing.model_state import ModelState
from orch.routing.wording import reason_text
from orch.text.model_names import comparison_key
from orch.types import ModelKey, Prior, Reason, TaskType

if TYPE_CHECKING:
    from orch.routing.known_models.estimate import PriorEstimate
    from orch.routing.known_models.model_list import KnownModels

SHIFT_FADES = 2
"""The number of rated models at which half of the difference between ratings and priors counts: one
rating of one person is little evidence."""
RATED_BY_USER, RATED = Reason("rated_by_user"), Reason("rated")


class ModelsWithPriors(NamedTuple):
    """Models with their priors."""

    states: tuple[ModelState, ...]
    only_shipped: bool


class QualityPriors:
    """Computes the priors of models. Reads the known models on first need, and caches the estimate
    of each."""

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        shipped: Sequence[ModelSpec] = (),
        own_known: Mapping[str, Any] | None = None,
    ) -> None:
        self._shipped = {comparison_key(spec.id): spec for spec in shipped}
        self._rated = [spec for spec in specs if self.is_rated(spec)]
        self._own_known = own_known or {}
        self._known_models: KnownModels | None = None
        self._estimates: dict[Identity, PriorEstimate] = {}
        self._seen: dict[ModelKey, Identity] = {}
        self._shifted_priors: dict[Identity, Prior] = {}
        self._shifts: tuple[float, float] | None = None

    def is_rated(self, spec: ModelSpec) -> bool:
        """Whether a person rated it: the ratings of the shipped file do not count as a person's."""
        shipped = self._shipped.get(comparison_key(spec.id))
        return spec.quality_rating is not None and (
            shipped is None or spec.quality_rating != shipped.quality_rating
        )

    def is_shipped(self, spec: ModelSpec) -> bool:
        """Whether it is on the shipped list with the shipped values."""
        shipped = self._shipped.get(comparison_key(spec.id))
        return shipped is not None and _values(spec) == _values(shipped)

    def with_priors(
        self,
        states: Sequence[ModelState],
        identities: Mapping[int, Identity],
        unlisted_take_part: bool,
    ) -> ModelsWithPriors:
        """The states with their priors; `identities` are by index, of the models that their
        provider has."""
        selectable = [
            states[at] for at in identities if is_selectable(states[at], unlisted_take_part)
        ]
        only_shipped = all(self.is_shipped(state.spec) for state in selectable)
        self._see(
            {
                states[at].key: identity
                for at, identity in identities.items()
                if self.is_rated(states[at].spec)
            }
        )
        with_priors = list(states)
        for at, identity in identities.items():
            with_priors[at] = self._with_prior(states[at], identity, only_shipped=only_shipped)
        return ModelsWithPriors(tuple(with_priors), only_shipped)

    def _see(self, rated: Mapping[ModelKey, Identity]) -> None:
        """Remembers the identity of rated models, which count while their provider is unreachable,
        too."""
        if any(self._seen.get(key) != identity for key, identity in rated.items()):
            self._seen.update(rated)
            self._shifts = None
            self._shifted_priors.clear()

    def quality_by_name(self, name: str) -> Mapping[TaskType, float]:
        """The expected quality of a model by its name alone, 0 to 1, on the scale of the known
        models."""
        return self._estimate(Identity(name)).prior.quality

    def known_prior(self, name: str) -> Prior:
        """The prior of a model by its name alone, on the scale of the known models."""
        return self._estimate(Identity(name)).prior

    def scale_shift(self, *, only_shipped: bool) -> float:
        """How far, of 10, the scale of the installed models lies above that of the known ones: that
        of the shipped ratings if only shipped models are there, else that of a person's."""
        shift, shipped = self._scales()
        return shipped if only_shipped else shift

    def sizes_b(self, identity: Identity) -> tuple[float | None, float | None]:
        """Billions of parameters, all and those that a token takes; None if unknown."""
        estimate = self._estimate(identity)
        return estimate.size_b, estimate.active_b

    def has_speed(self, spec: ModelSpec, *, only_shipped: bool) -> bool:
        """Whether its speed is rated: by a person (who may have rated the quality only), or by the
        shipped file if all models are shipped ones."""
        if spec.speed_rating is None:
            return False
        shipped = self._shipped.get(comparison_key(spec.id))
        return (
            only_shipped
            or shipped is None
            or spec.speed_rating != shipped.speed_rating
            or self.is_rated(spec)
        )

    def _with_prior(
        self, state: ModelState, identity: Identity, *, only_shipped: bool
    ) -> ModelState:
        spec = state.spec
        if spec.quality_rating is not None and (only_shipped or self.is_rated(spec)):
            return state._replace(
                prior=prior_from_rating(
                    spec.quality_rating, RATED_BY_USER if self.is_rated(spec) else RATED
                ),
            )
        shipped = self._shipped.get(comparison_key(spec.id))
        if shipped is not None:  # not the user's own values
            strengths = () if spec.strengths == shipped.strengths else spec.strengths
            weaknesses = () if spec.weaknesses == shipped.weaknesses else spec.weaknesses
            spec = replace(spec, quality_rating=None, strengths=strengths, weaknesses=weaknesses)
        return state._replace(spec=spec, prior=self._shifted(identity))

    def _shifted(self, identity: Identity) -> Prior:
        """The prior on the scale of a person's ratings, as far as there are some; for floors, on
        that of the shipped ratings.

        So a person's rating of one model does not push another one below a floor.
        """
        if identity not in self._shifted_priors:
            from orch.routing.known_models.estimate import shift_prior

            shift, shipped = self._scales()
            self._shifted_priors[identity] = shift_prior(
                self._estimate(identity).prior, shift, shipped - shift
            )
        return self._shifted_priors[identity]

    def _estimate(self, identity: Identity) -> PriorEstimate:
        """The prior from what is known of the model. Cached: an inventory of a thousand models must
        not recognize each again."""
        if identity not in self._estimates:
            from orch.routing.known_models.estimate import estimate_prior

            self._estimates[identity] = estimate_prior(identity, self._known())
        return self._estimates[identity]

    def _known(self) -> KnownModels:
        if self._known_models is None:
            # 8 ms of CPU with recognition: `orch run` does without where only the shipped models
            # are there, or where all are rated
            from orch.routing.known_models.model_list import KnownModels, load_shipped

            self._known_models = KnownModels.merge(load_shipped(), self._own_known)
        return self._known_models

    def _scales(self) -> tuple[float, float]:
        """How far a person's ratings, and the shipped ones, are above the priors."""
        if self._shifts is None:
            shipped = [spec for spec in self._shipped.values() if not spec.last_resort]
            self._shifts = self._distance(self._rated), self._distance(shipped)
        return self._shifts

    def _distance(self, specs: Iterable[ModelSpec]) -> float:
        """A model that is not installed counts by its name; models of unknown size do not count."""
        seen = [
            (
                spec.quality_rating,
                self._seen.get(ModelKey(spec.provider, spec.id), Identity(spec.id)),
            )
            for spec in specs
            if spec.quality_rating is not None
        ]
        estimates = [(rating, self._estimate(identity)) for rating, identity in seen]
        distances = [
            rating - estimate.prior.mean * 10
            for rating, estimate in estimates
            if estimate.size_b is not None
        ]
        return sum(distances) / (len(distances) + SHIFT_FADES)


def prior_from_rating(rating: float, origin: Reason) -> Prior:
    """A rating from 0 to 10, which holds at every type."""
    quality = dict.fromkeys(TaskType, rating / 10)
    return Prior(quality, reason_text([origin]), origin=(origin,))


def is_selectable(state: ModelState, unlisted_take_part: bool) -> bool:
    """Whether it can be chosen at all."""
    can_chat = state.capabilities is None or "completion" in state.capabilities
    return state.unavailable is None and can_chat and (unlisted_take_part or not state.unlisted)


def _values(spec: ModelSpec) -> tuple[Any, ...]:
    return spec.quality_rating, spec.strengths, spec.weaknesses
