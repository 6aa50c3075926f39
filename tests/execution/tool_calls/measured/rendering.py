"""Random tool schemas, valid arguments for them, and the ways in which models write them wrongly.

Each way keeps the arguments whole, so that a repair can only give them back; that `repair` may also
find a fault instead is for the measurement to say.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.evals.tool_call_cases.verdicts import Case

Json = dict[str, Any]
Way = Callable[[Any, Json, random.Random], str]
"""Writes a value of a schema."""
PIECES = [
    *"abc ñ 日 \" ' \\ \n \t { } [ ] , : 1 - # & < > ` $ / * ; = ( )".split(" "),
    *(" ", "\\n", '\\"', "\\u0041", "```", "```json\n", "<tool_call>", "</tool_call>", "null"),
    *("None", "True", "false", "//", "/*", "*/", '"}', "'}", '{"a": 1}', ", ", '": "', "', '"),
    *("[TOOL_CALLS]", "<think>", "</think>", "“", "”", "\u2028", "\x7f", "😀", "C:\\new", "12"),
]
"""What strings are made of: whatever a repair could take for syntax."""
NAMES = ["path", "content", "limit", "flags", "items", "name", "arguments", "unit", "a", "b_c", "é"]


def schema_of(chance: random.Random, depth: int = 2) -> Json:
    """A random schema of an argument."""
    kinds = ["string"] * 3 + ["integer", "number", "boolean", "enum", "nullable"]
    kind = chance.choice(kinds + (["array", "object"] if depth else []))
    if kind == "enum":
        return {"type": "string", "enum": chance.sample(["red", "Blue", "5", "no", "dos"], 3)}
    if kind == "nullable":
        return {"type": [chance.choice(["string", "integer", "boolean"]), "null"]}
    if kind == "array":
        return {"type": "array", "items": schema_of(chance, depth - 1)}
    return object_schema(chance, depth - 1) if kind == "object" else {"type": kind}


def object_schema(chance: random.Random, depth: int = 2) -> Json:
    """A random schema of an object."""
    names = chance.sample(NAMES, chance.randrange(1, 5))
    properties = {name: schema_of(chance, depth) for name in names}
    required = [name for name in names if chance.random() < 0.6]
    closed = {"additionalProperties": False} if chance.random() < 0.5 else {}
    return {"type": "object", "properties": properties, "required": required, **closed}


def value_of(schema: Json, chance: random.Random) -> Any:
    """A valid value."""
    if "enum" in schema:
        return chance.choice(schema["enum"])
    kind = schema["type"]
    if isinstance(kind, list):
        return None if chance.random() < 0.3 else value_of({"type": kind[0]}, chance)
    return VALUES[kind](schema, chance)


def text_of(chance: random.Random) -> str:
    """A string of hostile pieces."""
    return "".join(chance.choice(PIECES) for _ in range(chance.randrange(0, 7)))


def _object_of(schema: Json, chance: random.Random) -> Json:
    given = {
        name: value_of(each, chance)
        for name, each in schema["properties"].items()
        if name in schema["required"] or chance.random() < 0.5
    }
    return dict(chance.sample(list(given.items()), len(given)))


VALUES: dict[str, Callable[[Json, random.Random], Any]] = {
    "string": lambda _, chance: text_of(chance),
    "integer": lambda _, chance: chance.choice([0, 1, -7, 250, 10**20]),
    "number": lambda _, chance: chance.choice([0, 2.5, -0.001, 1e-7, 3, 1e300]),
    "boolean": lambda _, chance: chance.random() < 0.5,
    "array": lambda schema, chance: [
        value_of(schema["items"], chance) for _ in range(chance.randrange(0, 4))
    ],
    "object": _object_of,
}


# ---------------------------------------------------------------- ways to write it


def plain(value: Any, schema: Json, chance: random.Random) -> str:
    """As JSON, in one of its layouts."""
    ascii_only, indent = chance.random() < 0.5, chance.choice([None, None, 2])
    return json.dumps(value, ensure_ascii=ascii_only, indent=indent)


def fenced(value: Any, schema: Json, chance: random.Random) -> str:
    word = chance.choice(["json", "", "JSON"])
    return f"```{word}\n{plain(value, schema, chance)}\n```"


def python(value: Any, schema: Json, chance: random.Random) -> str:
    """As Python prints it."""
    return repr(value)


def encoded_twice(value: Any, schema: Json, chance: random.Random) -> str:
    return json.dumps(json.dumps(value))


def trailing_commas(value: Any, schema: Json, chance: random.Random) -> str:
    return layout(value, end=",")


def commented(value: Any, schema: Json, chance: random.Random) -> str:
    return layout(value, end=" /* and, so: on */ ")


def raw_newlines(value: Any, schema: Json, chance: random.Random) -> str:
    """Control characters in strings as they are."""
    return layout(value, string=_with_raw_newlines)


def without_last_brace(value: Any, schema: Json, chance: random.Random) -> str:
    return json.dumps(value)[:-1]


def nested_as_text(value: Any, schema: Json, chance: random.Random) -> str:
    """Numbers, booleans, arrays and objects inside the arguments as strings."""
    properties = schema["properties"]
    pairs = {name: _as_text(each, properties.get(name, {})) for name, each in value.items()}
    return json.dumps(pairs)


def nulls_for_absent(value: Any, schema: Json, chance: random.Random) -> str:
    """null for each optional argument that is not given and may not be null."""
    absent = [
        name
        for name, each in schema["properties"].items()
        if name not in value and name not in schema["required"] and "null" not in each["type"]
    ]
    return json.dumps(value | dict.fromkeys(absent))


def two_ways(value: Any, schema: Json, chance: random.Random) -> str:
    """A trailing comma inside a fence, or the like."""
    inner = chance.choice([python, trailing_commas, raw_newlines, nested_as_text])
    outer = chance.choice(["```json\n{}\n```", "\n {} \n", "{}\n\n"])
    return outer.replace("{}", inner(value, schema, chance), 1)


WAYS: list[Way] = [
    *(fenced, python, encoded_twice, trailing_commas, commented, raw_newlines),
    *(without_last_brace, nested_as_text, nulls_for_absent, two_ways),
]


def tagged(value: Any, schema: Json, chance: random.Random) -> str:
    """An answer with a call in tags."""
    before = chance.choice(["", "Let me see.\n", "<think>\nhm\n</think>\n"])
    return f"{before}<tool_call>\n{_named(value, chance)}\n</tool_call>"


def fenced_text(value: Any, schema: Json, chance: random.Random) -> str:
    """An answer that is a call in a fence."""
    return f"```json\n{_named(value, chance)}\n```"


def bare_text(value: Any, schema: Json, chance: random.Random) -> str:
    """An answer that is a call."""
    return _named(value, chance)


def _named(value: Any, chance: random.Random) -> str:
    key, indent = chance.choice(["arguments", "parameters"]), chance.choice([None, 2])
    return json.dumps({"name": "tool", key: value}, ensure_ascii=False, indent=indent)


TEXT_WAYS: list[Way] = [tagged, fenced_text, bare_text]


def layout(value: Any, end: str = "", string: Callable[[str], str] = json.dumps) -> str:
    """JSON with something before each closing bracket that has a value before it."""
    if isinstance(value, dict):
        pairs = [f"{string(name)}: {layout(each, end, string)}" for name, each in value.items()]
        return "{" + ", ".join(pairs) + (end if pairs else "") + "}"
    if isinstance(value, list):
        items = [layout(each, end, string) for each in value]
        return "[" + ", ".join(items) + (end if items else "") + "]"
    return string(value) if isinstance(value, str) else json.dumps(value)


def _with_raw_newlines(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False).replace("\\\\", "\x00")
    return escaped.replace("\\n", "\n").replace("\\t", "\t").replace("\x00", "\\\\")


def _as_text(value: Any, schema: Json) -> Any:
    kind = schema.get("type")
    return json.dumps(value) if isinstance(kind, str) and kind != "string" else value


def random_cases(n: int) -> Iterator[Case]:
    """n calls for each way, and n valid ones."""
    for way in [plain, *WAYS]:
        chance = random.Random(way.__name__)
        for index in range(n):
            schema = object_schema(chance)
            value = value_of(schema, chance)
            written = way(value, schema, chance)
            function = {"name": "tool", "arguments": written}
            tool = {"type": "function", "function": {"name": "tool", "parameters": schema}}
            yield Case(
                f"{way.__name__}-{index}",
                way.__name__,
                "drawn",
                [tool],
                "",
                [{"id": "c", "type": "function", "function": function}],
                "as_is" if way is plain or is_valid_already(written, value) else "repaired",
                [("tool", value)],
            )


def is_valid_already(written: str, value: Any) -> bool:
    """Whether a way had nothing to change."""
    try:
        return bool(json.loads(written) == value)
    except ValueError:
        return False
