"""The checks tell a client that works from one that does not."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.clients import checks
from tests.clients.checks import (
    EDIT,
    LONG_PROMPT,
    LONG_TURN,
    LONG_TURNS,
    MADE,
    OK,
    QUESTION,
    SECOND,
    Client,
    Command,
    call,
    check_cancel,
    check_conversation,
    check_edit,
    check_long,
    check_question,
    check_turns,
)
from tests.clients.scene import ANSWER, Scene, scene

ASK = """
import json, sys, urllib.request
url, first, *rest = sys.argv[1:]
messages = [{"role": "user", "content": first or sys.stdin.read()}]
for said in rest:
    messages += [{"role": "assistant", "content": said}] if len(messages) % 2 else [
        {"role": "user", "content": said}]
body = {"model": "auto", "stream": True, "messages": messages}
request = urllib.request.Request(url + "/api/chat", json.dumps(body).encode())
try:
    for line in urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request):
        print(json.loads(line)["message"]["content"], end="", flush=True)
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
"""
TALK = """
import json, sys, urllib.request
url, turns, text = sys.argv[1], int(sys.argv[2]), sys.stdin.read()
messages = []
for _ in range(turns):
    messages += [{"role": "user", "content": text}]
    body = {"model": "auto", "stream": False, "messages": messages[-int(sys.argv[3]):]}
    request = urllib.request.Request(url + "/api/chat", json.dumps(body).encode())
    try:
        answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    except urllib.error.HTTPError as error:
        sys.exit(error.read().decode())
    messages += [json.load(answer)["message"]]
    print(messages[-1]["content"])
"""
WRITE = f"open('made.txt', 'w').write({MADE!r})"


def python(code: str, *words: str, stdin: str = "") -> Command:
    return Command([sys.executable, "-c", code, *words], stdin)


def talk(scene: Scene, remembered: int = 1_000, turns: int = LONG_TURNS + 1) -> Command:
    """A conversation that goes on with that many messages of what was said before."""
    return python(TALK, scene.url, str(turns), str(remembered), stdin=LONG_TURN)


def works(made: Scene) -> Client:
    """A client that does all that is asked for."""
    return Client(
        "works",
        question=lambda scene: python(ASK, scene.url, QUESTION),
        turns=lambda scene: [python(ASK, scene.url, QUESTION, ANSWER[0], SECOND)],
        edit=lambda scene: python(WRITE),
        long=lambda scene: python(ASK, scene.url, "", stdin=LONG_PROMPT),
        conversation=lambda scene: talk(scene),
        calls=lambda scene: [call("write", path="made.txt")],
    )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(checks, "SHOWN_S", 0)
    with scene() as built:
        yield built


def test_a_client_that_works_passes_all(made: Scene) -> None:
    client = works(made)
    all_checks = (check_question, check_turns, check_edit, check_long, check_cancel)
    assert [check(client, made).partition(":")[0] for check in all_checks] == [OK] * 5


def test_a_client_that_does_nothing_passes_none(made: Scene) -> None:
    client = replace(
        works(made),
        question=lambda scene: python("print('I am silent')"),
        turns=lambda scene: [python("pass")],
        edit=lambda scene: python(ASK, scene.url, EDIT),
        long=lambda scene: python("raise SystemExit('no')"),
    )
    assert check_question(client, made) == "no answer: I am silent"
    assert check_turns(client, made) == "the second turn came without the first"
    assert check_edit(client, made).startswith("no file; tools offered: none")
    assert check_long(client, made) == "exit 1: no"
    assert check_cancel(client, made).startswith("no request: exit 0")


def test_a_long_conversation_goes_on_where_the_client_shortens_it(made: Scene) -> None:
    client = replace(works(made), conversation=lambda scene: talk(scene, 5), compacts=True)
    assert check_conversation(client, made) == f"{OK}: goes on"


def test_a_long_conversation_ends_with_a_word_why_where_the_client_does_not(made: Scene) -> None:
    client = works(made)
    assert check_conversation(client, made) == f"{OK}: says so"
    said = check_conversation(replace(client, compacts=True), made)
    assert re.match(r"\d+ turns answered; exit 1", said)


def test_a_conversation_that_breaks_off_is_no_long_one(made: Scene) -> None:
    client = replace(works(made), conversation=lambda scene: talk(scene, turns=2))
    assert check_conversation(client, made).startswith("2 turns answered; exit 0")


def test_a_client_is_ended_when_the_time_of_all_checks_is_over(made: Scene) -> None:
    made.deadline = time.monotonic()
    client = replace(works(made), question=lambda scene: python("import time; time.sleep(600)"))
    assert check_question(client, made).startswith("did not end in time")


def test_a_client_can_be_interrupted_also_by_a_command_in_the_background(made: Scene) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert check_cancel(works(made), made) == OK
    finally:
        signal.signal(signal.SIGINT, before)
