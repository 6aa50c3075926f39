"""The generated known_models.yaml."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orch.routing.known_models.derive import derive, format_file, read_models
from orch.routing.known_models.model_list import load_shipped
from orch.types import TaskType

DATA = Path(
    os.environ.get("ORCH_MODEL_DATA") or Path(__file__).parents[4] / "shared" / "data" / "models"
)


NEEDS_DATA = pytest.mark.skipif(
    not (DATA / "models.jsonl").is_file(),
    reason="the benchmark scores are not in the repository; ORCH_MODEL_DATA names their folder",
)


@NEEDS_DATA
def test_the_package_s_file_is_what_the_script_derives_from_the_scores() -> None:
    text = format_file(derive(read_models(DATA)))
    again = json.loads(text[text.index("{") :])
    assert [*again] == [*load_shipped()]
    for entry, kept in zip(again["models"], load_shipped()["models"], strict=True):
        assert entry.keys() == kept.keys()
        assert {name: value for name, value in entry.items() if name != "modes"} == {
            name: value for name, value in kept.items() if name != "modes"
        }
        for mode, qualities in entry.get("modes", {}).items():
            # sums of floats differ between versions of Python in the last digits
            assert {task: qualities[task] for task in TaskType} == pytest.approx(
                {task: kept["modes"][mode][task] for task in TaskType}, abs=0.011
            )
            assert (qualities["scores"], qualities["newest"]) == (
                kept["modes"][mode]["scores"],
                kept["modes"][mode]["newest"],
            )
