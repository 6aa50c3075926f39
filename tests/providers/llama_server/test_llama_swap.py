"""llama-swap's running processes."""

from __future__ import annotations

from typing import Any

import pytest

from orch.providers.installed_models import InstalledModel
from orch.providers.llama_server.llama_swap import parse_running, unload_path, with_running


def test_a_process_that_starts_is_loading() -> None:
    rows = [("a", "ready"), ("b", "starting"), ("c", "stopping"), ("d", "odd"), (5, "ready")]
    running = parse_running({"running": [{"model": m, "state": s} for m, s in rows]})
    assert running == {"a": "loaded", "b": "loading", "c": "unloaded"}


@pytest.mark.parametrize("answer", [{}, {"running": None}, {"running": "a"}, {"running": {}}])
def test_another_form_is_an_error(answer: Any) -> None:
    with pytest.raises(TypeError):
        parse_running(answer)
    assert parse_running({"running": [None, 5, {}]}) == {}


def test_the_process_says_more_than_the_list() -> None:
    model = InstalledModel("b", resident=True, status="loaded")
    starting = with_running(model, {"b": "loading"})
    assert (starting.resident, starting.status) == (False, "loading")
    assert with_running(model, {}) == model
    peer = InstalledModel("b", resident=None, remote_host="lab")
    assert with_running(peer, {"b": "loaded"}) == peer


def test_names_with_slashes_stay_one_path() -> None:
    assert unload_path("org/model?x") == "/api/models/unload/org/model%3Fx"
