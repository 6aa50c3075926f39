"""Grades code: runs its tests, or inspects its form where nothing may be run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from orch.bench.answer_parsing import extract_code, extract_python, find_definition, parse_python
from orch.bench.check_forms import UnitTests
from orch.bench.graders.grade import Grade, Submission


def grade_code(check: UnitTests, answer: Submission) -> Grade:
    """Grades code by its tests; without `execute`, by its form."""
    python = check.language == "python"
    code = (
        extract_python(answer.text, check.entry)
        if python
        else _unwrapped(check.language, answer.text)
    )
    fault = _code_fault(check, code)
    if fault:
        return Grade(0.0, fault, "static" if answer.execute is None else "graded")
    if answer.execute is None:
        return Grade(1.0, "it looks complete; it was not run", "static")
    outcome = answer.execute(code if python else f"answer = {code!r}", check.code)
    if not outcome.total:
        return Grade(0.0, outcome.error or "no test was reached", "executed")
    why = f"{outcome.passed} of {outcome.total} tests passed"
    return Grade(
        outcome.passed / outcome.total,
        "; ".join([why, *outcome.failures[:1], outcome.error][: 2 + bool(outcome.error)]),
        "executed",
    )


def _unwrapped(kind: str, text: str) -> str:
    """The code as it would be pasted; a pattern without its r'...' or /.../."""
    code = extract_code(text, (kind, "regexp", "sqlite")).strip()
    if kind != "regex":
        return code
    return re.sub(
        r"^(?:r?(['\"])(.*)\1|/(.*)/)$",
        lambda match: match[2] if match[2] is not None else match[3],
        code,
    )


def _is_pattern(code: str) -> bool:
    try:
        re.compile(code)
    except (re.error, OverflowError, RecursionError):
        return False
    return "\n" not in code and re.search(r"[\\\[({*+?|^$]", code) is not None


_LOOKS_LIKE: dict[str, Callable[[str], object]] = {
    "sql": lambda code: re.match(
        r"(?i)(?:--[^\n]*\n\s*)*(?:select|with|insert|update|delete|create)\b", code
    ),
    "regex": _is_pattern,
    "text": bool,
}


def _code_fault(check: UnitTests, code: str) -> str:
    if check.language != "python":
        return "" if code and _LOOKS_LIKE[check.language](code) else f"it is not {check.language}"
    tree = parse_python(code)
    if tree is None:
        return "it is not valid Python"
    node = find_definition(tree, check.entry)
    if node is None:
        return f"it does not define {check.entry}"
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return (
            "it is a stub"
            if all(_is_stub(each) for each in node.body)
            else _signature_fault(node, check)
        )
    return (
        "it is a stub"
        if isinstance(node, ast.ClassDef) and all(_is_stub(each) for each in node.body)
        else ""
    )


def _is_stub(node: ast.stmt) -> bool:
    raised = ast.unparse(node) if isinstance(node, ast.Raise) else ""
    return (
        isinstance(node, ast.Pass)
        or "NotImplemented" in raised
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    )


def _signature_fault(node: ast.FunctionDef | ast.AsyncFunctionDef, check: UnitTests) -> str:
    """A mismatch between the calls in the tests and the parameters."""
    arguments = node.args
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    for call in ast.walk(ast.parse(check.code)):
        if (
            not isinstance(call, ast.Call)
            or getattr(call.func, "id", "") != check.entry
            or any(isinstance(each, ast.Starred) for each in call.args)
        ):
            continue
        given = len(call.args) + sum(keyword.arg in names for keyword in call.keywords)
        if given < len(names) - len(arguments.defaults) or (
            len(call.args) > len(names) and not arguments.vararg
        ):
            return (
                f"{check.entry} takes {len(names)} parameters, and is called with {len(call.args)}"
            )
    return ""
