"""OpenAI's embeddings, by OpenAI's own client over a real socket."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.conftest import CODER
from tests.support.fake_ollama import FakeModel, FakeOllama


def test_texts_are_embedded(client: openai.OpenAI, ollama: FakeOllama) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    # without a form the client asks for base64 and unpacks it
    packed = client.embeddings.create(model="nomic", input=["a", "b"])
    plain = client.embeddings.create(model="nomic", input=["a", "b"], encoding_format="float")
    assert [row.index for row in plain.data] == [0, 1]
    assert plain.data[0].embedding != plain.data[1].embedding
    for left, right in zip(packed.data, plain.data, strict=True):
        assert left.embedding == pytest.approx(right.embedding, rel=1e-6)
    assert plain.usage.prompt_tokens > 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": [1, 2]}, "not tokens"),
        ({"input": []}, "0 texts"),
        ({"dimensions": 9}, "dimensions: nomic:latest gives vectors of 8"),
        ({"model": CODER}, "does not embed"),
    ],
)
def test_invalid_embedding_requests_are_rejected(
    client: openai.OpenAI, ollama: FakeOllama, body: Any, message: str
) -> None:
    ollama.add(FakeModel("nomic", capabilities=["embedding"]))
    with pytest.raises(openai.BadRequestError, match=message):
        client.embeddings.create(**{"model": "nomic", "input": "a"} | body)
