"""A scripted Ollama in this process: `/api/tags`, `/api/ps` and `/api/show` through orch's own
parsing, memory that evicts, no waiting."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.providers.chat import ChatRequest, Completion, Delta
from orch.providers.client import HttpClient
from orch.providers.ollama.client import OllamaClient
from orch.text.model_names import full_name
from orch.text.prompt import estimate_tokens
from tests.evals.days.machine import PREFILL_TIMES, WARM_S, Model

URL = "http://127.0.0.1:11434"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded model, by the name under which it was loaded."""

    model: Model
    name: str
    num_ctx: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Seconds and tokens of one answer; `load_s` is 0 for a loaded model."""

    model: Model
    load_s: float
    prefill_s: float
    decode_s: float
    prompt_tokens: int
    completion_tokens: int

    @property
    def seconds(self) -> float:
        """The total."""
        return self.load_s + self.prefill_s + self.decode_s


class Ollama:
    """The server. `most` is its OLLAMA_MAX_LOADED_MODELS; evicts the least recently used model, or
    with `by_name` the first by its blob's file.

    Ollama 0.32 unloads the model with the shortest keep_alive (here all are equal), then the first
    by file (`ByDurationAndName` in its sched.go).
    """

    def __init__(
        self,
        models: Sequence[Model],
        most: int,
        memory_bytes: int,
        machine: str,
        thinking_tokens: int = 0,
        *,
        by_name: bool = False,
    ) -> None:
        self.models, self._by_name_first = tuple(models), by_name
        self._most, self._memory_bytes, self._machine, self._thinking = (
            most,
            memory_bytes,
            machine,
            thinking_tokens,
        )
        self.loaded: list[Loaded] = []
        """Loaded models, the most recently used last."""
        self.answers: list[Answer] = []
        self.answer_tokens = 0
        """Tokens of the next answer: those of the task, whichever model answers."""
        self._by_name = {full_name(name): model for model in models for name in model.names}

    def named(self, name: str) -> Model:
        """The model with that name. Raises ProviderError."""
        try:
            return self._by_name[full_name(name)]
        except KeyError:
            raise ProviderError("model_not_found", f"model {name!r} not found") from None

    def ask(self, name: str, num_ctx: int, prompt_tokens: int) -> Answer:
        """One answer: loads the model if it is not loaded with that context, and evicts to make
        room."""
        model = self.named(name)
        load_s = self._bring(model, name, num_ctx)
        rate = model.rate(self._machine)
        tokens = self.answer_tokens + (self._thinking if model.thinks else 0)
        answer = Answer(
            model,
            load_s,
            prompt_tokens / (rate * PREFILL_TIMES),
            tokens / rate,
            prompt_tokens,
            tokens,
        )
        self.answers.append(answer)
        return answer

    def _bring(self, model: Model, name: str, num_ctx: int) -> float:
        there = next((each for each in self.loaded if each.model is model), None)
        if there is not None:
            self.loaded.remove(there)
        if there is not None and there.num_ctx == num_ctx:
            self.loaded.append(there)
            return 0.0
        needed = model.bytes_at(num_ctx)
        while self.loaded and (
            len(self.loaded) >= self._most or needed + self._held() > self._memory_bytes
        ):
            self.loaded.remove(
                min(self.loaded, key=lambda each: each.model.digest)
                if self._by_name_first
                else self.loaded[0]
            )
        self.loaded.append(Loaded(model, name, num_ctx))
        return model.load_s

    def _held(self) -> int:
        return sum(each.model.bytes_at(each.num_ctx) for each in self.loaded)

    def json(self, path: str, body: Any) -> dict[str, Any]:
        """Answers a request about its models."""
        if path == "/api/tags":
            return {"models": [model.tag(name) for model in self.models for name in model.names]}
        if path == "/api/ps":
            return {
                "models": [
                    {
                        **e.model.tag(e.name),
                        "size": e.model.bytes_at(e.num_ctx),
                        "context_length": e.num_ctx,
                    }
                    for e in self.loaded
                ]
            }
        if path == "/api/show":
            return self.named(body["model"]).show()
        raise ProviderError("rejected", f"{path} is not scripted")


class Wire(HttpClient):
    """Replaces HTTP: answers a request at once."""

    def __init__(self, server: Ollama) -> None:
        super().__init__([URL])
        self._server = server

    async def json(self, method: str, path: str, body: Any = None, **_: Any) -> dict[str, Any]:
        """The answer as JSON."""
        return self._server.json(path, body)


class ScriptedBackend(OllamaClient):
    """orch's Ollama client over the scripted server; `chat` answers with the seconds that Ollama
    would report."""

    def __init__(self, server: Ollama) -> None:
        super().__init__(Provider(kind="ollama", base_url=URL))
        self._http, self._server = Wire(server), server

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """An answer of one word."""
        answer = self._server.ask(
            request.model, request.num_ctx or 4096, estimate_tokens(request.messages)
        )
        yield Delta(content="done")
        yield Delta(
            completion=Completion(
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
                load_s=answer.load_s or WARM_S,
                prefill_s=answer.prefill_s,
                decode_s=answer.decode_s,
            )
        )
