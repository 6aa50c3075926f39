"""Runs client programs from the registries against a real server in front of a scripted Ollama, and
prints as Markdown what works, with machine and date. A whole run is kept in a file after each
client; `--resume` goes on with one that was stopped."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from orch import __version__
from tests.bench.__main__ import machine
from tests.clients.agents import AIDER, NPM
from tests.clients.checks import CHECKS, Client
from tests.clients.installation import (
    Installed,
    NotInstalledError,
    install_npm,
    install_pypi,
    node_version,
)
from tests.clients.libraries import HEAVY, PYPI
from tests.clients.results import KEPT, NOT_RUN, Results, Row, completed, head_lines, line
from tests.clients.scene import Post, scene
from tests.clients.shapes import shape_of

ALL: dict[str, tuple[str | tuple[str, ...], Client]] = {
    **NPM,
    "aider": (("aider-chat",), AIDER),
    **PYPI,
}
"""The clients, by name: one package is npm's, several are PyPI's."""
BODIES = Path(__file__).parent / "bodies"
CLIENT_S = 1_200
"""Seconds that all checks of one client may take together; it is not installed within them."""


def checked(
    name: str, client: Client, installed: Installed, which: list[str], save: bool
) -> dict[str, str]:
    """The result of each check."""
    deadline = time.monotonic() + CLIENT_S
    results = {}
    for title, check in CHECKS.items():
        if which and title.split()[0] not in which:
            continue
        if time.monotonic() > deadline:
            results[title] = f"{NOT_RUN}: {CLIENT_S} s were over"
            continue
        with scene() as made:
            made.path, made.deadline = installed.path, deadline
            client.prepare(made)
            results[title] = check(client, made)
            if save and title == "file edit by tools":
                write_shape(name, made.posts())
    return results


def write_shape(name: str, posts: list[Post]) -> None:
    """Writes the shape of the longest body that asks for an answer."""
    longest = max(posts, key=lambda post: len(json.dumps(post.body)))
    shape = {"path": longest.path, "body": shape_of(longest.body)}
    (BODIES / f"{name}.json").write_text(json.dumps(shape, indent=1) + "\n", "utf-8")


def row(name: str, which: list[str], save: bool) -> Row:
    """Installs a client and runs its checks."""
    package, client = ALL[name]
    began = time.monotonic()
    try:
        installed = (
            install_npm(package) if isinstance(package, str) else install_pypi(name, package)
        )
    except NotInstalledError as error:
        return Row(client.title, str(error), {})
    results = checked(name, client, installed, which, save)
    return Row(client.title, installed.version, results, round(time.monotonic() - began, 1))


def new_results() -> Results:
    """A run without rows. Raises NotInstalledError where there is no Node."""
    return Results(__version__, machine(), node_version(), str(datetime.now(UTC).date()))


def main() -> None:
    """Entry point."""
    args = _arguments()
    results, path = new_results(), args.to
    if args.resume:
        results.resume(path)
    print(results.head + "\n\n" + "\n".join(head_lines(CHECKS)), flush=True)
    whole = not args.which and not args.check
    for done in completed(
        results,
        args.which or [name for name in ALL if args.heavy or name not in HEAVY],
        lambda name: row(name, args.check, args.save_bodies),
        lambda results: results.store(path) if whole else None,
    ):
        print(line(done, CHECKS), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument(
        "which", nargs="*", help=f"Of {', '.join(ALL)}. Default: all; part of a run is not kept."
    )
    parser.add_argument(
        "--check", action="append", default=[], help="A check's first word. Default: all."
    )
    parser.add_argument(
        "--to",
        type=Path,
        default=KEPT,
        help="The file that a whole run is kept in. Default: %(default)s.",
    )
    parser.add_argument(
        "--resume", action="store_true", help="Go on with the run in that file: skip what it has."
    )
    parser.add_argument(
        "--heavy", action="store_true", help=f"Also {', '.join(HEAVY)}, which takes 7 GB."
    )
    parser.add_argument(
        "--save-bodies", action="store_true", help="Write the shapes of what each client sends."
    )
    args = parser.parse_args()
    unknown = [name for name in args.which if name not in ALL]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(ALL)}")
    if args.resume and (args.which or args.check):
        parser.error("--resume is for a whole run")
    return args


if __name__ == "__main__":
    if shutil.which("git") is None:
        sys.exit("git is not installed")
    main()
