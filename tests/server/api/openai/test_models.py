"""OpenAI's list of models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import openai
import pytest

from orch.server.api.openai.models import _seconds
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama


def test_every_model_and_every_way_to_choose_is_listed(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list().data]
    assert {"auto", "auto:coding", "auto:speed", "auto:quality", CODER, LLAMA} <= set(names)


def test_a_model_is_as_old_as_its_ollama_says_and_belongs_to_its_namespace(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("someone/small:1b"))
    owners = {model.id: model.owned_by for model in client.models.list().data}
    assert (owners[LLAMA], owners["someone/small:1b"], owners["auto"]) == (
        "library",
        "someone",
        "orch",
    )
    model = client.models.retrieve(LLAMA)
    assert datetime.fromtimestamp(model.created, UTC).year == 2025


def test_a_model_is_retrieved_under_the_name_that_was_asked_for(
    client: openai.OpenAI, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("small"))
    assert client.models.retrieve("small").id == "small"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-29T13:35:55.694534956Z", 1_795_959_355),
        ("2026-11-29T14:35:55+01:00", 1_795_959_355),
        ("yesterday", None),
        (None, None),
        (7, None),
    ],
)
def test_a_time_of_ollama_is_read_to_the_second(text: Any, seconds: int | None) -> None:
    assert _seconds(text) == seconds
