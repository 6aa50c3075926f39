"""What an agent is started in front of: a llama-server alone, or orch in front of two of them; in
either case a `Shadow` stands before each llama-server."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from orch.cli.clients.endpoint import ClientModel, Endpoint
from orch.cli.clients.launchable import LAUNCHABLE
from tests.bench.session.chores import chore_body
from tests.bench.session.playing import post
from tests.bench.session.servers import ORCH as SERVE
from tests.bench.session.servers import OrchServer, llama_alone, write_model
from tests.clients.scene import ORCH, Scene
from tests.clients.session.scripts import Calls, project
from tests.clients.session.shadow import Shadow
from tests.support.config_folder import write_config
from tests.support.fake_ollama import FakeModel, FakeOllama

CONTEXT = 65_536
"""Tokens of each slot: the longest instructions of an agent and 20 steps."""
SLOTS = 2
MODELS = ("qwen2.5-coder-7b-instruct", "llama-3.1-8b-instruct")
"""What the models behind orch are called: one that is known for code, and one for anything."""


@dataclass
class Front:
    """An agent's surroundings: how it is started, and the servers that answer it."""

    scene: Scene
    shadows: Sequence[Shadow]
    launch: Sequence[str]


@contextlib.contextmanager
def bare(name: str, calls: Calls, *, chores: bool, keeps_line: bool = False) -> Iterator[Front]:
    """A llama-server alone, with the settings that `orch launch` would make for it; `keeps_line`
    leaves Claude Code the line at the head of its system prompt."""
    with _folder() as scene, ExitStack() as stack:
        shadow = _shadow(stack, scene, calls, MODELS[0])
        endpoint = Endpoint(shadow.url, (ClientModel(shadow.name, CONTEXT, tools=True),))
        client, home = LAUNCHABLE[name], scene.home / name
        made = client.prepare(endpoint, endpoint.models[0], home)
        home.mkdir()
        for file, merge in made.files.items():
            (home / file).write_text(merge(""))
        scene.variables |= made.environment
        if keeps_line:
            scene.variables.pop("CLAUDE_CODE_ATTRIBUTION_HEADER", None)
        scene.url = shadow.url
        shadow.after = _chores(scene) if chores else None
        yield Front(scene, [shadow], [client.program])


@contextlib.contextmanager
def orch(name: str, calls: Calls, *, chores: bool) -> Iterator[Front]:
    """orch in front of two llama-servers, and the agent as `orch launch` starts it."""
    with _folder() as scene, ExitStack() as stack:
        shadows = [_shadow(stack, scene, calls, model) for model in MODELS]
        write_config(scene.folder / "orch", _models(shadows))
        serve = OrchServer(SERVE, scene.folder / "orch.log", env=scene.environment)
        scene.url = stack.enter_context(serve).url
        for shadow in shadows:
            shadow.after = _chores(scene) if chores else None
        yield Front(scene, shadows, [*ORCH, "launch", name, "--"])


def _models(shadows: Sequence[Shadow]) -> str:
    providers = (
        f"  one{number}: {{kind: llama-server, base_url: '{each.url}'}}\n"
        for number, each in enumerate(shadows)
    )
    models = (
        f"  - {{id: {each.name}, provider: one{number}}}\n" for number, each in enumerate(shadows)
    )
    return (
        f"version: 1\nunlisted: ignore\nproviders:\n{''.join(providers)}models:\n{''.join(models)}"
    )


def _shadow(stack: ExitStack, scene: Scene, calls: Calls, model: str) -> Shadow:
    behind = stack.enter_context(llama_alone(scene.folder, SLOTS, CONTEXT, model, "--threads=1"))
    return stack.enter_context(Shadow(behind, calls, str(scene.work), model))


def _chores(scene: Scene) -> Callable[[int], None]:
    """Asks a title, tags or follow-ups of Open WebUI while the agent goes on."""
    lock = threading.Lock()

    def ask(number: int) -> None:
        with lock, contextlib.suppress(OSError):
            post(f"{scene.url}/v1/chat/completions", chore_body(number), {})

    return ask


@contextlib.contextmanager
def _folder() -> Iterator[Scene]:
    """A home, and a working folder with the project."""
    with (
        tempfile.TemporaryDirectory(prefix="orch-session-", ignore_cleanup_errors=True) as name,
        FakeOllama([]) as ollama,
    ):
        scene = Scene(ollama, FakeModel("none"), Path(name), "")
        for folder in ("home", "work", "orch"):
            (scene.folder / folder).mkdir()
        subprocess.run(["git", "init", "-q", str(scene.work)], check=True)
        for file, text in project().items():
            (scene.work / file).write_text(text)
        write_model(scene.folder, CONTEXT)
        yield scene
