"""Starts the Ollama server."""

from __future__ import annotations

import os
import subprocess
import time
from urllib.parse import urlsplit

from orch.config import paths
from orch.config.urls import display_url
from orch.errors import OrchError
from orch.providers.http.httpx_options import import_httpx

START_TIMEOUT_S = 20.0
_LOOK_S = 0.1


def start_ollama(program: str, url: str) -> None:
    """Starts `ollama serve` in the background and returns when it answers.

    Raises OrchError with its last output if it exits first.
    """
    log, at = paths.data_dir() / "ollama.log", {**os.environ, "OLLAMA_HOST": urlsplit(url).netloc}
    paths.touch_private(log)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "serve"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=at,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if _answers(url):
            return
        if process.poll() is not None:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise OrchError(
                f"ollama serve ended{f': {last[0][:300]}' if last else ' without a word'}",
                f"its log: {log}",
            )
        time.sleep(_LOOK_S)
    raise OrchError(
        f"ollama serve did not answer at {display_url(url)} within {START_TIMEOUT_S:g} s",
        f"its log: {log}",
    )


def _answers(url: str) -> bool:
    httpx = import_httpx()
    try:
        with httpx.stream(
            "GET", f"{url.rstrip('/')}/api/version", timeout=2.0, trust_env=False
        ) as answer:  # whose body is not read
            return bool(answer.status_code == 200)
    except httpx.HTTPError:
        return False
