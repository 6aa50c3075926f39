"""Text in, Classification out."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orch.classifier.classifier import Classifier
    from orch.types import Classification


def classify(text: str) -> Classification:
    """What kind of task a text is: the learned part, and the rules of the routing.yaml that the
    command would find. Raises ConfigError.

    `.task_type`, `.confidence` (the probability that it is the right type or a defensible second),
    `.scores` (a probability for every type),
    `.evidence` and `.language`. A user's corrections count where a task is decided, not here.
    """
    return _classifier().classify(text)


@lru_cache(maxsize=1)
def _classifier() -> Classifier:
    from orch.classifier.classifier import Classifier
    from orch.config.load import load_config

    return Classifier(load_config().own_rules)
