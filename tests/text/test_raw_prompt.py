"""Prompts with the tokens by which models fill a gap: found, and split for a model of another
family."""

from __future__ import annotations

import pytest

from orch.text.raw_prompt import RawPrompt, has_fill_in_middle, split_fill_in_middle

BAR, LOW = "\N{FULLWIDTH VERTICAL LINE}", "\N{LOWER ONE EIGHTH BLOCK}"
SAMPLES = [
    "<|fim_prefix|>def f(<|fim_suffix|>return 1<|fim_middle|>",
    "<|fim_suffix|>return 1<|fim_prefix|>def f(<|fim_middle|>",
    "<fim_prefix>def f(<fim_suffix>return 1<fim_middle>",
    "<fim-prefix>def f(<fim-suffix>return 1<fim-middle>",
    "<PRE> def f( <SUF>return 1 <MID>",
    f"<{BAR}fim{LOW}begin{BAR}>def f(<{BAR}fim{LOW}hole{BAR}>return 1<{BAR}fim{LOW}end{BAR}>",
    "<|code_prefix|>def f(<|code_suffix|>return 1<|code_middle|>",
    "[SUFFIX]return 1[PREFIX]def f(",
    "<s>[SUFFIX]return 1[PREFIX]def f(",
    "<PRE> <SUF>return 1 <MID>def f(",
    "<s> <PRE> <SUF>return 1 <MID> def f(",
    "<s><PRE> def f( <SUF>return 1 <MID>",
    f"<{BAR}begin{LOW}of{LOW}sentence{BAR}><fim_prefix>def f(<fim_suffix>return 1<fim_middle>",
]


@pytest.mark.parametrize("prompt", SAMPLES)
def test_the_tokens_of_each_family_are_known(prompt: str) -> None:
    assert has_fill_in_middle(prompt)
    assert split_fill_in_middle(prompt) == ("def f(", "return 1")


@pytest.mark.parametrize(
    "prompt",
    [
        "<|fim_prefix|><|fim_suffix|>return 1<|fim_middle|>def f(",
        "<fim_prefix>def <fim_suffix>return 1<fim_middle>f(",
        "<|fim_suffix|>return 1<|fim_prefix|>def <|fim_middle|>f(",
    ],
)
def test_what_stands_behind_the_gap_was_begun(prompt: str) -> None:
    assert split_fill_in_middle(prompt) == ("def f(", "return 1")


@pytest.mark.parametrize(
    "text",
    [
        *("", "def f():", "<|fim_prefix|>x", "a [SUFFIX] of it", "<PRE>"),
        *("Name files [PREFIX]-[SUFFIX]", "What are <fim_prefix> and <fim_suffix>?"),
        *("<s>", "<s>Name files [PREFIX]-[SUFFIX]", "What is <PRE> <SUF>?"),
    ],
)
def test_half_a_pair_is_text(text: str) -> None:
    assert not has_fill_in_middle(text)
    assert split_fill_in_middle(text) is None


def test_what_stands_before_the_tokens_is_kept() -> None:
    prompt = "<|file_sep|>a.py\n<|fim_prefix|>x = <|fim_suffix|>\ny<|fim_middle|>"
    assert split_fill_in_middle(prompt) == ("<|file_sep|>a.py\nx = ", "\ny")


def test_another_family_gets_the_parts_of_a_prompt() -> None:
    raw = RawPrompt(SAMPLES[0], "", {"raw": True, "images": ["x"]})
    assert raw.for_any_model() == RawPrompt("def f(", "return 1", {"images": ["x"]})
    for kept in (RawPrompt("a", "", {"raw": True}), RawPrompt(SAMPLES[0], "b")):
        assert kept.for_any_model() == kept


def test_a_prompt_of_tokens_alone_is_split_in_linear_time() -> None:
    split_fill_in_middle("<|fim_prefix|><|fim_suffix|>" * 100_000)
    split_fill_in_middle("<PRE> <PRE> " * 200_000)
