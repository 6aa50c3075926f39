"""The prompts and answers of the benchmark: numbered, so that nothing comes from a cache and a
mixed-up answer is noticed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

MODELS = ("quick:3b", "coder:7b", "writer:8b", "thinker:14b")
"""The models that the upstream lists."""
PINNED = MODELS[0]
"""The model requested from servers without routing."""
TASKS = (
    "Write a Python function that merges two sorted lists",
    "What is the capital of the smallest country in Asia?",
    "Fix this loop, it never ends and eats all the memory",
    "Write a short poem about the sea on a winter evening",
    "Compare the pros and cons of PostgreSQL and SQLite",
    "Find all the files of the project that read the config",
    "Review this argument: all birds fly, so penguins do too",
    "A train leaves at 9:40 and takes 95 minutes: when is it there?",
    "Escribe un correo formal para pedir un aplazamiento",
    "¿Por qué se cae el servidor con muchas conexiones?",
    "Corrige esta consulta SQL que devuelve filas repetidas",
    "Inventa un cuento breve sobre un faro abandonado",
    "Resume en un párrafo las ventajas de la energía solar",
    "¿Cuántos días tiene un año bisiesto?",
    "Analiza el tono de esta carta y di si es una queja",
    "Investiga las tendencias recientes en baterías",
)
BEFORE, AFTER = ("Here", " is", " answer", " number"), (" in", " eight", " words.")
"""The tokens of every answer, around its number."""
PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
_CASE = re.compile(rb"\(case (\d+)\)")
_TEXT = re.compile(rb'"(?:content|text)":\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Ask:
    """The body of a request, and the text of its answer."""

    body: bytes
    answer: bytes


def asks(model: str, stream: bool, api: str = "openai") -> Iterator[Ask]:
    """Endless requests that no other call or process repeats."""
    number = time.time_ns() // 1000 % 10**12
    while True:
        number += 1
        said = f"{TASKS[number % len(TASKS)]} (case {number})"
        yield Ask(body(model, said, stream, api), answer(number))


def body(model: str, said: str, stream: bool, api: str = "openai") -> bytes:
    """A chat request, the same in every API, but that Anthropic's requires `max_tokens`."""
    limit = {"max_tokens": 1024} if api == "anthropic" else {}
    messages = [{"role": "user", "content": said}]
    return json.dumps({"model": model, "messages": messages, **limit, "stream": stream}).encode()


def answer(number: int) -> bytes:
    """The answer to the prompt with this number."""
    return "".join((*BEFORE, f" {number}", *AFTER)).encode()


def number_of(request_body: bytes) -> int:
    """The number of the last prompt in a request, 0 if it has none."""
    found = _CASE.findall(request_body)
    return int(found[-1]) if found else 0


def text_of(answer_body: bytes) -> bytes:
    """The text in JSON, server-sent events or NDJSON of every API. Escapes are left as they
    are."""
    return b"".join(_TEXT.findall(answer_body))
