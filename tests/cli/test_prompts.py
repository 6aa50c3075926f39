"""Questions are asked only where somebody can answer, and only a yes is a yes."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from orch.cli import prompts
from orch.text.prompt import Task
from orch.types import Candidate
from tests.support.scoring import shipped


class Keyboard(io.StringIO):
    """A terminal, as far as `isatty` tells."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The streams of a terminal, as the prompts see them."""
    streams = SimpleNamespace(stdin=Keyboard(), stderr=Keyboard())
    monkeypatch.setattr(prompts, "sys", streams)
    return streams


def typed(terminal: SimpleNamespace, text: str) -> None:
    """Somebody types this."""
    terminal.stdin.write(text)
    terminal.stdin.seek(0)


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [("y\n", True), ("YES\n", True), ("sí\n", True), ("\n", False), ("", False), ("no\n", False)],
)
def test_only_a_yes_agrees(
    terminal: SimpleNamespace, capsys: pytest.CaptureFixture[str], answer: str, agreed: bool
) -> None:
    typed(terminal, answer)
    assert prompts.confirm("sure?") is agreed
    assert capsys.readouterr().err == "sure? [y/N] "


@pytest.mark.parametrize("name", ["stdin", "stderr"])
def test_a_question_needs_both_streams_on_a_terminal(terminal: SimpleNamespace, name: str) -> None:
    assert prompts.can_prompt()
    setattr(terminal, name, io.StringIO())
    assert not prompts.can_prompt()


LOADED = Candidate("small", "Small", "p", resident=True)
CHOSEN = Candidate("large", "Large", "p", evicts=1)


class Deciding:
    """An orchestrator that decides for a large model, which unloads a small one."""

    def __init__(self, swap: str = "ask") -> None:
        routing = replace(shipped(), swap=swap)  # type: ignore[arg-type]
        self.runtime = SimpleNamespace(config=SimpleNamespace(routing=routing))
        self.decisions = 0

    async def decide_task(self, task: Task, *, close: bool) -> Any:
        """The decision for any task."""
        self.decisions += 1
        return SimpleNamespace(candidates=(CHOSEN, LOADED))


@pytest.mark.parametrize(("answer", "loaded"), [("y\n", False), ("\n", True)])
def test_a_no_restricts_the_task_to_what_is_loaded(
    terminal: SimpleNamespace, capsys: pytest.CaptureFixture[str], answer: str, loaded: bool
) -> None:
    typed(terminal, answer)
    assert prompts.confirm_swap(Deciding(), Task(text="hi")).loaded is loaded  # type: ignore[arg-type]
    assert "load Large (quality" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("swap", "task"),
    [
        ("auto", Task(text="hi")),
        ("ask", Task(text="hi", model="large")),
        ("ask", Task(text="hi", loaded=True)),
    ],
)
def test_nothing_is_asked_where_the_answer_is_known(
    terminal: SimpleNamespace, capsys: pytest.CaptureFixture[str], swap: str, task: Task
) -> None:
    deciding = Deciding(swap)
    assert prompts.confirm_swap(deciding, task) is task  # type: ignore[arg-type]
    assert (deciding.decisions, capsys.readouterr().err) == (0, "")
