"""Which Ollama is meant by a name, and that none is asked where that can't be told."""

from __future__ import annotations

import pytest

from orch.errors import ModelNotFoundError, OrchError
from orch.server.api.ollama.targets import OllamaStores, Target

ONE = OllamaStores({"ollama": ["llama3:8b", "Mixed:1b"]}, {})
TWO = OllamaStores({"near": ["llama3:8b", "both:1b"], "far": ["both:1b", "near/odd:1b"]}, {})


@pytest.mark.parametrize(
    ("stores", "name", "target"),
    [
        (ONE, "llama3:8b", Target("ollama", "llama3:8b")),
        (ONE, "library/LLAMA3:8b", Target("ollama", "llama3:8b")),
        (ONE, "mixed:1b", Target("ollama", "Mixed:1b")),
        (ONE, "ollama/llama3:8b", Target("ollama", "llama3:8b")),
        (TWO, "llama3:8b", Target("near", "llama3:8b")),
        (TWO, "far/both:1b", Target("far", "both:1b")),
        (TWO, "near/odd:1b", Target("far", "near/odd:1b")),
        (TWO._replace(named="far"), "both:1b", Target("far", "both:1b")),
    ],
)
def test_an_installed_model_is_where_it_is(stores: OllamaStores, name: str, target: Target) -> None:
    assert stores.existing(name) == target


def test_a_model_that_several_have_is_ambiguous() -> None:
    with pytest.raises(OrchError, match="near/both:1b, far/both:1b") as refused:
        TWO.existing("both:1b")
    assert refused.value.code == "bad_input"
    assert "x-orch-provider: near" in refused.value.hint


def test_a_name_that_is_read_in_two_ways_is_ambiguous() -> None:
    stores = OllamaStores({"near": ["odd:1b"], "far": ["near/odd:1b"]}, {})
    with pytest.raises(OrchError, match="far/near/odd:1b, near/odd:1b"):
        stores.existing("near/odd:1b")
    assert stores.existing("far/near/odd:1b") == Target("far", "near/odd:1b")
    assert stores._replace(named="near").existing("near/odd:1b") == Target("near", "odd:1b")
    assert stores._replace(named="far").existing("near/odd:1b") == Target("far", "near/odd:1b")


def test_a_model_that_none_has_is_not_found() -> None:
    for stores, name in ((ONE, "none:1b"), (TWO, "far/llama3:8b")):
        with pytest.raises(ModelNotFoundError):
            stores.existing(name)
    with pytest.raises(OrchError, match=r"refused") as down:
        OllamaStores({}, {"ollama": "connection refused"}).existing("llama3:8b")
    assert down.value.code == "no_provider"


@pytest.mark.parametrize(
    ("stores", "name", "source", "target"),
    [
        (ONE, "new:1b", "", Target("ollama", "new:1b")),
        (ONE, "ollama/new:1b", "", Target("ollama", "new:1b")),
        (TWO, "far/new:1b", "", Target("far", "new:1b")),
        (TWO, "llama3:8b", "", Target("near", "llama3:8b")),
        (TWO, "new:1b", "llama3:8b", Target("near", "new:1b")),
        (TWO._replace(named="far"), "new:1b", "", Target("far", "new:1b")),
        (OllamaStores({}, {"ollama": "down"}), "new:1b", "", Target("ollama", "new:1b")),
    ],
)
def test_a_new_model_goes_where_it_is_told_to(
    stores: OllamaStores, name: str, source: str, target: Target
) -> None:
    assert stores.new(name, source=source) == target


def test_a_new_model_is_not_put_just_anywhere() -> None:
    with pytest.raises(OrchError, match="several Ollamas could be meant") as refused:
        TWO.new("new:1b")
    assert "near/new:1b, far/new:1b" in refused.value.hint
    with pytest.raises(OrchError, match="several Ollamas"):
        TWO.new("new:1b", source="both:1b")
    with pytest.raises(OrchError, match="several Ollamas"):
        TWO.only()
    assert (ONE.only(), TWO._replace(named="far").only()) == ("ollama", "far")


def test_a_request_stays_within_one_ollama() -> None:
    assert TWO.beside("new:1b", "near") == TWO.beside("near/new:1b", "near") == "new:1b"
    assert TWO.beside("near/odd:1b", "far") == "near/odd:1b"  # the name of a model there
    assert TWO.beside("", "near") == ""
    with pytest.raises(OrchError, match="within one Ollama") as refused:
        TWO.beside("far/both:1b", "near")
    assert refused.value.hint == "orch models pull both:1b --provider near fetches it there"


def test_a_header_and_a_name_must_agree() -> None:
    stores = TWO._replace(named="far")
    with pytest.raises(OrchError, match="near/new:1b is for near, and x-orch") as refused:
        stores.new("near/new:1b")
    assert refused.value.code == "bad_input"
    assert stores.new("far/new:1b") == Target("far", "new:1b")


def test_a_header_must_name_an_ollama() -> None:
    wrong = TWO._replace(named="nowhere")
    for ask in (wrong.only, lambda: wrong.existing("both:1b"), lambda: wrong.new("new:1b")):
        with pytest.raises(OrchError, match="no Ollama 'nowhere'"):
            ask()


def test_without_an_ollama_there_is_nothing_to_manage() -> None:
    nothing = OllamaStores({}, {})
    for ask in (nothing.only, lambda: nothing.existing("a:1b"), lambda: nothing.new("a:1b")):
        with pytest.raises(OrchError, match="has no Ollama"):
            ask()


@pytest.mark.parametrize("name", ["auto", "Auto:latest", "auto:coding", "auto:nosuch", "", " "])
def test_the_names_that_let_orch_choose_are_no_models(name: str) -> None:
    for ask in (ONE.existing, ONE.new):
        with pytest.raises(OrchError) as refused:
            ask(name)
        assert refused.value.code == "bad_input"
    with pytest.raises(OrchError, match="lets orch choose"):
        ONE.new("ollama/auto")
