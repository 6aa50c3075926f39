"""The evaluations run as scripts from the checkout, and `--json` prints one object alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path.name for path in (ROOT / "tests" / "evals").glob("[a-z]*.py"))
ROW = {"text": "Fix this Python function", "label": "coding", "also": []}
PAIR = {"a": "What is a mutex?", "b": "what is a mutex", "same_answer": True, "kind": "case"}
SENTENCE = {"word": "debug", "lang": "en", "type": "coding", "text": "debug this function"}
QUICK = {"classifier.py": ROW, "near_cache.py": PAIR, "words.py": SENTENCE}
"""Scripts that take a file, with a row of it; the others need the data outside the project."""


@pytest.mark.parametrize("name", QUICK)
def test_a_script_prints_one_object_alone(name: str, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps(QUICK[name]) + "\n")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "evals" / name), "--data", str(data), "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert isinstance(json.loads(done.stdout), dict)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_takes_data_and_json(name: str) -> None:
    text = (ROOT / "tests" / "evals" / name).read_text(encoding="utf-8")
    assert '"--data"' in text
    assert '"--json"' in text
