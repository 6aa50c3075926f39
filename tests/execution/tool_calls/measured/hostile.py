"""Answers and schemas that are made to take long, settled one after the other, as a command: prints
the name of each before it and what came of it behind it. Where it never ends, the last line says at
what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orch.execution.tool_calls import settle

Json = dict[str, Any]
LENGTH = 400_000
"""In characters: what grows with the square of its length does not end at that."""
SMALL = ('{"a": "' + "a" * 40 + '!"}', "{'a': 7,}", '{"b": "c"}')
ANY = {"type": "object"}
TEXT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def arguments() -> Iterator[tuple[str, str]]:
    """Long arguments, and deep ones."""
    yield "valid text", '{"a": "' + "x" * LENGTH + '"}'
    yield "text without an end", '{"a": "' + "x" * LENGTH
    yield "fenced text", '```json\n{"a": "' + "x" * LENGTH + '"}\n```'
    yield "text of newlines", '{"a": "' + "\n" * LENGTH + '"}'
    yield "text of backslashes", '{"a": "' + "\\" * (LENGTH + 1) + '"}'
    yield "text of invalid escapes", '{"a": "' + "\\d" * (LENGTH // 2) + '"}'
    yield "text of quotes", '{"a": "' + '"' * LENGTH + '"}'
    yield "single quotes", "{'a': '" + "it's " * (LENGTH // 5) + "'}"
    yield "quoted commas", '{"a": "' + '", "' * (LENGTH // 4) + '"}'
    yield "commas", '{"a": [' + "," * LENGTH + "]}"
    yield "spaces", '{"a": "b"' + " " * LENGTH
    yield "newlines before prose", '{"a": "b"}' + "\n" * LENGTH + "so"
    yield "comments", '{"a": "b"' + "/*" * (LENGTH // 2) + "}"
    yield "line comments", '{"a": "b"' + "//\n" * (LENGTH // 3) + "}"
    yield "fences", "```json\n" * (LENGTH // 8)
    yield "open braces", "{" * LENGTH
    yield "open brackets", '{"a": ' + "[" * LENGTH
    yield "open pairs", '{"a":' * (LENGTH // 5)
    yield "closed braces", '{"a": "b"' + "}" * LENGTH
    yield "deep and whole", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"
    yield "deep python", "{'a': " + "(" * 100_000
    yield "a long number", '{"a": ' + "9" * LENGTH + "}"
    yield "a long number as text", '{"a": "' + "9" * LENGTH + '"}'
    yield "many keys", "{" + ", ".join(f'"{i}": {i}' for i in range(LENGTH // 20)) + "}"
    yield "one key again and again", "{" + '"a": "b", ' * (LENGTH // 10) + '"a": "c",}'
    yield "many objects", '{"a": "b"}' * (LENGTH // 10)
    yield "smart quotes", "{“a”: “" + "“”" * (LENGTH // 2) + "”}"
    encoded = '{"a": "b"}'
    for _ in range(18):
        encoded = '"' + encoded.replace("\\", "\\\\").replace('"', '\\"') + '"'
    yield "encoded eighteen times", encoded


def texts() -> Iterator[tuple[str, str]]:
    """Long answers in which a call may begin anywhere."""
    call = '{"name": "tool", "arguments": {"a": "b"}}'
    yield "opened tags", "<tool_call>" * (LENGTH // 11)
    yield "tags with half a call", '<tool_call>{"name": "tool"' * (LENGTH // 26)
    yield "closed tags", "</tool_call>" * (LENGTH // 12)
    yield "many calls", f"<tool_call>{call}</tool_call>" * (LENGTH // 70)
    yield "fences in text", "```json\n" * (LENGTH // 8)
    yield "fenced calls", f"```json\n{call}\n```\n" * (LENGTH // 60)
    yield "opened functions", "<function=tool>" * (LENGTH // 15)
    yield "opened parameters", "<function=tool>" + "<parameter=a>" * (LENGTH // 13)
    yield "thoughts", "<think>" * (LENGTH // 7)
    yield "marks of lists", "[TOOL_CALLS]" * (LENGTH // 12)
    yield "marks and brackets", "[TOOL_CALLS][" * (LENGTH // 13)
    yield "names with marks", "tool[ARGS]" * (LENGTH // 10)
    yield "braces in text", "{" * LENGTH
    yield "names in text", '{"name": "tool", "arguments": ' * (LENGTH // 30)
    yield "python calls", "[" + "tool(a=" * (LENGTH // 7)
    yield "blank lines", "\n" * LENGTH + "the end"
    yield "plain words", "well, " * (LENGTH // 6)


def schemas() -> Iterator[tuple[str, Any]]:
    """Schemas of a client that means harm, or knows no better."""
    yield "a reference to itself", {"$ref": "#"}
    yield (
        "references in a ring",
        {
            "$ref": "#/$defs/a",
            "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}},
        },
    )
    yield "doubling", {"$ref": "#/$defs/n40", "$defs": _doubling(40)}
    yield "a slow pattern", _of_a({"type": "string", "pattern": "^(a+)+$"})
    yield "a slower pattern", _of_a({"type": "string", "pattern": "(.*)*(.*)*(.*)*x"})
    yield "no pattern at all", _of_a({"type": "string", "pattern": "(["})
    yield "a slow name pattern", {"type": "object", "patternProperties": {"^(a+)+$": {}}}
    yield "deep", _deep(5_000)
    yield (
        "wide",
        {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(99_999)}},
    )
    yield "a long enum", _of_a({"enum": [f"v{i}" for i in range(200_000)]})
    yield (
        "many choices",
        _of_a({"anyOf": [{"type": "integer", "minimum": i} for i in range(50_000)]}),
    )
    odds: list[Any] = [None, True, False, 5, "object", [], [{}]]
    for odd in odds:
        yield f"{odd!r} for a schema", odd
        yield f"{odd!r} for an argument", _of_a(odd)
        for key in ("type", "properties", "required", "enum", "items", "additionalProperties"):
            yield f"{key}: {odd!r}", {**TEXT, key: odd}
        for key in ("type", "anyOf", "$ref", "pattern", "minLength", "const", "enum"):
            yield f"{key} of an argument: {odd!r}", _of_a({key: odd})


def _of_a(schema: Any) -> Json:
    return {"type": "object", "properties": {"a": schema}, "required": ["a"]}


def _doubling(depth: int) -> Json:
    steps = {f"n{i}": {"anyOf": [{"$ref": f"#/$defs/n{i - 1}"}] * 2} for i in range(1, depth + 1)}
    return {"n0": {"type": "integer"}, **steps}


def _deep(depth: int) -> Json:
    schema: Json = {"type": "string"}
    for _ in range(depth):
        schema = _of_a(schema)
    return schema


def _settle(text: str, written: list[str], schema: Any) -> str:
    calls = [{"function": {"name": "tool", "arguments": each}} for each in written]
    tools = [{"type": "function", "function": {"name": "tool", "parameters": schema}}]
    settled = settle(text, calls, tools)
    return settled.fault[:99] or f"{len(settled.calls)} calls, {len(settled.text)} characters"


def main() -> None:
    """Settles everything."""
    for name, written in arguments():
        for schema in (ANY, TEXT):
            print(f"arguments, {name}:", end=" ", flush=True)
            print(_settle("", [written], schema), flush=True)
    for name, text in texts():
        print(f"text, {name}:", end=" ", flush=True)
        print(_settle(text, [], TEXT), flush=True)
    for name, schema in schemas():
        print(f"schema, {name}:", end=" ", flush=True)
        print([_settle("", [each], schema) for each in SMALL], flush=True)
    print("settled all", flush=True)


if __name__ == "__main__":
    main()
