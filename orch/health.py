"""Checks everything an answer needs: config, journal, disk, each provider and model, the engine inside orch, Qdrant."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec

from orch import paths
from orch.backends import Backend
from orch.backends.http import Http
from orch.decide import embedded_lines, last_resort_allowed
from orch.errors import BackendError, JournalError
from orch.registry import Survey
from orch.router import ModelState
from orch.runtime import Runtime
from orch.types import Probe

QDRANT_URL = "http://localhost:6333"
LITTLE_DISK_GB = 1.0


async def probes(runtime: Runtime) -> tuple[list[Probe], bool]:
    """Every check, and whether a task could be answered now."""
    survey = await runtime.registry.available()
    rows = [_config(runtime), _journal(runtime), _disk()]
    rows += await asyncio.gather(*(_provider(name, backend, runtime) for name, backend in runtime.backends.items()))
    rows += [_model(state) for state in survey.states]
    rows += await _qdrant(runtime)
    return rows, _could_answer(survey, runtime)


def _could_answer(survey: Survey, runtime: Runtime) -> bool:
    """A usable model that chats, or a last resort that is allowed to."""
    usable = [s for s in survey.states if not s.unavailable and (s.capabilities is None or "completion" in s.capabilities)]
    if any(not state.spec.last_resort for state in usable):
        return True
    return bool(usable) and last_resort_allowed(runtime, survey, {state.spec.provider for state in usable})


def _config(runtime: Runtime) -> Probe:
    config = runtime.config
    where = ", ".join(f"{source.path.name} ({source.place})" for source in config.sources)
    return Probe("config", "warn" if config.notes else "ok", "; ".join((where, *config.notes)), "orch config validate" if config.notes else "")


def _journal(runtime: Runtime) -> Probe:
    begun = time.perf_counter()
    try:
        count = runtime.journal.count()
    except JournalError as error:
        return Probe("journal", "fail", error.message, error.hint)
    except Exception as error:  # whatever SQLite says of a broken file
        return Probe("journal", "fail", str(error), f"move {runtime.journal.path} away")
    said = runtime.journal.warnings
    status = "warn" if said or runtime.journal.mode != "full" else "ok"
    return Probe("journal", status, "; ".join((f"{count:,} runs, mode {runtime.journal.mode}", *said)), "", time.perf_counter() - begun)


def _disk() -> Probe:
    folder = paths.data_dir()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    return Probe("disk", "ok" if free > LITTLE_DISK_GB else "warn", f"{free:.1f} GB free", "" if free > LITTLE_DISK_GB else "make room")


async def _provider(name: str, backend: Backend, runtime: Runtime) -> Probe:
    provider = runtime.config.models.providers[name]
    at = f" at {', '.join(provider.urls)}" if provider.urls else ""
    said, seconds, error = await _timed(backend.health)
    if error is None:
        return Probe(f"provider {name}", "ok", f"{said}{at}", "", seconds)
    hints = {"ollama": "ollama serve", "openai": f"start the server{at}", "llamacpp": "\n".join(embedded_lines())}
    optional = provider.kind == "llamacpp"
    return Probe(f"provider {name}", "warn" if optional else "fail", error, hints[provider.kind], seconds)


async def _timed(ask: Callable[[], Awaitable[str]]) -> tuple[str, float, str | None]:
    begun = time.perf_counter()
    try:
        return await ask(), time.perf_counter() - begun, None
    except BackendError as failure:
        return "", time.perf_counter() - begun, failure.message


def _model(state: ModelState) -> Probe:
    name = f"model {state.spec.id}"
    if state.unavailable:
        code, reason = state.unavailable
        hint = f"orch models pull {state.spec.id}" if code == "not_installed" and not state.spec.gguf else ""
        if state.spec.gguf:
            hint = "\n".join(embedded_lines())
        return Probe(name, "warn", reason if code == "not_installed" else f"provider {state.spec.provider} is down", hint)
    parts = ["loaded" if state.resident else "installed"]
    parts += ["unlisted"] if state.unlisted else []
    parts += ["only embeds"] if state.capabilities is not None and "completion" not in state.capabilities else []
    return Probe(name, "ok", ", ".join(parts))


async def _qdrant(runtime: Runtime) -> list[Probe]:
    url = runtime.config.routing.memory.qdrant_url
    edge = find_spec("qdrant_edge") is not None
    rows = [Probe("qdrant (embedded)", "ok" if edge else "off", "installed" if edge else "not installed; memory search comes with a later version")]
    http = Http([url or QDRANT_URL])
    try:
        said, seconds, error = await _timed(lambda: _qdrant_version(http))
    finally:
        await http.aclose()
    if error is None:
        hint = "" if url else f"memory: {{qdrant_url: {QDRANT_URL}}} in routing.yaml would use it"
        return [*rows, Probe("qdrant (server)", "ok", f"{said} at {url or QDRANT_URL}", hint, seconds)]
    if url:
        return [*rows, Probe("qdrant (server)", "warn", error, f"start Qdrant at {url}", seconds)]
    return [*rows, Probe("qdrant (server)", "off", f"none at {QDRANT_URL}; none is needed", "", seconds)]


async def _qdrant_version(http: Http) -> str:
    answer = await http.json("GET", "/", timeout_s=2.0)
    if "qdrant" not in str(answer.get("title", "")).lower():
        raise BackendError("bad_response", "what answers there is not Qdrant")
    return f"Qdrant {answer.get('version', '?')}"
