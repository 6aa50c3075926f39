"""The coding agents: how each is asked on its command line, and by which tool it writes a file.

Settings are those of `orch launch`, else the block of `orch config client`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.clients.checks import EDIT, LONG_PROMPT, MADE, QUESTION, SECOND, Client, Command, call
from tests.clients.scene import ORCH, Scene
from tests.support.fake_ollama import Json


def settings_of(scene: Scene, name: str) -> str:
    """The block that `orch config client NAME` prints."""
    printed = scene.run([*ORCH, "config", "client", name])
    assert printed.code == 0, printed.last_words
    return printed.output


def _settings_in(path: str, name: str) -> Callable[[Scene], None]:
    """Writes that block to a file of the home."""

    def prepare(scene: Scene) -> None:
        file = scene.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(settings_of(scene, name))

    return prepare


def _launched(
    title: str,
    name: str,
    *,
    first: Sequence[str],
    again: Sequence[str],
    edit: Sequence[str],
    stdin: Sequence[str],
    dash: Sequence[str] = (),
    talk: Sequence[str],
    talk_on: Sequence[str],
    calls: Callable[[Scene], list[Json]],
) -> Client:
    """A client that `orch launch` starts: the words before a question, before the next one, before
    an edit, and those with which it reads the question from stdin; `dash` follows the words before
    the next one where that comes from stdin; `talk` and `talk_on` stand before the questions of a
    conversation in which it may write files."""
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
        again=lambda text: Command([*launch, *again, *dash], text),
        turn=lambda text, is_first: Command([*launch, *(talk if is_first else talk_on), text]),
        compacts=True,
        calls=calls,
    )


CLAUDE = _launched(
    "Claude Code",
    "claude",
    first=["-p"],
    again=["--continue", "-p"],
    edit=["--permission-mode", "acceptEdits", "-p"],
    stdin=["-p"],
    talk=["--permission-mode", "acceptEdits", "-p"],
    talk_on=["--permission-mode", "acceptEdits", "--continue", "-p"],
    calls=lambda scene: [call("Write", file_path=str(scene.work / "made.txt"), content=MADE)],
)
CODEX = _launched(
    "Codex",
    "codex",
    first=["exec"],
    again=["exec", "resume", "--last"],
    edit=["exec", "--sandbox", "workspace-write"],
    stdin=["exec", "-"],
    dash=["-"],
    talk=["exec", "--sandbox", "workspace-write"],
    talk_on=["exec", "--sandbox", "workspace-write", "resume", "--last"],
    calls=lambda scene: [
        call("exec_command", cmd=f"echo {MADE.strip()} > made.txt"),
        call("shell_command", command=f"echo {MADE.strip()} > made.txt"),
        call("shell", command=["sh", "-c", f"echo {MADE.strip()} > made.txt"]),
    ],
)
OPENCODE = _launched(
    "OpenCode",
    "opencode",
    first=["run"],
    again=["run", "--continue"],
    edit=["run"],
    stdin=["run"],
    talk=["run"],
    talk_on=["run", "--continue"],
    calls=lambda scene: [call("write", filePath=str(scene.work / "made.txt"), content=MADE)],
)
QWEN = Client(
    "qwen-code",
    prepare=_settings_in(".qwen/settings.json", "qwen"),
    question=lambda scene: Command(["qwen", QUESTION]),
    turns=lambda scene: [Command(["qwen", QUESTION]), Command(["qwen", "--continue", SECOND])],
    edit=lambda scene: Command(["qwen", "--approval-mode", "auto-edit", EDIT]),
    long=lambda scene: Command(["qwen"], LONG_PROMPT),
    again=lambda text: Command(["qwen", "--continue"], text),
    turn=lambda text, is_first: Command(
        ["qwen", "--approval-mode", "auto-edit", *([] if is_first else ["--continue"]), text]
    ),
    compacts=True,
    calls=lambda scene: [
        call("write_file", file_path=str(scene.work / "made.txt"), content=MADE),
    ],
)
CONTINUE = Client(
    "Continue CLI",
    prepare=_settings_in(".continue/config.yaml", "continue"),
    question=lambda scene: Command(["cn", "-p", QUESTION]),
    turns=lambda scene: [
        Command(["cn", "-p", QUESTION]),
        Command(["cn", "--resume", "-p", SECOND]),
    ],
    edit=lambda scene: Command(["cn", "--auto", "-p", EDIT]),
    long=lambda scene: Command(["cn", "-p"], LONG_PROMPT),
    again=lambda text: Command(["cn", "--resume", "-p"], text),
    turn=lambda text, is_first: Command(
        ["cn", "--auto", *([] if is_first else ["--resume"]), "-p", text]
    ),
    compacts=True,
    calls=lambda scene: [call("Write", filepath=str(scene.work / "made.txt"), content=MADE)],
)
_AIDER = ["aider", "--yes-always", "--message"]
_AIDER_STDIN = ["aider", "--yes-always", "--message-file", "/dev/stdin"]


def _aider_turn(text: str, is_first: bool) -> Command:
    """Its history is a file of the working folder, in which a conversation has no name."""
    begin = "rm -f .aider.chat.history.md;" if is_first else ""
    restore = "" if is_first else "--restore-chat-history"
    words = f'{begin} exec aider --yes-always {restore} --message "$0"'
    return Command(["sh", "-c", words, text])


AIDER = Client(
    "aider",
    prepare=_settings_in(".aider.conf.yml", "aider"),
    question=lambda scene: Command([*_AIDER, QUESTION]),
    turns=lambda scene: [
        Command([*_AIDER, QUESTION]),
        Command([*_AIDER, SECOND, "--restore-chat-history"]),
    ],
    edit=lambda scene: Command([*_AIDER, EDIT]),
    long=lambda scene: Command(_AIDER_STDIN, LONG_PROMPT),
    again=lambda text: Command([*_AIDER_STDIN, "--restore-chat-history"], text),
    turn=_aider_turn,
    compacts=True,
    reply=f"made.txt\n```\n{MADE}```\n",
)
NPM = {
    "claude": ("@anthropic-ai/claude-code", CLAUDE),
    "codex": ("@openai/codex", CODEX),
    "opencode": ("opencode-ai", OPENCODE),
    "qwen": ("@qwen-code/qwen-code", QWEN),
    "continue": ("@continuedev/cli", CONTINUE),
}
"""By the name on the command line: the package of npm's, and the client."""
