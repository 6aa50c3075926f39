"""OpenAI's list of models."""

from __future__ import annotations

import openai

from tests.conftest import CODER, LLAMA


def test_every_model_and_every_way_to_choose_is_listed(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list().data]
    assert {"auto", "auto:coding", "auto:speed", "auto:quality", CODER, LLAMA} <= set(names)
