"""A user's own models.yaml: texts for it, and the type of the fixture `own`, which writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.conftest import LLAMA

PROVIDERS = "providers:\n  ollama: {kind: ollama, base_url: http://127.0.0.1:11434}\n"
OWN = f"""# my models
version: 1

providers:   # where they live
  ollama: {{kind: ollama, base_url: http://127.0.0.1:11434}}

models:
  # the quick one
  - id: {LLAMA}
    name: 'Quick'    # quotes stay
    strengths: [simple, "exploration"]
    speed_rating: 9.50

  # the last comment
"""
Write = Callable[[str], Path]
