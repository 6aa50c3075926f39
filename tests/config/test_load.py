"""Loading the configuration, with and without its cache."""

from __future__ import annotations

from typing import Any

import pytest

from orch.config.load import config_from_data, load_config
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch


def test_the_cached_config_is_the_same_config() -> None:
    assert load_config() == load_config()


@pytest.mark.parametrize(
    "text", ["un ratón 🐭", "\u2028", "\x7f\x9b\ufeff", "\\ud83d", '"', "a\tb\n"], ids=ascii
)
def test_a_text_of_parsed_data_stays_as_it_is(text: str) -> None:
    data: dict[str, Any] = {
        "providers": {"p": {"kind": "llamacpp"}},
        "models": [{"id": "m", "provider": "p", "system": text}],
    }
    assert config_from_data(data, None).models.models[0].system == text


@pytest.mark.parametrize("key", ["base_url", "base_urls"])
def test_a_path_of_the_api_in_an_address_is_corrected_with_a_warning(key: str) -> None:
    url = "http://127.0.0.1:1/api/chat"
    data = {"providers": {"p": {"kind": "ollama", key: url if key == "base_url" else [url]}}}
    config = config_from_data({**data, "models": []}, None)
    assert config.models.providers["p"].urls == ("http://127.0.0.1:1",)
    assert len(config.warnings) == 1
    assert "provider p: http://127.0.0.1:1/api/chat is used as" in config.warnings[0]


def test_a_slash_at_the_end_is_not_worth_a_warning() -> None:
    data = {"providers": {"p": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1/"}}}
    assert config_from_data({**data, "models": []}, None).warnings == ()


def test_ollama_host_is_corrected_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:11500/v1")
    config = load_config()
    assert config.models.providers["ollama"].urls == ("http://127.0.0.1:11500",)
    assert len(config.corrections) == 1


def test_a_wrong_path_is_told_by_validate_and_the_run_works(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", f"{ollama.url}/v1")
    validated, run = orch("config", "validate"), orch("run", "--no-stdin", "hi")
    assert (validated.returncode, run.returncode) == (0, 0)
    assert b"is used as" in validated.stderr
    assert b"is used as" in run.stderr


def test_a_wrong_port_is_told_where_the_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:abc")
    run = orch("run", "--no-stdin", "-m", "none:1b", "hi")
    assert run.returncode != 0
    assert run.stderr.count(b"'abc' is not a port; the default port is used") == 1
