"""The form of Ollama's errors, and the type of its JSON."""

from __future__ import annotations

import httpx
import pytest

from orch.errors import ModelNotFoundError, OrchError
from orch.server.api.ollama.dialect import ollama_error
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama


def test_a_missing_model_is_reported_in_ollamas_words() -> None:
    error = ModelNotFoundError("qwen9", "no model is called 'qwen9'", "orch models lists them")
    assert ollama_error(error) == {"error": "model 'qwen9' not found; orch models lists them"}
    assert ollama_error(OrchError("too long")) == {"error": "too long"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/tags"), ("POST", "/api/chat"), ("GET", "/api/nosuch")]
)
def test_json_names_its_charset_in_ollamas_api_only(url: str, method: str, path: str) -> None:
    answer = httpx.request(method, url + path, json={"model": "nosuch", "messages": []})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert httpx.get(f"{url}/v1/models").headers["content-type"] == "application/json"
    assert httpx.get(f"{url}/v1/nosuch").headers["content-type"] == "application/json"


def test_a_listed_model_that_is_not_installed_is_not_found(url: str, ollama: FakeOllama) -> None:
    ollama.remove(CODER)
    for path in ("chat", "show"):
        body = {"model": CODER, "messages": [{"role": "user", "content": "hi"}]}
        answer = httpx.post(f"{url}/api/{path}", json=body)
        assert answer.status_code == 404, path
        assert f"model '{CODER}' not found" in answer.json()["error"]
