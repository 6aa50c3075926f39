"""The tools as a client is told of them: descriptions, schemas of what they take and give, and
hints (pure)."""

from __future__ import annotations

from typing import Any, NamedTuple

from orch.types import TaskType

Schema = dict[str, Any]
MAX_TEXT, MAX_QUERY, MAX_NAME = 1_000_000, 10_000, 300
"""Characters: of a task, of a search, of a name."""
MAX_CONTEXT, MAX_HITS = 100, 50


class ToolSpec(NamedTuple):
    """One tool."""

    title: str
    description: str
    takes: Schema
    gives: Schema
    read_only: bool
    idempotent: bool


def _object(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _text(description: str = "", longest: int = MAX_TEXT, shortest: int = 0) -> Schema:
    limits: Schema = {"maxLength": longest} | ({"minLength": shortest} if shortest else {})
    return {"type": "string", **limits, **({"description": description} if description else {})}


def _list(items: Schema, description: str = "", most: int | None = None) -> Schema:
    # the limit before what it limits, as they are checked in this order
    limits = {} if most is None else {"maxItems": most}
    return {"type": "array", **limits, "items": items, "description": description}


_TYPE: Schema = {"type": "string", "enum": [str(kind) for kind in TaskType]}
_STRING: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_MAYBE: Schema = {"type": ["string", "null"]}
_ANY_OBJECT: Schema = {"type": "object"}
_TASK: dict[str, Schema] = {
    "task": _text("The task or question, with all that it needs.", shortest=1),
    "system": _text("A system prompt."),
    "context": _list(
        _object(
            ("text",), name=_text("Such as a file's name.", MAX_NAME), text=_text("Its content.")
        ),
        "Texts that the task is about, such as files. Send the text: orch opens no file.",
        MAX_CONTEXT,
    ),
    "model": _text("A model by name; left out, orch chooses.", MAX_NAME),
    "type": _TYPE | {"description": "The type of task; left out, orch finds it out."},
    "profile": {
        "type": "string",
        "enum": ["balanced", "speed", "quality"],
        "description": "What counts most in the choice. Default balanced.",
    },
}
_SESSION = _text("The name of a conversation: its earlier turns are sent along.", MAX_NAME)
_DECISION: dict[str, Schema] = {
    "model": _STRING,
    "model_name": _STRING,
    "provider": _STRING,
    "task_type": _TYPE,
    "confidence": _NUMBER,
    "reason": _STRING,
}


def _given(**properties: Schema) -> Schema:
    """The schema of a result, of which every field is always there."""
    return {"type": "object", "properties": properties, "required": list(properties)}


TOOLS: dict[str, ToolSpec] = {
    "ask": ToolSpec(
        "Ask a local model",
        "Answers a task with the local model that will give a good answer soonest, and says which"
        " one it was and why. Use it for work that need not be done by yourself: summaries,"
        " translations, drafts, questions about a text. The model sees only what you send.",
        _object(
            ("task",),
            **_TASK,
            session=_SESSION,
            max_tokens={
                "type": "integer",
                "minimum": 1,
                "maximum": 1_000_000,
                "description": "The most tokens of the answer.",
            },
        ),
        _given(
            answer=_STRING,
            **_DECISION,
            run_id=_STRING,
            seconds=_NUMBER,
            cut={"type": "boolean"},
            source=_STRING,
            warnings=_list(_STRING),
        ),
        read_only=False,
        idempotent=False,
    ),
    "route": ToolSpec(
        "Show the choice of a model",
        "Shows which local model orch would choose for a task, and why; runs none.",
        _object(("task",), **_TASK),
        _given(**_DECISION, candidates=_list(_ANY_OBJECT), warnings=_list(_STRING)),
        read_only=True,
        idempotent=True,
    ),
    "classify": ToolSpec(
        "Classify a task",
        f"Classifies a text as one of orch's types of task ({', '.join(TaskType)}); runs no model.",
        _object(("text",), text=_text("The task.", shortest=1)),
        _given(
            task_type=_TYPE,
            confidence=_NUMBER,
            second=_MAYBE,
            unsure={"type": "boolean"},
            language=_MAYBE,
            scores=_ANY_OBJECT,
        ),
        read_only=True,
        idempotent=True,
    ),
    "memory_search": ToolSpec(
        "Search memory",
        "Searches earlier tasks, answers and notes on this machine by words and by meaning; best"
        " match first.",
        _object(
            ("query",),
            query=_text("What to look for.", MAX_QUERY, 1),
            limit={
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_HITS,
                "description": "How many at most. Default 5.",
            },
            type=_TYPE,
            model=_text("Only answers of this model.", MAX_NAME),
            session=_text("Only this conversation.", MAX_NAME),
            since=_text("Only newer ones, such as 7d or 2026-11-30.", 40),
        ),
        _given(hits=_list(_ANY_OBJECT), notes=_list(_STRING)),
        read_only=True,
        idempotent=True,
    ),
    "memory_add": ToolSpec(
        "Add a note to memory",
        "Keeps a note on this machine, which memory_search and recall then find.",
        _object(
            ("text",),
            text=_text("The note.", shortest=1),
            title=_text("Its title.", MAX_NAME),
            session=_text("The conversation that it belongs to.", MAX_NAME),
        ),
        _given(ids=_list(_STRING), new={"type": "integer"}, notes=_list(_STRING)),
        read_only=False,
        idempotent=True,
    ),
    "models": ToolSpec(
        "List the models",
        "Lists the models that orch may use: what each can, how much it can hold, whether it is"
        " loaded.",
        _object(),
        _given(models=_list(_ANY_OBJECT), unreachable=_ANY_OBJECT),
        read_only=True,
        idempotent=True,
    ),
}
"""By name."""
INSTRUCTIONS = (
    "orch puts the models on this machine behind one name. `ask` answers a task with the model"
    " that will do it well soonest; `route` and `classify` only say what would be done;"
    " `memory_search` and `memory_add` are its memory; `models` lists what there is."
)
