"""Asks one model and turns what it sends into chunks; says what came of it as an Attempt."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from io import StringIO
from typing import Any

from orch.errors import BackendError
from orch.execution.json_schema import AnswerSchema
from orch.providers import Backend
from orch.providers.stream_parsing import ThinkSplitter
from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.types import Attempt, Candidate, ChatRequest, Completion

Chunk = dict[str, Any]


class Asking:
    """One model being asked. Iterate `chunks`; then `attempt` tells what came of it. Raises
    BackendError from `chunks`.

    `limit` is how many tokens of answer the caller wants at most: JSON that is cut there is what
    was asked for.
    """

    def __init__(
        self,
        candidate: Candidate,
        state: ModelState,
        backend: Backend,
        request: ChatRequest,
        estimate: int,
        limit: int | None = None,
        schema: AnswerSchema | None = None,
    ) -> None:
        self.candidate, self.state = candidate, state
        self.told = False
        """Whether `attempt` was asked what came of it."""
        self.tool_calls: list[dict[str, Any]] = []
        self.logprobs: list[dict[str, Any]] = []
        self.done: Completion | None = None
        self.first_at: float | None = None
        """When the first visible token came, by the performance counter."""
        self._backend, self.request, self._estimate, self._limit, self._schema = (
            backend,
            request,
            estimate,
            limit,
            schema,
        )
        self._splitter = ThinkSplitter()
        # not a list of pieces: a chunk of five letters would take sixty bytes
        self._text, self._thought = StringIO(), StringIO()
        self._blank: list[str] = []
        self._begun: float | None = None
        self._untold: list[dict[str, Any]] = []

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """Content, thinking and tool calls as they come, with `logprobs` where the server tells
        them. An answer without any visible one is a failure."""
        self._begun = (
            time.perf_counter()
        )  # not before: the wait for a place is no time of the model's
        async with aclosing(self._backend.chat(self.request)) as deltas:
            async for delta in deltas:
                if delta.left_out:
                    yield {"type": "left_out", "message": f"{self.request.model} {delta.left_out}"}
                if delta.logprobs:
                    self.logprobs += delta.logprobs
                    self._untold += delta.logprobs
                for chunk in self._split(*self._splitter.feed(delta.content), delta.thinking):
                    yield chunk
                for call in delta.tool_calls:
                    self.tool_calls.append(call)
                    yield {"type": "tool_call", "tool_call": call}
                self.done = delta.done or self.done
        for chunk in self._split(*self._splitter.rest(), ""):
            yield chunk
        self._check()
        await self._check_schema()
        if self._untold:
            yield self._with_logprobs({"type": "content", "chunk": ""})

    def _split(self, content: str, thought: str, more_thought: str) -> list[Chunk]:
        chunks: list[Chunk] = []
        if thought or more_thought:
            self._thought.write(thought + more_thought)
            chunks.append({"type": "thinking", "chunk": thought + more_thought})
        if content and self.first_at is None and not content.strip():
            # blank so far: it belongs to the answer only when something follows
            self._blank.append(content)
        elif content:
            content, self._blank = "".join((*self._blank, content)), []
            self.first_at = self.first_at or time.perf_counter()
            self._text.write(content)
            chunks.append({"type": "content", "chunk": content})
        if self._untold and chunks:
            self._with_logprobs(chunks[-1])
        return chunks

    def _with_logprobs(self, chunk: Chunk) -> Chunk:
        """The chunk with those of its tokens, and of tokens that gave no text to show."""
        chunk["logprobs"], self._untold = self._untold, []
        return chunk

    def _check(self) -> None:
        if not self.partial and not self.tool_calls:
            why = " (it only thought)" if self.thinking else ""
            raise BackendError(
                "empty",
                f"the answer was empty{why}{', cut at its token limit' if self.at_limit else ''}",
            )
        if self._must_be_json:
            try:
                json.loads(self.partial)
            except (ValueError, RecursionError):
                raise BackendError(
                    "invalid_json", "the answer is not the JSON that was asked for"
                ) from None

    @property
    def _must_be_json(self) -> bool:
        """JSON that ends at the caller's own limit is given as it is."""
        asked = self.request.response_format
        return (
            asked is not None
            and asked.get("type") != "text"
            and not self.tool_calls
            and not (self.at_limit and not self.cut)
        )

    async def _check_schema(self) -> None:
        if (
            self._schema is not None
            and self._must_be_json
            and (fault := await self._schema.fault(self.partial))
        ):
            raise BackendError("schema_mismatch", f"the answer breaks the schema: {fault}")

    @property
    def at_limit(self) -> bool:
        """Whether the answer ended at a limit, whoever set it."""
        return self.done is not None and self.done.finish_reason == "length"

    @property
    def cut(self) -> bool:
        """Whether it ended at a limit that the caller did not set: the room in the context,
        models.yaml's, or the server's own."""
        if self.done is None or not self.at_limit:
            return False
        counted = self.done.completion_tokens
        return (
            self._limit is None
            or self._limit != self.max_tokens
            or (counted is not None and counted < self._limit)
        )

    @property
    def num_ctx(self) -> int | None:
        """Tokens of context that it was asked with; None where the server alone knows."""
        own = self.request.num_ctx or self.state.own_ctx
        return own if own < UNKNOWN_CTX else None

    @property
    def max_tokens(self) -> int | None:
        """Tokens of answer that it was allowed: what was asked for, or the room in the context
        where that is less."""
        return self.request.max_tokens

    @property
    def overran(self) -> bool:
        """Whether prompt and answer took more than the context: the server dropped a part of them
        while it answered, and did not say so."""
        done, num_ctx = self.done, self.request.num_ctx
        return (
            done is not None
            and num_ctx is not None
            and (done.prompt_tokens or 0) + (done.completion_tokens or 0) > num_ctx
        )

    def refuse_overrun(self) -> None:
        """Raises BackendError where it overran: for an answer that nobody has seen yet."""
        if self.overran and self.done:
            raise BackendError("context_overflow", self.overrun, counted=self.done.prompt_tokens)

    @property
    def overrun(self) -> str:
        """How it overran, in words."""
        done = self.done or Completion()
        counted = (
            f"{done.prompt_tokens or 0:,} tokens of prompt and {done.completion_tokens or 0:,} of"
            " answer"
        )
        return (
            f"{counted} in a context of {self.request.num_ctx or 0:,}: the server dropped a part of"
            " them while it answered"
        )

    @property
    def partial(self) -> str:
        """What came so far."""
        return self._text.getvalue()

    @property
    def thinking(self) -> str:
        """What the model thought so far."""
        return self._thought.getvalue()

    def attempt(
        self,
        outcome: str,
        *,
        code: str = "",
        message: str = "",
        offset: int = 0,
        counted: int | None = None,
    ) -> Attempt:
        """What came of it. Seconds are the provider's own where it tells them, else the clock's,
        from when the model was asked."""
        self.told = True
        done, now = self.done or Completion(), time.perf_counter()
        begun, first_at = now if self._begun is None else self._begun, self.first_at
        ttft_s = first_at - begun if first_at else None
        decode_s = (
            done.decode_s if done.decode_s is not None else (now - first_at if first_at else None)
        )
        return Attempt(
            model=self.candidate.model_id,
            provider=self.candidate.provider,
            outcome=outcome,
            code=code,
            message=message,
            offset=offset,
            total_s=now - begun,
            ttft_s=ttft_s,
            load_s=done.load_s,
            prompt_tokens=done.prompt_tokens or counted or 0,
            completion_tokens=done.completion_tokens or 0,
            prefill_s=done.prefill_s,
            decode_s=decode_s,
            estimated_tokens=self._estimate,
        )
