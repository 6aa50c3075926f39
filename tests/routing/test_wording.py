"""Reasons and eliminations as values, and their English text."""

from __future__ import annotations

import json
import string
from dataclasses import asdict

import pytest

from orch import Orchestrator
from orch.execution.serialize import decision_to_dict
from orch.routing.wording import ELIMINATIONS, REASONS, elimination_text, reason_text, templates
from orch.types import Elimination, Reason
from tests.support.fake_ollama import FakeOllama


@pytest.mark.parametrize(
    ("reasons", "text"),
    [
        (
            [Reason("best_for", {"task_type": "coding"}), Reason("loaded"), Reason("unlisted")],
            "best for coding, loaded, unlisted",
        ),
        ([Reason("choice_for", {"rank": 2, "task_type": "simple"})], "choice 2 for simple"),
        (
            [Reason("task_types", {"shares": {"coding": 0.65, "writing": 0.35}})],
            "coding .65, writing .35",
        ),
        (
            [Reason("session", {"model": "L", "margin": 0.05}), Reason("remote", {"host": "h"})],
            "stays with this conversation; L is better by less than 0.05, remote, h",
        ),
        ([Reason("fallback"), Reason("general")], "fallback: general"),
        (
            [Reason("loaded"), Reason("waits", {"model": "M"}), Reason("slot_in_use")],
            "loaded; M would wait for memory: its slot is in use",
        ),
        ([Reason("a_code_of_a_newer_version")], "a_code_of_a_newer_version"),
    ],
)
def test_reasons_are_one_line(reasons: list[Reason], text: str) -> None:
    assert reason_text(reasons) == text


@pytest.mark.parametrize(
    ("age_s", "text"),
    [
        (3, "3 s ago"),
        (0.2, "0 s ago"),
        (180, "3 min ago"),
        (7_200, "2 h ago"),
        (90_000, "1 day ago"),
    ],
)
def test_an_age_has_one_unit(age_s: float, text: str) -> None:
    assert (
        reason_text([Reason("cached", {"age_s": age_s})]) == f"cached, {text}; --fresh asks again"
    )


def test_two_missing_capabilities_are_joined() -> None:
    missing = Elimination("capability", {"capabilities": ["tools", "vision"]})
    assert elimination_text(missing) == "it has no tools and no vision"


def test_every_template_names_its_values_only() -> None:
    for template in templates():
        fields = [field for _, field, spec, _ in string.Formatter().parse(template) if field]
        assert all(field.isidentifier() for field in fields), template
    assert set(REASONS) & set(ELIMINATIONS) == {"remote"}


async def test_a_decision_holds_the_values_of_its_texts(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        result = await orchestrator.execute("What is a mutex?")
        again = await orchestrator.execute("What is a mutex?")
    for decision in (result.decision, again.decision):
        assert reason_text(decision.reasons) == decision.reason
        for candidate in decision.candidates:
            assert reason_text(candidate.reasons) == candidate.reason
            out = candidate.elimination
            assert (elimination_text(out) if out else None) == candidate.eliminated
            assert (out.code if out else "") == candidate.eliminated_code
    assert [reason.code for reason in again.decision.reasons] == ["cached"]


async def test_a_decision_as_json_has_what_asdict_gives(ollama: FakeOllama) -> None:
    async with Orchestrator() as orchestrator:
        decision = orchestrator.decide("What is a mutex?")
    assert json.dumps(decision_to_dict(decision)) == json.dumps(asdict(decision))
