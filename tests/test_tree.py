"""The tree of the repository: where tests stand, how many entries a folder holds, how long a file
is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ("hardware", "routing", "execution", "classifier", "quality", "providers", "storage")
MOST_ENTRIES, MOST_LINES = 25, 350
TOP_LEVEL = {
    *"bench classifier cli config execution hardware mcp memory providers quality".split(),
    *"routing server storage text errors.py orchestrator.py types.py wiring.py".split(),
    *"__init__.py py.typed locale".split(),
}
"""Fourteen packages and four modules, the face of the library, and data."""
FULL_FOLDERS = {
    "tests": (55, "what tests orch/bench is test_bench_*.py here, beside the tests of the whole"),
    "tests/support": (44, "helpers of all packages, which every test imports by these paths"),
}
"""Folders that may hold more entries: how many, and the reason."""
WITHOUT_A_TEST_FILE = {
    "classifier/train/__main__": "a command; tests/evals/classifier.py measures its result",
    "execution/runtime": "types: a dataclass of the parts, which wiring.py constructs",
    "providers/chat": "types: a request and the pieces of an answer",
    "providers/installed_models": "types: what a provider reports about its models",
    "routing/known_models/identity": "types: a dataclass of what identifies a model",
}
"""Core modules without a test file of their own name, each with the reason."""


def core_modules() -> list[str]:
    """The modules of the core, by their path below orch/ without the suffix."""
    paths = (path for package in CORE for path in (ROOT / "orch" / package).rglob("*.py"))
    names = (path.relative_to(ROOT / "orch").with_suffix("") for path in paths)
    return sorted(name.as_posix() for name in names if name.name != "__init__")


def has_test_file(module: str) -> bool:
    """Whether a test file of the module's name stands below the tests of its package."""
    package, _, _ = module.partition("/")
    name = f"test_{module.rpartition('/')[2].strip('_')}.py"
    return any((ROOT / "tests" / package).rglob(name))


def test_each_core_module_has_a_test_file_of_its_own_name() -> None:
    missing = [name for name in core_modules() if not has_test_file(name)]
    assert sorted(set(missing) - set(WITHOUT_A_TEST_FILE)) == []


def test_every_exception_is_a_module_without_a_test_file_and_has_its_reason() -> None:
    assert set(WITHOUT_A_TEST_FILE) <= {name for name in core_modules() if not has_test_file(name)}
    assert all(WITHOUT_A_TEST_FILE.values())


def entries(folder: Path) -> set[str]:
    """What git would list of a folder: no caches, no files of an editor."""
    return {
        path.name for path in folder.iterdir() if path.name[0] != "." and path.name != "__pycache__"
    }


@pytest.mark.parametrize("tree", ["orch", "tests"])
def test_no_folder_holds_more_than_25_entries(tree: str) -> None:
    folders = [ROOT / tree, *(path for path in (ROOT / tree).rglob("*/") if path.is_dir())]
    counts = {
        folder.relative_to(ROOT).as_posix(): len(entries(folder))
        for folder in folders
        if not {"__pycache__", "node_modules"} & set(folder.parts)
    }
    limits = {name: most for name, (most, _) in FULL_FOLDERS.items()}
    over = [name for name, count in counts.items() if count > limits.get(name, MOST_ENTRIES)]
    assert over == []


def test_the_top_level_of_orch_is_fourteen_packages_and_four_modules() -> None:
    assert entries(ROOT / "orch") == TOP_LEVEL


def test_every_package_says_what_it_owns() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "orch").rglob("__init__.py")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_module_is_longer_than_350_lines() -> None:
    lengths = {
        path.relative_to(ROOT / "orch").as_posix(): len(path.read_text("utf-8").splitlines())
        for path in (ROOT / "orch").rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}
