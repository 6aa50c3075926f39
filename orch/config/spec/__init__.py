"""The keys of models.yaml and routing.yaml, as dataclasses. Knows neither the files nor what their
values do.

The program works with these dataclasses; `schema` derives the pydantic models and the JSON Schemas
from them, so that reading a cached config needs neither pydantic nor YAML (together 9x the cost of
starting Python).
"""

from orch.config.spec.keys import DURATION_PATTERN
from orch.config.spec.models import (
    DEFAULT_OLLAMA_URL,
    DEFAULT_RATING,
    Models,
    ModelSpec,
    Provider,
    build_model,
    build_models,
)
from orch.config.spec.routing import (
    TERMS,
    Cache,
    Fallback,
    JournalRule,
    Keywords,
    Memory,
    Redaction,
    Routing,
    Serve,
    TaskTypeRule,
    Weights,
    build_routing,
    build_rules,
)

__all__ = [
    "DEFAULT_OLLAMA_URL",
    "DEFAULT_RATING",
    "DURATION_PATTERN",
    "TERMS",
    "Cache",
    "Fallback",
    "JournalRule",
    "Keywords",
    "Memory",
    "ModelSpec",
    "Models",
    "Provider",
    "Redaction",
    "Routing",
    "Serve",
    "TaskTypeRule",
    "Weights",
    "build_model",
    "build_models",
    "build_routing",
    "build_rules",
]
