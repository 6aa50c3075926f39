"""The servers under test: the upstream, two bare proxies, LiteLLM, and orch with a named model and
with routing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.server import litellm
from tests.bench.server.process import DidNotStart, Server, environment, free_port, module
from tests.bench.server.prompts import MODELS, PINNED

UPSTREAM, HTTPX, AIOHTTP, LITELLM = (
    "upstream",
    "bare proxy, httpx",
    "bare proxy, httpx-aiohttp",
    "LiteLLM",
)
LITELLM_OLDER = "LiteLLM 1.77"
ORCH_PINNED, ORCH_ROUTED = "orch, pinned", "orch, routed"
ORCH_ANTHROPIC = "orch, pinned, asked by Anthropic's API"
ORCH_OLLAMA, ORCH_BY_OLLAMA = (
    "orch, pinned, upstream asked as Ollama",
    "orch, pinned, asked by Ollama's API",
)
MODELS_YAML = """
version: 1
unlisted: ignore
providers:
  upstream: {{kind: {kind}, base_url: {url}, parallel: 2000}}
models:
  - {{id: '{0}', provider: upstream, strengths: [simple, exploration],
     num_ctx: 8192, speed_rating: 9, quality_rating: 6, memory_gb: 2}}
  - {{id: '{1}', provider: upstream, strengths: [coding],
     num_ctx: 8192, speed_rating: 8, quality_rating: 8, memory_gb: 5}}
  - {{id: '{2}', provider: upstream, strengths: [writing, creative],
     num_ctx: 8192, speed_rating: 7, quality_rating: 7.5, memory_gb: 6}}
  - {{id: '{3}', provider: upstream, strengths: [reasoning, analysis, research],
     num_ctx: 8192, speed_rating: 6, quality_rating: 8.5, memory_gb: 9}}
"""
ROUTING_YAML = """
version: 1
weights: {fit: 0.20, quality: 0.40, speed: 0.30, confidence: 0.10}
task_types: {}
memory_budget_gb: 64
cache: {mode: 'off'}
"""


@dataclass(frozen=True, slots=True)
class Contestant:
    """How to start a server, in a folder of its own and with the upstream's URL, and what to
    request."""

    start: Callable[[str, Path], Server]
    model: str = PINNED
    api: str = "openai"


def _proxy(transport: str) -> Callable[[str, Path], Server]:
    def start(upstream: str, home: Path) -> Server:
        return Server(module("proxy", upstream, "--transport", transport), home / "log")

    return start


def orch(kind: str = "openai") -> Callable[[str, Path], Server]:
    """`orch serve` with the upstream as a provider of this kind."""

    def start(upstream: str, home: Path) -> Server:
        (home / "models.yaml").write_text(
            MODELS_YAML.format(*MODELS, kind=kind, url=upstream), encoding="utf-8"
        )
        (home / "routing.yaml").write_text(ROUTING_YAML, encoding="utf-8")
        port, command = free_port(), str(Path(sys.executable).with_name("orch"))
        words = [command, "--config", str(home), "serve", "--port", str(port), "--no-ui"]
        return Server(words, home / "log", port=port, env=environment(ORCH_HOME=str(home / "home")))

    return start


CONTESTANTS = {
    UPSTREAM: Contestant(lambda _, home: upstream(home)),
    HTTPX: Contestant(_proxy("httpx")),
    AIOHTTP: Contestant(_proxy("httpx-aiohttp")),
    LITELLM: Contestant(litellm.proxy(litellm.NEWEST)),
    LITELLM_OLDER: Contestant(litellm.proxy(litellm.OLDER)),
    ORCH_PINNED: Contestant(orch()),
    ORCH_ROUTED: Contestant(orch(), model="auto"),
    ORCH_ANTHROPIC: Contestant(orch(), api="anthropic"),
    ORCH_OLLAMA: Contestant(orch("ollama")),
    ORCH_BY_OLLAMA: Contestant(orch(), api="ollama"),
}


def upstream(home: Path) -> Server:
    """The fake model server."""
    return Server(module("upstream"), home / "log")


@contextmanager
def running(names: Iterable[str], home: Path) -> Iterator[tuple[dict[str, Server], dict[str, str]]]:
    """The servers that could be started, by name, and why the others could not. Always contains the
    upstream."""
    servers: dict[str, Server] = {}
    missing: dict[str, str] = {}
    with ExitStack() as held:
        for name in (UPSTREAM, *(name for name in names if name != UPSTREAM)):
            place = home / name.replace(" ", "-").replace(",", "").replace("'", "")
            place.mkdir()
            url = servers[UPSTREAM].url if servers else ""
            try:
                servers[name] = held.enter_context(CONTESTANTS[name].start(url, place))
            except (litellm.NotThere, DidNotStart) as error:
                missing[name] = str(error)
        yield servers, missing
