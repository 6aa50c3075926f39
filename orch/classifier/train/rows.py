"""The training prompts: loaded, varied as other users could have typed them, and spliced into new
ones."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orch.classifier.features import split_request
from orch.classifier.spelling import Vocabulary
from orch.text.language import split_words
from orch.types import TaskType

TYPES = tuple(str(each) for each in TaskType)
OWN = Path(__file__).parents[1] / "data"
KINDS = ("typo", "polite", "pasted")
KNOWN_FROM = 3
"""Prompts that must contain a word for it to be known. Of 2 and 3 the better one (lenient .741 and
.745; typos keep .971 and .964)."""
LONGEST_SPLICED = 400
SWAPPED_WORDS = 0.4
_POLITE = {
    "en": (
        "Please, {}",
        "Hi! {} Thanks!",
        "Could you please help me with this: {}",
        "I would be grateful if you could do this. {}",
        "Hey, quick one. {} Cheers.",
    ),
    "es": (
        "Por favor, {}",
        "Hola. {} ¡Gracias!",
        "¿Podrías ayudarme con esto? {}",
        "Buenas, necesito una mano: {}",
        "{} Muchas gracias de antemano.",
    ),
}
_PASTED = (
    (
        "2026-03-01 12:00:01 ERROR worker[17]: connection reset by peer\n2026-03-01 12:00:02 INFO"
        " retrying in 5 s"
    ),
    (
        "def total(items):\n    result = 0\n    for item in items:\n        result += item.price\n "
        "   return result"
    ),
    "id,name,amount\n1,Ana,20.5\n2,Luis,13.0\n3,Mia,7.25",
    "diff --git a/app.py b/app.py\n--- a/app.py\n+++ b/app.py\n@@ -1,3 +1,3 @@\n-x = 1\n+x = 2",
    (
        "The council met on Tuesday to discuss the new library. Several residents spoke about"
        " opening hours, and the vote was put off until next month."
    ),
    (
        "El pleno se reunió el martes para hablar de la nueva biblioteca. Varios vecinos opinaron"
        " sobre el horario y la votación se aplazó un mes."
    ),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled prompt. Rows of one `source` are left out together; `real` marks prompts of
    users, as opposed to those written for training."""

    text: str
    label: str
    also: tuple[str, ...]
    lang: str
    source: str
    real: bool
    file: str


def load_rows(folder: Path) -> list[Row]:
    """The rows of a folder's files and of the package, ordered by file name."""
    paths = [*sorted(folder.glob("*.jsonl")), *sorted(OWN.glob("*.jsonl"))]
    return [
        _row(json.loads(line), path)
        for path in paths
        for line in path.read_text("utf-8").splitlines()
        if line.strip()
    ]


def _row(record: dict[str, Any], path: Path) -> Row:
    source = record.get("source", f"own:{path.stem}").split("#")[0].removeprefix("translated:")
    also = tuple(each for each in record.get("also", ()) if each in TYPES)
    return Row(
        record["text"],
        record["label"],
        also,
        record.get("lang", ""),
        source,
        not source.startswith(("written", "own")),
        path.name,
    )


def vary(row: Row, kind: str, chance: random.Random) -> Row:
    """The row as another user could have typed it: `typo`, `polite` or `pasted` (features ignore
    case and accents)."""
    if kind == "typo":
        return replace(row, text=_typos(row.text, chance))
    if kind == "polite":
        return replace(
            row, text=chance.choice(_POLITE["es" if row.lang == "es" else "en"]).format(row.text)
        )
    block = chance.choice(_PASTED)
    return replace(
        row, text=f"{row.text}\n\n{block}" if chance.random() < 0.6 else f"{block}\n\n{row.text}"
    )


def _typos(text: str, chance: random.Random) -> str:
    letters = list(text)
    spots = [
        at
        for at in range(1, min(len(letters), 2_000) - 1)
        if letters[at].isalpha() and letters[at + 1].isalpha()
    ]
    for at in chance.sample(spots, min(len(spots), max(1, len(spots) // 40))):
        how = chance.randrange(3)
        if how == 0:
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        elif how == 1:
            letters[at] = ""
        else:
            letters[at] *= 2
    return "".join(letters)


def vocabulary(rows: Sequence[Row]) -> Vocabulary:
    """The words of the prompts written for training, by descending frequency."""
    counts: Counter[str] = Counter()
    for row in rows:
        if not row.real:
            counts.update(
                {
                    word
                    for word in split_words(split_request(row.text).asked)
                    if word.isalpha() and word.isascii()
                }
            )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Vocabulary([word for word, count in ordered if count >= KNOWN_FROM])


def spliced(rows: Sequence[Row], count: int, seed: int) -> list[str]:
    """New texts from the written prompts: the beginning of one with the end of another, or with
    words exchanged. The teacher labels them."""
    chance = random.Random(seed)
    by_language = {
        lang: [
            row.text
            for row in rows
            if not row.real and row.lang == lang and len(row.text) < LONGEST_SPLICED
        ]
        for lang in ("en", "es")
    }
    words = {
        lang: sorted({word for text in prompts for word in text.split() if _exchangeable(word)})
        for lang, prompts in by_language.items()
    }
    texts: dict[str, None] = {}
    while len(texts) < count:
        lang = chance.choice(("en", "es"))
        one, other = (text.split(" ") for text in chance.sample(by_language[lang], 2))
        if chance.random() < 0.6:
            new = (
                one[: chance.randint(1, max(1, len(one) * 2 // 3))]
                + other[chance.randint(len(other) // 3, max(len(other) - 1, len(other) // 3)) :]
            )
        else:
            new = [
                (
                    chance.choice(words[lang])
                    if _exchangeable(word) and chance.random() < SWAPPED_WORDS
                    else word
                )
                for word in one
            ]
        texts[" ".join(new)[:LONGEST_SPLICED]] = None
    return list(texts)


def _exchangeable(word: str) -> bool:
    return len(word) > 3 and word.isalpha()
