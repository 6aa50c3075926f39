"""The types of sampling options, and what is wrong with a value of another type (pure).

The table is that of Ollama 0.33 (`Options` and `Runner` of api/types.go) and of OpenAI's chat
completions; an option that is not in it is passed on as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from orch.errors import InputError

_NUMBERS = (
    "temperature top_p min_p typical_p repeat_penalty presence_penalty frequency_penalty tfs_z"
    " mirostat_tau mirostat_eta"
)
_INTEGERS = (
    "num_ctx num_predict max_tokens max_completion_tokens num_keep num_batch num_gpu main_gpu"
    " num_thread draft_num_predict seed top_k repeat_last_n mirostat top_logprobs"
)
_BOOLEANS = "use_mmap use_mlock numa low_vram penalize_newline truncate shift"
KEEP_ALIVE_FORMS = "5m, 1h30m, 300 (seconds), 0 (unloads the model at once) or -1 (keeps it loaded)"
_NUMBER, _INTEGER, _BOOLEAN, _TEXTS, _KEEP_ALIVE = (
    "a number",
    "a whole number",
    "true or false",
    "a text or a list of texts",
    KEEP_ALIVE_FORMS,
)
OPTION_TYPES: Mapping[str, str] = {
    **dict.fromkeys(_NUMBERS.split(), _NUMBER),
    **dict.fromkeys(_INTEGERS.split(), _INTEGER),
    **dict.fromkeys(_BOOLEANS.split(), _BOOLEAN),
    "stop": _TEXTS,
    "keep_alive": _KEEP_ALIVE,
}
"""By the option's name: what its value must be."""
_EXAMPLES = {
    _NUMBER: "0.7",
    _INTEGER: "1024",
    _BOOLEAN: "true",
    _TEXTS: "END",
    _KEEP_ALIVE: "5m",
}
_OWN_EXAMPLES = {"top_k": "40", "mirostat": "2", "seed": "1", "num_thread": "4"}
MOST_SHOWN_CHARS = 40


def option_problems(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The name of each option of a wrong type, and what is wrong with it."""
    for name, value in options.items():
        kind = OPTION_TYPES.get(name)
        if kind is not None and value is not None and not _is_a(kind, value):
            yield name, f"{name} must be {kind}, not {_shown(value)}"


def check_options(options: Mapping[str, Any]) -> None:
    """Raises InputError that names every option of a wrong type: no server is asked."""
    problems = list(option_problems(options))
    if problems:
        name = problems[0][0]
        example = f"{name}={_OWN_EXAMPLES.get(name, _EXAMPLES[OPTION_TYPES[name]])}"
        raise InputError("; ".join(fault for _, fault in problems), f"for example -o {example}")


def is_keep_alive(text: str) -> bool:
    """Whether Ollama takes the text as keep_alive: whole seconds, or a duration of Go."""
    form = r"[-+]?(\d+|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)"
    return re.fullmatch(form, text, re.ASCII) is not None


def _is_a(kind: str, value: Any) -> bool:
    if kind == _TEXTS:
        texts = value if isinstance(value, (list, tuple)) else [value]
        return all(isinstance(text, str) for text in texts)
    if kind == _KEEP_ALIVE and isinstance(value, str):
        return is_keep_alive(value)
    if kind == _BOOLEAN or isinstance(value, bool):
        return kind == _BOOLEAN and isinstance(value, bool)
    # Ollama cuts the fraction of a number where it takes an integer
    if isinstance(value, int):
        return not _is_huge(value)
    return isinstance(value, float) and math.isfinite(value)


def _is_huge(value: int) -> bool:
    """Whether a number is one that no server's number can hold."""
    return value.bit_length() > 1000


def _shown(value: Any) -> str:
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, int) and _is_huge(value):
        return "a number of over 300 digits"
    text = repr(value)
    return text if len(text) <= MOST_SHOWN_CHARS else f"{text[: MOST_SHOWN_CHARS - 1]}…"


# ---------------------------------------------------------------- what a server refuses

_COMPLAINTS = (
    "must be",  # Ollama: option "seed" must be of type integer; vLLM: top_p must be in (0, 1]
    "should be",  # FastAPI: Input should be a valid number
    "invalid type for",  # OpenAI
    "invalid value for",
    "out of range",
)


def refused_option(message: str) -> str:
    """The option that a server's error names as wrong; empty if it names none."""
    text = message.lower()
    if not any(complaint in text for complaint in _COMPLAINTS):
        return ""
    words = "".join(char if char.isalnum() or char == "_" else " " for char in text).split()
    return next((word for word in words if word in OPTION_TYPES and _is_named(word, text)), "")


def _is_named(option: str, text: str) -> bool:
    """Whether the word is an option's name: `stop` and `seed` alone may be English."""
    if "_" in option or option == "temperature":
        return True
    return any(f"{quote}{option}{quote}" in text for quote in "\"'`")
