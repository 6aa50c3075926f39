"""Renders reasons and eliminations as text: English templates, which a face may translate before
their values are filled in (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from orch.providers.remote_models import REMOTE_DENIED, UNNAMED_HOST, UNTOLD_HOST
from orch.types import Candidate, Elimination, Reason

REASONS = {
    "best_for": "best for {task_type}",
    "choice_for": "choice {rank} for {task_type}",
    "strength": "good at {task_type}",
    "weakness": "weak at {task_type}",
    "as_good_as": "as good as {model} here",
    "task_types": "{shares}",
    "general": "general",
    "remote": "remote, {host}",
    "loaded": "loaded",
    "not_loaded": "not loaded",
    "load_unknown": "not known whether it is loaded",
    "unlisted": "unlisted",
    "named": "named by you",
    "session": "stays with this conversation; {model} is better by less than {margin}",
    "session_left": "the conversation's {model} scores worse by more than {margin}",
    "slower": "{model} would be slower and no better",
    "swap": "{model} is better by less than {margin}, which loading it would take",
    "none_loaded": "no loaded model can take this task",
    "waits": "{model} would wait for memory",
    "fallback": "fallback",
    "cached": "cached, {age_s}; --fresh asks again",
    "cannot_load": "needs {needed_gb} GB beside {models}, there are {available_gb} GB",
    "slot_in_use": "its slot is in use",
    "turn_in_progress": "its slot holds the prompt of a turn in progress",
    "chore": "a client's chore, for a model that is loaded",
    "chore_loads": "a client's chore; no model is loaded",
    "chore_of_session": "a client's chore in a conversation of this model",
    "slots_in_use": "its {slots} slots are in use",
    "overtaken": "{model} has waited too long and goes first",
    "starting": "it is about to start",
    "rated_by_user": "rated by you",
    "rated": "rated",
    "benchmarks": "benchmarks ({scores}, {newest})",
    "own_file": "known_models.yaml",
    "size_and_date": "guessed from size and date",
    "size": "guessed from size",
    "date": "guessed from date",
    "unknown_size": "guessed, its size is unknown",
    "relative": "as a relative of {model}",
}
"""Why a model was chosen or waits, and where its expected quality comes from, by code."""
ELIMINATIONS = {
    "provider_down": "provider {provider} is down: {why}",
    "not_installed": "not installed",
    "only_embeds": "it only embeds",
    "not_for_chat": "it is made for {tasks}, not for chat",
    "capability": "it has no {capabilities}",
    "context_overflow": "needs {tokens} tokens of context, it holds {limit}",
    "memory": "needs {needed_gb} GB, there are {available_gb} GB",
    "quality_floor": "its quality is below {floor}, the floor of this type",
    "last_resort": "last resort: it answers only where nothing else can",
    "remote": REMOTE_DENIED,
}
"""Why a model can't take a task, by code."""
TASKS = {
    "embedding": "embeddings",
    "rerank": "reranking",
    "transcription": "transcription",
    "speech": "speech",
    "image": "images",
    "video": "video",
    "moderation": "moderation",
    "classification": "classification",
    "decision": "decisions",
}
"""What a model that does not chat is made for, by its capability."""
MEMORY_DETAILS = {
    "gpus_gb": " ({gpus_gb} GB on GPUs, {main_gb} GB of main memory)",
    "others_gb": "; other programs hold {others_gb} GB",
    "staying": "; {staying} stays loaded, since another program may use it",
}
"""What follows the elimination `memory`, by the parameter that it has then."""
AGES = ((86_400, "{n} days ago"), (3_600, "{n} h ago"), (60, "{n} min ago"), (1, "{n} s ago"))
ONE_DAY = "1 day ago"
AND_NO = " and no "
LOAD_STATES = {
    "in_use": "in use",
    "embedding": "loaded for embedding",
    "chat": "loaded for chat",
    "not_ours": "loaded by another program",
}
"""Why a loaded model is not unloaded."""
_CLAUSES = ("slower", "swap", "none_loaded", "waits", "session", "session_left")
"""Reasons with a subject of their own, which a semicolon separates from what goes before."""
_LEADS = ("fallback", "waits")
"""Reasons that a colon separates from what follows."""


class Words(Protocol):
    """A language: translates a template and fills in its values; writes numbers."""

    def __call__(self, text: str, **values: object) -> str: ...

    def number(self, value: float, digits: int = 0) -> str:
        """The number with so many decimals."""
        ...


class English:
    """The language of the templates."""

    def __call__(self, text: str, **values: object) -> str:
        """The text with its values."""
        return text.format(**values) if values else text

    def number(self, value: float, digits: int = 0) -> str:
        """1,234.5"""
        return f"{value:,.{digits}f}"


def templates() -> tuple[str, ...]:
    """Every English text that is translated."""
    ages = (text for _, text in AGES)
    fixed = (ONE_DAY, AND_NO, UNNAMED_HOST, UNTOLD_HOST)
    tables = (REASONS, ELIMINATIONS, MEMORY_DETAILS, LOAD_STATES, TASKS)
    texts = (*(text for table in tables for text in table.values()), *ages, *fixed)
    return tuple(text for text in texts if text != REASONS["task_types"])


def reason_text(reasons: Iterable[Reason], words: Words = English()) -> str:
    """Reasons as one line: `best for coding, loaded`."""
    text, before = "", ""
    for reason in reasons:
        separator = ": " if before in _LEADS else "; " if reason.code in _CLAUSES else ", "
        text += (separator if text else "") + _render(REASONS, reason.code, reason.params, words)
        before = reason.code
    return text


def elimination_text(elimination: Elimination, words: Words = English()) -> str:
    """Why a model can't take a task."""
    code, params = elimination.code, elimination.params
    if code == "capability" and "completion" in params.get("capabilities", ()):
        tasks = params.get("tasks", ("embedding",))
        code, params = "not_for_chat", {"tasks": tasks}
        if list(tasks) == ["embedding"]:
            code = "only_embeds"
    text = _render(ELIMINATIONS, code, params, words)
    details = [name for name in MEMORY_DETAILS if code == "memory" and name in params]
    return text + "".join(_render(MEMORY_DETAILS, name, params, words) for name in details)


def with_reasons(candidate: Candidate, *reasons: Reason) -> Candidate:
    """The candidate with these reasons instead of its own."""
    return replace(candidate, reasons=reasons, reason=reason_text(reasons))


def add_reasons(candidate: Candidate, *reasons: Reason) -> Candidate:
    """The candidate with these reasons behind its own."""
    return with_reasons(candidate, *candidate.reasons, *reasons)


def with_elimination(candidate: Candidate, elimination: Elimination | None) -> Candidate:
    """The candidate, eliminated or not."""
    if elimination is None:
        return replace(candidate, elimination=None, eliminated=None, eliminated_code="")
    text = elimination_text(elimination)
    code = elimination.code
    return replace(candidate, elimination=elimination, eliminated=text, eliminated_code=code)


# ---------------------------------------------------------------- values


def _render(table: Mapping[str, str], code: str, params: Mapping[str, Any], words: Words) -> str:
    """The text of a code; the code itself, if a newer orch recorded it."""
    if code not in table:
        return code
    if not params:
        return words(table[code])
    return words(table[code], **{name: _value(name, params[name], words) for name in params})


def _value(name: str, value: Any, words: Words) -> str:
    if name in _VALUES:
        return _VALUES[name](value, words)
    return words.number(value) if isinstance(value, int) else str(value)


def _shares(shares: Mapping[str, float], words: Words) -> str:
    """`coding .65, analysis .30`"""
    numbers = {each: words.number(share, 2) for each, share in shares.items()}
    return ", ".join(
        f"{words(each)} {number[1:] if number.startswith('0.') else number}"
        for each, number in numbers.items()
    )


def _age(seconds: float, words: Words) -> str:
    """`3 h ago`"""
    size, text = next((pair for pair in AGES if seconds >= pair[0]), AGES[-1])
    count = round(seconds / size)
    return words(ONE_DAY) if (size, count) == (86_400, 1) else words(text, n=words.number(count))


def _loaded_models(models: Sequence[Mapping[str, Any]], words: Words) -> str:
    """`a:8b (5.0 GB, in use)`"""
    return ", ".join(
        f"{each['model']} ({words.number(each['gb'], 1)} GB, {words(LOAD_STATES[each['state']])})"
        for each in models
    )


def made_for(tasks: Iterable[str], words: Words = English()) -> str:
    """`embeddings, reranking`"""
    return ", ".join(words(TASKS.get(each, each)) for each in tasks)


def _shortest(value: float, words: Words) -> str:
    """The number with the decimals that it needs."""
    return words.number(value, len(f"{value:g}".partition(".")[2]))


_VALUES: Mapping[str, Callable[[Any, Words], str]] = {
    "task_type": lambda value, words: words(value),
    "shares": _shares,
    "capabilities": lambda value, words: words(AND_NO).join(words(each) for each in value),
    "tasks": made_for,
    "host": lambda value, words: words(value) if value in (UNNAMED_HOST, UNTOLD_HOST) else value,
    "age_s": _age,
    "models": _loaded_models,
    "margin": _shortest,
    "floor": lambda value, words: _shortest(float(f"{value:.2g}"), words),
    "needed_gb": lambda value, words: words.number(value, 1),
    "available_gb": lambda value, words: words.number(value, 1),
    "gpus_gb": lambda value, words: words.number(value, 1),
    "main_gb": lambda value, words: words.number(value, 1),
    "others_gb": lambda value, words: words.number(value, 1),
    "staying": lambda value, words: ", ".join(
        f"{each['model']} ({words.number(each['gb'], 1)} GB)" for each in value
    ),
}
"""How a value is written, by the name of the parameter."""
