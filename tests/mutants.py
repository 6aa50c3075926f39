"""Mutation tests of the core: changes one rule at a time and reports changes that no test notices:
`uv run python -m tests.mutants router run -n 10`.

Not part of the test run: each mutant runs the tests of its module. The file is restored after each;
a file with uncommitted changes is refused.
"""

from __future__ import annotations

import argparse
import ast
import copy
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
CORE = ["tests/routing", "tests/execution"]
FACES = ["tests/cli/test_main.py", "tests/cli/test_options.py"]
HTTP = [f"tests/server/http/test_{name}.py" for name in ("guard", "keys", "sessions")]
PROVIDERS = ["tests/providers/test_ollama.py", "tests/providers/test_openai_compatible.py"]
MODULES: dict[str, tuple[str, list[str], list[str]]] = {
    "scoring": ("orch/routing/scoring/score_terms.py", CORE, FACES),
    "expected_time": ("orch/routing/scoring/expected_time.py", CORE, FACES),
    "selection": ("orch/routing/selection.py", CORE, FACES),
    "ranking": ("orch/routing/scoring/ranking.py", CORE, [*PROVIDERS, *FACES]),
    "model_state": ("orch/routing/model_state.py", CORE, [*PROVIDERS, *FACES]),
    "router": ("orch/routing/router.py", CORE, [*FACES, "tests/classifier", "tests/server/api"]),
    "run": ("orch/execution/run.py", CORE, [*FACES, "tests/cli/test_cache.py", "tests/memory"]),
    "fallback": ("orch/execution/fallback.py", CORE, FACES),
    "retry": ("orch/execution/retry.py", CORE, FACES),
    "answer_checks": ("orch/execution/checks/answer_checks.py", CORE, FACES),
    "results": ("orch/execution/results.py", CORE, [*FACES, "tests/storage/test_journal.py"]),
    "registry": ("orch/routing/registry.py", CORE, [*PROVIDERS, "tests/cli/test_models.py"]),
    "request": ("orch/execution/request.py", CORE, [*PROVIDERS, *FACES]),
    "guard": (
        "orch/server/http/guard.py",
        HTTP,
        ["tests/server/http/test_limits.py", "tests/server/web/test_security.py"],
    ),
    "answers": (
        "orch/storage/answers.py",
        ["tests/execution/test_answer_cache.py"],
        ["tests/storage", "tests/cli/test_cache.py", "tests/text/equivalence"],
    ),
    "history": (
        "orch/storage/history.py",
        ["tests/storage/test_history.py"],
        ["tests/execution/test_session.py", "tests/routing/replaying/test_replay.py"],
    ),
    "load_balancer": (
        "orch/providers/load_balancer.py",
        ["tests/providers/test_load_balancer.py"],
        ["tests/providers/test_client.py", "tests/providers/test_transport.py"],
    ),
}
"""File, the tests that run first, and those that run if the first notice nothing."""
MOST_S = 900
_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change: the bytes from `begin` to `end` become `text`."""

    line: int
    begin: int
    end: int
    was: str
    text: str


def main() -> int:
    """Runs the mutants of the named modules; the exit code is 1 if one survives."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("modules", nargs="*", choices=[*MODULES, []], help="default: all")
    arguments.add_argument("-n", type=int, default=10, help="mutants a module")
    arguments.add_argument("--seed", type=int, default=1)
    wishes = arguments.parse_args()
    survivors: list[str] = []
    for name in wishes.modules or MODULES:
        survivors += _module(name, wishes.n, wishes.seed)
    print(f"{len(survivors)} survived", *survivors, sep="\n  ")
    return int(bool(survivors))


def _module(name: str, count: int, seed: int) -> list[str]:
    path, first, then = MODULES[name]
    file = ROOT / path
    if subprocess.run(
        ["git", "diff", "--quiet", "HEAD", "--", path], cwd=ROOT, check=False
    ).returncode:
        sys.exit(f"{path} has changes that are not committed")
    source, written, survivors = file.read_bytes(), file.stat().st_mtime, []
    possible = list(mutants(source))
    chosen = sorted(
        random.Random(seed).sample(possible, min(count, len(possible))), key=lambda each: each.begin
    )
    print(f"{path}: {len(chosen)} of {len(possible)} possible changes", flush=True)
    for number, mutant in enumerate(chosen, 1):
        begun = time.monotonic()
        try:
            file.write_bytes(source[: mutant.begin] + mutant.text.encode() + source[mutant.end :])
            # bytecode is keyed by whole seconds and length: each change needs a time of its own
            os.utime(file, (written + 2 * number,) * 2)
            noticed = _fails(first) or _fails(then)
        finally:
            file.write_bytes(source)
            os.utime(file, (written,) * 2)
        said = f"{path}:{mutant.line}: {_difference(mutant.was, mutant.text)}"
        print(
            f"  {'killed  ' if noticed else 'SURVIVED'} {time.monotonic() - begun:4.0f} s  {said}",
            flush=True,
        )
        survivors += [] if noticed else [said]
    return survivors


def _fails(tests: list[str]) -> bool:
    """Whether a test notices, or the run does not end in time."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not real",
        *tests,
    ]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=MOST_S, check=False)
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in (0, 1, 2):  # 2: a test file could not be imported
        sys.exit(done.stdout.decode()[-2000:] + done.stderr.decode()[-2000:])
    return done.returncode != 0


def _difference(was: str, text: str) -> str:
    """Both, from the first difference."""
    one, other = " ".join(was.split()).removeprefix("("), " ".join(text.split()).removeprefix("(")
    alike = sum(
        1
        for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )
    begin = max(alike - 30, 0)
    return " -> ".join(each[begin : begin + 80] for each in (one, other))


# ---------------------------------------------------------------- the changes


def mutants(source: bytes) -> Iterator[Mutant]:
    """Every known change, in file order."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in _code(tree):
        for changed in _changes(node):
            assert isinstance(node, (ast.expr, ast.stmt))
            begin = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
            text = ast.unparse(changed)
            yield Mutant(
                node.lineno,
                begin,
                end,
                source[begin:end].decode(),
                f"({text})" if isinstance(node, ast.expr) else text,
            )


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run: no annotations, docstrings or text."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases") or isinstance(
            node, ast.JoinedStr
        ):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child
                yield from _code(child)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """Possible replacements of a node."""
    match node:
        case ast.Compare(ops=[operator]) | ast.BoolOp(op=operator) | ast.BinOp(op=operator) if (
            type(operator) in _SWAPS
        ):
            changed = copy.deepcopy(node)
            swapped = _SWAPS[type(operator)]()
            setattr(
                changed,
                "ops" if isinstance(node, ast.Compare) else "op",
                [swapped] if isinstance(node, ast.Compare) else swapped,
            )
            yield changed
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(value * 2 or 1.0)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Call(func=ast.Name(id=name)) if name in _NAMES:
            yield ast.Call(ast.Name(_NAMES[name]), node.args, node.keywords)
        case ast.Call(keywords=[*keywords]) if keywords:
            for left_out in keywords:
                yield ast.Call(
                    node.func, node.args, [each for each in keywords if each is not left_out]
                )
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Raise():
            yield ast.Pass()


if __name__ == "__main__":
    sys.exit(main())
