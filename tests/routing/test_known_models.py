"""Known models: which one a provider's model is, what is believed of it, and where the package's
file comes from."""

from __future__ import annotations

import json
import math
import os
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from orch.config import yaml_document
from orch.config.schema import validate_document
from orch.routing.known_models.derive import derive, format_file, read_models
from orch.routing.known_models.estimate import (
    QUANTIZATION_LOSS,
    estimate_prior,
    shift_prior,
    soft_clamp,
)
from orch.routing.known_models.identity import Identity
from orch.routing.known_models.model_list import FILE, KnownModels, load_shipped
from orch.routing.known_models.names import parse_name, quantization_bits
from orch.routing.known_models.recognition import RecognizedModel, recognize
from orch.types import Prior, TaskType

DATA = Path(
    os.environ.get("ORCH_MODEL_DATA") or Path(__file__).parents[3] / "shared" / "data" / "models"
)
NEEDS_DATA = pytest.mark.skipif(
    not (DATA / "models.jsonl").is_file(),
    reason="the benchmark scores are not in the repository; ORCH_MODEL_DATA names their folder",
)


@cache
def known() -> KnownModels:
    """The package's."""
    return KnownModels.merge(load_shipped())


def model(
    tag: str,
    basename: str = "",
    size: str = "",
    finetune: str = "",
    version: str = "",
    params_b: float | None = None,
    **more: Any,
) -> Identity:
    """What a provider says of a model."""
    return Identity(tag, basename, size, finetune, version, params_b=params_b, **more)


def found(identity: Identity) -> RecognizedModel:
    """What it is taken for."""
    return recognize(identity, known())


def name_of(identity: Identity) -> str | None:
    """The known model that it is."""
    it = found(identity).known
    return it.name if it else None


def coding(identity: Identity) -> float:
    """What is believed of it, 0 to 10."""
    return estimate_prior(identity, known()).prior.quality[TaskType.CODING] * 10


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


def test_an_architecture_that_is_called_after_a_family_tells_the_date_and_that_of_most_does_not() -> (
    None
):
    assert (
        found(model("x", params_b=8, architecture="qwen3moe")).year
        == known().year_of("qwen3")
        is not None
    )
    assert found(model("x", params_b=8, architecture="llama")).year is None


def test_no_name_and_no_metadata_makes_an_error() -> None:
    chance = random.Random(7)
    letters = "qwen3:-_./ \\8bBx.aem0Q4_Kgguf☃ñ"
    for _ in range(3_000):
        tag, base, size = (
            "".join(chance.choices(letters, k=chance.randrange(14))) for _ in range(3)
        )
        prior = estimate_prior(
            model(tag, base, size, params_b=chance.choice([None, 0.001, 8.0, 1e6])), known()
        ).prior
        assert all(0 < value < 1 for value in prior.quality.values())


# ---------------------------------------------------------------- what is believed


@pytest.mark.parametrize(
    ("tag", "quality"),
    [
        ("codellama:34b", 4.9),
        ("mistral:7b", 3.9),
        ("llama3.1:8b", 5.0),
        ("qwen3:8b", 6.7),
        ("gpt-oss:20b", 7.9),
        ("gemma4:12b", 8.1),
        ("qwen3.6:27b", 9.0),
    ],
)
def test_benchmarks_tell_the_quality(tag: str, quality: float) -> None:
    assert coding(model(tag)) == pytest.approx(quality, abs=0.12)
    assert estimate_prior(model(tag), known()).prior.source.startswith("benchmarks (")


def test_a_coder_of_2023_is_believed_worse_at_code_than_a_general_model_of_2026_half_its_size() -> (
    None
):
    assert (
        coding(model("codellama:34b"))
        < coding(model("qwen3.5:14b", params_b=14))
        < coding(model("qwen3.6:27b"))
    )


def test_a_model_that_thinks_counts_as_such_unless_its_provider_says_that_it_does_not() -> None:
    thinking, plain, untold = (
        coding(model("qwen3:8b", thinks=thinks)) for thinks in (True, False, None)
    )
    assert thinking == untold > plain + 0.5


@pytest.mark.parametrize(
    ("quantization", "count"),
    [
        ("Q4_K_M", 4),
        ("IQ3_XXS", 3),
        ("Q2_K", 2),
        ("TQ1_0", 1),
        ("F16", 16),
        ("MXFP4", 4),
        ("unknown", None),
        ("", None),
    ],
)
def test_a_quantisation_tells_its_bits(quantization: str, count: int | None) -> None:
    assert quantization_bits(quantization) == count


def test_fewer_than_four_bits_count_against_a_model_known_or_not() -> None:
    for tag in ("llama3.1:8b", "mine:8b"):
        whole, *less = (
            coding(model(tag, quantization=each)) for each in ("Q4_K_M", "Q3_K_M", "Q2_K", "IQ1_S")
        )
        assert [whole - each for each in less] == pytest.approx(
            [QUANTIZATION_LOSS[3], QUANTIZATION_LOSS[2], QUANTIZATION_LOSS[1]]
        )
    assert coding(model("hf.co/x/Llama-3.1-8B-Instruct-GGUF:IQ2_M")) == pytest.approx(
        coding(model("llama3.1:8b")) - QUANTIZATION_LOSS[2]
    )


def test_an_unknown_model_is_guessed_from_what_is_known_of_it_and_says_so() -> None:
    said = {
        each: estimate_prior(each, known()).prior
        for each in (model("mine"), model("mine:7b"), model("mine-2512:7b"))
    }
    assert [prior.source for prior in said.values()] == [
        "guessed, its size is unknown",
        "guessed from size",
        "guessed from size and date",
    ]
    assert coding(model("mine:70b")) > coding(model("mine:7b")) > coding(model("mine:1b"))
    assert coding(model("mine-2512:7b")) > coding(model("mine-2312:7b")) + 1


def test_no_growth_is_assumed_past_what_was_measured() -> None:
    assert coding(model("mine-2912:7b")) == coding(model("mine-2704:7b")) < 10


def test_no_growth_is_assumed_past_the_largest_model_that_was_measured() -> None:
    assert coding(model("mine:132b")) == coding(model("mine:671b")) > coding(model("mine:70b"))


def test_a_family_without_a_date_is_an_old_one() -> None:
    assert found(model("gemma:7b-text")).year == 2024
    assert coding(model("gemma:7b-text")) < coding(model("mine:7b")) - 0.5


def test_a_mixture_of_experts_counts_its_active_part_too() -> None:
    assert estimate_prior(model("mine:30b-a3b"), known()).active_b == 3
    assert estimate_prior(model("mine", params_b=30, active_b=2.9), known()).active_b == 2.9
    assert estimate_prior(model("gpt-oss:20b"), known()).active_b == 3.6
    assert coding(model("mine-2512:30b-a3b")) < coding(model("mine-2512:30b"))


def test_another_scale_keeps_the_order_also_of_the_best_and_the_worst() -> None:
    priors = [
        Prior(dict.fromkeys(TaskType, value), "") for value in (0.01, 0.05, 0.5, 0.93, 0.94, 0.99)
    ]
    for by in (-3.0, 0.5, 1.4, 4.0):
        moved = [shift_prior(prior, by, 0.0).mean for prior in priors]
        assert moved == sorted(set(moved))
        assert 0 < moved[0] < moved[-1] < 1


def test_a_squashed_quality_is_itself_in_the_middle() -> None:
    assert [soft_clamp(value) for value in (1.0, 5.5, 9.0)] == [1.0, 5.5, 9.0]
    assert [soft_clamp(12.0), soft_clamp(-3.0)] == pytest.approx([10 - math.exp(-3), math.exp(-4)])


# ---------------------------------------------------------------- the files


def test_what_a_user_s_file_says_goes_before_the_package_s() -> None:
    qualities = dict.fromkeys(map(str, TaskType), 3.5)
    own = {
        "models": [
            {"name": "qwen3-8b", "family": "qwen3", "params_b": 8.19, "modes": {"off": qualities}},
            {"name": "chat-own-8b", "family": "own", "params_b": 8},
        ]
    }
    both = KnownModels.merge(load_shipped(), own)
    belief = estimate_prior(model("qwen3-8b"), both)
    assert (belief.prior.quality[TaskType.WRITING], belief.prior.source) == (
        0.35,
        "known_models.yaml",
    )
    assert recognize(model("own:8b"), both).family == "own"


def test_the_package_s_file_is_yaml_that_validates_and_names_its_sources() -> None:
    document = yaml_document.parse_yaml(str(FILE), FILE.read_text(encoding="utf-8"), shipped=True)
    data, problems = validate_document("known_models", document, document.data)
    assert (problems, data) == ([], load_shipped())
    assert {"Artificial Analysis", "llm-stats", "EuroEval"} <= {
        each["name"] for each in data["sources"]
    }


@NEEDS_DATA
def test_the_package_s_file_is_what_the_script_derives_from_the_scores() -> None:
    text = format_file(derive(read_models(DATA)))
    again = json.loads(text[text.index("{") :])
    assert [*again] == [*load_shipped()]
    for entry, kept in zip(again["models"], load_shipped()["models"], strict=True):
        assert entry.keys() == kept.keys()
        assert {name: value for name, value in entry.items() if name != "modes"} == {
            name: value for name, value in kept.items() if name != "modes"
        }
        for mode, qualities in entry.get("modes", {}).items():
            # sums of floats differ between versions of Python in the last digits
            assert {task: qualities[task] for task in TaskType} == pytest.approx(
                {task: kept["modes"][mode][task] for task in TaskType}, abs=0.011
            )
            assert (qualities["scores"], qualities["newest"]) == (
                kept["modes"][mode]["scores"],
                kept["modes"][mode]["newest"],
            )


def test_names_are_taken_apart() -> None:
    it = parse_name("hf.co/x/Meta-Llama-3.1-8B-Instruct-GGUF:IQ3_XXS")
    assert (it.stem, it.size, it.size_b, it.quantization, it.tuned) == (
        "llama3.1",
        "8b",
        8.0,
        "iq3",
        frozenset({"instruct"}),
    )
    assert parse_name("qwen2.5-14b-instruct-1m").size_b == 14
    assert (parse_name("m:30b-a3b").active_b, parse_name("granite3-moe:1b-a400m").active_b) == (
        3.0,
        0.4,
    )
    assert parse_name("smollm2:135m").size_b == 0.135
