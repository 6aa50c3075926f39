"""Downloads of models: which provider gets them, and what is reported of their progress."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from orch import OrchError
from orch.config.spec import Provider
from orch.errors import ProviderError
from orch.execution.pulling import (
    MAX_LAYERS,
    PullProgress,
    pull_lines,
    pull_model,
    pull_targets,
)
from orch.providers import ProviderClient
from orch.providers.lmstudio.client import LMStudioClient
from orch.providers.ollama.client import OllamaClient
from tests.support.fake_lmstudio import FakeLMStudio
from tests.support.fake_ollama import FakeOllama

Json = dict[str, Any]


class Puller:
    """A provider that can only pull: yields these objects, then fails if it has an error."""

    def __init__(self, *lines: Json, error: ProviderError | None = None) -> None:
        self._lines, self._error = lines, error

    async def pull(self, model: str, *, insecure: bool = False) -> AsyncIterator[Json]:
        """The objects."""
        for line in self._lines:
            yield line
        if self._error:
            raise self._error


def providers(**named: object) -> dict[str, ProviderClient]:
    """The clients by provider name."""
    return cast("dict[str, ProviderClient]", named)


async def steps(puller: Puller) -> list[PullProgress]:
    """The progress of one download."""
    return [step async for step in pull_model(providers(ollama=puller), "a:1b")]


def layer(digest: str, completed: Any, total: Any) -> Json:
    """One progress object of a layer."""
    return {"status": "pulling", "digest": digest, "completed": completed, "total": total}


def test_only_providers_that_can_pull_are_targets() -> None:
    assert [*pull_targets(providers(first=Puller(), second=object()))] == ["first"]


async def test_the_sizes_of_all_layers_are_added_up() -> None:
    progress = await steps(Puller(layer("x", 5, 10), layer("y", 1, 20), layer("x", 10, 10)))
    assert [step[1:] for step in progress] == [(5, 10), (6, 30), (11, 30)]


async def test_sizes_that_are_not_numbers_are_ignored() -> None:
    assert (await steps(Puller(layer("x", "5", 10), {"status": "done"})))[-1][1:] == (0, 0)


async def test_the_number_of_layers_is_limited() -> None:
    lines = [layer(str(number), 1, 1) for number in range(MAX_LAYERS + 1)]
    assert (await steps(Puller(*lines)))[-1] == PullProgress("pulling", MAX_LAYERS, MAX_LAYERS)


async def test_an_unknown_provider_is_a_config_error() -> None:
    with pytest.raises(OrchError) as caught:
        _ = [step async for step in pull_model(providers(first=Puller()), "a:1b", "second")]
    assert (caught.value.code, caught.value.hint) == ("config", "one of: first")


async def test_a_failure_says_what_to_do() -> None:
    with pytest.raises(OrchError) as caught:
        await steps(Puller(error=ProviderError("connect", "refused")))
    assert (caught.value.code, "ollama serve" in caught.value.hint) == ("no_provider", True)


async def test_lm_studio_downloads_where_it_is_named_and_ollama_comes_first(
    ollama: FakeOllama,
) -> None:
    with FakeLMStudio() as studio:
        studio.job = {"status": "already_downloaded"}
        providers: dict[str, Any] = {
            "studio": LMStudioClient(Provider(kind="lmstudio", base_url=studio.url)),
            "ollama": OllamaClient(Provider(kind="ollama", base_url=ollama.url)),
        }
        assert [*pull_targets(providers)] == ["ollama", "studio"]
        lines = [line async for line in pull_lines(providers, "qwen/qwen3-4b", "studio")]
        studio.job = {"status": "failed"}
        with pytest.raises(OrchError, match="the download is failed in LM Studio"):
            [line async for line in pull_lines(providers, "qwen/qwen3-4b", "studio")]
        for each in providers.values():
            await each.aclose()
    assert lines == [{"status": "success"}]
