"""The entry of models.yaml for an installed model."""

from __future__ import annotations

from orch.config.spec import ModelSpec
from orch.routing.model_entry import MIN_CTX, model_entry
from orch.routing.model_state import UNKNOWN_CTX, ModelState


def test_an_entry_holds_what_the_provider_reports() -> None:
    spec = ModelSpec(id="a:7b", name="A 7B", provider="ollama", strengths=("coding",))
    state = ModelState(spec, context_window=32_768, modelfile_ctx=8_192, size_bytes=5_000_000_000)
    assert model_entry(state) == {
        "id": "a:7b",
        "name": "A 7B",
        "provider": "ollama",
        "strengths": ["coding"],
        "context_window": 32_768,
        "num_ctx": 8_192,
        "memory_gb": 5.5,
    }


def test_what_is_not_known_is_left_out() -> None:
    spec = ModelSpec(id="a", provider="ollama", speed_rating=7, quality_rating=8)
    state = ModelState(spec, context_window=UNKNOWN_CTX, modelfile_ctx=MIN_CTX - 1)
    entry = {"id": "a", "provider": "ollama", "speed_rating": 7, "quality_rating": 8}
    assert model_entry(state) == entry


def test_a_model_on_another_machine_takes_no_memory_here() -> None:
    spec = ModelSpec(id="a", provider="ollama")
    state = ModelState(spec, size_bytes=5_000_000_000, remote_host="https://x.example")
    assert "memory_gb" not in model_entry(state)
