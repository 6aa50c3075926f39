"""Bounds the text that each function is given, however long the input: asserts lengths, never
times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import httpx
import pygments
import pytest
from rich.console import Console

from orch.bench import answer_parsing as reading
from orch.bench import grading, suite
from orch.bench.graders import short_answers
from orch.classifier import features
from orch.cli.run_display import TerminalDisplay
from orch.errors import OrchError
from orch.execution.run_record import MAX_UNANSWERED_CHARS
from orch.orchestrator import build_task
from orch.providers.streams.thinking_markers import ThinkingSplitter
from orch.server.web.components import markdown_html
from orch.storage.answers import answer_key
from orch.text.markdown import BlockSplitter
from orch.text.prompt import estimate_text_tokens, prepare_task
from orch.text.redact import Redactor
from orch.text.slices import SLICE_CHARS
from tests.support.fake_ollama import FakeModel, FakeOllama
from tests.support.orchestrators import fake, over

# ---------------------------------------------------------------- what is read for secrets


@pytest.fixture
def looked_through(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the texts that are looked through for secrets."""
    lengths: list[int] = []
    real = Redactor.redact

    def redact(self: Redactor, text: str) -> str:
        lengths.append(len(text))
        return real(self, text)

    monkeypatch.setattr(Redactor, "redact", redact)
    return lengths


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """One model."""
    with fake("a:1b") as running:
        yield running


async def test_what_fits_no_model_is_not_read_for_secrets_and_only_its_beginning_is_kept(
    server: FakeOllama, looked_through: list[int]
) -> None:
    async with over({"ollama": server}) as orchestrator:
        with pytest.raises(OrchError, match="fits no model"):
            await orchestrator.execute("word " * 400_000)
        (row,) = orchestrator.runtime.journal.history.runs()
    assert sum(looked_through) < 2 * MAX_UNANSWERED_CHARS
    assert row["task"].endswith("[… of 2,000,000 characters]")


async def test_a_long_task_is_looked_through_in_slices(
    server: FakeOllama, looked_through: list[int]
) -> None:
    async with over({"ollama": server}) as orchestrator:
        key = orchestrator.runtime.answer_cache.key
        harmless, secret = "word " * 40_000, "word " * 40_000 + "password: hunter2secret"
        assert await key(prepare_task(build_task(harmless))) is not None
        assert await key(prepare_task(build_task(secret))) is None
    assert max(looked_through) <= SLICE_CHARS


async def test_an_image_is_neither_looked_through_nor_kept_in_the_journal(
    server: FakeOllama, looked_through: list[int]
) -> None:
    server.add(FakeModel("eye:1b", capabilities=["completion", "vision"]))
    picture = "A" * 300_000
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    said: list[dict[str, Any]] = [
        {"role": "user", "content": "x", "images": [picture]},
        {"role": "user", "content": [{"type": "text", "text": "what is it?"}, url]},
    ]
    async with over({"ollama": server}) as orchestrator:
        await orchestrator.execute(messages=said)
        (row,) = orchestrator.runtime.journal.history.runs()
    assert picture in server.chats()[-1].body["messages"][0]["images"]
    assert sum(looked_through) < 2_000
    assert picture not in row["messages"]


def test_two_long_texts_that_differ_by_one_letter_have_two_keys() -> None:
    texts = ["word " * 40_000, "word " * 39_999 + "lord ", "word " * 40_000 + "x"]
    assert len({answer_key(prepare_task(build_task(text)), "c0") for text in texts}) == 3


# ---------------------------------------------------------------- at the server


def test_a_request_that_fits_no_model_is_refused_before_it_is_worked_on(
    url: str, looked_through: list[int]
) -> None:
    said = {"model": "auto", "messages": [{"role": "user", "content": "word " * 400_000}]}
    answer = httpx.post(f"{url}/v1/chat/completions", json=said, timeout=60)
    assert answer.status_code == 400
    assert "fits no model" in answer.json()["error"]["message"]
    httpx.get(f"{url}/orch/runs")  # what waits is written
    assert sum(looked_through) < 2 * MAX_UNANSWERED_CHARS


def test_figures_and_runs_are_read_beside_the_event_loop(url: str) -> None:
    httpx.post(f"{url}/orch/run", json={"text": "hello there"}, timeout=60)
    for path in ("orch/stats", "orch/runs", "orch/runs/last", "orch/health", "metrics"):
        assert (
            httpx.get(f"{url}/{path}", timeout=60).status_code == 200
        )  # and `served` fails where the loop asks a database


def test_a_word_on_a_run_is_learned_beside_the_event_loop(url: str) -> None:
    httpx.post(f"{url}/orch/run", json={"text": "hello there"}, timeout=60)
    assert (
        httpx.post(
            f"{url}/orch/rate",
            json={"run_id": "last", "word": "bad", "task_type": "simple"},
            timeout=60,
        ).status_code
        == 200
    )
    assert httpx.post(
        f"{url}/v1/chat/completions",
        json={"model": "auto", "messages": [{"role": "user", "content": "hello"}]},
        timeout=60,
    ).is_success


# ---------------------------------------------------------------- on the page


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """The lengths of the texts that are parsed as Markdown and that lexers colour."""
    lengths: dict[str, list[int]] = {"parsed": [], "coloured": []}
    parse, highlight = markdown_html._PARSER.parse, pygments.highlight

    def parsing(text: str) -> Any:
        lengths["parsed"].append(len(text))
        return parse(text)

    def colouring(text: str, *others: Any) -> str:
        lengths["coloured"].append(len(text))
        return str(highlight(text, *others))

    monkeypatch.setattr(markdown_html._PARSER, "parse", parsing)
    monkeypatch.setattr(markdown_html, "highlight", colouring)
    return lengths


def test_a_block_without_end_is_drawn_as_markdown_up_to_a_bound_and_nothing_of_it_is_lost(
    drawn: dict[str, list[int]],
) -> None:
    found = markdown_html.render_blocks("- <b>one</b> more thing\n" * 10_000)
    assert sum(drawn["parsed"]) <= markdown_html.MAX_MARKDOWN_CHARS
    assert sum(piece.html.count("&lt;b&gt;one&lt;/b&gt; more thing") for piece in found) == 10_000


@pytest.mark.parametrize(
    "code",
    ["s{" * 10_000, "x = 1\n" * 5_000, "x" * 301],
    ids=["a line", "many lines", "one line too long"],
)
def test_lexers_get_no_long_code_and_no_long_lines(drawn: dict[str, list[int]], code: str) -> None:
    (found,) = markdown_html.render_blocks(f"```python\n{code}\n```")
    assert drawn["coloured"] == []
    assert (found.code, found.language) == (code.rstrip("\n"), "python")


def test_many_blocks_of_code_are_coloured_up_to_one_bound(drawn: dict[str, list[int]]) -> None:
    markdown_html.render_blocks("```python\nx = 1\n```\n\n" * 900)
    assert 0 < sum(drawn["coloured"]) <= markdown_html.MAX_HIGHLIGHTED_CHARS


@pytest.mark.parametrize("language", ["perl", "java", "c#", "nosuch", ""])
def test_no_lexer_is_used_whose_time_has_no_bound(language: str) -> None:
    lexer = markdown_html._lexer(language)
    assert lexer is None or lexer.aliases[0] in markdown_html.LEXERS


def test_every_lexer_that_is_used_is_there_by_its_own_name() -> None:
    names = {name: markdown_html._lexer(name) for name in markdown_html.LEXERS}
    assert [
        name for name, lexer in names.items() if lexer is None or lexer.aliases[0] != name
    ] == []


def test_the_classifiers_patterns_get_no_long_run_of_blanks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def reading(text: str) -> str:
        read.append(text)
        return text

    monkeypatch.setattr(features, "_without_politeness", reading)
    features.split_request("why" + " \n\t" * 600 + "is it so?" + " " * 1_000)
    assert max(len(gap) for text in read for gap in re.findall(r"\s*", text)) <= 32


# ---------------------------------------------------------------- as it comes


def test_the_tail_of_a_line_without_end_is_bounded() -> None:
    blocks = BlockSplitter()
    blocks.feed("```py\n" + "x" * 100_000)
    assert blocks.tail(40, 1_000) == "```py\n" + "x" * 1_000


def test_blanks_before_an_answer_are_kept_apart_until_something_follows() -> None:
    splitter = ThinkingSplitter()
    assert [splitter.feed(" ") for _ in range(10_000)] == [("", "")] * 10_000
    assert splitter._pending == ""  # which is read anew at each piece
    assert splitter.feed("hello") == (" " * 10_000 + "hello", "")


def test_blanks_before_thinking_are_no_part_of_it() -> None:
    splitter = ThinkingSplitter()
    splitter.feed("\n\n")
    assert splitter.feed("<think>so</think>\n\nyes") == ("yes", "so")


def test_blanks_alone_are_given_at_the_end() -> None:
    splitter = ThinkingSplitter()
    splitter.feed("  ")
    assert splitter.flush() == ("  ", "")


# ---------------------------------------------------------------- bodies


def test_a_line_without_end_is_printed_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(
        "rich.markdown.Markdown.__init__", lambda self, text, **options: drawn.append(text)
    )
    out = Console(file=StringIO(), width=80)
    screen = TerminalDisplay(thinking=False, quiet=True, out=out, notes=out)
    screen._print("1" * 100_000)
    screen.close()
    assert drawn == []
    assert "1" * 100_000 in str(out.file.getvalue())  # type: ignore[attr-defined]


def test_a_grader_reads_both_ends_of_an_answer_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def number(text: str, lang: str) -> list[float]:
        read.append(len(text))
        return reading.final_number(text, lang)

    monkeypatch.setattr(short_answers, "final_number", number)
    task = next(
        task for task in suite.load_suite().tasks if type(task.checks[0]).__name__ == "Number"
    )
    grading.grade(
        task, "<think>" + "1 + " * 100_000 + "</think>" + "so " * 100_000 + "the answer is 5"
    )
    assert read
    assert max(read) <= grading.ANSWER_CHARS + 1


def test_thoughts_are_left_out_up_to_the_last_that_ends() -> None:
    assert reading.visible_answer("a </think> b </thinking> c") == "c"
    assert reading.visible_answer("*_" * 200_000) == "*_" * 200_000


def test_blanks_without_end_fit_no_model() -> None:
    assert estimate_text_tokens(" " * 30_000_000) > 200_000
