"""The client for Ollama: context, room for the answer, images, formats, token counts,
load times."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.config.spec import Provider
from orch.providers.chat import ChatRequest
from orch.providers.ollama.client import OllamaClient
from orch.types import RunResult
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

pytestmark = pytest.mark.usefixtures("both_transports")

TASK = "Write a Python function that sorts a list"
EMBEDDER = FakeModel("nomic-embed-text:latest", capabilities=["embedding"], family="nomic-bert")
PIXEL = "iVBORw0KGgo="
LONG = "word " * 4_000
"""About 5,500 tokens by orch's estimate, 5,000 by the fake's count."""


def served(
    ollama: FakeOllama, *models: dict[str, Any], unlisted: str = "ignore", **provider: Any
) -> Orchestrator:
    """An orchestrator with the fake and these models, on a machine with memory for all."""
    providers = {"ollama": {"kind": "ollama", "base_url": ollama.url, **provider}}
    return Orchestrator(
        {"unlisted": unlisted, "providers": providers, "models": list(models)},
        {"version": 1, "memory_budget_gb": 100},
    )


async def run(
    ollama: FakeOllama,
    text: str = TASK,
    *,
    facts: dict[str, Any] | None = None,
    keep_alive: str | None = None,
    **wishes: Any,
) -> RunResult:
    """The coder's answer; `facts` are its entry in models.yaml."""
    async with served(
        ollama, {"id": CODER, **(facts or {})}, keep_alive=keep_alive
    ) as orchestrator:
        return await orchestrator.execute(text, **wishes)


def sent(ollama: FakeOllama) -> dict[str, Any]:
    """The body of the last chat."""
    return ollama.chats()[-1].body


# ---------------------------------------------------------------- context and room


async def test_a_prompt_is_never_truncated_silently(ollama: FakeOllama) -> None:
    await run(ollama)
    assert sent(ollama)["truncate"] is False
    assert "shift" not in sent(ollama)


@pytest.mark.parametrize(
    ("text", "options", "num_ctx"),
    [
        (TASK, {}, 4_096),
        (LONG, {}, 8_192),
        (LONG * 2, {}, 12_500),
        (TASK, {"max_tokens": 32_000}, 4_096),
        (TASK, {"num_ctx": 6_000}, 6_000),
        (TASK, {"num_ctx": 50_000}, 12_500),
    ],
    ids=[
        "short",
        "long",
        "up-to-the-window",
        "long-answer",
        "asked-for",
        "asked-beyond-the-window",
    ],
)
async def test_the_context_is_the_models_own_unless_more_is_needed(
    ollama: FakeOllama, text: str, options: dict[str, Any], num_ctx: int
) -> None:
    await run(ollama, text, facts={"context_window": 12_500, "num_ctx": 4_096}, options=options)
    assert sent(ollama)["options"]["num_ctx"] == num_ctx


@pytest.mark.parametrize("text", [TASK, LONG, "palabra ñandú 日本語 " * 300])
async def test_prompt_and_answer_fit_into_the_context(ollama: FakeOllama, text: str) -> None:
    result = await run(ollama, text)
    options = sent(ollama)["options"]
    assert (
        1_024 <= options["num_predict"] <= options["num_ctx"] - result.response.usage.prompt_tokens
    )


@pytest.mark.parametrize(
    ("facts", "options", "num_predict"),
    [({}, {"max_tokens": 100}, 100), ({"max_tokens": 50}, {}, 50)],
)
async def test_an_answer_is_not_longer_than_its_limit(
    ollama: FakeOllama, facts: dict[str, Any], options: dict[str, Any], num_predict: int
) -> None:
    await run(ollama, facts=facts, options=options)
    assert sent(ollama)["options"]["num_predict"] == num_predict


async def test_a_prompt_beyond_every_context_window_is_rejected_before_a_model_is_called(
    ollama: FakeOllama,
) -> None:
    with pytest.raises(OrchError) as caught:
        await run(ollama, "word " * 40_000)
    assert (caught.value.exit_code, ollama.chats()) == (5, [])


def conversation(messages: int) -> list[dict[str, Any]]:
    """Short messages of both sides in turn, the last one the user's."""
    roles = ("assistant", "user")
    return [{"role": roles[number % 2], "content": "hi"} for number in range(1, messages + 1)][::-1]


async def test_a_prompt_that_ollama_counts_higher_goes_to_a_model_with_room(
    ollama: FakeOllama,
) -> None:
    turns = conversation(300)
    models = (
        {"id": CODER, "context_window": 2_048, "quality_rating": 9},
        {"id": LLAMA, "quality_rating": 6},
    )
    async with served(ollama, *models) as orchestrator:
        result = await orchestrator.execute(messages=turns, options={"max_tokens": 16})
    assert [(a.model, a.code) for a in result.attempts] == [
        (CODER, "context_overflow"),
        (LLAMA, ""),
    ]


async def test_a_model_that_continues_a_long_text_has_room_for_it(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = ["word " * 8_000, "more"]
    ollama.models[CODER].faults.append(Fault("cut", after=1))
    async with served(ollama, {"id": CODER, "quality_rating": 9}, {"id": LLAMA}) as orchestrator:
        chunks = [chunk async for chunk in orchestrator.execute_streaming(TASK)]
    assert chunks[-1]["result"].response.content.endswith("word Hello world")
    assert chunks[-1]["result"].warnings == ()


# ---------------------------------------------------------------- the rest of what is sent


@pytest.mark.parametrize(("value", "number"), [("5m", "5m"), ("0", 0), ("-1", -1)])
async def test_keep_alive_is_passed_on(ollama: FakeOllama, value: str, number: object) -> None:
    await run(ollama, keep_alive=value)
    assert sent(ollama)["keep_alive"] == number


@pytest.mark.parametrize(
    ("response_format", "expected"),
    [
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            {"type": "object"},
        ),
        ({"type": "json_object"}, "json"),
    ],
)
async def test_a_response_format_becomes_ollamas(
    ollama: FakeOllama, response_format: dict[str, Any], expected: object
) -> None:
    ollama.models[CODER].reply = ["{}"]
    assert (await run(ollama, response_format=response_format)).response.content == "{}"
    assert sent(ollama)["format"] == expected


@pytest.mark.parametrize("url", [f"data:image/png;base64,{PIXEL}", PIXEL], ids=["data", "bare"])
async def test_openais_image_parts_become_ollamas_images(ollama: FakeOllama, url: str) -> None:
    ollama.models[CODER].capabilities.append("vision")
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    await run(ollama, "", messages=[{"role": "user", "content": parts}])
    assert sent(ollama)["messages"] == [
        {"role": "user", "content": "What is this?", "images": [PIXEL]}
    ]


async def test_a_lone_surrogate_is_replaced(ollama: FakeOllama) -> None:
    # JSON may carry half a surrogate pair, and no UTF-8 can
    result = await run(ollama, "Repeat: \ud83d")
    assert result.response.content == "def f(): pass"


# ---------------------------------------------------------------- which models take part


async def test_an_embedding_model_is_never_called_for_chat(ollama: FakeOllama) -> None:
    ollama.models = {EMBEDDER.name: EMBEDDER}
    async with served(ollama, unlisted="use") as orchestrator:
        for model in (None, EMBEDDER.name):
            with pytest.raises(OrchError, match="it only embeds"):
                await orchestrator.execute(TASK, model=model)
    assert ollama.chats() == []


@pytest.mark.parametrize(
    ("listed", "asked"),
    [("qwen3", "qwen3:latest"), ("qwen3:latest", "qwen3"), ("qwen3", "ollama/qwen3")],
)
async def test_a_name_with_and_without_latest_is_one_model(
    ollama: FakeOllama, listed: str, asked: str
) -> None:
    ollama.models = {"qwen3:latest": FakeModel("qwen3")}
    async with served(ollama, {"id": listed}, unlisted="use") as orchestrator:
        result = await orchestrator.execute(TASK, model=asked)
    assert [candidate.model_id for candidate in result.decision.candidates] == [listed]


@pytest.mark.parametrize(("unlisted", "there"), [("use", {CODER, LLAMA}), ("ignore", {CODER})])
async def test_unlisted_models_are_used_as_models_yaml_says(
    ollama: FakeOllama, unlisted: str, there: set[str]
) -> None:
    async with served(ollama, {"id": CODER}, unlisted=unlisted) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert {candidate.model_id for candidate in result.decision.candidates} == there


async def test_an_ignored_model_answers_only_when_named(ollama: FakeOllama) -> None:
    async with served(ollama, {"id": CODER}) as orchestrator:
        assert (await orchestrator.execute(TASK, model=LLAMA)).response.content == "Hello world"
        ollama.models[CODER].faults.append(Fault("empty"))
        with pytest.raises(OrchError) as caught:
            await orchestrator.execute(TASK, model=CODER, fallback=True)
    assert [attempt.model for attempt in caught.value.attempts] == [CODER]


async def test_ollama_host_applies_if_only_routing_is_given(ollama: FakeOllama) -> None:
    async with Orchestrator(
        routing={"version": 1, "memory_budget_gb": 100, "fallback": {"last_resort": "never"}}
    ) as orchestrator:
        assert (await orchestrator.execute(TASK)).response.content == "def f(): pass"


# ---------------------------------------------------------------- what is learned


async def test_metadata_is_requested_once_for_each_digest(ollama: FakeOllama) -> None:
    for digest in ("one", "one", "two"):
        ollama.models[CODER].digest = digest
        await run(ollama)
    assert [request.path for request in ollama.requests].count("/api/show") == 2


async def test_the_estimate_is_corrected_by_ollamas_counts(ollama: FakeOllama) -> None:
    turns = conversation(100)
    first, second = [
        (await run(ollama, messages=turns, fresh=True), sent(ollama)["options"]["num_predict"])
        for _ in range(2)
    ]
    counted = first[0].response.usage.prompt_tokens
    assert first[0].decision.prompt_tokens < counted
    assert second[1] < first[1]
    assert second[1] + counted <= 8_192


async def test_an_estimate_that_is_far_off_is_a_warning(ollama: FakeOllama) -> None:
    ollama.models[CODER].capabilities.append("tools")
    tools = [
        {"type": "function", "function": {"name": "f", "description": "word " * 1_000}}
    ]  # the fake does not count tools
    assert any(
        "it may have been cut" in warning for warning in (await run(ollama, tools=tools)).warnings
    )
    assert (await run(ollama)).warnings == ()


async def test_the_load_time_is_part_of_the_time_to_first_token(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].load_s = 0.2
    timing = (await run(ollama)).timing
    assert 0.1 <= (timing.load_s or 0) <= (timing.ttft_s or 0) <= timing.total_s


# ---------------------------------------------------------------- side lists


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=500, times=-1),
        Fault("status", status=404, times=-1),
        Fault("html", times=-1),
        Fault("close", times=-1),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
async def test_a_model_answers_where_the_list_of_loaded_models_fails(
    ollama: FakeOllama, fault: Fault
) -> None:
    ollama.path_faults["/api/ps"] = fault
    async with served(ollama, {"id": CODER}) as orchestrator:
        (candidate,) = orchestrator.decide(TASK).candidates
        result = await orchestrator.execute(TASK)
    assert (candidate.resident, candidate.eliminated) == (None, None)
    assert "load unknown" not in result.response.content
    assert result.attempts[0].outcome == "ok"


async def test_a_slow_list_of_loaded_models_does_not_hold_up_the_run(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orch.providers.ollama.client.LOADED_TIMEOUT_S", 0.2)
    ollama.path_faults["/api/ps"] = Fault("slow", seconds=60.0, times=-1)
    async with served(ollama, {"id": CODER}) as orchestrator:
        result = await orchestrator.execute(TASK)
    assert result.decision.candidates[0].resident is None
    assert result.attempts[0].outcome == "ok"


@pytest.mark.parametrize("answer", [{"models": "x"}, {"models": [1]}, {"models": {}}, {"a": 1}])
async def test_garbage_in_the_list_of_loaded_models_takes_no_provider_down(
    ollama: FakeOllama, answer: dict[str, Any]
) -> None:
    ollama.path_answers["/api/ps"] = answer
    async with served(ollama, {"id": CODER}) as orchestrator:
        (candidate,) = orchestrator.decide(TASK).candidates
    assert candidate.eliminated is None
    assert candidate.resident is (None if answer.get("models") else False)


async def test_a_model_answers_where_its_details_fail(ollama: FakeOllama) -> None:
    ollama.tells_in_lists = True
    ollama.path_faults["/api/show"] = Fault("status", status=500, times=-1)
    result = await run(ollama)
    assert result.attempts[0].outcome == "ok"


async def test_details_of_embedding_models_are_not_asked_for_where_the_list_has_them(
    ollama: FakeOllama,
) -> None:
    ollama.tells_in_lists = True
    ollama.add(EMBEDDER)
    async with served(ollama, {"id": CODER}, unlisted="use") as orchestrator:
        await orchestrator.execute(TASK)
    shown = [each.body["model"] for each in ollama.requests if each.path == "/api/show"]
    assert sorted(shown) == sorted([CODER, LLAMA])


async def test_what_another_client_loaded_larger_is_not_loaded_again(ollama: FakeOllama) -> None:
    ollama.resident[CODER] = 32_768
    await run(ollama)
    assert (sent(ollama)["options"]["num_ctx"], ollama.loads) == (32_768, 0)


async def test_shift_is_never_sent_since_another_value_loads_the_model_anew(
    ollama: FakeOllama,
) -> None:
    client = OllamaClient(Provider(kind="ollama", base_url=ollama.url))
    messages = [{"role": "user", "content": "hi"}]
    fields = {"shift": False, "options": {"shift": True}, "future_field": 1}
    request = ChatRequest(CODER, messages, options={"shift": True}, extra=fields)
    async with aclosing(client.chat(request)) as deltas:
        assert [delta async for delta in deltas][-1].completion
    await client.release()
    assert "shift" not in str(sent(ollama))
    assert sent(ollama)["future_field"] == 1
