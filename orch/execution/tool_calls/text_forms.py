"""Recognises tool calls that a model wrote as text, since its server knows no calls or not the form
of this model (pure).

A call stands alone or at the end of the answer, and its name is an offered one. Forms with markers
of their own (`<tool_call>`) are calls also where their arguments are wrong; JSON without a marker
may be an answer, and is a call only where `settle` finds its arguments right. Sources: the chat
templates of the models on huggingface.co; ggml-org/llama.cpp common/chat.cpp; vllm-project/vllm
vllm/tool_parsers; ollama/ollama model/parsers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from orch.execution.tool_calls.json_calls import (
    MAX_CALLS,
    WrittenCall,
    has_words_behind,
    json_calls,
    marked_json,
    sequence,
)
from orch.execution.tool_calls.names import match_name
from orch.execution.tool_calls.python_calls import parse_python_calls
from orch.execution.tool_calls.relaxed_json import MAX_CHARS, parse_strictly

_END_TOKENS = re.compile(
    r"(?:\s|<\|im_end\|>|<\|eot_id\|>|<\|eom_id\|>|<\|end\|>|<end_of_turn>|</s>)*\Z"
)


class WrittenCalls(NamedTuple):
    """The calls at the end of an answer, and the text before them. `marked`: in a form of their
    own, not as mere JSON. `closed`: with their end."""

    before: str
    calls: tuple[WrittenCall, ...]
    marked: bool
    closed: bool = True


_Read = Callable[[str], "list[WrittenCall] | None"]


class Form(NamedTuple):
    """A form of calls: how it begins, at the start of a line, and how all from there is read."""

    begins: re.Pattern[str]
    read: _Read
    marked: bool = True


def written_calls(text: str, names: Iterable[str]) -> WrittenCalls | None:
    """The calls that an answer ends with; None where it has none, or names no offered tool."""
    offered = list(names)
    if not offered or len(text) > MAX_CHARS:
        return None
    end = _END_TOKENS.search(text[-1_000:])
    body = text[: len(text) - len(end[0])] if end else text
    for form in FORMS:
        begin = form.begins.search(body)
        if begin is None or _is_within_fence(body[: begin.start()]):
            continue
        written = body[begin.start() :].strip()
        calls, before = form.read(written) or (), body[: begin.start()].rstrip()
        if not calls:
            continue
        is_known = all(match_name(each.name, offered) for each in calls)
        # behind its marker, and alone, a call of no offered tool is one that failed
        if len(calls) > MAX_CALLS or not (is_known or (form.marked and not before)):
            return None
        if introduces_example(before, marked=form.marked):
            return None
        return WrittenCalls(before, tuple(calls), form.marked, _is_closed(written))
    return None


def _is_closed(written: str) -> bool:
    """Whether calls have their end, so that nothing of them can be missing."""
    if written.endswith((">", "```")):
        return True
    try:
        parse_strictly(written)
    except ValueError:
        return False
    return True


def _is_within_fence(before: str) -> bool:
    return before.count("```") % 2 == 1


# ---------------------------------------------------------------- talk about calls

_EXAMPLE = (
    r"examples?|e\.g|for instance|looks? like|syntax|you (?:can|may) (?:use|call|write)|to call"
    r"|like (?:this|so)|as follows|(?:this|following) format|this is how|ejemplos?|sintaxis"
    r"|como sigue|de esta forma|este formato|as[íi] se|se escriben?"
)
_TALK = re.compile(rf"\b(?:{_EXAMPLE})\b", re.IGNORECASE)
_TALK_OF_JSON = re.compile(
    rf"\b(?:{_EXAMPLE}|would|could|should|might|such as|format|template|schema|sample|snippet"
    r"|how|(?:is|are) (?:written|called|made|invoked)|as[íi]|se (?:llama|usa|hace|invoca)n?"
    r"|formato|podr[íi]as?|deber[íi]as?|tools?|calls?|calling|functions?|arguments?|json"
    r"|herramientas?|llamadas?|llamar|funci[óo]n|argumentos?)\b",
    re.IGNORECASE,
)
MAX_LEAD_CHARS = 300
"""Of the text before a call, its end that is searched for words about examples."""


def introduces_example(before: str, *, marked: bool) -> bool:
    """Whether the text before a call speaks about calls, rather than announcing this one. Before
    JSON without a marker, more words count as such."""
    if not marked:
        return bool(_TALK_OF_JSON.search(before[-MAX_LEAD_CHARS:]))
    return bool(_TALK.search(before.rstrip()[-MAX_LEAD_CHARS:].rpartition("\n")[2]))


# ---------------------------------------------------------------- markers

_TAGS = r"tool_call|function_call|tool_use|tools|tool"
_FUNCTION = re.compile(r"<function=([\w.:/-]{1,200})>(.*?)(?:</function>|\Z)\s*", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([\w.:/-]{1,200})>\n?(.*?)\n?</parameter>\s*", re.DOTALL)
_GLM_PAIR = re.compile(r"<arg_key>([^<]*+)</arg_key>\s*<arg_value>(.*?)</arg_value>\s*", re.DOTALL)


def _tagged(text: str) -> list[WrittenCall] | None:
    """`<tool_call>…</tool_call>`, once or several times, the last perhaps without its end."""
    calls: list[WrittenCall] = []
    opening = re.match(rf"<({_TAGS})>", text)
    tag = opening[1] if opening else ""
    for part in re.split(rf"</{tag}>\s*(?=<{tag}>|\Z)", text):
        if not part.strip():
            continue
        if not part.startswith(f"<{tag}>"):
            return None
        found = _tag_body(part.removeprefix(f"<{tag}>").strip())
        if not found:
            return None
        calls += found
    return calls


def _tag_body(body: str) -> list[WrittenCall] | None:
    if body.startswith("<function="):
        return _functions(body)
    if "<arg_key>" in body:
        return _glm(body)
    return marked_json(_without_fence(body))


def _functions(text: str) -> list[WrittenCall] | None:
    """`<function=name>` with JSON, as Llama 3.1 writes it, or with parameters, as Qwen3-Coder."""
    calls: list[WrittenCall] = []
    at = 0
    while match := _FUNCTION.match(text, at):
        body, at = match[2].strip(), match.end()
        arguments: Any = body
        if body.startswith("<parameter="):
            arguments = _parameters(_PARAMETER, body)
        elif not body:
            arguments = {}
        if arguments is None:
            return None
        calls.append(WrittenCall(match[1], arguments))
    return calls if not text[at:].replace("</tool_call>", "").strip() else None


def _parameters(pattern: re.Pattern[str], body: str) -> dict[str, Any] | None:
    """Parameters as texts: `settle` converts those that the schema has as something else."""
    found: dict[str, Any] = {}
    at = 0
    while match := pattern.match(body, at):
        if match[1] in found:
            return None
        found[match[1]], at = match[2], match.end()
    return None if body[at:].strip() else found


def _glm(body: str) -> list[WrittenCall] | None:
    """`name`, then pairs of tags: GLM 4.5 and later."""
    name, _, rest = body.partition("<arg_key>")
    arguments = _parameters(_GLM_PAIR, f"<arg_key>{rest}")
    return None if arguments is None else [WrittenCall(name.strip(), arguments)]


def _mistral(text: str) -> list[WrittenCall] | None:
    """`[TOOL_CALLS]` with a list, or with `name{…}` or `name[ARGS]{…}`, once or several times."""
    body = text.removeprefix("[TOOL_CALLS]").strip()
    if body.startswith(("[", "{")):
        return marked_json(body)
    calls = []
    for part in text.split("[TOOL_CALLS]")[1:]:
        match = re.match(r"\s*([\w.:/-]{1,200})\s*+(?:\[ARGS\]\s*+)?(?=\{)", part)
        if match is None:
            return None
        arguments = part[match.end() :].strip()
        if has_words_behind(arguments):
            return None
        calls.append(WrittenCall(match[1], arguments))
    return calls


def _python_tag(text: str) -> list[WrittenCall] | None:
    return marked_json(text.removeprefix("<|python_tag|>").strip())


def _granite(text: str) -> list[WrittenCall] | None:
    body = re.sub(r"^<\|tool_call\|?>|<\|?/tool_call\|>$", "", text).strip()
    return marked_json(body)


_DEEPSEEK = re.compile(
    r"<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?([\w.:/-]{1,200})(?:<｜tool▁sep｜>|\s)\s*+"
    r"(.*?)<｜tool▁call▁end｜>\s*",
    re.DOTALL,
)


def _deepseek(text: str) -> list[WrittenCall] | None:
    """DeepSeek V3 and R1 (arguments in a fence) and V3.1 (bare)."""
    body = re.sub(r"^<｜tool▁calls▁begin｜>\s*|<｜tool▁calls▁end｜>$", "", text)
    calls, at = list[WrittenCall](), 0
    while match := _DEEPSEEK.match(body, at):
        calls.append(WrittenCall(match[1], _without_fence(match[2].rstrip())))
        at = match.end()
    return calls if not body[at:].strip() else None


def _functionary(text: str) -> list[WrittenCall] | None:
    """`>>>name`, and the arguments on the next line."""
    name, _, arguments = text.removeprefix(">>>").partition("\n")
    if has_words_behind(arguments.strip()):
        return None
    return [WrittenCall(name.strip(), arguments.strip())]


# ---------------------------------------------------------------- fences

# possessive: thousands of blanks behind a fence are a usual way for a small model to go astray
_FENCE = re.compile(r"```[ \t]*+([\w-]*+)[ \t]*+\n(.*?)(?:\n?```[ \t]*|\Z)", re.DOTALL)


def _without_fence(text: str) -> str:
    match = _FENCE.fullmatch(text)
    return match[2].strip() if match else text


def _fenced_json(text: str) -> list[WrittenCall] | None:
    """Fences with JSON, and nothing beside them."""
    calls: list[WrittenCall] = []
    at = 0
    while match := _FENCE.match(text, at):
        body, at = match[2].strip(), match.end()
        found = _tagged(body) if re.match(rf"<(?:{_TAGS})>", body) else _json_or_sequence(body)
        if not found:
            return None
        calls += found
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
    return calls if at == len(text) else None


def _json_or_sequence(text: str) -> list[WrittenCall] | None:
    return json_calls(text) or sequence(text)


def _tool_code(text: str) -> list[WrittenCall] | None:
    """Gemma's ```tool_code```: Python calls with literals by name."""
    match = _FENCE.fullmatch(text)
    if match is None:
        return None
    return [WrittenCall(*call) for call in parse_python_calls(match[2])] or None


FORMS: Sequence[Form] = (
    Form(re.compile(rf"(?m:^)[ \t]*<(?:{_TAGS})>"), _tagged),
    Form(re.compile(r"(?m:^)[ \t]*<function="), _functions),
    Form(re.compile(r"\[TOOL_CALLS\]"), _mistral),
    Form(re.compile(r"<\|python_tag\|>"), _python_tag),
    Form(re.compile(r"<\|tool_call\|?>"), _granite),
    Form(re.compile(r"<｜tool▁calls?▁begin｜>"), _deepseek),
    Form(re.compile(r"\A>>>(?!all\b)[\w.-]+\n\{"), _functionary),
    Form(re.compile(r"(?m:^)```[ \t]*tool_code[ \t]*\n"), _tool_code),
    Form(
        re.compile(r"(?m:^)```[ \t]*+(?:json|tool_call|xml|)[ \t]*+\n\s*[{\[<]"),
        _fenced_json,
        False,
    ),
    Form(re.compile(r"(?m:^)(?=[{\[])"), _json_or_sequence, False),
)
"""Every form, those with markers first."""
