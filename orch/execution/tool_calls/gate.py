"""The tool calls of one answer on its way to the client: held back until the answer is whole, then
settled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from orch.execution.checks.answer_checks import wants_json
from orch.execution.tool_calls.faults import NO_CALL, ToolCallError, correction
from orch.execution.tool_calls.holding import TextHold, has_signs
from orch.execution.tool_calls.settle import Call, Settled, offer_of, settle
from orch.providers.chat import ChatRequest
from orch.types import Message


class CallGate:
    """Takes the text and the calls of one answer, and gives them when they are known to be right.

    `streams`: text is shown as it comes, apart from what may become a call. `forgives_missing`: an
    answer without a call that was required is accepted, since the model was asked again before.
    """

    def __init__(
        self, request: ChatRequest, *, streams: bool, forgives_missing: bool = False
    ) -> None:
        self._offer = offer_of(
            request.tools, {**request.options, **request.extra}.get("tool_choice")
        )
        is_read = bool(request.tools) and not wants_json(request) and self._offer.choice != "none"
        self._hold = TextHold(self._offer.names) if is_read and streams else None
        self._reads_text, self._forgives_missing = is_read, forgives_missing
        self.calls: list[Call] = []
        """The calls as they came."""

    @property
    def pending(self) -> str:
        """Text that is held back."""
        return self._hold.pending if self._hold else ""

    def feed(self, text: str) -> str:
        """The text that may be shown now."""
        return self._hold.feed(text) if self._hold and text else text

    async def settle(self, text: str, *, is_shown: bool, is_seen: bool, cut: bool) -> Settled:
        """The answer when all of it has come: `text` before what is held back, which the reader
        has where `is_shown`. Raises ToolCallError for a faulty answer that can be dropped, since
        nobody `is_seen` to have read a part of it."""
        whole = text + (self._hold.flush() if self._hold else "")
        settled = await self._settled(whole, text if is_shown else "", cut=cut)
        is_forgiven = settled.fault == NO_CALL and self._forgives_missing
        if settled.fault and not is_seen and not is_forgiven:
            raise ToolCallError(settled.fault, self._correction(whole, settled.fault))
        return settled

    async def _settled(self, whole: str, shown: str, *, cut: bool) -> Settled:
        """In another thread, where megabytes and the library that checks schemas keep no other
        request waiting; here where there is nothing to settle."""
        may_hold = self._reads_text and has_signs(whole[len(shown) :])
        if self._offer.choice in ("auto", "none") and not self.calls and not may_hold:
            return Settled(whole, [])
        settled = await asyncio.to_thread(
            settle, whole, self.calls, self._offer, reads_text=self._reads_text, cut=cut
        )
        if len(settled.text) < len(shown.rstrip()):  # a part of the call was shown as text
            return Settled(whole, self.calls)
        return settled

    def _correction(self, text: str, fault: str) -> Sequence[Message]:
        return correction(text, self.calls, fault, has_tools=bool(self._offer.tools))
