"""OpenAI's legacy completions, by OpenAI's own client over a real socket."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeOllama, Fault


def test_a_prompt_is_completed(client: openai.OpenAI) -> None:
    whole = client.completions.create(model=LLAMA, prompt="hello")
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("Hello world", "stop")
    *_, end, cost = events = list(
        client.completions.create(
            model=LLAMA, prompt=["hello"], stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(event.choices[0].text for event in events if event.choices) == "Hello world"
    assert (end.choices[0].finish_reason, cost.choices, cost.usage) == ("stop", [], whole.usage)


def test_a_prompts_settings_reach_the_model(client: openai.OpenAI, ollama: FakeOllama) -> None:
    cut = client.completions.create(
        model=LLAMA,
        prompt="hello",
        max_tokens=1,
        stop="END",
        seed=7,
        user="me",
        suffix="",
        echo=False,
    )
    sent = ollama.chats()[-1].body
    assert (cut.choices[0].text, cut.choices[0].finish_reason) == ("Hello", "length")
    assert (
        sent["options"]["stop"],
        sent["options"]["seed"],
        sent["user"],
        {"suffix", "echo"} & sent.keys(),
    ) == (["END"], 7, "me", set())


@pytest.mark.parametrize("field", [{"suffix": "after"}, {"echo": True}], ids=str)
def test_fields_without_an_equivalent_in_a_chat_are_rejected(
    client: openai.OpenAI, ollama: FakeOllama, field: dict[str, Any]
) -> None:
    with pytest.raises(
        openai.BadRequestError, match=f"{next(iter(field))}: orch sends every prompt as a chat"
    ):
        client.completions.create(model=LLAMA, prompt="hello", **field)
    assert not ollama.chats()


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([1, 2], "not tokens"),
        ([[1], [2]], "not tokens"),
        (["a", "b"], "one prompt at a time, not 2"),
    ],
)
def test_tokens_and_several_prompts_are_rejected_with_a_clear_error(
    client: openai.OpenAI, prompt: Any, message: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        client.completions.create(model=LLAMA, prompt=prompt)


def test_an_interrupted_completion_never_ends_as_if_complete(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.models[LLAMA].faults += [Fault("cut", after=1)] * 2
    texts: list[str] = []
    with pytest.raises(openai.APIError):
        texts.extend(
            event.choices[0].text
            for event in client.completions.create(model=LLAMA, prompt="hello", stream=True)
        )
    assert texts == ["Hello"]
