"""What the scripted model does in a session: which tool it calls after which request (pure).

A session is four questions. After each of them the model reads, edits, runs, reads and runs, and
then answers: 24 requests, of which 20 end with a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.clients.session.replies import Reply

Json = dict[str, Any]
QUESTIONS = (
    "Why does total() in stock.py count returned parcels twice? Mend it.",
    "Now write two sentences for the README on what the program does.",
    "Which functions are slow, and why? Compare orders.py and stock.py.",
    "Rename load() to read_rows() wherever it is used.",
)
STEPS = 5
"""Calls for each question."""
_FILES = ("stock.py", "orders.py", "README.md", "rows.py")
Calls = dict[str, Callable[[str, int], tuple[str, Json]]]
"""By the kind of step: the tool and its arguments, for a file and the number of the call."""


def project() -> dict[str, str]:
    """The files of the small project by name."""
    return {name: _content(name) for name in _FILES}


def _content(name: str) -> str:
    stem = name.partition(".")[0]
    lines = [f"# {stem}: rows of the shop, one function for each", ""]
    for number in range(14):
        lines += [
            f"def {stem}_{number}(rows):",
            f"    return [row for row in rows if row[{number}]]",
        ]
    return "\n".join([*lines, "# changed 0 times", ""])


CLAUDE: Calls = {
    "read": lambda path, number: ("Read", {"file_path": path}),
    "edit": lambda path, number: (
        "Edit",
        {
            "file_path": path,
            "old_string": f"# changed {number // STEPS} times",
            "new_string": f"# changed {number // STEPS + 1} times",
        },
    ),
    "run": lambda path, number: (
        "Bash",
        {"command": f"grep -c def {path}; echo step {number}", "description": "Counts functions"},
    ),
}
OPENCODE: Calls = {
    "read": lambda path, number: ("read", {"filePath": path}),
    "edit": lambda path, number: (
        "edit",
        {
            "filePath": path,
            "oldString": f"# changed {number // STEPS} times",
            "newString": f"# changed {number // STEPS + 1} times",
        },
    ),
    "run": lambda path, number: (
        "bash",
        {"command": f"grep -c def {path}; echo step {number}", "description": "Counts functions"},
    ),
}
CODEX: Calls = {
    "read": lambda path, number: ("exec_command", {"cmd": f"cat {path}"}),
    "edit": lambda path, number: (
        "exec_command",
        {"cmd": f"sed -i 's/changed [0-9]* times/changed {number} times/' {path}"},
    ),
    "run": lambda path, number: (
        "exec_command",
        {"cmd": f"grep -c def {path}; echo step {number}"},
    ),
}
_KINDS = ("read", "edit", "run", "read", "run")


def next_reply(
    calls: Calls, results: int, *, after_result: bool, folder: str, number: int
) -> Reply:
    """The model's answer to a request with so many results of tools; `after_result`: whether it
    ends with one. `number` is that of the answer among all."""
    if after_result and results % STEPS == 0:
        return Reply(number, f"Done with question {results // STEPS}: all of it is as you wished.")
    kind = _KINDS[results % STEPS]
    edited = kind in ("read", "edit") and results % STEPS < 2
    name = _FILES[0] if edited else _FILES[results % len(_FILES)]
    tool, arguments = calls[kind](f"{folder}/{name}", results)
    return Reply(number, f"Step {results + 1}: I {kind} {name}.", tool, arguments)


# ---------------------------------------------------------------- what a request is


def tools_of(body: Json) -> Sequence[Any]:
    """The tools that a request offers; a chore has none."""
    return body.get("tools") or ()


def results_of(body: Json) -> tuple[int, bool]:
    """How many results of tools a request has, and whether it ends with one, in any of the APIs."""
    items = body.get("input") or body.get("messages") or ()
    kinds = [kind for item in items if isinstance(item, dict) for kind in _kinds(item)]
    said = [kind for kind in kinds if kind != "instruction"]
    return said.count("result"), bool(said) and said[-1] == "result"


def _kinds(item: Json) -> list[str]:
    """What an item is: results first, as a text beside them is the client's own."""
    if item.get("type") == "function_call_output" or item.get("role") == "tool":
        return ["result"]
    if item.get("role") in ("system", "developer"):
        return ["instruction"]
    content = item.get("content")
    blocks = content if isinstance(content, list) else ()
    results = [block for block in blocks if block.get("type") == "tool_result"]
    return ["result"] * len(results) or ["other"]
