"""The effect of opening words on real prompts: `uv run --group train python -m tests.evals.openings
--data DIR` (three minutes).

Four-fold cross-validation over sources: each part is classified by weights fitted to the others,
without the embedder's half of the training (which takes half an hour and improves both columns
alike). Changed prompts are those of `tests/evals/classifier.py`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orch.classifier.features import features
from orch.classifier.opening_words import READ_WORDS, TYPE_OF, keep_second, opening_votes
from orch.classifier.spelling import Vocabulary
from orch.classifier.train import report
from orch.classifier.train.__main__ import L2, REAL_WEIGHT
from orch.classifier.train.fitting import fit, fitted_bytes, log_softmax, matrix, targets
from orch.classifier.train.rows import TYPES, Row, load_rows, vocabulary
from orch.types import TaskType
from tests.evals.classifier import CHANGES, SEED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="the default: one object on stdout")
    print(json.dumps(measured(load_rows(parser.parse_args().data)), indent=2))


def measured(rows: list[Row]) -> dict[str, Any]:
    """Figures with and without the votes, for the real rows, each classified by weights of other
    sources."""
    known = vocabulary(rows)
    dealt = report.folds(rows, by_source=True)
    chosen = np.flatnonzero(dealt >= 0)
    real = [rows[at] for at in chosen]
    texts = [[row.text for row in real], *(_changed(real, name) for name in CHANGES)]
    logits = _left_out(rows, dealt, known, texts)
    voted = [_voted(part, these, known) for part, these in zip(logits, texts, strict=True)]
    right = [report.lenient(real, part[0].argmax(axis=1)) for part in (logits, voted)]
    counts = {"n": len(real), "with_such_a_word": int((voted[0] != logits[0]).any(axis=1).sum())}
    moved = {
        "became_right": int((right[1] & ~right[0]).sum()),
        "became_wrong": int((right[0] & ~right[1]).sum()),
    }
    return {
        **counts,
        **moved,
        "without": _figures(real, logits, dealt[chosen]),
        "with": _figures(real, voted, dealt[chosen]),
    }


def _left_out(
    rows: list[Row], dealt: Any, known: Vocabulary, texts: Sequence[Sequence[str]]
) -> list[Any]:
    lines, wanted = matrix([row.text for row in rows], known), targets(rows)
    counts = np.array([REAL_WEIGHT if row.real else 1.0 for row in rows])
    asked = [matrix(these, known) for these in texts]
    found = [np.zeros((part.shape[0], len(TYPES))) for part in asked]
    for fold in range(report.FOLDS):
        own, held = np.flatnonzero(dealt != fold), np.flatnonzero(dealt[dealt >= 0] == fold)
        weights = fitted_bytes(fit(lines[own], wanted[own], counts[own], L2))
        for part, out in zip(asked, found, strict=True):
            out[held] = part[held] @ weights
    return found


def _voted(logits: Any, texts: Sequence[str], known: Vocabulary) -> Any:
    """The logits (n, 8) including the opening words."""
    words, out = (
        Vocabulary([*known, *(word for word in TYPE_OF if word not in known)]),
        logits.copy(),
    )
    for line, text in zip(out, texts, strict=True):
        opening = [
            name[1:] for name in features(text, words)["words"][:READ_WORDS] if name[0] == "1"
        ]
        for vote in opening_votes(opening):
            line[TYPES.index(vote.task_type)] += vote.weight
        for lift in keep_second(opening, dict(zip(TaskType, line.tolist(), strict=True))):
            line[TYPES.index(lift.task_type)] += lift.weight
    return out


def _changed(rows: list[Row], name: str) -> list[str]:
    chance = random.Random(SEED)
    return [CHANGES[name]({"text": row.text, "lang": row.lang}, chance) for row in rows]


def _figures(rows: list[Row], logits: list[Any], dealt: Any) -> dict[str, Any]:
    """Of the rows' own logits, and of each change's."""
    best = logits[0].argmax(axis=1)
    right, top = report.lenient(rows, best), np.exp(log_softmax(logits[0])).max(axis=1)
    same = {
        name: (part.argmax(axis=1) == best).tolist()
        for name, part in zip(CHANGES, logits[1:], strict=True)
    }
    kept = {name: round(float(np.mean(each)), 4) for name, each in same.items()}
    everything = round(float(np.mean([each for many in same.values() for each in many])), 4)
    first_two = np.argsort(-logits[0], axis=1)[:, :2]
    labelled = [TYPES.index(row.label) in two for row, two in zip(rows, first_two, strict=True)]
    shares = {
        "lenient": float(right.mean()),
        "label_first_or_second": float(np.mean(labelled)),
        "ece": report.cross_fitted_ece(top, right, dealt),
    }
    return {
        **{name: round(value, 4) for name, value in shares.items()},
        "kept": kept | {"all": everything},
    }


if __name__ == "__main__":
    main()
