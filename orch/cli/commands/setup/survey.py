"""Surveys this machine and its model servers: those of models.yaml, and common ones at the default
ports on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

from orch.cli.commands.setup.download import RESERVE_BYTES, free_disk_bytes
from orch.cli.commands.setup.hardware import measure_machine
from orch.cli.commands.setup.offers import MachineSurvey, QualityLookup, Server
from orch.config.installation import install_library_command
from orch.config.spec import Provider
from orch.config.urls import display_url, is_local_url
from orch.errors import ProviderError
from orch.execution.offline_report import DEFAULT_SERVERS
from orch.execution.recommending.machine import capacity_of
from orch.execution.recommending.report import report_on
from orch.execution.runtime import Runtime
from orch.providers.kinds import KINDS
from orch.providers.llamacpp import ENGINE_PACKAGE
from orch.providers.openai_compatible import OpenAIClient
from orch.routing.recommendations.recommend import Wishes
from orch.routing.registry import Inventory

_PROBE_TIMEOUT_S = 2.0


async def survey_machine(
    runtime: Runtime, qualities: QualityLookup, env: Mapping[str, str] = os.environ
) -> MachineSurvey:
    """Surveys the machine. Contacts servers on loopback and those of models.yaml, nothing else."""
    survey = await runtime.registry.snapshot(with_unlisted=True)
    named = _configured_servers(runtime, survey)
    capacity = await capacity_of(runtime, survey)
    here, providers = measure_machine(), runtime.config.models.providers
    ollama = next((name for name, provider in providers.items() if provider.kind == "ollama"), "")
    urls = providers[ollama].urls if ollama else ()
    taken = {
        _port(url) for provider in providers.values() for url in provider.urls if is_local_url(url)
    }
    # OLLAMA_HOST says where Ollama is: a second one is not looked for
    usual = [
        (name, url)
        for name, url in DEFAULT_SERVERS.items()
        if _port(url) not in taken and not (ollama and name == "Ollama")
    ]
    probed = await asyncio.gather(*(_probe_default_server(name, url) for name, url in usual))
    return MachineSurvey(
        here,
        (*named, *(server for server in probed if server is not None)),
        free_disk_bytes() - RESERVE_BYTES,
        ollama,
        all(is_local_url(url) for url in urls),
        shutil.which("ollama", path=env.get("PATH")) or "",
        "" if find_spec(ENGINE_PACKAGE) else install_library_command(ENGINE_PACKAGE),
        qualities,
        *(
            report_on(runtime, survey, capacity, Wishes(), into_engine=into_engine).found.rows
            for into_engine in (False, True)
        ),
    )


def _configured_servers(runtime: Runtime, survey: Inventory) -> list[Server]:
    """The servers of models.yaml; orch's own engine is one if it has a real model."""
    servers = []
    for name, provider in runtime.config.models.providers.items():
        models = tuple(
            s.spec.id
            for s in survey.states
            if s.spec.provider == name
            and not s.unavailable
            and _can_chat(s.capabilities)
            and not s.spec.last_resort
        )
        if KINDS[provider.kind].is_server or models:
            label = KINDS[provider.kind].label if provider.kind != "openai" else name
            servers.append(
                Server(
                    label,
                    ", ".join(map(display_url, provider.urls)),
                    name,
                    name not in survey.unreachable,
                    models,
                    survey.unreachable.get(name, ""),
                )
            )
    return servers


def _can_chat(capabilities: frozenset[str] | None) -> bool:
    return capabilities is None or "completion" in capabilities


async def _probe_default_server(name: str, url: str) -> Server | None:
    """The model server at a default address, if one answers there."""
    backend = OpenAIClient(Provider(kind="openai", base_url=url))
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            models = tuple(
                item.name
                for item in await backend.installed()
                if item.name and not item.remote_host
            )
    except (ProviderError, TimeoutError):
        return None
    finally:
        await backend.aclose()
    return Server(name, url, "", True, models)


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port or {"http": 80, "https": 443}.get(urlsplit(url).scheme)
    except ValueError:
        return None
