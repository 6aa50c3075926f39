"""Redaction: finds secrets in text and replaces them before anything is persisted. Knows neither
the journal nor the configuration files."""

from orch.text.redact.redactor import Redactor, is_retired_pattern

__all__ = ["Redactor", "is_retired_pattern"]
