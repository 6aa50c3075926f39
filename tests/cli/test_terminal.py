"""On a terminal: a header with the reason, Markdown that is whole whatever its length, the time at
the end, and a terminal given back as it was."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from orch.execution.results import DEMO_MODEL_PREFIX, DEMO_MODEL_WARNING
from tests.conftest import CODER, LLAMA
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault
from tests.support.terminal import Terminal

TASK = "Write a Python function that sorts a list"
MARKDOWN = [
    "Some ",
    "**bold** ",
    "text.\n\n",
    "```python\n",
    "def f():\n",
    "    return '**'\n",
    "\n",
    "\n",
    "print(f())\n",
    "```\n\n",
    "The end.",
]
CODE = ["def f():", "    return '**'", "", "", "print(f())"]
COLOUR = re.compile(rb"\x1b\[[0-9;]*(?:3[0-7]|9[0-7]|38;)")


def shown(*words: str, columns: int = 80, term: str = "xterm-256color") -> tuple[list[str], bytes]:
    """What a command that ends well shows: lines as seen, bytes as sent."""
    terminal = Terminal(*words, columns=columns, term=term)
    assert terminal.end() == 0, terminal.raw.decode()
    return terminal.lines(), terminal.raw


@pytest.fixture
def poet(ollama: FakeOllama) -> FakeOllama:
    """Ollama with a model that answers in Markdown."""
    ollama.add(FakeModel("poet", reply=MARKDOWN))
    return ollama


def test_a_header_says_which_model_what_type_how_sure_and_why(ollama: FakeOllama) -> None:
    lines, _ = shown("run", TASK)
    assert re.match(r"→ Qwen 2\.5 Coder 7B · coding [01]\.\d\d · best for coding", lines[0])


def test_the_time_stands_at_the_end(ollama: FakeOllama) -> None:
    lines, _ = shown("run", TASK)
    assert re.match(r"\d+\.\d\d s\b", [line for line in lines if line][-1])


def test_a_warning_stands_on_a_line_of_its_own_while_the_model_is_waited_for(
    ollama: FakeOllama, home: Path
) -> None:
    ollama.add(FakeModel("poor", load_s=0.4))
    home.mkdir()
    models = (
        f"  - {{id: poor, provider: there, last_resort: true, gguf: '{DEMO_MODEL_PREFIX}x.gguf'}}\n"
    )
    (home / "models.yaml").write_text(
        "version: 1\nproviders:\n  there: {kind: openai, base_url:"
        f" '{ollama.url}'}}\nmodels:\n{models}"
    )
    lines, raw = shown("run", "-m", "poor", "hi")
    assert "…".encode() in raw  # what turns while it is waited for
    assert f"! {DEMO_MODEL_WARNING}" in lines


def test_markdown_is_rendered_and_code_is_left_intact(poet: FakeOllama) -> None:
    lines, raw = shown("run", "-m", "poet", "go")
    seen = "\n".join(line.strip() for line in lines)
    assert "Some bold text." in seen
    assert b"\x1b[1mbold" in raw
    assert "\n".join(line.strip() for line in CODE) in seen
    assert "```" not in seen


def test_code_keeps_its_indentation(poet: FakeOllama) -> None:
    lines, _ = shown("run", "-m", "poet", "go")
    margin = {
        line.index(code.strip()) - code.index(code.strip())
        for line in lines
        for code in CODE
        if code and code.strip() in line
    }
    assert len(margin) == 1


@pytest.mark.parametrize("end", ["\n\n", "\n", "  \n"])
def test_an_answer_longer_than_the_screen_is_there_once_and_in_order(
    ollama: FakeOllama, end: str
) -> None:
    begin = "- " if end == "\n" else ""
    ollama.add(
        FakeModel(
            "long", reply=[piece for n in range(300) for piece in (f"{begin}line ", f"n{n}{end}")]
        )
    )
    lines, _ = shown("run", "-m", "long", "go")
    assert re.findall(r"line n\d+", "\n".join(lines)) == [f"line n{n}" for n in range(300)]


def test_a_code_block_longer_than_the_screen_is_whole(ollama: FakeOllama) -> None:
    ollama.add(
        FakeModel("long", reply=["```python\n", *(f"x{n} = {n}\n\n" for n in range(60)), "```\n"])
    )
    lines, _ = shown("run", "-m", "long", "go")
    assert re.findall(r"x\d+ = \d+", "\n".join(lines)) == [f"x{n} = {n}" for n in range(60)]


@pytest.mark.parametrize(
    ("begin", "line"),
    [
        ("```python\n", "# v{}\n"),
        ("", "- v{} " + "and more " * 12 + "\n"),
        ("", "v{} and more and more "),
    ],
)
def test_the_newest_text_is_on_the_screen_while_a_long_block_grows(
    ollama: FakeOllama, begin: str, line: str
) -> None:
    reply = [begin, *(line.format(n) for n in range(100))]
    ollama.add(
        FakeModel("long", reply=reply, faults=[Fault("stall", after=len(reply), seconds=15)])
    )
    terminal = Terminal("run", "-m", "long", "go")
    terminal.read_until(b"v99")
    seen = [line.strip() for line in terminal.lines() if "v99" in line]
    terminal.type(b"\x03")
    assert terminal.end() == 128 + signal.SIGINT
    assert len(seen) == 1
    assert seen[0].startswith("# v99") or not begin


def test_a_paragraph_longer_than_the_screen_is_whole(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("long", reply=[f"w{n} " for n in range(1000)]))
    lines, _ = shown("run", "-m", "long", "go", columns=40)
    assert re.findall(r"\bw\d+", "\n".join(lines)) == [f"w{n}" for n in range(1000)]


def test_a_window_that_changes_its_size_disturbs_nothing(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("slow", reply=[f"word{n}\n\n" for n in range(80)], chunk_delay_s=0.01))
    terminal = Terminal("run", "-m", "slow", "go")
    for number, size in ((1, (30, 8)), (20, (120, 50)), (40, (12, 3)), (60, (80, 24))):
        terminal.read_until(f"word{number}".encode())
        terminal.resize(*size)
    assert terminal.end() == 0
    assert b"Traceback" not in terminal.raw
    assert b"word79" in terminal.raw


@pytest.mark.parametrize(("words", "term"), [([], "dumb"), (["--plain"], "xterm-256color")])
def test_plain_is_the_models_own_text(poet: FakeOllama, words: list[str], term: str) -> None:
    _, raw = shown("run", *words, "-m", "poet", "go", term=term)
    assert "".join(MARKDOWN).replace("\n", "\r\n").encode() in raw
    assert b"\x1b" not in raw


def test_no_color_leaves_the_colours_out_and_nothing_else(
    poet: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    _, colourful = shown("run", "-m", "poet", "go")
    monkeypatch.setenv("NO_COLOR", "1")
    lines, plain = shown("run", "-m", "poet", "go")
    assert (bool(COLOUR.search(colourful)), bool(COLOUR.search(plain))) == (True, False)
    assert "Some bold text." in lines


def test_another_model_goes_on_from_what_was_shown(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("cut", after=2))
    lines, _ = shown("run", TASK, columns=400)
    assert "def f(): Hello world" in lines
    assert any("failed after 9 characters" in line and LLAMA in line for line in lines)


def test_a_note_within_a_paragraph_of_several_rows_is_not_erased(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = ["word " * 60, "end"]
    ollama.models[CODER].faults.append(Fault("cut", after=1))
    lines, _ = shown("run", TASK)
    assert any(line.startswith("! ") and "failed after 300 characters" in line for line in lines)
    assert " ".join(lines).count("word") == 60


def test_a_note_within_a_plain_answer_stands_on_a_line_of_its_own(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("cut", after=2))
    lines, _ = shown("run", "--plain", TASK, columns=400)
    assert any(line.startswith("! ") and "failed after 9 characters" in line for line in lines)


def test_a_failed_runs_partial_text_stays(ollama: FakeOllama) -> None:
    ollama.models[CODER].faults.append(Fault("cut", after=2))
    terminal = Terminal("run", "-m", CODER, TASK)
    assert terminal.end() == 7
    assert "def f():" in terminal.lines()


def test_ctrl_c_keeps_the_text_and_gives_the_cursor_back(ollama: FakeOllama) -> None:
    ollama.add(FakeModel("slow", reply=["tick "] * 1000, chunk_delay_s=0.02))
    terminal = Terminal("run", "-m", "slow", "go")
    terminal.read_until(b"tick tick")
    terminal.type(b"\x03")
    assert terminal.end() == 128 + signal.SIGINT
    assert any(line.startswith("tick tick") for line in terminal.lines())
    assert re.findall(rb"\x1b\[\?25[hl]", terminal.raw)[-1] == b"\x1b[?25h"


def test_a_turn_of_chat_that_ctrl_c_ends_goes_with_the_next_one(ollama: FakeOllama) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["tick "] * 1000, 0.02
    terminal = Terminal("chat", "-m", CODER)
    terminal.read_until(b"> ")
    terminal.type(b"count\n")
    terminal.read_until(b"tick tick")
    terminal.type(b"\x03")
    terminal.read_until(b"interrupted")
    ollama.models[CODER].reply = ["done"]
    terminal.type(b"go on\n/quit\n")
    assert terminal.end() == 0
    sent = [
        (message["role"], message["content"][:9]) for message in ollama.chats()[-1].body["messages"]
    ]
    assert sent == [("user", "count"), ("assistant", "tick tick"), ("user", "go on")]


def test_a_models_control_codes_do_not_reach_the_terminal(ollama: FakeOllama) -> None:
    ollama.add(
        FakeModel("evil", reply=["\x1b]0;pwned\x07", "\x1b[2J", "\x9b31m", "harm", "less\x08\x08"])
    )
    _, raw = shown("run", "-m", "evil", "go")
    assert b"harmless" in raw
    assert not [code for code in (b"\x1b]0;", b"\x1b[2J", b"\xc2\x9b", b"\x08") if code in raw]


@pytest.mark.parametrize("words", [["models"], ["route", "hi"], ["health"]])
def test_a_table_names_every_model_on_80_columns(ollama: FakeOllama, words: list[str]) -> None:
    lines, _ = shown(*words)
    assert all(
        any(name in line for line in lines) for name in ("qwen2.5-coder", "llama3.1", "ministral-3")
    )


def test_a_table_gives_the_reasons_on_80_columns_also_for_measured_models(
    ollama: FakeOllama,
) -> None:
    ollama.models[CODER].reply = ["pass "] * 40
    shown("run", TASK)
    lines, _ = shown("route", TASK)
    assert any("installed" in line for line in lines[3:])


def test_stats_cut_no_figure_and_no_head_on_80_columns(ollama: FakeOllama) -> None:
    shown("run", TASK)
    lines, _ = shown("stats")
    heads, row = lines[0], next(line for line in lines if line.startswith(CODER))
    assert re.split(r"\s{2,}|(?<=errors) ", heads.strip())[:3] == ["model", "runs", "errors"]
    assert re.search(r"total p50 +tokens/s$", heads.strip())
    assert re.search(r"\d\.\d\d s +(\d+\.\d|-)$", row.strip()), lines


def test_an_error_is_printed_as_a_message(ollama: FakeOllama) -> None:
    Path("notes").mkdir()
    terminal = Terminal("run", "-f", "notes", "hi")
    assert terminal.end() == 2
    assert terminal.lines()[0] == "orch: notes: Is a directory"
