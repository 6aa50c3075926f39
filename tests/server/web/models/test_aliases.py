"""The other names of models and of `auto`: which belong to which model."""

from __future__ import annotations

from orch.config.spec import ModelSpec
from orch.routing.model_state import ModelState
from orch.routing.registry import Inventory
from orch.server.web.models.aliases import MOST_SHOWN, aliases_by_model
from orch.text.requested_model import ModelNames
from orch.types import ModelKey

SMALL = ModelState(ModelSpec(id="small:1b", provider="home", aliases=("quick",)))
BIG = ModelState(ModelSpec(id="big:70b", provider="home"))


def aliases(**targets: str) -> object:
    """The names by model of a models.yaml with these aliases."""
    return aliases_by_model(Inventory((SMALL, BIG), {}, None, names=ModelNames(targets)))


def test_a_model_has_the_names_of_its_entry_and_those_that_stand_for_it() -> None:
    assert aliases(gpt="SMALL:1b", o3="home/big:70b") == {
        ModelKey("home", "small:1b"): ["quick", "gpt"],
        ModelKey("home", "big:70b"): ["o3"],
    }


def test_a_name_of_auto_says_which_variant_it_stands_for() -> None:
    assert aliases(gpt="auto", o3="auto:coding", old="orch/auto") == {
        None: ["gpt", "o3 (auto:coding)", "old (orch/auto)"],
        ModelKey("home", "small:1b"): ["quick"],
    }


def test_an_alias_of_a_model_that_is_not_there_is_left_out() -> None:
    assert aliases(gpt="gone:1b") == {ModelKey("home", "small:1b"): ["quick"]}


def test_very_many_aliases_are_cut() -> None:
    many = aliases_by_model(
        Inventory((BIG,), {}, None, names=ModelNames({f"n{n}": "auto" for n in range(1_000)}))
    )
    assert (len(many[None]), many[None][-1]) == (MOST_SHOWN + 1, "…")
