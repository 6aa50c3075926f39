"""Folds the events of one stream into deltas and the end of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from orch.errors import ProviderError
from orch.providers.chat import Delta
from orch.providers.read_limits import AnswerSizeLimit, error_line
from orch.providers.streams.normalize import NormalEvent, normalize, stop_sequence_of, token_of
from orch.providers.streams.sse import Event, cut_error
from orch.providers.streams.usage import ReportedUsage
from orch.providers.streams.values import STRUCTURE_ERRORS, structure_error

if TYPE_CHECKING:
    from orch.providers.streams.choices import ChoiceFilter
    from orch.providers.streams.tool_calls import ToolCalls

USAGE_TIMEOUT_S = 5.0
"""How long the usage and `[DONE]` are waited for behind the finish reason: a few servers send
neither and leave the connection open."""
_FAILED = {
    **dict.fromkeys(("error", "failed", "insufficient_system_resource"), "stream_error"),
    **dict.fromkeys(("abort", "aborted", "cancelled", "canceled"), "cut"),
}
"""Finish reasons of an answer that is not whole, with the code of the error: OpenRouter and Mistral
say error, vLLM and SGLang abort."""
_SEVERAL = -1
"""The choice of a stream with several indexes, which no event has."""
_ENDS_OF_STREAM = ("cut", "stalled", "bad_response")


class StreamedAnswer:
    """One answer. `add_all` takes its events as they arrive, `last` returns its end."""

    def __init__(self, *, has_choices: bool = False) -> None:
        self._has_choices = has_choices
        self._failure: Any = None
        self.is_over = False
        """Whether the stream said that nothing follows."""
        self._finish_reason = self._stop_sequence = ""
        self._usage, self._size = ReportedUsage(), AnswerSizeLimit()
        self._calls: ToolCalls | None = None
        self.address = ""
        """The address that answers, where the provider has several."""
        self.progress = 0
        """Grows with each event that holds a part of the answer: an empty one is no token."""
        self._choice: int | None = None
        self._filter: ChoiceFilter | None = None
        self._has_increments = self._has_message = self._is_whole = False
        self._goes_on = False
        self.is_settled = False
        """Whether the last that came was a finish reason without text: what may follow is usage."""

    @property
    def is_finished(self) -> bool:
        """Whether the answer is whole: it has a finish reason, the stream said `[DONE]`, or the
        server sent one whole message. A stream that just closes may have been cut; so may one whose
        finish reason had text behind it: a few servers send one with every event."""
        has_reason = self._finish_reason and not self._goes_on
        is_held = self._filter is not None and self._filter.has_end
        return bool(has_reason or self.is_over or self._is_whole or is_held)

    def ends_well(self, failure: ProviderError) -> bool:
        """Whether a stream that failed so has nevertheless brought its answer: the connection broke
        or stalled behind it, or what followed it is no event."""
        return failure.code in _ENDS_OF_STREAM and self.is_finished

    def add_all(self, events: Iterable[Event]) -> list[Delta]:
        """Returns the text of the events; consecutive events of the same kind make one delta.

        Stops at an error, which `raise_failure` raises, and at the end. Raises ProviderError for an
        answer beyond every limit.
        """
        run = _Run()
        try:
            for event in events:
                if event is None:
                    self.is_over = True
                    self._add_held(run, is_last=True)
                    break
                self._add(event, run)
                if self._failure is not None or self.is_over:
                    break
        except STRUCTURE_ERRORS as error:
            if self.is_finished:
                self.is_over = True
            else:
                self._failure = structure_error(error)
        return self._counted(run.close())

    def _counted(self, deltas: list[Delta]) -> list[Delta]:
        for delta in deltas:
            self._size.add(delta)
        return deltas

    def raise_failure(self, convert: Callable[[Any], ProviderError]) -> None:
        """Raises the error that the stream reported, if any; `convert` makes it of a string or an
        object."""
        if isinstance(self._failure, ProviderError):
            raise self._failure
        if self._failure is not None:
            raise convert(self._failure)

    def _add(self, event: dict[str, Any], run: _Run) -> None:
        # what follows a finish reason takes the long way
        if not self._finish_reason and (text := token_of(event, self._choice)):
            self._has_increments, self._is_whole = True, False
            self.progress += 1
            run.add_content(text)
        else:
            self._add_normal(event, normalize(event), run)

    def _add_normal(self, event: dict[str, Any], normal: NormalEvent, run: _Run) -> None:
        if normal.error is not None:
            self._failure = normal.error
            return
        has_text = bool(normal.content or normal.thinking)
        if not has_text or normal.finish_reason or "usage" in event:
            self._usage.add(event)
        if normal.choice != self._choice and not self._is_own(event, normal, run):
            return
        if has_text and self._finish_reason:
            self._goes_on, self.is_settled = True, False
        if normal.finish_reason:
            self._finish_reason = normal.finish_reason
            self._stop_sequence = stop_sequence_of(event)
            self.is_over = normal.is_native
            self._goes_on, self.is_settled = self._goes_on and has_text, not has_text
        if normal.is_message:
            if self._has_increments:
                if normal.tool_calls and self._calls is None:
                    self._add_calls(normal.tool_calls)
                return  # MiniMax repeats the whole answer at the end
            self._is_whole, self._has_message = normal.is_whole and not self._has_message, True
        elif has_text:
            self._has_increments, self._is_whole = True, False
        if has_text or normal.tool_calls or normal.finish_reason:
            self.progress += 1
        if normal.tool_calls and not normal.is_native:
            self._add_calls(normal.tool_calls)
        if has_text or normal.logprobs or (normal.tool_calls and normal.is_native):
            run.add(normal)

    def _is_own(self, event: dict[str, Any], normal: NormalEvent, run: _Run) -> bool:
        """Whether an event is a part of the choice that came first: an answer is one of them. One
        whose index may also count the events is held until that is clear."""
        if self._filter is None:
            if normal.choice is None:
                return True
            if self._choice is None:
                self._choice = normal.choice
                return True
            self._filter, self._choice = self._new_filter(self._choice), _SEVERAL
        is_own = self._filter.is_own(event, normal)
        if is_own is None:
            self.progress += 1
            self.is_settled = bool(normal.finish_reason)
            return False
        self._add_held(run)
        return is_own

    def _new_filter(self, first: int) -> ChoiceFilter:
        from orch.providers.streams.choices import ChoiceFilter  # few servers send several

        return ChoiceFilter(
            first,
            has_text=self._has_increments or self._has_message or self._calls is not None,
            has_end=bool(self._finish_reason),
            is_asked=self._has_choices,
        )

    def _add_held(self, run: _Run, *, is_last: bool = False) -> None:
        held = self._filter.take_held(is_last=is_last) if self._filter else ()
        for event in held:
            self._add(event, run)

    def _add_calls(self, fragments: Sequence[dict[str, Any]]) -> None:
        # few answers have one
        from orch.providers.streams.tool_calls import ToolCalls

        self._calls = self._calls or ToolCalls(self._size.add_chars)
        self._calls.add_all(fragments)

    def last(self) -> Delta:
        """Returns the delta that ends the answer, with the text that was held. Raises ProviderError
        if the answer is not whole."""
        run = _Run()
        self._add_held(run, is_last=True)
        rest = self._counted(run.close())
        if not self.is_finished or (
            not self._finish_reason and self._calls and not self._calls.are_whole
        ):
            raise cut_error()
        if code := _FAILED.get(self._finish_reason):
            word = error_line(self._finish_reason)
            raise ProviderError(code, f"the server ended the answer with finish_reason {word}")
        calls = self._calls.finish() if self._calls else ()
        reason = self._finish_reason or ("tool_calls" if calls else "stop")
        return Delta(
            "".join(delta.content for delta in rest),
            "".join(delta.thinking for delta in rest),
            calls,
            logprobs=tuple(each for delta in rest for each in delta.logprobs),
            completion=self._usage.completion(reason)._replace(
                stop_sequence=self._stop_sequence, address=self.address
            ),
        )


_CONTENT = (True, False)
"""The kind of a token of content alone."""


class _Run:
    """Deltas of one batch; the text of consecutive events of the same kind is joined."""

    def __init__(self) -> None:
        self._deltas: list[Delta] = []
        self._kind = (False, False)
        self._content: list[str] = []
        self._thinking: list[str] = []
        self._logprobs: list[dict[str, Any]] = []
        self._calls: list[dict[str, Any]] = []

    def add_content(self, content: str) -> None:
        if self._kind != _CONTENT or self._calls:
            self._flush()
            self._kind = _CONTENT
        self._content.append(content)

    def add(self, event: NormalEvent) -> None:
        content, thinking = event.content, event.thinking
        kind = (content != "", thinking != "")
        if kind != self._kind or self._calls:
            self._flush()
            self._kind = kind
        if content:
            self._content.append(content)
        if thinking:
            self._thinking.append(thinking)
        if event.logprobs:
            self._logprobs += event.logprobs
        if event.tool_calls and event.is_native:
            self._calls += event.tool_calls

    def _flush(self) -> None:
        content, thinking = "".join(self._content), "".join(self._thinking)
        logprobs, calls = tuple(self._logprobs), tuple(self._calls)
        if content or thinking or logprobs or calls:
            self._deltas.append(Delta(content, thinking, calls, logprobs=logprobs))
        self._content, self._thinking, self._logprobs, self._calls = [], [], [], []

    def close(self) -> list[Delta]:
        self._flush()
        return self._deltas


async def until_cut(
    batches: AsyncGenerator[list[Event]], answer: StreamedAnswer
) -> AsyncGenerator[list[Event]]:
    """Yields the same batches. A connection that breaks, or is left open, behind a whole answer is
    its end: some servers leave out the end of a chunked body. So is what is no event: a few say
    goodbye in words of their own. Closes `batches` at the end."""
    try:
        async with aclosing(batches):
            while batch := await (_next(batches) if answer.is_settled else anext(batches, None)):
                yield batch
    except ProviderError as error:
        if not answer.ends_well(error):
            raise


async def _next(batches: AsyncGenerator[list[Event]]) -> list[Event] | None:
    try:
        async with asyncio.timeout(USAGE_TIMEOUT_S):
            return await anext(batches, None)
    except TimeoutError:
        return None
