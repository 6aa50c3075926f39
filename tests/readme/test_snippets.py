"""The snippets of the documents run as they stand: scripts, configuration, command lines."""

from __future__ import annotations

import configparser
import plistlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from orch.cli.main import app
from orch.config.load import load_config
from tests.readme.documents import documents
from tests.readme.markup import Fence, fences
from tests.support.fake_ollama import FakeOllama

SHELLS = ("sh", "console")
ENDS = {"|", "||", "&&", ";", ">", "<", "&"}
BEFORE = ENDS | {"do", "run"}
MODELS = "version: 1\nproviders: {ollama: {kind: ollama, base_url: http://127.0.0.1:11434}}\n"
ROUTING = "version: 1\nweights: {fit: 0.20, quality: 0.40, speed: 0.30, confidence: 0.10}\n"


def snippets(*languages: str) -> list[Any]:
    """The code blocks of all documents in these languages, each once."""
    blocks = {
        fence.text: (path, fence)
        for path in documents()
        for fence in fences(path.read_text(encoding="utf-8"))
        if fence.language in languages
    }
    return [pytest.param(fence, id=f"{path.name}:{fence.line}") for path, fence in blocks.values()]


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Runs a script as a reader would who saved it to a file."""
    Path("snippet.py").write_text(script, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "snippet.py"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def is_client(fence: Fence) -> bool:
    """Whether a script talks to the server instead of importing orch."""
    return "from orch" not in fence.text


@pytest.mark.parametrize(
    "fence", [each for each in snippets("python") if not is_client(each.values[0])]
)
def test_a_script_with_the_library_runs_as_it_stands(ollama: FakeOllama, fence: Fence) -> None:
    done = run(fence.text)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert ollama.requests


@pytest.mark.parametrize(
    "fence", [each for each in snippets("python") if is_client(each.values[0])]
)
def test_a_script_of_a_client_runs_as_it_stands(
    url: str, ollama: FakeOllama, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": "any",
        "OLLAMA_HOST": url,
    }.items():
        monkeypatch.setenv(name, value)
    done = run(fence.text)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert ollama.chats()


@pytest.mark.parametrize("fence", snippets("yaml"))
def test_a_piece_of_configuration_is_valid(
    fence: Fence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in re.findall(r"\$\{(\w+)\}", fence.text):
        monkeypatch.setenv(variable, "value")
    piece = yaml.safe_load(fence.text)
    if isinstance(piece, list):
        pytest.skip("the configuration of another program")
    of_models = bool(piece.keys() & {"models", "providers"})
    base = yaml.safe_load(MODELS if of_models else ROUTING)
    files = {"models.yaml": MODELS, "routing.yaml": ROUTING} | {
        f"{'models' if of_models else 'routing'}.yaml": yaml.safe_dump({**base, **piece})
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert load_config(tmp_path).sources


@pytest.mark.parametrize("fence", snippets("ini", "xml"))
def test_a_service_file_can_be_read(fence: Fence) -> None:
    if fence.language == "xml":
        assert plistlib.loads(fence.text.encode())["ProgramArguments"][-1] == "serve"
    else:
        unit = configparser.ConfigParser(interpolation=None)
        unit.read_string(fence.text)
        assert unit["Service"]["ExecStart"].endswith("orch serve")


@pytest.mark.parametrize("fence", snippets(*SHELLS))
def test_a_command_line_of_orch_is_one_that_it_takes(fence: Fence) -> None:
    for words in command_lines(fence):
        parse(words)


def test_code_in_running_text_names_commands_that_exist() -> None:
    for path in documents():
        prose = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for line in re.findall(r"`(orch [a-z][^`]*)`", prose):
            parse(shlex.split(line)[1:], prose=True)


def test_an_option_that_there_is_not_is_seen() -> None:
    with pytest.raises(Exception, match="--speedy"):
        parse(["run", "--speedy", "hi"])


def test_the_commands_of_a_pipe_and_of_a_loop_are_seen() -> None:
    lines = (
        'git diff | orch run "review this" -  # why',
        'for f in *.md; do orch run -q -f "$f" "sum it"; done',
        "uv run orch serve",
    )
    fence = Fence("sh", "\n".join(lines), 1)
    assert list(command_lines(fence)) == [
        ["run", "review this", "-"],
        ["run", "-q", "-f", "$f", "sum it"],
        ["serve"],
    ]


def command_lines(fence: Fence) -> Iterator[list[str]]:
    """The words after `orch` in every command of a block."""
    lines = fence.text.replace("\\\n", " ").splitlines()
    prompts = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in prompts if fence.language == "console" else lines:
        words = _words(line)
        for place, word in enumerate(words):
            if word == "orch" and (not place or words[place - 1] in BEFORE):
                end = next((at for at in range(place, len(words)) if words[at] in ENDS), len(words))
                yield words[place + 1 : end]


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(re.sub(r"\d+>", ">", line), posix=True, punctuation_chars=True)
    lexer.commenters, lexer.whitespace_split = "#", True
    return list(lexer)


def parse(words: list[str], *, prose: bool = False) -> None:
    """Parses a command line as the command would, and runs nothing. Raises what it would raise.

    In prose a command may stand without its arguments.
    """
    command: Any = get_command(app)
    name, context = "orch", None
    while True:
        context = command.make_context(name, list(words), parent=context, resilient_parsing=prose)
        rest = [*context._protected_args, *context.args]
        if (not hasattr(command, "commands") and not hasattr(command, "list_commands")) or not rest:
            return
        name, command, words = command.resolve_command(context, rest)
