"""Both READMEs say what the program does: tables and tree are the generated ones, the library's
snippets run as they stand."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from typing import Any

import pytest
from typer.main import get_command

from orch.cli.main import COMMANDS
from orch.errors import RUN_CODES
from tests.readme.tables import ROOT, replaced, sections
from tests.support.fake_ollama import FakeOllama

FILES = {"en": "README.md", "es": "README.es.md"}
SNIPPETS = re.findall(
    r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.mark.parametrize("language", FILES)
def test_tables_and_tree_are_the_generated_ones(language: str) -> None:
    text = (ROOT / FILES[language]).read_text(encoding="utf-8")
    assert text == replaced(text, sections(language)), (
        "uv run python -m tests.readme writes them anew"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_is_the_commands_own(name: str) -> None:
    module, about = COMMANDS[name]
    assert about == " ".join(
        (get_command(import_module(module).app).help or "").strip().split("\n\n")[0].split()
    )


def test_both_languages_show_the_same_commands() -> None:
    english, spanish = (
        re.findall(r"^uv run .*?(?:  |$)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        for name in FILES.values()
    )
    assert english == spanish


@pytest.mark.parametrize("name", FILES.values())
def test_every_code_of_a_failed_attempt_is_named(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [code for code in RUN_CODES if f"`{code}`" not in text] == []


@pytest.mark.parametrize("source", SNIPPETS, ids=["simple", "context", "streaming"])
async def test_a_library_snippet_runs_as_it_stands(
    ollama: FakeOllama, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    space: dict[str, Any] = {}
    work = eval(compile(source, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), space)
    await work
    await space["orchestrator"].aclose()
    assert capsys.readouterr().out.strip()
    assert ollama.chats()
