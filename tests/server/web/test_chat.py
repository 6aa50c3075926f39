"""The Chat view in a real browser: questions, answers, feedback, conversations, errors and
restarts."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from playwright.sync_api import FilePayload, Page, Request, expect

from orch.config import paths
from orch.server.web.chat.files import MAX_FILE_BYTES, attachment_from_bytes
from orch.server.web.components.errors import PageError
from orch.server.web.components.i18n import Translator
from tests.conftest import CODER, LLAMA, ROOM
from tests.support.browser import DESK, PHONE, Visit, orch_serve, serious_violations
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

expect.set_options(timeout=15_000)
CODE_TASK = "Write a Python function that adds two numbers"
HOSTILE = [
    "<script>window.pwned = 1</script>\n\n<img src=x onerror='window.pwned = 2'>\n\n",
    (
        "[one](javascript:window.pwned=3) [two](data:text/html,<script>window.pwned=4</script>)"
        " [three](https://example.org/ok)\n\n"
    ),
    (
        "![picture](http://198.51.100.7/pixel.png)\n\n```html\n<script>window.pwned ="
        " 5</script>\n```\n\n"
    ),
    (
        '```"><script>window.pwned=6</script>\nx\n```\n\n<svg onload=window.pwned=7></svg> {{'
        " window.pwned = 8 }}"
    ),
]


@pytest.fixture
def chat(ollama: FakeOllama, home: Path) -> Iterator[str]:
    """The URL of a server of its own, for a test that gives feedback; both models fit in memory."""
    home.mkdir()
    (home / "routing.yaml").write_text(ROOM)
    with orch_serve() as (url, _):
        yield url


class Shared(NamedTuple):
    """The server that most tests share, without a cache; no test gives it feedback."""

    url: str
    fake: FakeOllama


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The server of this module."""
    home = tmp_path_factory.mktemp("shared")
    (home / "routing.yaml").write_text(ROOM + "cache: {mode: off}\n")
    with (
        FakeOllama() as fake,
        orch_serve(
            env={"ORCH_HOME": str(home), "ORCH_CONFIG": str(home), "OLLAMA_HOST": fake.url}
        ) as (url, _),
    ):
        yield Shared(url, fake)


@pytest.fixture
def shared(one: Shared) -> Shared:
    """The shared server, with its models reset."""
    one.fake.add(FakeModel(CODER, reply=["def ", "f(): ", "pass"]))
    one.fake.add(
        FakeModel(LLAMA, reply=["Hello", " ", "world"], capabilities=["completion", "vision"])
    )
    one.fake.resident.clear()
    one.fake.requests.clear()
    return one


def opened(visit: Visit, url: str, **options: Any) -> Page:
    """Opens the page and waits for its connection."""
    page = visit(url, **options)
    page.wait_for_function("() => window.did_handshake === true")
    return page


def text_box(page: Page) -> Any:
    return page.locator(".orch-chat-asking textarea").first


def ask(page: Page, text: str) -> None:
    text_box(page).fill(text)
    text_box(page).press("Enter")


def answered(page: Page, count: int = 1) -> None:
    """Waits until that many answers are complete."""
    expect(page.get_by_role("button", name="Good answer")).to_have_count(count)


def last_run(url: str) -> dict[str, Any]:
    run: dict[str, Any] = httpx.get(f"{url}/orch/runs/last").json()["run"]
    return run


def rows(query: str) -> list[tuple[Any, ...]]:
    """The rows of a query to the journal's file."""
    with closing(sqlite3.connect(paths.data_dir() / "journal.sqlite3")) as connection:
        return connection.execute(query).fetchall()


def eventually(page: Page, query: str, count: int) -> list[tuple[Any, ...]]:
    """The rows of a query, as soon as there are that many."""
    for _ in range(200):
        result = rows(query)
        if len(result) >= count:
            return result
        page.wait_for_timeout(25)
    raise AssertionError(f"{query}: {rows(query)}")


# ---------------------------------------------------------------- one question


def test_a_rated_answer_is_in_the_journal(chat: str, visit: Visit, ollama: FakeOllama) -> None:
    ollama.models[CODER].reply = [
        "Here:\n\n",
        "```python\n",
        "def add(a, b):\n",
        "    return a + b\n",
        "```\n\n",
        "That **is** it.",
    ]
    page = opened(visit, chat)
    ask(page, CODE_TASK)
    answered(page)
    expect(page.locator(".orch-chat-head")).to_contain_text("Qwen 2.5 Coder 7B")
    expect(page.locator(".orch-chat-head")).to_contain_text(re.compile(r"coding.*confidence \d+ %"))
    expect(page.locator(".orch-answer strong")).to_have_text("is")
    expect(page.locator(".orch-code .hl-k").first).to_have_text("def")
    expect(text_box(page)).to_be_focused()
    expect(text_box(page)).to_have_value("")
    page.get_by_role("button", name="Good answer").click()
    expect(page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    run = last_run(chat)
    assert (run["face"], run["status"], run["task"]) == ("page", "ok", CODE_TASK)
    assert page.url == f"{chat}/?session={run['session']}"
    assert rows("SELECT run_id, model, score FROM ratings") == [(run["run_id"], CODER, 1.0)]
    page.get_by_role("button", name="Bad answer").click()
    expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    assert rows("SELECT score FROM ratings") == [(0.0,)]


def test_the_copy_button_copies_the_code_alone(shared: Shared, visit: Visit) -> None:
    shared.fake.models[CODER].reply = ["```python\n", "x = '<b>'\n", "```\n"]
    page = opened(visit, shared.url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, CODE_TASK)
    answered(page)
    page.get_by_role("button", name="Copy code").click()
    page.wait_for_function(
        "async () => (await navigator.clipboard.readText()).trim() === \"x = '<b>'\""
    )


def test_the_explanation_shows_scores_eliminations_memory_and_failed_attempts(
    shared: Shared, visit: Visit
) -> None:
    shared.fake.models[CODER].faults = [Fault("status", message="out of order", times=-1)]
    page = opened(visit, shared.url)
    ask(page, CODE_TASK)
    answered(page)
    expect(page.locator(".orch-chat-note")).to_contain_text(f"{CODER} failed")
    fold = page.get_by_role("button", name="Why this model?")
    expect(fold).to_have_attribute("aria-expanded", "false")
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "true")
    scores = page.locator(".orch-decision-one")
    expect(scores).to_have_count(2)
    for score in scores.all():
        assert re.search(
            r"fit \d\.\d\d\s*quality \d\.\d\d\s*speed \d\.\d\d\s*confidence \d\.\d\d",
            score.inner_text(),
        )
    body = page.locator(".orch-chat-fold:visible").inner_text()
    assert "not installed" in body
    assert "Nothing was recalled." in body
    assert "out of order" in body
    assert f"{LLAMA}: answered" in body
    assert serious_violations(page) == []


def test_the_opened_explanation_is_not_scrolled_away(shared: Shared, visit: Visit) -> None:
    shared.fake.models[CODER].reply = ["A long answer.\n\n"] * 6
    page = visit(shared.url, PHONE)
    page.wait_for_function("() => window.did_handshake === true")
    ask(page, CODE_TASK)
    answered(page)
    fold = page.get_by_role("button", name="Why this model?")
    fold.click()
    expect(page.locator(".orch-decision-one").last).to_be_visible()
    page.wait_for_function("() => !document.getAnimations().length")
    expect(fold).to_be_in_viewport()


def test_a_long_code_block_is_drawn_in_segments_and_whole_at_the_end(
    shared: Shared, visit: Visit
) -> None:
    lines = [f"x{n} = {n}\n" for n in range(150)]
    shared.fake.models[CODER].reply, shared.fake.models[CODER].chunk_delay_s = (
        ["So:\n\n```python\n", *lines, "```\n\nDone."],
        0.03,
    )
    page = opened(visit, shared.url)
    ask(page, CODE_TASK)
    expect(page.locator(".orch-chat-goes-on").first).to_be_visible()
    answered(page)
    expect(page.locator(".orch-code")).to_have_count(1)
    assert page.locator(".orch-code pre").inner_text().strip() == "".join(lines).strip()


def test_a_long_answer_is_drawn_in_steps_to_the_end(shared: Shared, visit: Visit) -> None:
    shared.fake.models[CODER].reply = [
        "".join(f"Paragraph *{number}* of many.\n\n" for number in range(1_000)),
        "The end.",
    ]
    page = opened(visit, shared.url)
    ask(page, CODE_TASK)
    expect(page.get_by_text("The end.")).to_be_visible()
    expect(page.locator(".orch-answer em")).to_have_count(1_000)


def test_thinking_is_collapsed_and_streams(shared: Shared, visit: Visit) -> None:
    shared.fake.models[CODER].thinking = ["Let me ", "see."]
    page = opened(visit, shared.url)
    ask(page, CODE_TASK)
    answered(page)
    expect(page.locator(".orch-chat-thinking")).to_have_count(0)
    page.get_by_role("button", name="Thinking").click()
    expect(page.locator(".orch-chat-thinking")).to_have_text("Let me see.")


def test_a_second_model_answers_side_by_side_and_the_better_answer_is_marked(
    chat: str, visit: Visit, ollama: FakeOllama
) -> None:
    page = opened(visit, chat)
    ask(page, CODE_TASK)
    answered(page)
    page.get_by_role("button", name="Try another model").click()
    page.get_by_role("button", name="Llama 3.1 8B").click()
    answered(page, 2)
    one, other = (box.bounding_box() for box in page.locator(".orch-chat-answer").all())
    assert one is not None
    assert other is not None
    assert (one["y"], one["x"] < other["x"]) == (other["y"], True)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    one, other = (box.bounding_box() for box in page.locator(".orch-chat-answer").all())
    assert one is not None
    assert other is not None
    assert (one["x"], one["y"] < other["y"]) == (other["x"], True)
    page.get_by_role("group", name="Which answer is better?").get_by_role(
        "button", name="Llama"
    ).click()
    expect(page.locator(".orch-chat-better")).to_contain_text("Hello world")
    assert eventually(
        page, "SELECT model, score FROM ratings WHERE kind = 'better' ORDER BY score", 2
    ) == [(CODER, 0.3), (LLAMA, 0.9)]
    page.reload()
    answered(page, 2)
    expect(page.locator(".orch-chat-turn")).to_have_count(1)
    assert serious_violations(page) == []


def test_asking_again_gives_a_new_answer(chat: str, visit: Visit, ollama: FakeOllama) -> None:
    page = opened(visit, chat)
    ask(page, CODE_TASK)
    answered(page)
    ask(page, CODE_TASK)
    answered(page, 2)
    page.get_by_role("button", name="Try another model").last.click()
    page.get_by_role("button", name="Same model again").click()
    answered(page, 3)
    assert len(ollama.chats()) == 3


def test_the_task_type_can_be_corrected(chat: str, visit: Visit) -> None:
    page = opened(visit, chat)
    ask(page, CODE_TASK)
    answered(page)
    page.get_by_role("button", name="Wrong type?").click()
    page.get_by_role("group", name="Task type").get_by_role("button", name="analysis").click()
    expect(page.locator(".q-notification")).to_contain_text("Task type corrected to analysis.")
    assert rows("SELECT said, task_type FROM corrections") == [("coding", "analysis")]


# ---------------------------------------------------------------- wishes


def test_the_choice_can_be_previewed_and_changed(shared: Shared, visit: Visit) -> None:
    page = opened(visit, shared.url)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("switch", name="Preview the choice").click()
    ask(page, CODE_TASK)
    offered = page.locator(".orch-chat-candidate")
    expect(offered).to_have_count(2)
    expect(offered.first).to_contain_text("best for coding")
    expect(page.get_by_role("button", name="Use this model").first).to_be_focused()
    assert shared.fake.chats() == []
    offered.last.get_by_role("button").click()
    answered(page)
    assert (last_run(shared.url)["model"], last_run(shared.url)["decision"]["pinned"]) == (
        LLAMA,
        True,
    )
    ask(page, "And now in another way")
    page.get_by_role("button", name="Use this model").first.press("Enter")
    answered(page, 2)
    assert last_run(shared.url)["decision"]["pinned"] is False


def test_dial_and_system_prompt_are_sent_with_the_question(shared: Shared, visit: Visit) -> None:
    page = opened(visit, shared.url)
    ask(page, "Hello")
    answered(page)
    assert last_run(shared.url)["decision"]["profile"] == "balanced"
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("System prompt").fill("Answer in one word")
    slider = page.get_by_role("slider", name="From speed to quality")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    expect(page.get_by_text("Profile: 10 of 10")).to_be_visible()
    ask(page, "Hello again")
    answered(page, 2)
    run = last_run(shared.url)
    assert (run["system"], run["decision"]["profile"], run["decision"]["weights"]["quality"]) == (
        "Answer in one word",
        "dial",
        1.0,
    )
    page.get_by_role("button", name="Balanced").click()
    expect(page.get_by_text("Profile: balanced")).to_be_visible()


def test_files_are_sent_with_the_question_and_other_types_are_refused(
    shared: Shared, visit: Visit
) -> None:
    page = opened(visit, shared.url)
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Attach").click()
    png = b"\x89PNG\r\n\x1a\n" + bytes(20)
    files: list[FilePayload] = [
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": "año 42".encode()},
        {"name": "dot.png", "mimeType": "image/png", "buffer": png},
        {"name": "a.zip", "mimeType": "application/zip", "buffer": b"PK\x03\x04\x00\xff\xfe\x00"},
    ]
    chosen.value.set_files(files)
    expect(page.locator(".q-notification")).to_contain_text("a.zip is neither text nor an image")
    expect(page.locator(".orch-chat-file")).to_have_count(2)
    ask(page, "What is in these files?")
    answered(page)
    expect(page.locator(".orch-chat-file")).to_have_count(0)
    message = shared.fake.chats()[-1].body["messages"][-1]
    assert "File notes.txt:\n```\naño 42\n```" in message["content"]
    assert len(message["images"]) == 1
    expect(page.locator(".orch-chat-question")).to_contain_text("notes.txt")


def test_the_size_of_a_file_is_limited() -> None:
    translator = Translator("en")
    with pytest.raises(PageError, match="larger than 8 MB"):
        attachment_from_bytes("big.png", b"\x89PNG\r\n" + bytes(MAX_FILE_BYTES), translator)
    with pytest.raises(PageError, match="more than 2 MB"):
        attachment_from_bytes("long.txt", b"a" * 2_000_001, translator)
    with pytest.raises(PageError, match="empty"):
        attachment_from_bytes("none.txt", b"", translator)


# ---------------------------------------------------------------- stop, errors, no models


def test_stop_keeps_the_partial_answer_and_marks_it(shared: Shared, visit: Visit) -> None:
    shared.fake.models[CODER].reply, shared.fake.models[CODER].chunk_delay_s = (
        ["word "] * 2_000,
        0.02,
    )
    page = opened(visit, shared.url)
    ask(page, CODE_TASK)
    expect(page.locator(".orch-answer")).to_contain_text("word word")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".orch-chat-mark")).to_have_text("interrupted")
    expect(text_box(page)).to_be_focused()
    shared.fake.wait_for(lambda: shared.fake.chats()[-1].aborted)
    run = httpx.get(f"{shared.url}/orch/runs?limit=1").json()["runs"][0]
    assert (run["status"], run["error_code"]) == ("interrupted", "interrupted")
    shared.fake.models[CODER].reply = ["whole"]
    page.get_by_role("button", name="Ask again").click()
    answered(page)
    expect(page.locator(".orch-answer")).to_have_text("whole")


def test_a_stopped_answer_is_sent_with_the_next_question_and_marked_after_a_reload(
    shared: Shared, visit: Visit
) -> None:
    coder = shared.fake.models[CODER]
    coder.reply, coder.chunk_delay_s = ["word "] * 2_000, 0.02
    page = opened(visit, shared.url)
    ask(page, CODE_TASK)
    expect(page.locator(".orch-answer")).to_contain_text("word word")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".orch-chat-mark")).to_have_text("interrupted")
    coder.reply = shared.fake.models[LLAMA].reply = ["whole"]
    ask(page, "go on")
    expect(page.locator(".orch-answer").last).to_have_text("whole")
    sent = [
        (message["role"], message["content"][:9])
        for message in shared.fake.chats()[-1].body["messages"]
    ]
    assert sent == [("user", CODE_TASK[:9]), ("assistant", "word word"), ("user", "go on")]
    page.reload()
    expect(page.locator(".orch-chat-mark").first).to_have_text("interrupted")
    expect(page.locator(".orch-answer").first).to_contain_text("word word")


def test_an_error_shows_its_hint_and_can_be_retried(shared: Shared, visit: Visit) -> None:
    for model in shared.fake.models.values():
        model.faults = [Fault("status", message="out of order")] * 2
    page = opened(visit, shared.url)
    ask(page, CODE_TASK)
    expect(
        page.get_by_role("alert").filter(has_text="every model that was asked failed")
    ).to_contain_text("orch health shows what is wrong")
    for model in shared.fake.models.values():
        model.faults = []
    page.get_by_role("button", name="Try again").click()
    answered(page)
    expect(page.locator(".orch-chat-turn")).to_have_count(1)


def test_an_unreachable_provider_is_shown_before_and_after_a_question(
    home: Path, visit: Visit
) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text("version: 1\nfallback: {last_resort: never}\n")
    with orch_serve() as (url, _):
        page = opened(visit, url)
        expect(page.get_by_text("No provider can be reached")).to_be_visible()
        ask(page, "Hello")
        expect(
            page.get_by_role("alert").filter(has_text="no provider can be reached")
        ).to_contain_text("ollama serve")
        assert serious_violations(page) == []


def test_hostile_markdown_runs_no_script_and_loads_nothing(shared: Shared, visit: Visit) -> None:
    shared.fake.models[CODER].reply, shared.fake.models[CODER].thinking = (
        HOSTILE,
        ["<script>window.pwned = 9</script>"],
    )
    page = opened(visit, shared.url)
    foreign: list[str] = []
    page.on(
        "request",
        lambda request: foreign.append(request.url) if _is_foreign(request, shared.url) else None,
    )
    ask(page, CODE_TASK)
    answered(page)
    page.get_by_role("button", name="Thinking").click()
    expect(page.locator(".orch-chat-thinking")).to_contain_text("<script>")
    page.reload()
    answered(page)
    assert page.evaluate("window.pwned") is None
    assert foreign == []
    links = page.eval_on_selector_all(
        ".orch-answer a", "all => all.map(one => one.getAttribute('href'))"
    )
    assert [link for link in links if link] == ["https://example.org/ok"]
    assert page.locator(".orch-answer :is(img, script, svg)").count() == 0


def _is_foreign(request: Request, url: str) -> bool:
    return not request.url.startswith((url, url.replace("http", "ws", 1), "data:", "blob:"))


# ---------------------------------------------------------------- conversations, restarts


def test_a_conversation_continues_in_another_tab_and_a_new_one_starts_empty(
    shared: Shared, visit: Visit
) -> None:
    page = opened(visit, shared.url)
    ask(page, CODE_TASK)
    answered(page)
    here = page.locator(".orch-chat-past.here")
    expect(here).to_contain_text("1 turn")
    tab = opened(visit, page.url)
    answered(tab)
    ask(tab, "And with three?")
    answered(tab, 2)
    roles = [message["role"] for message in shared.fake.chats()[-1].body["messages"]]
    assert roles == ["user", "assistant", "user"]
    page.get_by_role("link", name="New conversation").click()
    page.wait_for_function("() => window.did_handshake === true")
    expect(page.locator(".orch-chat-turn")).to_have_count(0)
    ask(page, "Hello")
    answered(page)
    assert len(shared.fake.chats()[-1].body["messages"]) == 1
    expect(here).to_contain_text("Hello")
    expect(page.locator(".orch-chat-past").nth(1)).to_contain_text("2 turns")


def test_a_reload_during_an_answer_gets_the_rest(shared: Shared, visit: Visit) -> None:
    shared.fake.models[CODER].reply, shared.fake.models[CODER].chunk_delay_s = (
        [f"w{n} " for n in range(60)],
        0.05,
    )
    page = opened(visit, shared.url)
    ask(page, CODE_TASK)
    expect(page.locator(".orch-answer")).to_contain_text("w3 ")
    page.reload()
    answered(page)
    expect(page.locator(".orch-answer")).to_have_text("".join(f"w{n} " for n in range(60)).strip())
    assert len(shared.fake.chats()) == 1


@contextmanager
def free_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    yield port


@pytest.mark.parametrize("killed", [False, True])
def test_a_restart_during_an_answer_keeps_the_question_and_the_partial_answer(
    ollama: FakeOllama, home: Path, visit: Visit, killed: bool
) -> None:
    ollama.models[CODER].reply, ollama.models[CODER].chunk_delay_s = ["word "] * 2_000, 0.02
    with free_port() as port:
        with orch_serve("--port", str(port)) as (url, process):
            page = opened(visit, url)
            ask(page, "Hello there, write code in Python")
            expect(page.locator(".orch-answer")).to_contain_text("word word word")
            page.evaluate("window.before = true")
            if killed:
                process.kill()
        with orch_serve("--port", str(port)) as (url, _):
            page.wait_for_function(
                "() => window.before === undefined && window.did_handshake === true", timeout=30_000
            )
            expect(page.locator(".orch-chat-question")).to_contain_text("Hello there")
            expect(page.locator(".orch-chat-mark")).to_have_text("interrupted")
            expect(page.locator(".orch-answer")).to_contain_text("word word word")
            ollama.models[CODER].reply = ["again"]
            page.get_by_role("button", name="Ask again").click()
            answered(page)
            expect(page.locator(".orch-answer")).to_have_text("again")


def test_without_texts_in_the_journal_the_page_keeps_the_conversation(
    ollama: FakeOllama, home: Path, visit: Visit
) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(ROOM + "journal: {mode: meta}\n")
    coder = ollama.models[CODER]
    with orch_serve() as (url, _):
        page = opened(visit, url)
        ask(page, f"{CODE_TASK}, 1")
        answered(page)
        coder.reply, coder.chunk_delay_s = ["word "] * 2_000, 0.02
        ask(page, f"{CODE_TASK}, 2")
        expect(page.locator(".orch-answer").last).to_contain_text("word word")
        page.get_by_role("button", name="Stop").click()
        coder.reply = ollama.models[LLAMA].reply = ["whole"]
        ask(page, "go on")
        expect(page.locator(".orch-answer").last).to_have_text("whole")
        sent = ollama.chats()[-1].body["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant"] * 2 + ["user"]
        assert sent[3]["content"].startswith("word word")


# ---------------------------------------------------------------- keyboard, languages, sizes


def test_the_chat_works_by_keyboard(chat: str, visit: Visit) -> None:
    page = opened(visit, chat)
    expect(text_box(page)).to_be_focused()
    page.keyboard.type("One line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("and another")
    page.keyboard.press("Enter")
    answered(page)
    assert last_run(chat)["task"] == "One line\nand another"
    for name, key in (("Good answer", "Enter"), ("Wrong type?", "Space"), ("analysis", "Enter")):
        tab_to(page, name)
        page.keyboard.press(key)
    expect(page.locator(".q-notification", has_text="corrected to analysis")).to_be_visible()


def tab_to(page: Page, name: str) -> None:
    """Presses Shift+Tab or Tab until the element of that name has the focus."""
    wanted = page.get_by_role("button", name=name, exact=True)
    expect(wanted).to_be_visible()
    for _ in range(60):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab reaches {name}")


@pytest.mark.parametrize(("size", "dark"), [(PHONE, True), (DESK, False)])
def test_in_spanish_on_a_phone_and_a_desk(
    shared: Shared, visit: Visit, size: tuple[int, int], dark: bool
) -> None:
    shared.fake.models[CODER].reply = [
        "| " + " | ".join(f"columna{n}" for n in range(30)) + " |\n" + "|---" * 30 + "|\n\n```\n",
        "x" * 400,
        "\n```\n",
    ]
    page = opened(visit, shared.url, size=size, dark=dark, language="es")
    ask(page, "Escribe una función de Python que sume dos números")
    expect(page.get_by_role("button", name="Buena respuesta")).to_be_visible()
    expect(page.locator(".orch-chat-head")).to_contain_text(re.compile(r"código.*confianza \d+ %"))
    page.get_by_role("button", name="¿Por qué este modelo?").click()
    expect(page.locator(".orch-decision-one").first).to_contain_text(
        re.compile(r"idoneidad 0,\d\d")
    )
    page.get_by_role("button", name="Ajustes", exact=True).click()
    page.get_by_role("button", name="¿Tipo incorrecto?").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert serious_violations(page) == []
