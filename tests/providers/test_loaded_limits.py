"""How many models a provider keeps loaded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orch.config.spec import Provider
from orch.providers.loaded_limits import most_loaded

PROVIDERS = {"o": Provider(kind="ollama"), "l": Provider(kind="llama-server")}


def limits(env: dict[str, str], *, local: bool = True, told: int | None = None) -> dict[str, int]:
    backends: Any = {
        "o": SimpleNamespace(local=local),
        "l": SimpleNamespace(local=True, max_loaded=told),
    }
    return most_loaded(PROVIDERS, backends, env)


def test_a_router_tells_its_own_limit() -> None:
    assert limits({}) == {}
    assert limits({}, told=4) == {"l": 4}


@pytest.mark.parametrize(("value", "limit"), [("2", {"o": 2}), ("0", {}), ("many", {}), ("", {})])
def test_ollama_is_limited_by_the_environment_of_this_machine(
    value: str, limit: dict[str, int]
) -> None:
    assert limits({"OLLAMA_MAX_LOADED_MODELS": value}) == limit
    assert limits({"OLLAMA_MAX_LOADED_MODELS": value}, local=False) == {}
