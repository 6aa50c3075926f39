"""How much a client may refer to by ids."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from orch.server.api.openai import item_references
from tests.conftest import CODER
from tests.support.fake_ollama import FakeOllama


@pytest.mark.parametrize(
    ("limit", "allowed", "named"),
    [("MAX_STORED_MESSAGES", 2, "9 items"), ("MAX_STORED_CHARS", 900, "characters")],
)
def test_more_items_than_a_conversation_may_have_are_refused(
    client: openai.OpenAI,
    ollama: FakeOllama,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    allowed: int,
    named: str,
) -> None:
    monkeypatch.setattr(item_references, limit, allowed)
    made = client.responses.create(model=CODER, input="hi")
    reference: Any = {"type": "item_reference", "id": made.output[0].id}
    items = [reference] * 2
    client.responses.create(model=CODER, input=[*items, {"role": "user", "content": "?"}])
    with pytest.raises(openai.BadRequestError, match=named) as caught:
        client.responses.create(
            model=CODER, input=[reference] * 9 + [{"role": "user", "content": "?"}]
        )
    assert caught.value.param == "input"
