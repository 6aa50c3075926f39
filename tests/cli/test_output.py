"""A run's chunks in the form that the options ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer

from orch.cli.output import OutputMode, OutputWriter
from orch.errors import OrchError

RESULT = {"answer": "new", "recalled": [], "timing": {"total_s": 1.0}}
CHUNKS: list[dict[str, Any]] = [
    {"type": "metadata", "model_name": "A", "task_type": "simple", "confidence": 1.0, "reason": ""},
    {"type": "content", "chunk": "old"},
    {
        "type": "fallback",
        "from": "a",
        "from_provider": "p",
        "to": "b",
        "to_provider": "p",
        "reason": "status 500",
        "offset": 3,
    },
    {"type": "content", "chunk": "new"},
    {"type": "done", "result": RESULT},
]
PARAMS: dict[str, Any] = {
    "as_json": False,
    "jsonl": False,
    "stream": True,
    "plain": False,
    "continue_partial": False,
    "show_thinking": False,
    "quiet": False,
}


def written(mode: OutputMode, capfdbinary: pytest.CaptureFixture[bytes]) -> bytes:
    """The bytes on stdout after all chunks."""
    writer = OutputWriter(mode)
    for chunk in CHUNKS:
        writer.write(chunk)
    writer.close()
    return capfdbinary.readouterr().out


def test_streamed_text_keeps_what_was_shown(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert written(OutputMode(quiet=True), capfdbinary) == b"oldnew"


def test_held_text_of_a_failed_model_is_dropped(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert written(OutputMode(quiet=True, on_partial="restart"), capfdbinary) == b"new"


def test_json_is_the_result_alone(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert json.loads(written(OutputMode(as_json=True), capfdbinary)) == RESULT


def test_jsonl_is_every_chunk(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    lines = written(OutputMode(jsonl=True), capfdbinary).splitlines()
    assert [json.loads(line) for line in lines] == CHUNKS


@pytest.mark.parametrize(
    ("given", "on_partial"),
    [
        ({}, "stop"),
        ({"continue_partial": True}, "continue"),
        ({"jsonl": True}, "continue"),
        ({"as_json": True}, "restart"),
        ({"stream": False}, "restart"),
    ],
)
def test_a_failure_in_a_pipe_follows_the_options(given: dict[str, Any], on_partial: str) -> None:
    assert OutputMode.from_params(PARAMS | given).on_partial == on_partial


def test_an_error_is_printed_as_json_where_json_was_asked_for(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    error = OrchError("no", code="no_provider")
    with pytest.raises(typer.Exit) as caught:
        OutputMode(as_json=True).fail(error)
    assert caught.value.exit_code == error.exit_code == 3
    assert json.loads(capfdbinary.readouterr().out)["error"]["code"] == "no_provider"
    with pytest.raises(OrchError):
        OutputMode().fail(error)


def test_a_closed_reader_is_a_broken_pipe() -> None:
    with pytest.raises(BrokenPipeError):
        OutputMode(as_json=True).fail(OrchError("gone", code="reader_gone"))
