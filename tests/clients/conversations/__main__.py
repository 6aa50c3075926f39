"""Records conversations of real clients, in shape alone: `uv run python -m
tests.clients.conversations [CLIENT…]`; each client is installed as `tests.clients` does."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence

from tests.clients.__main__ import ALL
from tests.clients.checks import Client
from tests.clients.conversations.recorded_posts import OPENINGS, Shaper
from tests.clients.conversations.replay import RECORDED
from tests.clients.installation import NotInstalledError, install_npm, install_pypi
from tests.clients.libraries import HEAVY
from tests.clients.scene import Post, Scene, scene

SETTINGS = "cache: {mode: 'off'}\n"
"""Of two conversations that begin alike, the second would be given the first one's answer."""
BESIDE_S = 2.0
"""After a turn, for requests beside it, such as for a title."""
TURN_S = 200
WITH_IDS = {"open-webui": {"ENABLE_FORWARD_USER_INFO_HEADERS": "true"}}
"""The variables by which a client gives its ids."""


def recorded(client: Client, made: Scene) -> Iterator[list[Post]]:
    """The posts of each conversation."""
    for questions in OPENINGS:
        before = len(made.posts())
        if client.turn is None:
            _talk(client, made, questions)
        else:
            for number, question in enumerate(questions):
                _ask(client, made, question, is_first=number == 0)
        yield made.posts()[before:]


def _talk(client: Client, made: Scene, questions: Sequence[str]) -> None:
    assert client.talk is not None, client.title
    command = client.talk(made, questions)
    ended = made.run(command.words, command.stdin, TURN_S)
    assert ended.code == 0, ended.last_words


def _ask(client: Client, made: Scene, question: str, *, is_first: bool) -> None:
    assert client.turn is not None, client.title
    made.model.tool_calls = client.calls(made) if question.startswith("Write") else []
    (made.work / "made.txt").unlink(missing_ok=True)
    command = client.turn(question, is_first)
    ended = made.run(command.words, command.stdin, TURN_S)
    assert ended.code == 0, ended.last_words
    time.sleep(BESIDE_S)


def record(name: str) -> int:
    """Records one client; the number of its requests. Raises NotInstalledError."""
    package, client = ALL[name]
    installed = install_npm(package) if isinstance(package, str) else install_pypi(name, package)
    shaper, lines = Shaper(), []
    with scene(SETTINGS) as made:
        made.path = installed.path
        made.variables |= WITH_IDS.get(name, {})
        client.prepare(made)
        for number, posts in enumerate(recorded(client, made)):
            lines += [{"conversation": number, **each} for each in shaper.conversation(posts)]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    (RECORDED / f"{name}.jsonl").write_text(text, "utf-8")
    return len(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    usual = [name for name in ALL if name not in HEAVY]
    parser.add_argument("which", nargs="*", choices=[*ALL, []], default=usual)
    for name in parser.parse_args().which:
        try:
            print(f"{name}: {record(name)} requests", flush=True)
        except (NotInstalledError, AssertionError) as error:
            print(f"{name}: {error}", flush=True)


if __name__ == "__main__":
    main()
