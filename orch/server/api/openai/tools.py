"""Translates a request's tools to the functions that orch passes on, and a call's name back to the
one that its client knows (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from orch.server.api.field_path import field_error

Item = dict[str, Any]
FIELDS = ("name", "description", "parameters", "strict")
_JSON_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


class FunctionTools(NamedTuple):
    """The supported tools of a request. `members` maps every name that a model may use for a
    namespaced function to its namespace and name."""

    functions: list[Item]
    members: dict[str, tuple[str, str]]
    warnings: tuple[str, ...]

    @property
    def names(self) -> set[str]:
        """The functions' names, as the model sees them."""
        return {
            str(each["function"].get("name"))
            for each in self.functions
            if isinstance(each.get("function"), dict)
        }


class ToolChoice(NamedTuple):
    """Whether and which tool is to be called, as in chat completions; None leaves it unset."""

    value: str | Item | None = None
    warnings: tuple[str, ...] = ()


def namespaced_name(namespace: str, name: str) -> str:
    """The model's name for a namespaced function: not every server allows dots in names."""
    return f"{namespace}__{name}" if namespace else name


def tools_from_responses(tools: Sequence[Item]) -> FunctionTools:
    """The tools of Responses: functions, including namespaced ones. Tools that OpenAI or the
    client's own grammar runs are ignored.

    Raises OrchError (`bad_input`) for a function without a name, or with parameters that are not a
    schema.
    """
    functions, pairs, left = [], list[tuple[str, str]](), list[Item]()
    for place, namespace, tool in _each(tools):
        if tool.get("type") != "function":
            left.append(tool)
            continue
        name = _name(tool, place)
        _check_parameters(tool, place)
        pairs.append((namespace, name))
        fields = {field: tool[field] for field in FIELDS if tool.get(field) is not None}
        functions.append(
            {"type": "function", "function": {**fields, "name": namespaced_name(namespace, name)}}
        )
    return FunctionTools(functions, members_of(pairs), _warnings(left))


def tools_from_chat(tools: Sequence[Item]) -> FunctionTools:
    """The tools of chat completions and of Ollama: those that are functions. Raises OrchError
    (`bad_input`) as `tools_from_responses`."""
    kinds = ("function", None)
    left = [tool for tool in tools if tool.get("type") not in kinds]
    for number, tool in enumerate(tools):
        if tool.get("type") == "function":
            _check_function(tool.get("function"), f"tools.{number}.function")
    return FunctionTools([tool for tool in tools if tool.get("type") in kinds], {}, _warnings(left))


def _each(tools: Sequence[Item]) -> Iterator[tuple[str, str, Item]]:
    """Every tool with its place in the body and its namespace, if any."""
    for number, tool in enumerate(tools):
        place = f"tools.{number}"
        if tool.get("type") != "namespace":
            yield place, "", tool
            continue
        inner = tool.get("tools")
        for position, member in enumerate(inner if isinstance(inner, list) else ()):
            yield (
                f"{place}.tools.{position}",
                _name(tool, place),
                member if isinstance(member, dict) else {},
            )


def _name(tool: Item, place: str) -> str:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise field_error(f"{place}.name", "must be a text")
    return name


def _check_function(function: Any, place: str) -> None:
    if not isinstance(function, dict):
        raise field_error(place, "must be an object with a name and parameters")
    _name(function, place)
    _check_parameters(function, place)


def _check_parameters(tool: Item, place: str) -> None:
    """The outermost level only: tools of a hundred kilobytes come with every request of an
    agent."""
    schema, place = tool.get("parameters"), f"{place}.parameters"
    if schema is None:
        return
    if not isinstance(schema, dict):
        raise field_error(place, "must be a JSON Schema, an object")
    kinds = schema.get("type", "object")
    names = kinds if isinstance(kinds, list) else [kinds]
    if not all(isinstance(each, str) and each in _JSON_TYPES for each in names):
        raise field_error(f"{place}.type", "is not a type of JSON Schema")
    if not isinstance(schema.get("properties") or {}, dict):
        raise field_error(f"{place}.properties", "must be an object")


def members_of(pairs: Sequence[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """`members` of `FunctionTools` from namespaces and names.

    Small models call a function by its bare name, or with a dot: accepted if it is unambiguous.
    """
    often = Counter(name for _, name in pairs)
    known: dict[str, tuple[str, str]] = {}
    for namespace, name in pairs:
        if namespace:
            known |= {
                namespaced_name(namespace, name): (namespace, name),
                f"{namespace}.{name}": (namespace, name),
            }
            known |= {name: (namespace, name)} if often[name] == 1 else {}
    return known


def _warnings(left: Sequence[Item]) -> tuple[str, ...]:
    """A warning for each kind of ignored tool, with its name if it has one."""
    return tuple(
        dict.fromkeys(
            f"the tool {_called(tool)} was ignored: orch supports functions only" for tool in left
        )
    )


def _called(tool: Item) -> str:
    kind, inner = tool.get("type"), tool.get(str(tool.get("type")))
    name = tool.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
    return " ".join(str(each) for each in (kind, name) if each) or "without a type"


def parse_tool_choice(choice: Any, names: Collection[str]) -> ToolChoice:
    """`tool_choice` for the functions of these names; if it refers to an ignored tool, the model
    chooses. Raises OrchError (`bad_input`) for one that is malformed."""
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        mode = choice.get("mode") or _object(choice, "allowed_tools").get("mode")
        choice = mode if isinstance(mode, str) and mode else "auto"
    if isinstance(choice, str):
        return ToolChoice(choice) if names else ToolChoice(warnings=_ignored(choice))
    if not choice:
        return ToolChoice()
    if not isinstance(choice, dict):
        raise field_error("tool_choice", "must be a text or an object")
    name = choice.get("name") or _object(choice, "function").get("name")
    called = namespaced_name(str(choice.get("namespace") or ""), str(name))
    if choice.get("type") != "function" or called not in names:
        return ToolChoice(warnings=_ignored(str(name or choice.get("type"))))
    return ToolChoice({"type": "function", "function": {"name": called}})


def _object(choice: Item, field: str) -> Item:
    """An object within a choice. Raises OrchError (`bad_input`) for anything else."""
    inner = choice.get(field) or {}
    if not isinstance(inner, dict):
        raise field_error(f"tool_choice.{field}", "must be an object")
    return inner


def _ignored(choice: str) -> tuple[str, ...]:
    return (
        ()
        if choice in ("auto", "none")
        else (f"tool_choice {choice} was ignored: there is no such function",)
    )


def original_name(name: str, members: dict[str, tuple[str, str]]) -> dict[str, str]:
    """A call's name as its client knows it: a namespaced function has namespace and name in
    separate fields."""
    if name not in members:
        return {"name": name}
    namespace, bare = members[name]
    return {"name": bare, "namespace": namespace}
