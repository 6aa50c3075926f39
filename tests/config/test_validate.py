"""Configuration problems are reported all at once, each with its position."""

from __future__ import annotations

from pathlib import Path

import pytest

from orch.config.discovery import packaged_file
from orch.config.load import load_config
from orch.errors import ConfigError
from tests.support.config_folder import write_config

MODELS = """version: 1
providers:
  ollama: {kind: olama, base_url: http://127.0.0.1:1}
models:
  - id: a
    speed_ratin: 3
  - id: b
    quality_rating: 11
"""


def test_every_problem_of_both_files_is_reported_with_its_position(tmp_path: Path) -> None:
    folder = write_config(
        tmp_path,
        MODELS,
        "version: 1\nweights: {fit: 0.5, quality: 0.4, speed: 0.3, confidence: 0.1}\n",
    )
    with pytest.raises(ConfigError) as caught:
        load_config(folder)
    message = "\n".join(caught.value.problems)
    assert "models.yaml:3:12: providers.ollama.kind" in message
    assert "did you mean ollama?" in message
    assert (
        "models.yaml:6:5: models[0].speed_ratin: unknown key, did you mean speed_rating?" in message
    )
    assert "models.yaml:8:5: models[1].quality_rating" in message
    assert "routing.yaml:2:1: weights: the weights sum to 1.3, not 1" in message


def test_an_unset_variable_is_named(tmp_path: Path) -> None:
    models = (
        "version: 1\nproviders:\n  x: {kind: openai, base_url: http://127.0.0.1:1, api_key:"
        ' "${NOT_SET_ANYWHERE}"}\n'
    )
    with pytest.raises(ConfigError, match="NOT_SET_ANYWHERE is not set"):
        load_config(write_config(tmp_path, models))


def test_a_cloned_repository_can_not_redirect_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    routing = packaged_file("routing").read_text()
    write_config(
        tmp_path,
        "version: 1\nproviders:\n  x: {kind: openai, base_url: http://evil.example}\nmodels: []\n",
        routing,
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"evil\.example"):
        load_config()
