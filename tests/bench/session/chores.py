"""What Open WebUI asks beside its chats: titles, tags and follow-ups, each with the chat at its end
(pure). The opening words are its own (open-webui 0.12.4, `config.py`), the rest is ours."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
_TASKS = (
    ("Generate a concise title", "title"),
    ("Generate 1-3 broad tags", "tags"),
    ("Predict 3-5 useful messages", "follow_ups"),
)
"""How a task begins, and the key of the JSON that it asks for."""
MAX_TOKENS = 6


def chore_body(number: int) -> Json:
    """The chore of that number: of each chat first the title, then the tags, then follow-ups."""
    chat, task = divmod(number, len(_TASKS))
    words, key = _TASKS[task]
    history = "\n".join(f"{role}: {_line(chat, at)}" for at, role in enumerate(_ROLES))
    text = (
        f"### Task:\n{words} for the chat below.\n### Guidelines:\n{_guidelines(task)}\n"
        f'### Output:\n{{ "{key}": ... }}\n'
        f"### Chat History:\n<chat_history>\n{history}\n</chat_history>"
    )
    return {
        "model": "auto",
        "stream": False,
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": text}],
    }


_ROLES = ("USER", "ASSISTANT") * 3
_DISHES = "soup bread rice stew salad pie noodles beans".split()


def _line(chat: int, at: int) -> str:
    dish = _DISHES[(chat + at) % len(_DISHES)]
    return (
        f"In chat {chat} we cook {dish}, and the {dish} of step {at} needs {chat + 2 * at + 3} cups"
        f" of water, a little salt, and {10 + at} minutes on a low flame until it is soft."
    )


def _guidelines(task: int) -> str:
    return "\n".join(
        f"- Guideline {task}.{at}: keep the answer in JSON, and short." for at in range(6)
    )
