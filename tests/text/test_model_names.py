"""Names of models: what counts as one name, and which installed name another spelling means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.text.model_names import InstalledNames, comparison_key, full_name, is_same_model

PART = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,12}", fullmatch=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gemma3", "Gemma3:latest"),
        ("gemma3:27B-IT-q8_0", "Gemma3:27b-it-Q8_0"),
        ("library/phi4:14b", "phi4:14b"),
        ("registry.ollama.ai/library/phi4", "PHI4"),
        ("https://registry.ollama.ai/library/phi4", "phi4:latest"),
        ("registry.ollama.ai/someone/tuned:2b", "Someone/Tuned:2b"),
        ("huggingface.co/unsloth/GLM-GGUF:IQ4_XS", "hf.co/unsloth/glm-gguf:iq4_xs"),
        ("registry.local:5000/team/m", "Registry.Local:5000/team/m:latest"),
        ("gpt-oss:20b:cloud", "gpt-oss:20b-CLOUD"),
        ("phi4:14b:local", "phi4:14b"),
        ("phi4:local", "phi4:latest"),
        ("library/Phi4:LOCAL", "phi4"),
        (" phi4:14b ", "phi4:14b"),
    ],
)
def test_spellings_of_one_model(one: str, other: str) -> None:
    assert is_same_model(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("phi4:14b", "phi4:3b"),
        ("phi4", "phi4:14b"),
        ("someone/phi4", "phi4"),
        ("someone/phi4", "library/phi4"),
        ("hf.co/library/phi4", "phi4"),
        ("registry.local:5000/library/phi4", "phi4"),
        ("registry.local:5000/team/m", "registry.local:5001/team/m"),
        ("qwen3:cloud", "qwen3"),
        ("qwen3:8b-cloud", "qwen3:8b"),
    ],
)
def test_names_of_different_models(one: str, other: str) -> None:
    assert not is_same_model(one, other)


@given(PART, PART, PART)
def test_defaults_may_be_written_or_left_out(namespace: str, model: str, tag: str) -> None:
    short = f"{namespace}/{model}:{tag}"
    assert is_same_model(f"registry.ollama.ai/{short}", short.upper())
    assert is_same_model(f"registry.ollama.ai/library/{model}", f"{model}:latest")
    assert comparison_key(full_name(short)) == comparison_key(short)


@given(st.text(max_size=40))
def test_any_text_has_a_key_that_is_its_own_key(text: str) -> None:
    key = comparison_key(text.lower())
    assert comparison_key(text) == key
    assert comparison_key(full_name(text.strip())) == key


def test_the_name_as_it_is_spelled_comes_first() -> None:
    names = InstalledNames(["Phi4:14b", "phi4:14b"], ignores_case=True)
    assert names.find("phi4:14b") == "phi4:14b"
    assert names.find("Phi4:14b") == "Phi4:14b"
    assert names.find("PHI4:14B") == "Phi4:14b"


def test_latest_may_be_left_out_on_either_side() -> None:
    assert InstalledNames(["phi4:latest"], ignores_case=False).find("phi4") == "phi4:latest"
    assert InstalledNames(["phi4"], ignores_case=False).find("phi4:latest") == "phi4"


def test_where_case_may_matter_another_spelling_must_be_the_only_one() -> None:
    assert InstalledNames(["Org/Model"], ignores_case=False).find("org/model") == "Org/Model"
    both = InstalledNames(["Org/Model", "org/model"], ignores_case=False)
    assert both.find("ORG/MODEL") is None
    assert both.find("org/model") == "org/model"


def test_local_as_a_tag_means_the_model_of_this_machine() -> None:
    assert InstalledNames(["phi4:latest"], ignores_case=True).find("phi4:local") == "phi4:latest"
    assert InstalledNames(["phi4:14b"], ignores_case=True).find("phi4:local") is None


def test_an_installed_model_with_the_tag_local_comes_first() -> None:
    both = InstalledNames(["phi4:latest", "phi4:local"], ignores_case=True)
    assert [both.find(name) for name in ("phi4:local", "Phi4:Local", "phi4")] == [
        *("phi4:local", "phi4:local", "phi4:latest")
    ]
    assert InstalledNames(["phi4:local"], ignores_case=True).find("phi4") is None


def test_an_unknown_name_means_nothing() -> None:
    assert InstalledNames(["phi4:14b"], ignores_case=True).find("phi4") is None
