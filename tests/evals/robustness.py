"""Stability of types under changes of prompts that were not trained on: `uv run --group train
python -m tests.evals.robustness --data DIR`.

Four-fold cross-validation over sources; the changes are those of `tests/evals/classifier.py`.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from orch.classifier.train import __main__ as train
from orch.classifier.train.fitting import fitted_bytes, matrix
from orch.classifier.train.report import FOLDS, folds
from orch.classifier.train.rows import load_rows
from tests.evals.classifier import CHANGES, SEED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="the default: one object on stdout")
    parser.add_argument(
        "--vectors",
        type=Path,
        help="vectors that a training kept; without them it takes half an hour",
    )
    asked = parser.parse_args()
    print(json.dumps(kept(train.load_material(load_rows(asked.data), asked.vectors)), indent=2))


def kept(data: train.Material) -> dict[str, float]:
    """Shares of prompts whose type is stable, by change and overall."""
    dealt, chance = folds(data.rows, by_source=True), random.Random(SEED)
    same: dict[str, list[bool]] = {name: [] for name in CHANGES}
    for fold in range(FOLDS):
        chosen, held = np.flatnonzero(dealt != fold), np.flatnonzero(dealt == fold)
        weights = fitted_bytes(data.fitted(chosen, data.teacher(chosen)))
        before = (data.plain[held] @ weights).argmax(axis=1)
        for name, change in CHANGES.items():
            after = (
                matrix([change(_row(data, int(at)), chance) for at in held], data.vocabulary)
                @ weights
            )
            same[name] += (after.argmax(axis=1) == before).tolist()
    shares = {name: round(float(np.mean(each)), 4) for name, each in same.items()}
    return shares | {
        "all": round(float(np.mean([each for many in same.values() for each in many])), 4)
    }


def _row(data: train.Material, at: int) -> dict[str, Any]:
    return {"text": data.rows[at].text, "lang": data.rows[at].lang}


if __name__ == "__main__":
    main()
