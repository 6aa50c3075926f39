"""The row of a session, and what is said to be wrong with one."""

from __future__ import annotations

from tests.clients.session.figures import Session, faults_of, row, step_line
from tests.clients.session.replies import Read, Reply
from tests.clients.session.scripts import QUESTIONS, STEPS
from tests.clients.session.shadow import Asked


def _asked(results: int, prompt: int, read: int, fault: str = "") -> Asked:
    asked = Asked("/v1/messages", {}, results, True, float(results), Read(prompt, read), fault)
    asked.reply = Reply(results, "text", "Read")
    return asked


def _session(*asked: Asked, models: str = "") -> Session:
    names = models or "a" * len(asked)
    return Session(list(zip(names, asked, strict=True)), [], 6.0, [])


def _whole() -> list[Asked]:
    steps = len(QUESTIONS) * (STEPS + 1)
    return [_asked(number, 1_000 + 10 * number, 10 if number else 1_000) for number in range(steps)]


def test_a_whole_session_with_one_model_has_no_fault() -> None:
    assert list(faults_of(_session(*_whole()))) == []


def test_a_row_counts_the_steps_after_the_first() -> None:
    assert row("claude", "orch", _session(*_whole())) == (
        "| claude | orch | 24 | 1,230 | 230 | 230 | 1.00 | 1.00 | 0.2 | 1 | 0 | none |"
    )


def test_each_kind_of_fault_is_named() -> None:
    session = _session(
        _asked(0, 100, 100), _asked(1, 200, 200), _asked(1, 150, 20), _asked(2, 0, 0, "400 no"),
        models="aaba",
    )  # fmt: skip
    faults = "\n".join(faults_of(session))
    assert "a refused step 2: 400 no" in faults
    assert "step 1 went from a to b" in faults
    assert "step 1 has a shorter prompt" in faults
    assert "asked twice: [1]" in faults
    assert "4 steps, not 24" in faults


def test_a_session_that_never_began_has_a_row_too() -> None:
    assert "| 0 | 0 | 0 | 0 |" in row("codex", "orch", _session())
    assert step_line(_session()) == ""


def test_the_line_shows_each_step() -> None:
    assert step_line(_session(_asked(0, 100, 100), _asked(1, 200, 150))) == "100/100 150/100"
