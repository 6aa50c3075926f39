"""Asks one model and turns what it sends into chunks; says what came of it as an Attempt."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from io import StringIO
from typing import Any

from orch.errors import ProviderError
from orch.execution.json_schema import AnswerSchema
from orch.providers import ProviderClient
from orch.providers.stream_parsing import ThinkTagSplitter
from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.types import Attempt, Candidate, ChatRequest, Completion

Chunk = dict[str, Any]


class ModelCall:
    """One model being asked. Iterate `chunks`; then `attempt` tells what came of it. Raises
    BackendError from `chunks`.

    `limit` is how many tokens of answer the caller wants at most: JSON that is cut there is what
    was asked for.
    """

    def __init__(
        self,
        candidate: Candidate,
        state: ModelState,
        backend: ProviderClient,
        request: ChatRequest,
        estimate: int,
        limit: int | None = None,
        schema: AnswerSchema | None = None,
    ) -> None:
        self.candidate, self.state = candidate, state
        self.reported = False
        """Whether `attempt` was asked what came of it."""
        self.tool_calls: list[dict[str, Any]] = []
        self.logprobs: list[dict[str, Any]] = []
        self.completion: Completion | None = None
        self.first_token_at: float | None = None
        """When the first visible token came, by the performance counter."""
        self._backend, self.request, self._estimate, self._limit, self._schema = (
            backend,
            request,
            estimate,
            limit,
            schema,
        )
        self._splitter = ThinkTagSplitter()
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
                if delta.ignored_fields:
                    yield {
                        "type": "left_out",
                        "message": f"{self.request.model} {delta.ignored_fields}",
                    }
                if delta.logprobs:
                    self.logprobs += delta.logprobs
                    self._untold += delta.logprobs
                for chunk in self._split(*self._splitter.feed(delta.content), delta.thinking):
                    yield chunk
                for call in delta.tool_calls:
                    self.tool_calls.append(call)
                    yield {"type": "tool_call", "tool_call": call}
                self.completion = delta.completion or self.completion
        for chunk in self._split(*self._splitter.flush(), ""):
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
        if content and self.first_token_at is None and not content.strip():
            # blank so far: it belongs to the answer only when something follows
            self._blank.append(content)
        elif content:
            content, self._blank = "".join((*self._blank, content)), []
            self.first_token_at = self.first_token_at or time.perf_counter()
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
        if not self.text and not self.tool_calls:
            why = " (it only thought)" if self.thinking else ""
            raise ProviderError(
                "empty",
                "the answer was"
                f" empty{why}{', cut at its token limit' if self.reached_token_limit else ''}",
            )
        if self._must_be_json:
            try:
                json.loads(self.text)
            except (ValueError, RecursionError):
                raise ProviderError(
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
            and not (self.reached_token_limit and not self.cut)
        )

    async def _check_schema(self) -> None:
        if (
            self._schema is not None
            and self._must_be_json
            and (fault := await self._schema.violation(self.text))
        ):
            raise ProviderError("schema_mismatch", f"the answer breaks the schema: {fault}")

    @property
    def reached_token_limit(self) -> bool:
        """Whether the answer ended at a limit, whoever set it."""
        return self.completion is not None and self.completion.finish_reason == "length"

    @property
    def cut(self) -> bool:
        """Whether it ended at a limit that the caller did not set: the room in the context,
        models.yaml's, or the server's own."""
        if self.completion is None or not self.reached_token_limit:
            return False
        counted = self.completion.completion_tokens
        return (
            self._limit is None
            or self._limit != self.max_tokens
            or (counted is not None and counted < self._limit)
        )

    @property
    def num_ctx(self) -> int | None:
        """Tokens of context that it was asked with; None where the server alone knows."""
        own = self.request.num_ctx or self.state.default_ctx
        return own if own < UNKNOWN_CTX else None

    @property
    def max_tokens(self) -> int | None:
        """Tokens of answer that it was allowed: what was asked for, or the room in the context
        where that is less."""
        return self.request.max_tokens

    @property
    def exceeded_context(self) -> bool:
        """Whether prompt and answer took more than the context: the server dropped a part of them
        while it answered, and did not say so."""
        done, num_ctx = self.completion, self.request.num_ctx
        return (
            done is not None
            and num_ctx is not None
            and (done.prompt_tokens or 0) + (done.completion_tokens or 0) > num_ctx
        )

    def raise_if_context_exceeded(self) -> None:
        """Raises BackendError where it overran: for an answer that nobody has seen yet."""
        if self.exceeded_context and self.completion:
            raise ProviderError(
                "context_overflow",
                self.context_exceeded_message,
                prompt_tokens=self.completion.prompt_tokens,
            )

    @property
    def context_exceeded_message(self) -> str:
        """How it overran, in words."""
        done = self.completion or Completion()
        counted = (
            f"{done.prompt_tokens or 0:,} tokens of prompt and {done.completion_tokens or 0:,} of"
            " answer"
        )
        return (
            f"{counted} in a context of {self.request.num_ctx or 0:,}: the server dropped a part of"
            " them while it answered"
        )

    @property
    def text(self) -> str:
        """What came so far."""
        return self._text.getvalue()

    @property
    def thinking(self) -> str:
        """What the model thought so far."""
        return self._thought.getvalue()

    def as_attempt(
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
        self.reported = True
        done, now = self.completion or Completion(), time.perf_counter()
        begun, first_at = now if self._begun is None else self._begun, self.first_token_at
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
