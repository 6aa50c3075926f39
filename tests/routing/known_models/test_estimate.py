"""The prior of a model: from benchmarks, else from size and date."""

from __future__ import annotations

import math
import random

import pytest

from orch.routing.known_models.estimate import (
    QUANTIZATION_LOSS,
    estimate_prior,
    shift_prior,
    soft_clamp,
)
from orch.routing.known_models.identity import Identity
from orch.routing.known_models.recognition import recognize
from orch.types import Prior, TaskType
from tests.support.known_models import known, model


def coding(identity: Identity) -> float:
    """What is believed of it, 0 to 10."""
    return estimate_prior(identity, known()).prior.quality[TaskType.CODING] * 10


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


@pytest.mark.parametrize(
    ("identity", "size_b"),
    [
        (Identity("mine", size_bytes=98_000_000), 0.16),
        (Identity("mine", size_bytes=8_500_000_000, quantization="Q8_0"), 8.5),
        (Identity("mine-9b", size_bytes=98_000_000), 9),
        (Identity("mine"), None),
    ],
)
def test_the_file_tells_a_size_where_nothing_else_does(
    identity: Identity, size_b: float | None
) -> None:
    found = estimate_prior(identity, known())
    assert found.size_b == (size_b and pytest.approx(size_b, abs=0.01))
    assert ("size is unknown" in found.prior.source) == (size_b is None)


def test_a_small_file_is_believed_worse_than_a_large_one() -> None:
    small, large = (Identity("mine", size_bytes=size) for size in (98_000_000, 20_000_000_000))
    assert coding(small) + 2 < coding(large)


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
    assert recognize(model("gemma:7b-text"), known()).year == 2024
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
