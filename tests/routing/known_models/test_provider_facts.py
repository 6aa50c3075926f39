"""What counts of what a provider, a name and models.yaml tell of an installed model."""

from __future__ import annotations

from typing import Any

import pytest

from orch.config.spec import ModelSpec
from orch.providers.installed_models import InstalledModel, ModelInfo
from orch.routing.known_models.provider_facts import capabilities_of, identity_of, window_of
from orch.routing.model_state import UNKNOWN_CTX

SPEC, SILENT = ModelSpec(id="m", provider="server"), ModelInfo()
CHATS = ("completion",)


def window(item: dict[str, Any], default: int | None = None, **spec: Any) -> int:
    model = InstalledModel("m", resident=None, **item)
    return window_of(ModelSpec(id="m", provider="server", **spec), model, SILENT, default)


def capabilities(name: str, told: tuple[str, ...] | None = None, **spec: Any) -> Any:
    item = InstalledModel(name, capabilities=told)
    return capabilities_of(ModelSpec(id=name, provider="server", **spec), item, SILENT)


def test_an_untold_context_is_unknown_where_the_server_sets_it() -> None:
    assert window({}) == UNKNOWN_CTX
    assert window({}, default=8_192) == 8_192


def test_what_is_loaded_is_the_limit_where_the_server_sets_it() -> None:
    told = {"context_window": 131_072, "resident_ctx": 4_096}
    assert window(told) == 4_096
    assert window(told, default=8_192) == 131_072
    assert window({"resident_ctx": 4_096}) == 4_096


def test_models_yaml_counts_up_to_what_the_server_tells() -> None:
    assert window({"context_window": 8_192}, context_window=32_768) == 8_192
    assert window({"context_window": 32_768}, context_window=8_192) == 8_192
    assert window({}, context_window=16_384) == 16_384


def test_what_the_provider_tells_counts_more_than_the_name() -> None:
    assert capabilities("bge-m3", ("completion",)) == {"completion"}
    assert capabilities("bge-m3") == {"embedding"}
    assert capabilities("small-8b") is None


def test_a_server_that_says_of_every_model_that_it_chats_tells_less_than_the_name() -> None:
    item = InstalledModel("nomic-embed-text.gguf", capabilities=CHATS, assumes_chat=True)
    assert capabilities_of(SPEC, item, SILENT) == frozenset({"embedding"})
    assert capabilities_of(SPEC, item._replace(name="small-8b"), SILENT) == frozenset(CHATS)
    rated = ModelSpec(id="m", provider="server", quality_rating=7.0)
    assert capabilities_of(rated, item, SILENT) == frozenset(CHATS)


def test_a_person_who_rated_a_model_knows_that_it_chats() -> None:
    assert capabilities("flux-7b") == {"image"}
    assert capabilities("flux-7b", quality_rating=7.0) is None
    assert capabilities("flux-7b", strengths=("coding",)) is None


@pytest.mark.parametrize(
    ("told", "untold", "thinks"),
    [
        (None, (), None),
        (("completion",), (), False),
        (("completion",), ("thinking",), None),
        (("completion", "thinking"), (), True),
    ],
)
def test_thinking_is_known_where_the_server_tells(told: Any, untold: Any, thinks: Any) -> None:
    item = InstalledModel("m", capabilities=told, untold=untold)
    assert identity_of(item, SILENT).thinks is thinks


def test_a_list_that_tells_all_is_newer_than_the_details() -> None:
    spec, kept = ModelSpec(id="m"), ModelInfo(capabilities=("completion",))
    now = InstalledModel("m", capabilities=("completion", "thinking"))
    assert capabilities_of(spec, now, kept) == frozenset({"completion", "thinking"})
    assert identity_of(now, kept).thinks is True
    partly = now._replace(untold=("tools",))
    assert capabilities_of(spec, partly, kept) == frozenset({"completion"})
    assert capabilities_of(spec, InstalledModel("m"), kept) == frozenset({"completion"})


def test_the_bytes_count_where_nobody_tells_the_parameters() -> None:
    item = InstalledModel("m", size_bytes=98_000_000)
    assert identity_of(item, SILENT).size_bytes == 98_000_000
    assert identity_of(item._replace(parameters_b=0.135), SILENT).size_bytes == 0


def test_sizes_of_the_list_identify_a_model() -> None:
    item = InstalledModel("m", parameters_b=30.5, active_b=3.3, quantization="Q4_K_M")
    identity = identity_of(item, SILENT)
    assert (identity.params_b, identity.active_b, identity.quantization) == (30.5, 3.3, "Q4_K_M")
    assert (
        identity_of(item._replace(parameters_b=None, parameter_size="8.0B"), SILENT).params_b == 8
    )
