"""OpenAI's legacy completions, by OpenAI's own client over a real socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.http_server import served

SMALL = "smollm2-135m-instruct"
FIM = "<|fim_prefix|>def f(<|fim_suffix|>return 1<|fim_middle|>"


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


def test_a_prompt_is_not_echoed(client: openai.OpenAI, ollama: FakeOllama) -> None:
    with pytest.raises(openai.BadRequestError, match="echo: orch returns what a model writes"):
        client.completions.create(model=LLAMA, prompt="hello", echo=True)
    assert not ollama.chats()


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"prompt": "def f(", "suffix": "return 1"}, {"prompt": "def f(", "suffix": "return 1"}),
        ({"prompt": FIM}, {"prompt": FIM, "raw": True}),
    ],
)
def test_a_gap_is_filled_by_a_named_model_as_it_was_sent(
    client: openai.OpenAI, ollama: FakeOllama, fields: dict[str, Any], sent: dict[str, Any]
) -> None:
    ollama.add(FakeModel("filler:1b", reply=[" a", "):\n"], capabilities=["completion", "insert"]))
    whole = client.completions.create(model="filler:1b", max_tokens=9, **fields)
    assert (whole.choices[0].text, whole.model) == (" a):\n", "filler:1b")
    parts = client.completions.create(model="filler:1b", stream=True, **fields)
    assert "".join(part.choices[0].text for part in parts) == " a):\n"
    for body in gaps(ollama):
        assert {name: body[name] for name in ("prompt", "suffix", "raw") if name in body} == sent
    assert (len(gaps(ollama)), gaps(ollama)[0]["options"]["num_predict"]) == (2, 9)


def test_a_gap_is_filled_by_a_model_that_can(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("filler:1b", capabilities=["completion", "insert"]))
    assert client.completions.create(model="auto", prompt=FIM).model == "filler:1b"
    assert (gaps(ollama)[-1]["prompt"], gaps(ollama)[-1]["suffix"]) == ("def f(", "return 1")


def test_the_engine_inside_completes_without_a_chat(home: Path) -> None:
    with served() as there, openai.OpenAI(base_url=f"{there}/v1", api_key="any") as client:
        whole = client.completions.create(model=SMALL, prompt=FIM, max_tokens=3, temperature=0)
        assert whole.usage is not None
        assert whole.usage.completion_tokens == 3
        with pytest.raises(openai.BadRequestError, match="Infill is not supported"):
            client.completions.create(model=SMALL, prompt="a", suffix="b")
        body = {"model": SMALL, "prompt": "Once upon a", "raw": True, "options": {"num_predict": 3}}
        raw = httpx.post(f"{there}/api/generate", json={**body, "stream": False}).json()
        assert (raw["prompt_eval_count"], raw["eval_count"]) == (3, 3)  # no template around it


def gaps(ollama: FakeOllama) -> list[dict[str, Any]]:
    """The bodies by which the fake was asked to fill a gap."""
    asked = (each.body for each in ollama.requests if each.path == "/api/generate")
    return [body for body in asked if body.get("prompt")]


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
