"""What can be seen of a jail from outside: its list of system calls, and how it loads code and runs
tests."""

from __future__ import annotations

from typing import Any

import pytest

from orch.bench import jail


class Broken(BaseException):
    """Stands for the end of the link."""


def ran(tests: str, **defined: Any) -> list[list[Any]]:
    """The verdicts of the tests on these definitions."""

    def values(names: list[str]) -> dict[str, Any]:
        return {name: defined[name] for name in names if name in defined}

    return jail.run_test_statements(tests, values, Broken)


def test_code_defines_what_comes_before_its_error() -> None:
    space: dict[str, Any] = {"__name__": "answer"}
    assert jail.load_code("x = 1\nif __name__ == '__main__':\n    x = 2", space) == ""
    assert jail.load_code("y = 3\nraise ValueError('no')\ny = 4", space) == "ValueError: no"
    assert (space["x"], space["y"]) == (1, 3)


@pytest.mark.parametrize(
    ("code", "error"),
    [("import sys\nsys.exit(0)", "SystemExit"), ("def f(:", "SyntaxError"), ("x = [", "Syntax")],
)
def test_an_end_of_the_process_is_an_error_of_the_code(code: str, error: str) -> None:
    assert jail.load_code(code, {}).startswith(error)


def test_a_long_error_is_cut() -> None:
    assert len(jail.load_code(f"raise ValueError({'x' * 900!r})", {})) == jail.MAX_MESSAGE


def test_each_statement_with_an_assert_has_a_verdict() -> None:
    verdicts = ran("x = f(1)\nassert x == 2\nassert f(2) == 5\nassert f(3) == 6", f=lambda n: 2 * n)
    assert [passed for passed, _ in verdicts] == [True, False, True]
    assert "f(2) == 5" in verdicts[1][1]


def test_a_failing_setup_is_a_failure_too() -> None:
    assert [passed for passed, _ in ran("y = nothing\nassert True")] == [False, True]


def test_a_name_that_the_tests_bind_is_theirs() -> None:
    assert [passed for passed, _ in ran("len = 7\nassert len == 7\nassert n == 1", len=3, n=1)] == [
        True,
        True,
    ]


def test_the_end_of_the_link_ends_all_tests() -> None:
    def broken() -> None:
        raise Broken

    with pytest.raises(Broken):
        ran("assert f() == 1\nassert True", f=broken)


def test_the_filter_ends_with_a_refusal_and_has_a_rule_for_each_call() -> None:
    program = jail.seccomp_program(*jail._ARCHES["x86_64"])
    assert len(program) % 8 == 0
    assert len(program) // 8 > len(jail.allowed_syscalls(0))


@pytest.mark.parametrize("column", [0, 1])
def test_no_call_that_makes_anything_is_allowed(column: int) -> None:
    names = {
        entry.split()[0]
        for line in jail._SYSCALLS.split("\n")
        for entry in line.split("|")
        if entry
    }
    assert not names & set(
        "socket connect bind clone clone3 fork vfork execve execveat kill tkill tgkill ptrace chmod"
        " chown ioctl prctl".split()
    )
    assert len(set(jail.allowed_syscalls(column))) == len(jail.allowed_syscalls(column))
