"""Reasons and eliminations in Spanish, rendered from their values."""

from __future__ import annotations

from typing import Any

import pytest

from orch.routing.wording import elimination_text, reason_text
from orch.server.web.components.i18n import Translator
from orch.server.web.components.reasons import chosen_because, eliminated_because
from orch.types import Elimination, Reason

SPANISH = Translator("es")
LOADED = Reason("loaded")


@pytest.mark.parametrize(
    ("reasons", "text"),
    [
        ([Reason("best_for", {"task_type": "coding"}), LOADED], "el mejor para código, cargado"),
        (
            [Reason("strength", {"task_type": "coding"}), Reason("as_good_as", {"model": "Q"})],
            "bueno en código, tan bueno como Q aquí",
        ),
        (
            [Reason("session", {"model": "L", "margin": 0.05})],
            "sigue en esta conversación; L es mejor por menos de 0,05",
        ),
        (
            [Reason("general"), LOADED, Reason("slower", {"model": "loaded-llama"})],
            "general, cargado; loaded-llama tardaría más y no sería mejor",
        ),
        (
            [Reason("task_types", {"shares": {"coding": 0.65, "writing": 0.35}})],
            "código 0,65, redacción 0,35",
        ),
        (
            [Reason("cached", {"age_s": 185.0})],
            "respuesta guardada, hace 3 min; --fresh pregunta de nuevo",
        ),
        (
            [
                Reason("fallback"),
                Reason("general"),
                Reason("remote", {"host": "another machine"}),
            ],
            "respaldo: general, remoto, otra máquina",
        ),
        (
            [
                LOADED,
                Reason("waits", {"model": "a:7b"}),
                Reason(
                    "cannot_load",
                    {
                        "needed_gb": 9.0,
                        "models": [{"model": "b:7b", "gb": 4.7, "state": "in_use"}],
                        "available_gb": 8.0,
                    },
                ),
            ],
            (
                "cargado; a:7b tendría que esperar memoria: necesita 9,0 GB junto a b:7b"
                " (4,7 GB, en uso), hay 8,0 GB"
            ),
        ),
        ([Reason("slots_in_use", {"slots": 4})], "sus 4 plazas están ocupadas"),
        (
            [Reason("size_and_date"), Reason("relative", {"model": "Qwen 3"})],
            "estimado por tamaño y fecha, como pariente de Qwen 3",
        ),
    ],
)
def test_reasons_are_rendered_in_spanish(reasons: list[Reason], text: str) -> None:
    assert reason_text(reasons, SPANISH) == text


@pytest.mark.parametrize(
    ("code", "params", "text"),
    [
        ("capability", {"capabilities": ["tools", "vision"]}, "no tiene herramientas ni visión"),
        ("capability", {"capabilities": ["completion"]}, "solo genera embeddings"),
        (
            "context_overflow",
            {"tokens": 9_000, "limit": 8_192},
            "necesita 9.000 tokens de contexto y admite 8.192",
        ),
        (
            "remote",
            {"host": "another machine"},
            "remoto: el texto iría a otra máquina y models.yaml no tiene remote: allow",
        ),
        (
            "quality_floor",
            {"floor": 5.5},
            "su calidad está por debajo de 5,5, el mínimo de este tipo",
        ),
    ],
)
def test_eliminations_are_rendered_in_spanish(code: str, params: dict[str, Any], text: str) -> None:
    assert elimination_text(Elimination(code, params), SPANISH) == text


def test_a_decision_recorded_without_values_keeps_its_english_text() -> None:
    recorded = {"reason": "best for coding, loaded", "eliminated": "not installed"}
    assert chosen_because(SPANISH, recorded) == "best for coding, loaded"
    assert eliminated_because(SPANISH, recorded) == "not installed"
