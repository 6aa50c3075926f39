"""The Python libraries: each is a program of `programs/`, run by the Python of an environment of
its own; `llm` is a command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.clients.agents import settings_of
from tests.clients.checks import (
    EDIT,
    LONG_PROMPT,
    LONG_TURN,
    LONG_TURNS,
    MADE,
    QUESTION,
    SECOND,
    Client,
    Command,
    call,
)
from tests.clients.scene import Scene

PROGRAMS = Path(__file__).parent / "programs"
OBJECT = '{"path": "made.txt", "content": "made by a tool\\n"}'
FUNCTIONS = (
    "def write_file(path: str, content: str) -> str:\n"
    "    'Writes a file'\n"
    "    open(path, 'w').write(content)\n"
    "    return 'written'\n"
)


def _library(
    title: str, program: str, *more: str, tool: str = "write_file", reply: str = ""
) -> Client:
    """A library whose program is in `programs/`."""

    def command(check: str, scene: Scene, stdin: str = "") -> Command:
        return Command(["python", str(PROGRAMS / f"{program}.py"), check, scene.url, *more], stdin)

    return Client(
        title,
        question=lambda scene: command("question", scene),
        turns=lambda scene: [command("turns", scene)],
        edit=lambda scene: command("edit", scene),
        long=lambda scene: command("long", scene, LONG_PROMPT),
        talk=lambda scene, texts: command("talk", scene, "\n".join(texts)),
        conversation=lambda scene: command(f"conversation:{LONG_TURNS}", scene, LONG_TURN),
        calls=lambda scene: [] if reply else [call(tool, path="made.txt", content=MADE)],
        reply=reply,
    )


def _prepare_llm(scene: Scene) -> None:
    folder = scene.home / "llm"
    folder.mkdir()
    scene.variables["LLM_USER_PATH"] = str(folder)
    (folder / "extra-openai-models.yaml").write_text(settings_of(scene, "llm"))


LLM = Client(
    "llm",
    prepare=_prepare_llm,
    question=lambda scene: Command(["llm", "-m", "orch", QUESTION]),
    turns=lambda scene: [
        Command(["llm", "-m", "orch", QUESTION]),
        Command(["llm", "-c", SECOND]),
    ],
    edit=lambda scene: Command(["llm", "-m", "orch", "--functions", FUNCTIONS, EDIT]),
    long=lambda scene: Command(["llm", "-m", "orch"], LONG_PROMPT),
    again=lambda text: Command(["llm", "-c"], text),
    turn=lambda text, is_first: Command(["llm", *(["-m", "orch"] if is_first else ["-c"]), text]),
    calls=lambda scene: [call("write_file", path="made.txt", content=MADE)],
)


def _prepare_open_webui(scene: Scene) -> None:
    lines = settings_of(scene, "open-webui").splitlines()
    parts = (line.partition("=") for line in lines)
    scene.variables.update({name: value for name, _, value in parts})


OPEN_WEBUI = replace(
    _library("Open WebUI", "open_webui"), prepare=_prepare_open_webui, timeout_s=300
)
PYPI: dict[str, tuple[tuple[str, ...], Client]] = {
    "anthropic": (("anthropic",), _library("anthropic", "anthropic_messages")),
    "openai": (("openai",), _library("openai, chat", "openai_chat")),
    "openai-responses": (("openai",), _library("openai, responses", "openai_responses")),
    "openai-parse": (("openai",), _library("openai, parse", "openai_parse", reply=OBJECT)),
    "ollama": (("ollama",), _library("ollama", "ollama_chat")),
    "llm": (("llm",), LLM),
    "langchain-openai": (
        ("langchain-openai", "langchain"),
        _library("langchain-openai", "langchain_chat", "openai"),
    ),
    "langchain-ollama": (
        ("langchain-ollama", "langchain"),
        _library("langchain-ollama", "langchain_chat", "ollama"),
    ),
    "pydantic-ai": (
        ("pydantic-ai-slim[openai]",),
        _library("pydantic-ai", "pydantic_ai_agent"),
    ),
    "instructor": (("instructor",), _library("instructor", "instructor_object", tool="File")),
    "smolagents": (("smolagents[openai]",), _library("smolagents", "smolagents_agent")),
    "litellm": (("litellm",), _library("LiteLLM, openai", "litellm_completion", "openai")),
    "litellm-ollama": (
        ("litellm",),
        _library("LiteLLM, ollama_chat", "litellm_completion", "ollama"),
    ),
    "open-webui": (("open-webui",), OPEN_WEBUI),
}
"""By the name on the command line: the packages of PyPI's, and the client."""
HEAVY = frozenset(("open-webui",))
"""Those that are installed only when they are asked for: it takes 7 GB."""
