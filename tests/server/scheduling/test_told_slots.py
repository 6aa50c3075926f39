"""The slots of a provider: as models.yaml says, else as its server does, else those of its kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orch.config.load import Config, config_from_data
from orch.config.spec import ModelSpec
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.server.scheduling.scheduler import Scheduler
from orch.server.scheduling.told_slots import slots_told


def config(**provider: Any) -> Config:
    server = {"kind": "llama-server", "base_url": "http://127.0.0.1:1"} | provider
    return config_from_data({"providers": {"s": server}}, None)


def model(name: str, slots: int | None, *, resident: bool | None = True) -> ModelState:
    return ModelState(ModelSpec(id=name, provider="s"), resident=resident, slots=slots)


def inventory(*states: ModelState) -> Inventory:
    return Inventory(states, {}, None)


def parallel(scheduler: Scheduler) -> int:
    """The slots that the scheduler uses."""
    return int(scheduler.status()["providers"]["s"]["parallel"])


def test_loaded_models_add_up_and_others_do_not_count() -> None:
    states = [model("a", 2), model("b", 3), model("c", 9, resident=False), model("d", None)]
    assert slots_told(states) == {"s": 5}
    assert slots_told([model("a", None), model("b", 4, resident=None)]) == {}


def test_what_the_server_tells_replaces_the_default_of_its_kind() -> None:
    scheduler = Scheduler(config())
    assert parallel(scheduler) == 4
    scheduler.observe(inventory(model("a", 2)))
    assert parallel(scheduler) == 2
    scheduler.observe(inventory(model("a", 2), model("b", 6)))
    assert parallel(scheduler) == 8
    scheduler.observe(inventory(model("a", 2, resident=False)))
    assert parallel(scheduler) == 4


def test_models_yaml_says_it_last() -> None:
    scheduler = Scheduler(config(parallel=7))
    scheduler.observe(inventory(model("a", 2)))
    assert parallel(scheduler) == 7


def test_a_changed_configuration_keeps_what_the_server_told() -> None:
    scheduler = Scheduler(config())
    scheduler.observe(inventory(model("a", 2)))
    changed = config()
    scheduler.configure(replace(changed, routing=changed.routing))
    assert parallel(scheduler) == 2
