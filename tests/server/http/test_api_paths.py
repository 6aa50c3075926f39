"""The spellings of API paths: each is served, authorized and refused as the documented one."""

from __future__ import annotations

import httpx
import pytest

from orch.server.api.routes import ROUTES
from orch.server.http.api_paths import KNOWN_PATHS, canonical_path, probable_path
from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from tests.conftest import CODER
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.guarded_app import KEY
from tests.support.http_server import served

CHAT = {"model": CODER, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("spelling", "path"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("//v1/chat//completions", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/v1/chat/completions", "/v1/chat/completions"),
        ("/api/chat/completions", "/v1/chat/completions"),
        ("/api/v1/completions", "/v1/completions"),
        ("/messages", "/v1/messages"),
        ("/anthropic/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/responses", "/v1/responses"),
        ("/embeddings", "/v1/embeddings"),
        ("/api/embeddings/", "/api/embeddings"),
        ("/models", "/v1/models"),
        ("/v1/models/", "/v1/models"),
        ("/responses/resp_1", "/v1/responses/resp_1"),
        ("/v1/responses/resp_1/", "/v1/responses/resp_1"),
        ("/openai/v1/responses/resp_1/input_items", "/v1/responses/resp_1/input_items"),
        ("/models/hf.co/me/mine:Q4", "/v1/models/hf.co/me/mine:Q4"),
        ("/v1/api/chat", "/api/chat"),
        ("/api/api/tags", "/api/tags"),
        ("/ollama/api/chat", "/api/chat"),
        ("/ollama/tags", "/api/tags"),
        ("/api//blobs/sha256:12", "/api/blobs/sha256:12"),
        ("/orch//health/", "/orch/health"),
    ],
)
def test_a_spelling_of_an_api_path_is_known(spelling: str, path: str) -> None:
    assert canonical_path(spelling) == path


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/activity",
        "/_nicegui/3.1/x/",
        "/v1",
        "/v1/chat",
        "/chat",
        "/tags",
        "/api/hello",
        "/x//y",
    ],
)
def test_any_other_path_is_left_as_it_is(path: str) -> None:
    assert canonical_path(path) == path


def test_a_page_that_is_opened_is_no_api_path() -> None:
    assert canonical_path("/models", opens_page=True) == "/models"
    assert canonical_path("//v1/models", opens_page=True) == "/v1/models"


def test_the_known_paths_are_those_of_the_routes() -> None:
    fixed = {route.path for route in ROUTES if "{" not in route.path}
    assert {path for path in fixed if path.startswith(("/v1/", "/api/"))} == {
        *KNOWN_PATHS,
        "/api/hello",
    }


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/tags", "/api/tags"),
        ("/tags", "/api/tags"),
        ("/chat/", "/api/chat"),
        ("/v1/chat/completion", "/v1/chat/completions"),
        ("/v1/message", "/v1/messages"),
        ("/api/ta", "/api/tags"),
        ("/v1", "/v1/models"),
        ("/openai/v1/", "/v1/models"),
        ("/api/", "/api/tags"),
        ("/nothing/like/it", ""),
    ],
)
def test_the_path_that_was_probably_meant_is_found(path: str, meant: str) -> None:
    assert probable_path(path) == meant


@pytest.mark.parametrize(
    "path", ["/chat/completions", "//v1//chat/completions/", "/openai/v1/chat/completions"]
)
def test_a_client_with_another_base_url_gets_its_answer(url: str, path: str) -> None:
    answer = httpx.post(url + path, json=CHAT)
    assert (answer.status_code, answer.json()["object"]) == (200, "chat.completion")


def test_a_stored_response_is_found_in_any_spelling(url: str) -> None:
    made = httpx.post(f"{url}/responses", json={"model": CODER, "input": "hi"}).json()["id"]
    for path, kind in (("/responses/{}", "response"), ("//responses/{}/input_items/", "list")):
        answer = httpx.get(url + path.format(made))
        assert (answer.status_code, answer.json()["object"]) == (200, kind)
    assert httpx.delete(f"{url}/responses/{made}").json()["deleted"] is True


def test_a_model_is_found_by_its_id_with_slashes_in_any_spelling(
    url: str, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("hf.co/me/mine:latest"))
    for name in ("hf.co/me/mine:latest", "hf.co/me/mine", "hf.co%2Fme%2Fmine%3Alatest"):
        assert httpx.get(f"{url}/v1/models/{name}").status_code == 200


def test_another_spelling_needs_a_key_too(ollama: FakeOllama) -> None:
    with served(Rules(keys=ApiKeys([("laptop", KEY)]))) as url:
        assert httpx.post(f"{url}/chat/completions", json=CHAT).status_code == 401
        assert httpx.get(f"{url}//orch//health").status_code == 401
    assert not any(request.path == "/api/chat" for request in ollama.requests)


def test_what_is_not_answered_names_the_right_path(url: str) -> None:
    error = httpx.post(f"{url}/v1/chat", json=CHAT).json()["error"]
    assert error["message"] == "there is no /v1/chat; did you mean /api/chat?"


def test_no_program_gets_html(site: str) -> None:
    for path in ("/nosuch", "/v1/nosuch", "/v1", "/chat/completion"):
        for answer in (httpx.get(site + path), httpx.post(site + path, json=CHAT)):
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
            assert "there is no" in answer.json()["error"]["message"]
    assert httpx.get(f"{site}/models").json()["object"] == "list"


def test_a_browser_gets_its_pages(site: str) -> None:
    browser = {"accept": "text/html,*/*;q=0.8"}
    for path, status in (("/models", 200), ("/nosuch", 404)):
        answer = httpx.get(site + path, headers=browser)
        assert (answer.status_code, answer.headers["content-type"][:9]) == (status, "text/html")
