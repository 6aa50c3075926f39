"""Evaluates quality predictions before the answer: `uv run python tests/evals/routing.py [--data
DIR] [--json] [--quick]`.

DIR holds the outcomes of many models on the same prompts; its README describes the measures.
Quality Q is the mean score of the chosen models.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from orch.classifier.keyword_rules import RuleClassifier
from orch.config.load import load_config
from orch.quality import QualityModel

DATA = Path(__file__).parents[3] / "shared" / "data" / "routing"
SETS = ("d1", "d2", "d3")
SMALL = (
    "codegemma-7b",
    "gemma-2-9b-it",
    "llama-3.1-8b-instruct",
    "llama3-chatqa-1.5-8b",
    "mistral-7b-instruct-v0.3",
    "qwen2.5-7b-instruct",
)
DIALS = (0.0, *np.geomspace(0.001, 3.0, 80).tolist())
CHEAP = 1.35
"""The cheap anchor is the best model that costs at most this many times the cheapest."""
TABLE_WEIGHT = 5.0
"""The weight of a model's mean, in answers, in a cell of the baseline tables."""
RESAMPLES, SEED = 300, 4
WARM, STREAM, LAST = 6, 4_000, 1_000
QUICK_ROWS = 900


@dataclass(frozen=True, slots=True)
class Bench:
    """Prompts with the score and cost of each model's answer: arrays (prompts, models)."""

    models: tuple[str, ...]
    texts: list[str]
    kinds: list[str]
    train: Any
    scores: Any
    costs: Any

    def take(self, rows: Any) -> Bench:
        """Some of the prompts, by a mask or by indices."""
        at = np.arange(len(self.texts))[rows].tolist()
        return replace(
            self,
            texts=[self.texts[i] for i in at],
            kinds=[self.kinds[i] for i in at],
            train=self.train[at],
            scores=self.scores[at],
            costs=self.costs[at],
        )

    def of(self, models: Sequence[str]) -> Bench:
        """Some of the models."""
        at = [self.models.index(model) for model in models]
        return replace(
            self, models=tuple(models), scores=self.scores[:, at], costs=self.costs[:, at]
        )

    def rows(self) -> Iterator[tuple[str, str, str, float]]:
        """The rows that QualityModel takes."""
        for text, kind, line in zip(self.texts, self.kinds, self.scores.tolist(), strict=True):
            yield from (
                (text, kind, model, score) for model, score in zip(self.models, line, strict=True)
            )


def main() -> None:
    asked = _arguments()
    if not (asked.data / "d1.jsonl.gz").is_file():
        print(
            f"skipped: there are no outcomes in {asked.data}; name their folder with --data",
            file=sys.stderr,
        )
        raise SystemExit(2)
    report = measured({name: bench(asked.data, name, asked.quick) for name in SETS}, asked.quick)
    print(json.dumps(report, indent=2) if asked.json else rendered(report))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_ROWS} prompts of each set, and fewer repetitions",
    )
    return parser.parse_args()


def bench(folder: Path, name: str, quick: bool) -> Bench:
    """One set. An answer costs its model's active parameters in billions, times thousands of tokens
    if known."""
    rows = [
        json.loads(line)
        for line in gzip.decompress((folder / f"{name}.jsonl.gz").read_bytes()).splitlines()
    ]
    sizes = json.loads((folder / f"{name}_meta.json").read_text("utf-8"))["active_params_b"]
    if quick:
        rows = random.Random(SEED).sample(rows, min(QUICK_ROWS, len(rows)))
    tokens = [
        [row["tokens"][model] / 1000 if "tokens" in row else 1.0 for model in sizes] for row in rows
    ]
    return Bench(
        models=tuple(sizes),
        texts=[row["text"] for row in rows],
        kinds=[row["task"] for row in rows],
        train=np.array([row["split"] == "train" for row in rows]),
        scores=np.array([[row["score"][model] for model in sizes] for row in rows]),
        costs=np.array(tokens) * np.array([sizes[model] for model in sizes]),
    )


def measured(benches: dict[str, Bench], quick: bool) -> dict[str, Any]:
    """All figures."""
    d1 = benches["d1"]
    seeds = range(1 if quick else 3)
    return {
        "sets": {
            name: one_set(each.take(each.train), each.take(~each.train))
            for name, each in benches.items()
        },
        "six_below_10b": [half_and_half(d1.of(SMALL), seed) for seed in seeds],
        "unseen_kinds": {
            name: unseen_kinds(benches[name]) for name in (("d1",) if quick else ("d1", "d3"))
        },
        "online": [online(d1, seed) for seed in seeds],
        "predict_ms": predict_ms(d1),
    }


# ---------------------------------------------------------------- one set


def one_set(train: Bench, test: Bench) -> dict[str, Any]:
    """Our model and the baselines, trained and tested."""
    begin = time.process_time()
    model = QualityModel.fit(train.rows(), models=train.models, priors={})
    seconds = time.process_time() - begin
    told = {
        "ours": means(model, test),
        "keyword table": keyword_table(train, test),
        "true-kind table": table(train.kinds, test.kinds, train),
    }
    frame = Frame.of(train, test, told["true-kind table"])
    policies = {name: frame.figures(each) for name, each in told.items()} | frame.constants()
    return {"prompts": len(test.texts), "fit_s": round(seconds, 1), "policies": policies}


def means(model: QualityModel, test: Bench) -> Any:
    """The model's prediction for every answer."""
    return np.array([[each.mean for each in model.predict(text).values()] for text in test.texts])


def table(known: list[str], asked: list[str], train: Bench) -> Any:
    """Means by kind and model, shrunk towards the model's own, for the kinds of the prompts."""
    base, labels = train.scores.mean(axis=0), np.array(known)
    cells = {
        kind: (train.scores[labels == kind].sum(axis=0) + TABLE_WEIGHT * base)
        / ((labels == kind).sum() + TABLE_WEIGHT)
        for kind in set(asked)
    }
    return np.array([cells[kind] for kind in asked])


def keyword_table(train: Bench, test: Bench) -> Any:
    """The task type from the keywords of routing.yaml."""
    rules = RuleClassifier(load_config().routing.task_types)
    kinds = [[str(rules.classify(text).task_type) for text in each.texts] for each in (train, test)]
    return table(kinds[0], kinds[1], train)


@dataclass(frozen=True, slots=True)
class Frame:
    """Baselines on the test prompts, and bootstrap resamples of these as counts (the first counts
    each once)."""

    test: Bench
    best: int
    cheap: int
    cheapest: int
    prices: Any
    ideal: Any
    counts: Any

    @classmethod
    def of(cls, train: Bench, test: Bench, true_kind: Any) -> Frame:
        """The best, the cheapest and the cheap anchor by the training prompts."""
        prices, quality, n = train.costs.mean(axis=0), train.scores.mean(axis=0), len(test.texts)
        cheap = np.argmax(np.where(prices <= CHEAP * prices.min(), quality, -1.0))
        drawn = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
        counts = np.concatenate([np.ones((1, n)), drawn]) / n
        return cls(
            test,
            int(quality.argmax()),
            int(cheap),
            int(prices.argmin()),
            prices,
            true_kind.argmax(axis=1),
            counts,
        )

    def figures(self, told: Any) -> dict[str, Any]:
        """All figures of a policy that maximizes the mean minus the dial's share of the cost."""
        chosen = [(told - dial * self.prices / self.prices.max()).argmax(axis=1) for dial in DIALS]
        quality = self.counts @ np.stack([self._taken(self.test.scores, each) for each in chosen]).T
        costs = self.counts @ np.stack([self._taken(self.test.costs, each) for each in chosen]).T
        curves = [self._curve(*each) for each in zip(costs, quality, self.counts, strict=True)]
        figures = self._at_dial_0(chosen[0]) | {
            "area": interval([each[0] for each in curves]),
            "saved": interval([each[1] for each in curves]),
        }
        return figures

    def constants(self) -> dict[str, Any]:
        """Policies that ignore the text, and the oracle."""
        size = len(self.test.texts)
        same = {
            name: self._at_dial_0(np.full(size, at))
            for name, at in (("best single", self.best), ("cheapest", self.cheapest))
        }
        by_chance = {
            "quality": interval(self.counts @ self.test.scores.mean(axis=1)),
            "cost": round(float(self.test.costs.mean()), 2),
        }
        return same | {
            "random": by_chance,
            "oracle": self._at_dial_0((self.test.scores - 1e-6 * self.prices).argmax(axis=1)),
        }

    def _taken(self, values: Any, chosen: Any) -> Any:
        return values[np.arange(len(chosen)), chosen]

    def _at_dial_0(self, chosen: Any) -> dict[str, Any]:
        quality = self.counts @ self._taken(self.test.scores, chosen)
        best, ideal = (
            self.counts @ self.test.scores[:, self.best],
            self.counts @ self._taken(self.test.scores, self.ideal),
        )
        possible = np.where(np.abs(ideal - best) > 0.002, ideal - best, np.nan)
        cost = round(float(self._taken(self.test.costs, chosen).mean()), 2)
        return {
            "quality": interval(quality),
            "cost": cost,
            "gain": interval(quality / best - 1),
            "share": interval((quality - best) / possible),
        }

    def _curve(self, costs: Any, quality: Any, counts: Any) -> tuple[float, float]:
        """Area and saved cost of one resample."""
        cheap, best = (
            (float(counts @ self.test.costs[:, at]), float(counts @ self.test.scores[:, at]))
            for at in (self.cheap, self.best)
        )
        hull = upper_hull([cheap, *zip(costs.tolist(), quality.tolist(), strict=True)])
        return area(hull, cheap, best), 1 - reached(hull, best[1]) / best[0]


Point = tuple[float, float]


def upper_hull(points: Iterable[Point]) -> list[Point]:
    """The rising concave hull of (cost, quality), from the cheapest to the best."""
    hull: list[Point] = []
    for point in sorted(points, key=lambda each: (each[0], -each[1])):
        if hull and point[1] <= hull[-1][1]:
            continue
        while len(hull) > 1 and _slope(hull[-2], point) >= _slope(hull[-2], hull[-1]):
            hull.pop()
        hull.append(point)
    return hull


def _slope(a: Point, b: Point) -> float:
    return (b[1] - a[1]) / max(b[0] - a[0], 1e-12)


def area(hull: list[Point], cheap: Point, best: Point) -> float:
    """Mean over cost, from the cheap anchor to the best single model, of the share of their
    difference in quality."""
    grid = np.linspace(cheap[0], best[0], 400)
    quality = np.interp(grid, [each[0] for each in hull], [each[1] for each in hull])
    return (
        float((quality - cheap[1]).mean() / (best[1] - cheap[1]))
        if best[1] != cheap[1]
        else float("nan")
    )


def reached(hull: list[Point], quality: float) -> float:
    """The cost at which the hull reaches a quality; NaN if it never does."""
    if hull[-1][1] < quality - 1e-9:
        return float("nan")
    return float(np.interp(quality, [each[1] for each in hull], [each[0] for each in hull]))


def interval(values: Any) -> list[float | None]:
    """The figure itself (the first value) and a 95 % interval from the others; None without one."""
    figure, others = values[0], np.array(values[1:])
    others = others[~np.isnan(others)]
    low, high = np.quantile(others, (0.025, 0.975)) if len(others) else (np.nan, np.nan)
    return [None if np.isnan(each) else round(float(each), 4) for each in (figure, low, high)]


# ---------------------------------------------------------------- other questions


def half_and_half(whole: Bench, seed: int) -> dict[str, Any]:
    """Gain over the best single model after training on half of the prompts."""
    dealt = np.random.default_rng(seed).permutation(len(whole.texts)) % 2 == 0
    policies = one_set(whole.take(dealt), whole.take(~dealt))["policies"]
    return {
        name: policies[name]["gain"]
        for name in ("ours", "keyword table", "true-kind table", "oracle")
    }


def unseen_kinds(whole: Bench) -> dict[str, Any]:
    """Quality minus that of the best single model on each kind, by a model that never saw the kind;
    and over all prompts."""
    kinds, lost = np.array(whole.kinds), {}
    for kind in sorted(set(whole.kinds)):
        train, test = whole.take(kinds != kind), whole.take(kinds == kind)
        chosen = means(QualityModel.fit(train.rows(), models=train.models, priors={}), test).argmax(
            axis=1
        )
        best = train.scores.mean(axis=0).argmax()
        lost[kind] = test.scores[np.arange(len(chosen)), chosen] - test.scores[:, best]
    pooled = np.concatenate(list(lost.values()))
    drawn = np.random.default_rng(SEED).choice(pooled, (RESAMPLES, len(pooled))).mean(axis=1)
    by_kind = {kind: round(float(each.mean()), 4) for kind, each in lost.items()}
    return {
        "all": interval([pooled.mean(), *drawn]),
        "mean_of_kinds": round(sum(by_kind.values()) / len(by_kind), 4),
        "by_kind": by_kind,
    }


def online(whole: Bench, seed: int) -> dict[str, float]:
    """A few prompts of each kind with all scores, then one at a time with the chosen model's score
    only. Mean score over the last thousand."""
    order = np.random.default_rng(seed).permutation(len(whole.texts)).tolist()
    warm = [
        at
        for kind in sorted(set(whole.kinds))
        for at in [i for i in order if whole.kinds[i] == kind][:WARM]
    ]
    stream = [at for at in order if at not in set(warm)][:STREAM]
    model = QualityModel.fit(whole.take(warm).rows(), models=whole.models, priors={})
    got = []
    for at in stream:
        chosen = model.choose(whole.texts[at], {})
        got.append(float(whole.scores[at, whole.models.index(chosen)]))
        model.update(whole.texts[at], chosen, got[-1])
    seen, last = whole.take(stream), whole.take(stream[-LAST:])
    hindsight = table(seen.kinds, last.kinds, seen).argmax(axis=1)
    best = float(last.scores[:, seen.scores.mean(axis=0).argmax()].mean())
    known = float(last.scores[np.arange(len(last.texts)), hindsight].mean())
    return {
        "last": round(float(np.mean(got[-LAST:])), 4),
        "best_single": round(best, 4),
        "table_in_hindsight": round(known, 4),
    }


def predict_ms(whole: Bench) -> dict[str, list[float]]:
    """Median and 99th percentile of one prediction in CPU ms, by length of text in characters."""
    model = QualityModel.fit(whole.rows(), models=whole.models, priors={})
    together = " ".join(whole.texts)
    return {
        str(size): _timed(
            model.predict,
            [together[at * size : (at + 1) * size] for at in range(len(together) // size)][:400],
        )
        for size in (500, 20_000)
    }


def _timed(call: Callable[[str], object], texts: list[str]) -> list[float]:
    took = []
    for text in texts:
        begin = time.process_time()
        call(text)
        took.append((time.process_time() - begin) * 1000)
    return [round(float(each), 3) for each in np.quantile(took, (0.5, 0.99))]


def rendered(report: dict[str, Any]) -> str:
    """Prints a figure and its interval in brackets."""
    lines = []
    for name, each in report["sets"].items():
        columns = ("quality", "cost", "gain", "share", "area", "saved")
        lines += [
            f"{name}: {each['prompts']} prompts, fitted in {each['fit_s']} s",
            " " * 17 + "".join(f"{column:>26}" for column in columns),
        ]
        lines += [
            f"  {policy:15}" + "".join(f"{_shown(found.get(column)):>26}" for column in columns)
            for policy, found in each["policies"].items()
        ]
    lines += [
        f"{name}: {json.dumps(report[name])}"
        for name in ("six_below_10b", "unseen_kinds", "online", "predict_ms")
    ]
    return "\n".join(lines)


def _shown(figure: Any) -> str:
    if figure is None or figure == [None] * 3:
        return ""
    if not isinstance(figure, list):
        return f"{figure:.2f}"
    value, low, high = ("-" if each is None else f"{each:.3f}" for each in figure)
    return f"{value} [{low}, {high}]"


if __name__ == "__main__":
    main()
