"""Tables, errors and progress in a pipe are plain lines, one for each thing."""

from __future__ import annotations

import json
import re

import pytest

from orch.cli import render
from orch.errors import ConfigError, OrchError

COLUMNS, ROWS = ("model", "n"), [("llama", 3), ("a\nb", 12)]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_a_table_is_aligned_and_a_cell_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    render.print_table(COLUMNS, ROWS)
    assert capfd.readouterr().out == "model  n\nllama  3\na b    12\n"


def test_a_markdown_table_escapes_its_separator(capfd: pytest.CaptureFixture[str]) -> None:
    render.print_markdown_table(COLUMNS, [("a|b", 1)])
    assert capfd.readouterr().out.splitlines() == [
        "| model | n |",
        "| --- | --- |",
        "| a\\|b | 1 |",
    ]


@pytest.mark.parametrize(("width", "shown"), [(80, [0, 1, 2]), (40, [0, 2]), (10, [2])])
def test_a_narrow_terminal_leaves_out_the_named_columns_in_their_order(
    width: int, shown: list[int]
) -> None:
    columns, row = ("first", "second", "last"), ("f" * 12, "s" * 12, "l" * 60)
    assert render._fitting_columns(columns, [row], ["second", "first"], "last", width) == shown


def test_the_column_that_wraps_leaves_an_id_on_one_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    run_id = "01a22c63083cf24ca2"
    render.print_table(("task", "id"), [("word " * 12, run_id)], wraps="task")
    lines = re.sub(r"\x1b\[[\d;]*m", "", capfd.readouterr().out).splitlines()
    assert run_id in lines[1]
    assert lines[2].split() == ["word"] * len(lines[2].split())


def test_a_colour_can_be_forced_into_a_pipe(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    render.print_table(COLUMNS, [("ok", 1)])
    assert "\x1b[" in capfd.readouterr().out


def test_json_in_a_pipe_is_one_line_with_its_own_characters(
    capfd: pytest.CaptureFixture[str],
) -> None:
    render.print_json({"a": "ñ\x1b"})
    line = capfd.readouterr().out
    assert (line.count("\n"), json.loads(line)) == (1, {"a": "ñ\x1b"})


def test_an_error_says_what_happened_and_what_to_try(capfd: pytest.CaptureFixture[str]) -> None:
    render.print_error(OrchError("it broke", "one\ntwo"))
    assert capfd.readouterr().err == "orch: it broke\n  try: one\n  two\n"


def test_a_warning_and_a_field_are_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    render.print_warning("a\nb")
    render.print_fields([("size", 1234567), ("name", "x\ny")], 6)
    assert capfd.readouterr() == ("size   1,234,567\nname   x y\n", "! a b\n")


def test_problems_of_a_config_are_listed_each() -> None:
    assert render.config_problems(ConfigError("two", problems=["a", "b"])) == ["a", "b"]
    assert render.config_problems(ConfigError("one")) == ["one"]


def test_progress_in_a_pipe_is_a_line_for_each_new_step(capfd: pytest.CaptureFixture[str]) -> None:
    with render.ProgressBar("pull") as progress:
        for step in ("manifest", "weights", "weights", "done"):
            progress.update(step, 1, 2)
    assert capfd.readouterr().err.splitlines() == ["pull: manifest", "pull: weights", "pull: done"]


@pytest.mark.parametrize(("total", "err"), [(99, ""), (100, "index: 100\n")])
def test_a_small_count_needs_no_progress(
    capfd: pytest.CaptureFixture[str], total: int, err: str
) -> None:
    with render.ProgressBar("index") as progress:
        for done in range(0, total + 1):
            progress.count(done, total)
    assert capfd.readouterr().err == err
