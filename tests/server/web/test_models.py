"""The Models view in a real browser: memory, the list, downloads, heat maps and changes to
models.yaml."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from orch.config import paths
from orch.storage.feedback import GradedAnswer
from orch.storage.journal import Journal, RunRecord
from orch.text.model_names import full_name
from orch.text.redact import Redactor
from orch.types import Attempt
from orch.wiring import JOURNAL_FILE
from tests.conftest import CODER, LLAMA
from tests.support import server_lists
from tests.support.browser import DESK, PHONE, Visit, orch_serve, serious_violations
from tests.support.fake_ollama import FakeModel, FakeOllama, Fault

expect.set_options(timeout=15_000)

OWN = """# my models
version: 1

providers:   # where they live
  ollama: {kind: ollama, base_url: http://127.0.0.1:11434}

models:
  # the quick one
  - id: llama3.1:8b-instruct-q4_K_M
    name: 'Quick'    # quotes stay
    speed_rating: 9
    quality_rating: 7.5

  # the last comment
"""


@pytest.fixture
def file(home: Path) -> Path:
    """A models.yaml of the user, with a memory budget of 24 GB."""
    home.mkdir()
    (home / "routing.yaml").write_text("version: 1\nmemory_budget_gb: 24\n")
    (home / "models.yaml").write_text(OWN)
    return home / "models.yaml"


@pytest.fixture
def models(ollama: FakeOllama, file: Path) -> Iterator[str]:
    """The URL of the view, with one listed and one unlisted model."""
    with orch_serve() as (url, _):
        yield f"{url}/models"


def row(page: Page, name: str) -> Locator:
    """The row of a model."""
    return (
        page.get_by_role("listitem")
        .filter(has=page.get_by_text(name, exact=True))
        .filter(has=page.get_by_role("checkbox"))
    )


def measure() -> None:
    """Records answers and grades of both models, for coding only."""
    now = time.time()
    with closing(Journal(paths.data_dir() / JOURNAL_FILE, Redactor({}))) as journal:
        for number, model in enumerate((CODER, LLAMA, LLAMA)):
            attempt = Attempt(
                model, "ollama", "ok", total_s=2.0, completion_tokens=100, decode_s=2.0
            )
            run = RunRecord(
                f"{number:018x}",
                now,
                "cli",
                "ok",
                "x",
                None,
                [],
                "y",
                "coding",
                0.9,
                None,
                [attempt],
                model,
                "ollama",
            )
            journal.record(run)
        texts = [
            f"Write a Python function number {number} that sorts a list and write tests for the"
            " code"
            for number in range(6)
        ]
        journal.feedback.add_grades(
            GradedAnswer(
                now,
                f"t{number}",
                "h",
                "coding",
                "en",
                text,
                model,
                "ollama",
                "d",
                "a",
                score,
                "graded",
            )
            for model, score in ((LLAMA, 0.4), (CODER, 0.9))
            for number, text in enumerate(texts)
        )


# ---------------------------------------------------------------- what is there


def test_the_list_shows_the_state_of_each_model(
    models: str, visit: Visit, ollama: FakeOllama
) -> None:
    ollama.add(FakeModel("embedder", capabilities=["embedding"], family="bert"))
    for dark in (False, True):
        page = visit(models, dark=dark)
        expect(row(page, "Quick")).to_contain_text("installed")
        expect(row(page, CODER)).to_contain_text("unlisted")
        expect(row(page, CODER)).to_contain_text("can be selected")
        expect(row(page, CODER)).to_contain_text("4.7 GB")
        expect(row(page, "embedder:latest")).to_contain_text("embeddings only")
        expect(page.get_by_text("No measurements yet")).to_be_visible()
        assert serious_violations(page) == []


def test_the_list_says_what_a_server_leaves_open(file: Path, visit: Visit) -> None:
    listed = server_lists.models({"id": "big-70b"}, {"id": "whisper-large-v3"})
    with server_lists.ListServer({"/v1/models": listed}) as server:
        file.write_text(
            f"version: 1\nproviders:\n  s: {{kind: openai, base_url: {server.url}}}\nmodels: []\n"
        )
        with orch_serve() as (url, _):
            page = visit(f"{url}/models")
            expect(row(page, "big-70b")).to_contain_text("installed, loaded: ?")
            expect(row(page, "big-70b")).to_contain_text("context: ?")
            expect(row(page, "whisper-large-v3")).to_contain_text(
                "made for transcription, not for chat"
            )


ALIASES = {
    "en": ("other names: quick, gpt-4o", "Other names of auto: o3 (auto:coding)"),
    "es": ("otros nombres: quick, gpt-4o", "Otros nombres de auto: o3 (auto:coding)"),
}


@pytest.mark.parametrize("language", ALIASES)
def test_the_aliases_of_models_and_of_auto_are_shown(
    models: str, file: Path, visit: Visit, language: str
) -> None:
    aliases = f"aliases: {{gpt-4o: '{LLAMA}', o3: auto:coding}}\n"
    file.write_text(
        OWN.replace("    speed_rating", "    aliases: [quick]\n    speed_rating") + aliases
    )
    of_model, of_auto = ALIASES[language]
    for size in (PHONE, DESK):
        page = visit(models, language=language, size=size)
        expect(row(page, "Quick")).to_contain_text(of_model)
        expect(page.get_by_text(of_auto)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert serious_violations(page) == []


WORDS = {
    "en": ("remote, ollama.com", "not selected: models.yaml does not set remote: allow", "Load"),
    "es": ("remoto, ollama.com", "no se elige: models.yaml no tiene remote: allow", "Cargar"),
}


@pytest.mark.parametrize("language", WORDS)
def test_a_remote_model_shows_its_host_and_cannot_be_loaded(
    models: str, visit: Visit, ollama: FakeOllama, language: str
) -> None:
    ollama.add(FakeModel("gpt-oss:120b-cloud", remote_host="https://ollama.com:443", size=384))
    page, (where, routed, load) = visit(models, language=language), WORDS[language]
    expect(row(page, "gpt-oss:120b-cloud")).to_contain_text(where)
    expect(row(page, "gpt-oss:120b-cloud")).to_contain_text(routed)
    expect(row(page, CODER).get_by_role("button", name=load)).to_be_visible()
    expect(row(page, "gpt-oss:120b-cloud").get_by_role("button", name=load)).not_to_be_visible()


def test_a_recently_installed_model_is_marked_new(
    models: str, visit: Visit, ollama: FakeOllama
) -> None:
    page = visit(models)
    expect(row(page, "Quick")).not_to_contain_text("new")
    with closing(Journal(paths.data_dir() / JOURNAL_FILE, Redactor({}))) as journal:
        journal.database.run_or_default(
            lambda c: c.execute("UPDATE model_info SET at = at - 3600"), None
        )
    ollama.add(FakeModel("stranger:3b"))
    page.reload()
    expect(row(page, "stranger:3b")).to_contain_text("new")
    expect(row(page, "Quick")).not_to_contain_text("new")


def test_an_unreachable_provider_shows_why_and_what_to_do(home: Path, visit: Visit) -> None:
    with orch_serve() as (url, _):
        page = visit(f"{url}/models")
        expect(
            page.get_by_role("alert").filter(
                has_text="Provider ollama is not available: can't connect"
            )
        ).to_contain_text("ollama serve")
        expect(row(page, "Llama 3.1 8B")).to_contain_text("provider not available")
        assert serious_violations(page) == []


def test_without_models_the_view_says_how_to_get_one(
    models: str, visit: Visit, ollama: FakeOllama, file: Path
) -> None:
    ollama.models.clear()
    file.write_text("providers: {ollama: {kind: ollama, base_url: 'http://127.0.0.1:11434'}}\n")
    page = visit(models)
    expect(page.get_by_text("No models yet")).to_be_visible()
    expect(page.get_by_text("No installed model to measure")).to_be_visible()


def test_the_heat_maps_show_measured_and_expected_values(models: str, visit: Visit) -> None:
    measure()
    page = visit(models)
    speed, quality = page.get_by_role("table").nth(0), page.get_by_role("table").nth(1)
    expect(speed.get_by_role("row", name="Quick")).to_contain_text(
        "115 tokens/s\n9.0 of 10", use_inner_text=True
    )
    expect(speed.get_by_role("row", name="Quick").get_by_role("cell").nth(1)).to_have_text(
        "50 tokens/s\n−57 % · n=2", use_inner_text=True
    )
    expect(quality.get_by_role("row", name="Quick")).to_contain_text("7.5 of 10")
    expect(quality.get_by_role("row", name="Quick").get_by_role("cell").nth(1)).to_contain_text(
        "n=6"
    )
    assert serious_violations(page) == []


# ---------------------------------------------------------------- memory


def test_loading_and_unloading_updates_the_memory_bar(
    models: str, visit: Visit, ollama: FakeOllama
) -> None:
    page = visit(models)
    expect(page.get_by_text("No model is loaded; 24.0 GB available")).to_be_visible()
    page.get_by_role("button", name="Load: Quick").click()
    expect(page.get_by_role("img", name="4.7 GB of 24.0 GB loaded")).to_be_visible()
    expect(row(page, "Quick")).to_contain_text("loaded")
    assert list(ollama.resident) == [LLAMA]
    page.get_by_role("button", name="Unload: Quick").click()
    expect(page.get_by_text("No model is loaded; 24.0 GB available")).to_be_visible()
    assert not ollama.resident
    ollama.remove(LLAMA)
    page.get_by_role("button", name="Load: Quick").click()
    expect(page.get_by_text(f"{LLAMA}: not installed")).to_be_visible()
    expect(page.get_by_role("button", name="Download: Quick")).to_be_visible()


# ---------------------------------------------------------------- fetching


def test_a_downloaded_model_can_be_selected_and_an_unknown_one_shows_the_error(
    models: str, visit: Visit, ollama: FakeOllama
) -> None:
    page = visit(models)
    page.get_by_label("Name, for example qwen3:4b").fill("qwen3:4b")
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="qwen3:4b")).to_contain_text("Installed.")
    expect(row(page, "qwen3:4b")).to_contain_text("unlisted")
    assert ollama.pulled == ["qwen3:4b"]
    page.get_by_label("Name, for example qwen3:4b").fill("missing-model")
    page.get_by_role("button", name="Download", exact=True).click()
    missing = page.get_by_role("group", name="missing-model")
    expect(missing).to_contain_text("file does not exist")
    expect(missing).to_contain_text("ollama.com/library")
    missing.get_by_role("button", name="Close").click()
    expect(missing).to_have_count(0)


def test_a_download_continues_without_the_page_until_it_is_cancelled(
    models: str, visit: Visit, ollama: FakeOllama
) -> None:
    page = visit(models)
    expect(row(page, "Quick")).to_be_visible()
    ollama.server_status = Fault("stall", after=4, seconds=120)
    page.get_by_label("Name, for example qwen3:4b").fill("qwen3:4b")
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.get_by_role("group", name="qwen3:4b")).to_contain_text("2.4 of 4.7 GB · 50 %")
    page.reload()
    shown = page.get_by_role("group", name="qwen3:4b")
    expect(shown.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "0.5")
    assert serious_violations(page) == []
    shown.get_by_role("button", name="Cancel").click()
    expect(shown).to_contain_text("2.4 of 4.7 GB · 50 % · Cancelled; what came is kept.")
    ollama.wait_for(
        lambda: any(request.aborted for request in ollama.requests if request.path == "/api/pull")
    )
    assert serious_violations(page) == []
    ollama.server_status = None
    shown.get_by_role("button", name="Continue").click()
    expect(shown).to_contain_text("Installed.")
    shown.get_by_role("button", name="Close").click()
    expect(shown).to_have_count(0)


def test_what_to_pull_is_shown_with_a_button_that_downloads_it(
    models: str, visit: Visit, ollama: FakeOllama
) -> None:
    page = visit(models, language="es", size=PHONE)
    expect(page.get_by_role("heading", name="Qué descargar para este equipo")).to_be_visible()
    buttons = page.get_by_role("button", name="Descargar: ")
    first = buttons.first.get_attribute("aria-label") or ""
    tag = first.removeprefix("Descargar: ")
    buttons.first.click()
    expect(page.get_by_role("group", name=tag, exact=True)).to_contain_text("Instalado.")
    assert ollama.pulled == [full_name(tag)]
    assert serious_violations(page) == []


# ---------------------------------------------------------------- models.yaml


def test_listing_a_model_shows_the_diff_and_keeps_comments(
    models: str, visit: Visit, file: Path
) -> None:
    page = visit(models)
    page.get_by_role("checkbox", name=f"Listed in models.yaml: {CODER}").click()
    page.get_by_role("button", name="Show the changes to models.yaml").click()
    dialog = page.get_by_role("dialog", name="Changes to models.yaml")
    expect(dialog).to_contain_text(f"+  - id: {CODER}")
    page.wait_for_function(
        "document.getAnimations().length === 0"
    )  # while it fades in, its contrast is low
    assert serious_violations(page) == []
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert file.read_text() == OWN
    page.get_by_role("button", name="Show the changes to models.yaml").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("models.yaml saved")).to_be_visible()
    expect(row(page, CODER)).not_to_contain_text("unlisted")
    expect(page.get_by_role("button", name="Show the changes to models.yaml")).to_be_disabled()
    new = iter(file.read_text().splitlines())
    assert [
        line for line in OWN.splitlines() if line not in new
    ] == []  # each search continues after the last match


def test_models_can_be_unlisted_and_unlisted_models_ignored(
    models: str, visit: Visit, file: Path
) -> None:
    page = visit(models)
    box = page.get_by_role("checkbox", name="Listed in models.yaml: Quick")
    box.click()
    page.get_by_role("button", name="Undo").click()
    expect(box).to_be_checked()
    box.click()
    expect(row(page, "Quick")).to_contain_text("can be selected")  # as unlisted
    page.get_by_role("switch", name="The router can also select unlisted models").click()
    expect(row(page, "Quick")).to_contain_text("not selected")
    page.get_by_role("button", name="Show the changes to models.yaml").click()
    page.get_by_role("button", name="Save").click()
    expect(row(page, LLAMA)).to_contain_text("unlisted")
    assert f"  #- id: {LLAMA}\n  #  name: 'Quick'    # quotes stay" in file.read_text()
    assert "unlisted: ignore" in file.read_text()


# ---------------------------------------------------------------- for everybody


def test_the_view_is_in_spanish_and_fits_a_phone(
    models: str, visit: Visit, ollama: FakeOllama
) -> None:
    ollama.resident[LLAMA] = 8192
    measure()
    page = visit(models, PHONE, language="es", dark=True)
    expect(page.get_by_role("img", name="4,7 GB de 24,0 GB cargados")).to_be_visible()
    expect(page.get_by_role("button", name="Liberar: Quick")).to_be_visible()
    expect(page.get_by_role("table").nth(1).get_by_role("row", name="Quick")).to_contain_text(
        "de 10"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert serious_violations(page) == []


def test_loading_by_keyboard_keeps_the_focus_and_other_loads_appear(
    models: str, visit: Visit, ollama: FakeOllama
) -> None:
    page = visit(models)
    expect(row(page, "Quick")).to_be_visible()
    page.get_by_label("Name, for example qwen3:4b").focus()
    label = "document.activeElement.getAttribute('aria-label') || ''"
    while not page.evaluate(label).startswith("Load: Quick"):
        assert page.evaluate("document.activeElement !== document.body")
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(row(page, "Quick")).to_contain_text("loaded")
    expect(page.get_by_role("button", name="Unload: Quick")).to_be_focused()
    ollama.resident[CODER] = 8192
    expect(page.get_by_role("button", name=f"Unload: {CODER}")).to_be_visible()
    expect(page.get_by_role("img", name="9.4 GB of 24.0 GB loaded")).to_be_visible()
    expect(page.get_by_role("button", name="Unload: Quick")).to_be_focused()


def test_each_device_shows_what_is_free_and_what_others_hold(
    ollama: FakeOllama,
    file: Path,
    visit: Visit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'GPU-1, 24564, 6144, NVIDIA GeForce RTX 4090'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with orch_serve() as (url, _):
        page = visit(f"{url}/models", PHONE)
        devices = page.locator(".orch-models-devices li")
        card = devices.filter(has_text="RTX 4090")
        expect(card).to_contain_text(
            "6.4 of 25.8 GB free; models hold 0.0 GB, other programs 19.3 GB"
        )
        expect(devices.filter(has_text="main memory")).to_contain_text("free")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert serious_violations(page) == []
        page = visit(f"{url}/models", DESK, language="es")
        expect(page.get_by_text("otros programas 19,3 GB")).to_be_visible()
