"""An agent session of 20 requests in the shape of Claude Code's, with texts of our own (pure).

What makes the shape: a line at the head of the system prompt that differs with every request, the
system prompt in blocks, instructions of the client within the conversation, reminders beside
questions and results, answers of text and a call, and the marks of Anthropic's prompt cache, which
wander to the last message.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
TURNS = 20
STEPS = ("Read", "Edit", "Bash", "Read", "")
"""What the model does after each request, in turn: a call, or the answer that ends the turn of the
user."""
FOLDER = "/home/ada/shop"
MAX_TOKENS = 6
"""Of the model's own answer, which the script replaces: only reading is measured."""
_PARTS = "stock orders prices labels parcels returns routes scans audits refunds".split()
_VERBS = "load check merge count sort print move keep split store".split()


@dataclass(frozen=True)
class AgentSession:
    """One session. `topic` makes its texts differ from another's in the same folder; `tools`:
    whether the tools
    stand in their field, else they are described in the system prompt, for models that take none;
    `line`: whether the first line of the system prompt differs with every request."""

    topic: str
    tools: bool = True
    line: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request."""
        return {
            "X-Claude-Code-Session-Id": _digest(self.topic, 32),
            "User-Agent": "claude-cli/2.1.332 (external, cli)",
            "anthropic-version": "2023-06-01",
        }

    def body(self, turn: int) -> Json:
        """The request of a turn, which counts from 0."""
        messages = [message for number in range(turn + 1) for message in self._exchange(number)]
        _mark(messages[-1])
        tools = {"tools": [_tool(name) for name in _TOOLS]} if self.tools else {}
        return {
            "model": "auto",
            "max_tokens": MAX_TOKENS,
            "stream": False,
            "system": self._system(turn),
            "messages": messages,
            "metadata": {"user_id": json.dumps({"session_id": _digest(self.topic, 32)})},
            "thinking": {"type": "adaptive"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "output_config": {"effort": "high"},
            **tools,
        }

    def title_body(self) -> Json:
        """The request by which the agent itself has its session named: its first words are Claude
        Code's (2.1.332)."""
        words = "You are naming a coding session so the user can pick it out. Six words at most."
        return {
            "model": "auto",
            "max_tokens": MAX_TOKENS,
            "system": [{"type": "text", "text": words}],
            "messages": [
                {"role": "user", "content": f"<session>\n{self._question(0)}\n</session>"}
            ],
        }

    def _system(self, turn: int) -> list[Json]:
        rules = "\n".join(_rule(number) for number in range(34))
        named = "" if self.tools else "\n".join(json.dumps(_tool(name)) for name in _TOOLS)
        line = f"x-anthropic-billing-header: cc_version=2.1.332.{_digest(turn, 3)};"
        first = [{"type": "text", "text": f"{line} cch={_digest(turn + 1, 5)};"}]
        return [
            *(first if self.line else []),
            _block("You help with the code of this folder, in a terminal.", marked=True),
            _block(f"# Rules\n{rules}\n{named}\nFolder: {FOLDER}", marked=True),
        ]

    def _exchange(self, number: int) -> list[Json]:
        """The messages that a request adds: the model's step before it, and what came of it."""
        if number == 0:
            instructions = "\n".join(_skill(each) for each in range(10))
            return [
                _user(
                    _reminder(f"Branch: {self.topic}. {_sentence(self.topic)}"), self._question(0)
                ),
                {"role": "system", "content": f"Skills:\n{instructions}"},
            ]
        name, call = STEPS[(number - 1) % len(STEPS)], f"toolu_{self.topic}_{number:02}"
        if not name:
            return [_answer(_sentence(number, self.topic)), _user(self._question(number))]
        use = {"type": "tool_use", "id": call, "name": name, "input": self._input(name, number)}
        result = {"type": "tool_result", "tool_use_id": call, "content": self._result(name, number)}
        reminded = [_reminder("The list of things to do is empty.")] if number % 4 == 2 else []
        return [_answer(_sentence(number, "next"), use), _user(result, *reminded)]

    def _question(self, number: int) -> str:
        part = _PARTS[(number + len(self.topic)) % len(_PARTS)]
        return f"In {self.topic}, why does {part} fail? {_sentence(number, 'why')} Then mend it."

    def _input(self, name: str, number: int) -> Json:
        path = f"{FOLDER}/{_PARTS[number % len(_PARTS)]}.py"
        if name == "Bash":
            return {"command": f"pytest -q {path}", "description": "Runs the tests"}
        if name == "Read":
            return {"file_path": path}
        return {"file_path": path, "old_string": _code(number, 2), "new_string": _code(number, 3)}

    def _result(self, name: str, number: int) -> str:
        if name == "Read":
            lines = _code(number, 18).splitlines()
            return "\n".join(f"{at:6}\t{line}" for at, line in enumerate(lines, 1))
        if name == "Edit":
            return f"The file {FOLDER} was changed.\n{_code(number, 2)}"
        tests = [f"FAILED {each}.py::test_{number}_{each}" for each in _PARTS[: 2 + number % 3]]
        return "\n".join([*tests, f"{len(tests)} failed, {number + 7} passed in 0.{number}s"])


_TOOLS = {
    "Read": ("file_path", "offset", "limit"),
    "Edit": ("file_path", "old_string", "new_string", "replace_all"),
    "Write": ("file_path", "content"),
    "Bash": ("command", "timeout", "description"),
    "Glob": ("pattern", "path"),
    "Grep": ("pattern", "path", "glob", "output_mode"),
}


def _tool(name: str) -> Json:
    fields = {
        field: {"type": "string", "description": _sentence(name, field)} for field in _TOOLS[name]
    }
    return {
        "name": name,
        "description": f"{_described(name)} {_sentence(name, 1)} {_sentence(name, 2)}",
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": fields,
            "required": [_TOOLS[name][0]],
            "additionalProperties": False,
        },
    }


def _described(name: str) -> str:
    return f"{name} takes {', '.join(_TOOLS[name])}. {_sentence(name)}"


# ---------------------------------------------------------------- texts


def _digest(seed: object, length: int) -> str:
    return hashlib.sha256(str(seed).encode()).hexdigest()[:length]


def _sentence(*seed: object) -> str:
    """A sentence that belongs to its seed."""
    one, two, three, four, *_ = hashlib.sha256(repr(seed).encode()).digest()
    return (
        f"First {_VERBS[one % 10]} the {_PARTS[two % 10]} of day {one}, then {_VERBS[three % 10]}"
        f" whatever the {_PARTS[four % 10]} say about shelf {three}."
    )


def _rule(number: int) -> str:
    return f"- Rule {number}: {_sentence('rule', number)}"


def _skill(number: int) -> str:
    return f"- {_PARTS[number]}-{_VERBS[number]}: {_sentence('skill', number)}"


def _code(number: int, lines: int) -> str:
    part = _PARTS[number % 10]
    body = (
        f"    {_VERBS[(number + at) % 10]}_{part} = {part}.{_VERBS[at % 10]}({number * 31 + at})"
        for at in range(lines - 1)
    )
    return "\n".join((f"def {_VERBS[number % 10]}_{part}_{number}({part}):", *body))


# ---------------------------------------------------------------- messages


def _block(text: str, *, marked: bool = False) -> Json:
    mark = {"cache_control": {"type": "ephemeral"}} if marked else {}
    return {"type": "text", "text": text, **mark}


def _reminder(text: str) -> Json:
    return _block(f"<system-reminder>\n{text}\n</system-reminder>")


def _user(*parts: Json | str) -> Json:
    blocks = [_block(part) if isinstance(part, str) else part for part in parts]
    return {"role": "user", "content": blocks}


def _answer(text: str, *calls: Json) -> Json:
    return {"role": "assistant", "content": [_block(text), *calls]}


def _mark(message: Json) -> None:
    """Puts the mark of the prompt cache on the last block."""
    if isinstance(message["content"], list):
        message["content"][-1] = {
            **message["content"][-1],
            "cache_control": {"type": "ephemeral"},
        }
