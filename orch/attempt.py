"""Asks one model and turns what it sends into chunks; says what came of it as an Attempt."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from io import StringIO
from typing import Any

from orch.backends import Backend
from orch.backends.wire import ThinkSplitter
from orch.errors import BackendError
from orch.router import ModelState
from orch.types import Attempt, Candidate, ChatRequest, Completion

Chunk = dict[str, Any]


class Asking:
    """One model being asked. Iterate `chunks`; then `attempt` tells what came of it. Raises BackendError from `chunks`."""

    def __init__(self, candidate: Candidate, state: ModelState, backend: Backend, request: ChatRequest, estimate: int) -> None:
        self.candidate, self.state = candidate, state
        self.told = False
        """Whether `attempt` was asked what came of it."""
        self.tool_calls: list[dict[str, Any]] = []
        self.done: Completion | None = None
        self._backend, self._request, self._estimate = backend, request, estimate
        self._splitter = ThinkSplitter()
        # not a list of pieces: a chunk of five letters would take sixty bytes
        self._text, self._thought = StringIO(), StringIO()
        self._blank = ""
        self._begun = time.perf_counter()
        self._first_at: float | None = None

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """Content, thinking and tool calls as they come. An answer without any of the visible ones is a failure."""
        async with aclosing(self._backend.chat(self._request)) as deltas:
            async for delta in deltas:
                for chunk in self._split(*self._splitter.feed(delta.content), delta.thinking):
                    yield chunk
                for call in delta.tool_calls:
                    self.tool_calls.append(call)
                    yield {"type": "tool_call", "tool_call": call}
                self.done = delta.done or self.done
        for chunk in self._split(*self._splitter.rest(), ""):
            yield chunk
        self._check()

    def _split(self, content: str, thought: str, more_thought: str) -> list[Chunk]:
        chunks: list[Chunk] = []
        if thought or more_thought:
            self._thought.write(thought + more_thought)
            chunks.append({"type": "thinking", "chunk": thought + more_thought})
        if content and self._first_at is None and not content.strip():
            # blank so far: it belongs to the answer only when something follows
            self._blank += content
        elif content:
            content, self._blank = self._blank + content, ""
            self._first_at = self._first_at or time.perf_counter()
            self._text.write(content)
            chunks.append({"type": "content", "chunk": content})
        return chunks

    def _check(self) -> None:
        if not self.partial and not self.tool_calls:
            why = " (it only thought)" if self.thinking else ""
            length = self.done is not None and self.done.finish_reason == "length"
            raise BackendError("empty", f"the answer was empty{why}{', cut at its token limit' if length else ''}")
        if self._request.response_format is not None and not self.tool_calls:
            try:
                json.loads(self.partial)
            except ValueError:
                raise BackendError("invalid_json", "the answer is not the JSON that was asked for") from None

    @property
    def partial(self) -> str:
        """What came so far."""
        return self._text.getvalue()

    @property
    def thinking(self) -> str:
        """What the model thought so far."""
        return self._thought.getvalue()

    def attempt(self, outcome: str, *, code: str = "", message: str = "", offset: int = 0) -> Attempt:
        """What came of it. Seconds are the provider's own where it tells them, else the clock's."""
        self.told = True
        done, now = self.done or Completion(), time.perf_counter()
        ttft_s = self._first_at - self._begun if self._first_at else None
        decode_s = done.decode_s if done.decode_s is not None else (now - self._first_at if self._first_at else None)
        return Attempt(
            model=self.candidate.model_id,
            provider=self.candidate.provider,
            outcome=outcome,
            code=code,
            message=message,
            offset=offset,
            total_s=now - self._begun,
            ttft_s=ttft_s,
            load_s=done.load_s,
            prompt_tokens=done.prompt_tokens or 0,
            completion_tokens=done.completion_tokens or 0,
            prefill_s=done.prefill_s,
            decode_s=decode_s,
            estimated_tokens=self._estimate,
        )
