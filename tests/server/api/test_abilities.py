"""What `auto` and each model say of themselves: what a model that may be chosen has, no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from orch.config.spec import ModelSpec
from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.routing.registry import Inventory
from orch.server.api.abilities import abilities_of, abilities_of_auto, described_with_room
from orch.types import Elimination
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.http_server import served
from tests.support.own_models import Write
from tests.support.server_lists import FORMS, ListServer, models

GB = 1_000_000_000
CHAT = frozenset({"completion"})


def state(name: str = "a:1b", window: int = 32_768, **facts: Any) -> ModelState:
    spec = ModelSpec(id=name, provider="ollama", last_resort=facts.pop("last_resort", False))
    return ModelState(spec, **{"context_window": window, "capabilities": CHAT, **facts})


def auto(*states: ModelState, memory: int | None = None) -> tuple[list[str], int]:
    abilities = abilities_of_auto(Inventory(states, {}, memory))
    return abilities.capabilities, abilities.context


def test_auto_can_what_one_of_its_models_can() -> None:
    tools = state("b:1b", 8_192, capabilities=CHAT | {"tools"})
    sees = state("c:1b", 4_096, capabilities=CHAT | {"vision", "embedding"})
    assert auto(state(), tools, sees) == (["completion", "tools", "vision"], 32_768)


def test_what_can_not_be_chosen_does_not_count() -> None:
    more = CHAT | {"tools"}
    remote = state("b:1b", 100_000, capabilities=more, unavailable=Elimination("remote", {}))
    embeds = state("c:1b", 100_000, capabilities=frozenset({"embedding"}))
    large = state("d:1b", 100_000, capabilities=more, size_bytes=50 * GB)
    resort = state("e:1b", 100_000, capabilities=more, last_resort=True)
    assert auto(state(), remote, embeds, large, resort, memory=10 * GB) == (["completion"], 32_768)
    assert auto(resort) == (["completion", "tools"], 100_000)
    assert auto() == (["completion"], 0)


@pytest.mark.parametrize(
    ("facts", "context"),
    [
        ({}, 65_536),  # 2 GB and 7 GB of cache; 131,072 would take 14 GB
        ({"kv_bytes_per_token": 10_000}, 131_072),
        ({"resident": True}, 131_072),
        ({"local": False}, 131_072),
        ({"kv_bytes_per_token": None}, 131_072),
        ({"kv_bytes_per_token": 900_000}, 8_192),
    ],
)
def test_a_context_counts_as_far_as_it_fits_in_memory(facts: dict[str, Any], context: int) -> None:
    model = state(window=131_072, **{"size_bytes": 2 * GB, "kv_bytes_per_token": 110_000, **facts})
    assert auto(model, memory=10 * GB)[1] == context


def test_each_model_is_described_with_the_room_that_it_has() -> None:
    wide = state("wide:1b", 131_072, size_bytes=2 * GB, kv_bytes_per_token=110_000)
    large = state("large:1b", 100_000, size_bytes=50 * GB)
    pinned, untold = state("pinned:1b"), state("untold:1b", UNKNOWN_CTX, fixed_ctx=True)
    everything = Inventory((wide, large, pinned, untold), {}, 10 * GB)
    described = described_with_room(everything, Inventory((wide, large, untold), {}, 10 * GB))
    assert [(each["id"], each["selectable"], each["usable_context"]) for each in described] == [
        ("wide:1b", True, 65_536),
        ("large:1b", False, large.num_ctx),
        ("pinned:1b", False, 32_768),
        ("untold:1b", True, None),
    ]


def test_what_is_unknown_is_left_out() -> None:
    untold = state(window=UNKNOWN_CTX, capabilities=None, fixed_ctx=True)
    assert tuple(abilities_of(untold)) == (["completion", "tools"], 0)
    assert auto(untold) == (["completion", "tools"], 0)
    assert auto(untold, state(window=4_096))[1] == 4_096


# ---------------------------------------------------------------- over the wire


@pytest.fixture
def beside(own: Write, ollama: FakeOllama) -> Iterator[str]:
    """A server whose only provider speaks OpenAI's API, which tells nothing of its models."""
    own(f"""version: 1
providers:
  server: {{kind: openai, base_url: "{ollama.url}/v1"}}
models: []
""")
    with served() as url:
        yield url


def every_description(url: str, name: str) -> list[dict[str, Any]]:
    rows = httpx.get(f"{url}/api/tags").json()["models"]
    models = httpx.get(f"{url}/v1/models").json()["data"]
    return [
        *(row for row in rows if row["name"] == name),
        httpx.post(f"{url}/api/show", json={"model": name}).json(),
        *(model for model in models if model["id"] == name),
        httpx.get(f"{url}/v1/models/{name}").json(),
    ]


def test_nothing_is_made_up_of_models_that_tell_nothing(beside: str, ollama: FakeOllama) -> None:
    (name, *_) = ollama.models
    for model in (name, "auto"):
        described = every_description(beside, model)
        assert len(described) == 4
        assert str(UNKNOWN_CTX) not in str(described)
        assert "context_length" not in str(described)
        assert [each["capabilities"] for each in described if "capabilities" in each] == [
            ["completion", "tools"]
        ] * 2
    assert httpx.get(f"{beside}/api/ps").json() == {"models": []}


def test_the_context_is_told_in_every_form(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("long:1b", capabilities=["completion", "tools"], context_length=65_536))
    url = str(client.base_url).removesuffix("/v1/")
    for name in ("auto", "auto:coding", "long:1b"):
        tags, show, listed, alone = every_description(url, name)
        told = show["model_info"]
        assert told[f"{told['general.architecture']}.context_length"] == 65_536
        assert tags["details"]["context_length"] == 65_536
        for model in (listed, alone):
            assert (model["context_length"], model["max_model_len"]) == (65_536, 65_536)
        assert set(tags["capabilities"]) == set(show["capabilities"]) == {"completion", "tools"}


def test_models_that_auto_may_not_choose_say_nothing_of_it(own: Write, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("eyes:1b", capabilities=["completion", "vision"], context_length=65_536))
    own(f"""version: 1
unlisted: ignore
providers:
  ollama: {{kind: ollama, base_url: "{ollama.url}"}}
models:
  - {{id: "llama3.1:8b-instruct-q4_K_M", provider: ollama}}
""")
    with served() as url:
        for described in every_description(url, "auto"):
            assert ("vision" in str(described), "65536" in str(described)) == (False, False)
        shown = httpx.post(f"{url}/api/show", json={"model": "eyes:1b"}).json()
        assert "vision" in shown["capabilities"]


@pytest.mark.parametrize(
    ("form", "name", "context", "loaded"),
    [
        ("vllm", "org/big-70b", 32_768, ["org/big-70b", "sql-lora"]),
        ("lmstudio", "llama-3.1-8b-instruct", 8_192, ["llama-3.1-8b-instruct"]),
        ("lemonade", "Qwen3-0.6B-GGUF", 8_192, ["Gemma-3-4b-it-GGUF"]),
        ("mlx", "mlx-community/Qwen3-30B-A3B-4bit", None, []),
    ],
)
def test_what_a_server_lists_is_told_in_every_form(
    own: Write, form: str, name: str, context: int | None, loaded: list[str]
) -> None:
    with ListServer(FORMS[form]) as server:
        own(f"version: 1\nproviders:\n  s: {{kind: openai, base_url: {server.url}}}\nmodels: []\n")
        with served() as url:
            described = every_description(url, name)
            running = httpx.get(f"{url}/api/ps").json()["models"]
    contexts = {each["context_length"] for each in described if "context_length" in each}
    assert contexts == ({context} if context else set())
    assert str(UNKNOWN_CTX) not in str(described) + str(running)
    assert [row["name"] for row in running] == loaded


def test_a_model_that_is_not_for_chat_is_listed_and_refused(own: Write) -> None:
    with ListServer({"/v1/models": models({"id": "bge-m3"}, {"id": "chat-8b"})}) as server:
        own(f"version: 1\nproviders:\n  s: {{kind: openai, base_url: {server.url}}}\nmodels: []\n")
        with served() as url:
            (tags,) = (row for row in every_description(url, "bge-m3")[:1])
            client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
            with pytest.raises(openai.APIStatusError, match="it only embeds") as caught:
                client.chat.completions.create(
                    model="bge-m3", messages=[{"role": "user", "content": "hi"}]
                )
    assert (tags["capabilities"], caught.value.status_code) == (["embedding"], 400)
