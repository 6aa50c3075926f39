"""Text in, Classification out."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orch.classifier.rules import RuleClassifier
    from orch.types import Classification


def classify(text: str) -> Classification:
    """What kind of task a text is, by the rules of the routing.yaml that the command would find. Raises ConfigError."""
    return _classifier().classify(text)


@lru_cache(maxsize=1)
def _classifier() -> RuleClassifier:
    from orch.classifier.rules import RuleClassifier
    from orch.config.load import load

    return RuleClassifier(load().routing.task_types)
