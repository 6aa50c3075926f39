"""The list of known models: the package's file and the user's own."""

from __future__ import annotations

from orch.config import yaml_document
from orch.config.schema import validate_document
from orch.routing.known_models.estimate import (
    estimate_prior,
)
from orch.routing.known_models.model_list import FILE, KnownModels, load_shipped
from orch.routing.known_models.recognition import recognize
from orch.types import TaskType
from tests.support.known_models import model


def test_what_a_user_s_file_says_goes_before_the_package_s() -> None:
    qualities = dict.fromkeys(map(str, TaskType), 3.5)
    own = {
        "models": [
            {"name": "qwen3-8b", "family": "qwen3", "params_b": 8.19, "modes": {"off": qualities}},
            {"name": "chat-own-8b", "family": "own", "params_b": 8},
        ]
    }
    both = KnownModels.merge(load_shipped(), own)
    belief = estimate_prior(model("qwen3-8b"), both)
    assert (belief.prior.quality[TaskType.WRITING], belief.prior.source) == (
        0.35,
        "known_models.yaml",
    )
    assert recognize(model("own:8b"), both).family == "own"


def test_the_package_s_file_is_yaml_that_validates_and_names_its_sources() -> None:
    document = yaml_document.parse_yaml(str(FILE), FILE.read_text(encoding="utf-8"), shipped=True)
    data, problems = validate_document("known_models", document, document.data)
    assert (problems, data) == ([], load_shipped())
    assert {"Artificial Analysis", "llm-stats", "EuroEval"} <= {
        each["name"] for each in data["sources"]
    }
