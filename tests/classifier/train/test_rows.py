"""The training prompts: loaded, varied and spliced, the same every time."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from orch.classifier.train.rows import (
    KINDS,
    KNOWN_FROM,
    LONGEST_SPLICED,
    Row,
    load_rows,
    spliced,
    vary,
    vocabulary,
)


def row(text: str, *, lang: str = "en", real: bool = False) -> Row:
    return Row(text, "coding", (), lang, "source", real, "file.jsonl")


WRITTEN = [row(f"sort the {word} of numbers quickly") for word in ("first", "second", "third")]
ESCRITAS = [row(f"ordena la {palabra} lista", lang="es") for palabra in ("primera", "otra")]


def test_rows_come_from_the_folder_and_from_the_package(tmp_path: Path) -> None:
    records = [
        {"text": "a", "label": "coding", "source": "survey#12", "lang": "en"},
        {"text": "b", "label": "coding", "source": "translated:survey", "also": ["simple", "no"]},
        {"text": "c", "label": "coding", "source": "written:me"},
        {"text": "d", "label": "coding"},
    ]
    lines = "\n\n".join(json.dumps(record) for record in records)
    (tmp_path / "mine.jsonl").write_text(lines, encoding="utf-8")
    rows = load_rows(tmp_path)
    assert [(each.text, each.source, each.real) for each in rows[:4]] == [
        ("a", "survey", True),
        ("b", "survey", True),
        ("c", "written:me", False),
        ("d", "own:mine", False),
    ]
    assert rows[1].also == ("simple",)
    assert len(rows) > 1_000
    assert not any(each.real for each in rows[4:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("original", [WRITTEN[0], ESCRITAS[0]])
def test_a_varied_prompt_keeps_its_label_and_most_of_its_letters(kind: str, original: Row) -> None:
    varied = vary(original, kind, random.Random(1))
    assert varied.text != original.text
    assert (varied.label, varied.lang, varied.source) == ("coding", original.lang, "source")
    if kind == "typo":
        assert abs(len(varied.text) - len(original.text)) <= 1
    else:
        assert original.text in varied.text
    assert vary(original, kind, random.Random(1)) == varied


def test_politeness_is_in_the_language_of_the_prompt() -> None:
    chance = random.Random(2)
    texts = {vary(ESCRITAS[0], "polite", chance).text for _ in range(20)}
    assert not any("lease" in text or "hanks" in text for text in texts)


def test_a_word_is_known_from_three_written_prompts() -> None:
    rows = [*WRITTEN, row("sort 3 größe lists"), *[row("quibble", real=True)] * KNOWN_FROM]
    words = list(vocabulary([*rows, row("numbers numbers numbers other_word")]))
    assert words == ["numbers", "sort", "of", "quickly", "the"]


def of_words(texts: Sequence[str]) -> set[str]:
    return {word for text in texts for word in text.split()}


def test_spliced_prompts_are_distinct_and_of_written_words() -> None:
    rows = [*WRITTEN, *ESCRITAS, *[row("quibble", real=True)] * 5]
    texts = spliced(rows, 20, seed=1)
    assert len(set(texts)) == len(texts) == 20
    written = of_words([each.text for each in (*WRITTEN, *ESCRITAS)])
    assert of_words(texts) <= written
    assert spliced(rows, 20, seed=1) == texts != spliced(rows, 20, seed=2)


def test_a_spliced_prompt_is_cut() -> None:
    numbered = [row(" ".join(f"{at}{n:03}" for n in range(75))) for at in "abc"]
    texts = spliced([*numbered, *ESCRITAS], 200, seed=1)
    assert max(map(len, texts)) == LONGEST_SPLICED


def test_a_long_prompt_is_not_spliced() -> None:
    long = row("lengthy " * LONGEST_SPLICED)
    assert not of_words(spliced([*WRITTEN, *ESCRITAS, long], 20, seed=1)) & {"lengthy"}
