"""The checks of one client: question, more than one turn, a file edit by tools, cancel, and a
prompt and a conversation that no model holds. Each returns `ok`, or what went wrong."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.clients.scene import ANSWER, CONTEXT, Ended, Scene, until
from tests.support.fake_ollama import Json, Request

QUESTION = "What is a mutex?"
SECOND = "And what is a semaphore?"
EDIT = "Write the file made.txt."
MADE = "made by a tool\n"
LONG_PROMPT = QUESTION + "\n" + "Words that nobody reads, line by line.\n" * (CONTEXT // 6)
"""Over twice what the model holds, at four bytes a token."""
TIMEOUT_S = 180
CANCEL_S = 20
SHOWN_S = 2
"""For some of an answer to be shown before it is cancelled."""
TOO_LONG = re.compile(
    r"too (long|large)|context (window|length|limit)|ran out of room|exceed|tokens of context",
    re.IGNORECASE,
)
"""How clients say that a prompt is too long, and how orch does."""
OK = "ok"
LONG_TURNS = 14
LONG_TURN = QUESTION + "\n" + "Words that nobody reads, line by line.\n" * (CONTEXT // 120)
"""A twelfth of what the model holds, at four bytes a token."""
LEAST_ANSWERED = 3
"""Turns that are answered before a conversation is found too long."""


def call(name: str, **arguments: object) -> Json:
    """A model's call of a tool."""
    return {"function": {"name": name, "arguments": arguments}}


@dataclass(frozen=True)
class Command:
    """One run of a client's program."""

    words: Sequence[str]
    stdin: str = ""


@dataclass(frozen=True)
class Client:
    """A client program: how each check is put to it. `calls` are the calls by which a model would
    have it write a file, under the names of its own tools; `reply` instead, where it edits by
    text. `prepare` writes its settings. `again` goes on with a conversation by what is given on
    stdin; a client without it holds a whole one in `conversation`. `turn` asks the first or the
    next question of a conversation, `talk` all of them. One that `compacts` shortens a long one
    itself; of the others it is asked that they say what is wrong."""

    title: str
    question: Callable[[Scene], Command]
    turns: Callable[[Scene], Sequence[Command]]
    edit: Callable[[Scene], Command]
    long: Callable[[Scene], Command]
    calls: Callable[[Scene], list[Json]] = lambda scene: []
    prepare: Callable[[Scene], None] = lambda scene: None
    again: Callable[[str], Command] | None = None
    conversation: Callable[[Scene], Command] | None = None
    turn: Callable[[str, bool], Command] | None = None
    talk: Callable[[Scene, Sequence[str]], Command] | None = None
    compacts: bool = False
    reply: str = ""
    timeout_s: float = TIMEOUT_S


def _failed(ended: Ended) -> str:
    """What went wrong with a run that did not end well."""
    if not ended.in_time:
        return f"did not end in time: {ended.last_words}"
    return f"exit {ended.code}: {ended.last_words}"


def _run(client: Client, scene: Scene, command: Command) -> Ended:
    return scene.run(command.words, command.stdin, client.timeout_s)


def check_question(client: Client, scene: Scene) -> str:
    """The model's answer is shown, and the exit code is 0."""
    ended = _run(client, scene, client.question(scene))
    if ended.code:
        return _failed(ended)
    return OK if ANSWER[0] in ended.output else f"no answer: {ended.last_words}"


def check_turns(client: Client, scene: Scene) -> str:
    """The second question reaches the model with the first, and with the answer to it."""
    for command in client.turns(scene):
        ended = _run(client, scene, command)
        if ended.code:
            return _failed(ended)
    if any(_holds_both(chat) for chat in scene.ollama.chats()):
        return OK
    return "the second turn came without the first"


def _holds_both(chat: Request) -> bool:
    """Whether a request has both questions, and the answer between them."""
    texts = [(message["role"], str(message.get("content"))) for message in chat.body["messages"]]
    asked = [text for role, text in texts if role == "user"]
    answered = [text for role, text in texts if role == "assistant"]
    return (
        any(QUESTION in text for text in asked)
        and any(SECOND in text for text in asked)
        and any(ANSWER[0] in text for text in answered)
    )


def check_edit(client: Client, scene: Scene) -> str:
    """The file is written as the model said."""
    scene.model.tool_calls = client.calls(scene)
    if client.reply:
        scene.model.reply = [client.reply]
    ended = _run(client, scene, client.edit(scene))
    made = scene.work / "made.txt"
    if made.exists() and made.read_text().strip() == MADE.strip():
        return OK if not ended.code else _failed(ended)
    offered = {
        str(tool.get("function", {}).get("name"))
        for chat in scene.ollama.chats()
        for tool in chat.body.get("tools") or ()
    }
    return f"no file; tools offered: {', '.join(sorted(offered)) or 'none'}; {_failed(ended)}"


def check_cancel(client: Client, scene: Scene) -> str:
    """An interrupt in mid-answer reaches the model, and ends the client."""
    scene.model.reply, scene.model.chunk_delay_s = ["word "] * 10_000, 0.1
    before, command = len(_conversations(scene)), client.question(scene)
    process = scene.start(command.words, command.stdin)
    for _ in until(time.monotonic() + client.timeout_s):
        asked = _conversations(scene)[before:]
        if asked or process.poll() is not None:
            break
    if process.poll() is not None or not asked:
        return f"no request: {_failed(scene.wait(process, 0))}"
    time.sleep(SHOWN_S)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    for _ in until(time.monotonic() + CANCEL_S):
        if all(chat.aborted for chat in _conversations(scene)[before:]):
            ended = scene.wait(process, CANCEL_S)
            return OK if ended.in_time else "the model was told, the client did not end"
    scene.wait(process, 0)
    return "the model was not told"


def _conversations(scene: Scene) -> list[Request]:
    """The requests to the model that ask the question."""
    return [
        chat
        for chat in scene.ollama.chats()
        if any(QUESTION in str(message.get("content")) for message in chat.body["messages"])
    ]


def check_long(client: Client, scene: Scene) -> str:
    """The client ends, and says that the prompt is too long or compacts the conversation."""
    ended = _run(client, scene, client.long(scene))
    if not ended.in_time:
        return _failed(ended)
    said = TOO_LONG.search(ended.output + ended.errors)
    if said:
        return f"{OK}: says so"
    if ANSWER[0] in ended.output and not ended.code:
        return f"{OK}: shortens it"
    return _failed(ended)


def check_conversation(client: Client, scene: Scene) -> str:
    """A conversation grows beyond what the model holds: it goes on, or the client says so."""
    answered, ended = 0, Ended(0, "", "")
    for command in _growing(client, scene):
        ended = _run(client, scene, command)
        answered += ended.output.count(ANSWER[0])
        if ended.code:
            break
    if not ended.code and answered > LONG_TURNS:
        return f"{OK}: goes on"
    said = TOO_LONG.search(ended.output + ended.errors)
    if said and answered >= LEAST_ANSWERED and not client.compacts:
        return f"{OK}: says so"
    return f"{answered} turns answered; {_failed(ended)}"


def _growing(client: Client, scene: Scene) -> Iterator[Command]:
    """The commands of a conversation of a short and `LONG_TURNS` long turns."""
    if client.again is None:
        assert client.conversation is not None, client.title
        yield client.conversation(scene)
        return
    yield client.question(scene)
    for _ in range(LONG_TURNS):
        yield client.again(LONG_TURN)


CHECKS: dict[str, Callable[[Client, Scene], str]] = {
    "question": check_question,
    "multi-turn": check_turns,
    "file edit by tools": check_edit,
    "cancel": check_cancel,
    "over-long prompt": check_long,
    "over-long conversation": check_conversation,
}
