"""The line of `orch health` about a llama-server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from orch.providers.installed_models import InstalledModel
from orch.providers.llama_server.listing import ListedModel
from orch.providers.llama_server.properties import ServerProps, SlotUse
from orch.providers.llama_server.report import describe_server

LOADED = InstalledModel("a", status="loaded")


def facts(*listed: ListedModel, server: ServerProps = ServerProps(), **kind: bool) -> Any:
    by_name = {each.model.name: each for each in listed}
    kinds = {"is_router": False, "is_swap": False} | kind
    return SimpleNamespace(server=server, listed=by_name, **kinds)


def test_a_server_alone_says_version_and_slots() -> None:
    line = describe_server(facts(server=ServerProps(version="b1")), [LOADED], [SlotUse(2, 1)])
    assert line == "llama-server b1, 1 model, 1 of 2 slots busy"
    asleep = facts(server=ServerProps(is_sleeping=True))
    assert describe_server(asleep, [LOADED], []) == "llama-server, 1 model, sleeping"


def test_a_router_says_the_states_of_its_models_and_which_loads_failed() -> None:
    failed = [InstalledModel(f"f{n}", status="failed") for n in range(5)]
    models = [LOADED, InstalledModel("b", status="sleeping"), *failed]
    listed = [ListedModel(each, exit_code=7) for each in models]
    line = describe_server(facts(*listed, is_router=True), models, [])
    assert line == (
        "llama-server, a router of 7 models (1 loaded, 1 sleeping); f0 failed to load (exit code"
        " 7); f1 failed to load (exit code 7); f2 failed to load (exit code 7); 2 more failed to"
        " load"
    )


def test_llama_swap_says_what_it_is() -> None:
    assert describe_server(facts(is_swap=True), [LOADED], []) == "llama-swap, 1 model (1 loaded)"
