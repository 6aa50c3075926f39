"""The checks tell a client that works from one that does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.clients import checks
from tests.clients.checks import (
    EDIT,
    LONG_PROMPT,
    MADE,
    OK,
    QUESTION,
    SECOND,
    Client,
    Command,
    call,
    check_cancel,
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
WRITE = f"open('made.txt', 'w').write({MADE!r})"


def python(code: str, *words: str, stdin: str = "") -> Command:
    return Command([sys.executable, "-c", code, *words], stdin)


def works(made: Scene) -> Client:
    """A client that does all that is asked for."""
    return Client(
        "works",
        question=lambda scene: python(ASK, scene.url, QUESTION),
        turns=lambda scene: [python(ASK, scene.url, QUESTION, ANSWER[0], SECOND)],
        edit=lambda scene: python(WRITE),
        long=lambda scene: python(ASK, scene.url, "", stdin=LONG_PROMPT),
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
