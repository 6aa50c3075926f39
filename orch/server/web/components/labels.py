"""Labels for values that orch stores as codes: task types, profiles, outcomes, error codes."""

from __future__ import annotations

from collections.abc import Mapping

from orch.server.web.components.i18n import N_
from orch.server.web.components.page import Page
from orch.server.web.components.terms import TERM_LABELS
from orch.types import TaskType

TASK_TYPES = {
    TaskType.CODING: N_("coding"),
    TaskType.REASONING: N_("reasoning"),
    TaskType.EXPLORATION: N_("exploration"),
    TaskType.WRITING: N_("writing"),
    TaskType.SIMPLE: N_("simple"),
    TaskType.ANALYSIS: N_("analysis"),
    TaskType.CREATIVE: N_("creative"),
    TaskType.RESEARCH: N_("research"),
}
STRENGTHS = {
    "code_analysis": N_("code analysis"),
    "debugging": N_("debugging"),
    "general": N_("general tasks"),
    "multilingual": N_("several languages"),
    "quick_tasks": N_("quick tasks"),
    "refactoring": N_("refactoring"),
}
"""Strengths in the shipped models.yaml that are not task types."""
PROFILES = {
    "balanced": N_("balanced"),
    "speed": N_("speed"),
    "quality": N_("quality"),
    "dial": N_("dial"),
}
SOURCES = {
    "cli": N_("command line"),
    "library": N_("Python library"),
    "mcp": "MCP",
    "page": N_("web page"),
    "server": N_("API"),
}
"""The faces of orch, as the journal names them."""
CAPABILITIES = {
    "audio": N_("audio"),
    "completion": N_("chat"),
    "embedding": N_("embeddings"),
    "insert": N_("insertion"),
    "thinking": N_("thinking"),
    "tools": N_("tools"),
    "vision": N_("vision"),
}
CHORES = {
    "autocomplete": N_("completion"),
    "commit": N_("commit message"),
    "emoji": N_("emoji"),
    "follow_ups": N_("follow-up questions"),
    "image_prompt": N_("image prompt"),
    "label": N_("label"),
    "memory": N_("memory"),
    "name": N_("name"),
    "next_speaker": N_("next speaker"),
    "query": N_("search query"),
    "recap": N_("recap"),
    "suggestion": N_("suggestion"),
    "summary": N_("summary"),
    "tags": N_("tags"),
    "title": N_("title"),
}
"""What clients ask for by themselves."""
CODES = {
    "all_failed": N_("all models failed"),
    "bad_input": N_("unusable input"),
    "bad_option": N_("unusable option"),
    "bad_response": N_("invalid response"),
    "busy": N_("busy"),
    "config": N_("invalid configuration"),
    "connect": N_("no connection"),
    "content_filter": N_("refused by a content filter"),
    "context_overflow": N_("context too small"),
    "cut": N_("answer cut off"),
    "denied": N_("access denied"),
    "empty": N_("empty answer"),
    "hung_up": N_("terminal closed"),
    "invalid_json": N_("invalid JSON"),
    "killed": N_("server killed"),
    "loading": N_("model is loading"),
    "model_not_found": N_("model not found"),
    "no_provider": N_("no provider reachable"),
    "rate_limited": N_("rate limit reached"),
    "reader_gone": N_("client disconnected"),
    "rejected": N_("request rejected"),
    "remote": N_("remote models not allowed"),
    "remote_answer": N_("answered by another machine"),
    "schema_mismatch": N_("answer does not match the schema"),
    "server_error": N_("server error"),
    "stalled": N_("answer stalled"),
    "stream_error": N_("stream interrupted"),
    "terminated": N_("server stopped"),
    "timeout": N_("timeout"),
    "tool_call_invalid": N_("invalid tool call"),
    "unable": N_("no suitable model"),
    "turn_in_progress": N_("a turn is in progress"),
    "usage": N_("invalid request"),
}
"""Error codes of runs and attempts."""
CACHE_MODES = {
    "off": N_("off"),
    "exact": N_("exact"),
    "suggest": N_("suggest"),
}


def label(page: Page, labels: Mapping[str, str], code: str) -> str:
    """The label of a code in the page's language; the code itself where there is none."""
    return page(labels[code]) if code in labels else code


def task_type_label(page: Page, task_type: str) -> str:
    """The task type as people call it."""
    return page(TASK_TYPES[TaskType(task_type)]) if task_type in tuple(TaskType) else task_type


def task_type_options(page: Page) -> dict[str, str]:
    """Every task type with its label, in the order of `TaskType`."""
    return {task_type.value: page(text) for task_type, text in TASK_TYPES.items()}


def term_label(page: Page, term: str) -> str:
    """The name of a term of the score; the key itself for a term without a text here."""
    return page(TERM_LABELS[term].name) if term in TERM_LABELS else term


def term_description(page: Page, term: str) -> str:
    """What a term of the score measures."""
    return page(TERM_LABELS[term].description) if term in TERM_LABELS else ""


def attempt_outcome(page: Page, outcome: str) -> str:
    """How asking a model ended."""
    labels = {
        "ok": page.pgettext("attempt", "answered"),
        "failed": page.pgettext("attempt", "failed"),
        "partial": page.pgettext("attempt", "cut off"),
    }
    return labels.get(outcome, outcome)


def strength_label(page: Page, strength: str) -> str:
    """A strength of a model: a task type, or a word of models.yaml."""
    return label(page, STRENGTHS, task_type_label(page, strength))
