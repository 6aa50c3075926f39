"""`swap` of routing.yaml, `--loaded`, `auto:loaded` and `loaded=True`: only what is loaded answers,
where it can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from orch import Orchestrator
from orch.orchestrator import build_task
from orch.routing.selection import find_swap, only_loaded
from orch.types import Candidate
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch
from tests.support.orchestrators import fake, over
from tests.support.terminal import Terminal

TASK, BEST, OTHER = "Tell me about the sea", "best:1b", "other:1b"
FIT = {"fit": 0, "quality": 1, "speed": 0, "confidence": 0}
NONE_CAN = f"no loaded model can take this task; {BEST} is loaded for it"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two models on one server, the first one rated best."""
    with fake(BEST, OTHER) as running:
        yield running


async def taken(
    server: FakeOllama, *, swap: str = "auto", **wishes: Any
) -> tuple[list[str], tuple[str, ...]]:
    """The models that are asked, in order, and the warnings."""
    async with over({"ollama": server}, swap=swap, weights=FIT) as orchestrator:
        result = await orchestrator.execute(TASK, fresh=True, **wishes)
    return [each.model for each in result.attempts], result.warnings


async def test_only_what_is_loaded_answers_though_another_is_better(server: FakeOllama) -> None:
    server.resident = {OTHER: 8_192}
    assert await taken(server, loaded=True) == ([OTHER], ())
    server.resident = {OTHER: 8_192}
    assert await taken(server, swap="never") == ([OTHER], ())
    server.resident = {OTHER: 8_192}
    assert await taken(server) == ([BEST], ())


async def test_nor_does_a_model_that_is_not_loaded_take_over(server: FakeOllama) -> None:
    server.resident = {OTHER: 8_192}
    async with over({"ollama": server}) as orchestrator:
        decision = await orchestrator.decide_task(build_task(TASK, loaded=True))
    assert decision.model_id == OTHER
    assert [each.model_id for each in only_loaded(decision.candidates, {}, required=True)[0]] == [
        OTHER
    ]


async def test_where_nothing_loaded_can_take_the_task_the_choice_is_as_usual_with_a_warning(
    server: FakeOllama,
) -> None:
    assert await taken(server, loaded=True) == ([BEST], (NONE_CAN,))
    async with over({"ollama": server}) as orchestrator:
        server.resident.clear()
        assert (await orchestrator.decide_task(build_task(TASK, loaded=True))).reason.endswith(
            "; no loaded model can take this task"
        )


async def test_with_swap_never_the_first_load_of_the_day_is_nothing_to_warn_of(
    server: FakeOllama,
) -> None:
    assert await taken(server, swap="never") == ([BEST], ())


async def test_with_swap_never_a_task_that_no_loaded_model_can_take_is_told(
    server: FakeOllama,
) -> None:
    server.resident = {OTHER: 8_192}
    image = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        }
    ]
    server.models[BEST].capabilities = ["completion", "vision"]
    async with over({"ollama": server}, swap="never") as orchestrator:
        assert NONE_CAN in (await orchestrator.execute("", messages=image)).warnings


async def test_a_loaded_last_resort_is_no_loaded_model_that_can(server: FakeOllama) -> None:
    server.resident = {OTHER: 8_192}
    models = [
        {"id": BEST, "quality_rating": 9},
        {"id": OTHER, "quality_rating": 1, "last_resort": True},
    ]
    for loaded in (True, False):
        async with over(
            {"ollama": server}, models=models, fallback={"last_resort": "always"}, swap="never"
        ) as orchestrator:
            assert (
                await orchestrator.decide_task(build_task(TASK, loaded=loaded))
            ).model_id == BEST


async def test_a_model_that_is_named_is_asked_in_any_case(server: FakeOllama) -> None:
    server.resident = {OTHER: 8_192}
    assert await taken(server, loaded=True, model=BEST) == ([BEST], ())


def test_the_library_knows_the_word() -> None:
    with pytest.raises(TypeError, match="loadet"):
        Orchestrator().decide(TASK, loadet=True)  # type: ignore[call-arg]


# ---------------------------------------------------------------- the command and the APIs


@pytest.mark.parametrize("command", ["run", "route"])
def test_the_command_has_loaded(ollama: FakeOllama, command: str) -> None:
    ollama.resident = {LLAMA: 8_192}
    asked = (command, "--json", "-t", "coding", "Write a Python function")
    assert [
        json.loads(orch(*asked, *words).stdout)["model"]
        for words in (("--loaded",), ("--fresh",) if command == "run" else ())
    ] == [LLAMA, CODER]
    ollama.resident.clear()
    told = json.loads(
        orch(command, "--json", "--loaded", "-t", "coding", "Write a Python class").stdout
    )
    assert "no loaded model can take this task" in told["decision"]["reason"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "Write a Python function"}]},
        ),
        (
            "/api/chat",
            {"messages": [{"role": "user", "content": "Write a Python function"}], "stream": False},
        ),
        ("/v1/responses", {"input": "Write a Python function"}),
    ],
)
def test_the_apis_have_auto_loaded(
    ollama: FakeOllama, url: str, path: str, body: dict[str, Any]
) -> None:
    ollama.resident = {LLAMA: 8_192}
    answer = httpx.post(f"{url}{path}", json={"model": "auto:loaded", **body}, timeout=60)
    assert (answer.status_code, answer.json()["model"]) == (200, LLAMA)
    assert [unquote(each) for each in answer.headers.get_list("x-orch-warning")] == []


def test_auto_loaded_is_listed(url: str) -> None:
    assert "auto:loaded" in [each["id"] for each in httpx.get(f"{url}/v1/models").json()["data"]]
    assert httpx.post(f"{url}/api/show", json={"model": "auto:loaded"}).status_code == 200


# ---------------------------------------------------------------- swap: ask


def test_a_swap_is_a_loaded_model_that_would_be_unloaded() -> None:
    loaded, chosen = Candidate("a", "A", "p", resident=True), Candidate("b", "B", "p", evicts=1)
    assert find_swap((chosen, loaded)) == (loaded, chosen)
    assert find_swap((loaded, chosen)) is None
    assert find_swap((Candidate("b", "B", "p"), loaded)) is None
    assert (
        find_swap((chosen, Candidate("a", "A", "p", resident=True, eliminated="it only embeds")))
        is None
    )


@pytest.fixture
def asks(ollama: FakeOllama, home: Path) -> FakeOllama:
    """A general model loaded where there is room for one, quality alone counts, and `swap: ask`."""
    home.mkdir(exist_ok=True)
    (home / "routing.yaml").write_text(
        "version: 1\nswap: ask\nmemory_budget_gb: 6\nweights: {fit: 0, quality: 1, speed: 0,"
        " confidence: 0}\n"
    )
    ollama.resident = {LLAMA: 8_192}
    return ollama


@pytest.mark.parametrize(("keys", "asked"), [(b"\n", LLAMA), (b"y\n", CODER), (b"\x04", LLAMA)])
def test_on_a_terminal_orch_asks_first_and_enter_keeps_what_is_loaded(
    asks: FakeOllama, keys: bytes, asked: str
) -> None:
    terminal = Terminal("run", "-t", "coding", "Write a Python function", columns=200)
    terminal.read_until(b"[y/N]")
    assert b"load Qwen 2.5 Coder 7B (quality 0.80, " in terminal.raw
    assert b" instead of Llama 3.1 8B (quality 0.70, " in terminal.raw
    terminal.type(keys)
    assert terminal.end() == 0
    assert [each.body["model"] for each in asks.chats()] == [asked]


def test_elsewhere_ask_is_auto(asks: FakeOllama) -> None:
    assert (
        json.loads(orch("run", "--json", "-t", "coding", "Write a Python function").stdout)["model"]
        == CODER
    )


def test_ctrl_c_at_the_question_ends_the_run(asks: FakeOllama) -> None:
    terminal = Terminal("run", "-t", "coding", "Write a Python function")
    terminal.read_until(b"[y/N]")
    terminal.type(b"\x03")
    assert terminal.end() == 130
    assert asks.chats() == []


def test_chat_asks_too(asks: FakeOllama) -> None:
    terminal = Terminal("chat")
    terminal.read_until(b"> ")
    terminal.type(b"Write a Python function that sorts\n")
    terminal.read_until(b"[y/N]")
    terminal.type(b"\n")
    asks.wait_for(lambda: bool(asks.chats()))
    terminal.read_until(b"> ")
    terminal.type(b"/quit\n")
    assert terminal.end() == 0
    assert [each.body["model"] for each in asks.chats()] == [LLAMA]
