"""Codex's config.toml: valid TOML with orch's settings, and what else stood there."""

from __future__ import annotations

import tomllib

import pytest

from orch.cli.clients import codex
from orch.cli.clients.endpoint import ClientModel, Endpoint

SERVED = Endpoint("http://127.0.0.1:11435")
AUTO = ClientModel("auto", 65_536, tools=True)


def test_codex_asks_orch_by_responses_with_the_context_that_is_there_and_reports_nothing() -> None:
    assert tomllib.loads(codex.text(codex.settings(SERVED, AUTO))) == {
        "model": "auto",
        "model_provider": "orch",
        "model_context_window": 65_536,
        "model_auto_compact_token_limit": 49_152,
        "model_providers": {
            "orch": {
                "name": "orch",
                "base_url": "http://127.0.0.1:11435/v1",
                "wire_api": "responses",
            }
        },
        "web_search": "disabled",
    }
    assert tomllib.loads(codex.text(codex.QUIET)) == {
        "analytics": {"enabled": False},
        "feedback": {"enabled": False},
        "check_for_update_on_startup": False,
        "features": {"plugins": False, "daemon_auto_start": False},
    }


def test_a_key_is_named_by_its_variable_and_an_unknown_context_is_left_out() -> None:
    served = Endpoint(SERVED.url, needs_key=True)
    written = tomllib.loads(codex.text(codex.settings(served, ClientModel("auto"))))
    assert written["model_providers"]["orch"]["env_key"] == "ORCH_API_KEY"
    assert not [key for key in written if key.startswith(("model_context", "model_auto"))]


@pytest.mark.parametrize(
    ("context", "limit"), [(16_384, 12_288), (65_536, 49_152), (131_072, 111_072)]
)
def test_codex_compacts_a_turn_before_the_context_is_full(context: int, limit: int) -> None:
    settings = codex.settings(SERVED, ClientModel("auto", context))
    assert settings["model_auto_compact_token_limit"] == str(limit)


def test_every_key_that_may_be_written_is_known_as_orchs() -> None:
    assert {*codex.settings(SERVED, AUTO), *codex.QUIET} == codex.OWN_KEYS


def test_what_codex_and_its_user_wrote_stays_and_orchs_own_lines_are_replaced() -> None:
    old = codex.text(codex.settings(Endpoint("http://127.0.0.1:9"), ClientModel("old", 1)))
    theirs = 'personality = "calm"\n\n[projects."/src"]\ntrust_level = "trusted"\nmodel = "x"\n'
    merged = codex.merged(old + theirs, codex.settings(SERVED, AUTO))
    read = tomllib.loads(merged)
    assert (read["model"], read["personality"]) == ("auto", "calm")
    assert read["projects"]["/src"] == {"trust_level": "trusted", "model": "x"}
    assert codex.merged(merged, codex.settings(SERVED, AUTO)) == merged


@pytest.mark.parametrize(
    "theirs",
    [
        "[features]\ngoals = true\n",
        "[features] # mine\ngoals = true\n",
        '[ "features" ]\ngoals = true\n',
        "features = {goals = true}\n",
    ],
)
def test_a_table_of_the_users_is_left_to_them(theirs: str) -> None:
    read = tomllib.loads(codex.merged(theirs, codex.settings(SERVED, AUTO) | codex.QUIET))
    assert read["features"] == {"goals": True}
    assert read["analytics"] == {"enabled": False}


def test_other_providers_stay_beside_orch() -> None:
    theirs = '[model_providers.other]\nname = "other"\n'
    read = tomllib.loads(codex.merged(theirs, codex.settings(SERVED, AUTO)))
    assert set(read["model_providers"]) == {"orch", "other"}


@pytest.mark.parametrize(
    "existing", ["what = is this", "model_providers = 3\n", "[model_providers]\n"]
)
def test_a_file_that_can_not_be_merged_is_refused(existing: str) -> None:
    with pytest.raises(ValueError, match=r"line|column|overwrite|all providers"):
        codex.merged(existing, codex.settings(SERVED, AUTO) | codex.QUIET)


@pytest.mark.parametrize(
    "name", ['a"\nmodel_provider = "b\x7f', "rocket-\U0001f680", "two\u2028lines"]
)
def test_a_name_stays_one_value(name: str) -> None:
    own = codex.settings(SERVED, ClientModel(name))
    read = tomllib.loads(codex.merged(codex.text(own), own))
    assert (read["model"], read["model_provider"]) == (name, "orch")
