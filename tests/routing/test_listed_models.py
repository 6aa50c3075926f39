"""Which installed model a model of models.yaml is, and which installed ones it does not list."""

from __future__ import annotations

from orch.config.spec import ModelSpec
from orch.providers.installed_models import InstalledModel
from orch.routing.listed_models import PairedModel, pair_models

KINDS = {"ollama": "ollama", "lan": "openai"}


def paired(ids: list[str], installed: list[str], provider: str = "ollama") -> list[PairedModel]:
    """Those ids of models.yaml beside those names of the provider."""
    reports = {provider: {name: InstalledModel(name) for name in installed}}
    return pair_models([ModelSpec(id=each, provider=provider) for each in ids], reports, KINDS)


def test_another_spelling_in_models_yaml_is_the_installed_model_under_the_installed_name() -> None:
    (pair,) = paired(["Gemma3:4B"], ["gemma3:4b"])
    assert (pair.spec.id, pair.is_listed) == ("gemma3:4b", True)
    assert pair.installed is not None


def test_a_tag_that_is_left_out_keeps_the_listed_name() -> None:
    (pair,) = paired(["gemma3"], ["gemma3:latest"])
    assert pair.spec.id == "gemma3"
    assert pair.installed is not None


def test_what_models_yaml_does_not_list_comes_last() -> None:
    pairs = paired(["Gemma3:4B"], ["phi4:14b", "gemma3:4b"])
    assert [(pair.spec.id, pair.is_listed) for pair in pairs] == [
        ("gemma3:4b", True),
        ("phi4:14b", False),
    ]


def test_one_installed_model_is_never_two_candidates() -> None:
    pairs = paired(["Foo", "foo"], ["foo"], provider="lan")
    assert [pair.installed is not None for pair in pairs] == [False, True]
    pairs = paired(["FOO", "Foo"], ["foo"], provider="lan")
    assert [pair.installed is not None for pair in pairs] == [True, False]


def test_a_server_that_tells_cases_apart_keeps_its_models_apart() -> None:
    pairs = paired(["Org/M", "org/m"], ["org/m", "Org/M"], provider="lan")
    assert [pair.installed.name for pair in pairs if pair.installed] == ["Org/M", "org/m"]
    (absent, *unlisted) = paired(["ORG/M"], ["org/m", "Org/M"], provider="lan")
    assert absent.installed is None
    assert len(unlisted) == 2


def test_a_provider_that_did_not_answer_has_nothing() -> None:
    (pair,) = pair_models([ModelSpec(id="phi4:14b", provider="lan")], {}, KINDS)
    assert pair == PairedModel(ModelSpec(id="phi4:14b", provider="lan"), None)
