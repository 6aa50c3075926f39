"""Classifies tasks: text in, Classification out. Knows neither the journal nor the models."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orch.classifier.classifier import Classifier
    from orch.types import Classification


def classify(text: str) -> Classification:
    """Classifies a text by the trained weights and the rules of the routing.yaml that the command
    would find. Raises ConfigError.

    The result has `.task_type`, `.confidence` (the probability that the type is right or a
    defensible second), `.scores` (a probability for every type), `.evidence` and `.language`.
    Corrections by the user are applied when a task is routed, not here.
    """
    return _classifier().classify(text)


@lru_cache(maxsize=1)
def _classifier() -> Classifier:
    from orch.classifier.classifier import Classifier
    from orch.config.load import load_config

    return Classifier(load_config().own_rules)
