"""Names of models, parsed."""

from __future__ import annotations

import pytest

from orch.routing.known_models.names import parse_name, quantization_bits


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


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("foo-8x7b", (56.0, 14.0, None)),
        ("mixtral-8x22b-instruct", (176.0, 44.0, None)),
        ("qwen3-30b-a3b", (30.0, 3.0, None)),
        ("olmoe-1b-7b-0924-instruct", (7.0, 1.0, None)),
        ("foo-1b-7b", (1.0, None, None)),
        ("stablelm-2-1_6b-chat", (1.6, None, None)),
        ("llama_2_7b", (7.0, None, None)),
        ("internlm2_5-7b", (7.0, None, None)),
        ("big-70B", (70.0, None, None)),
        ("mystery-e4b", (None, None, 4.0)),
        ("llama70b", (None, None, 70.0)),
        ("bge-m3", (None, None, None)),
        ("model9999b", (None, None, None)),
    ],
)
def test_sizes_and_what_a_token_takes_of_them(name: str, sizes: tuple[float | None, ...]) -> None:
    parsed = parse_name(name)
    assert (parsed.size_b, parsed.active_b, parsed.loose_b) == sizes
