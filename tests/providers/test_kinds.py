"""The table of provider kinds: complete, and each entry opens a client."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args, get_type_hints

import pytest

from orch.config.spec import Models, ModelSpec, Provider
from orch.providers import BalancesLoad, Lists, Loads, Pulls
from orch.providers.kinds import KINDS, better_kind, is_server, open_client
from orch.providers.llama_server.client import LlamaServerClient
from orch.providers.llamacpp import LlamaCppClient
from orch.providers.lmstudio.client import LMStudioClient
from orch.providers.ollama.client import OllamaClient
from orch.providers.openai_compatible import OpenAIClient

PROVIDERS = {
    "ollama": Provider(kind="ollama", base_url="http://127.0.0.1:9"),
    "openai": Provider(kind="openai", base_url="http://127.0.0.1:9"),
    "llama-server": Provider(kind="llama-server", base_url="http://127.0.0.1:9"),
    "lmstudio": Provider(kind="lmstudio"),
    "llamacpp": Provider(kind="llamacpp"),
}
MODELS = Models(
    providers=PROVIDERS, models=(ModelSpec(id="own", provider="llamacpp", gguf="own.gguf"),)
)


def test_the_table_has_every_kind_that_models_yaml_accepts() -> None:
    assert set(KINDS) == set(get_args(get_type_hints(Provider)["kind"]))


@pytest.mark.parametrize(
    ("kind", "client"),
    [
        ("ollama", OllamaClient),
        ("openai", OpenAIClient),
        ("llama-server", LlamaServerClient),
        ("lmstudio", LMStudioClient),
        ("llamacpp", LlamaCppClient),
    ],
)
def test_each_kind_opens_its_client(kind: str, client: type) -> None:
    assert type(open_client(kind, PROVIDERS[kind], MODELS, concurrent=True)) is client


@pytest.mark.parametrize(
    ("kind", "capabilities"),
    [
        ("ollama", (True, True, True, True)),
        ("openai", (False, False, False, True)),
        ("llama-server", (True, False, False, True)),
        ("lmstudio", (True, True, False, True)),
        ("llamacpp", (True, False, False, False)),
    ],
)
def test_capabilities_are_those_of_the_kind(kind: str, capabilities: tuple[bool, ...]) -> None:
    client = open_client(kind, PROVIDERS[kind], MODELS)
    protocols = (Loads, Pulls, Lists, BalancesLoad)
    assert tuple(isinstance(client, each) for each in protocols) == capabilities


def test_a_remote_model_is_refused_by_a_client_of_each_server_kind() -> None:
    for kind in ("ollama", "openai", "llama-server", "lmstudio"):
        client = open_client(kind, PROVIDERS[kind], MODELS)
        assert client._remote._provider == kind  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["ollama", "openai", "llama-server", "lmstudio", "llamacpp"])
def test_opening_a_client_imports_no_other_kind(kind: str) -> None:
    code = f"""if True:
        import sys
        from orch.config.spec import Models, Provider
        from orch.providers.kinds import KINDS, open_client
        before = [each.module for each in KINDS.values() if each.module in sys.modules]
        url = "http://127.0.0.1:9" if {kind!r} != "llamacpp" else None
        open_client("x", Provider(kind={kind!r}, base_url=url), Models(providers={{}}))
        print(before, [name for name, each in KINDS.items() if each.module in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # these are used through the OpenAI client
    imported = ["openai", kind] if kind in ("llama-server", "lmstudio", "llamacpp") else [kind]
    assert done.stdout.strip() == f"[] {imported}"


@pytest.mark.parametrize(
    ("kind", "owner", "better"),
    [
        ("openai", "organization_owner", "lmstudio"),
        ("openai", "library", "ollama"),
        ("openai", "llamacpp", "llama-server"),
        ("openai", "llama-swap", "llama-server"),
        ("openai", "vllm", ""),
        ("openai", "", ""),
        ("lmstudio", "organization_owner", ""),
        ("lmstudio", "llamacpp", "llama-server"),
        ("llama-server", "llama-swap", ""),
        ("llama-server", "vllm", ""),
    ],
)
def test_a_server_with_a_kind_of_its_own_is_recognised(kind: str, owner: str, better: str) -> None:
    assert better_kind(kind, owner) == better


@pytest.mark.parametrize(
    ("kind", "expected"), [("ollama", True), ("llamacpp", False), (None, True), ("new", True)]
)
def test_unknown_kinds_count_as_servers(kind: str | None, expected: bool) -> None:
    assert is_server(kind) is expected
