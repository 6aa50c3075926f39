"""Models by name: id, alias, PROVIDER/ID, display name; and names that no model has."""

from __future__ import annotations

from typing import Any

import pytest

from orch import OrchError, Orchestrator
from orch.config.spec import ModelSpec
from orch.orchestrator import build_task
from orch.routing.lookup import resolve_model
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.types import Elimination
from tests.support.fake_ollama import FakeModel, FakeOllama

KINDS = {"home": "ollama", "gpu": "openai", "inside": "llamacpp"}
HAS = ModelState(ModelSpec(id="llama3.1:8b", provider="home"))


def code_of(name: str, *down: str) -> str:
    """The error's code for that name while those providers are down."""
    with pytest.raises(OrchError) as caught:
        resolve_model(
            Inventory(
                (HAS,), dict.fromkeys(down, "connection refused"), None, provider_kinds=KINDS
            ),
            name,
        )
    return caught.value.code


@pytest.mark.parametrize(
    ("name", "down", "code"),
    [
        ("mine:1b", (), "model_not_found"),
        ("mine:1b", ("home",), "no_provider"),
        ("mine:1b", ("gpu",), "no_provider"),
        ("mine:1b", ("inside",), "model_not_found"),
        ("llama3.1:9b", ("gpu",), "no_provider"),
        ("home/mine:1b", ("home",), "no_provider"),
        ("home/mine:1b", ("gpu",), "model_not_found"),
        ("inside/mine:1b", ("inside", "home"), "model_not_found"),
        ("hf.co/me/mine:1b", ("home",), "no_provider"),
    ],
)
def test_only_a_provider_that_may_have_a_model_counts(
    name: str, down: tuple[str, ...], code: str
) -> None:
    assert code_of(name, *down) == code


def test_of_namesakes_the_one_that_is_there_is_meant() -> None:
    gone = ModelState(
        ModelSpec(id="twin", provider="home"), unavailable=Elimination("provider_down")
    )
    there = ModelState(ModelSpec(id="twin", provider="gpu"))
    assert resolve_model(Inventory((gone, there), {}, None), "twin") is there
    assert resolve_model(Inventory((gone, there), {}, None), "home/twin") is gone


NAMED = ModelSpec(id="a:8b", provider="home", name="qwen")
ALIASED = ModelSpec(id="b:8b", provider="home", aliases=("qwen",))


def test_an_alias_goes_before_the_display_name_of_another_model() -> None:
    inventory = Inventory((ModelState(NAMED), ModelState(ALIASED)), {}, None)
    assert resolve_model(inventory, "qwen").spec is ALIASED


def test_an_id_goes_before_an_alias_although_its_model_is_unavailable() -> None:
    named = ModelState(
        ModelSpec(id="qwen", provider="home"), unavailable=Elimination("not_installed")
    )
    assert resolve_model(Inventory((ModelState(ALIASED), named), {}, None), "qwen") is named


async def test_a_pinned_name_means_the_same_model_as_anywhere_else(ollama: FakeOllama) -> None:
    for model in ("a:8b", "b:8b"):
        ollama.add(FakeModel(model))
    models = {
        "version": 1,
        "providers": {"ollama": {"kind": "ollama", "base_url": ollama.url}},
        "models": [{"id": "a:8b", "name": "qwen"}, {"id": "b:8b", "aliases": ["qwen"]}],
    }
    async with Orchestrator(models=models, routing={"version": 1}) as orchestrator:
        plan = await orchestrator.runtime.router.plan(build_task("Hello", model="qwen"))
        shown = resolve_model(await orchestrator.runtime.registry.snapshot(), "qwen")
    assert plan.decision.key == shown.key == ("ollama", "b:8b")


@pytest.mark.parametrize("down", [{}, {"home": "connection refused"}])
def test_what_was_probably_meant_is_named_in_both_cases(down: dict[str, str]) -> None:
    hints = dict.fromkeys(down, "start Ollama:\n  ollama serve")
    inventory = Inventory((HAS,), down, None, provider_kinds=KINDS, hints=hints)
    with pytest.raises(OrchError) as caught:
        resolve_model(inventory, "lama3.1:8b")
    assert caught.value.hint.startswith("did you mean llama3.1:8b?")
    assert ("ollama serve" in caught.value.hint) == bool(down)


def test_the_command_that_fetches_it_names_the_provider_that_was_named() -> None:
    with pytest.raises(OrchError) as caught:
        resolve_model(Inventory((), {}, None, provider_kinds=KINDS), "home/mine:1b")
    assert "orch models pull mine:1b --provider home" in caught.value.hint


@pytest.mark.parametrize(
    "wish",
    [{"model": "mine:1b"}, {"model": "ollama/mine:1b"}, {"model": "mine:1b", "fallback": True}],
)
def test_the_library_says_no_provider_while_ollama_is_down(wish: dict[str, Any]) -> None:
    with pytest.raises(OrchError, match="which may have it, is down") as caught:
        Orchestrator().decide("What is a mutex?", **wish)
    assert (caught.value.code, caught.value.exit_code) == ("no_provider", 3)


@pytest.mark.parametrize("name", ["LLAMA3.1:8B", "library/llama3.1:8b", "home/Llama3.1:8b"])
def test_a_name_is_found_in_any_spelling_of_ollama(name: str) -> None:
    assert resolve_model(Inventory((HAS,), {}, None), name) is HAS


def test_the_exact_spelling_of_an_alias_comes_before_another_spelling_of_an_id() -> None:
    shout = ModelState(ModelSpec(id="FAST", provider="gpu"))
    alias = ModelState(ModelSpec(id="small:1b", aliases=("fast",), provider="gpu"))
    assert resolve_model(Inventory((shout, alias), {}, None), "fast") is alias
    assert resolve_model(Inventory((shout, alias), {}, None), "Fast") is shout


def test_a_spelling_that_may_mean_two_models_of_a_server_is_unknown() -> None:
    one, two = (ModelState(ModelSpec(id=each, provider="gpu")) for each in ("Org/M", "org/m"))
    with pytest.raises(OrchError, match="no model is called 'ORG/M'"):
        resolve_model(Inventory((one, two), {}, None), "ORG/M")
    assert resolve_model(Inventory((one, two), {}, None), "org/m") is two


@pytest.mark.parametrize(
    ("ids", "name", "meant"),
    [
        (("Org/M", "org/m"), "ORG/M", "Org/M or org/m"),
        (("Org/M", "org/m", "org/n"), "org/M", "Org/M or org/m"),
        (("a:1b", "b:1b"), "TWIN", "a:1b or b:1b"),
    ],
)
def test_every_model_that_an_ambiguous_name_may_mean_is_suggested(
    ids: tuple[str, ...], name: str, meant: str
) -> None:
    states = (ModelState(ModelSpec(id=each, provider="gpu", name="Twin")) for each in ids)
    with pytest.raises(OrchError) as caught:
        resolve_model(Inventory(tuple(states), {}, None), name)
    assert caught.value.hint == f"did you mean {meant}?"


async def test_what_is_sent_is_the_installed_spelling(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("Mixed-Case:1B-q4_K_M", reply=["found"]))
    models = {
        "providers": {"ollama": {"kind": "ollama", "base_url": ollama.url}},
        "models": [{"id": "mixed-case:1b-Q4_K_M", "aliases": ["mix"], "strengths": ["coding"]}],
        "unlisted": "ignore",
    }
    async with Orchestrator(models, {"version": 1, "memory_budget_gb": 100}) as orchestrator:
        for name in ("mix", "MIXED-CASE:1b-q4_k_m", None):
            result = await orchestrator.execute("say something", model=name, fresh=True)
            assert result.response.content == "found"
            assert result.decision.model_id == "Mixed-Case:1B-q4_K_M"
    assert {chat.body["model"] for chat in ollama.chats()} == {"Mixed-Case:1B-q4_K_M"}
