"""Responses that a client refers to by id, by OpenAI's own client over a real socket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from orch.server.http.keys import ApiKeys
from orch.server.http.rules import Rules
from tests.conftest import CODER, ROOM
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.guarded_app import KEY, OTHER
from tests.support.http_server import served
from tests.support.journal_file import query
from tests.support.peers import Uids
from tests.support.responses import warnings_of

TASK = "Write a Python function that sorts a list"
CALL = {"function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
TOOLS: list[Any] = [
    {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": False}
]


def sent_to(ollama: FakeOllama) -> list[tuple[str, str]]:
    """The last conversation that a model was sent."""
    return [(each["role"], each["content"]) for each in ollama.chats()[-1].body["messages"]]


@pytest.fixture
def write_routing(home: Path) -> Any:
    """Writes routing.yaml with more lines before a server starts."""
    home.mkdir(exist_ok=True)
    return lambda text: (home / "routing.yaml").write_text(ROOM + text)


# ---------------------------------------------------------------- conversations


def test_a_conversation_continues_by_the_id_of_its_last_response(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    first = client.responses.create(model=CODER, input=TASK, instructions="be brief")
    second = client.responses.create(
        model=CODER, input="And in C?", previous_response_id=first.id, instructions="be kind"
    )
    assert sent_to(ollama) == [
        ("system", "be kind"),
        ("user", TASK),
        ("assistant", "def f(): pass"),
        ("user", "And in C?"),
    ]
    client.responses.create(model=CODER, input="Why?", previous_response_id=second.id)
    assert [text for _, text in sent_to(ollama)] == [
        *(TASK, "def f(): pass", "And in C?", "def f(): pass", "Why?")
    ]
    assert (first.to_dict()["store"], second.previous_response_id) == (True, first.id)


def test_a_cached_answer_is_continued_with_the_question_before_it(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    wish: Any = {"model": CODER, "input": TASK, "temperature": 0}
    client.responses.create(**wish)
    cached = client.responses.with_raw_response.create(**wish)
    assert cached.headers["x-orch-cache"] == "hit"
    client.responses.create(model=CODER, input="Why?", previous_response_id=cached.parse().id)
    assert [text for _, text in sent_to(ollama)] == [TASK, "def f(): pass", "Why?"]


def test_instructions_among_the_items_stay_in_the_conversation(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    items: Any = [{"role": "system", "content": "speak Latin"}, {"role": "user", "content": "hi"}]
    first = client.responses.create(model=CODER, input=items, instructions="be brief")
    client.responses.create(model=CODER, input="and now?", previous_response_id=first.id)
    assert sent_to(ollama)[0] == ("system", "speak Latin")


@pytest.mark.parametrize("stream", [False, True])
def test_the_result_of_a_call_is_all_that_is_sent(
    client: openai.OpenAI, ollama: FakeOllama, stream: bool
) -> None:
    ollama.add(
        FakeModel(
            "caller",
            reply=[],
            thinking=["hm"],
            capabilities=["completion", "tools", "thinking"],
            tool_calls=[CALL, CALL],
        )
    )
    wish: Any = {"model": "caller", "input": "add them " * 2_000, "tools": TOOLS}
    if stream:
        *_, last = client.responses.create(**wish, stream=True)
        answer: Any = last.response
    else:
        answer = client.responses.create(**wish)
    calls = [item for item in answer.output if item.type == "function_call"]
    outputs: Any = [
        {"type": "function_call_output", "call_id": call.call_id, "output": str(number)}
        for number, call in enumerate(calls)
    ]
    ollama.models["caller:latest"].reply = ["3 and 3"]
    client.responses.create(
        model="caller", input=outputs, tools=TOOLS, previous_response_id=answer.id
    )
    user, assistant, *results = ollama.chats()[-1].body["messages"]
    assert (user["content"], len(assistant["tool_calls"])) == ("add them " * 2_000, 2)
    assert [each["content"] for each in results] == ["0", "1"]


def test_items_that_a_client_refers_to_are_read_from_the_journal(
    client: openai.OpenAI, url: str, ollama: FakeOllama
) -> None:
    ollama.add(
        FakeModel(
            "caller",
            reply=["I add"],
            thinking=["hm"],
            capabilities=["completion", "tools", "thinking"],
            tool_calls=[CALL],
        )
    )
    made = client.responses.create(model="caller", input=TASK, tools=TOOLS)
    references = [{"type": "item_reference", "id": item.id} for item in made.output]
    call: Any = made.output[-1]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "3"}
    again = httpx.post(
        f"{url}/v1/responses",
        json={"model": CODER, "input": [{"role": "user", "content": TASK}, *references, output]},
    )
    user, assistant, tool = ollama.chats()[-1].body["messages"]
    assert [each["role"] for each in (user, assistant, tool)] == ["user", "assistant", "tool"]
    assert (assistant["content"], tool["content"]) == ("I add", "3")
    assert assistant["tool_calls"][0]["function"]["arguments"] == {"a": 1, "b": 2}
    assert not [each for each in warnings_of(again) if "item_reference" in each]


def test_an_item_of_another_client_is_left_out_with_a_warning(
    ollama: FakeOllama, write_routing: Any
) -> None:
    write_routing("")
    uids = Uids(os.geteuid())
    with served(Rules(uid_of=uids)) as url:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as owner:
            made = owner.responses.create(model=CODER, input=TASK)
        uids.uid = os.geteuid() + 1
        items = [
            {"type": "item_reference", "id": made.output[0].id},
            {"role": "user", "content": "?"},
        ]
        other = httpx.post(f"{url}/v1/responses", json={"model": CODER, "input": items})
    assert warnings_of(other) == ["an input item of the type item_reference was left out"]
    assert sent_to(ollama) == [("user", "?")]


def test_images_of_earlier_turns_are_said_to_be_missing(url: str, ollama: FakeOllama) -> None:
    ollama.models[CODER].capabilities = ["completion", "vision"]
    image = {"type": "input_image", "image_url": "data:image/png;base64,QUJD"}
    content = [{"type": "input_text", "text": "what is it?"}, image]
    body = {"model": CODER, "input": [{"role": "user", "content": content}]}
    first = httpx.post(f"{url}/v1/responses", json=body).json()
    again = httpx.post(
        f"{url}/v1/responses",
        json={"model": CODER, "input": "why?", "previous_response_id": first["id"]},
    )
    assert again.status_code == 200
    assert any("keeps no images" in each for each in warnings_of(again))
    assert "images" not in ollama.chats()[-1].body["messages"][0]


def test_what_the_journal_redacted_is_said_to_be_missing(url: str, ollama: FakeOllama) -> None:
    secret = "password = hunter2hunter2"
    first = httpx.post(f"{url}/v1/responses", json={"model": CODER, "input": secret}).json()
    again = httpx.post(
        f"{url}/v1/responses",
        json={"model": CODER, "input": "why?", "previous_response_id": first["id"]},
    )
    assert any("redacts secrets" in each for each in warnings_of(again))
    assert "hunter2" not in sent_to(ollama)[0][1]


# ---------------------------------------------------------------- retrieve, list, delete


def test_a_stored_response_is_retrieved_with_its_calls(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.add(
        FakeModel(
            "caller", reply=["I add"], capabilities=["completion", "tools"], tool_calls=[CALL]
        )
    )
    made = client.responses.create(
        model="caller", input=TASK, tools=TOOLS, metadata={"a": "b"}, previous_response_id=None
    )
    found = client.responses.retrieve(made.id)
    assert [item.to_dict() for item in found.output] == [item.to_dict() for item in made.output]
    assert (found.id, found.status, found.usage) == (made.id, "completed", made.usage)
    assert (found.metadata, found.to_dict()["store"]) == ({"a": "b"}, True)


def test_a_retrieved_call_has_the_namespace_that_it_had(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    call = {"function": {**CALL["function"], "name": "sums__add"}}
    model = FakeModel("caller", capabilities=["completion", "tools"], tool_calls=[call])
    ollama.add(model)
    tools: Any = [{"type": "namespace", "name": "sums", "description": "Sums", "tools": TOOLS}]
    made = client.responses.create(model="caller", input=TASK, tools=tools)
    found = client.responses.retrieve(made.id).output[-1].to_dict()
    assert found == made.output[-1].to_dict()
    assert (found["namespace"], found["name"]) == ("sums", "add")


def test_a_stored_response_is_not_streamed(client: openai.OpenAI) -> None:
    made = client.responses.create(model=CODER, input=TASK)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.retrieve(made.id, stream=True)
    assert caught.value.param == "stream"


def test_a_cut_response_is_retrieved_as_incomplete(client: openai.OpenAI) -> None:
    made = client.responses.create(model=CODER, input=TASK, max_output_tokens=1)
    assert client.responses.retrieve(made.id).status == "incomplete"


def test_input_items_are_listed_page_by_page(client: openai.OpenAI) -> None:
    first = client.responses.create(model=CODER, input=TASK)
    made = client.responses.create(model=CODER, input="And in C?", previous_response_id=first.id)
    newest: Any = client.responses.input_items.list(made.id, limit=1)
    every: Any = client.responses.input_items.list(made.id, limit=1, order="asc")
    texts = [item.content[0].text for item in every]
    assert newest.data[0].content[0].text == "And in C?"
    assert texts == [TASK, "def f(): pass", "And in C?"]
    wrong: Any = "sideways"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.input_items.list(made.id, order=wrong)
    assert caught.value.param == "order"


def test_a_deleted_response_is_unknown_and_its_run_stays(client: openai.OpenAI, home: Path) -> None:
    made = client.responses.create(model=CODER, input=TASK)
    client.responses.delete(made.id)
    assert_unknown(client, made.id)
    assert query(home, "SELECT task, response FROM runs") == [(TASK, None)]


# ---------------------------------------------------------------- what is unknown


def assert_unknown(client: openai.OpenAI, response_id: str) -> None:
    """Whatever a client does with that id, there is no such response."""
    for call in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            call(response_id)
    with pytest.raises(openai.NotFoundError):
        client.responses.input_items.list(response_id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=CODER, input="why?", previous_response_id=response_id)
    assert (caught.value.code, caught.value.param) == (
        "previous_response_not_found",
        "previous_response_id",
    )


def test_an_unknown_id_is_an_error_and_reaches_no_model(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    for name in ("resp_1", "resp_", "1", "resp_" + "%" * 18):
        assert_unknown(client, name)
    assert not ollama.chats()


def test_a_response_that_was_not_to_be_stored_is_unknown(client: openai.OpenAI) -> None:
    made = client.responses.create(model=CODER, input=TASK, store=False)
    assert made.to_dict()["store"] is False
    assert_unknown(client, made.id)


def test_the_beginning_of_an_id_and_the_run_of_another_api_are_unknown(
    client: openai.OpenAI,
) -> None:
    made = client.responses.create(model=CODER, input=TASK)
    assert_unknown(client, made.id[:-1])
    chat = client.chat.completions.create(model=CODER, messages=[{"role": "user", "content": TASK}])
    assert_unknown(client, f"resp_{chat.id.removeprefix('chatcmpl-')}")


def test_a_forgotten_run_is_unknown(client: openai.OpenAI, home: Path) -> None:
    made = client.responses.create(model=CODER, input=TASK)
    assert client.responses.retrieve(made.id).id == made.id
    query(home, "DELETE FROM runs WHERE run_id = ?", made.id.removeprefix("resp_"))
    assert_unknown(client, made.id)


@pytest.mark.parametrize("mode", ["meta", "off"])
def test_a_journal_without_texts_stores_none_and_says_so(
    ollama: FakeOllama, write_routing: Any, mode: str
) -> None:
    write_routing(f"journal: {{mode: {mode}}}\n")
    with served() as url, openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        made = client.responses.create(model=CODER, input=TASK)
        assert made.to_dict()["store"] is False
        with pytest.raises(openai.BadRequestError, match=f"journal.mode is {mode}") as caught:
            client.responses.create(model=CODER, input="why?", previous_response_id=made.id)
        assert caught.value.param == "previous_response_id"
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)


def test_the_response_of_another_key_is_unknown(
    ollama: FakeOllama, write_routing: Any, tmp_path: Path
) -> None:
    write_routing("")
    file = tmp_path / "keys"
    file.write_text(f"laptop: {KEY}\nci: {OTHER}\n")
    file.chmod(0o600)
    keys = ApiKeys.read(str(file), {})
    with (
        served(Rules(keys=keys)) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as laptop,
        openai.OpenAI(base_url=f"{url}/v1", api_key=OTHER, max_retries=0) as other,
    ):
        made = laptop.responses.create(model=CODER, input=TASK)
        assert_unknown(other, made.id)
        assert laptop.responses.retrieve(made.id).id == made.id


def test_the_response_of_another_account_is_unknown(ollama: FakeOllama, write_routing: Any) -> None:
    write_routing("")
    uids = Uids(os.geteuid())
    with served(Rules(uid_of=uids)) as url:
        with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as owner:
            made = owner.responses.create(model=CODER, input=TASK)
        uids.uid = os.geteuid() + 1
        with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as stranger:
            assert_unknown(stranger, made.id)
            own = stranger.responses.create(model=CODER, input=TASK)
            assert stranger.responses.retrieve(own.id).id == own.id
        uids.uid = None
        with openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as unknown:
            with pytest.raises(openai.BadRequestError, match="set a key"):
                unknown.responses.create(model=CODER, input="why?", previous_response_id=made.id)
            with pytest.raises(openai.NotFoundError):
                unknown.responses.retrieve(made.id)
