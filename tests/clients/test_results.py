"""A run of the clients is kept after each of them, goes on where it was stopped, and is a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.results import Results, Row, completed, head_lines, line, read
from tests.readme.markup import uneven_rows

CHECKS = ("question", "cancel")


def new(orch: str = "1.0", date: str = "2026-11-30") -> Results:
    return Results(orch, "2 cores", "v24", date)


def ran(name: str) -> Row:
    return Row(name.title(), "3.1", {"question": "ok", "cancel": "exit 1: a | b"}, 2.5)


def stopped(path: Path) -> None:
    """Keeps a run that is interrupted at its second client."""

    def run(name: str) -> Row:
        if name == "two":
            raise KeyboardInterrupt
        return ran(name)

    results = new()
    with pytest.raises(KeyboardInterrupt):
        list(completed(results, ["one", "two"], run, lambda each: each.store(path)))


def test_a_run_that_was_stopped_goes_on_with_the_clients_that_it_lacks(tmp_path: Path) -> None:
    path, asked = tmp_path / "run.json", list[str]()

    def run(name: str) -> Row:
        asked.append(name)
        return ran(name)

    stopped(path)
    results = new(date="2026-12-01")
    results.resume(path)
    rows = completed(
        results,
        ["one", "two"],
        run,
        lambda each: each.store(path),
    )
    assert [row.title for row in rows] == ["One", "Two"]
    assert asked == ["two"]
    assert read(path) == results
    assert (results.date, results.resumed) == ("2026-11-30", 1)


def test_a_run_of_another_version_is_not_gone_on_with(tmp_path: Path) -> None:
    stopped(tmp_path / "run.json")
    results = new("1.1")
    results.resume(tmp_path / "run.json")
    assert (results.clients, results.resumed) == ({}, 0)


def test_a_run_goes_on_from_nothing(tmp_path: Path) -> None:
    results = new()
    results.resume(tmp_path / "run.json")
    assert results == new()


def test_a_row_has_a_cell_for_each_check_whatever_the_client_said() -> None:
    lines = [*head_lines(CHECKS), line(ran("one"), CHECKS), line(Row("Two", "no", {}), CHECKS)]
    assert list(uneven_rows("\n".join(lines))) == []
    assert lines[2:] == ["| One | 3.1 | ok | exit 1: a / b |", "| Two | no | not run | not run |"]
