"""OpenCode's opencode.json: orch alone, each model with its limits."""

from __future__ import annotations

import json

import pytest

from orch.cli.clients import opencode
from orch.cli.clients.endpoint import ClientModel, Endpoint

MODELS = (
    ClientModel("auto", 65_536, tools=True, images=True),
    ClientModel("plain", 0),
)
SERVED = Endpoint("http://127.0.0.1:11435", MODELS)


def test_each_model_has_the_limits_that_are_known() -> None:
    block = opencode.provider(SERVED)
    assert block["options"] == {"baseURL": "http://127.0.0.1:11435/v1", "apiKey": "none"}
    assert block["models"]["auto"]["limit"] == {"context": 65_536, "output": 8_192}
    assert block["models"]["auto"]["modalities"]["input"] == ["text", "image"]
    assert block["models"]["plain"] == {"name": "plain", "tool_call": False}


def test_no_other_provider_is_asked_and_nothing_is_shared() -> None:
    written = opencode.settings(SERVED, "plain", "auto:loaded")
    assert (written["model"], written["small_model"]) == ("orch/plain", "orch/auto:loaded")
    assert written["enabled_providers"] == ["orch"]
    assert (written["share"], written["autoupdate"]) == ("disabled", False)


def test_a_key_is_named_by_its_variable() -> None:
    block = opencode.provider(Endpoint(SERVED.url, MODELS, needs_key=True))
    assert block["options"]["apiKey"] == "{env:ORCH_API_KEY}"


def test_what_its_user_wrote_stays() -> None:
    theirs = {"theme": "dark", "model": "x/y", "provider": {"other": {}, "orch": {"old": 1}}}
    merged = json.loads(opencode.merged(json.dumps(theirs), opencode.settings(SERVED, "a", "a")))
    assert (merged["theme"], merged["model"]) == ("dark", "orch/a")
    assert merged["provider"] == {"other": {}, "orch": opencode.provider(SERVED)}


@pytest.mark.parametrize("existing", ["[]", "{", '{"provider": []}'])
def test_a_file_that_can_not_be_merged_is_refused(existing: str) -> None:
    with pytest.raises(ValueError, match=r"not an object|Expecting"):
        opencode.merged(existing, opencode.settings(SERVED, "a", "a"))
