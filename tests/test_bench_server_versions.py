"""The versions of the servers that a bench measures: asked, stored, and told where they differ."""

from __future__ import annotations

import pytest

from orch import Orchestrator
from orch.bench.server_versions import server_versions, version_notes
from tests.support.fake_ollama import FakeOllama, Fault


def orchestrator(url: str) -> Orchestrator:
    providers = {
        "ollama": {"kind": "ollama", "base_url": url},
        "plain": {"kind": "openai", "base_url": f"{url}/v1"},
    }
    return Orchestrator({"providers": providers, "models": []}, {"version": 1})


async def test_ollama_tells_its_version_and_other_servers_none(ollama: FakeOllama) -> None:
    ollama.version = "0.32.15"
    async with orchestrator(ollama.url) as made:
        providers = made.runtime.providers
        assert await server_versions(providers, ["ollama", "ollama", "plain"]) == {
            "ollama": "ollama 0.32.15",
            "plain": "",
        }
        ollama.path_faults["/api/version"] = Fault("status", status=500, times=-1)
        assert await server_versions(providers, ["ollama"]) == {"ollama": ""}


@pytest.mark.parametrize(
    ("figures", "notes"),
    [
        ([("o", "ollama 2")], []),
        ([("o", "")], []),
        ([("gone", "ollama 1")], []),
        ([("silent", "ollama 1")], []),
        (
            [("o", "ollama 1")] * 3 + [("o", "ollama 2")],
            ["3 grades are of ollama 1, now ollama 2 answers; --fresh measures anew"],
        ),
    ],
)
def test_figures_of_another_version_are_told(
    figures: list[tuple[str, str]], notes: list[str]
) -> None:
    now = {"o": "ollama 2", "silent": ""}
    assert version_notes(figures, now, "grades") == notes
