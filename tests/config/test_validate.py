"""Config errors: every one at once, each with its place; and no input gives a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.config.discovery import find_sources, packaged_file
from orch.config.load import load_config
from orch.config.regex_limits import pattern_problem
from orch.config.schema import json_schema
from orch.config.urls import ollama_host_url
from orch.config.yaml_document import parse_yaml
from orch.errors import ConfigError

MODELS = """version: 1
providers:
  ollama: {kind: olama, base_url: http://127.0.0.1:1}
models:
  - id: a
    speed_ratin: 3
  - id: b
    quality_rating: 11
"""


def write(folder: Path, models: str, routing: str = "version: 1\n") -> Path:
    """A config folder."""
    (folder / "models.yaml").write_text(models)
    (folder / "routing.yaml").write_text(routing)
    return folder


@pytest.mark.parametrize("which", ["models", "routing"])
def test_libyaml_reads_the_shipped_files_as_python_does(which: str) -> None:
    text = packaged_file(which).read_text(encoding="utf-8")
    assert parse_yaml(which, text, shipped=True) == parse_yaml(which, text)


def test_every_fault_of_both_files_is_told_with_its_place(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        MODELS,
        "version: 1\nweights: {fit: 0.5, quality: 0.4, speed: 0.3, confidence: 0.1}\n",
    )
    with pytest.raises(ConfigError) as caught:
        load_config(folder)
    said = "\n".join(caught.value.problems)
    assert "models.yaml:3:12: providers.ollama.kind" in said
    assert "did you mean ollama?" in said
    assert "models.yaml:6:5: models[0].speed_ratin: unknown key, did you mean speed_rating?" in said
    assert "models.yaml:8:5: models[1].quality_rating" in said
    assert "routing.yaml:2:1: weights: the weights sum to 1.3, not 1" in said


def test_an_unset_variable_is_named(tmp_path: Path) -> None:
    models = (
        "version: 1\nproviders:\n  x: {kind: openai, base_url: http://127.0.0.1:1, api_key:"
        ' "${NOT_SET_ANYWHERE}"}\n'
    )
    with pytest.raises(ConfigError, match="NOT_SET_ANYWHERE is not set"):
        load_config(write(tmp_path, models))


def test_in_a_clone_of_orch_the_shipped_files_do_not_go_before_the_users_own(home: Path) -> None:
    clone, env = packaged_file("models").parent, {"ORCH_HOME": str(home)}
    assert [find_sources(None, env, clone)[0][which].origin for which in ("models", "routing")] == [
        "package",
        "package",
    ]
    home.mkdir()
    write(home, "version: 1\nproviders: {}\n")
    assert [find_sources(None, env, clone)[0][which].origin for which in ("models", "routing")] == [
        "user",
        "user",
    ]


def test_a_cloned_repository_can_not_redirect_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    routing = packaged_file("routing").read_text()
    write(
        tmp_path,
        "version: 1\nproviders:\n  x: {kind: openai, base_url: http://evil.example}\nmodels: []\n",
        routing,
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"evil\.example"):
        load_config()


def test_the_cached_config_is_the_same_config() -> None:
    assert load_config() == load_config()


@pytest.mark.parametrize("which", ["models", "routing", "known_models"])
def test_the_committed_schema_is_the_generated_one(which: str) -> None:
    file = Path(__file__).parents[2] / "orch" / "config" / "schemas" / f"{which}.schema.json"
    assert json.loads(file.read_text()) == json_schema(which)


@given(st.text(max_size=200))
def test_no_text_gives_a_traceback(text: str) -> None:
    parse_yaml("models.yaml", text)


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", ".*.*x", "("])
def test_a_pattern_that_could_hang_is_refused(pattern: str) -> None:
    assert pattern_problem(pattern)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        (":8000", "http://127.0.0.1:8000"),
        ("https://box", "https://box:443"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(host: str, url: str) -> None:
    assert ollama_host_url(host) == url
