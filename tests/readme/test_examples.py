"""The README's examples print what stands below them, but for figures and the model's own words."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.readme import examples
from tests.readme.documents import READMES

TEXT = READMES["en"].read_text(encoding="utf-8")


@pytest.mark.real
def test_every_example_prints_what_stands_below_it() -> None:
    with examples.home(TEXT) as env:
        for block in examples.blocks(TEXT):
            printed = "\n".join(
                examples.output(command, env) for command in examples.commands(block)
            )
            below = "\n".join(line for line in block.splitlines() if not line.startswith("$ "))
            missing = Counter(examples.stable(printed)) - Counter(examples.stable(below))
            assert not missing, f"python -m tests.readme --examples writes it anew: {dict(missing)}"


def test_figures_ids_and_answers_are_not_compared() -> None:
    assert examples.stable(
        'added 1 piece: na6e08fb46076d0020000 in 0.35 s {"content":"A lock"}'
    ) == ["added", "piece:", "in", "s", '{"content":', '""}']
