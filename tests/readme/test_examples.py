"""The README's examples print what stands below them, but for figures and the model's own words."""

from __future__ import annotations

import pytest

from tests.readme import examples
from tests.readme.documents import READMES
from tests.readme.examples import stable

TEXT = READMES["en"].read_text(encoding="utf-8")


@pytest.mark.real
def test_every_example_prints_what_stands_below_it() -> None:
    with examples.one_core(), examples.home(TEXT) as env:
        examples.shorten_answers(env, 8)
        for block in examples.blocks(TEXT):
            for command, below in examples.commands(block).items():
                printed = examples.output(command, env)
                assert stable(command, printed) == stable(command, below), (
                    "uv run python -m tests.readme --examples runs the examples again"
                )


def test_figures_ids_and_answers_are_not_compared() -> None:
    printed = 'added 1 piece: na6e08fb46076d0020000 in 0.35 s {"content":"A \\"lock\\""}'
    below = 'added 1 piece: n0fe08fb46076d0020000 in 12 s {"content":"Another"}'
    assert stable("orch memory add x", printed) == stable("orch memory add x", below)


def test_the_models_own_words_are_not_compared() -> None:
    assert stable("orch run x", "! a warning\nWords.\n→ SmolLM2 · 5 s") == stable(
        "orch run x", "! a warning\nOthers, more of them.\n→ SmolLM2 · 41.2 s"
    )


def test_that_an_answer_was_shortened_is_not_compared() -> None:
    cut = "! a warning\nWords\n! the answer was cut at 8 tokens, a limit of the model's server\n→ S"
    assert stable("orch run x", cut) == stable("orch run x", "! a warning\nWords.\n→ S")


def test_another_text_of_the_program_is_seen() -> None:
    assert stable("orch rate last good", "was good (n=1)") != stable(
        "orch rate last good", "was rated good (n=1)"
    )
