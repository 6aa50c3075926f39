"""The JSON Schemas of the configuration files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch.config.schema import json_schema


@pytest.mark.parametrize("which", ["models", "routing", "known_models"])
def test_the_committed_schema_is_the_generated_one(which: str) -> None:
    file = Path(__file__).parents[2] / "orch" / "config" / "schemas" / f"{which}.schema.json"
    assert json.loads(file.read_text()) == json_schema(which)
