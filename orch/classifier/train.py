"""Trains the learned part of the classifier: `uv run --group train python -m orch.classifier.train --data DIR` (seeded, no clock).

Rows come from the JSONL files of DIR and from `orch/classifier/data/`. Figures in the report are of rows that were not trained on, whole sources left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sparse
from scipy.optimize import minimize

from orch.classifier.features import BUCKETS, buckets, features
from orch.classifier.learned import MAGIC, WEIGHTS, value_of
from orch.types import TaskType

TYPES = tuple(str(each) for each in TaskType)
OWN = Path(__file__).with_name("data")
FOLDS = 4
L2 = 1e-4
"""Of 1e-4, 3e-4 and 1e-3 the best on sources left out (lenient .691, .689, .685)."""
STEPS = 45
LABEL_SHARE = 0.75
"""What the label gets where another one is defensible; the others share the rest."""
COPY_WEIGHT = 0.3
TEACHER_SHARE = 0.5
SEED = 4
BINS = 10
UNSURE_BELOW = 0.5
SECOND_SHARE = 0.4
_POLITE = {
    "en": (
        "Please, {}",
        "Hi! {} Thanks!",
        "Could you please help me with this: {}",
        "I would be grateful if you could do this. {}",
        "Hey, quick one. {} Cheers.",
    ),
    "es": ("Por favor, {}", "Hola. {} ¡Gracias!", "¿Podrías ayudarme con esto? {}", "Buenas, necesito una mano: {}", "{} Muchas gracias de antemano."),
}
_PASTED = (
    "2026-03-01 12:00:01 ERROR worker[17]: connection reset by peer\n2026-03-01 12:00:02 INFO retrying in 5 s",
    "def total(items):\n    result = 0\n    for item in items:\n        result += item.price\n    return result",
    "id,name,amount\n1,Ana,20.5\n2,Luis,13.0\n3,Mia,7.25",
    "diff --git a/app.py b/app.py\n--- a/app.py\n+++ b/app.py\n@@ -1,3 +1,3 @@\n-x = 1\n+x = 2",
    "The council met on Tuesday to discuss the new library. Several residents spoke about opening hours, and the vote was put off until next month.",
    "El pleno se reunió el martes para hablar de la nueva biblioteca. Varios vecinos opinaron sobre el horario y la votación se aplazó un mes.",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled prompt. `source` is what is left out together; `real` tells prompts of users from those written for training."""

    text: str
    label: str
    also: tuple[str, ...]
    lang: str
    source: str
    real: bool
    file: str


def load(folder: Path) -> list[Row]:
    """The rows of a folder's files and of our own, in the order of file names."""
    paths = [*sorted(folder.glob("*.jsonl")), *sorted(OWN.glob("*.jsonl"))]
    return [_row(json.loads(line), path) for path in paths for line in path.read_text("utf-8").splitlines() if line.strip()]


def _row(record: dict[str, Any], path: Path) -> Row:
    source = record.get("source", f"own:{path.stem}").split("#")[0].removeprefix("translated:")
    also = tuple(each for each in record.get("also", ()) if each in TYPES)
    return Row(record["text"], record["label"], also, record.get("lang", ""), source, not source.startswith(("written", "own")), path.name)


def changed(row: Row, kind: str, chance: random.Random) -> Row:
    """The row as another user could have typed it: `typo`, `polite` or `pasted` (case and accents are folded away before features are made)."""
    if kind == "typo":
        return replace(row, text=_typos(row.text, chance))
    if kind == "polite":
        return replace(row, text=chance.choice(_POLITE["es" if row.lang == "es" else "en"]).format(row.text))
    block = chance.choice(_PASTED)
    return replace(row, text=f"{row.text}\n\n{block}" if chance.random() < 0.6 else f"{block}\n\n{row.text}")


def _typos(text: str, chance: random.Random) -> str:
    letters = list(text)
    spots = [at for at in range(1, min(len(letters), 2_000) - 1) if letters[at].isalpha() and letters[at + 1].isalpha()]
    for at in chance.sample(spots, min(len(spots), max(1, len(spots) // 40))):
        how = chance.randrange(3)
        if how == 0:
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        elif how == 1:
            letters[at] = ""
        else:
            letters[at] *= 2
    return "".join(letters)


def matrix(texts: list[str]) -> Any:
    """Sparse, one line a text, as `LearnedClassifier` counts its features."""
    starts, at, values = [0], [], []
    for text in texts:
        for group, names in features(text).items():
            at += buckets(names)
            values += [value_of(group, len(names))] * len(names)
        starts.append(len(at))
    return sparse.csr_matrix((np.array(values), np.array(at), np.array(starts)), shape=(len(texts), BUCKETS))


def targets(rows: list[Row]) -> Any:
    """Soft labels, (n, 8)."""
    out = np.zeros((len(rows), len(TYPES)))
    for line, row in zip(out, rows, strict=True):
        line[TYPES.index(row.label)] = LABEL_SHARE if row.also else 1.0
        for each in row.also:
            line[TYPES.index(each)] += (1 - LABEL_SHARE) / len(row.also)
    return out


def fit(lines: Any, wanted: Any, weights: Any, l2: float = L2) -> Any:
    """Weights (buckets, 8) of multinomial logistic regression, by L-BFGS."""
    used = np.unique(lines.indices)
    narrow = lines[:, used].tocsr()
    across = narrow.T.tocsr()
    share = (weights / weights.sum())[:, None]

    def loss(flat: Any) -> tuple[float, Any]:
        own = flat.reshape(-1, len(TYPES))
        logs = log_softmax(narrow @ own)
        slope = across @ ((np.exp(logs) - wanted) * share) + l2 * own
        return float(-(share * wanted * logs).sum() + 0.5 * l2 * (own * own).sum()), slope.ravel()

    found = minimize(loss, np.zeros(len(used) * len(TYPES)), jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "maxcor": 8})
    out = np.zeros((BUCKETS, len(TYPES)))
    out[used] = found.x.reshape(-1, len(TYPES))
    return out


def log_softmax(logits: Any) -> Any:
    """Line by line."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Bench:
    """All rows with their changed copies, as matrices; copies know their row by `origin`."""

    rows: list[Row]
    plain: Any
    copies: Any
    origin: Any
    wanted: Any

    def fitted(self, chosen: Any) -> Any:
        """Weights from the chosen rows and their copies."""
        near = np.flatnonzero(np.isin(self.origin, chosen))
        lines = sparse.vstack([self.plain[chosen], self.copies[near]]).tocsr()
        wanted = np.vstack([self.wanted[chosen], self.wanted[self.origin[near]]])
        return fit(lines, wanted, np.concatenate([np.ones(len(chosen)), np.full(len(near), COPY_WEIGHT)]))


def bench(rows: list[Row], wanted: Any) -> Bench:
    """Rows and three copies of each, one of a kind of change."""
    chance = random.Random(SEED)
    copies = [changed(row, kind, chance).text for kind in ("typo", "polite", "pasted") for row in rows]
    return Bench(rows, matrix([row.text for row in rows]), matrix(copies), np.tile(np.arange(len(rows)), 3), wanted)


def folds(rows: list[Row], by_source: bool) -> Any:
    """A fold for each real row, -1 (always trained on) for the others. Sources stay whole, or rows are dealt at random."""
    chance = random.Random(SEED)
    if not by_source:
        return np.array([chance.randrange(FOLDS) if row.real else -1 for row in rows])
    load_of, fold_of = [0] * FOLDS, {}
    for source, count in sorted(Counter(row.source for row in rows if row.real).items(), key=lambda each: (-each[1], each[0])):
        fold_of[source] = load_of.index(min(load_of))
        load_of[fold_of[source]] += count
    return np.array([fold_of.get(row.source, -1) for row in rows])


def left_out(data: Bench, dealt: Any) -> tuple[Any, Any]:
    """Logits (n, 8) of each row by a model that did not see its fold, and of its three copies (3n, 8)."""
    plain, copies = np.zeros((len(data.rows), len(TYPES))), np.zeros((len(data.origin), len(TYPES)))
    for fold in range(FOLDS):
        weights = fitted_bytes(data.fitted(np.flatnonzero(dealt != fold)))
        rows, near = np.flatnonzero(dealt == fold), np.flatnonzero(dealt[data.origin] == fold)
        plain[rows], copies[near] = data.plain[rows] @ weights, data.copies[near] @ weights
    return plain, copies


def fitted_bytes(weights: Any) -> Any:
    """The weights as they are after rounding to bytes."""
    whole, scale = rounded(weights)
    return whole * scale


def rounded(weights: Any) -> tuple[Any, Any]:
    """Bytes, and what one is worth for each type. 99.6 % of prompts keep their type; clipping the largest .005 % kept only 94 %."""
    scale = np.abs(weights).max(axis=0) / 127
    return np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale


def knots(top: Any, right: Any) -> tuple[list[float], list[float]]:
    """Confidence by top probability: means of equal shares of the rows, made rising (pool adjacent violators)."""
    order = np.argsort(top, kind="stable")
    pools = [[float(top[part].mean()), float(right[part].mean()), 1] for part in np.array_split(order, 12)]
    at = 0
    while at < len(pools) - 1:
        if pools[at][1] <= pools[at + 1][1]:
            at += 1
            continue
        (x, y, n), (x2, y2, n2) = pools[at], pools.pop(at + 1)
        pools[at] = [(x * n + x2 * n2) / (n + n2), (y * n + y2 * n2) / (n + n2), n + n2]
        at = max(at - 1, 0)
    xs, ys = [0.0, *(pool[0] for pool in pools), 1.0], [0.0, *(pool[1] for pool in pools), pools[-1][1]]
    rising = [0, *(at for at, (a, b) in enumerate(pairwise(xs), 1) if b > a)]
    return [round(xs[at], 5) for at in rising], [round(ys[at], 5) for at in rising]


def ece(confidence: Any, right: Any) -> float:
    """Expected calibration error, ten bins of equal width."""
    where = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return float(sum(abs(confidence[where == at].mean() - right[where == at].mean()) * (where == at).mean() for at in set(where.tolist())))


def lenient(rows: list[Row], best: Any) -> Any:
    """Whether each row's type is its label or a defensible second."""
    return np.array([TYPES[at] == row.label or TYPES[at] in row.also for at, row in zip(best, rows, strict=True)])


def figures(rows: list[Row], logits: Any) -> dict[str, Any]:
    """Strict and lenient shares, by language and by label."""
    best = logits.argmax(axis=1)
    good = lenient(rows, best)
    strict = np.array([TYPES[at] == row.label for at, row in zip(best, rows, strict=True)])

    def share(chosen: list[bool]) -> float:
        return round(float(good[np.array(chosen)].mean()), 4)

    return {
        "n": len(rows),
        "strict": round(float(strict.mean()), 4),
        "lenient": round(float(good.mean()), 4),
        "by_language": {lang: share([row.lang == lang for row in rows]) for lang in ("en", "es")},
        "by_label": {kind: share([row.label == kind for row in rows]) for kind in TYPES},
    }


def measured(data: Bench) -> tuple[dict[str, Any], dict[str, Any]]:
    """The head of the weights file (calibration) and the report's figures, both from rows that were left out."""
    report: dict[str, Any] = {}
    tops, rights = [], []
    for name, by_source in (("leave_source_out", True), ("random_split", False)):
        dealt = folds(data.rows, by_source)
        chosen = np.flatnonzero(dealt >= 0)
        plain, copies = left_out(data, dealt)
        rows = [data.rows[at] for at in chosen]
        report[name] = figures(rows, plain[chosen])
        tops.append(np.exp(log_softmax(plain[chosen])).max(axis=1))
        rights.append(lenient(rows, plain[chosen].argmax(axis=1)))
        same = copies.argmax(axis=1) == plain[data.origin].argmax(axis=1)
        kinds = np.repeat(np.arange(3), len(data.rows))
        report[name]["kept"] = {
            kind: round(float(same[(kinds == at) & (dealt[data.origin] >= 0)].mean()), 4) for at, kind in enumerate(("typo", "polite", "pasted"))
        }
    xs, ys = knots(np.concatenate(tops), np.concatenate(rights))
    for name, top, right in zip(("leave_source_out", "random_split"), tops, rights, strict=True):
        report[name]["ece"] = round(ece(np.interp(top, xs, ys), right), 4)
    return {"knots": [xs, ys], "unsure_below": UNSURE_BELOW, "second_share": SECOND_SHARE}, report


def weights_file(weights: Any, head: dict[str, Any]) -> bytes:
    """A head of JSON and a byte for each type and bucket, type by type."""
    whole, scale = rounded(weights)
    text = json.dumps({**head, "scale": [float(each) for each in scale]}).encode()
    return MAGIC + len(text).to_bytes(4, "little") + text + np.ascontiguousarray(whole.T).tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    asked = parser.parse_args()
    rows = load(asked.data)
    data = bench(rows, targets(rows))
    head, report = measured(data)
    content = weights_file(data.fitted(np.arange(len(rows))), head)
    asked.out.write_bytes(content)
    report |= {"rows": dict(Counter(row.file for row in rows)), "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "l2": L2, "seed": SEED}
    asked.out.with_name(re.sub(r"\.\w+$", "", asked.out.name) + ".report.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
