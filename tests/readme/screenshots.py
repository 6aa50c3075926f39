"""Takes the documents' pictures of the page: a real `orch serve` before a scripted Ollama, in a
real Chromium. `uv run python -m tests.readme.screenshots`."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.support.browser import DESK, PHONE, chromium, orch_serve, visits
from tests.support.fake_ollama import FakeModel, FakeOllama

IMAGES = Path(__file__).parents[2] / "docs" / "images"
ROOM = "version: 1\nmemory_budget_gb: 24\ncache: {mode: 'off'}\n"
ANSWER = """A **mutex** lets one thread at a time into a section of code. The others wait until it \
is released.

```python
import threading

lock = threading.Lock()

def add(total: list[int]) -> None:
    with lock:
        total[0] += 1
```

| | mutex | semaphore |
|---|---|---|
| how many may enter | 1 | n |
| who releases it | its owner | anybody |
"""
TASKS = (
    "Write a Python function that merges two sorted lists",
    "What is the capital of Peru?",
    "Compare the pros and cons of PostgreSQL and SQLite",
    "Escribe un correo formal para pedir un aplazamiento",
    "A train leaves at 9:40 and takes 95 minutes: when is it there?",
    "Write a short poem about the sea on a winter evening",
)


def main() -> None:
    """Writes page-chat.png, page-models.png, page-activity.png and page-phone.png."""
    models = [
        _model("llama3.1:8b-instruct-q4_K_M", "Lima.", 8.0, 4.9),
        _model("qwen2.5-coder:7b-instruct-q4_K_M", ANSWER, 7.6, 4.7),
        _model("qwen2.5:14b-instruct-q4_K_M", "It is there at 11:15.", 14.8, 9.0),
        _model("ministral-3:8b", "Estimada señora García: le escribo para pedir…", 8.5, 6.0),
    ]
    with tempfile.TemporaryDirectory() as folder, FakeOllama(models) as fake:
        home = Path(folder)
        (home / "routing.yaml").write_text(ROOM, encoding="utf-8")
        env = {"ORCH_HOME": folder, "ORCH_CONFIG": folder, "OLLAMA_HOST": fake.url}
        os.environ.update(env)
        with orch_serve(env=env) as (url, _), chromium() as browser, visits(browser) as visit:
            for task in TASKS:
                httpx.post(
                    f"{url}/v1/chat/completions",
                    json={"model": "auto", "messages": [{"role": "user", "content": task}]},
                    timeout=60,
                )
            _chat(visit(url, DESK))
            _taken(visit(f"{url}/models", DESK), "models")
            _taken(visit(f"{url}/activity", DESK), "activity")
            _chat(visit(url, PHONE, dark=True, language="es"), "phone")


def _model(name: str, reply: str, parameters_b: float, size_gb: float) -> FakeModel:
    """A model of the size that Ollama's library tells, which writes 30 tokens a second."""
    return FakeModel(
        name,
        reply=_pieces(reply),
        parameter_size=f"{parameters_b}B",
        size=int(size_gb * 1e9),
        chunk_delay_s=1 / 30,
    )


def _pieces(text: str) -> list[str]:
    return re.findall(r"\S*\s+|\S+$", text)


def _chat(page: Page, name: str = "chat") -> None:
    box = page.locator(".orch-chat-asking textarea").first
    box.fill("Explain a mutex with an example in Python code")
    box.press("Enter")
    expect(page.locator(".orch-code")).to_have_count(1)
    page.wait_for_timeout(4_000)  # the whole answer, at 30 tokens a second
    _taken(page, name)


def _taken(page: Page, name: str) -> None:
    page.wait_for_timeout(1_500)
    page.screenshot(path=IMAGES / f"page-{name}.png")
    print(IMAGES.name, f"page-{name}.png")


if __name__ == "__main__":
    main()
