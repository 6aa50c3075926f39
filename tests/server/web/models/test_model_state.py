"""What the page's list says of a model's state: as far as its server tells."""

from __future__ import annotations

from typing import Any

import pytest

from orch.config.spec import ModelSpec
from orch.routing.model_state import UNKNOWN_CTX, ModelState
from orch.routing.wording import English
from orch.server.web.models.model_state import context_text, where_text
from orch.types import Elimination

PAGE = English()


def state(**facts: Any) -> ModelState:
    return ModelState(ModelSpec(id="m", provider="server"), **facts)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"resident": True}, "loaded"),
        ({"resident": False}, "installed"),
        ({"resident": None}, "installed, loaded: ?"),
        ({"resident": False, "status": "failed"}, "its last load failed"),
        ({"unavailable": Elimination("not_installed"), "resident": None}, "not installed"),
        ({"unavailable": Elimination("provider_down"), "resident": None}, "provider not available"),
        ({"remote_host": "https://ollama.com:443", "resident": None}, "remote, ollama.com"),
    ],
)
def test_where_a_model_is(facts: dict[str, Any], text: str) -> None:
    assert where_text(PAGE, state(**facts)) == text


def test_an_unknown_context_is_no_number() -> None:
    assert context_text(PAGE, state(context_window=32_768)) == "32,768 tokens of context"
    assert context_text(PAGE, state(context_window=UNKNOWN_CTX)) == "context: ?"
    missing = state(context_window=UNKNOWN_CTX, unavailable=Elimination("not_installed"))
    assert context_text(PAGE, missing) == ""
