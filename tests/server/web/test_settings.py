"""The Settings view in a real browser: weights, replays of the journal, and saving."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from orch.orchestrator import Orchestrator
from tests.conftest import CODER, LLAMA
from tests.support.browser import PHONE, Visit, orch_serve, serious_violations
from tests.support.fake_ollama import FakeOllama
from tests.support.orch_command import orch

CODE, HOSTILE = (
    "Write a Python function that sorts a list",
    "What is the capital of <img src=x onerror=window.hit=1>?",
)
OWN = """# mine
version: 1
weights:            # what counts
  fit: 0.20
  quality: 0.40     # the answer
  speed: 0.30
  confidence: 0.10
memory_budget_gb: 100
"""


@pytest.fixture
def own(ollama: FakeOllama, home: Path) -> Path:
    """A routing.yaml of the user, and two runs; the coding model is slow."""
    home.mkdir()
    file = home / "routing.yaml"
    file.write_text(OWN)
    file.chmod(0o640)
    with ThreadPoolExecutor(1) as other:  # this thread has Playwright's event loop
        for task in (CODE, HOSTILE):
            other.submit(asyncio.run, _run(task)).result()
            ollama.resident.clear()  # else the second run prefers the loaded model
    with closing(sqlite3.connect(home / "journal.sqlite3", isolation_level=None)) as connection:
        connection.execute(
            "UPDATE attempts SET decode_s = 10, completion_tokens = 100, load_s = 10 WHERE"
            " model = ?",
            (CODER,),
        )
        connection.execute(
            "UPDATE attempts SET decode_s = 1, completion_tokens = 100, load_s = 0 WHERE model = ?",
            (LLAMA,),
        )
    return file


async def _run(task: str) -> None:
    async with Orchestrator() as orchestrator:
        await orchestrator.execute(task)


@pytest.fixture
def settings(own: Path) -> Iterator[str]:
    """The URL of the view."""
    with orch_serve() as (url, _):
        yield f"{url}/settings"


def _number(page: Page, term: str) -> Locator:
    return page.get_by_label(f"{term}, number")


def _speed_alone(page: Page) -> None:
    for term, weight in (("Fit", "0"), ("Quality", "0"), ("Speed", "1"), ("Confidence", "0")):
        _number(page, term).fill(weight)


# ---------------------------------------------------------------- replay, difference, saving


def test_changed_weights_are_replayed_and_saved_with_comments_kept(
    settings: str, visit: Visit, own: Path
) -> None:
    page = visit(settings)
    expect(page.get_by_text("No decision changes")).to_be_visible()
    expect(page.get_by_text("No changes yet.")).to_be_visible()
    _speed_alone(page)
    expect(page.get_by_text("1 of 2 decisions changes")).to_be_visible()
    [change] = page.locator(".orch-settings-changes li").all()
    expect(change).to_contain_text(CODE)
    expect(change).to_contain_text(f"from {CODER} to {LLAMA}")
    expect(change).to_contain_text(re.compile(r"coding.*expected time \d+\.\d → \d+\.\d s"))
    difference = page.get_by_label("Changes to routing.yaml")
    expect(difference).to_contain_text("-  quality: 0.40     # the answer")
    expect(difference).to_contain_text("+  quality: 0.00     # the answer")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved and active")).to_be_visible()
    expect(page.get_by_text("These are the active weights: the decisions differ")).to_be_visible()
    changes = {
        "fit: 0.20": "fit: 0.00",
        "quality: 0.40": "quality: 0.00",
        "speed: 0.30": "speed: 1.00",
        "confidence: 0.10": "confidence: 0.00",
    }
    assert own.read_text() == _replaced(OWN, changes)
    assert own.stat().st_mode & 0o777 == 0o640
    assert page.locator("p", has_text="Active configuration:").inner_text().split()[-1].strip(
        "."
    ) == _config_hash(settings)
    replayed = orch("replay", "--json")
    assert json.loads(replayed.stdout)["changed"] == 1  # orch replay agrees


def _replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def _config_hash(settings: str) -> str:
    return str(httpx.get(settings.replace("/settings", "/orch/server")).json()["config_hash"])


def test_a_hostile_task_is_shown_as_text(settings: str, visit: Visit) -> None:
    page = visit(settings)
    expect(page.get_by_text("No decision changes")).to_be_visible()
    for term, weight in (("Fit", "0"), ("Speed", "0"), ("Confidence", "0"), ("Quality", "1")):
        _number(page, term).fill(weight)
    expect(page.locator(".orch-settings-changes")).to_contain_text(HOSTILE)
    assert page.evaluate("window.hit") is None


def test_a_sum_other_than_1_can_be_replayed_but_not_saved(settings: str, visit: Visit) -> None:
    page = visit(settings)
    _number(page, "Speed").fill("0.9")
    expect(page.get_by_text("Sum: 1.60 of 1")).to_be_visible()
    expect(page.get_by_text("The weights can be saved once they add up to 1.")).to_be_visible()
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    page.get_by_role("button", name="Scale the sum to 1").click()
    expect(page.get_by_text("Sum: 1.00 of 1")).to_be_visible()
    expect(_number(page, "Speed")).to_have_value("0.57")
    expect(page.get_by_role("button", name="Save")).to_be_enabled()
    page.get_by_role("button", name="Reset to the active weights").click()
    expect(page.get_by_text("No changes yet.")).to_be_visible()


def test_the_view_works_by_keyboard(settings: str, visit: Visit, own: Path) -> None:
    page = visit(settings)
    expect(page.get_by_text("No decision changes")).to_be_visible()
    _tab_to(page, "Fit, slider")
    page.keyboard.press("ArrowRight")
    expect(_number(page, "Fit")).to_have_value("0.21")
    _tab_to(page, "Quality, slider")
    page.keyboard.press("ArrowLeft")
    expect(_number(page, "Quality")).to_have_value("0.39")
    expect(page.get_by_role("button", name="Save")).to_be_enabled()
    _tab_to(page, "Save")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved and active")).to_be_visible()
    assert "fit: 0.21" in own.read_text()


def _tab_to(page: Page, name: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(
            "name => (document.activeElement.ariaLabel ||"
            " document.activeElement.innerText).trim().endsWith(name)",
            name,
        ):
            return
    pytest.fail(f"Tab never comes to {name}")


# ---------------------------------------------------------------- states


def test_an_invalid_file_is_reported_and_the_last_valid_one_stays_active(
    settings: str, visit: Visit, own: Path
) -> None:
    page = visit(settings)
    expect(page.get_by_text("No decision changes")).to_be_visible()
    own.write_text(OWN.replace("speed: 0.30", "speed: 0.50"))
    expect(page.get_by_text("The configuration on disk is not valid")).to_be_visible()
    expect(page.get_by_text("the weights sum to 1.2, not 1")).to_be_visible()
    own.write_text(OWN.replace("speed: 0.30", "speed: 0.20").replace("fit: 0.20", "fit: 0.30"))
    expect(page.get_by_text("The configuration on disk is not valid")).to_have_count(0)
    expect(_number(page, "Speed")).to_have_value(
        "0.20"
    )  # the open page follows a change made in an editor
    expect(page.get_by_text("No decision changes")).to_be_visible()


def test_without_runs_and_without_a_routing_file_both_are_explained(
    site: str, visit: Visit, home: Path
) -> None:
    page = visit(f"{site}/settings", PHONE, language="es")
    expect(page.get_by_text("Aún no hay ejecuciones que repetir")).to_be_visible()
    page.get_by_label("Velocidad, número").fill("0.2")
    page.get_by_label("Idoneidad, número").fill("0.3")
    expect(page.get_by_text("Aún no tienes un routing.yaml")).to_be_visible()
    page.get_by_role("button", name="Guardar").click()
    expect(page.get_by_text("Guardado y activo")).to_be_visible()
    assert (
        (home / "routing.yaml")
        .read_text()
        .endswith("weights: {fit: 0.30, quality: 0.40, speed: 0.20, confidence: 0.10}\n")
    )


def test_the_view_is_accessible_in_both_languages(settings: str, visit: Visit) -> None:
    for size, language, dark in ((PHONE, "es", True), ((1200, 900), "en", False)):
        page = visit(settings, size, language=language, dark=dark)
        page.locator("summary").first.click()
        page.locator(".orch-settings-number input").nth(1).fill("0")
        page.locator(".orch-settings-number input").nth(2).fill("0.7")
        page.locator(".orch-settings-diff").wait_for()
        page.locator(".orch-settings-changes li").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert serious_violations(page) == []
