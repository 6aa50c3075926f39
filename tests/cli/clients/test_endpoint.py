"""What clients are told of the models: the names, and what each can hold."""

from __future__ import annotations

import pytest

from orch.cli.clients import endpoint
from orch.cli.clients.endpoint import ClientModel, Endpoint, models_of
from orch.errors import OrchError
from orch.server.http.keys import ENV_VARIABLE
from orch.text.requested_model import AUTO_NAMES
from tests.cli.clients.descriptions import described

TOOLS = ("completion", "tools")


def by_name(*descriptions: dict[str, object]) -> dict[str, ClientModel]:
    return {model.name: model for model in models_of(descriptions)}


def test_the_names_that_let_orch_choose_come_first_then_every_model_that_can_chat() -> None:
    names = [*by_name(described("coder", 32_768, *TOOLS), described("embed", 512, "embedding"))]
    assert names == [*endpoint.OFFERED, "coder"]


def test_auto_holds_what_the_longest_model_with_tools_holds() -> None:
    models = by_name(
        described("coder", 32_768, *TOOLS),
        described("novelist", 131_072, "completion"),
        described("seer", 16_384, *TOOLS, "vision"),
    )
    assert models["auto"] == ClientModel("auto", 32_768, tools=True, images=True)
    assert models["auto:coding"].context == 32_768
    assert models["novelist"] == ClientModel("novelist", 131_072)


def test_a_model_of_several_providers_is_named_once() -> None:
    models = models_of([described("m:8b", 8_192, *TOOLS), described("m:8b", 4_096, *TOOLS)])
    assert [model for model in models if model.name == "m:8b"] == [
        ClientModel("m:8b", 8_192, tools=True)
    ]


def test_without_a_model_that_has_tools_auto_holds_what_the_longest_holds() -> None:
    auto = by_name(described("a", 8_192, "completion"), described("b", 4_096, "completion"))["auto"]
    assert auto == ClientModel("auto", 8_192)


def test_a_model_of_which_nothing_is_known_may_have_tools_and_its_context_is_left_out() -> None:
    models = by_name(described("served", None))
    assert models["served"] == ClientModel("served", 0, tools=True)
    assert models["auto"].context == 0


def test_a_model_that_does_not_fit_in_memory_does_not_count_for_auto() -> None:
    huge = described("huge", 131_072, *TOOLS, selectable=False)
    models = by_name(huge, described("coder", 32_768, *TOOLS))
    assert (models["auto"].context, models["huge"].context) == (32_768, 131_072)


@pytest.mark.parametrize("lack", [{"installed": False}, {"unavailable": "too large"}])
def test_what_can_not_answer_is_not_offered(lack: dict[str, object]) -> None:
    models = by_name(described("coder", 32_768, *TOOLS, **lack))
    assert {*models.values()} == {ClientModel(name) for name in endpoint.OFFERED}


def test_the_last_resort_counts_for_auto_only_where_it_is_alone() -> None:
    small = described("small", 8_192, *TOOLS, last_resort=True)
    assert by_name(small)["auto"].context == 8_192
    assert by_name(small, described("coder", 4_096, *TOOLS))["auto"].context == 4_096


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        (0, 0),
        (512, 256),
        (2_048, 1_024),
        (4_096, 1_024),
        (32_768, 4_096),
        (131_072, 16_384),
        (1_000_000, 32_000),
    ],
)
def test_an_answer_leaves_the_context_to_the_conversation(context: int, answer: int) -> None:
    assert ClientModel("a", context).answer == answer


def test_a_model_is_found_in_any_spelling_and_every_variant_of_auto() -> None:
    served = Endpoint("http://h:1", models_of([described("Coder:7b", 32_768, *TOOLS)]))
    assert served.openai_url == "http://h:1/v1"
    assert [model.name for model in served.installed] == ["Coder:7b"]
    found = [served.find(name) for name in ("coder:7b", "auto:research", "orch/auto", "else")]
    assert [each and each.name for each in found] == ["Coder:7b", "auto", "auto", None]
    with pytest.raises(OrchError, match="auto:nonsense"):
        served.find("auto:nonsense")


def test_names_and_numbers_are_those_of_the_server() -> None:
    assert set(endpoint.OFFERED) <= set(AUTO_NAMES)
    assert endpoint.KEY_VARIABLE == ENV_VARIABLE
