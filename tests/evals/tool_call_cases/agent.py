"""Tiny tasks done by a real small model with tools, with the checks of tool calls and without:
`uv run python -m tests.evals.tool_call_cases.agent --ollama URL --model NAME [--json]`.

A loop over OpenAI's client through a real `orch serve`: the model is asked until it calls no tool,
at most five times, and what it did to a folder, or said, is looked at. Temperature 0.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import openai

from tests.evals.tool_call_cases.clients import orch_home
from tests.support.http_server import served

Json = dict[str, Any]
STEPS, TOKENS = 5, 60
MODELS = """version: 1
providers: {{ollama: {{kind: ollama, base_url: "{url}"}}}}
models: [{{id: "{model}", provider: ollama, context_window: 8192, num_ctx: 2048}}]
"""
S = {"type": "string"}


def _tool(name: str, description: str, *names: str) -> Json:
    schema = {"type": "object", "properties": dict.fromkeys(names, S), "required": list(names)}
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}


TOOLS = [
    _tool("read_file", "Gives the text of a file.", "path"),
    _tool("list_folder", "Gives the names in a folder.", "path"),
    _tool("write_file", "Writes a file.", "path", "content"),
]


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for, and how to see in the folder and the last answer that it was done."""

    prompt: str
    files: dict[str, str]
    done: Callable[[Path, str], bool]


@dataclass(slots=True)
class Tried:
    """What came of a task."""

    prompt: str
    done: bool = False
    requests: int = 0
    calls: int = 0
    valid: int = 0
    """Calls with the name and the arguments of a tool that was offered."""


def _tasks() -> list[Task]:
    tasks = []
    for file, number in [("age.txt", "37"), ("price.txt", "120"), ("port.txt", "8080")]:
        said = _says(number)
        tasks.append(Task(f"Read the file {file} and say the number in it.", {file: number}, said))
    for file, word in [("color.txt", "blue"), ("city.txt", "Lugo"), ("pet.txt", "parrot")]:
        said = _says(word)
        tasks.append(Task(f"Which word is in the file {file}?", {file: word}, said))
    for folder, name in [("photos", "beach.jpg"), ("docs", "plan.md"), ("music", "jota.mp3")]:
        said = _says(name)
        tasks.append(
            Task(f"Which files are in the folder {folder}?", {f"{folder}/{name}": ""}, said)
        )
    for file, line in [("greeting.txt", "hello"), ("todo.txt", "call Ana"), ("n.txt", "42")]:
        prompt = f"Write the line {line} into the file {file}."
        tasks.append(Task(prompt, {}, _holds(file, line)))
    return tasks


def _says(word: str) -> Callable[[Path, str], bool]:
    return lambda folder, answer: word in answer and "<tool_call>" not in answer


def _holds(file: str, line: str) -> Callable[[Path, str], bool]:
    return lambda folder, _: (
        (folder / file).is_file() and ((folder / file).read_text().strip() == line)
    )


def run_tool(folder: Path, name: str, arguments: Any) -> str:
    """What a tool gives; a path leads nowhere but into the folder."""
    try:
        path = (folder / arguments["path"]).resolve()
        if not path.is_relative_to(folder.resolve()):
            return "error: outside the folder"
        if name == "read_file":
            return str(path.read_text())
        if name == "list_folder":
            return ", ".join(sorted(each.name for each in path.iterdir()))
        path.write_text(arguments["content"])
        return "written"
    except (OSError, KeyError, TypeError, ValueError) as error:
        return f"error: {type(error).__name__}"


def attempt(task: Task, client: openai.OpenAI, model: str) -> Tried:
    """One task in a folder of its own."""
    tried, messages = Tried(task.prompt), [{"role": "user", "content": task.prompt}]
    with tempfile.TemporaryDirectory() as name:
        folder, answer = Path(name), ""
        for path, text in task.files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        while tried.requests < STEPS:
            message = _ask(client, model, messages)
            tried.requests += 1
            answer = message.get("content") or ""
            messages.append(message)
            if not message.get("tool_calls"):
                break
            messages += [_result(folder, call, tried) for call in message["tool_calls"]]
        tried.done = task.done(folder, answer)
    return tried


def _ask(client: openai.OpenAI, model: str, messages: list[Json]) -> Json:
    body: Any = {"model": model, "messages": messages, "tools": TOOLS, "temperature": 0}
    try:
        answer = client.chat.completions.create(**body, max_tokens=TOKENS)
    except openai.APIStatusError as error:
        return {"role": "assistant", "content": f"error: {error.message}"}
    return dict(answer.choices[0].message.model_dump(exclude_none=True))


def _result(folder: Path, call: Json, tried: Tried) -> Json:
    function = call["function"]
    try:
        arguments = json.loads(function["arguments"])
    except ValueError:
        arguments = None
    tried.calls += 1
    tried.valid += _is_valid(function["name"], arguments)
    content = run_tool(folder, function["name"], arguments)
    return {"role": "tool", "tool_call_id": call["id"], "content": content}


def _is_valid(name: str, arguments: Any) -> bool:
    required = {each["function"]["name"]: each["function"]["parameters"] for each in TOOLS}
    return name in required and (
        isinstance(arguments, dict)
        and set(required[name]["required"]) <= set(arguments)
        and all(isinstance(each, str) for each in arguments.values())
    )


def measure(url: str, model: str, tool_calls: str, n: int) -> Json:
    """All tasks through a server with that setting."""
    with orch_home(MODELS.format(url=url, model=model), tool_calls), served() as there:
        client = openai.OpenAI(base_url=f"{there}/v1", api_key="none", max_retries=0, timeout=900)
        with client:
            tried = []
            for task in _tasks()[:n]:
                tried.append(attempt(task, client, model))
                print(json.dumps(asdict(tried[-1])), file=sys.stderr)
    names = ("requests", "calls", "valid", "done")
    return {"n": len(tried), **{name: sum(getattr(each, name) for each in tried) for name in names}}


def main() -> None:
    """Prints the counts of both settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ollama", required=True, metavar="URL")
    parser.add_argument("--model", required=True)
    parser.add_argument("--tool-calls", choices=("as_is", "checked"), action="append")
    parser.add_argument("--tasks", type=int, default=99, help="the first N tasks")
    parser.add_argument("--json", action="store_true", help="the default: one object on stdout")
    asked = parser.parse_args()
    settings = asked.tool_calls or ["as_is", "checked"]
    report = {each: measure(asked.ollama, asked.model, each, asked.tasks) for each in settings}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
