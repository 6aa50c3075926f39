"""The tree of the architecture page: every module with the first sentence of its docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

WIDTH = 28


def ranks(test: Path) -> str:
    """The packages in the order of the test that keeps imports between them pointing down."""
    (names,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(test.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RANKS"
    )
    return " → ".join(f"`{name}`" for name in reversed(names))


def tree(top: Path) -> str:
    """The packages and modules below a folder, indented by depth."""
    return "\n".join(["```text", *_lines(top, 0), "```"])


def _lines(folder: Path, depth: int) -> Iterator[str]:
    yield _line(f"{folder.name}/", folder / "__init__.py", depth)
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            yield _line(path.name, path, depth + 1)
    for below in sorted(path.parent for path in folder.glob("*/__init__.py")):
        yield from _lines(below, depth + 1)


def _line(name: str, path: Path, depth: int) -> str:
    return f"{'  ' * depth + name:{WIDTH}} {sentence(path)}".rstrip()


def sentence(path: Path) -> str:
    """The first sentence of a module's docstring; empty where it has none."""
    about = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return re.split(r"(?<=[.!?])\s", " ".join(about.split()))[0]
