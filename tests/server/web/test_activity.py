"""The Activity view in a real browser: active runs, the history, statistics and a single run."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from orch.storage.journal import Journal, RunRecord
from orch.text.redact import Redactor
from orch.types import Attempt
from orch.wiring import JOURNAL_FILE
from tests.conftest import CODER, LLAMA, ROOM
from tests.support.browser import PHONE, Visit, orch_serve, serious_violations
from tests.support.fake_ollama import FakeOllama, Fault

MANY = 5_000
KINDS = ("coding", "writing", "simple", "analysis")

expect.set_options(timeout=20_000)  # for slow machines


def record(number: int, now: float) -> RunRecord:
    """A run: every 10th has a fallback, every 25th failed, every 40th came from the cache, every
    100th loaded its model first."""
    failed, cached, has_fallback = number % 25 == 24, number % 40 == 39, number % 10 == 9
    model = LLAMA if number % 2 else CODER
    outcome = ("failed", "timeout", "no answer") if failed else ("ok", "", "")
    load_s = 4.5 if number % 100 == 3 else 0.0
    last = Attempt(
        model,
        "ollama",
        *outcome,
        0,
        1.5 + number % 5,
        0.2 + number % 7 / 10,
        load_s,
        completion_tokens=120,
        decode_s=2.0,
    )
    first = Attempt(
        CODER if model == LLAMA else LLAMA,
        "ollama",
        "failed",
        "server_error",
        "out of memory",
        total_s=0.4,
    )
    attempts = [] if cached else [first, last] if has_fallback else [last]
    return RunRecord(
        run_id=f"{int(now * 1000) + number:012x}{number:06x}",
        at=now - (MANY - number) * 60,
        face="cli",
        status="failed" if failed else "ok",
        task=f"Question {number} about {'a needle' if number == 1234 else 'hay'}",
        system=None,
        messages=[{"role": "user", "content": f"Question {number}"}],
        answer="" if failed else f"Answer {number}",
        task_type=KINDS[number % len(KINDS)],
        confidence=0.8,
        decision=None,
        attempts=attempts,
        model=model,
        provider="ollama",
        error_code="timeout" if failed else None,
        error="no answer" if failed else None,
        source="cache" if cached else "model",
        completion_tokens=120,
        ttft_s=0.5,
        total_s=2.5,
    )


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server whose journal holds 5,000 runs, one for each minute."""
    folder = tmp_path_factory.mktemp("full")
    now = time.time()
    with closing(Journal(folder / JOURNAL_FILE, Redactor({}))) as journal:
        assert journal.record_all([record(number, now) for number in range(MANY)])
    with orch_serve(env={"ORCH_HOME": str(folder), "OLLAMA_HOST": "127.0.0.1:1"}) as (url, _):
        yield url


def rows(page: Page) -> Any:
    return page.locator(".orch-runs tbody tr")


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def asked(url: str, text: str) -> threading.Thread:
    """Sends a question in a thread and returns the thread."""
    thread = threading.Thread(
        target=lambda: httpx.post(f"{url}/orch/run", json={"text": text}, timeout=60), daemon=True
    )
    thread.start()
    return thread


# ---------------------------------------------------------------- what runs


def test_active_and_waiting_runs_are_listed_until_they_end(
    ollama: FakeOllama, site: str, visit: Visit
) -> None:
    for model in ollama.models.values():
        model.chunk_delay_s = 60
    page = visit(f"{site}/activity")
    expect(page.get_by_text("Nothing is running.")).to_be_visible()
    threads = [asked(site, f"Hello there, number {number}") for number in range(5)]
    live = page.get_by_role("list", name="Active runs")
    expect(live.get_by_role("listitem")).to_have_count(5)
    expect(page.get_by_text("4 running, 1 waiting")).to_be_visible()
    expect(live.get_by_text("waiting, position 1")).to_be_visible()
    expect(live.get_by_text("its 4 slots are in use")).to_be_visible()
    expect(
        live.get_by_text(re.compile(r"\b[1-9]\d* s\b")).first
    ).to_be_visible()  # updated while the page is open
    lane = httpx.get(f"{site}/orch/health").json()["queue"]["providers"]["ollama"]
    for each in (*lane["waiting"], *lane["running"]):
        assert httpx.post(
            f"{site}/orch/runs/{each['run_id']}/end", json={"code": "interrupted"}
        ).json()["ok"]
    for thread in threads:
        thread.join(20)
    expect(page.get_by_text("Nothing is running.")).to_be_visible()
    page.get_by_role("button", name="Show 5 new").click()
    expect(rows(page)).to_have_count(5)
    expect(rows(page).first).to_contain_text("interrupted")


def test_an_active_run_shows_its_decision_and_then_its_outcome(
    ollama: FakeOllama, site: str, visit: Visit
) -> None:
    for model in ollama.models.values():
        model.chunk_delay_s = 60
    thread = asked(site, "Hello there")
    ollama.wait_for(lambda: bool(ollama.chats()))
    (running,) = httpx.get(f"{site}/orch/health").json()["queue"]["providers"]["ollama"]["running"]
    page = visit(f"{site}/activity?run={running['run_id']}")
    expect(page.get_by_text("This run is still active.")).to_be_visible()
    expect(page.get_by_role("list", name="Candidates").get_by_text("selected")).to_be_visible()
    httpx.post(f"{site}/orch/runs/{running['run_id']}/end", json={"code": "interrupted"})
    thread.join(20)
    expect(page.get_by_role("heading", name="Attempts")).to_be_visible()
    expect(page.get_by_text("interrupted").first).to_be_visible()


# ---------------------------------------------------------------- what ran


def test_clients_chores_are_marked_and_can_be_left_out(
    ollama: FakeOllama, site: str, visit: Visit
) -> None:
    for text, header in (("Question of a person", "none"), ("Name the subject", "title")):
        body = {"model": CODER, "messages": [{"role": "user", "content": text}]}
        answer = httpx.post(
            f"{site}/v1/chat/completions", json=body, headers={"x-orch-chore": header}, timeout=60
        )
        assert answer.is_success
    page = visit(f"{site}/activity")
    expect(rows(page)).to_have_count(2)
    expect(rows(page).first).to_contain_text("title (client)")
    choose(page, "Outcome", "without chores")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text("Question of a person")
    choose(page, "Outcome", "chores of clients")
    expect(rows(page).first).to_contain_text("title (client)")
    rows(page).first.get_by_role("link").click()
    expect(page.get_by_text("title (client)")).to_be_visible()


def test_the_history_has_pages_and_filters(full: str, visit: Visit) -> None:
    page = visit(f"{full}/activity")
    expect(page.get_by_text("1 to 50 of 5,000 runs")).to_be_visible()
    expect(rows(page)).to_have_count(50)
    page.get_by_role("button", name="Older runs").click()
    expect(page.get_by_text("51 to 100 of 5,000 runs")).to_be_visible()
    expect(rows(page).first).to_contain_text("Question 4949")
    assert page.url.endswith("/activity?page=2")
    choose(page, "Outcome", "failed")
    expect(page.get_by_text("1 to 50 of 200 runs")).to_be_visible()
    expect(rows(page).first).to_contain_text("failed: timeout")
    choose(page, "Outcome", "with a fallback")
    choose(page, "Type", "writing")
    choose(page, "Model", LLAMA)
    expect(page.get_by_text("1 to 50 of 250 runs")).to_be_visible()
    page.reload()
    expect(page.get_by_text("1 to 50 of 250 runs")).to_be_visible()
    page.goto(f"{full}/activity")
    page.get_by_label("Text in question or answer").fill("a needle")
    expect(page.get_by_text("1 run", exact=True)).to_be_visible()
    expect(rows(page)).to_contain_text("Question 1234")
    page.get_by_label("Text in question or answer").fill("100%_")
    expect(page.get_by_text("No run matches the filters.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_text("1 to 50 of 5,000 runs")).to_be_visible()


def test_a_run_can_be_opened_by_keyboard_and_going_back_keeps_the_filter(
    full: str, visit: Visit
) -> None:
    page = visit(f"{full}/activity?outcome=failed&text=Question+4")
    expect(page.get_by_text("1 to 45 of 45 runs")).to_be_visible()
    page.get_by_label("Model", exact=True).focus()
    page.keyboard.press("Tab")
    expect(rows(page).first.get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Attempts")).to_be_visible()
    expect(page.get_by_text("no answer").first).to_be_visible()
    page.go_back()
    expect(rows(page)).to_have_count(45)
    rows(page).nth(1).click(position={"x": 400, "y": 10})  # the whole row is clickable
    expect(page.get_by_role("heading", name="Attempts")).to_be_visible()


def test_statistics_are_shown_as_bars_and_as_a_table(full: str, visit: Visit) -> None:
    page = visit(f"{full}/activity")
    page.get_by_role("tab", name="Statistics").click()
    expect(page.get_by_role("heading", name="Output speed")).to_be_visible()
    expect(page.get_by_text("median 60.0 tokens/s").first).to_be_visible()
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("region", name="Statistics by model").get_by_role("row")).to_have_count(
        3
    )
    expect(page.get_by_role("region", name="Fallbacks").get_by_text("server error")).to_be_visible()
    expect(page.get_by_role("region", name="Cold loads").get_by_role("row").last).to_contain_text(
        "4.5 s"
    )
    expect(page.get_by_text("125 of 5,000 (2 %)")).to_be_visible()
    assert serious_violations(page) == []
    choose(page, "Period", "last 24 hours")
    expect(page.get_by_text(re.compile(r"36 of 1,4\d\d \("))).to_be_visible()


# ---------------------------------------------------------------- one run


def test_a_run_shows_decision_attempts_texts_and_rating(
    ollama: FakeOllama, site: str, visit: Visit
) -> None:
    ollama.models[LLAMA].faults.append(Fault("status", message="out of memory", times=-1))
    hostile = '<img src=x onerror="window.struck=1"><script>window.struck=1</script>'
    ollama.models[CODER].reply = ["**bold** ", hostile, "\n\n```python\nprint(1)\n```\n"]
    httpx.post(
        f"{site}/orch/run",
        json={"text": f"Hello there! {hostile}", "task_type": "simple"},
        timeout=30,
    )
    run_id = httpx.get(f"{site}/orch/runs/last").json()["run"]["run_id"]
    httpx.post(f"{site}/orch/rate", json={"run_id": run_id, "word": "good"})
    page = visit(f"{site}/activity")
    expect(rows(page)).to_contain_text("answered, after 2 attempts")
    rows(page).get_by_role("link").click()
    candidates = page.get_by_role("list", name="Candidates").get_by_role("listitem")
    expect(candidates).to_have_count(2)
    expect(candidates.first).to_contain_text(
        re.compile(r"expected: quality 0\.\d\d in \d+\.\d s.*load \d+\.\d")
    )
    expect(page.get_by_text("Ruled out")).to_be_visible()
    expect(page.get_by_text("not installed").first).to_be_visible()
    attempts = page.locator(".orch-attempts > li")
    expect(attempts).to_have_count(2)
    expect(attempts.first).to_contain_text("failed: server error")
    expect(attempts.first).to_contain_text("out of memory")
    expect(attempts.last).to_contain_text("answered")
    expect(attempts.last).to_contain_text("tokens/s")
    expect(page.locator(".orch-answer strong")).to_have_text("bold")
    expect(page.get_by_text(f"{CODER}: 1.0 of 1 (your rating)")).to_be_visible()
    expect(page.get_by_text(f"Hello there! {hostile}").first).to_be_visible()
    assert page.evaluate("window.struck") is None
    assert serious_violations(page) == []


def test_an_unknown_run_id_says_so(site: str, visit: Visit) -> None:
    page = visit(f"{site}/activity?run=nope")
    expect(page.get_by_text("No run has this id.")).to_be_visible()
    page.get_by_role("link", name="All runs").click()
    expect(page.get_by_text("No runs yet.")).to_be_visible()


# ---------------------------------------------------------------- states, languages, sizes


def test_it_fits_a_phone_in_spanish_in_both_themes(full: str, visit: Visit) -> None:
    for dark in (False, True):
        page = visit(f"{full}/activity?page=100", PHONE, dark=dark, language="es")
        expect(page.get_by_text("4.951 a 5.000 de 5.000 ejecuciones")).to_be_visible()
        expect(page.get_by_text("No hay nada en marcha.")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert serious_violations(page) == []
        page.get_by_role("button", name="Ejecuciones más recientes").click()
        expect(page.get_by_text("4.901 a 4.950 de 5.000 ejecuciones")).to_be_visible()
        rows(page).first.get_by_role("link").click()
        expect(page.get_by_role("heading", name="Intentos")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert serious_violations(page) == []


def test_an_empty_journal_says_what_to_do(site: str, visit: Visit) -> None:
    page = visit(f"{site}/activity", language="es")
    expect(page.get_by_text("Aún no hay ejecuciones.")).to_be_visible()
    page.get_by_role("tab", name="Estadísticas").click()
    expect(page.get_by_text("Aún no hay estadísticas.")).to_be_visible()


@pytest.mark.parametrize(
    ("mode", "message"),
    [("off", "runs are not recorded"), ("meta", "The texts of this run are not stored.")],
)
def test_a_journal_without_runs_or_texts_says_so(
    home: Path, ollama: FakeOllama, visit: Visit, mode: str, message: str
) -> None:
    home.mkdir()
    (home / "routing.yaml").write_text(f"{ROOM}journal: {{mode: {mode}}}\n")
    with orch_serve() as (url, _):
        httpx.post(f"{url}/orch/run", json={"text": "Hello there"}, timeout=30)
        page = visit(f"{url}/activity")
        if mode == "meta":
            expect(rows(page)).to_contain_text("(text not stored)")
            rows(page).get_by_role("link").click()
        expect(page.get_by_text(message)).to_be_visible()
