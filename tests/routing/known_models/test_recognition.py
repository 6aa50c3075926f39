"""Known models: which one a provider's model is, what is believed of it, and where the package's
file comes from."""

from __future__ import annotations

from typing import Any

import pytest

from orch.routing.known_models.estimate import (
    estimate_prior,
)
from orch.routing.known_models.identity import Identity
from orch.routing.known_models.model_list import load_shipped
from orch.routing.known_models.recognition import RecognizedModel, recognize
from tests.support.known_models import known, model


def found(identity: Identity) -> RecognizedModel:
    """What it is taken for."""
    return recognize(identity, known())


def name_of(identity: Identity) -> str | None:
    """The known model that it is."""
    it = found(identity).known
    return it.name if it else None


# ---------------------------------------------------------------- recognition


@pytest.mark.parametrize("entry", load_shipped()["models"], ids=lambda entry: entry["name"])
def test_every_known_model_is_recognised_by_its_own_names_with_and_without_its_size(
    entry: dict[str, Any],
) -> None:
    names = [entry["name"], *entry.get("ollama", ())]
    assert {
        name_of(model(name, params_b=size)) for name in names for size in (None, entry["params_b"])
    } == {entry["name"]}


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        (model("qwen3:4b", "Qwen3", "4B", params_b=4.02), "qwen3-4b-thinking-2507"),
        (model("qwen3:4b-instruct", "Qwen3", "4B", params_b=4.02), "qwen3-4b-instruct-2507"),
        (model("qwen3:4b-q8_0", "Qwen3", "4B", params_b=4.02), "qwen3-4b"),
        (model("mine", "Qwen3", "4B", params_b=4.02), "qwen3-4b"),
        (model("mine", "Qwen3", "4B", "Instruct", "2507", 4.02), "qwen3-4b-instruct-2507"),
        (
            model("deepseek-r1:latest", "DeepSeek-R1-0528-Qwen3", "8B", params_b=8.19),
            "deepseek-r1-0528-qwen3-8b",
        ),
        (model("gemma3:latest", params_b=4.3), "gemma-3-4b-it"),
        (model("gemma3n:e4b", params_b=6.87), "gemma-3n-e4b-it"),
        (model("gemma3n:e2b", params_b=4.46), "gemma-3n-e2b-it"),
        (model("yi:latest", params_b=6.1), "yi-1.5-6b-chat"),
    ],
)
def test_the_tag_tells_models_apart_that_their_metadata_calls_alike(
    identity: Identity, name: str
) -> None:
    assert name_of(identity) == name


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        (
            model("llama3.1:8b", "Qwen2.5-Coder", "7B", "Instruct", params_b=7.62),
            "qwen2.5-coder-7b-instruct",
        ),
        (
            model("mine:latest", "Meta-Llama-3.1", "8B", "Instruct", params_b=8.03),
            "llama-3.1-8b-instruct",
        ),
        (
            model("devstral:24b", "Devstral-Small", "24B", version="2505", params_b=23.6),
            "devstral-small-2505",
        ),
        (
            model("devstral-small-2:24b", "Devstral-Small-2", "24B", "Instruct", "2512", 24.0),
            "devstral-small-2-24b-instruct-2512",
        ),
        (model("phi4:latest", "phi", "15B", version="4", params_b=14.7), "phi-4"),
        (
            model("qwen3-coder:30b", "Qwen3-Coder", "30B-A3B", "Instruct", params_b=30.5),
            "qwen3-coder-30b-a3b-instruct",
        ),
        (model("x", "Qwen3.6-27B", "27B"), "qwen3.6-27b"),
    ],
)
def test_metadata_goes_before_the_tag(identity: Identity, name: str) -> None:
    assert name_of(identity) == name


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("hf.co/bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M", "llama-3.1-8b-instruct"),
        ("mistralai_Devstral-Small-2507-GGUF:Q4_K_M", "devstral-small-2507"),
        ("unsloth/Qwen3.6-27B-GGUF:UD-Q4_K_XL", "qwen3.6-27b"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "qwen2.5-7b-instruct"),
        ("mlx-community/Qwen3-8B-4bit", "qwen3-8b"),
        ("qwen/qwen3-4b-2507", "qwen3-4b-instruct-2507"),
        ("openai/gpt-oss-20b", "gpt-oss-20b"),
        ("registry.ollama.ai/library/qwen3:4b", "qwen3-4b-thinking-2507"),
        ("/models/mistral-7b-instruct-v0.2.Q4_K_M.gguf", "mistral-7b-instruct-v0.2"),
        ("C:\\models\\Qwen3-8B-Q4_K_M.gguf", "qwen3-8b"),
        ("qwen3.6:35b-a3b", "qwen3.6-35b-a3b"),
        (
            "hf.co/unsloth/Qwen3-Coder-30B-A3B-Instruct-1M-GGUF:Q4_K_M",
            "qwen3-coder-30b-a3b-instruct",
        ),
        ("codestral", "codestral-22b-v0.1"),
    ],
)
def test_where_there_is_no_metadata_the_tag_tells_in_any_form(tag: str, name: str) -> None:
    assert name_of(model(tag)) == name


@pytest.mark.parametrize(
    "identity",
    [
        model("huihui_ai/qwen3-abliterated:8b", "Qwen3", "8B", params_b=8.19),
        model("mannix/mine:latest", "Qwen3", "8B", "abliterated", params_b=8.19),
        model("x", "Qwen3", "8B", "Roleplay-v2", params_b=8.19),
        model("hf.co/x/Qwen3-8B-heretic-GGUF:Q4_K_M"),
        model("qwen3:8b", "Qwen3", "8B", params_b=8.19, adapted=True),
        model("my-qwen3-8b-merge"),
        model("x", "Frank", "8B", base_model="Qwen3 8B Base", params_b=8.19),
    ],
)
def test_a_fine_tune_or_a_merge_is_not_its_base_and_has_its_date(identity: Identity) -> None:
    it = found(identity)
    assert (it.known, it.relative, it.year) == (None, "qwen3-8b", 2025.25)
    assert (
        estimate_prior(identity, known()).prior.source
        == "guessed from size and date, as a relative of qwen3-8b"
    )


def test_a_fine_tune_that_was_measured_is_known() -> None:
    assert (
        name_of(model("dolphin-llama3:8b", "dolphin-2.9-llama3-8b", params_b=8.03))
        == "dolphin-2.9-llama3-8b"
    )
    assert name_of(model("hf.co/bartowski/Hermes-3-Llama-3.1-8B-GGUF")) == "hermes-3-llama-3.1-8b"


def test_metadata_whose_fine_tune_says_nothing_is_read_with_the_tag_of_the_library() -> None:
    said = ("smollm2", "135M", "8k-lc100k-mix1-ep2")
    assert name_of(model("smollm2:135m", *said, params_b=0.1345)) == "smollm2-135m-instruct"
    assert name_of(model("somebody/mine", *said, params_b=0.1345)) is None


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        (model("qwen3:8b", "Qwen3", "32B", params_b=8.19), "qwen3-8b"),
        (model("qwen3:32b", params_b=8.19), "qwen3-8b"),
        (model("qwen3:8b", "workspace", params_b=8.19), "qwen3-8b"),
        (model("qwen3:8b", "Qwen3", "8B"), "qwen3-8b"),
        (model("llama3.1:8b", params_b=0.1345), None),
        (model("qwen3:8b", "Qwen3", "8B", params_b=80.0), None),
    ],
)
def test_a_parameter_count_goes_before_labels_that_contradict_it(
    identity: Identity, name: str | None
) -> None:
    assert name_of(identity) == name


@pytest.mark.parametrize(
    ("tag", "year"),
    [("qwen3.5:14b", 2026 + 1 / 6), ("qwen3-14b-2603", 2026 + 1 / 6), ("mine:8b", None)],
)
def test_the_date_of_an_unknown_model_is_that_of_its_version_or_its_family(
    tag: str, year: float | None
) -> None:
    assert found(model(tag)).year == (None if year is None else pytest.approx(year))


def test_an_architecture_tells_the_date_only_if_it_is_named_after_a_family() -> None:
    assert (
        found(model("x", params_b=8, architecture="qwen3moe")).year
        == known().year_of("qwen3")
        is not None
    )
    assert found(model("x", params_b=8, architecture="llama")).year is None


# ---------------------------------------------------------------- what is believed


# ---------------------------------------------------------------- the files
