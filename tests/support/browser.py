"""A real Chromium and a real `orch serve` for the tests of the page."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.forked import Forked

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PHONE, DESK = (390, 844), (1200, 900)
FITS = "(links => links.scrollWidth <= links.clientWidth)(document.querySelector('.orch-links'))"
"""Whether all links of the navigation are visible at once."""
Visit = Callable[..., Page]


@contextlib.contextmanager
def orch_serve(
    *words: str, env: dict[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Yields the URL and the process of an `orch serve`. A process of its own, because NiceGUI is
    a singleton of its process; ORCH_HOME is the test's."""
    process = Forked(
        "serve",
        "--port",
        "0",
        *words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "orch serves at" not in line:
            process.kill()
            pytest.fail(f"orch serve did not start: {line}{process.communicate()[1]}")
        yield line.split()[-1], process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The installed Chromium or Chrome; skips the test if there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextlib.contextmanager
def visits(browser: Browser) -> Iterator[Visit]:
    """Yields a function that opens pages: `visit(url, size=PHONE, dark=True, language="es")`.
    Fails at the end if a page logged an error in the browser's console."""
    contexts: list[Any] = []
    errors: list[str] = []

    def visit(
        url: str, size: tuple[int, int] = DESK, *, dark: bool = False, language: str = "en"
    ) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            locale=language,
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda message: (
                errors.append(message.text)
                if message.type == "error" and "ERR_CONNECTION" not in message.text
                else None
            ),
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.wait_for_function(
            "() => window.did_handshake === true || document.querySelector('main') !== null"
        )
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not errors, errors


def serious_violations(page: Page) -> list[str]:
    """The serious accessibility violations that axe-core finds. Quasar's bar of pending requests
    is left out: it has no name."""
    violations = Axe().run(page, {"exclude": [".q-loading-bar"]}).response["violations"]
    return [
        f"{violation['id']}: {[node['html'][:200] for node in violation['nodes']]}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]
