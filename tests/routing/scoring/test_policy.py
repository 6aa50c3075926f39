"""The policy of one ranking."""

from __future__ import annotations

from dataclasses import replace

from orch.config.spec import TaskTypeRule
from orch.routing.scoring.policy import Policy
from orch.types import TaskType
from tests.support.scoring import EVEN, shipped

CODING, WRITING = TaskType.CODING, TaskType.WRITING


def test_a_policy_takes_the_rules_of_all_types_and_the_margin_of_routing_yaml() -> None:
    rules = {WRITING: TaskTypeRule(quality_floor=3)}
    routing = replace(shipped(), quality_margin=0.07, task_types=rules)
    policy = Policy.from_routing(routing, EVEN, 5)
    assert policy.rule(WRITING).quality_floor == 3
    assert policy.rule(CODING) == TaskTypeRule()
    assert (policy.quality_margin, policy.memory_bytes, policy.weights) == (0.07, 5, EVEN)


def test_a_model_has_the_rank_of_its_first_place_in_prefer_under_its_full_name() -> None:
    policy = Policy(EVEN, {CODING: TaskTypeRule(prefer=("a", "b:1b", "a:latest"))})
    assert policy.preference_ranks(CODING) == {"a:latest": 1, "b:1b": 2}
    assert policy.preference_ranks(WRITING) == {}


def test_the_preferences_of_an_ignored_type_do_not_count() -> None:
    rules = dict.fromkeys((CODING, WRITING), TaskTypeRule(prefer=("a:1b",)))
    policy = Policy(EVEN, rules, ignored_preferences=frozenset({CODING}))
    assert policy.preference_ranks(CODING) == {}
    assert policy.preference_ranks(WRITING) == {"a:1b": 1}
