"""An answer as output items of OpenAI's Responses, and the events that build them (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any, NamedTuple

from orch.execution.events import Content, Fallback, RunEvent, Thinking, ToolCall
from orch.providers.message_formats import to_openai_calls
from orch.server.api.openai.tools import members_of, original_name
from orch.types import RunResult

Event = dict[str, Any]
Item = dict[str, Any]


class _Kind(NamedTuple):
    """An item with one text: the prefix of its ids, its fields, the type of its part, and the extra
    fields of the part and its events."""

    prefix: str
    fields: dict[str, Any]
    part: str
    in_part: dict[str, Any]
    in_events: dict[str, Any]


ITEM_KINDS = {
    "thinking": _Kind("rs", {"type": "reasoning", "summary": []}, "reasoning_text", {}, {}),
    "content": _Kind(
        "msg",
        {"type": "message", "role": "assistant"},
        "output_text",
        {"annotations": [], "logprobs": []},
        {"logprobs": []},
    ),
}
"""By the kind of text."""


class OutputItems:
    """Builds the items. Yields events without their sequence numbers."""

    def __init__(self, run_id: str, members: dict[str, tuple[str, str]]) -> None:
        self.items: list[Item] = []
        """Those that are whole."""
        self._run_id, self._members, self._kind, self._text = run_id, members, "", StringIO()
        self._counts, self._id = Counter[str](), ""

    def add(self, event: RunEvent) -> Iterator[Event]:
        """The events of Responses for an event of the run."""
        if isinstance(event, ToolCall):
            yield from self.close()
            yield from self._called(event.call)
        elif isinstance(event, Fallback) and self._kind == "thinking":
            # the next model thinks for itself, but continues the text
            yield from self.close()
        elif isinstance(event, Content | Thinking):
            yield from self._add_text(
                "content" if isinstance(event, Content) else "thinking", event.text
            )

    def _add_text(self, kind: str, text: str) -> Iterator[Event]:
        if kind != self._kind:
            yield from self.close()
            yield from self._opened(kind)
        self._text.write(text)
        yield {
            "type": f"response.{ITEM_KINDS[kind].part}.delta",
            **self._place,
            "delta": text,
            **ITEM_KINDS[kind].in_events,
        }

    def _opened(self, kind: str) -> Iterator[Event]:
        self._kind, self._text = kind, StringIO()
        self._id = self._new_id(ITEM_KINDS[kind].prefix)
        yield {
            "type": "response.output_item.added",
            "output_index": len(self.items),
            "item": self._item([], "in_progress"),
        }
        yield {"type": "response.content_part.added", **self._place, "part": self._part}

    def close(self, status: str = "completed") -> Iterator[Event]:
        """Finishes the open item, if there is one."""
        if not self._kind:
            return
        kind, part = ITEM_KINDS[self._kind], self._part
        yield {
            "type": f"response.{kind.part}.done",
            **self._place,
            "text": part["text"],
            **kind.in_events,
        }
        yield {"type": "response.content_part.done", **self._place, "part": part}
        item = self._item([part], status)
        yield {"type": "response.output_item.done", "output_index": len(self.items), "item": item}
        self.items.append(item)
        self._kind = ""

    def partial_items(self) -> list[Item]:
        """The items of a run that failed: the open one is incomplete."""
        return [*self.items, *([self._item([self._part], "incomplete")] if self._kind else [])]

    @property
    def _part(self) -> dict[str, Any]:
        kind = ITEM_KINDS[self._kind]
        return {"type": kind.part, "text": self._text.getvalue(), **kind.in_part}

    @property
    def _place(self) -> dict[str, Any]:
        return {
            "item_id": self._id,
            "output_index": len(self.items),
            "content_index": 0,
        }

    def _new_id(self, prefix: str) -> str:
        """Counts the items of one kind, so that a stored answer gets the same ids without its
        reasoning."""
        self._counts[prefix] += 1
        return f"{prefix}_{self._run_id}_{self._counts[prefix] - 1}"

    def _item(self, content: list[dict[str, Any]], status: str) -> Item:
        kind = ITEM_KINDS[self._kind]
        return {"id": self._id, **kind.fields, "status": status, "content": content}

    def _called(self, tool_call: dict[str, Any]) -> Iterator[Event]:
        """A tool call arrives whole."""
        call = to_openai_calls([tool_call], self._run_id, self._counts["fc"])[0]
        arguments, index, name = call["function"]["arguments"], len(self.items), self._new_id("fc")
        item = {
            "id": name,
            "type": "function_call",
            "call_id": call["id"],
            **original_name(call["function"].get("name", ""), self._members),
        }
        place = {"item_id": name, "output_index": index}
        whole = {**item, "arguments": arguments, "status": "completed"}
        yield {
            "type": "response.output_item.added",
            "output_index": index,
            "item": {**item, "arguments": "", "status": "in_progress"},
        }
        yield {"type": "response.function_call_arguments.delta", **place, "delta": arguments}
        yield {
            "type": "response.function_call_arguments.done",
            **place,
            "name": item["name"],
            "arguments": arguments,
        }
        yield {"type": "response.output_item.done", "output_index": index, "item": whole}
        self.items.append(whole)


def output_items(result: RunResult, members: dict[str, tuple[str, str]]) -> list[Item]:
    """The items of a finished run; `members` as in `FunctionTools`."""
    response = result.response
    return _whole_items(
        OutputItems(result.run_id, members),
        [Thinking(response.thinking)] if response.thinking else [],
        response.content,
        response.tool_calls,
        is_cut=response.finish_reason == "length",
    )


def stored_items(
    run_id: str, content: str, stored: Mapping[str, Any], *, is_cut: bool
) -> list[Item]:
    """The items of a stored answer, which has no reasoning; `stored` as `find_response` has it in
    `response`."""
    members = members_of([(each[0], each[1]) for each in stored.get("namespaced") or ()])
    output, calls = OutputItems(run_id, members), stored.get("tool_calls") or []
    return _whole_items(output, [], content, calls, is_cut=is_cut)


def _whole_items(
    output: OutputItems,
    first: list[RunEvent],
    content: str,
    calls: Sequence[Item],
    *,
    is_cut: bool,
) -> list[Item]:
    events = [*first, *([Content(content)] if content else []), *map(ToolCall, calls)]
    for event in events:
        list(output.add(event))
    list(output.close("incomplete" if is_cut else "completed"))
    return output.items
