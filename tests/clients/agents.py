"""The coding agents: how each is asked on its command line, and by which tool it writes a file.

Settings are those of `orch launch`, else the block of `orch config client`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.clients.checks import EDIT, LONG_PROMPT, MADE, QUESTION, SECOND, Client, Command
from tests.clients.scene import ORCH, Scene
from tests.support.fake_ollama import Json


def _call(name: str, **arguments: object) -> Json:
    return {"function": {"name": name, "arguments": arguments}}


def _launched(
    title: str,
    name: str,
    *,
    first: Sequence[str],
    again: Sequence[str],
    edit: Sequence[str],
    stdin: Sequence[str],
    calls: Callable[[Scene], list[Json]],
) -> Client:
    """A client that `orch launch` starts: the words before a question, before the next one, before
    an edit, and those with which it reads the question from stdin."""
    launch = [*ORCH, "launch", name, "--"]
    return Client(
        title,
        question=lambda scene: Command([*launch, *first, QUESTION]),
        turns=lambda scene: [
            Command([*launch, *first, QUESTION]),
            Command([*launch, *again, SECOND]),
        ],
        edit=lambda scene: Command([*launch, *edit, EDIT]),
        long=lambda scene: Command([*launch, *stdin], LONG_PROMPT),
        calls=calls,
    )


CLAUDE = _launched(
    "Claude Code",
    "claude",
    first=["-p"],
    again=["--continue", "-p"],
    edit=["--permission-mode", "acceptEdits", "-p"],
    stdin=["-p"],
    calls=lambda scene: [_call("Write", file_path=str(scene.work / "made.txt"), content=MADE)],
)
CODEX = _launched(
    "Codex",
    "codex",
    first=["exec"],
    again=["exec", "resume", "--last"],
    edit=["exec", "--sandbox", "workspace-write"],
    stdin=["exec", "-"],
    calls=lambda scene: [
        _call("exec_command", cmd=f"echo {MADE.strip()} > made.txt"),
        _call("shell_command", command=f"echo {MADE.strip()} > made.txt"),
        _call("shell", command=["sh", "-c", f"echo {MADE.strip()} > made.txt"]),
    ],
)
OPENCODE = _launched(
    "OpenCode",
    "opencode",
    first=["run"],
    again=["run", "--continue"],
    edit=["run"],
    stdin=["run"],
    calls=lambda scene: [_call("write", filePath=str(scene.work / "made.txt"), content=MADE)],
)
PACKAGES = {
    "claude": ("@anthropic-ai/claude-code", CLAUDE),
    "codex": ("@openai/codex", CODEX),
    "opencode": ("opencode-ai", OPENCODE),
}
"""By the name on the command line: the package of npm's, and the client."""
