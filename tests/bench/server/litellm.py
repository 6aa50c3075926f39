"""LiteLLM's proxy in an environment of its own, made once in the user's cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.server.process import Server, environment, free_port
from tests.bench.server.prompts import MODELS

NEWEST, OLDER = "litellm[proxy]", "litellm[proxy]==1.77.*"
"""The newest version, and that of the first comparison, which is faster."""
INSTALL_S = 600.0
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
"""Fetches nothing at start, reads no .env file, logs only errors, needs no key on loopback."""


class NotThere(Exception):
    """LiteLLM is not available; the message says why."""


def folder() -> Path:
    """Where the environments are stored."""
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/orch-bench"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orch-bench"


def installed(requirement: str) -> Path:
    """The commands of its environment, created if missing. Raises NotThere."""
    place = folder() / (
        "litellm" if requirement == NEWEST else requirement.partition("==")[2].rstrip(".*")
    )
    if not (place / "bin/litellm").exists():
        uv = shutil.which("uv")
        if uv is None:
            raise NotThere("uv is not on the path")
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(place)])
        _run(
            [
                uv,
                "pip",
                "install",
                "--quiet",
                "--compile-bytecode",
                "--python",
                str(place / "bin/python"),
                requirement,
            ]
        )
    return place / "bin"


def _run(words: list[str]) -> None:
    try:
        subprocess.run(
            words, env=environment(), check=True, capture_output=True, text=True, timeout=INSTALL_S
        )
    except subprocess.CalledProcessError as error:
        raise NotThere(f"{words[-1]} cannot be installed: {error.stderr.strip()[-300:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotThere(f"{words[-1]} cannot be installed: {error}") from error


def version(requirement: str) -> str:
    """The installed version. Raises NotThere."""
    script = "from importlib.metadata import version; print(version('litellm'))"
    return subprocess.run(
        [str(installed(requirement) / "python"), "-c", script],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def config(upstream: str) -> str:
    """Its configuration: every model of the upstream, no key."""
    models = [
        f"  - model_name: {name}\n    litellm_params: {{model: 'openai/{name}', api_base:"
        f" '{upstream}/v1', api_key: none}}"
        for name in MODELS
    ]
    return "\n".join(["model_list:", *models, "litellm_settings: {telemetry: false}", ""])


def proxy(requirement: str) -> Callable[[str, Path], Server]:
    """How to start it, with one worker; the function raises NotThere and DidNotStart."""

    def start(upstream: str, home: Path) -> Server:
        path = home / "litellm.yaml"
        path.write_text(config(upstream), encoding="utf-8")
        port = free_port()
        words = [
            str(installed(requirement) / "litellm"),
            "--config",
            str(path),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--num_workers",
            "1",
        ]
        return Server(words, home / "log", port=port, env=environment(**QUIET, HOME=str(home)))

    return start
