"""Chunks of rows and their points: dated, numbered, and counted as done by the last one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from orch.memory.bm25 import document_weights
from orch.memory.journal_source import Remembered
from orch.memory.row_chunks import chunks_of, to_point

AT = datetime(2026, 11, 30, 12).timestamp()
NOTE = Remembered(7, "r7", AT, "note", "s", None, None, "a.md", "nemo is here", "", False)
RUN = replace(NOTE, status="ok", task="where is nemo?", answer="Here. " * 400, model="m")


def test_a_chunk_begins_with_the_day_of_its_row() -> None:
    (chunk,) = chunks_of(NOTE)
    assert (chunk.text, chunk.number, chunk.is_last) == (
        "[30 November 2026] nemo is here",
        0,
        True,
    )


def test_only_the_last_chunk_of_a_row_is_the_last() -> None:
    chunks = chunks_of(RUN)
    assert len(chunks) > 2
    assert [chunk.number for chunk in chunks] == [*range(len(chunks))]
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert "where is nemo?" in chunks[0].text


def test_a_row_without_text_has_one_empty_chunk_that_marks_it_as_seen() -> None:
    (chunk,) = chunks_of(replace(NOTE, task=" "))
    assert (chunk.text, chunk.is_last) == ("", True)


def test_the_last_point_alone_has_the_number_of_its_row() -> None:
    points = [to_point(chunk, None) for chunk in chunks_of(RUN)]
    assert [point.seq for point in points] == [None] * (len(points) - 1) + [7]
    assert len({point.id for point in points}) == len(points)


def test_a_point_has_the_facts_of_its_row_and_its_words() -> None:
    (chunk,) = chunks_of(NOTE)
    point = to_point(chunk, [1.0, 0.0])
    assert (point.run_id, point.part, point.session, point.at) == ("r7", 0, "s", AT)
    assert (point.dense, point.sparse) == ([1.0, 0.0], document_weights(chunk.text))
    assert point.id == to_point(chunk, None).id
