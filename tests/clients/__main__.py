"""Runs client programs from the registries against a real server in front of a scripted Ollama, and
prints as Markdown what works, with machine and date."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from orch import __version__
from tests.bench.__main__ import machine
from tests.clients.agents import AIDER, NPM
from tests.clients.checks import CHECKS, NOT_RUN, Client
from tests.clients.installation import (
    Installed,
    NotInstalledError,
    install_npm,
    install_pypi,
    node_version,
)
from tests.clients.libraries import PYPI
from tests.clients.scene import scene
from tests.clients.shapes import shape_of

ALL: dict[str, tuple[str | tuple[str, ...], Client]] = {
    **NPM,
    "aider": (("aider-chat",), AIDER),
    **PYPI,
}
"""The clients, by name: one package is npm's, several are PyPI's."""
BODIES = Path(__file__).parent / "bodies"


def checked(
    name: str, client: Client, installed: Installed, which: list[str], save: bool
) -> Iterator[str]:
    """The cells of a client's row."""
    for title, check in CHECKS.items():
        if which and title.split()[0] not in which:
            yield NOT_RUN
            continue
        with scene() as made:
            made.path = installed.path
            client.prepare(made)
            yield check(client, made).replace("|", "/")
            if save and title == "file edit by tools":
                write_shape(name, made.bodies())


def write_shape(name: str, bodies: list[tuple[str, object]]) -> None:
    """Writes the shape of the longest body that asks for an answer."""
    path, body = max(bodies, key=lambda pair: len(json.dumps(pair[1])))
    shape = {"path": path, "body": shape_of(body)}
    (BODIES / f"{name}.json").write_text(json.dumps(shape, indent=1) + "\n", "utf-8")


def row(name: str, which: list[str], save: bool) -> str:
    """A client's row of the table."""
    package, client = ALL[name]
    try:
        installed = (
            install_npm(package) if isinstance(package, str) else install_pypi(name, package)
        )
    except NotInstalledError as error:
        return f"| {client.title} | {error} |" + f" {NOT_RUN} |" * len(CHECKS)
    cells = checked(name, client, installed, which, save)
    return " | ".join(["| " + client.title, installed.version, *cells]) + " |"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("which", nargs="*", help=f"Of {', '.join(ALL)}. Default: all.")
    parser.add_argument(
        "--check", action="append", default=[], help="A check's first word. Default: all."
    )
    parser.add_argument(
        "--save-bodies", action="store_true", help="Write the shapes of what each client sends."
    )
    args = parser.parse_args()
    unknown = [name for name in args.which if name not in ALL]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(ALL)}")
    with contextlib.suppress(NotInstalledError):
        print(f"orch {__version__} · {machine()} · Node {node_version()} ·", end=" ")
    print(datetime.now(UTC).date())
    print("\n" + " | ".join(["| client", "version", *CHECKS]) + " |")
    print("|---" * (2 + len(CHECKS)) + "|", flush=True)
    for name in args.which or ALL:
        print(row(name, args.check, args.save_bodies), flush=True)


if __name__ == "__main__":
    if shutil.which("git") is None:
        sys.exit("git is not installed")
    main()
