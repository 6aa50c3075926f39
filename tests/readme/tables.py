"""The tables and the module tree of the READMEs, from the commands, the exit codes and the
docstrings themselves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from typer.main import get_command

from orch.cli.main import COMMANDS
from orch.errors import EXIT_CODES
from tests.readme import days, spanish

ROOT = Path(__file__).parents[2]
HEADS = {
    "en": {
        "commands": ("command", "what it does"),
        "options": ("option of `orch run`", "meaning"),
        "exits": ("exit code", "meaning"),
    },
    "es": {
        "commands": ("orden", "qué hace"),
        "options": ("opción de `orch run`", "significado"),
        "exits": ("código de salida", "significado"),
    },
}
EXITS = {
    0: "there is an answer",
    1: "something else went wrong",
    2: "the command, the configuration or the input makes no sense as it stands",
    3: "no provider can be reached",
    4: "the model is not installed",
    5: "the task does not fit the context",
    6: "timed out",
    7: "every candidate failed (with `-m`: it failed)",
    129: "the terminal is gone (SIGHUP); the partial answer is kept",
    130: "interrupted (Ctrl-C); the partial answer is kept",
    141: "the reader is gone (`| head -1`)",
    143: "terminated (SIGTERM); the partial answer is kept",
}


def sections(language: str) -> dict[str, str]:
    """Every generated part by name."""
    rows = {"commands": commands(), "options": options(), "exits": exits()}
    made = {
        name: _table(HEADS[language][name], _translated(table, language))
        for name, table in rows.items()
    } | {"days": days.section(language)}
    return made if language == "es" else {**made, "tree": tree()}


def commands() -> list[tuple[str, str]]:
    """Each command and subcommand with its own help."""
    rows = []
    for name, (module, about) in COMMANDS.items():
        rows.append((f"`orch {name}`", about))
        for sub, command in getattr(get_command(import_module(module).app), "commands", {}).items():
            rows.append(
                (
                    f"`orch {name} {' '.join((sub, *_arguments(command)))}`",
                    _first_line(command.help),
                )
            )
    return rows


def options() -> list[tuple[str, str]]:
    """Each option of `orch run` with its own help."""
    command: Any = get_command(import_module(COMMANDS["run"][0]).app)
    shown = (
        param
        for param in command.params
        if getattr(param, "help", None) and param.opts[0].startswith("-") and param.name != "help"
    )
    return [(_names(param), str(param.help)) for param in shown]


def exits() -> list[tuple[str, str]]:
    """Each exit code with its meaning."""
    return [(f"`{code}`", EXITS[code]) for code in sorted({0, *EXIT_CODES.values()})]


def tree() -> str:
    """The modules, each with the first sentence of its docstring."""
    lines = ["```text"]
    for path in _modules():
        depth = len(path.relative_to(ROOT / "orch").parts)
        name = f"{path.parent.name}/" if path.name == "__init__.py" else path.name
        indent = "  " * (
            depth - 2 if path.name == "__init__.py" and depth > 1 else depth - 1 if depth > 1 else 0
        )
        lines.append(f"{indent + name:22} {_sentence(path)}".rstrip())
    return "\n".join([*lines, "```"])


def _modules() -> Iterator[Path]:
    top = ROOT / "orch"
    yield top / "__init__.py"
    for path in sorted(top.glob("*.py")):
        if path.name != "__init__.py":
            yield path
    # one level below orch/, and the page, whose forty modules are a part of their own
    for folder in sorted(
        path.parent
        for path in top.rglob("__init__.py")
        if path.parent != top and path.parent.name != "train"
    ):
        yield folder / "__init__.py"
        yield from (path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py")


def _sentence(path: Path) -> str:
    said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return re.split(r"(?<=[.!?])\s", " ".join(said.split()))[0]


def _arguments(command: Any) -> list[str]:
    return [
        param.make_metavar(None) if param.metavar is None else param.metavar
        for param in command.params
        if not param.opts[0].startswith("-")
    ]


def _first_line(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _names(param: Any) -> str:
    names = ", ".join((*param.opts, *param.secondary_opts))
    metavar = param.metavar or ("" if param.is_flag or not param.type else param.type.name.upper())
    return f"`{names}{f' {metavar}' if metavar else ''}`"


def _translated(rows: list[tuple[str, str]], language: str) -> list[tuple[str, str]]:
    return rows if language == "en" else [(name, spanish.WORDS[said]) for name, said in rows]


def _table(heads: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    return "\n".join(
        [
            f"| {heads[0]} | {heads[1]} |",
            "|---|---|",
            *(f"| {name} | {said} |".replace("||", "|") for name, said in rows),
        ]
    )


def replaced(text: str, parts: dict[str, str]) -> str:
    """A README with its generated parts put in between their marks. Raises ValueError for a mark
    that is missing."""
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, mark, rest = text.partition(begin)
        _, other, after = rest.partition(end)
        if not mark or not other:
            raise ValueError(f"the marks of {name} are missing")
        text = f"{before}{begin}{part}\n{end}{after}"
    return text
