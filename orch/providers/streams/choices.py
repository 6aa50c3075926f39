"""Tells apart the choices of a stream that holds several unasked (pure)."""

from __future__ import annotations

from typing import Any

from orch.providers.streams.normalize import NormalEvent

MOST_HELD = 8
"""Events that are held until it is clear what their indexes mean."""


class ChoiceFilter:
    """Separates the choice that came first from others, from the event on that has another index.

    A few servers have one choice and count its index up with each event (TGI 1.4, Foundry Local).
    The index of such a server never goes back to text, and one event alone has the end. Where both
    readings are open, events are held. `first` is the index of the events before, `has_text` and
    `has_end` say what they brought; `is_asked`: the request asked for several choices.
    """

    def __init__(self, first: int, *, has_text: bool, has_end: bool, is_asked: bool) -> None:
        self._first, self._highest, self._seen = first, first, {first}
        self._with_text = {first} if has_text else set[int]()
        self._ended = first if has_end else None
        self._are_choices: bool | None = is_asked or None
        self._held: list[dict[str, Any]] = []

    @property
    def has_end(self) -> bool:
        """Whether the events that are held may hold the end of the answer."""
        return self._are_choices is None and self._ended is not None

    def is_own(self, event: dict[str, Any], normal: NormalEvent) -> bool | None:
        """Whether an event is a part of the answer; None if it is held."""
        if normal.choice is None:
            return True
        if self._are_choices is None:
            self._are_choices = self._judge(normal, normal.choice)
        if self._are_choices is None:
            self._held.append(event)
            return None
        return not self._are_choices or normal.choice == self._first

    def take_held(self, *, is_last: bool = False) -> list[dict[str, Any]]:
        """Returns the events that were held until now; at the end of the stream, whose indexes
        never went back, they are all of one choice."""
        if is_last and self._are_choices is None:
            self._are_choices = False
        held, self._held = self._held, []
        return held

    def _judge(self, normal: NormalEvent, index: int) -> bool | None:
        has_text = bool(normal.content or normal.thinking or normal.tool_calls)
        goes_back = has_text and index < self._highest
        if goes_back or self._is_beside_end(normal, index, has_text=has_text):
            return True
        if normal.finish_reason:
            self._ended = index
        if has_text:
            self._with_text.add(index)
        self._highest = max(self._highest, index)
        self._seen.add(index)
        if len(self._held) + 1 < MOST_HELD:
            return None
        return len(self._seen) <= MOST_HELD // 2

    def _is_beside_end(self, normal: NormalEvent, index: int, *, has_text: bool) -> bool:
        """Whether another choice has ended, and this one goes on or ends, too."""
        if self._ended is None or index == self._ended or self._ended not in self._with_text:
            return False
        return has_text or (bool(normal.finish_reason) and index in self._with_text)
