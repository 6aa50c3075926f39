"""Imports between packages point down only, in the order of `RANKS`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1] / "orch"
RANKS = (
    "types",
    "errors",
    "hardware",
    "text",
    "config",
    "providers",
    "storage",
    "classifier",
    "quality",
    "memory",
    "routing",
    "execution",
    "wiring",
    "orchestrator",
    "classifier.train",
    "bench",
    "mcp",
    "server",
    "cli",
)
"""The packages of orch, the lowest first: imports point to lower ranks, never up."""
PLACE = {name: number for number, name in enumerate(RANKS)}
LOWEST = {"config.version"}
"""What every module may import, whatever its package: it imports nothing itself."""


@cache
def modules() -> dict[str, Path]:
    """Every module of orch by its dotted name inside the package."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        .removesuffix("__init__")
        .rstrip("."): path
        for path in ROOT.rglob("*.py")
    }


def imported(path: Path) -> Iterator[str]:
    """What a module imports from orch, by dotted name, lazily or not; what only the type checker
    sees is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for each in ast.walk(node)
    }
    known = modules()
    for node in ast.walk(tree):
        if (
            id(node) in unseen
            or not isinstance(node, ast.ImportFrom)
            or not (node.module or "").startswith("orch")
        ):
            continue
        base = (node.module or "").removeprefix("orch").lstrip(".")
        for alias in node.names:
            full = f"{base}.{alias.name}".lstrip(".")
            yield full if full in known else base


def package(name: str) -> str:
    """The ranked package of a module: the longest rank that begins its name."""
    return max((rank for rank in RANKS if f"{name}.".startswith(f"{rank}.")), key=len, default="")


def test_every_module_belongs_to_a_ranked_package() -> None:
    assert [name for name in modules() if name and not package(name)] == []


def test_imports_between_packages_point_down() -> None:
    up = [
        f"{name} imports {other}"
        for name, path in modules().items()
        for other in (imported(path) if name else ())
        if other and other not in LOWEST
        if package(other) != package(name) and PLACE[package(other)] >= PLACE[package(name)]
    ]
    assert up == []


def importers_of(library: str) -> set[str]:
    return {
        name
        for name, path in modules().items()
        if library in {root.split(".")[0] for root in _roots(path)}
    }


def test_only_what_prints_imports_rich() -> None:
    assert importers_of("rich") == {"cli.render", "cli.run_display"}


def test_only_the_page_imports_nicegui_and_only_config_schema_pydantic_on_the_commands_path() -> (
    None
):
    assert {name for name in importers_of("nicegui") if not name.startswith("server.web")} == set()
    assert {name for name in importers_of("pydantic") if not name.startswith("server.")} == {
        "config.schema",
        "config.schema_problems",
        "bench.suite_check",
    }


def test_what_runs_beside_judged_code_imports_nothing_of_orch_but_its_own_kind() -> None:
    kin = {"bench.jail", "bench.remote_calls", "bench.remote_values", "bench.remote_proxy"}
    assert {other for name in kin for other in imported(modules()[name])} <= kin | {"bench"}


PRINTERS = {
    "cli.render",
    "text.terminal",
    "classifier.train.__main__",
    "routing.known_models.derive",
    "execution.checks.json_schema",
    "cli.main",
}
"""The two that print, two commands of the developers', a child that answers its parent through a
pipe, and Typer's own `--version`."""
PRINTING = {
    "print",
    "input",
    "typer.echo",
    "typer.secho",
    "typer.prompt",
    "typer.confirm",
    "click.echo",
    "Console",
}


def test_nothing_is_printed_past_the_one_place_that_knows_terminals() -> None:
    printers = {name for name, path in modules().items() if _printed(path)}
    assert printers - PRINTERS == set()


def _printed(path: Path) -> list[str]:
    """What a module calls that writes to stdout or stderr by itself."""
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    return [
        call
        for call in calls
        if call in PRINTING or re.match(r"sys\.(__)?std(out|err)\b.*\.write(lines)?$", call)
    ]


def _roots(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_test_file_imports_another() -> None:
    tests = ROOT.parent / "tests"
    found = {
        f"{path.relative_to(tests)} imports {module}"
        for path in tests.rglob("*.py")
        for module in _roots(path)
        if re.fullmatch(r"tests\.(\w+\.)*test_\w+", module)
    }
    assert found == set()
