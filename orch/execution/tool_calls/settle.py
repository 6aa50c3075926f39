"""Decides what becomes of the tool calls of a whole answer: as they are, repaired, or a fault
(pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from orch.execution.tool_calls.arguments import as_json, repair
from orch.execution.tool_calls.faults import NO_CALL, bad_arguments, unknown_tool
from orch.execution.tool_calls.names import match_name, tool_function
from orch.execution.tool_calls.text_forms import written_calls
from orch.execution.tool_calls.tool_schemas import tool_schema

Call = dict[str, Any]
Tools = Sequence[Mapping[str, Any]]
MAX_CALLS = 1_000
_CUT = "was cut off at the token limit"


class Settled(NamedTuple):
    """An answer for the client. `repairs` has a word for each repair, `fault` says why the calls
    can't be used, which are then as they came; empty if they can."""

    text: str
    calls: list[Call]
    repairs: tuple[str, ...] = ()
    fault: str = ""


class Offer(NamedTuple):
    """The tools of a request by name, and whether one must, or none may, be called: `choice` is
    `auto`, `required`, `none` or the name of a tool."""

    tools: dict[str, Any]
    choice: str = "auto"

    @property
    def names(self) -> list[str]:
        """The names in their order."""
        return list(self.tools)


def offer_of(tools: Tools | None, choice: Any = None) -> Offer:
    """The offer of a request's `tools` and `tool_choice`."""
    functions = [tool_function(tool) for tool in tools or ()]
    named = {str(each["name"]): each.get("parameters") for each in functions if each.get("name")}
    if isinstance(choice, Mapping):
        choice = tool_function(choice).get("name")
    elif choice == "any":  # Mistral's word
        choice = "required"
    is_known = isinstance(choice, str) and (choice in ("required", "none") or choice in named)
    return Offer(named, str(choice) if is_known else "auto")


def settle(
    answer_text: str,
    calls: Sequence[Call],
    tools: Tools | Offer,
    *,
    reads_text: bool = True,
    cut: bool = False,
) -> Settled:
    """The answer with its calls checked and repaired, all or none of them.

    Where there are no calls and `reads_text`, those that the text ends with are taken out of it.
    `cut`: the answer ended at a token limit, so that what is open at its end may be incomplete.
    """
    offer = tools if isinstance(tools, Offer) else offer_of(tools)
    if not calls and reads_text and offer.choice != "none":
        written = _settle_written(answer_text, offer, cut=cut)
        if written is not None:
            return written
    if not calls:
        missing = offer.choice not in ("auto", "none") and bool(offer.tools)
        return Settled(answer_text, [], (), NO_CALL if missing else "")
    fault = _choice_fault(calls, offer)
    settled = Settled(answer_text, list(calls), (), fault) if fault else _settle(calls, offer, cut)
    return settled._replace(text=answer_text)


def _settle_written(text: str, offer: Offer, *, cut: bool) -> Settled | None:
    """The calls within a text. JSON without a marker of its own is an answer, unless all of its
    arguments are right."""
    found = written_calls(text, offer.names)
    if found is None:
        return None
    if cut and not found.closed:
        return Settled(text, [], (), f"its call {_CUT}") if found.marked else None
    calls = [
        {"type": "function", "function": {"name": each.name, "arguments": each.arguments}}
        for each in found.calls
    ]
    settled = _settle(calls, offer, cut, written=True)
    if settled.fault:
        return settled._replace(text=text, calls=[]) if found.marked else None
    return settled._replace(text=found.before, repairs=("text_call", *settled.repairs))


def _choice_fault(calls: Sequence[Call], offer: Offer) -> str:
    if len(calls) > MAX_CALLS:
        return f"it made {len(calls):,} calls at once"
    if offer.choice == "none" and offer.tools:
        return "it called a tool, although none was to be called"
    return ""


def _settle(calls: Sequence[Call], offer: Offer, cut: bool, *, written: bool = False) -> Settled:
    settled, repairs = list[Call](), list[str]()
    for call in calls:
        each = _settle_call(call, offer, cut, written=written)
        if each.fault:
            return Settled("", list(calls), (), each.fault)
        settled += each.calls
        repairs += each.repairs
    return Settled("", settled, tuple(repairs))


def _settle_call(call: Call, offer: Offer, cut: bool, *, written: bool) -> Settled:
    function = tool_function(call)
    given = function.get("name")
    given = given if isinstance(given, str) else ""
    name = match_name(given, offer.names)
    if not name:
        return Settled("", [], (), unknown_tool(given, offer.names))
    if offer.choice not in ("auto", "required", name):
        return Settled("", [], (), f"it called {given}, although {offer.choice} was to be called")
    done = repair(function.get("arguments"), tool_schema(offer.tools[name]), name)
    if cut and "missing_brace" in done.repairs:
        return Settled("", [], (), bad_arguments(name, f"it {_CUT}"))
    if done.fault:
        return Settled("", [], (), bad_arguments(name, done.fault))
    repairs = done.repairs if name == given else ("name", *done.repairs)
    if not repairs and not written:
        return Settled("", [call])
    value = done.value
    if written and not isinstance(value, str):
        value = as_json(value)
    fixed = {**function, "name": name, "arguments": value}
    nested = "function" in call and isinstance(call["function"], Mapping)
    return Settled("", [{**call, "function": fixed} if nested else {**call, **fixed}], repairs)
