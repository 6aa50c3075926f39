"""What is learned of a model's vocabulary from prompts that its server counted."""

from __future__ import annotations

import pytest

from orch.text.prompt import token_parts
from orch.text.token_ratios import FURTHEST, corrected, fit_ratios
from tests.support.texts_by_kind import texts_by_kind


def test_a_single_count_scales_every_part() -> None:
    ratios = fit_ratios([((100.0, 200.0, 0.0), 450)])
    assert ratios == pytest.approx((1.5, 1.5, 1.5), rel=0.01)
    assert corrected((10.0, 0.0, 90.0), ratios) == pytest.approx(150, rel=0.01)


def test_parts_get_ratios_of_their_own() -> None:
    samples = [((100.0, 10.0), 80), ((10.0, 100.0), 206), ((50.0, 50.0), 130)]
    assert fit_ratios(samples) == pytest.approx((0.6, 2.0), rel=0.02)


def test_a_part_that_was_never_seen_has_the_usual_ratio() -> None:
    *_, unseen = fit_ratios([((100.0, 50.0, 0.0), 300)] * 3)
    assert unseen == pytest.approx(2.0)


@pytest.mark.parametrize(("ratios", "tokens"), [((-3.0, 0.1), 25), ((90.0, 1.0), 400)])
def test_a_correction_stays_near_the_estimate(ratios: tuple[float, float], tokens: int) -> None:
    assert corrected((50.0, 50.0), ratios) == tokens
    assert tokens in (100 / FURTHEST, 100 * FURTHEST)


def test_a_vocabulary_with_three_digits_a_token_is_learned_from_ten_prompts() -> None:
    """Where one ratio would be twice off for numbers, or for all the rest."""

    def count(text: str) -> int:
        words = sum(len(word) // 5 + 1 for word in text.split() if not word.isdecimal())
        marks = sum(not char.isalnum() and not char.isspace() for char in text)
        numbers = sum(-(-len(word) // 3) for word in text.split() if word.isdecimal())
        return words + marks + numbers

    texts = texts_by_kind()
    learned = [(token_parts(text), count(text)) for each in texts.values() for text in each[:2]]
    ratios = fit_ratios(learned)
    for _, _, text in texts.values():
        assert corrected(token_parts(text), ratios) == pytest.approx(count(text), rel=0.1)
