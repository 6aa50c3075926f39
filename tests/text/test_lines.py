"""Foreign text stays on one line: names of models, errors of servers, texts in listings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orch.errors import ProviderError
from orch.providers import read_limits
from orch.providers.streams.values import validating
from orch.text.lines import first_line, is_valid_name, one_line
from tests.conftest import LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.orch_command import orch

BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
"""Where Python, JavaScript or a terminal begins a new line."""
DRIVES = ["\0", "\b", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066"]
FAKE = "! forged: nothing leaves this machine"


@pytest.mark.parametrize("between", BREAKS, ids=ascii)
def test_a_line_break_is_a_blank(between: str) -> None:
    assert one_line(f" a{between}  b\t") == "a b"


@pytest.mark.parametrize("control", DRIVES, ids=ascii)
def test_control_characters_are_removed_from_a_line(control: str) -> None:
    assert one_line(f"a{control}b") == "ab"


@pytest.mark.parametrize("inside", [*BREAKS, *DRIVES, "\t", "\udc80"], ids=ascii)
def test_a_name_is_one_line_without_controls(inside: str) -> None:
    assert not is_valid_name(f"a{inside}b")
    assert not is_valid_name(f"a{inside}")


@pytest.mark.parametrize("value", ["", " ", None, 7, ["a"], "n" * 301])
def test_invalid_names(value: Any) -> None:
    assert not is_valid_name(value)


@pytest.mark.parametrize(
    "name", ["qwen3:8b", "hf.co/a/B-GGUF:Q4_K_M", "My Model", "سلام‌ها", "👩‍👩‍👧", "n" * 300]
)
def test_valid_names(name: str) -> None:
    assert is_valid_name(name)


def test_an_error_without_a_message_is_shown_by_its_type() -> None:
    assert [first_line(ValueError(text)) for text in ("a\rb\nc", "\n\n", "\x1b")] == [
        "a",
        "ValueError",
        "ValueError",
    ]


# ---------------------------------------------------------------- what servers say


@pytest.mark.parametrize(
    "entry",
    [{"name": "a\nb"}, {"model": "a\x1b"}, {"name": "a", "model": "b\n"}, {"name": 7}, {}],
    ids=str,
)
def test_a_model_with_an_invalid_name_is_left_out(entry: dict[str, Any]) -> None:
    assert read_limits.model_entries([entry, {"name": "good"}], "name", "model") == [
        {"name": "good"}
    ]


def test_facts_about_a_model_have_one_line() -> None:
    assert (
        read_limits.metadata_word("a\nb\x1b"),
        read_limits.metadata_word(7),
        len(read_limits.metadata_word("a" * 1_000)),
    ) == ("a b", "", read_limits.MAX_WORD_CHARS)
    assert (
        read_limits.metadata_words(["a\nb", 7]),
        read_limits.metadata_words("a"),
        len(read_limits.metadata_words(["a"] * 1_000) or ()),
    ) == (("a b", ""), None, read_limits.MAX_WORDS)


def test_an_error_of_a_server_has_one_line() -> None:
    assert read_limits.error_line(f"no\x1b[2K\r\n{FAKE}") == f"no[2K {FAKE}"
    with pytest.raises(ProviderError) as caught, validating():
        raise ValueError(f"no\n{FAKE}")
    assert len(caught.value.message.splitlines()) == 1


def test_the_list_of_models_has_no_line_that_a_server_forged(ollama: FakeOllama) -> None:
    good = orch("models")
    ollama.add(FakeModel(f"x\n{FAKE}"))
    ollama.add(
        FakeModel("stranger", family=f"f\n{FAKE}", capabilities=["completion", f"c\n{FAKE}"])
    )
    done = orch("models")
    assert len(done.stdout.splitlines()) == len(good.stdout.splitlines()) + 1
    assert _forged(done.stdout + done.stderr + orch("models", "show", "stranger").stdout) == []


@pytest.mark.parametrize("kind", ["status", "error_line"])
def test_a_failed_model_forges_no_line_on_stderr(ollama: FakeOllama, kind: str) -> None:
    ollama.models[LLAMA].faults = [Fault(kind, message=f"no\r\n{FAKE}")]
    done = orch("run", "-m", LLAMA, "--fallback", "hi")
    assert FAKE.encode() in done.stderr
    assert _forged(done.stderr) == []


def test_a_key_of_a_configuration_forges_no_problem(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "models.yaml").write_text(
        json.dumps({f"x\n{FAKE}": 1, "models": [{"id": "a", f"y\u2028{FAKE}": 1}]})
    )
    done = orch("config", "validate")
    assert done.stderr.count(FAKE.encode()) == 2
    assert _forged(done.stderr + orch("run", "hi").stderr) == []


def test_a_note_is_one_row_of_the_list(home: Path) -> None:
    orch("memory", "add", f"note\r\n{FAKE}", "--session", f"s\n{FAKE}")
    done = orch("memory", "list")
    assert len(done.stdout.splitlines()) == 2
    assert FAKE.encode() in done.stdout


def test_a_row_of_statistics_is_one_line(ollama: FakeOllama, home: Path) -> None:
    orch("run", "-m", LLAMA, "hi")
    _rename(home, f"x\n{FAKE}")
    assert _forged(orch("stats").stdout) == []


def _rename(home: Path, name: str) -> None:
    """Stores a name as an earlier version did, without checking it."""
    import sqlite3

    [path] = home.rglob("journal.sqlite3")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE attempts SET model = ?", (name,))
    connection.close()


def _forged(output: bytes) -> list[str]:
    """The lines that begin with the forged text."""
    return [line for line in output.decode().splitlines() if line.startswith(FAKE)]
