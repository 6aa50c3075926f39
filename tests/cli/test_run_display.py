"""A run as a person sees it: the header, fallbacks and memories on stderr, the answer on stdout."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from orch.cli import run_display
from orch.cli.run_display import PipeDisplay, TerminalDisplay, fallback_line, headline

HEAD = {"type": "metadata", "model_name": "Coder", "task_type": "coding", "confidence": 0.854}
HEAD["reason"] = "best for\ncoding"
FALLBACK: dict[str, Any] = {
    "type": "fallback", "from": "a", "from_provider": "p", "to": "b", "to_provider": "p",
    "reason": "status 500", "offset": 9,
}  # fmt: skip
RESULT: dict[str, Any] = {
    "recalled": [{"at": 0.0, "run_id": "r1", "task": "x" * 99}],
    "timing": {"total_s": 2.345},
    "usage": {"completion_tokens": 7},
}
DONE = {"type": "done", "result": RESULT}


def content(text: str) -> dict[str, Any]:
    """A chunk of the answer."""
    return {"type": "content", "chunk": text}


def test_the_headline_is_one_line() -> None:
    assert headline(HEAD) == "→ Coder · coding 0.85 · best for coding"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "! a failed after 9 characters: status 500; b takes over"),
        ({"offset": 0, "to": "a"}, "! a failed: status 500; it is tried again"),
        ({"offset": 0, "to": "a", "to_provider": "q"}, "! p/a failed: status 500; q/a takes over"),
    ],
)
def test_a_fallback_names_both_models_and_where(changes: dict[str, Any], line: str) -> None:
    assert fallback_line(FALLBACK | changes) == line


def piped(
    capfdbinary: pytest.CaptureFixture[bytes], *chunks: dict[str, Any], **options: bool
) -> tuple[bytes, str]:
    """What reaches stdout and stderr of a pipe."""
    display = PipeDisplay(**{"thinking": False, "quiet": False} | options)
    for chunk in chunks:
        display.show(chunk)
    display.close()
    out, err = capfdbinary.readouterr()
    return out, err.decode()


def test_a_pipe_gets_the_models_bytes_and_the_rest_is_on_stderr(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    chunks = (HEAD, content("\x1b[1ma"), FALLBACK, content("\ud800ñ"), DONE)
    out, err = piped(capfdbinary, *chunks)
    assert out == "\x1b[1ma?ñ".encode()
    assert err.splitlines() == [
        "! a failed after 9 characters: status 500; b takes over",
        f"← recalled 1970-01-01 r1: {'x' * 80}",
        "→ Coder · coding 0.85 · best for coding · 2.35 s",
    ]


def test_quiet_leaves_stderr_empty(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    warning = {"type": "warning", "message": "w"}
    assert piped(capfdbinary, HEAD, warning, FALLBACK, content("a"), DONE, quiet=True) == (b"a", "")


@pytest.mark.parametrize(("thinking", "err"), [(True, "Hmm"), (False, "")])
def test_thinking_is_shown_on_demand_and_never_on_stdout(
    capfdbinary: pytest.CaptureFixture[bytes], thinking: bool, err: str
) -> None:
    chunk = {"type": "thinking", "chunk": "Hmm"}
    assert piped(capfdbinary, chunk, thinking=thinking) == (b"", err)


@pytest.fixture
def screen() -> Console:
    """A terminal of 40 columns whose text is kept."""
    return Console(file=io.StringIO(), force_terminal=True, width=40, height=9, color_system=None)


def on_screen(screen: Console, *chunks: dict[str, Any], quiet: bool = False) -> str:
    """Everything that was written to the terminal."""
    display = TerminalDisplay(thinking=False, quiet=quiet, out=screen, notes=screen)
    for chunk in chunks:
        display.show(chunk)
    display.close()
    return screen.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_a_terminal_shows_rendered_markdown_with_header_and_time(screen: Console) -> None:
    shown = on_screen(screen, HEAD, content("Some **bold** text.\n\n- one\n"), DONE)
    assert "→ Coder · coding 0.85" in shown
    assert "Some bold text." in shown
    assert " • one" in shown
    assert "2.35 s · 7 tokens" in shown


def test_a_fallback_without_text_starts_afresh_on_a_terminal(screen: Console) -> None:
    shown = on_screen(screen, content("gone"), FALLBACK | {"offset": 0}, content("kept\n\n"))
    assert shown.rstrip().endswith("kept")
    assert "gonekept" not in shown


def test_a_line_too_long_for_markdown_is_shown_as_it_is(
    screen: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_display, "MAX_MARKDOWN_LINE", 10)
    assert "**not bold**" in on_screen(screen, content("**not bold**\n\n"), DONE, quiet=True)


def test_control_codes_of_a_model_do_not_reach_the_screen(screen: Console) -> None:
    assert "\x1b]0;" not in on_screen(screen, content("\x1b]0;owned\x07text\n\n"), DONE)
