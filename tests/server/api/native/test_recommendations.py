"""`GET /orch/recommendations`: the same as the command, and what is refused."""

from __future__ import annotations

import httpx
import pytest

from tests.support.fake_ollama import FakeOllama


def test_the_recommendations_are_those_of_the_command(url: str, ollama: FakeOllama) -> None:
    told = httpx.get(f"{url}/orch/recommendations?type=coding&ctx=4096", timeout=60).json()
    assert (told["v"], told["task_type"], told["ollama"]["runs"]) == (1, "coding", True)
    assert all(row["num_ctx"] == 4096 for row in told["recommendations"])
    assert all(row["command"].startswith("orch models pull ") for row in told["recommendations"])
    assert told["recommendations"] or told["nothing"]
    assert ollama.pulled == []


@pytest.mark.parametrize("query", ["type=cooking", "ctx=-1", "ctx=many", "ctx=20000000"])
def test_a_wrong_type_or_context_is_named(url: str, query: str) -> None:
    response = httpx.get(f"{url}/orch/recommendations?{query}", timeout=60)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_input")
    assert query.partition("=")[0] in response.json()["error"]["message"]
